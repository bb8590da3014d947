// Package outbox is the durable queue between the services and the ledger
// (architecture, decisions 4 to 8). A service enqueues a command and the
// request's Idempotency-Key by one statement, in a transaction of its own or its
// caller's; the leading submitter takes commands in the order of their
// positions, runs them on the ledger in batches and settles them.
//
//	PENDING ──claim──> LOCKED ──> COMMITTED, REJECTED   the ledger recorded its end
//	   ^                 │  ^
//	   │               RETRY┘                           conflict, outage, pause, fault
//	   │                 │
//	   └── operator ── DEAD ──> CANCELLED               nothing was changed on the ledger
//
// A command whose batch is stored stays LOCKED until the fate of that batch is
// known, whoever leads by then. Commands that are open or dead are in
// app.commands_open, others in the partition of the day of their ids.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/coalesce"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
)

// State of a command.
type State string

const (
	Pending   State = "PENDING"   // never claimed
	Locked    State = "LOCKED"    // claimed, or in a batch whose fate is not known yet
	Retry     State = "RETRY"     // waits for its next time
	Committed State = "COMMITTED" // applied by the ledger
	Rejected  State = "REJECTED"  // refused by a rule, on the ledger
	Dead      State = "DEAD"      // given up without a trace on the ledger; an operator decides
	Cancelled State = "CANCELLED" // discarded by an operator
)

// ErrNotFound reports that there is no such command.
var ErrNotFound = errors.New("outbox: no such command")

// Options of an outbox. Zero values take the defaults.
type Options struct {
	Clock clock.Clock
	// KeyWait bounds how long Enqueue waits for a concurrent transaction that
	// uses the same Idempotency-Key; default 1 s.
	KeyWait time.Duration
}

// Outbox is a process's side of the queue.
type Outbox struct {
	o      Options
	id     string // unlike that of any other process
	local  chan struct{}
	remote chan struct{}

	mu     sync.Mutex
	groups map[*pgxpool.Pool]*coalesce.Group[row, bool] // who enqueues at the same time
}

// New returns an outbox.
func New(o Options) *Outbox {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.KeyWait <= 0 {
		o.KeyWait = time.Second
	}
	return &Outbox{
		o: o, id: uuid.NewString(), local: make(chan struct{}, 1), remote: make(chan struct{}, 1),
		groups: map[*pgxpool.Pool]*coalesce.Group[row, bool]{},
	}
}

// Wake tells the submitter that there may be new commands. It is called after
// the commit, costs nothing and may be forgotten: the submitter also polls.
func (o *Outbox) Wake() {
	signal(o.local)
	signal(o.remote)
}

// Woken receives after Wake, once for any number of calls. It is for the one
// submitter of this process.
func (o *Outbox) Woken() <-chan struct{} { return o.local }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// channel is notified when commands were enqueued, with the id of the notifier.
const channel = "gx_outbox"

// notifyGap is the least time between two notifications of a process: a busy
// submitter needs none.
const notifyGap = 10 * time.Millisecond

// Notify passes Wake on to the submitters of other processes until ctx ends,
// whose error it returns.
func (o *Outbox) Notify(ctx context.Context, pool *pgxpool.Pool) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-o.remote:
		}
		// One that fails is made up for by polling.
		_, _ = pool.Exec(ctx, "SELECT pg_notify('"+channel+"', $1)", o.id)
		pause(ctx, notifyGap)
	}
}

// Listen signals Woken when other processes enqueue, until ctx ends, whose error
// it returns. It holds a connection of its own.
func (o *Outbox) Listen(ctx context.Context, pool *pgxpool.Pool) error {
	for ctx.Err() == nil {
		// A lost connection is not worth a word: polling goes on meanwhile.
		if o.listen(ctx, pool) != nil {
			pause(ctx, time.Second)
		}
	}
	return ctx.Err()
}

func (o *Outbox) listen(ctx context.Context, pool *pgxpool.Pool) error {
	c, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// The connection must not go back to the pool: it would go on listening.
	conn := c.Hijack()
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		signal(o.local) // also once now: notifications before LISTEN were missed
		n, err := conn.WaitForNotification(ctx)
		for err == nil && n.Payload == o.id {
			n, err = conn.WaitForNotification(ctx)
		}
		if err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Command is how far a command has come.
type Command struct {
	ID          uuid.UUID
	Type        command.Type
	State       State
	Attempts    int
	TxID        string // of the ledger transaction, once one was submitted
	ErrorClass  Class
	ErrorCode   string
	Error       string // for operators; what the ledger's rules said is for everybody
	CreatedAt   time.Time
	CompletedAt *time.Time
	Result      *readmodel.Result // nil until it is projected
}

// Find returns a command and, once it is projected, its result.
func Find(ctx context.Context, db postgres.DB, id uuid.UUID) (Command, error) {
	c := Command{ID: id}
	var outcome, code, message, tx *string
	var result []byte
	var block *int64
	var at, projected *time.Time
	err := db.QueryRow(ctx, `
		SELECT c.type, c.state, c.attempts, c.tx_id, c.error_class, c.error_code, c.error, c.created_at, c.completed_at,
		       r.outcome, r.code, r.message, r.result, r.tx_id, r.block, r.at, r.projected_at
		FROM app.commands c LEFT JOIN read.command_results r ON r.command_id = c.id::text
		WHERE c.id = $1`, id).Scan(
		&c.Type, &c.State, &c.Attempts, &c.TxID, &c.ErrorClass, &c.ErrorCode, &c.Error, &c.CreatedAt, &c.CompletedAt,
		&outcome, &code, &message, &result, &tx, &block, &at, &projected)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Command{}, ErrNotFound
	case err != nil:
		return Command{}, fmt.Errorf("outbox: read command %s: %w", id, err)
	}
	if outcome != nil {
		c.Result = &readmodel.Result{
			CommandID: id.String(), Type: c.Type, Outcome: event.Outcome(*outcome), Code: *code, Message: *message,
			Result: result, TxID: *tx, Block: uint64(*block), At: *at, ProjectedAt: *projected,
		}
	}
	return c, nil
}
