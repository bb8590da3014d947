package chaos_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest/invariant"
	"gxcoin.money/gx/internal/ringtest/report"
	"gxcoin.money/gx/protocol/qirat"
)

// Everybody who wants a payment asks for it one to five times at once, at two
// systems, while leaders lose their terms and everybody their connections: every
// answer to one key is the same, and what moves money is each payment once (F-37).
func TestKF37ExactlyOnceUnderRetries(t *testing.T) {
	c := start(t, 2)
	customers := c.recruit(t, demo.People(12))
	random := rand.New(rand.NewPCG(seed(t), 0))
	type wish struct {
		invariant.Payment
		from  int
		sends int
	}
	wishes := make([]wish, size(400, 10_000))
	requests := 0
	for i := range wishes {
		from := random.IntN(len(customers))
		to := (from + 1 + random.IntN(len(customers)-1)) % len(customers)
		wishes[i] = wish{invariant.Payment{
			Key: uuid.NewString(), From: customers[from].Account, To: customers[to].Account, Amount: qirat.Amount(1 + random.IntN(10_000)),
		}, from, 1 + random.IntN(5)}
		requests += wishes[i].sends
	}
	ctx, stop := context.WithCancel(t.Context())
	restarts := make(chan int, 1)
	go func() { restarts <- c.restarts(ctx, t, 700*time.Millisecond) }()
	begin := time.Now()
	each(len(wishes), 16, func(i int) {
		w := &wishes[i]
		commands := make([]string, w.sends)
		var together sync.WaitGroup
		for n := range commands {
			together.Go(func() {
				payer := c.at((i+n)%len(c.rings), customers[w.from])
				r, err := patiently(t.Context(), func(ctx context.Context) (client.Receipt, error) {
					return payer.CreateTransfer(ctx, client.Payment{ToID: w.To, Amount: w.Amount.String()}, client.IdempotencyKey(w.Key))
				})
				if err != nil {
					t.Errorf("a payment: %v", err)
				}
				commands[n] = r.CommandID
			})
		}
		together.Wait()
		for _, id := range commands {
			w.Contradicted = w.Contradicted || id != commands[0]
		}
		w.Command = commands[0]
	})
	stop()
	terms := <-restarts
	invariant.Check(t, invariant.System{DSN: c.database.DSN})
	took := time.Since(begin)
	payments := make([]invariant.Payment, len(wishes))
	for i, w := range wishes {
		payments[i] = w.Payment
	}
	if n := invariant.CheckPayments(t, c.database.DSN, payments); n != len(wishes) {
		t.Errorf("%d of %d payments were applied", n, len(wishes))
	}
	report.Line(t, "%d payments in %d requests, %d interruptions of the workers, %.0f s: each was applied once", len(wishes), requests, terms, took.Seconds())
}
