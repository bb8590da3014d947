package fabric

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	fabricpeer "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/internal/ledger"
)

const (
	remembered  = 1 << 14     // fates of the latest transactions
	firstLookup = time.Second // after which a peer is asked for a transaction that no block brought
	lastLookup  = 15 * time.Second
)

// Status implements ledger.Ledger. It returns once every endorsing organization
// has the block, so that none of them answers the next proposal from before it;
// a peer that is away or far behind does not hold it up for long.
func (l *Ledger) Status(ctx context.Context, txID string) (ledger.Status, error) {
	began := time.Now()
	s, err := l.fate(ctx, txID)
	if err != nil {
		return ledger.Status{}, fmt.Errorf("ledger: status of %s: %w", txID, err)
	}
	behind, cancel := context.WithTimeout(ctx, l.o.CatchUp)
	defer cancel()
	l.heights.awaitBlock(behind, s.Block)
	l.metrics.took("commit", began)
	l.metrics.transactions.WithLabelValues(string(s.Code)).Inc()
	return s, nil
}

// fate waits for the block with the transaction. Blocks come by themselves; a
// peer is asked for what is older than our streams, or what they missed.
func (l *Ledger) fate(ctx context.Context, txID string) (ledger.Status, error) {
	arrives := l.fates.await(txID)
	defer l.fates.forget(txID, arrives)
	if s, ok := l.fates.known(txID); ok {
		return s, nil
	}
	var lastErr error
	for wait := firstLookup; ; wait = min(2*wait, lastLookup) {
		timer := time.NewTimer(wait)
		select {
		case s := <-arrives:
			timer.Stop()
			return s, nil
		case <-ctx.Done():
			timer.Stop()
			return ledger.Status{}, errors.Join(ctx.Err(), lastErr)
		case <-timer.C:
		}
		s, ok, err := l.lookUp(ctx, txID)
		if lastErr = err; ok {
			l.fates.record(s)
			return s, nil
		}
	}
}

// lookUp asks a peer for the block with a transaction.
func (l *Ledger) lookUp(ctx context.Context, txID string) (s ledger.Status, ok bool, err error) {
	content, err := l.query(ctx, l.identities.any(), "qscc", "GetBlockByTxID", client.WithArguments(l.config.Channel, txID))
	if err != nil {
		if strings.Contains(err.Error(), "no such transaction ID") {
			return s, false, nil
		}
		return s, false, err
	}
	var b common.Block
	if err := proto.Unmarshal(content, &b); err != nil {
		return s, false, err
	}
	decoded, err := decode(&b, l.config.Chaincode)
	if err != nil {
		return s, false, err
	}
	for _, tx := range decoded.Txs {
		if tx.ID == txID {
			return ledger.Status{TxID: txID, Block: decoded.Number, Index: tx.Index, Code: tx.Code}, true, nil
		}
	}
	return s, false, fmt.Errorf("block %d was said to hold the transaction", decoded.Number)
}

// Height implements ledger.Ledger.
func (l *Ledger) Height(ctx context.Context) (uint64, error) {
	content, err := l.query(ctx, l.identities.any(), "qscc", "GetChainInfo", client.WithArguments(l.config.Channel))
	if err != nil {
		l.warn("height", err)
		return 0, unavailable("height", &failure{cause: err})
	}
	var info common.BlockchainInfo
	if err := proto.Unmarshal(content, &info); err != nil {
		return 0, fmt.Errorf("ledger: height: %w", err)
	}
	return info.GetHeight(), nil
}

// verdict translates a validation code.
func verdict(c fabricpeer.TxValidationCode) ledger.Code {
	switch c {
	case fabricpeer.TxValidationCode_VALID:
		return ledger.Valid
	case fabricpeer.TxValidationCode_MVCC_READ_CONFLICT:
		return ledger.ReadConflict
	case fabricpeer.TxValidationCode_PHANTOM_READ_CONFLICT:
		return ledger.PhantomConflict
	}
	return ledger.Invalid
}

// fates are the latest transactions' statuses and who waits for one.
type fates struct {
	mu      sync.Mutex
	latest  map[string]ledger.Status
	ring    []string // ids in latest, the oldest at next
	next    int
	waiting map[string]map[chan ledger.Status]struct{}
}

func newFates() *fates {
	return &fates{
		latest: make(map[string]ledger.Status), ring: make([]string, remembered),
		waiting: make(map[string]map[chan ledger.Status]struct{}),
	}
}

// record keeps the first status of a transaction and tells who waits.
func (f *fates) record(s ledger.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.latest[s.TxID]; ok {
		return
	}
	delete(f.latest, f.ring[f.next])
	f.latest[s.TxID], f.ring[f.next] = s, s.TxID
	f.next = (f.next + 1) % len(f.ring)
	for c := range f.waiting[s.TxID] {
		c <- s
	}
	delete(f.waiting, s.TxID)
}

func (f *fates) known(txID string) (ledger.Status, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.latest[txID]
	return s, ok
}

// await returns a channel that gets the status of a transaction that is recorded
// from now on.
func (f *fates) await(txID string) chan ledger.Status {
	c := make(chan ledger.Status, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting[txID] == nil {
		f.waiting[txID] = make(map[chan ledger.Status]struct{})
	}
	f.waiting[txID][c] = struct{}{}
	return c
}

func (f *fates) forget(txID string, c chan ledger.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.waiting[txID], c)
	if len(f.waiting[txID]) == 0 {
		delete(f.waiting, txID)
	}
}
