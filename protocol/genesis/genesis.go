// Package genesis is the distribution of the first coins: six phases with
// slots per country, and who may claim one (domain.md 2.4, 2.5, 2.7).
package genesis

import (
	"time"

	"gxcoin.money/gx/protocol/qirat"
)

// Phase is what everyone who takes one of its slots receives.
type Phase struct {
	Slots      uint64       // worldwide
	User       qirat.Amount // to the person
	Government qirat.Amount // to the treasury of the person's country
}

// Phases lists the phases in order; phase n is Phases[n-1]. All slots together
// use up the user and the government genesis pool exactly.
var Phases = [6]Phase{
	{100_000_000, 500 * qirat.PerGX, 50 * qirat.PerGX},
	{200_000_000, 400 * qirat.PerGX, 50 * qirat.PerGX},
	{300_000_000, 300 * qirat.PerGX, 50 * qirat.PerGX},
	{400_000_000, 200 * qirat.PerGX, 50 * qirat.PerGX},
	{1_550_000_000, 100 * qirat.PerGX, 50 * qirat.PerGX},
	{2_450_000_000, 50 * qirat.PerGX, 10 * qirat.PerGX},
}

// Status is what became of a person's claim.
type Status string

const (
	PendingAge    Status = "PENDING_AGE"    // younger than MinAge: may claim later
	IneligibleAge Status = "INELIGIBLE_AGE" // older than MaxAge
	Distributed   Status = "DISTRIBUTED"
	Exhausted     Status = "EXHAUSTED" // every slot of the country is taken
)

// The ages that may claim, both inclusive.
const (
	MinAge = 13
	MaxAge = 73
)

// Age returns the completed calendar years between a birth date and a moment,
// both read in UTC; negative before birth. Who was born on 29 February grows
// older on 1 March of common years.
func Age(born, at time.Time) int {
	by, bm, bd := born.UTC().Date()
	y, m, d := at.UTC().Date()
	years := y - by
	if m < bm || m == bm && d < bd {
		years--
	}
	return years
}

// CurrentPhase returns the lowest phase with a free slot, 1 to 6, or 7 when the
// slots are exhausted.
func CurrentPhase(slots, used [6]uint64) int {
	for i := range slots {
		if used[i] < slots[i] {
			return i + 1
		}
	}
	return len(slots) + 1
}
