// Package embedded is a ledger engine in PostgreSQL: endorsed transactions are
// validated and committed in blocks, a hash chain, by the processes that share
// the database. It runs the contracts in-process.
//
// It follows Hyperledger Fabric where a contract or a client could tell the
// difference: a contract reads committed state only, the versions of everything
// it read are compared again at commit, an invalid transaction stays recorded
// without effect, and an acknowledged Submit is not yet durable.
package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/protocol/role"
)

// maxQueued bounds the transactions that wait for a block.
const maxQueued = 1024

// Options of a ledger. Zero values take the defaults.
type Options struct {
	Channel     string // the ledger's name, part of every transaction; default "gx"
	Clock       clock.Clock
	Log         *slog.Logger
	MaxBlockTxs int                   // default 256
	Poll        time.Duration         // default 250 ms: bounds the delay when a notification is lost
	Registerer  prometheus.Registerer // nil: metrics are kept but not registered
}

// Ledger is this process's door to the ledger in a database. It implements
// ledger.Ledger; Run must be running.
type Ledger struct {
	pool      *pgxpool.Pool
	chaincode contract.Chaincode
	o         Options
	metrics   *metrics

	queue chan *transaction
	tip   tip
	fates fates
}

var _ ledger.Ledger = (*Ledger)(nil)

// New returns a ledger over a pool with role gx_ledger. The pool must commit
// synchronously: a block that was reported may not vanish.
func New(pool *pgxpool.Pool, cc contract.Chaincode, o Options) *Ledger {
	if o.Channel == "" {
		o.Channel = "gx"
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxBlockTxs <= 0 {
		o.MaxBlockTxs = 256
	}
	if o.Poll <= 0 {
		o.Poll = 250 * time.Millisecond
	}
	return &Ledger{
		pool: pool, chaincode: cc, o: o, metrics: newMetrics(o.Registerer),
		queue: make(chan *transaction, maxQueued),
		tip:   tip{grown: make(chan struct{})},
		fates: fates{waiting: make(map[string]map[chan ledger.Status]struct{})},
	}
}

// Run commits submitted transactions and wakes block streams and waiters until
// ctx ends, which it returns. Transactions that wait for a block then are lost.
func (l *Ledger) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.order(ctx) })
	g.Go(func() error { return l.watch(ctx) })
	return g.Wait()
}

// Submit implements ledger.Ledger. It answers ErrUnavailable while too many
// transactions wait, and refuses bytes that Endorse did not make for this
// channel and transaction id.
func (l *Ledger) Submit(ctx context.Context, tx ledger.Transaction) error {
	t, err := decode(tx.Bytes)
	switch {
	case err != nil:
		return fmt.Errorf("ledger: submit %s: %w", tx.ID, err)
	case t.id != tx.ID:
		return fmt.Errorf("ledger: submit %s: the bytes belong to transaction %s", tx.ID, t.id)
	case t.channel != l.o.Channel:
		return fmt.Errorf("ledger: submit %s: endorsed for channel %q, this is %q", tx.ID, t.channel, l.o.Channel)
	}
	if err := ctx.Err(); err != nil {
		return unavailable("submit "+tx.ID, err)
	}
	select {
	case l.queue <- t:
		return nil
	default:
		return unavailable("submit "+tx.ID, fmt.Errorf("%d transactions wait for a block", maxQueued))
	}
}

// Status implements ledger.Ledger.
func (l *Ledger) Status(ctx context.Context, txID string) (ledger.Status, error) {
	// Registered before the first look, so that no block falls in between.
	fate := l.fates.await(txID)
	defer l.fates.forget(txID, fate)
	found, err := statuses(ctx, l.pool, []string{txID})
	if err != nil {
		return ledger.Status{}, unavailable("status of "+txID, err)
	}
	if len(found) > 0 {
		return found[0], nil
	}
	select {
	case s := <-fate:
		return s, nil
	case <-ctx.Done():
		return ledger.Status{}, fmt.Errorf("ledger: status of %s: %w", txID, ctx.Err())
	}
}

const statusQuery = "SELECT tx_id, block, tx_index, code FROM ledger.transactions WHERE tx_id = ANY ($1)"

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// statuses returns those of ids that are recorded.
func statuses(ctx context.Context, db querier, ids []string) ([]ledger.Status, error) {
	rows, err := db.Query(ctx, statusQuery, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.Status])
}

// Height implements ledger.Ledger.
func (l *Ledger) Height(ctx context.Context) (uint64, error) {
	h, err := height(ctx, l.pool)
	if err != nil {
		return 0, unavailable("height", err)
	}
	return h, nil
}

func height(ctx context.Context, db querier) (h uint64, err error) {
	err = db.QueryRow(ctx, "SELECT coalesce(max(number) + 1, 0) FROM ledger.blocks").Scan(&h)
	return h, err
}

// identity returns the client that signs with a role. In-process there are no
// certificates; the names are those of a Fabric organization's clients.
func identity(r role.Role) (contract.Caller, error) {
	if _, err := role.Parse(string(r)); err != nil {
		return contract.Caller{}, err
	}
	name := strings.ReplaceAll(strings.TrimPrefix(string(r), "gx_"), "_", "-")
	return contract.Caller{
		MSP:  "Org1MSP",
		Role: r,
		ID:   "x509::CN=org1-" + name + ",OU=client::CN=ca.org1",
	}, nil
}

// unavailable reports that a call had no effect and may be repeated.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%w: %s: %w", ledger.ErrUnavailable, doing, err)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
