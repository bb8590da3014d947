// Package velocity is the tax on money that does not move: who holds 100 GX or
// more for a whole cycle pays a share of the balance (domain.md 3.3).
package velocity

import (
	"errors"
	"fmt"
	"time"

	"gxcoin.money/gx/protocol/qirat"
)

// Threshold is the balance from which the timer runs.
const Threshold = 100 * qirat.PerGX

// MaxBps is the highest rate that can be set.
const MaxBps = 600

// The parameter that holds the length of a cycle.
const (
	PeriodID          = "velocityTaxPeriodDays"
	DefaultPeriodDays = 355
)

var (
	// ErrRate reports a rate above MaxBps, or a period of no or too many days.
	ErrRate = errors.New("velocity: a rate is at most 600 basis points, a period 1 to 36500 days")
	// ErrParameter reports a parameter that does not exist.
	ErrParameter = errors.New("velocity: unknown parameter")
)

// Band is the rate of a range of balances: from From up to the next band.
type Band struct {
	ID   string // the parameter that holds the rate
	From qirat.Amount
	Bps  uint64
}

// defaults lists the bands, lowest first. The first band of the specification
// is what Threshold leaves untaxed.
var defaults = [...]Band{
	{"velocityTaxBand.2.bps", Threshold, 250},
	{"velocityTaxBand.3.bps", 1_000 * qirat.PerGX, 300},
	{"velocityTaxBand.4.bps", 5_000 * qirat.PerGX, 350},
	{"velocityTaxBand.5.bps", 10_000 * qirat.PerGX, 400},
	{"velocityTaxBand.6.bps", 25_000 * qirat.PerGX, 450},
	{"velocityTaxBand.7.bps", 50_000 * qirat.PerGX, 550},
	{"velocityTaxBand.8.bps", 100_000 * qirat.PerGX, 600},
}

// Schedule holds the rate of every band and the length of a cycle. It is a
// value: a copy is independent. Default is the one to start from.
type Schedule struct {
	bps  [len(defaults)]uint64 // in the order of defaults
	days uint64
}

// Default returns the schedule of a new ledger.
func Default() Schedule {
	s := Schedule{days: DefaultPeriodDays}
	for i, b := range defaults {
		s.bps[i] = b.Bps
	}
	return s
}

// Bands returns every band with its rate, lowest first.
func (s Schedule) Bands() []Band {
	out := defaults
	for i := range out {
		out[i].Bps = s.bps[i]
	}
	return out[:]
}

// Set changes a rate, or the days of a cycle. The errors are ErrRate and
// ErrParameter.
func (s *Schedule) Set(id string, value uint64) error {
	if id == PeriodID {
		if value == 0 || value > 36_500 {
			return fmt.Errorf("%w: %s = %d", ErrRate, id, value)
		}
		s.days = value
		return nil
	}
	for i, b := range defaults {
		if b.ID != id {
			continue
		}
		if value > MaxBps {
			return fmt.Errorf("%w: %s = %d", ErrRate, id, value)
		}
		s.bps[i] = value
		return nil
	}
	return fmt.Errorf("%w: %q", ErrParameter, id)
}

// Cycle returns how long the timer runs until the tax is due.
func (s Schedule) Cycle() time.Duration { return time.Duration(s.days) * 24 * time.Hour }

// Bps returns the rate of a balance in basis points, 0 below Threshold. It
// applies to the whole balance.
func (s Schedule) Bps(balance qirat.Amount) uint64 {
	for i := len(defaults) - 1; i >= 0; i-- {
		if balance >= defaults[i].From {
			return s.bps[i]
		}
	}
	return 0
}

// Tax returns what a balance owes for one cycle, rounded down, the two shares
// it is split into, and the rate. The government's half is rounded down, the
// redistribution pool gets the rest. A balance above the maximum supply is
// qirat.ErrRange.
func (s Schedule) Tax(balance qirat.Amount) (tax, government, redistribution qirat.Amount, bps uint64, err error) {
	if balance > qirat.MaxSupply {
		return 0, 0, 0, 0, qirat.ErrRange
	}
	bps = s.Bps(balance)
	tax, err = balance.MulDiv(bps, 10_000)
	if err != nil {
		return 0, 0, 0, 0, err
	}
	government = tax / 2
	return tax, government, tax - government, bps, nil
}

// Assessment is what a balance owes for the cycle that its timer runs, if it were
// over now.
type Assessment struct {
	Due            bool       // it is over
	DueAt          *time.Time // nil when the timer does not run
	DaysHeld       int
	Bps            uint64
	Tax            qirat.Amount
	Government     qirat.Amount
	Redistribution qirat.Amount
}

// Assess returns what a balance owes whose timer started at a moment, nil when it
// does not run. A balance above the maximum supply is qirat.ErrRange.
func (s Schedule) Assess(balance qirat.Amount, timer *time.Time, now time.Time) (a Assessment, err error) {
	if a.Tax, a.Government, a.Redistribution, a.Bps, err = s.Tax(balance); err != nil || balance < Threshold || timer == nil {
		return a, err
	}
	due := timer.Add(s.Cycle())
	a.DueAt, a.DaysHeld, a.Due = &due, int(now.Sub(*timer)/(24*time.Hour)), !now.Before(due)
	return a, nil
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
