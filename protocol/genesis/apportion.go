package genesis

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Weight is a country's share of the slots, times 10^8. The shares need not
// sum to one: they count relative to their sum.
type Weight struct {
	Country string
	E8      uint64
}

// Allocation is a country's slots in each phase.
type Allocation struct {
	Country string
	E8      uint64
	Slots   [6]uint64
}

// ErrWeights reports weights that cannot be apportioned.
var ErrWeights = errors.New("genesis: weights")

// Apportion divides the slots of every phase among the countries by largest
// remainder (Hamilton): no country is off its exact share by a whole slot, and
// each phase sums to its slots exactly. Equal remainders go to the country
// whose code comes first. The result is sorted by country and does not depend
// on the order of weights.
//
// ErrWeights is returned for no countries, a country named twice, a weight of
// zero, and weights whose sum exceeds 64 bits.
func Apportion(weights []Weight) ([]Allocation, error) {
	if len(weights) == 0 {
		return nil, fmt.Errorf("%w: no countries", ErrWeights)
	}
	out := make([]Allocation, len(weights))
	var sum, carry uint64
	for i, w := range weights {
		if w.E8 == 0 {
			return nil, fmt.Errorf("%w: %s has no weight", ErrWeights, w.Country)
		}
		if sum, carry = bits.Add64(sum, w.E8, 0); carry != 0 {
			return nil, fmt.Errorf("%w: the sum exceeds 64 bits", ErrWeights)
		}
		out[i] = Allocation{Country: w.Country, E8: w.E8}
	}
	slices.SortFunc(out, func(a, b Allocation) int { return cmp.Compare(a.Country, b.Country) })
	for i := 1; i < len(out); i++ {
		if out[i].Country == out[i-1].Country {
			return nil, fmt.Errorf("%w: %s is listed twice", ErrWeights, out[i].Country)
		}
	}
	for phase, p := range Phases {
		apportion(out, phase, p.Slots, sum)
	}
	return out, nil
}

func apportion(out []Allocation, phase int, slots, sum uint64) {
	remainders := make([]uint64, len(out))
	order := make([]int, len(out))
	left := slots
	for i := range out {
		// The division cannot overflow: a weight is at most the sum.
		hi, lo := bits.Mul64(slots, out[i].E8)
		out[i].Slots[phase], remainders[i] = bits.Div64(hi, lo, sum)
		left -= out[i].Slots[phase]
		order[i] = i
	}
	// out is sorted by country, so the stable sort settles ties by code.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainders[b], remainders[a]) })
	for _, i := range order[:left] {
		out[i].Slots[phase]++
	}
}
