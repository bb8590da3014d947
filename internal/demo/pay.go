package demo

import (
	"context"
	"fmt"
	"time"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
)

// payment is one payment of the story, planned and then made.
type payment struct {
	from, to *Customer
	amount   qirat.Amount
	remark   string

	fee       qirat.Amount
	end       client.CommandView
	accepted  time.Duration // from the request to the answer that it is accepted
	projected time.Duration // from the request until reads show it
}

func (p *payment) local() bool { return p.from.Country == p.to.Country }

// amounts are what each person pays: below and above the bands of the fees, and
// some that don't come out even. What some pay on top makes their ways differ;
// altogether it is less than what a person has to begin with.
var amounts = []struct {
	amount qirat.Amount
	local  bool
	remark string
}{
	{2_500_000, true, "coffee"},
	{40_000_000, true, "dinner"},
	{25_000_000, false, "a book from abroad"},
	{120_500_000, false, "rent"},
	{7_777_777, false, "for luck"},
}

// plan lets everybody pay neighbours of their own country and people abroad.
func plan(customers []*Customer) []*payment {
	var out []*payment
	for i, from := range customers {
		next := i
		for _, a := range amounts {
			amount := a.amount
			if amount > fee.FreeBelow {
				amount += qirat.Amount(i%7) * 3_141_592
			}
			for range customers { // at most once round
				next = (next + 1) % len(customers)
				if to := customers[next]; to != from && (to.Country == from.Country) == a.local {
					out = append(out, &payment{from: from, to: to, amount: amount, remark: a.remark})
					break
				}
			}
		}
	}
	return out
}

// pay makes payments and waits until reads show them.
func pay(ctx context.Context, payments []*payment) error {
	return each(ctx, len(payments), func(ctx context.Context, i int) error { return payments[i].make(ctx) })
}

func (p *payment) body() client.Payment {
	return client.Payment{ToID: p.to.Account, Amount: p.amount.String(), Reason: p.remark}
}

func (p *payment) make(ctx context.Context, options ...client.Option) error {
	begin := time.Now()
	r, err := p.from.Client.CreateTransfer(ctx, p.body(), options...)
	if err != nil {
		return fmt.Errorf("%s pays %s: %w", p.from.Name(), p.to.Name(), err)
	}
	p.accepted = time.Since(begin)
	if p.fee, err = qirat.Parse(r.Fee); err != nil {
		return fmt.Errorf("fee of command %s: %w", r.CommandID, err)
	}
	if p.end, err = p.from.Client.Await(ctx, r.CommandID, client.At("tokenomics")); err != nil {
		return fmt.Errorf("%s pays %s: wait for command %s: %w", p.from.Name(), p.to.Name(), r.CommandID, err)
	}
	p.projected = time.Since(begin)
	return nil
}
