package crash_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest/report"
	"gxcoin.money/gx/protocol/qirat"
)

// TestOverload lets three times the clients pay that are as many as the system can
// serve. Those that are too many are told to come back, before anything is done for
// them; the others are served as well as before, and when all is over a payment is
// as quick as ever.
func TestOverload(t *testing.T) {
	if os.Getenv("GX_CHAOS") != "1" {
		t.Skip("SKIPPED: GX_CHAOS=1 is not set; make chaos sets it")
	}
	const full, rounds, length = 64, 3, 10 * time.Second
	s := newSystem(t)
	customers, err := demo.Recruit(t.Context(), s.client(), s.staff(), demo.People(32))
	if err != nil {
		t.Fatal(err)
	}
	p := &payers{system: s, customers: customers, stop: make(chan struct{}), abandon: t.Context().Done()}
	b := openBooks(t, s.info.Database)
	p.press(b, full, length/2) // connections, caches
	var normal, over pressure
	for range rounds { // in turns, so that whatever else the machine does is both's loss
		normal.add(p.press(b, full, length))
		over.add(p.press(b, 3*full, length))
	}
	gone := time.Now()
	i := &intent{from: 0, to: 1, amount: 1}
	p.pay(i)
	p.record(i)
	s.finish(t, customers[0], i)
	recovered := time.Since(gone)

	report.Line(t, "%d clients: %.0f payments a second through, p99 of the answers %.0f ms, %d told to come back", full, normal.rate(), normal.p99(), normal.shed)
	report.Line(t, "%d clients: %.0f a second, %.2f of that, p99 of the answers %.0f ms, %d told to come back; %.2f s after the end a new payment is through",
		3*full, over.rate(), over.rate()/normal.rate(), over.p99(), over.shed, recovered.Seconds())
	if over.shed == 0 {
		t.Error("nobody is told to come back")
	}
	if over.rate() < 0.9*normal.rate() {
		t.Errorf("goodput falls from %.0f to %.0f a second", normal.rate(), over.rate())
	}
	if over.p99() > 2*normal.p99() {
		t.Errorf("p99 of the answers grows from %.0f to %.0f ms", normal.p99(), over.p99())
	}
	if recovered > recoveryTime {
		t.Errorf("a payment took %.1f s afterwards", recovered.Seconds())
	}
	p.audit(t)
}

// pressure is what came of many clients.
type pressure struct {
	through int // commands that reached their end
	took    time.Duration
	shed    int
	answers []time.Duration // that a payment is accepted
}

func (a *pressure) add(b pressure) {
	a.through += b.through
	a.took += b.took
	a.shed += b.shed
	a.answers = append(a.answers, b.answers...)
}

func (a *pressure) rate() float64 { return float64(a.through) / a.took.Seconds() }

// p99 is in milliseconds.
func (a *pressure) p99() float64 {
	slices.Sort(a.answers)
	return a.answers[len(a.answers)*99/100].Seconds() * 1000
}

// press lets so many clients pay for a time, each one payment after the other. Who is
// told to come back does, with the same payment.
func (p *payers) press(b *books, clients int, d time.Duration) (sum pressure) {
	t := p.system.t
	count := func() (n int) {
		if err := b.db.QueryRow(t.Context(), `SELECT count(*) FROM read.command_results`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	over := make(chan struct{})
	before, begin := count(), time.Now()
	for range clients {
		p.wg.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-p.abandon:
					return
				default:
				}
				i := &intent{from: rand.IntN(len(p.customers)), amount: qirat.Amount(1 + rand.IntN(1000)), key: uuid.NewString()}
				i.to = (i.from + 1 + rand.IntN(len(p.customers)-1)) % len(p.customers)
				took, shed := p.insist(i, over)
				p.mu.Lock()
				p.intents = append(p.intents, i)
				sum.shed += shed
				if !i.refused {
					sum.answers = append(sum.answers, took)
				}
				p.mu.Unlock()
			}
		})
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.abandon:
	}
	sum.through, sum.took = count()-before, time.Since(begin)
	close(over)
	p.wg.Wait()
	return sum
}

// insist asks for a payment until it is accepted, which took so long at last, or all
// is over, and tells how often it was told to come back.
func (p *payers) insist(i *intent, over <-chan struct{}) (took time.Duration, shed int) {
	for {
		begin := time.Now()
		r, err := p.customers[i.from].Client.CreateTransfer(p.system.t.Context(), client.Payment{ToID: p.customers[i.to].Account, Amount: i.amount.String()},
			client.IdempotencyKey(i.key))
		if err == nil {
			i.command = r.CommandID
			return time.Since(begin), shed
		}
		var problem *client.Problem
		if !errors.As(err, &problem) || problem.Status != http.StatusServiceUnavailable || problem.Code != "overloaded" || problem.RetryAfter < time.Second {
			p.system.t.Errorf("a payment is answered: %v", err)
			i.refused = true
			return 0, shed
		}
		shed++
		timer := time.NewTimer(problem.RetryAfter)
		select {
		case <-timer.C:
		case <-over:
			timer.Stop()
			i.refused = true
			return 0, shed
		}
	}
}
