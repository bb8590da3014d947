package rebuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
)

// Under traffic and readers the read model is built anew, is the same, and takes
// the place of the live one, three times; then the way back is gone once, and
// again. No reader sees an error, time going back or half of anything.
func TestRebuild(t *testing.T) {
	r := newRig(t)
	_, stop := r.project()
	r.applied(pay(r.Economy, r.chain, 200))
	reading, traffic := r.readers(4), r.traffic()
	forms := map[string]bool{}
	for i, do := range []func(context.Context, Options) (*Report, error){r.run, r.run, r.run, r.back, r.back} {
		report, err := do(t.Context(), options)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if i < 3 && (len(report.Differing) > 0 || report.Live != report.Built || report.Live == "" || report.Verified != nil || report.Block < 200) {
			t.Errorf("%d: %+v", i, report)
		}
		if !report.Replaced || report.Swapped < report.Block {
			t.Errorf("%d: %+v", i, report)
		}
		t.Logf("%d: from block %d to %d in %.2f s, readers waited %.3f s at most", i, report.From, report.Swapped, report.Seconds, report.Stalled)
		var oid string
		if err := r.owner.QueryRow(t.Context(), `SELECT 'read'::regnamespace::oid::text`).Scan(&oid); err != nil {
			t.Fatal(err)
		}
		forms[oid] = true
		at := r.checkpoint().Block
		r.until("the projector goes on", func() bool { return r.checkpoint().Block > at+5 })
	}
	if len(forms) != 3 { // three new ones, then the second and the third again
		t.Errorf("%d read models were live", len(forms))
	}
	r.applied(traffic())
	reads, slowest := reading()
	t.Logf("%d reads, the slowest took %s", reads, slowest)
	if reads < 100 {
		t.Errorf("%d reads only", reads)
	}
	for id, want := range r.Balances {
		if a, err := readmodel.Account(t.Context(), r.owner, id); err != nil || a.Balance != want {
			t.Errorf("%s has %s (%v), want %s", id, a.Balance, err, want)
		}
	}
	stop()
	if err := DropOld(t.Context(), r.owner, options); err != nil {
		t.Error(err)
	}
	if err := DropOld(t.Context(), r.owner, options); !errors.Is(err, ErrNothing) {
		t.Errorf("dropped twice: %v", err)
	}
	if _, err := r.back(t.Context(), options); !errors.Is(err, ErrNothing) {
		t.Errorf("back to nothing: %v", err)
	}
	if got, want := r.audited(), []string{"READ_MODEL_REPLACED", "READ_MODEL_REPLACED", "READ_MODEL_REPLACED", "READ_MODEL_ROLLED_BACK", "READ_MODEL_ROLLED_BACK", "READ_MODEL_DROPPED"}; !cmp.Equal(got, want) {
		t.Errorf("audited: %v", got)
	}
}

func (r *rig) run(ctx context.Context, o Options) (*Report, error) {
	return Run(ctx, r.owner, r.chain, o)
}

func (r *rig) back(ctx context.Context, o Options) (*Report, error) {
	return Back(ctx, r.owner, r.chain, o)
}

// audited returns what is in the audit trail, with the name and the reason checked.
func (r *rig) audited() []string {
	rows, err := r.owner.Query(r.t.Context(), `
		SELECT action FROM app.audit_pending
		WHERE actor = 'operator:ada' AND convert_from(detail, 'UTF8')::jsonb ->> 'reason' = 'a test' ORDER BY position`)
	if err != nil {
		r.t.Fatal(err)
	}
	actions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		r.t.Fatal(err)
	}
	return actions
}

// victimEnv names the database of a rebuild that kills itself, and victimAt the
// block at which it does.
const (
	victimEnv = "GX_TEST_REBUILD_DSN"
	victimAt  = "GX_TEST_REBUILD_AT"
	length    = 300 // of its chain
)

// victim rebuilds until it is killed.
func victim(dsn string) {
	at, err := strconv.ParseUint(os.Getenv(victimAt), 10, 64)
	if err != nil {
		panic(err)
	}
	pool, err := postgres.Open(context.Background(), dsn, postgres.Options{NoSync: true, Indexed: true, MaxConns: 6})
	if err != nil {
		panic(err)
	}
	e, c := readmodeltest.NewEconomy(), readmodeltest.NewChain()
	found(e, c)
	pay(e, c, length)
	o := options
	o.BatchSize, o.LeaseTTL = 20, 3*time.Second // the next one waits for so long
	o.Progress = func(p Progress) {
		if p.Blocks >= at || at > length && p.Step == HandingOver {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	_, err = Run(context.Background(), pool, c, o)
	panic(fmt.Sprintf("it lived: %v", err))
}

// A rebuild that is killed goes on where it was, and one of another program begins anew.
func TestKilled(t *testing.T) {
	r := newRig(t)
	r.project()
	r.applied(pay(r.Economy, r.chain, length))
	want := readmodeltest.Dump(t, r.owner)
	last := int64(-1)
	for _, at := range []string{"1", "100", "200", "999"} {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), victimEnv+"="+r.db.DSN, victimAt+"="+at)
		out, err := child.CombinedOutput()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("at %s: %v\n%s", at, err, out)
		}
		c, err := readmodel.Checkpoint(t.Context(), readmodel.In(r.owner, readmodel.Next))
		if err != nil {
			t.Fatal(err)
		}
		if c.Block < last {
			t.Errorf("killed at %s: at block %d after %d", at, c.Block, last)
		}
		last = c.Block
	}
	if last != length+2 {
		t.Fatalf("the last was killed at block %d", last)
	}
	o, least := options, uint64(length)
	o.Progress = func(p Progress) {
		if p.Step == Building {
			least = min(least, p.Blocks)
		}
	}
	report, err := r.run(t.Context(), o)
	if err != nil || report.From != last || least < length || !report.Replaced || len(report.Differing) > 0 {
		t.Fatalf("%+v, %v; it began at block %d", report, err, least)
	}
	if diff := cmp.Diff(want, readmodeltest.Dump(t, r.owner)); diff != "" {
		t.Error(diff)
	}

	for name, o := range map[string]Options{"another program": {Build: "v2"}, "asked": {Build: "v1", Fresh: true}} {
		r.unfinished(100)
		o.By, o.Reason = options.By, options.Reason
		if report, err := r.run(t.Context(), o); err != nil || report.From != -1 || !report.Replaced {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	r.unfinished(100)
	r.exec(`ALTER TABLE read.users ADD COLUMN since_then int`)
	if report, err := r.run(t.Context(), options); err != nil || report.From != -1 || !report.Replaced {
		t.Errorf("another form: %+v, %v", report, err)
	}
	r.exec(`ALTER TABLE read.users DROP COLUMN since_then`)
	if _, err := r.back(t.Context(), options); !errors.Is(err, ErrForm) {
		t.Errorf("back to another form: %v", err)
	}
}

// unfinished leaves a rebuild that has ended at a block.
func (r *rig) unfinished(block uint64) {
	r.t.Helper()
	ctx, cancel := context.WithCancelCause(r.t.Context())
	stopped := errors.New("enough")
	o := options
	o.BatchSize = 20
	o.Progress = func(p Progress) {
		if p.Blocks >= block {
			cancel(stopped)
		}
	}
	if _, err := r.run(ctx, o); !errors.Is(err, stopped) && !errors.Is(err, context.Canceled) {
		r.t.Fatalf("unfinished: %v", err)
	}
}

// A reader that keeps what it has read holds up the swap, and nobody for longer
// than the attempt lasts; when it has ended the swap is made.
func TestBusy(t *testing.T) {
	r := newRig(t)
	r.project()
	r.applied(pay(r.Economy, r.chain, 10))
	slow, err := r.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Rollback(context.Background())
	for _, sql := range []string{`SET LOCAL idle_in_transaction_session_timeout = 0`, `SELECT FROM read.transactions LIMIT 1`} {
		if _, err := slow.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	reading := r.readers(2)
	o := options
	o.Stall, o.Patience = 20*time.Millisecond, time.Millisecond
	if report, err := r.run(t.Context(), o); !errors.Is(err, readmodel.ErrBusy) {
		t.Fatalf("%+v, %v", report, err)
	}
	at := r.checkpoint().Block
	r.applied(pay(r.Economy, r.chain, 3))
	if now := r.checkpoint().Block; now <= at {
		t.Errorf("the live projector is at %d", now)
	}
	attempts := 0
	o.Patience = time.Minute
	o.Progress = func(p Progress) {
		if p.Step == HandingOver {
			if attempts++; attempts == 4 {
				_ = slow.Rollback(t.Context())
			}
		}
	}
	if report, err := r.run(t.Context(), o); err != nil || !report.Replaced || attempts < 4 {
		t.Errorf("%+v, %v after %d attempts", report, err, attempts)
	}
	reading()
}

// What the operators have decided about dead letters holds for the new read model,
// and what halts it is named.
func TestDeadLetters(t *testing.T) {
	r := newRig(t)
	p, _ := r.project()
	poisoned := r.Tx(r.Transfer("alice", "bob", 5, 1, ""))
	good := poisoned.Event
	poisoned.Event = &ledger.Event{Name: good.Name, Payload: []byte("{")}
	r.chain.Append(r.Tx(r.Transfer("alice", "bob", 1, 1, "")), poisoned, r.Tx(r.Transfer("alice", "bob", 2, 1, "")))
	r.until("halted", func() bool { s, _ := p.State(); return s == projector.Halted })
	_, err := r.run(t.Context(), options)
	if err != nil {
		t.Fatalf("a read model as far as the halted one: %v", err)
	}
	r.until("halted", func() bool { s, _ := p.State(); return s == projector.Halted })
	r.exec(`UPDATE read.event_dlq SET resolution = 'SKIP', resolved_by = 'ada', resolution_reason = 'x', resolved_at = now()`)
	r.applied(pay(r.Economy, r.chain, 3))
	report, err := r.run(t.Context(), options)
	if err != nil || len(report.Differing) > 0 || !report.Replaced {
		t.Fatalf("%+v, %v", report, err)
	}
	var decisions int
	if err := r.owner.QueryRow(t.Context(), `SELECT count(*) FROM read.event_dlq WHERE resolution = 'SKIP' AND resolved_by = 'ada'`).Scan(&decisions); err != nil || decisions != 1 {
		t.Errorf("%d decisions, %v", decisions, err)
	}

	// Taken back, the letter halts a new read model, before anybody sees it.
	r.exec(`UPDATE read.event_dlq SET resolution = 'RETRY', resolved_at = now()`)
	var poison *projector.PoisonError
	if _, err := r.run(t.Context(), options); !errors.As(err, &poison) || poison.Letter.TxID != poisoned.ID {
		t.Errorf("a letter that was taken back: %v", err)
	}
	if err := p.Check(t.Context()); err != nil {
		t.Errorf("the live projector: %v", err)
	}
}

// Nothing is done without a name and a reason, and an earlier read model that was
// condemned is not brought back.
func TestRefused(t *testing.T) {
	r := newRig(t)
	r.project()
	r.applied(pay(r.Economy, r.chain, 3))
	for _, o := range []Options{{By: "ada"}, {Reason: "x"}} {
		if _, err := r.run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "a name and a reason") {
			t.Errorf("%+v: %v", o, err)
		}
		if err := DropOld(t.Context(), r.owner, o); err == nil || errors.Is(err, ErrNothing) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := r.run(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if err := readmodel.Condemn(t.Context(), readmodel.In(r.owner, readmodel.Previous), "bob has too much"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.back(t.Context(), options); !errors.Is(err, ErrWrong) || !strings.Contains(err.Error(), "bob has too much") {
		t.Errorf("back to a condemned one: %v", err)
	}
}
