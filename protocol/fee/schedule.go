package fee

import (
	"errors"
	"fmt"

	"gxcoin.money/gx/protocol/qirat"
)

// MaxBps is the highest rate that can be set: 10 %.
const MaxBps = 1000

var (
	// ErrRate reports a rate above MaxBps.
	ErrRate = errors.New("fee: a rate is at most 1000 basis points")
	// ErrParameter reports a parameter that does not exist.
	ErrParameter = errors.New("fee: unknown parameter")
)

// Parameter is the rate of one class of payments.
type Parameter struct {
	ID  string // "fee.<type>.<scope>", with ".low" or ".high" between people
	Bps uint64
}

// defaults lists every parameter, sorted by id.
var defaults = [...]Parameter{
	{"fee.b2b.cross_border", 40},
	{"fee.b2b.local", 20},
	{"fee.government.cross_border", 20},
	{"fee.government.local", 10},
	{"fee.merchant.cross_border", 30},
	{"fee.merchant.local", 15},
	{"fee.p2p.cross_border.high", 25},
	{"fee.p2p.cross_border.low", 15},
	{"fee.p2p.local.high", 10},
	{"fee.p2p.local.low", 5},
}

func paramID(t Type, s Scope, amount qirat.Amount) string {
	high := amount > BandLimit
	switch {
	case t == P2P && s == LOCAL && high:
		return "fee.p2p.local.high"
	case t == P2P && s == LOCAL:
		return "fee.p2p.local.low"
	case t == P2P && high:
		return "fee.p2p.cross_border.high"
	case t == P2P:
		return "fee.p2p.cross_border.low"
	case t == MERCHANT && s == LOCAL:
		return "fee.merchant.local"
	case t == MERCHANT:
		return "fee.merchant.cross_border"
	case t == GOVERNMENT && s == LOCAL:
		return "fee.government.local"
	case t == GOVERNMENT:
		return "fee.government.cross_border"
	case s == LOCAL:
		return "fee.b2b.local"
	default:
		return "fee.b2b.cross_border"
	}
}

// Schedule holds a rate for every class. It is a value: a copy is independent.
// The zero Schedule charges nothing; Default is the one to start from.
type Schedule struct {
	bps [len(defaults)]uint64 // in the order of defaults
}

// Default returns the rates of a new ledger.
func Default() Schedule {
	var s Schedule
	for i, p := range defaults {
		s.bps[i] = p.Bps
	}
	return s
}

// Parameters returns every rate, sorted by id.
func (s Schedule) Parameters() []Parameter {
	out := make([]Parameter, len(defaults))
	for i, p := range defaults {
		out[i] = Parameter{p.ID, s.bps[i]}
	}
	return out
}

// Set changes a rate. The errors are ErrRate and ErrParameter.
func (s *Schedule) Set(id string, bps uint64) error {
	i, ok := index(id)
	if !ok {
		return fmt.Errorf("%w: %q", ErrParameter, id)
	}
	if bps > MaxBps {
		return fmt.Errorf("%w: %s = %d", ErrRate, id, bps)
	}
	s.bps[i] = bps
	return nil
}

func index(id string) (int, bool) {
	for i := range defaults {
		if defaults[i].ID == id {
			return i, true
		}
	}
	return 0, false
}

// Quote is the price of a payment.
type Quote struct {
	Type   Type
	Scope  Scope
	Bps    uint64 // 0 when the payment is free or exempt
	Fee    qirat.Amount
	Exempt bool
}

// Quote prices a payment; the errors are those of Classify.
func (s Schedule) Quote(from, to Party, amount qirat.Amount, hint Type) (Quote, error) {
	c, err := Classify(from, to, amount, hint)
	if err != nil {
		return Quote{}, err
	}
	q := Quote{Type: c.Type, Scope: c.Scope, Exempt: c.Exempt}
	if i, ok := index(c.ParamID); ok {
		q.Bps = s.bps[i]
	}
	q.Fee, err = Of(amount, q.Bps)
	return q, err
}
