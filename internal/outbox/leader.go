package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/coalesce"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/protocol/command"
)

// ErrSurprise reports that the queue is not as its leader left it: the leader
// must forget what it knows and recover.
var ErrSurprise = errors.New("outbox: the queue is not as its leader left it")

// Leader is the queue in the hands of the leading submitter. Each method is, or
// is part of, a database transaction that proves the term first. After an error
// the leader can't know what happened; it steps down, and the next one recovers.
type Leader struct {
	Pool   *pgxpool.Pool // role gx_submitter, Indexed
	Term   lease.Term
	Worker uuid.UUID // this process, while it lives
	Clock  clock.Clock
	Random func() float64 // in [0, 1)
	Policy Policy

	begin sync.Once
	steps *coalesce.Group[step, struct{}]
}

// Waiting is a command that its leader has to run.
type Waiting struct {
	ID       uuid.UUID
	Position int64 // the order of acceptance
	Type     command.Type
	Payload  []byte
	Counters
	NextAt time.Time
}

const waitingColumns = "c.id, c.position, c.type, c.payload, c.attempts, c.conflicts, c.next_at"

func scanWaiting(row pgx.CollectableRow) (w Waiting, err error) {
	err = row.Scan(&w.ID, &w.Position, &w.Type, &w.Payload, &w.Attempts, &w.Conflicts, &w.NextAt)
	return w, err
}

// transact runs f in a transaction that proves the term.
func (l *Leader) transact(ctx context.Context, doing string, f func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, l.Pool, func(tx pgx.Tx) error {
		if err := l.Term.Assert(ctx, tx); err != nil {
			return err
		}
		return f(tx)
	})
	if err != nil {
		return fmt.Errorf("outbox: %s: %w", doing, err)
	}
	return nil
}

// Do runs f in a transaction that proves the term.
func (l *Leader) Do(ctx context.Context, f func(tx pgx.Tx) error) error {
	return l.transact(ctx, "leader's task", f)
}

// step is the part of a method in a transaction: statements, which check their
// results as a pgx.Batch has them do.
type step struct {
	// lazy is one that needn't be on the disk: should the database crash and
	// lose it, the next transaction is surprised.
	lazy  bool
	queue func(q *pgx.Batch)
}

const (
	maxSteps    = 64 // in a transaction
	stepTimeout = 10 * time.Second
)

// do runs a step, with those of other batches that arrive meanwhile: what fails
// one of them is a surprise to the leader anyway. When ctx ends first the step
// may still be at work, which the term makes harmless.
func (l *Leader) do(ctx context.Context, doing string, s step) error {
	l.begin.Do(func() { l.steps = coalesce.New(coalesce.Options{Max: maxSteps, Timeout: stepTimeout}, l.run) })
	if _, err := l.steps.Do(ctx, s); err != nil {
		return fmt.Errorf("outbox: %s: %w", doing, err)
	}
	return nil
}

// run runs steps in one transaction that proves the term. They go to the
// database at once, and the COMMIT when all of them are well.
func (l *Leader) run(ctx context.Context, steps []step) ([]struct{}, error) {
	var q pgx.Batch
	q.Queue("BEGIN")
	if !slices.ContainsFunc(steps, func(s step) bool { return !s.lazy }) {
		q.Queue("SET LOCAL synchronous_commit = off")
	}
	l.Term.Queue(&q)
	for _, s := range steps {
		s.queue(&q)
	}
	return make([]struct{}, len(steps)), l.Pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if err := c.SendBatch(ctx, &q).Close(); err != nil {
			_, _ = c.Exec(ctx, "ROLLBACK") // else the pool closes the connection
			return err
		}
		_, err := c.Exec(ctx, "COMMIT")
		return err
	})
}

// claimQuery takes by state, not from a remembered position on: a transaction
// that began earlier may commit later.
const claimQuery = `
	WITH next AS MATERIALIZED (
		SELECT id FROM app.commands_open WHERE state = 'PENDING' ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED
	)
	UPDATE app.commands_open c SET state = 'LOCKED' FROM next WHERE c.id = next.id RETURNING ` + waitingColumns

// Claim locks up to n commands that are PENDING, those accepted first before
// others, and returns them in no order.
func (l *Leader) Claim(ctx context.Context, n int) ([]Waiting, error) {
	var list []Waiting
	err := l.do(ctx, "claim", step{lazy: true, queue: func(q *pgx.Batch) {
		q.Queue(claimQuery, n).Query(func(rows pgx.Rows) (err error) {
			list, err = pgx.CollectRows(rows, scanWaiting)
			return err
		})
	}})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Pending reports whether Claim would find a command.
func (l *Leader) Pending(ctx context.Context) (ok bool, err error) {
	if err := l.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM app.commands_open WHERE state = 'PENDING')`).Scan(&ok); err != nil {
		return false, fmt.Errorf("outbox: look for commands: %w", err)
	}
	return ok, nil
}

// Batch is commands that become one ledger transaction.
type Batch struct {
	ID       uuid.UUID
	Identity string
	Commands []uuid.UUID
	Retrying []uuid.UUID // those of them that are in RETRY; the others are LOCKED
}

const payloadsQuery = `
	SELECT c.payload, c.traceparent AS trace_parent FROM unnest($1::uuid[]) WITH ORDINALITY AS b (id, i) JOIN app.commands_open c USING (id)
	WHERE c.state || '' = 'LOCKED' ORDER BY b.i`

// Prepared is a command as its batch carries it.
type Prepared struct {
	Payload     []byte
	TraceParent string
}

// Prepare records that an attempt of b begins and returns its commands, in order. A batch that its worker does not live to store counts as
// an attempt that ended in a Fault.
func (l *Leader) Prepare(ctx context.Context, b Batch) ([]Prepared, error) {
	commands := make([]Prepared, 0, len(b.Commands))
	err := l.do(ctx, "prepare a batch", step{lazy: true, queue: func(q *pgx.Batch) {
		if len(b.Retrying) > 0 {
			q.Queue(`UPDATE app.commands_open SET state = 'LOCKED' WHERE id = ANY ($1) AND state || '' = 'RETRY'`, b.Retrying)
		}
		q.Queue(`INSERT INTO app.batches (id, fence, worker, identity, command_ids, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			b.ID, l.Term.Fence, l.Worker, b.Identity, b.Commands, l.Clock())
		q.Queue(payloadsQuery, b.Commands).Query(func(rows pgx.Rows) (err error) {
			if commands, err = pgx.AppendRows(commands, rows, pgx.RowToStructByPos[Prepared]); err != nil {
				return err
			}
			return exactly(len(b.Commands), len(commands), "locked commands of a batch")
		})
	}})
	if err != nil {
		return nil, err
	}
	return commands, nil
}

// Transaction is the ledger transaction of a batch.
type Transaction struct {
	ID     string
	Bytes  []byte
	Result []byte
}

// Store keeps the endorsed transaction of a prepared batch. From now on the
// batch ends only with the fate of this transaction.
func (l *Leader) Store(ctx context.Context, batch uuid.UUID, t Transaction) error {
	return l.do(ctx, "store a batch", step{queue: func(q *pgx.Batch) {
		q.Queue(`
			UPDATE app.batches SET state = 'ENDORSED', tx_id = $3, tx_bytes = $4, tx_result = $5
			WHERE id = $1 AND fence = $2 AND state = 'PREPARED'`, batch, l.Term.Fence, t.ID, t.Bytes, notNull(t.Result)).Exec(changes(1, "prepared batch"))
	}})
}

// Settlement ends a batch and says what becomes of its commands.
type Settlement struct {
	Batch uuid.UUID // uuid.Nil: the commands are in none
	// Code and Block are the recorded fate of the stored transaction; without a
	// code the batch was prepared only, and nothing of it remains.
	Code  string
	Block uint64
	Fates []Fate
}

// Fate is the new state of a LOCKED command.
type Fate struct {
	ID    uuid.UUID
	State State // Committed, Rejected, Retry or Dead
	Counters
	NextAt time.Time // of a Retry
	TxID   string    // of a command that the ledger recorded
	Class  Class     // of a failure
	Code   string
	Error  string
}

// Settle applies a settlement.
func (l *Leader) Settle(ctx context.Context, s Settlement) error {
	return l.do(ctx, "settle", step{queue: func(q *pgx.Batch) {
		if s.Batch != uuid.Nil {
			sql, args := `DELETE FROM app.batches WHERE id = $1 AND state = 'PREPARED'`, []any{s.Batch}
			if s.Code != "" {
				sql = `UPDATE app.batches SET state = 'SETTLED', code = $2, block = $3, settled_at = $4, tx_bytes = '', tx_result = ''
					WHERE id = $1 AND state = 'ENDORSED'`
				args = append(args, s.Code, s.Block, l.Clock())
			}
			q.Queue(sql, args...).Exec(changes(1, "open batch"))
		}
		l.apply(q, s.Fates)
	}})
}

// applyQuery moves what ends out of what is open. All that the planner may know
// of the state is where it has to look.
const applyQuery = `
	UPDATE app.commands c SET state = f.state, attempts = f.attempts, conflicts = f.conflicts,
		next_at = CASE f.state WHEN 'RETRY' THEN f.next_at ELSE c.next_at END,
		tx_id = CASE f.tx_id WHEN '' THEN c.tx_id ELSE f.tx_id END,
		error_class = f.class, error_code = f.code, error = f.error,
		completed_at = CASE f.state WHEN 'RETRY' THEN NULL ELSE $10::timestamptz END
	FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[])
		AS f (id, state, attempts, conflicts, next_at, tx_id, class, code, error)
	WHERE c.id = f.id AND c.state IN ('LOCKED', 'DEAD') AND c.state || '' = 'LOCKED'`

// apply moves LOCKED commands to their new states, and those that died before an operator.
func (l *Leader) apply(q *pgx.Batch, fates []Fate) {
	if len(fates) == 0 {
		return
	}
	n := len(fates)
	ids, states, attempts, conflicts := make([]uuid.UUID, n), make([]string, n), make([]int32, n), make([]int32, n)
	next, txs, classes, codes, texts := make([]time.Time, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	dead := false
	for i, f := range fates {
		ids[i], states[i], attempts[i], conflicts[i] = f.ID, string(f.State), int32(f.Attempts), int32(f.Conflicts)
		next[i], txs[i], classes[i], codes[i], texts[i] = f.NextAt, f.TxID, string(f.Class), clean(f.Code), clean(f.Error)
		dead = dead || f.State == Dead
	}
	q.Queue(applyQuery, ids, states, attempts, conflicts, next, txs, classes, codes, texts, l.Clock()).Exec(changes(n, "locked commands"))
	if dead {
		q.Queue(`
			INSERT INTO app.dead_commands (command_id, error_class, error_code, error, attempts, conflicts, moved_at)
			SELECT id, error_class, error_code, error, attempts, conflicts, completed_at
			FROM app.commands WHERE id = ANY ($1) AND state = 'DEAD' ORDER BY position`, ids)
	}
}

// changes demands that a statement changes n rows.
func changes(n int, what string) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error { return exactly(n, int(tag.RowsAffected()), what) }
}

func exactly(want, got int, what string) error {
	if got != want {
		return fmt.Errorf("%w: %d instead of %d: %s", ErrSurprise, got, want, what)
	}
	return nil
}

// maxText bounds what is kept of an error.
const maxText = 1000

// clean makes any text one that can be stored.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
