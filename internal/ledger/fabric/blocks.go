package fabric

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"iter"
	"log/slog"
	"math/big"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	fabricpeer "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/internal/ledger"
)

// Blocks implements ledger.Ledger. A stream that breaks is opened again, on
// another of our peers if need be. A block whose content is not what its header
// says ends the stream.
func (l *Ledger) Blocks(ctx context.Context, from uint64) iter.Seq2[ledger.Block, error] {
	return func(yield func(ledger.Block, error) bool) {
		next, wait := from, minPause
		for {
			p := l.nearest()
			more, err := l.blocks(ctx, p, next, func(b ledger.Block) bool {
				next, wait = b.Number+1, minPause
				return yield(b, nil)
			})
			switch {
			case !more:
				return
			case ctx.Err() != nil:
				yield(ledger.Block{}, fmt.Errorf("ledger: blocks: %w", ctx.Err()))
				return
			case isBroken(err):
				l.o.Log.ErrorContext(ctx, "a peer delivers a broken block", slog.String("peer", p.Name), slog.Any("err", err))
				yield(ledger.Block{}, fmt.Errorf("ledger: blocks of %s: %w", p.Name, err))
				return
			}
			if n, ok := l.quiet.may("blocks"); ok {
				l.o.Log.WarnContext(ctx, "stream of blocks broke", slog.String("peer", p.Name), slog.Any("err", err), slog.Int("alike", n))
			}
			pause(ctx, wait)
			wait = min(2*wait, maxPause)
		}
	}
}

// blocks yields the blocks of one stream until it breaks, or until yield has
// enough: then more is false.
func (l *Ledger) blocks(ctx context.Context, p *peer, from uint64, yield func(ledger.Block) bool) (more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := seek(l.identities.any(), l.config.Channel, seekFrom(from))
	if err != nil {
		return true, err
	}
	stream, err := fabricpeer.NewDeliverClient(p.conn).Deliver(ctx)
	if err != nil {
		return true, err
	}
	if err := stream.Send(request); err != nil {
		return true, err
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			return true, err
		}
		if r.GetBlock() == nil {
			return true, fmt.Errorf("the peer ended the stream with status %s", r.GetStatus())
		}
		b, err := decode(r.GetBlock(), l.config.Chaincode)
		if err != nil {
			return true, err
		}
		if b.Number != from {
			return true, &brokenError{b.Number, fmt.Sprintf("arrived in place of %d", from)}
		}
		from++
		if !yield(b) {
			return false, nil
		}
	}
}

// brokenError is a block that contradicts itself.
type brokenError struct {
	block  uint64
	reason string
}

func (e *brokenError) Error() string { return fmt.Sprintf("block %d: %s", e.block, e.reason) }

func isBroken(err error) bool {
	_, ok := err.(*brokenError)
	return ok
}

// decode translates a block. A transaction whose id an earlier one has taken
// stays in its place, without id.
func decode(b *common.Block, chaincode string) (ledger.Block, error) {
	header, data := b.GetHeader(), b.GetData().GetData()
	out := ledger.Block{Number: header.GetNumber(), PrevHash: header.GetPreviousHash(), Hash: headerHash(header), Txs: make([]ledger.BlockTx, 0, len(data))}
	if out.PrevHash == nil {
		out.PrevHash = []byte{}
	}
	broken := func(reason string, args ...any) (ledger.Block, error) {
		return ledger.Block{}, &brokenError{header.GetNumber(), fmt.Sprintf(reason, args...)}
	}
	if sum := sha256.Sum256(bytes.Join(data, nil)); !bytes.Equal(sum[:], header.GetDataHash()) {
		return broken("its data are not those of its header")
	}
	metadata := b.GetMetadata().GetMetadata()
	var codes []byte
	if len(metadata) > int(common.BlockMetadataIndex_TRANSACTIONS_FILTER) {
		codes = metadata[common.BlockMetadataIndex_TRANSACTIONS_FILTER]
	}
	if len(codes) != len(data) {
		return broken("%d validation codes for %d transactions", len(codes), len(data))
	}
	for i, content := range data {
		tx, err := decodeTx(content, fabricpeer.TxValidationCode(codes[i]), chaincode)
		if err != nil {
			return broken("transaction %d: %v", i, err)
		}
		tx.Index = i
		out.Txs = append(out.Txs, tx)
		if tx.Time.After(out.Time) {
			out.Time = tx.Time
		}
	}
	return out, nil
}

func decodeTx(content []byte, code fabricpeer.TxValidationCode, chaincode string) (tx ledger.BlockTx, err error) {
	tx.Code = verdict(code)
	var envelope common.Envelope
	if err := proto.Unmarshal(content, &envelope); err != nil {
		return tx, err
	}
	payload, channel, _, err := headers(&envelope)
	if err != nil {
		return tx, err
	}
	tx.Time = channel.GetTimestamp().AsTime()
	if code != fabricpeer.TxValidationCode_DUPLICATE_TXID {
		tx.ID = channel.GetTxId()
	}
	if tx.Code == ledger.Valid && common.HeaderType(channel.GetType()) == common.HeaderType_ENDORSER_TRANSACTION {
		tx.Event, err = event(payload.GetData(), chaincode)
	}
	return tx, err
}

// event returns the event that our chaincode set in a transaction, if any.
func event(transaction []byte, chaincode string) (*ledger.Event, error) {
	var (
		tx       fabricpeer.Transaction
		payload  fabricpeer.ChaincodeActionPayload
		response fabricpeer.ProposalResponsePayload
		action   fabricpeer.ChaincodeAction
		e        fabricpeer.ChaincodeEvent
	)
	err := proto.Unmarshal(transaction, &tx)
	if err != nil || len(tx.GetActions()) == 0 {
		return nil, err
	}
	for _, step := range []struct {
		content func() []byte
		message proto.Message
	}{
		{tx.GetActions()[0].GetPayload, &payload},
		{func() []byte { return payload.GetAction().GetProposalResponsePayload() }, &response},
		{response.GetExtension, &action},
		{action.GetEvents, &e},
	} {
		if err := proto.Unmarshal(step.content(), step.message); err != nil {
			return nil, err
		}
	}
	if e.GetEventName() == "" || e.GetChaincodeId() != chaincode {
		return nil, nil
	}
	return &ledger.Event{Name: e.GetEventName(), Payload: e.GetPayload()}, nil
}

// headerHash is the hash by which the next block refers to this one.
func headerHash(h *common.BlockHeader) []byte {
	content, err := asn1.Marshal(struct {
		Number                 *big.Int
		PreviousHash, DataHash []byte
	}{new(big.Int).SetUint64(h.GetNumber()), h.GetPreviousHash(), h.GetDataHash()})
	if err != nil {
		panic(err) // three plain values
	}
	sum := sha256.Sum256(content)
	return sum[:]
}
