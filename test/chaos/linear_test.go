package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest/report"
	"gxcoin.money/gx/protocol/qirat"
)

// members of a group pay each other and nobody else.
const members = 3

// operation is what somebody asks for.
type operation struct {
	group    int
	from, to int          // members; a read is of from
	amount   qirat.Amount // 0: a read
}

// outcome is what they are told.
type outcome struct {
	total   qirat.Amount // that left the payer, with the fee; 0: nothing happened
	short   bool         // the ledger has refused it for want of money
	balance qirat.Amount // of a read
}

// bank is what the answers must look like, as if one thing happened after another.
var bank = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		groups := map[int][]porcupine.Operation{}
		for _, o := range history {
			g := o.Input.(operation).group
			groups[g] = append(groups[g], o)
		}
		out := make([][]porcupine.Operation, 0, len(groups))
		for _, g := range groups {
			out = append(out, g)
		}
		return out
	},
	Init: func() any {
		var b [members]qirat.Amount
		for i := range b {
			b[i] = 500 * qirat.PerGX
		}
		return b
	},
	Step: func(state, input, output any) (bool, any) {
		b, in, out := state.([members]qirat.Amount), input.(operation), output.(outcome)
		switch {
		case in.amount == 0:
			return out.balance == b[in.from], b
		case out.short:
			return b[in.from] < in.amount+fee(in.amount), b
		case out.total > 0:
			ok := b[in.from] >= out.total
			b[in.from] -= out.total
			b[in.to] += in.amount
			return ok, b
		}
		return true, b // not accepted
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
}

// fee is at least what a payment between two countries costs.
func fee(amount qirat.Amount) qirat.Amount { return amount / 100 }

// What people are told of balances and payments, at two systems at once, is what
// they could have been told if one thing had happened after another.
func TestLinearizable(t *testing.T) {
	c := start(t, 2)
	groups, rounds := size(8, 60), size(60, 280)
	customers := c.recruit(t, demo.People(groups*members))
	n := seed(t)
	var mu sync.Mutex
	var history []porcupine.Operation
	begin := time.Now()
	var wg sync.WaitGroup
	for g := range groups {
		for m := range members {
			random := rand.New(rand.NewPCG(n, uint64(g*members+m)))
			wg.Go(func() {
				for range rounds {
					in := operation{group: g, from: m, to: (m + 1 + random.IntN(members-1)) % members}
					if random.IntN(3) == 0 {
						in.amount = qirat.Amount(1+random.IntN(300)) * qirat.PerGX
					} else {
						in.from = random.IntN(members)
					}
					o := porcupine.Operation{ClientId: g*members + m, Input: in, Call: time.Since(begin).Nanoseconds()}
					who := customers[g*members+in.from]
					out, err := c.operate(t.Context(), c.at(random.IntN(len(c.rings)), who), who, customers[g*members+in.to], in)
					if err != nil {
						t.Errorf("%+v: %v", in, err)
						return
					}
					o.Output, o.Return = out, time.Since(begin).Nanoseconds()
					mu.Lock()
					history = append(history, o)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	took := time.Since(begin)
	checking := time.Now()
	result := porcupine.CheckOperationsTimeout(bank, history, 5*time.Minute)
	if result != porcupine.Ok {
		t.Errorf("the history of %d operations: %s", len(history), result)
	}
	report.Line(t, "%d concurrent operations of %d clients at %d systems in %.0f s: linearizable (%s), checked in %.1f s",
		len(history), groups*members, len(c.rings), took.Seconds(), result, time.Since(checking).Seconds())

	// The checker does find what is wrong: a single read of an old balance.
	for i, o := range history {
		if in := o.Input.(operation); in.amount == 0 {
			history[i].Output = outcome{balance: o.Output.(outcome).balance + 1}
			break
		}
	}
	if result := porcupine.CheckOperationsTimeout(bank, history, 5*time.Minute); result == porcupine.Ok {
		t.Error("a wrong balance was not noticed")
	}
}

// operate asks for an operation and waits until it is whole.
func (c *copies) operate(ctx context.Context, payer *client.Client, from, to *demo.Customer, in operation) (outcome, error) {
	if in.amount == 0 {
		r, err := payer.GetBalance(ctx, from.Profile)
		if err != nil {
			return outcome{}, err
		}
		balance, err := qirat.Parse(r.Balance.Balance)
		return outcome{balance: balance}, err
	}
	r, err := patiently(ctx, keyed(payer, to, in.amount))
	if client.Code(err) == "insufficient_funds" {
		return outcome{}, nil
	}
	if err != nil {
		return outcome{}, err
	}
	for !r.Command.Projected {
		if r.Command, err = payer.GetCommand(ctx, r.CommandID, client.Wait(10), client.At("tokenomics")); err != nil {
			return outcome{}, err
		}
	}
	if r.Command.Status == client.CommandStatusFAILED {
		return outcome{short: r.Command.ErrorCode == "INSUFFICIENT_FUNDS"}, nil
	}
	total, err := qirat.Parse(r.Total)
	return outcome{total: total}, err
}

// keyed asks for a payment under one key.
func keyed(payer *client.Client, to *demo.Customer, amount qirat.Amount) func(context.Context) (client.Receipt, error) {
	key := uuid.NewString()
	return func(ctx context.Context) (client.Receipt, error) {
		return payer.CreateTransfer(ctx, client.Payment{ToID: to.Account, Amount: amount.String()}, client.IdempotencyKey(key), client.Wait(10))
	}
}

// Who alone pays from an account reads their own writes: a read with GX-After shows
// the payment that was only just accepted, at whichever system.
func TestReadYourWrites(t *testing.T) {
	c := start(t, 2)
	customers := c.recruit(t, demo.People(12))
	sink := customers[len(customers)-1]
	rounds := size(20, 400)
	random := make([]*rand.Rand, len(customers))
	n := seed(t)
	for i := range random {
		random[i] = rand.New(rand.NewPCG(n, uint64(i)))
	}
	begin := time.Now()
	each(len(customers)-1, len(customers)-1, func(i int) {
		payer, want := customers[i], qirat.Amount(500*qirat.PerGX)
		for range rounds {
			amount := qirat.Amount(1 + random[i].IntN(1000))
			key := uuid.NewString()
			r, err := patiently(t.Context(), func(ctx context.Context) (client.Receipt, error) {
				return c.at(random[i].IntN(2), payer).CreateTransfer(ctx, client.Payment{ToID: sink.Account, Amount: amount.String()}, client.IdempotencyKey(key))
			})
			if err != nil {
				t.Errorf("pay: %v", err)
				return
			}
			total, err := qirat.Parse(r.Total)
			if err != nil {
				t.Error(err)
				return
			}
			want -= total
			b, err := c.at(random[i].IntN(2), payer).GetBalance(t.Context(), payer.Profile, client.After(r.CommandID))
			for client.Code(err) == "not_yet_visible" {
				b, err = c.at(random[i].IntN(2), payer).GetBalance(t.Context(), payer.Profile, client.After(r.CommandID))
			}
			if err != nil || b.Balance.Balance != want.String() {
				t.Errorf("after %s %s has %s, want %s (%v)", r.CommandID, payer.Name(), b.Balance.Balance, want, err)
				return
			}
		}
	})
	report.Line(t, "%d payments, each read with GX-After as soon as it was accepted: every read showed it; %.1f ms for both",
		rounds*(len(customers)-1), time.Since(begin).Seconds()*1000/float64(rounds))
}
