package fabric

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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
	envelope, err := l.unpack(tx)
	if err != nil {
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
	err = l.patiently(ctx, func() error {
		_, err := gateway.NewGatewayClient(l.nearest().conn).Submit(ctx, &gateway.SubmitRequest{
			TransactionId: tx.ID, ChannelId: l.config.Channel, PreparedTransaction: envelope,
		})
		return err
	})
	switch {
	case err == nil:
		return nil
	case transient(err) || busy(err):
		l.metrics.failures.WithLabelValues("submit").Inc()
		l.warn("submit", err)
		return unavailable("submit "+tx.ID, &failure{cause: err})
	}
	l.warn("submit", err)
	return fmt.Errorf("ledger: submit %s: %w", tx.ID, &failure{cause: err})
}

// unpack accepts only signed transactions for our channel that carry their id.
func (l *Ledger) unpack(tx ledger.Transaction) (*common.Envelope, error) {
	var envelope common.Envelope
	if err := proto.Unmarshal(tx.Bytes, &envelope); err != nil {
		return nil, fmt.Errorf("the bytes are no transaction: %w", err)
	}
	_, channel, signature, err := headers(&envelope)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(slices.Concat(signature.GetNonce(), signature.GetCreator()))
	switch {
	case len(envelope.GetSignature()) == 0:
		return nil, errors.New("the bytes are no signed transaction")
	case hex.EncodeToString(id[:]) != channel.GetTxId():
		return nil, errors.New("the bytes are no transaction with an id of their own")
	case channel.GetTxId() != tx.ID:
		return nil, fmt.Errorf("the bytes belong to transaction %s", channel.GetTxId())
	case channel.GetChannelId() != l.config.Channel:
		return nil, fmt.Errorf("endorsed for channel %q, this is %q", channel.GetChannelId(), l.config.Channel)
	}
	return &envelope, nil
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
