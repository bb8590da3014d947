package verifier

import (
	"context"
	"fmt"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/qirat"
)

// supply checks that no Qirat is missing and none is there twice: in one
// snapshot of the read model, and on the ledger when that stood still.
func (p *pass) supply(ctx context.Context) error {
	s, err := readmodel.Supply(ctx, p.db)
	if err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	out := Supply{Max: s.MaxSupply, Read: s.Total}
	if !s.Conserved() {
		p.violation(Violation{Place{"supply", []string{"total"}, "read.accounts"}, "balance", s.MaxSupply.String(), s.Total.String()})
	}
	for _, pool := range s.Pools {
		// In plain numbers: what is broken may be out of range.
		if want := int64(pool.Opening) - int64(pool.Distributed) + int64(pool.Received); want != int64(pool.Balance) {
			p.violation(Violation{Place{"supply", []string{pool.AccountID}, "read.pools"}, "opening - distributed + received",
				fmt.Sprint(int64(pool.Balance)), fmt.Sprint(want)})
		}
	}
	height, err := p.height(ctx)
	if err != nil {
		return err
	}
	if height == p.report.Height {
		var sum qirat.Amount
		for _, balance := range p.money {
			sum += balance
		}
		out.Ledger = &sum
		if s.MaxSupply != sum {
			p.violation(Violation{Place{"supply", []string{"total"}, "the ledger"}, "balance", sum.String(), s.MaxSupply.String()})
		}
	}
	p.report.Supply = out
	return p.count(ctx, "supply", len(p.money), len(s.Pools))
}
