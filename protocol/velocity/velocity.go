// Package velocity is the tax on money that does not move: who holds 100 GX or
// more for 355 days pays a share of the balance (domain.md 3.3).
package velocity

import (
	"time"

	"gxcoin.money/gx/protocol/qirat"
)

const (
	// Threshold is the balance from which the timer runs.
	Threshold = 100 * qirat.PerGX
	// Cycle is how long the timer runs until the tax is due.
	Cycle = 355 * 24 * time.Hour
)

// bands lists the rates by the balance from which each applies, highest first.
var bands = [...]struct {
	from qirat.Amount
	bps  uint64
}{
	{100_000 * qirat.PerGX, 600},
	{50_000 * qirat.PerGX, 550},
	{25_000 * qirat.PerGX, 450},
	{10_000 * qirat.PerGX, 400},
	{5_000 * qirat.PerGX, 350},
	{1_000 * qirat.PerGX, 300},
	{Threshold, 250},
}

// Bps returns the rate of a balance in basis points, 0 below Threshold. It
// applies to the whole balance.
func Bps(balance qirat.Amount) uint64 {
	for _, b := range bands {
		if balance >= b.from {
			return b.bps
		}
	}
	return 0
}

// Timer returns the start of an account's timer after its balance changed at a
// moment from before to after: the moment itself when the balance has risen to
// Threshold, nil (not running) when it is below, and prev as long as it stays
// at or above.
func Timer(prev *time.Time, before, after qirat.Amount, at time.Time) *time.Time {
	switch {
	case after < Threshold:
		return nil
	case before < Threshold:
		return &at
	default:
		return prev
	}
}

// Tax returns what a balance owes for one cycle, rounded down, the two shares
// it is split into, and the rate. The government's half is rounded down, the
// redistribution pool gets the rest. A balance above the maximum supply is
// qirat.ErrRange.
func Tax(balance qirat.Amount) (tax, government, redistribution qirat.Amount, bps uint64, err error) {
	if balance > qirat.MaxSupply {
		return 0, 0, 0, 0, qirat.ErrRange
	}
	bps = Bps(balance)
	tax, err = balance.MulDiv(bps, 10_000)
	if err != nil {
		return 0, 0, 0, 0, err
	}
	government = tax / 2
	return tax, government, tax - government, bps, nil
}
