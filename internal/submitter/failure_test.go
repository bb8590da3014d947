package submitter

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
)

// An outage, however long, kills nothing, and afterwards everything commits in
// order (F-22).
func TestKF22Outage(t *testing.T) {
	r := newRig(t)
	l := newFake()
	l.set(always("endorse", unavailable))
	var now atomic.Int64
	o := r.quick()
	o.Clock = func() time.Time { return noon.Add(time.Duration(now.Load())) }
	o.LeaseTTL = time.Hour // of a clock that runs fast
	o.Policy = outbox.Policy{}
	o.MaxBatch = 10
	var ids []uuid.UUID
	for i := range 100 {
		ids = append(ids, r.accept(pay(i%7, 7+i%11, ""))...)
	}
	r.start(New(r.pool, l, o))
	for time.Duration(now.Load()) < 30*time.Minute {
		before := l.calls("endorse")
		eventually(t, "another attempt", func() bool { now.Add(int64(time.Second)); return l.calls("endorse") > before })
	}
	if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'DEAD' OR attempts > 0"); n != 0 {
		t.Fatalf("%d commands suffered from the outage", n)
	}
	eventually(t, "commands wait for the ledger", func() bool {
		return r.count("SELECT count(*) FROM app.commands WHERE state = 'RETRY' AND error_class = 'UNAVAILABLE'") > 0
	})
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
func TestKF28Breaker(t *testing.T) {
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
func TestKF14Conflict(t *testing.T) {
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
