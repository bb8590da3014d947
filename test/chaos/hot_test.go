package chaos_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest/report"
	"gxcoin.money/gx/protocol/qirat"
)

// conflicts counts the transactions that the ledger refused because another had
// changed what they read, and the commands that were accepted.
func (c *copies) conflicts(t *testing.T) (conflicts, commands int) {
	t.Helper()
	err := c.database.Pool(t, "").QueryRow(t.Context(), `SELECT
		(SELECT count(*) FROM ledger.transactions WHERE code <> 'VALID') + (SELECT coalesce(sum(conflicts), 0) FROM app.commands),
		(SELECT count(*) FROM app.commands)`).Scan(&conflicts, &commands)
	if err != nil {
		t.Fatal(err)
	}
	return conflicts, commands
}

// burst sends payments from many clients and returns how many a second were through.
func (c *copies) burst(t *testing.T, n, clients int, customers []*demo.Customer, pick func(i int) (from, to int)) float64 {
	t.Helper()
	last := make([]string, n)
	begin := time.Now()
	each(n, clients, func(i int) {
		from, to := pick(i)
		payer, key := c.at(i%len(c.rings), customers[from]), uuid.NewString()
		r, err := patiently(t.Context(), func(ctx context.Context) (client.Receipt, error) {
			return payer.CreateTransfer(ctx, client.Payment{ToID: customers[to].Account, Amount: qirat.Amount(1 + i%100).String()}, client.IdempotencyKey(key))
		})
		if err != nil {
			t.Errorf("a payment: %v", err)
		}
		last[i] = r.CommandID
	})
	for i, id := range last[max(0, n-clients):] {
		from, _ := pick(max(0, n-clients) + i)
		if v, err := c.at(0, customers[from]).Await(t.Context(), id, client.At("tokenomics")); err != nil || v.Status == client.CommandStatusFAILED {
			t.Errorf("command %s: %+v, %v", id, v, err)
		}
	}
	return float64(n) / time.Since(begin).Seconds()
}

// Everything on one account, on one country, on a few accounts: no two transactions
// at work ever touch the same lane, so there are next to no conflicts, and what is
// hot is about as fast as what is not (F-14).
func TestKF14HotAccounts(t *testing.T) {
	c := start(t, 1)
	clients, n := size(16, 64), size(200, 6000)
	people := demo.People(clients)
	for i := range people {
		people[i].Country = "LK"
	}
	begin := time.Now()
	customers := c.recruit(t, people)
	registered := float64(len(people)) / time.Since(begin).Seconds()
	random := rand.New(rand.NewPCG(seed(t), 0))
	other := func(from, to int) int {
		if from == to {
			return (to + 1) % clients
		}
		return to
	}
	pairs := make([][2]int, n)
	for i := range pairs {
		pairs[i] = [2]int{random.IntN(clients), random.IntN(clients)}
	}
	hot := func(i, among int) int { // four of five payments are of one account in five
		if i%5 == 0 {
			return among
		}
		return among % max(1, clients/5)
	}
	patterns := []struct {
		name string
		pick func(i int) (from, to int)
	}{
		{"everybody pays everybody", func(i int) (int, int) { return pairs[i][0], other(pairs[i][0], pairs[i][1]) }},
		{"all pay one", func(i int) (int, int) { return other(0, pairs[i][0]), 0 }},
		{"one pays all", func(i int) (int, int) { return 0, other(0, pairs[i][1]) }},
		{"80/20", func(i int) (int, int) {
			from := hot(i, pairs[i][0])
			return from, other(from, hot(i, pairs[i][1]))
		}},
	}
	// In turns, so that whatever else the machine does is everybody's loss.
	const rounds = 5
	rates := make([][]float64, len(patterns))
	for range rounds {
		for i, p := range patterns {
			rates[i] = append(rates[i], c.burst(t, n/rounds, clients, customers, p.pick))
		}
	}
	for i, p := range patterns {
		slices.Sort(rates[i])
		rate, uniform := rates[i][rounds/2], rates[0][rounds/2]
		report.Line(t, "%s: %.0f payments a second through, %.2f of uniform", p.name, rate, rate/uniform)
		if long() && rate < uniform/2 {
			t.Errorf("%s: %.0f a second, uniform are %.0f", p.name, rate, uniform)
		}
	}
	conflicts, commands := c.conflicts(t)
	report.Line(t, "%d clients, %d registrations of one country (%.0f a second): %d conflicts among %d commands", clients, len(people), registered, conflicts, commands)
	if conflicts*1000 > commands {
		t.Errorf("%d conflicts among %d commands", conflicts, commands)
	}
}
