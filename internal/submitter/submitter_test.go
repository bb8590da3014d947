//go:build slow

package submitter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/protocol/command"
)

// settled waits until no command is open.
func (r *rig) settled() {
	r.t.Helper()
	eventually(r.t, "every command has its end", func() bool {
		return r.count("SELECT count(*) FROM app.commands WHERE state IN ('PENDING', 'LOCKED', 'RETRY')") == 0
	})
}

// wait waits until a command is in a state.
func (r *rig) wait(id uuid.UUID, s outbox.State) outbox.Command {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("command %s is %s", id, s), func() bool { return r.find(id).State == s })
	return r.find(id)
}

// insert stores rows that no service would.
func (r *rig) insert(typ, payload string) uuid.UUID {
	r.t.Helper()
	id := uuid.Must(uuid.NewV7())
	r.exec(`INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, next_at, created_at)
		VALUES ($1, $2, $3, 'p', 'r', $4, now(), now())`, id, typ, []byte(payload), id.String())
	return id
}

func lines(ids []uuid.UUID) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(id.String() + "\n")
	}
	return b.String()
}

// On the embedded ledger every command comes to the end that its contract says,
// and what is wrong with one is no matter to its neighbours.
func TestEmbedded(t *testing.T) {
	r := newRig(t)
	l := r.embedded()
	alice := r.accept(pay(0, 1, "first"), pay(0, 2, "second"), pay(3, 0, "third"))
	rejected := r.accept(pay(4, 5, "reject"))[0]
	deferred := r.accept(pay(6, 7, "pause"))[0]
	behind := r.accept(pay(6, 8, "behind the deferred"))[0]
	refused := r.accept(pay(9, 10, "refuse"))[0]
	panics := r.accept(pay(11, 12, "panic"))[0]
	poison := []uuid.UUID{r.insert("TRANSFER_TOKENS", "{"), r.insert("TRANSFER_TOKENS", `{"fromID":"x"}`), r.insert("MINT", "{}"), r.insert("", "\x00")}
	after := r.accept(pay(10, 11, "after"), pay(12, 13, "last"))
	o := r.quick()
	o.Policy.DeferFor = time.Hour
	r.start(New(r.pool, l, o))
	for i, id := range alice {
		if c := r.wait(id, outbox.Committed); c.Attempts != 1 || c.TxID == "" || c.CompletedAt == nil || c.ErrorClass != "" {
			t.Errorf("payment %d: %+v", i, c)
		}
	}
	if c := r.wait(rejected, outbox.Rejected); c.ErrorCode != "INSUFFICIENT_FUNDS" || c.Error != "no money" || c.ErrorClass != "" || c.TxID == "" {
		t.Errorf("rejected: %+v", c)
	}
	if c := r.wait(deferred, outbox.Retry); c.Attempts != 0 || c.ErrorClass != outbox.Deferred || c.CompletedAt != nil {
		t.Errorf("deferred: %+v", c)
	}
	if c := r.wait(refused, outbox.Dead); c.ErrorClass != outbox.Refused || c.ErrorCode != "TOO_BAD" || c.Error != "as ordered" || c.Attempts != 1 {
		t.Errorf("refused: %+v", c)
	}
	if c := r.wait(panics, outbox.Dead); c.ErrorClass != outbox.Refused || c.ErrorCode != "INTERNAL" {
		t.Errorf("panics: %+v", c)
	}
	for i, id := range poison {
		if c := r.wait(id, outbox.Dead); c.ErrorClass != outbox.Poison || c.Error == "" || c.Attempts != 1 {
			t.Errorf("poison %d: %+v", i, c)
		}
	}
	for _, id := range after {
		r.wait(id, outbox.Committed)
	}
	if c := r.find(behind); c.State != outbox.Locked {
		t.Errorf("overtook a deferred command of its account: %+v", c)
	}
	got, err := l.Endorse(t.Context(), ledger.Proposal{Identity: "gx_admin", Function: "log", Args: []string{people()[0]}})
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Result) != lines(alice) {
		t.Errorf("the ledger has %q, want %q", got.Result, lines(alice))
	}
	if n := r.count("SELECT count(*) FROM app.dead_commands WHERE resolution = ''"); n != 6 {
		t.Errorf("%d dead", n)
	}
	if n := r.count("SELECT count(*) FROM app.batches WHERE state <> 'SETTLED' OR tx_bytes <> ''"); n != 0 {
		t.Errorf("%d batches are left over", n)
	}
}

// A transaction that commits late with an early position is taken all the same.
func TestCommitOrder(t *testing.T) {
	r := newRig(t)
	l := newFake()
	slow, err := r.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Rollback(context.Background())
	id := uuid.Must(uuid.NewV7())
	if _, err := r.outbox.Enqueue(t.Context(), slow, outbox.Request{ID: id, Payload: pay(0, 1, ""), Principal: "p", Route: "r", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	later := r.accept(pay(0, 2, ""), pay(3, 4, ""))
	r.start(New(r.pool, l, r.quick()))
	r.settled()
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wait(id, outbox.Committed)
	if got := l.get("log " + people()[0]); got != lines([]uuid.UUID{later[0], id}) {
		t.Errorf("the ledger has %q", got)
	}
}

// The submitter learns of a command at once, from its own process or another,
// and of what nobody told it by looking.
func TestWake(t *testing.T) {
	r := newRig(t)
	o := r.quick()
	o.Poll = time.Hour
	r.start(New(r.pool, newFake(), o))
	r.wait(r.accept(pay(0, 1, ""))[0], outbox.Committed)

	far := outbox.New(outbox.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- far.Notify(ctx, r.owner) }()
	defer func() { cancel(); <-done }()
	near := r.outbox
	r.outbox = far
	r.wait(r.accept(pay(0, 1, ""))[0], outbox.Committed)
	r.outbox = near

	o.Poll, o.Holder, o.Channel = 5*time.Millisecond, "other", "other"
	r.outbox = outbox.New(outbox.Options{}) // whose Wake nobody hears
	o.Outbox = outbox.New(outbox.Options{})
	r.start(New(r.pool, newFake(), o))
	r.wait(r.accept(pay(0, 1, ""))[0], outbox.Committed)
}

// The more is ready, the more goes into a batch; a command on its own waits for none.
func TestAdaptiveBatches(t *testing.T) {
	r := newRig(t)
	l := newFake()
	release := make(chan struct{})
	l.set(func(ctx context.Context, a ask) verb {
		if a.op == "endorse" && a.commands == 1 {
			<-release
		}
		return ""
	})
	o := r.quick()
	o.Pipeline, o.MaxBatch = 1, 40
	first := r.accept(pay(0, 1, ""))[0]
	r.start(New(r.pool, l, o))
	eventually(t, "the first is at work", func() bool { return l.calls("endorse") == 1 })
	for i := range 100 {
		r.accept(pay(2*i+2, 2*i+3, ""))
	}
	close(release)
	r.wait(first, outbox.Committed)
	r.settled()
	if got := l.sizes(); got[1] != 1 || got[40] != 2 || got[20] != 1 || len(got) != 3 {
		t.Errorf("batches: %v", got)
	}
}

// An outage, however long, kills nothing, and afterwards everything commits in
// order (F-22).
func TestOutage(t *testing.T) {
	r := newRig(t)
	l := newFake()
	l.set(always("endorse", unavailable))
	var now atomic.Int64
	o := r.quick()
	o.Clock = func() time.Time { return noon.Add(time.Duration(now.Load())) }
	o.Policy = outbox.Policy{}
	o.MaxBatch = 10
	var ids []uuid.UUID
	for i := range 100 {
		ids = append(ids, r.accept(pay(i%7, 7+i%11, ""))...)
	}
	r.start(New(r.pool, l, o))
	for step := time.Duration(0); step < 30*time.Minute; step += time.Minute {
		before := l.calls("endorse")
		now.Store(int64(step))
		eventually(t, "another attempt", func() bool { return l.calls("endorse") > before })
	}
	if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'DEAD' OR attempts > 0"); n != 0 {
		t.Fatalf("%d commands suffered from the outage", n)
	}
	if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'RETRY' AND error_class = 'UNAVAILABLE'"); n == 0 {
		t.Error("nothing waits for the ledger")
	}
	l.set(nil)
	now.Add(int64(time.Minute))
	r.settled()
	want := map[string][]uuid.UUID{}
	for i, id := range ids {
		for _, p := range []int{i % 7, 7 + i%11} {
			want[people()[p]] = append(want[people()[p]], id)
		}
	}
	for account, list := range want {
		if got := l.get("log " + account); got != lines(list) {
			t.Errorf("account %s has another order", account)
		}
	}
}

// The breaker counts what finds no ledger, not what the ledger refuses; while it
// is open nothing is claimed (F-28).
func TestBreaker(t *testing.T) {
	r := newRig(t)
	l := newFake()
	reg := prometheus.NewRegistry()
	o := r.quick()
	o.Registerer, o.BreakerTimeout = reg, time.Hour
	s := New(r.pool, l, o)
	stop := r.start(s)
	for i := range 100 {
		r.accept(pay(2*i, 2*i+1, "refuse"))
	}
	r.settled()
	if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'DEAD' AND error_class = 'REFUSED'"); n != 100 {
		t.Fatalf("%d refused", n)
	}
	if err := s.Check(t.Context()); err != nil || metric(t, reg, "fabric_breaker_state") != 0 {
		t.Fatalf("refusals opened the breaker: %v", err)
	}

	stop()
	reg = prometheus.NewRegistry()
	o.Registerer, o.BreakerTimeout = reg, 100*time.Millisecond
	l = newFake()
	l.set(always("endorse", unavailable))
	s = New(r.pool, l, o)
	r.start(s)
	id := r.accept(pay(0, 1, ""))[0]
	eventually(t, "the breaker opens", func() bool { return metric(t, reg, "fabric_breaker_state") == 1 })
	if err := s.Check(t.Context()); err == nil {
		t.Error("ready without a ledger")
	}
	eventually(t, "a probe fails", func() bool { return metric(t, reg, "fabric_breaker_state") == 0.5 || l.calls("endorse") > 6 })
	l.set(nil)
	r.wait(id, outbox.Committed)
	eventually(t, "the breaker closes", func() bool { return metric(t, reg, "fabric_breaker_state") == 0 && s.Check(t.Context()) == nil })
}

// A ledger that does not answer is given up on in time, with smaller batches
// after it; the commands live (B-103).
func TestDeadline(t *testing.T) {
	r := newRig(t)
	l := newFake()
	l.set(func(_ context.Context, a ask) verb {
		if a.op == "endorse" && a.commands > 2 {
			return hang
		}
		return ""
	})
	o := r.quick()
	o.EndorseTimeout = 20 * time.Millisecond
	for i := range 8 {
		r.accept(pay(2*i, 2*i+1, ""))
	}
	r.start(New(r.pool, l, o))
	r.settled()
	if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'COMMITTED' AND attempts = 1"); n != 8 {
		t.Errorf("%d committed", n)
	}
}

// One command for which the ledger has no answer that makes sense dies after its
// attempts; those that were in a batch with it do not.
func TestFault(t *testing.T) {
	for _, v := range []verb{fault, garbage} {
		t.Run(string(v), func(t *testing.T) {
			r := newRig(t)
			l := newFake()
			var ids []uuid.UUID
			for i := range 8 {
				ids = append(ids, r.accept(pay(2*i, 2*i+1, ""))...)
			}
			l.set(func(_ context.Context, a ask) verb {
				if a.op == "endorse" && strings.Contains(a.args, ids[5].String()) {
					return v
				}
				return ""
			})
			r.start(New(r.pool, l, r.quick()))
			r.settled()
			if c := r.find(ids[5]); c.State != outbox.Dead || c.ErrorClass != outbox.Fault || c.Attempts != 5 || c.Error == "" {
				t.Errorf("%+v", c)
			}
			if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'COMMITTED' AND attempts = 1"); n != 7 {
				t.Errorf("%d committed", n)
			}
		})
	}
}

// Conflicts are tried again soon and counted apart; after many it is enough (F-14).
func TestConflict(t *testing.T) {
	r := newRig(t)
	l := newFake()
	var left atomic.Int64
	left.Store(19)
	l.set(func(_ context.Context, a ask) verb {
		if a.op == "submit" && left.Add(-1) >= 0 {
			return conflict
		}
		return ""
	})
	id := r.accept(pay(0, 1, ""))[0]
	r.start(New(r.pool, l, r.quick()))
	if c := r.wait(id, outbox.Committed); c.Attempts != 1 {
		t.Errorf("%+v", c)
	}
	if n := r.count("SELECT conflicts FROM app.commands WHERE id = $1", id); n != 19 {
		t.Errorf("%d conflicts", n)
	}
	left.Store(20)
	id = r.accept(pay(0, 1, ""))[0]
	if c := r.wait(id, outbox.Dead); c.ErrorClass != outbox.Conflict || c.ErrorCode != string(ledger.ReadConflict) || c.Attempts != 0 {
		t.Errorf("%+v", c)
	}
}

// A transaction that is void for good takes none of its commands with it but the
// one that makes it so.
func TestVoid(t *testing.T) {
	r := newRig(t)
	l := newFake()
	var ids []uuid.UUID
	for i := range 8 {
		ids = append(ids, r.accept(pay(2*i, 2*i+1, ""))...)
	}
	l.set(func(_ context.Context, a ask) verb {
		if a.op == "submit" && strings.Contains(a.args, ids[2].String()) {
			return void
		}
		return ""
	})
	r.start(New(r.pool, l, r.quick()))
	r.settled()
	if c := r.find(ids[2]); c.State != outbox.Dead || c.ErrorClass != outbox.Invalid || c.ErrorCode != "INVALID" {
		t.Errorf("%+v", c)
	}
	if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'COMMITTED'"); n != 7 {
		t.Errorf("%d committed", n)
	}
}

// An unknown outcome is not a failure: the same transaction is asked for and
// submitted again, by the next leader when it must be (F-06).
func TestUnknownOutcome(t *testing.T) {
	for name, fails := range map[string]func(n int64, a ask) verb{
		"the answer of submit is dropped":        func(n int64, a ask) verb { return on(a, "submit", n, dropAfter) },
		"submit finds no ledger":                 func(n int64, a ask) verb { return on(a, "submit", n, unavailable) },
		"submit hangs":                           func(n int64, a ask) verb { return on(a, "submit", n, hang) },
		"the transaction is lost on its way":     func(n int64, a ask) verb { return on(a, "submit", n, lose) },
		"it is ordered twice":                    func(n int64, a ask) verb { return on(a, "submit", n, twice) },
		"status hangs":                           func(n int64, a ask) verb { return on(a, "status", n, hang) },
		"status finds no ledger":                 func(n int64, a ask) verb { return on(a, "status", n, unavailable) },
		"submit is dropped and status hangs too": func(n int64, a ask) verb { return on(a, "submit", n, dropAfter) + on(a, "status", n, hang) },
	} {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, leader lost %v", name, crash), func(t *testing.T) {
				r := newRig(t)
				l := newFake()
				var n atomic.Int64
				l.set(func(_ context.Context, a ask) verb {
					if a.op == "endorse" {
						return ""
					}
					v := fails(n.Add(1), a)
					if v != "" && crash {
						r.depose()
					}
					return v
				})
				id := r.accept(pay(0, 1, ""))[0]
				o := r.quick()
				o.SubmitTimeout, o.StatusTimeout = moment, 2*moment
				r.start(New(r.pool, l, o))
				o.Holder = "standby"
				r.start(New(r.pool, l, o))
				r.wait(id, outbox.Committed)
				if got := l.get("log " + people()[0]); got != lines([]uuid.UUID{id}) {
					t.Errorf("the ledger has %q", got)
				}
				if l.calls("endorse") != 1 {
					t.Errorf("endorsed %d times", l.calls("endorse"))
				}
			})
		}
	}
}

// on does v to the first calls, if they are of an operation.
func on(a ask, op string, n int64, v verb) verb {
	if a.op == op && n <= 3 {
		return v
	}
	return ""
}

// depose begins a new term for nobody: who leads is a leader no more.
func (r *rig) depose() {
	if _, err := r.owner.Exec(context.Background(), "UPDATE app.leases SET fence = fence + 1, expires_at = now()"); err != nil {
		r.t.Error(err)
	}
}

// A leader that was paused while another took over can do no harm (F-05).
func TestPausedLeader(t *testing.T) {
	r := newRig(t)
	l := newFake()
	paused, resumed := make(chan struct{}), make(chan struct{})
	resume := sync.OnceFunc(func() { close(resumed) })
	var once atomic.Bool
	l.set(func(_ context.Context, a ask) verb {
		if a.op == "endorse" && once.CompareAndSwap(false, true) {
			close(paused)
			<-resumed
		}
		return ""
	})
	id := r.accept(pay(0, 1, ""))[0]
	o := r.quick()
	reg := prometheus.NewRegistry()
	o.Registerer = reg
	r.start(New(r.pool, l, o))
	t.Cleanup(resume)
	<-paused
	r.depose()
	o.Registerer, o.Holder = nil, "standby"
	r.start(New(r.pool, l, o))
	if c := r.wait(id, outbox.Committed); c.Attempts != 2 {
		t.Errorf("an attempt that nobody answers for does not count: %+v", c)
	}
	resume()
	eventually(t, "the old leader notices", func() bool { return metric(t, reg, "outbox_lease_lost_total") == 1 })
	if got := l.get("log " + people()[0]); got != lines([]uuid.UUID{id}) {
		t.Errorf("the ledger has %q", got)
	}
	if n := r.count("SELECT count(*) FROM app.batches"); n != 1 || l.calls("submit") != 1 {
		t.Errorf("%d batches, submitted %d times", n, l.calls("submit"))
	}
}

// A command over which submitters die is tried alone, and dies after its attempts (B-106).
func TestCrash(t *testing.T) {
	r := newRig(t)
	l := newFake()
	ids := r.accept(pay(0, 1, ""), pay(2, 3, ""), pay(4, 5, ""))
	crashed := make(chan struct{})
	l.set(func(_ context.Context, a ask) verb {
		if a.op != "endorse" || !strings.Contains(a.args, ids[1].String()) {
			return ""
		}
		r.depose()
		crashed <- struct{}{}
		return hang
	})
	o := r.quick()
	o.Drain = time.Millisecond
	for range 5 {
		o.Holder = uuid.NewString()
		stop := r.start(New(r.pool, l, o))
		<-crashed
		stop()
	}
	r.start(New(r.pool, l, o))
	if c := r.wait(ids[1], outbox.Dead); c.ErrorClass != outbox.Fault || c.Attempts != 5 {
		t.Errorf("%+v", c)
	}
	for _, i := range []int{0, 2} {
		r.wait(ids[i], outbox.Committed)
	}
	if got := l.sizes(); got[3] != 1 || got[2] != 0 {
		t.Errorf("it was tried in company again: %v", got)
	}
}

// A leader that is stopped finishes what is at work and gives back the rest (F-19).
func TestDrain(t *testing.T) {
	r := newRig(t)
	l := newFake()
	working, release := make(chan struct{}), make(chan struct{})
	l.set(func(_ context.Context, a ask) verb {
		if a.op == "endorse" {
			working <- struct{}{}
			<-release
		}
		return ""
	})
	first := r.accept(pay(0, 1, ""))[0]
	o := r.quick()
	o.Pipeline = 1
	stop := r.start(New(r.pool, l, o))
	<-working
	rest := r.accept(pay(0, 1, ""), pay(2, 3, ""))
	eventually(t, "the rest is claimed or not", func() bool { return l.calls("endorse") == 1 })
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(release)
	<-stopped
	if c := r.find(first); c.State != outbox.Committed {
		t.Errorf("at work: %+v", c)
	}
	for _, id := range rest {
		if c := r.find(id); c.State != outbox.Pending || c.Attempts != 0 {
			t.Errorf("the rest: %+v", c)
		}
	}
	if n := r.count("SELECT count(*) FROM app.leases WHERE expires_at > now()"); n != 0 {
		t.Error("the lease is not given up")
	}

	// What does not end in time is given back too, or left to the next leader when
	// it is stored.
	for _, op := range []string{"endorse", "status"} {
		l.set(always(op, hang))
		o.Drain = moment
		before := l.calls(op)
		stop = r.start(New(r.pool, l, o))
		eventually(t, op+" hangs", func() bool { return l.calls(op) > before })
		stop()
		want := map[string]int{"endorse": 0, "status": 1}[op]
		if n := r.count("SELECT count(*) FROM app.batches WHERE state = 'ENDORSED'"); n != want {
			t.Errorf("%s hung: %d stored batches", op, n)
		}
		if n := r.count("SELECT count(*) FROM app.batches WHERE state = 'PREPARED'"); n != 0 {
			t.Errorf("%s hung: %d prepared batches", op, n)
		}
		if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'LOCKED'"); n > 2*want {
			t.Errorf("%s hung: %d locked", op, n)
		}
	}
	l.set(nil)
	r.start(New(r.pool, l, o))
	for _, id := range rest {
		if c := r.wait(id, outbox.Committed); c.Attempts != 1 {
			t.Errorf("in the end: %+v", c)
		}
	}
}

// Jobs run while their process leads, by the clock, in transactions of the term.
func TestJobs(t *testing.T) {
	r := newRig(t)
	l := newFake()
	var now, runs, failures atomic.Int64
	o := r.quick()
	o.Clock = func() time.Time { return noon.Add(time.Duration(now.Load())) }
	reg := prometheus.NewRegistry()
	o.Registerer = reg
	enqueue := func(ctx context.Context, tx pgx.Tx, key string) error {
		_, err := r.outbox.Enqueue(ctx, tx, outbox.Request{ID: uuid.Must(uuid.NewV7()), Payload: pay(0, 1, ""), Principal: "system", Route: "job", Key: key})
		return err
	}
	o.Jobs = []Job{
		{"hourly", time.Hour, func(ctx context.Context, tx pgx.Tx, at time.Time) error {
			runs.Add(1)
			return enqueue(ctx, tx, at.Format(time.RFC3339))
		}},
		{"failing", time.Minute, func(ctx context.Context, tx pgx.Tx, at time.Time) error {
			failures.Add(1)
			return errors.Join(enqueue(ctx, tx, "failing"), errors.New("as told"))
		}},
	}
	stop := r.start(New(r.pool, l, o))
	standby := o
	standby.Holder, standby.Registerer = "standby", nil
	standby.Jobs = []Job{{"never", time.Nanosecond, func(context.Context, pgx.Tx, time.Time) error {
		t.Error("a job runs while its process stands by")
		return nil
	}}}
	eventually(t, "the first runs", func() bool { return runs.Load() == 1 && failures.Load() == 1 })
	stopStandby := r.start(New(r.pool, l, standby))
	now.Store(int64(59 * time.Minute))
	eventually(t, "the failing one is tried again", func() bool { return failures.Load() == 2 })
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs of the hourly job", n)
	}
	now.Store(int64(time.Hour))
	eventually(t, "the hourly job runs again", func() bool { return runs.Load() == 2 })
	eventually(t, "its commands commit", func() bool {
		return r.count("SELECT count(*) FROM app.commands WHERE state = 'COMMITTED' AND principal = 'system'") == 2
	})
	if n := r.count("SELECT count(*) FROM app.commands"); n != 2 {
		t.Errorf("%d commands: a failed job has left some", n)
	}
	if metric(t, reg, "outbox_task_runs_total", "task", "hourly", "status", "success") != 2 || metric(t, reg, "outbox_task_runs_total", "task", "failing", "status", "failed") < 2 {
		t.Error("the runs are not counted")
	}
	stopStandby()
	stop()
}

// The leader sweeps what is finished and past its time.
func TestSweep(t *testing.T) {
	r := newRig(t)
	var now atomic.Int64
	o := r.quick()
	o.Clock = func() time.Time { return noon.Add(time.Duration(now.Load())) }
	old := r.accept(pay(0, 1, ""))[0]
	r.start(New(r.pool, newFake(), o))
	r.wait(old, outbox.Committed)
	now.Store(int64(6 * 24 * time.Hour))
	young := r.accept(pay(0, 1, ""))[0]
	r.wait(young, outbox.Committed)
	now.Store(int64(8 * 24 * time.Hour))
	eventually(t, "the old command goes", func() bool {
		_, err := outbox.Find(t.Context(), r.owner, old)
		return errors.Is(err, outbox.ErrNotFound)
	})
	r.find(young)
}

// A full outbox is no trouble; a process that can't do its work says so (F-33).
func TestCheck(t *testing.T) {
	r := newRig(t)
	l := newFake()
	l.set(always("endorse", hang))
	o := r.quick()
	s := New(r.pool, l, o)
	if err := s.Check(t.Context()); err == nil {
		t.Error("ready before it runs")
	}
	r.accept(pay(0, 1, ""))
	o.Drain = time.Millisecond
	s = New(r.pool, l, o)
	stop := r.start(s)
	eventually(t, "it leads", func() bool { return l.calls("endorse") > 0 })
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	s.set(func() { s.beat = time.Now().Add(-time.Hour) })
	frozen := s.Check(t.Context()) // unless the loop came round meanwhile
	eventually(t, "a beat tells of life", func() bool { return s.Check(t.Context()) == nil })
	if frozen != nil && !strings.Contains(frozen.Error(), "stuck") {
		t.Error(frozen)
	}
	o.Holder = "standby"
	standby := New(r.pool, l, o)
	r.start(standby)
	eventually(t, "the standby is ready", func() bool { return standby.Check(t.Context()) == nil })
	stop()
	if err := s.Check(t.Context()); err == nil {
		t.Error("ready after it has stopped")
	}
}

// A leader for which the database has a surprise begins anew, and says so.
func TestSurprise(t *testing.T) {
	r := newRig(t)
	l := newFake()
	working, release := make(chan struct{}), make(chan struct{})
	l.set(func(_ context.Context, a ask) verb {
		if a.op == "endorse" {
			select {
			case working <- struct{}{}:
				<-release
			default:
			}
		}
		return ""
	})
	id := r.accept(pay(0, 1, ""))[0]
	s := New(r.pool, l, r.quick())
	r.start(s)
	<-working
	r.exec("DELETE FROM app.batches")
	close(release)
	eventually(t, "it is in trouble", func() bool { return s.Check(t.Context()) != nil })
	if c := r.wait(id, outbox.Committed); c.Attempts != 1 {
		t.Errorf("%+v", c)
	}
	if n := r.count("SELECT count(*) FROM app.batches"); n != 1 {
		t.Errorf("%d batches", n)
	}
	eventually(t, "the trouble is over", func() bool { return s.Check(t.Context()) == nil })
}

func TestMetrics(t *testing.T) {
	r := newRig(t)
	reg := prometheus.NewRegistry()
	o := r.quick()
	o.Registerer = reg
	r.accept(pay(0, 1, ""), pay(2, 3, "reject"), pay(4, 5, "refuse"))
	r.insert("HOSTILE", "{}")
	r.start(New(r.pool, newFake(), o))
	r.settled()
	for labels, want := range map[string]float64{
		"command TRANSFER_TOKENS status success":              1,
		"command TRANSFER_TOKENS status failed":               2,
		"command TRANSFER_TOKENS status failed class REFUSED": 1,
		"command unknown status failed class POISON":          1,
	} {
		eventually(t, labels, func() bool {
			return metric(t, reg, "outbox_commands_processed_total", strings.Fields(labels)...) == want
		})
	}
	eventually(t, "the queue is counted", func() bool { return metric(t, reg, "outbox_worker_status") == 1 })
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, name := range []string{"outbox_commands_processed_total", "outbox_queue_depth", "outbox_processing_duration_seconds", "outbox_worker_status",
		"outbox_oldest_pending_seconds", "outbox_dlq_size", "fabric_breaker_state", "outbox_lease_lost_total"} {
		if !names[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err        error
		class      outbox.Class
		code, text string
	}{
		{&ledger.ContractError{Message: "NOT_FOUND: no such account"}, outbox.Refused, "NOT_FOUND", "no such account"},
		{fmt.Errorf("wrapped: %w", &ledger.ContractError{Message: "A_1: b: c"}), outbox.Refused, "A_1", "b: c"},
		{&ledger.ContractError{Message: "it broke"}, outbox.Refused, "", "it broke"},
		{&ledger.ContractError{Message: "it broke: badly"}, outbox.Refused, "", "it broke: badly"},
		{&ledger.ContractError{Message: ": badly"}, outbox.Refused, "", ": badly"},
		{fmt.Errorf("dial: %w", ledger.ErrUnavailable), outbox.Unavailable, "", "dial: ledger: unavailable"},
		{context.DeadlineExceeded, outbox.Unavailable, "", "context deadline exceeded"},
		{errors.New("endorsements differ"), outbox.Fault, "", "endorsements differ"},
	} {
		class, code, text := classify(c.err)
		if class != c.class || code != c.code || text != c.text {
			t.Errorf("%v: %s %q %q", c.err, class, code, text)
		}
	}
}

// Every registered command can be read back from the outbox.
func TestRead(t *testing.T) {
	for _, d := range command.All() {
		if _, err := read(outbox.Waiting{Type: d.Type, Payload: []byte("null")}); err != nil && strings.Contains(err.Error(), "broke") {
			t.Errorf("%s: %v", d.Type, err)
		}
	}
	payload, err := command.Encode(pay(0, 1, ""))
	if err != nil {
		t.Fatal(err)
	}
	e, err := read(outbox.Waiting{Type: command.TypeTransferTokens, Payload: payload, Position: 7, Counters: outbox.Counters{Attempts: 2}})
	if err != nil || e.position != 7 || e.identity != "gx_partner_api" || e.limit != 1 || e.size <= len(payload) || len(e.lanes) < 3 {
		t.Errorf("%+v %v", e, err)
	}
}

// A result must tell of the commands of its batch, in their order.
func TestDecode(t *testing.T) {
	a, b := uuid.New(), uuid.New()
	batch := &batch{entries: []*entry{{id: a}, {id: b}}}
	result := func(id uuid.UUID, outcome string) string { return fmt.Sprintf(`{"id":%q,"outcome":%q}`, id, outcome) }
	for _, c := range []struct {
		result string
		ok     bool
	}{
		{"[" + result(a, "APPLIED") + "," + result(b, "REJECTED") + "]", true},
		{"[" + result(a, "DEFERRED") + "," + result(b, "APPLIED") + "]", true},
		{"[" + result(b, "APPLIED") + "," + result(a, "APPLIED") + "]", false},
		{"[" + result(a, "APPLIED") + "]", false},
		{"[" + result(a, "APPLIED") + "," + result(b, "LATER") + "]", false},
		{"[" + result(a, "APPLIED") + "," + result(b, "") + "]", false},
		{"", false}, {"{}", false},
	} {
		if _, err := decode(batch, []byte(c.result)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.result, err)
		}
	}
	if !allDeferred([]contract.BatchResult{{Outcome: contract.Deferred}}) || allDeferred([]contract.BatchResult{{Outcome: contract.Deferred}, {Outcome: "APPLIED"}}) {
		t.Error("deferred")
	}
}
