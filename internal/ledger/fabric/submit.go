package fabric

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/internal/ledger"
)

// Submit implements ledger.Ledger. Transactions that were submitted one after
// the other need not be ordered so. It refuses bytes that Endorse did not make
// for this channel and transaction id.
func (l *Ledger) Submit(ctx context.Context, tx ledger.Transaction) error {
	if err := l.check(tx); err != nil {
		return fmt.Errorf("ledger: submit %s: %w", tx.ID, err)
	}
	if _, ok := l.fates.known(tx.ID); ok {
		return nil // it is in a block
	}
	if err := l.submitting.Acquire(ctx, 1); err != nil {
		return unavailable("submit "+tx.ID, err)
	}
	defer l.submitting.Release(1)
	defer l.metrics.took("submit", time.Now())
	ctx, cancel := context.WithTimeout(ctx, l.o.SubmitTimeout)
	defer cancel()

	g, _, err := l.contract(l.nearest(), l.identities.any(), l.config.Chaincode)
	if err != nil {
		return fmt.Errorf("ledger: submit %s: %w", tx.ID, err)
	}
	prepared, err := g.NewTransaction(tx.Bytes)
	if err != nil {
		return fmt.Errorf("ledger: submit %s: %w", tx.ID, err)
	}
	_, err = prepared.SubmitWithContext(ctx)
	switch {
	case err == nil:
		return nil
	case transient(err):
		l.metrics.failures.WithLabelValues("submit").Inc()
		l.warn("submit", err)
		return unavailable("submit "+tx.ID, &failure{cause: err})
	}
	l.warn("submit", err)
	return fmt.Errorf("ledger: submit %s: %w", tx.ID, &failure{cause: err})
}

// check accepts only signed transactions for our channel that carry their id.
func (l *Ledger) check(tx ledger.Transaction) error {
	var prepared gateway.PreparedTransaction
	if err := proto.Unmarshal(tx.Bytes, &prepared); err != nil {
		return fmt.Errorf("the bytes are no transaction: %w", err)
	}
	_, channel, signature, err := headers(prepared.GetEnvelope())
	if err != nil {
		return err
	}
	id := sha256.Sum256(append(signature.GetNonce()[:len(signature.GetNonce()):len(signature.GetNonce())], signature.GetCreator()...))
	switch {
	case len(prepared.GetEnvelope().GetSignature()) == 0:
		return errors.New("the bytes are no signed transaction")
	case hex.EncodeToString(id[:]) != channel.GetTxId() || prepared.GetTransactionId() != channel.GetTxId():
		return errors.New("the bytes are no transaction with an id of their own")
	case channel.GetTxId() != tx.ID:
		return fmt.Errorf("the bytes belong to transaction %s", channel.GetTxId())
	case channel.GetChannelId() != l.config.Channel:
		return fmt.Errorf("endorsed for channel %q, this is %q", channel.GetChannelId(), l.config.Channel)
	}
	return nil
}

// headers unpacks an envelope as far as its headers.
func headers(e *common.Envelope) (*common.Payload, *common.ChannelHeader, *common.SignatureHeader, error) {
	var (
		payload   common.Payload
		channel   common.ChannelHeader
		signature common.SignatureHeader
	)
	err := proto.Unmarshal(e.GetPayload(), &payload)
	if err == nil {
		err = proto.Unmarshal(payload.GetHeader().GetChannelHeader(), &channel)
	}
	if err == nil {
		err = proto.Unmarshal(payload.GetHeader().GetSignatureHeader(), &signature)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("envelope: %w", err)
	}
	return &payload, &channel, &signature, nil
}
