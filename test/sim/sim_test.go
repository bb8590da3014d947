// Package sim_test simulates the whole of GX under one seed: services, outbox,
// submitters, ledgers and projectors run their real code in one process, in
// simulated time, on a real PostgreSQL. Processes die over any message to the
// database, before or after it took effect, stand still beyond their leases, are
// cut off, have clocks that jump and a ledger that lies.
package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/ringtest/invariant"
	"gxcoin.money/gx/internal/ringtest/report"
	"gxcoin.money/gx/protocol/qirat"
)

// One processor: goroutines that are ready at the same simulated moment run one
// after the other.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	debug.SetTraceback("all") // of a simulation that hangs
	// Between simulations only: the collector stops goroutines where it likes.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(2 << 30)
	os.Exit(m.Run())
}

// number returns a setting.
func number(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

// TestSimulation runs one seed after the other. GX_SIM_SEED is the first,
// GX_SIM_SEEDS how many, GX_SIM_TIME the time after which none is begun. With
// GX_SIM_TRACE every message is logged.
func TestSimulation(t *testing.T) {
	first, seeds := number("GX_SIM_SEED", 1), number("GX_SIM_SEEDS", 1000)
	limit, err := time.ParseDuration(os.Getenv("GX_SIM_TIME"))
	if err != nil {
		limit = 15 * time.Second
		if os.Getenv("GX_SIM_SEEDS") != "" {
			limit = time.Hour
		}
	}
	s := newStage(t, 5)
	begin := time.Now()
	sum := summary{first: first}
	for seed := first; seed < first+seeds && time.Since(begin) < limit; seed++ {
		if ok := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { sum.add(simulate(t, s, seed)) }); !ok {
			sum.failed = append(sum.failed, seed)
			t.Logf("replay: GX_SIM_SEED=%d GX_SIM_SEEDS=1 go test -count=1 -run=TestSimulation ./test/sim", seed)
		}
	}
	sum.report(t, time.Since(begin))
	if sum.seeds == 0 {
		t.Error("no seed was run")
	}
}

type summary struct {
	first                                   uint64
	seeds, payments, applied, lives, writes int
	simulated                               time.Duration
	failed                                  []uint64
}

func (s *summary) add(o summary) {
	s.seeds++
	s.payments, s.applied, s.lives, s.writes = s.payments+o.payments, s.applied+o.applied, s.lives+o.lives, s.writes+o.writes
	s.simulated += o.simulated
}

func (s *summary) report(t *testing.T, took time.Duration) {
	report.Line(t, "%d seeds from %d on in %.0f s: %.1f seeds and %.2f simulated hours a minute; %d payments, %d applied; %d lives of processes, %d messages to the database; failed: %v",
		s.seeds, s.first, took.Seconds(), float64(s.seeds)/took.Minutes(), s.simulated.Hours()/took.Minutes(), s.payments, s.applied, s.lives, s.writes, s.failed)
}

// stuck is how much real time a simulation may take.
const stuck = 5 * time.Minute

// simulate runs one seed and checks the invariants.
func simulate(t *testing.T, s *stage, seed uint64) (sum summary) {
	s.reset(t)
	runtime.GC()
	watchdog := time.AfterFunc(stuck, func() { panic(fmt.Sprintf("seed %d: the simulation hangs", seed)) })
	defer watchdog.Stop()
	var w *world
	var payments []invariant.Payment
	var now time.Time
	var unsettled error
	synctest.Test(t, func(*testing.T) {
		w = newWorld(s, seed)
		payments, unsettled = w.play()
		sum = summary{payments: len(payments), lives: w.lives, writes: w.writes, simulated: time.Since(w.begin)}
		now = w.now()
	})
	if unsettled != nil {
		t.Errorf("not everything has its end: %v", unsettled)
	}
	if usurpers, err := s.control.ask(`SELECT count(*) FROM sim.usurpers`); err != nil || usurpers != "0" {
		t.Errorf("INV6: %s times somebody has written who did not lead (%v)", usurpers, err)
	}
	invariant.Check(t, invariant.System{Pool: s.owner, Now: now})
	applied, errs := invariant.Payments(t.Context(), s.owner, payments)
	for _, err := range errs {
		t.Errorf("payments: %v", err)
	}
	sum.applied = applied
	if t.Failed() {
		t.Logf("what happened last:\n%s", strings.Join(w.lines, "\n"))
	}
	if traced {
		t.Logf("seed %d: %d messages, trace %x\n%s", seed, w.writes, w.trace, strings.Join(w.lines, "\n"))
	}
	return sum
}

// ghosts is how long the driver may be busy with connections of the dead.
const ghosts = 20 * time.Second // simulated

// play lets people pay while everything goes wrong, and returns what they wanted
// when everything has come to its end.
func (w *world) play() ([]invariant.Payment, error) {
	r := w.source("weather", 0, 0)
	w.climate = climate{slow: 20 + r.IntN(400), stall: 2000 + r.IntN(4000), death: 400 + r.IntN(4000), loss: 400 + r.IntN(4000), lies: 4 + r.IntN(40)}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	w.ctx = ctx
	w.tick()
	var processes, load sync.WaitGroup
	for _, role := range []string{"api", "submit", "project"} {
		for i := range 2 {
			processes.Go(func() { w.keep(ctx, role, i+1) })
		}
	}
	var mu sync.Mutex
	var all []invariant.Payment
	for i := range 4 {
		n := 3 + r.IntN(12)
		load.Go(func() {
			list := w.pay(ctx, i, n)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, list...)
		})
	}
	trouble, calm := context.WithCancel(ctx)
	var troubles sync.WaitGroup
	storm := time.Duration(8000+r.IntN(16000)) * time.Millisecond
	troubles.Go(func() { w.trouble(trouble, r) })
	pause(ctx, storm)
	calm()
	troubles.Wait()
	w.change(func(c *climate) { *c = climate{calm: true} })
	w.log("calm")
	load.Wait()
	err := w.settle()
	w.end()
	stop()
	processes.Wait()
	pause(context.Background(), ghosts)
	return all, err
}

// trouble lets things happen to processes until ctx ends.
func (w *world) trouble(ctx context.Context, r *rand.Rand) {
	var events sync.WaitGroup
	defer events.Wait()
	for {
		pause(ctx, time.Duration(r.Int64N(int64(3*time.Second))))
		living := w.living("")
		if ctx.Err() != nil {
			return
		}
		if len(living) == 0 {
			continue
		}
		p := living[r.IntN(len(living))]
		long := time.Duration(r.Int64N(int64(4 * leaseTTL)))
		switch r.IntN(12) {
		case 0, 1:
			p.die()
		case 2:
			events.Go(func() { p.pause(long) })
		case 3:
			p.stopAtCommit(long)
		case 4, 5: // the one that leads, whichever that is
			for _, p := range w.living([]string{"submit", "project"}[r.IntN(2)]) {
				p.stopAtCommit(long)
			}
		case 6, 7:
			events.Go(func() { p.partition(long) })
		case 8:
			if p.role != "api" { // whose clock is that of the tokens
				jump := time.Duration(r.Int64N(int64(4*time.Hour))) - 2*time.Hour
				w.log("the clock of %s jumps by %s", p.name, jump)
				p.mu.Lock()
				p.skew = jump
				p.mu.Unlock()
			}
		case 9:
			outage := time.Duration(r.Int64N(int64(4 * leaseTTL)))
			if r.IntN(8) == 0 {
				outage = 20 * leaseTTL
			}
			w.log("the ledger is away for %s", outage)
			w.change(func(c *climate) { c.outage = true })
			pause(context.WithoutCancel(ctx), outage)
			w.change(func(c *climate) { c.outage = false })
			w.log("the ledger is back")
		case 10:
			service := fmt.Sprint("api", 1+r.IntN(2))
			events.Go(func() { w.linger(service, long/4) })
		case 11:
			w.log("every process dies")
			for _, p := range living {
				p.die()
			}
		}
	}
}

// linger lets the commands of a service be accepted late, after others.
func (w *world) linger(service string, d time.Duration) {
	call := func(f string) {
		if _, err := w.stage.control.ask("SELECT %s(hashtext('%s'))", f, service); err != nil {
			panic(err)
		}
	}
	w.log("what %s accepts takes %s", service, d)
	call("pg_advisory_lock")
	pause(w.ctx, d)
	call("pg_advisory_unlock")
}

// pay lets one payer want n payments, each under a key of its own that is sent
// until there is an answer, and again when there was one.
func (w *world) pay(ctx context.Context, n, count int) []invariant.Payment {
	r := w.source("payer", n, 0)
	var list []invariant.Payment
	for range count {
		from := r.IntN(len(w.stage.people))
		to := (from + 1 + r.IntN(len(w.stage.people)-1)) % len(w.stage.people)
		p := invariant.Payment{Key: uuid.NewString(), From: w.stage.people[from].account, To: w.stage.people[to].account, Amount: qirat.Amount(1 + r.IntN(200_000_000))}
		sends := 1 + r.IntN(3)
		for sent := 0; sent < sends || p.Command == "" && !p.Refused; sent++ {
			requests, cancel := context.WithTimeout(ctx, time.Duration(500+r.IntN(5000))*time.Millisecond)
			var answer client.Answer
			body := client.Payment{ToID: p.To, Amount: p.Amount.String()}
			receipt, err := w.as(w.stage.people[from]).CreateTransfer(requests, body, client.IdempotencyKey(p.Key), client.Receive(&answer))
			cancel()
			switch {
			case err == nil:
				if p.Command != "" && p.Command != receipt.CommandID || p.Refused {
					w.log("VIOLATION: key %s had %s %v, now %s", p.Key, p.Command, p.Refused, receipt.CommandID)
					p.Contradicted = true
				}
				p.Command = receipt.CommandID
			case answer.Status == 422 && p.Command == "":
				p.Refused = true // for want of money
			}
			if p.Refused {
				break
			}
			pause(ctx, time.Duration(r.Int64N(int64(600*time.Millisecond))))
		}
		list = append(list, p)
		pause(ctx, time.Duration(r.Int64N(int64(800*time.Millisecond))))
	}
	return list
}

// settle waits until every command has its end and is projected. What fails here
// is told when the simulation has ended: nothing of the invariants would be otherwise.
func (w *world) settle() error {
	const limit = 10 * time.Minute // simulated
	for begin := time.Now(); ; pause(context.Background(), 200*time.Millisecond) {
		open, err := w.stage.control.ask(`
			SELECT coalesce(
				(SELECT string_agg(id || ' is ' || state || ' ' || error_class || ' ' || error, '; ') FROM app.commands WHERE state IN ('PENDING', 'LOCKED', 'RETRY')),
				(SELECT 'block ' || block || ' is the last to be projected: ' || state || ' ' || reason FROM read.checkpoint
					WHERE block < (SELECT max(number) FROM ledger.blocks)))`)
		if err != nil || open == "" {
			return err
		}
		if time.Since(begin) > limit {
			return fmt.Errorf("%s after the last trouble: %s", limit, open)
		}
	}
}
