package submitter

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
)

// TestOrder lets two submitters compete for the commands of a few accounts on a
// ledger that fails in every way it can, while leaders are deposed and stopped
// at any moment: the commands of an account are applied in the order of their
// acceptance, each once, and none is lost or dies.
func TestOrder(t *testing.T) {
	r := newRig(t)
	rapid.Check(t, func(rt *rapid.T) {
		r.exec("TRUNCATE app.commands, app.batches, app.dead_commands")
		l := newFake()
		faults := newFaults(rt)
		l.set(faults.decide)
		faults.depose = r.depose

		accounts := rapid.IntRange(2, 8).Draw(rt, "accounts")
		sides := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]int {
			from := rapid.IntRange(0, accounts-1).Draw(t, "from")
			return [2]int{from, (from + rapid.IntRange(1, accounts-1).Draw(t, "to")) % accounts}
		}), 1, 60).Draw(rt, "payments")
		early := rapid.IntRange(0, len(sides)).Draw(rt, "accepted before the start")
		want := map[int][]uuid.UUID{}
		accept := func(list [][2]int) {
			for _, s := range list {
				id := r.accept(pay(s[0], s[1], ""))[0]
				want[s[0]], want[s[1]] = append(want[s[0]], id), append(want[s[1]], id)
			}
		}
		accept(sides[:early])

		o := r.quick()
		o.Log = nil
		o.Policy.MaxAttempts, o.Policy.MaxConflicts = 1000, 1000
		o.Pipeline = rapid.IntRange(1, 4).Draw(rt, "pipeline")
		o.MaxBatch = rapid.IntRange(1, 20).Draw(rt, "batch")
		o.EndorseTimeout, o.SubmitTimeout, o.StatusTimeout, o.ProbeTimeout = 20*time.Millisecond, 20*time.Millisecond, 40*time.Millisecond, 5*time.Millisecond
		o.BreakerTimeout, o.Drain = 5*time.Millisecond, 10*time.Millisecond
		restart := func() (stop func()) {
			mine := o
			mine.Holder, mine.Outbox = uuid.NewString(), outbox.New(outbox.Options{})
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			wg.Go(func() { _ = New(r.pool, l, mine).Run(ctx) })
			return func() { cancel(); wg.Wait() }
		}
		a, b := restart(), restart()
		defer func() { a(); b() }()
		accept(sides[early:])
		for range rapid.IntRange(0, 2).Draw(rt, "restarts") {
			a()
			a, b = b, restart()
		}
		eventually(t, "every command has its end", func() bool {
			return r.count("SELECT count(*) FROM app.commands WHERE state IN ('PENDING', 'LOCKED', 'RETRY')") == 0
		})
		if n := r.count("SELECT count(*) FROM app.commands WHERE state <> 'COMMITTED'"); n != 0 {
			rt.Errorf("%d did not commit", n)
		}
		for i, list := range want {
			if got := l.get("log " + people()[i]); got != lines(list) {
				rt.Errorf("account %d: the ledger has\n%s, want\n%s", i, got, lines(list))
			}
		}
		if n := r.count("SELECT count(*) FROM app.batches WHERE state <> 'SETTLED'"); n != 0 {
			rt.Errorf("%d batches are left over", n)
		}
		// No two batches at work shared a lane: the only conflicts are those that were ordered.
		if got := l.codes()[ledger.ReadConflict]; got > faults.conflicts {
			rt.Errorf("%d conflicts, %d were ordered", got, faults.conflicts)
		}
	})
}

// faults fail a part of all calls until they are used up.
type faults struct {
	mu        sync.Mutex
	random    *rand.Rand
	left      int
	percent   int
	conflicts int
	depose    func()
}

func newFaults(t *rapid.T) *faults {
	return &faults{
		random:  rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
		left:    rapid.IntRange(0, 40).Draw(t, "faults"),
		percent: rapid.IntRange(0, 60).Draw(t, "percent"),
	}
}

func (f *faults) decide(_ context.Context, a ask) verb {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 || f.random.IntN(100) >= f.percent {
		return ""
	}
	f.left--
	if f.random.IntN(5) == 0 {
		f.depose()
	}
	choice := map[string][]verb{
		"endorse": {"", unavailable, fault, hang, garbage},
		"submit":  {"", unavailable, hang, dropAfter, lose, twice, conflict, void},
		"status":  {"", unavailable, hang},
	}[a.op]
	v := choice[f.random.IntN(len(choice))]
	switch {
	case v == conflict:
		f.conflicts++
	case v == void && a.commands == 1:
		return "" // it would be to blame, and die
	}
	return v
}
