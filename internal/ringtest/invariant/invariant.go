// Package invariant asserts what must be true of GX whatever has happened to
// it: INV1 to INV10 of known-failures.md, by their names. One assertion serves
// every test that runs the ring, crashes it, starves it or simulates it.
package invariant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/ledger/embedded"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/verifier"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
)

// patience bounds the wait for what is on its way, and the whole check.
const (
	patience = time.Minute
	timeout  = 3 * time.Minute
)

// maxTTL is the longest lease that anybody takes.
const maxTTL = 10 * time.Second

// System is a system whose workers run, or have run until everything came to
// its end.
type System struct {
	DSN     string        // of its database, as the owner
	Pool    *pgxpool.Pool // or connections to it, as the owner
	Now     time.Time     // zero: the database's time
	Ledger  ledger.Ledger // nil: the embedded one in the database
	Secrets []string      // that may be in no log
	Logs    []string      // their content
}

// Check fails the test for each invariant that does not hold.
func Check(t testing.TB, s System) {
	t.Helper()
	for _, err := range Violations(context.WithoutCancel(t.Context()), s) {
		t.Error(err)
	}
}

// Violations waits until every accepted command has its end and everything on
// the ledger is projected, and returns what does not hold then.
func Violations(ctx context.Context, s System) []error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if s.Pool == nil {
		pool, err := postgres.Open(ctx, s.DSN, postgres.Options{AppName: "invariants", MaxConns: 4})
		if err != nil {
			return []error{err}
		}
		defer pool.Close()
		s.Pool = pool
	}
	if s.Ledger == nil {
		s.Ledger = embedded.New(s.Pool, contract.Invoke, embedded.Options{})
	}
	c := &check{System: s}
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"INV3, every command comes to its end", c.drained},
		{"INV3, one end and at most one effect", c.ends},
		{"INV1, INV2 and INV4, the ledger, its supply and the read model", c.verified},
		{"INV4, nothing is left aside", c.letters},
		{"INV5, nobody owes", c.balances},
		{"INV6, one database is written, by one leader", c.leaders},
		{"INV7, nothing is held for longer than it may be", c.held},
		{"INV8, no secret is in a log", c.secrets},
		{"INV9, every privileged act is on record", c.audited},
	} {
		if err := step.run(ctx); err != nil {
			c.found = append(c.found, fmt.Errorf("%s: %w", step.name, err))
		}
	}
	return c.found
}

// Closed fails the test when a system that has stopped left connections: the
// part of INV10 that a database can see. Goroutines are goleak's.
func Closed(t testing.TB, dsn string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// The server notices a moment later than the client.
	err = until(ctx, func() error {
		return none(ctx, conn, "connections", `SELECT application_name || ': ' || query FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`)
	})
	if err != nil {
		t.Errorf("INV10, nothing is left behind: %v", err)
	}
}

type check struct {
	System
	found []error
}

// until waits for a condition.
func until(ctx context.Context, condition func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", patience, err)
		case <-tick.C:
		}
	}
}

// querier is a pool or a connection.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// none runs a query that names what must not be.
func none(ctx context.Context, db querier, what, sql string, args ...any) error {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case len(list) > 0:
		return fmt.Errorf("%d %s: %s", len(list), what, strings.Join(list[:min(len(list), 3)], ", "))
	}
	return nil
}

// drained waits until nothing is on its way. What the system holds back while it
// is paused may stay.
func (c *check) drained(ctx context.Context) error {
	return until(ctx, func() error {
		if err := none(ctx, c.Pool, "commands without an end", `
			SELECT id || ' ' || type || ' ' || state || ' ' || error_class FROM app.commands
			WHERE state IN ('PENDING', 'LOCKED') OR state = 'RETRY' AND error_class <> $1`, outbox.Deferred); err != nil {
			return err
		}
		height, err := c.Ledger.Height(ctx)
		if err != nil {
			return err
		}
		at, err := readmodel.Checkpoint(ctx, c.Pool)
		if err == nil && at.Block+1 < int64(height) {
			err = fmt.Errorf("%d of %d blocks are projected (%s %s)", at.Block+1, height, at.State, at.Reason)
		}
		return err
	})
}

// told is the end of a command as the ledger has it.
type told struct {
	event.CommandResult
	tx string
}

// ends compares the end of each command with the envelopes of the ledger.
func (c *check) ends(ctx context.Context) error {
	all := map[string][]told{}
	var txs []string
	height, err := c.Ledger.Height(ctx)
	if err != nil {
		return err
	}
	for b, err := range c.Ledger.Blocks(ctx, 0) {
		if height == 0 || err != nil {
			break
		}
		for _, tx := range b.Txs {
			if tx.Event == nil || tx.Event.Name != event.EnvelopeName {
				continue
			}
			envelope, err := event.DecodeEnvelope(tx.Event.Payload)
			if err != nil {
				continue // the projector's business, see letters
			}
			for _, r := range envelope.Commands {
				all[r.ID] = append(all[r.ID], told{r, tx.ID})
			}
			if len(envelope.Commands) > 0 {
				txs = append(txs, tx.ID)
			}
		}
		if b.Number+1 >= height {
			break
		}
	}
	rows, err := c.Pool.Query(ctx, `SELECT id, state, error_code, tx_id FROM app.commands`)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var state outbox.State
	var code, tx string
	var errs []error
	_, err = pgx.ForEachRow(rows, []any{&id, &state, &code, &tx}, func() error {
		ends := all[id.String()]
		delete(all, id.String())
		if err := ending(state, code, tx, ends); err != nil {
			errs = append(errs, fmt.Errorf("command %s: %w", id, err))
		}
		return nil
	})
	for id := range all {
		errs = append(errs, fmt.Errorf("command %s is on the ledger, but nobody accepted it", id))
	}
	return errors.Join(append(errs[:min(len(errs), 5)], err,
		none(ctx, c.Pool, "transactions that were submitted, but not stored before", `
			SELECT tx FROM unnest($1::text[]) AS tx WHERE NOT EXISTS (SELECT FROM app.batches WHERE tx_id = tx)`, txs))...)
}

// ending compares the state of a command, and the transaction that it knows of,
// with its ends on the ledger.
func ending(state outbox.State, code, tx string, ends []told) error {
	want := map[outbox.State]event.Outcome{outbox.Committed: event.Applied, outbox.Rejected: event.Rejected}[state]
	switch {
	case want == "" && len(ends) > 0:
		return fmt.Errorf("it is %s, but the ledger has %d ends of it", state, len(ends))
	case want == "":
		return nil
	case len(ends) != 1:
		return fmt.Errorf("it is %s, and the ledger has %d ends of it", state, len(ends))
	case ends[0].Outcome != want || ends[0].Code != code:
		return fmt.Errorf("it is %s %s, but on the ledger %s %s", state, code, ends[0].Outcome, ends[0].Code)
	case tx != "" && tx != ends[0].tx: // none: it was found to have its end, in an earlier attempt
		return fmt.Errorf("it is %s by transaction %s, but on the ledger by %s", state, tx, ends[0].tx)
	}
	return nil
}

// verified compares every key of the ledger with the read model, every block with
// the log of events, and the money with the supply.
func (c *check) verified(ctx context.Context) error {
	report, err := verifier.Verify(ctx, c.Pool, c.Ledger, verifier.Options{Confirm: 20 * time.Millisecond})
	if err != nil {
		return err
	}
	if err := report.Err(); err != nil {
		return err
	}
	status, err := readmodel.SystemStatus(ctx, c.Pool)
	if err == nil && status.Bootstrapped && report.Supply.Read != qirat.MaxSupply {
		err = fmt.Errorf("the supply is %s, want %s", report.Supply.Read, qirat.MaxSupply)
	}
	return err
}

func (c *check) letters(ctx context.Context) error {
	return none(ctx, c.Pool, "events that were not applied", `SELECT tx_id || ' ' || seq || ' ' || reason FROM read.event_dlq WHERE resolution = ''`)
}

func (c *check) balances(ctx context.Context) error {
	return none(ctx, c.Pool, "accounts below zero", `SELECT account_id || ': ' || balance FROM read.accounts WHERE balance < 0`)
}

func (c *check) leaders(ctx context.Context) error {
	return errors.Join(
		none(ctx, c.Pool, "databases that can't be written", `SELECT 'this' WHERE pg_is_in_recovery()`),
		none(ctx, c.Pool, "names with several leaders", `SELECT name FROM app.leases WHERE expires_at > now() GROUP BY name HAVING count(*) > 1`),
		none(ctx, c.Pool, "checkpoints besides the one", `SELECT 'there are ' || count(*) FROM read.checkpoint HAVING count(*) <> 1`),
		none(ctx, c.Pool, "batches of a term that never began", `SELECT id || ' of fence ' || fence FROM app.batches
			WHERE fence > (SELECT max(fence) FROM app.leases WHERE name LIKE 'submitter:%')`),
	)
}

func (c *check) held(ctx context.Context) error {
	var now *time.Time
	if !c.Now.IsZero() {
		now = &c.Now
	}
	return errors.Join(
		none(ctx, c.Pool, "leases beyond their time", `SELECT name || ' until ' || expires_at FROM app.leases
			WHERE expires_at > coalesce($2::timestamptz, now()) + $1::interval`, maxTTL, now),
		none(ctx, c.Pool, "batches without an end", `SELECT id || ' ' || state FROM app.batches WHERE state <> 'SETTLED'`),
		none(ctx, c.Pool, "transactions that do nothing", `SELECT application_name || ': ' || query FROM pg_stat_activity
			WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND state_change < now() - $1::interval`, maxTTL),
	)
}

func (c *check) secrets(context.Context) error {
	for _, log := range c.Logs {
		for i, secret := range c.Secrets {
			if at := strings.Index(log, secret); secret != "" && at >= 0 {
				line := log[strings.LastIndexByte(log[:at], '\n')+1:]
				line, _, _ = strings.Cut(line, "\n")
				return fmt.Errorf("secret %d is in: %s", i, strings.ReplaceAll(line, secret, "…"))
			}
		}
	}
	return nil
}

func (c *check) audited(ctx context.Context) error {
	const trail = `(SELECT resource_type, resource_id, approval_id FROM app.audit UNION ALL SELECT resource_type, resource_id, approval_id FROM app.audit_pending)`
	err := errors.Join(
		none(ctx, c.Pool, "commands without a record", `SELECT id || ' ' || type FROM app.commands
			WHERE id::text NOT IN (SELECT resource_id FROM `+trail+` AS a WHERE resource_type = 'command')`),
		none(ctx, c.Pool, "decisions without a record", `SELECT approval_id || ' ' || operation FROM app.approvals
			WHERE status IN ('APPROVED', 'REJECTED', 'CANCELLED') AND approval_id NOT IN (SELECT approval_id FROM `+trail+` AS a WHERE approval_id IS NOT NULL)`),
	)
	if err != nil {
		return err
	}
	report, err := audit.Verify(ctx, c.Pool)
	if err == nil && report.Break != nil {
		err = fmt.Errorf("record %d: %s", report.Break.Sequence, report.Break.Reason)
	}
	return err
}
