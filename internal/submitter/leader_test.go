package submitter

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/outbox"
)

// An unknown outcome is not a failure: the same transaction is asked for and
// submitted again, by the next leader when it must be (F-06).
func TestKF06UnknownOutcome(t *testing.T) {
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

// What a leader stored and did not live to submit is asked about by the next, and
// then submitted without a rest.
func TestRecoveredBatchDoesNotRest(t *testing.T) {
	r := newRig(t)
	l := newFake()
	var lost atomic.Bool
	l.set(func(_ context.Context, a ask) verb {
		if a.op == "submit" && lost.CompareAndSwap(false, true) {
			r.depose()
			return lose
		}
		return ""
	})
	id := r.accept(pay(0, 1, ""))[0]
	o := r.quick()
	o.StatusTimeout = 2 * moment
	o.Policy.BackoffMin, o.Policy.BackoffMax = time.Hour, time.Hour
	r.start(New(r.pool, l, o))
	eventually(t, "the transaction is lost", lost.Load)
	o.Holder = "standby"
	r.start(New(r.pool, l, o))
	r.wait(id, outbox.Committed)
	if l.calls("endorse") != 1 || l.calls("submit") != 2 {
		t.Errorf("endorsed %d times, submitted %d times", l.calls("endorse"), l.calls("submit"))
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
func TestKF05PausedLeader(t *testing.T) {
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

// A command over which submitters die is tried in ever smaller company, at last
// alone, and dies after its attempts; those beside it do not (B-106).
func TestCrash(t *testing.T) {
	r := newRig(t)
	l := newFake()
	var ids []uuid.UUID
	for i := range 40 {
		ids = append(ids, r.accept(pay(2*i, 2*i+1, ""))...)
	}
	poison := ids[20]
	crashed := make(chan struct{})
	l.set(func(_ context.Context, a ask) verb {
		if a.op != "endorse" || !strings.Contains(a.args, poison.String()) {
			return ""
		}
		r.depose()
		crashed <- struct{}{}
		return hang
	})
	o := r.quick()
	o.Drain = time.Millisecond
	o.MaxBatch = 64
	for range 5 {
		o.Holder = uuid.NewString()
		stop := r.start(New(r.pool, l, o))
		<-crashed
		stop()
	}
	r.start(New(r.pool, l, o))
	if c := r.wait(poison, outbox.Dead); c.ErrorClass != outbox.Fault || c.Attempts != 5 {
		t.Errorf("%+v", c)
	}
	for _, id := range ids {
		if id != poison {
			r.wait(id, outbox.Committed)
		}
	}
	if got := l.sizes(); got[16] == 0 || got[4] == 0 || got[1] > len(ids)/2 {
		t.Errorf("batches of these sizes: %v", got)
	}
}

// A leader that is stopped finishes what is at work and gives back the rest (F-19).
func TestKF19Drain(t *testing.T) {
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
