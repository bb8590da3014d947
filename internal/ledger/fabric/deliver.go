package fabric

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	fabricpeer "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/ledger"
)

const (
	minPause = 100 * time.Millisecond // before a broken stream is opened again
	maxPause = 2 * time.Second
)

// follow reads the codes of every new block from a peer, opening the stream
// again whenever it breaks.
func (l *Ledger) follow(ctx context.Context, p *peer) error {
	var next uint64 // 0: from the newest block on
	wait := minPause
	for ctx.Err() == nil {
		err := l.followOnce(ctx, p, &next, func() { wait = minPause })
		l.heights.set(p, peerHeight{blocks: next})
		if ctx.Err() != nil {
			break
		}
		if n, ok := l.quiet.may("follow " + p.Name); ok {
			l.o.Log.WarnContext(ctx, "stream of a peer broke", slog.String("peer", p.Name), slog.Any("err", err), slog.Int("alike", n))
		}
		pause(ctx, wait)
		wait = min(2*wait, maxPause)
	}
	return ctx.Err()
}

func (l *Ledger) followOnce(ctx context.Context, p *peer, next *uint64, well func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := seekFrom(*next)
	if *next == 0 {
		start = &orderer.SeekPosition{Type: &orderer.SeekPosition_Newest{Newest: &orderer.SeekNewest{}}}
	}
	request, err := seek(l.identities.any(), l.config.Channel, start)
	if err != nil {
		return err
	}
	stream, err := fabricpeer.NewDeliverClient(p.conn).DeliverFiltered(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(request); err != nil {
		return err
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		b := r.GetFilteredBlock()
		if b == nil {
			return fmt.Errorf("the peer ended the stream with status %s", r.GetStatus())
		}
		for i, tx := range b.GetFilteredTransactions() {
			if tx.GetTxValidationCode() != fabricpeer.TxValidationCode_DUPLICATE_TXID && tx.GetTxid() != "" {
				l.fates.record(ledger.Status{TxID: tx.GetTxid(), Block: b.GetNumber(), Index: i, Code: verdict(tx.GetTxValidationCode())})
			}
		}
		*next = b.GetNumber() + 1
		l.heights.set(p, peerHeight{blocks: *next, connected: true})
		well()
	}
}

// seek asks for all blocks from a position on, waiting for new ones.
func seek(by *connection.Identity, channel string, start *orderer.SeekPosition) (*common.Envelope, error) {
	header, err := proto.Marshal(&common.ChannelHeader{
		Type: int32(common.HeaderType_DELIVER_SEEK_INFO), ChannelId: channel, Timestamp: timestamppb.Now(),
	})
	creator, creatorErr := proto.Marshal(&common.SignatureHeader{Creator: by.Creator})
	info, infoErr := proto.Marshal(&orderer.SeekInfo{Start: start, Stop: seekFrom(math.MaxUint64), Behavior: orderer.SeekInfo_BLOCK_UNTIL_READY})
	payload, payloadErr := proto.Marshal(&common.Payload{Header: &common.Header{ChannelHeader: header, SignatureHeader: creator}, Data: info})
	if err := errors.Join(err, creatorErr, infoErr, payloadErr); err != nil {
		return nil, err
	}
	signature, err := by.Sign(payload)
	return &common.Envelope{Payload: payload, Signature: signature}, err
}

func seekFrom(number uint64) *orderer.SeekPosition {
	return &orderer.SeekPosition{Type: &orderer.SeekPosition_Specified{Specified: &orderer.SeekSpecified{Number: number}}}
}
