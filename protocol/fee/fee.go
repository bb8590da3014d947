// Package fee is what payments cost: their classes, the rate of each class and
// the fee (domain.md 3.1, 3.2). The sender pays it on top of the amount. The
// doors preview with the functions by which the contract charges.
package fee

import (
	"errors"
	"fmt"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
)

// Type is the kind of a payment. It follows from the kinds of its parties.
type Type string

const (
	P2P        Type = "P2P"
	MERCHANT   Type = "MERCHANT"
	GOVERNMENT Type = "GOVERNMENT"
	B2B        Type = "B2B"
)

// Scope tells whether a payment crosses a border.
type Scope string

const (
	LOCAL        Scope = "LOCAL"
	CROSS_BORDER Scope = "CROSS_BORDER"
)

// The bands of payments between people.
const (
	FreeBelow = 3 * qirat.PerGX   // local payments below cost nothing
	BandLimit = 100 * qirat.PerGX // highest amount of the low band
)

// Party is one side of a payment.
type Party struct {
	ID      string       // account
	Kind    account.Kind // what the account belongs to
	Country string       // of nationality or registration, ISO 3166-1 alpha-2
}

var (
	// ErrAmount reports an amount that cannot be paid: zero, or above the maximum supply.
	ErrAmount = errors.New("must be greater than 0 and at most the maximum supply")
	// ErrKind reports a party without a known account kind.
	ErrKind = errors.New("fee: unknown account kind")
	// ErrHint reports a hint that contradicts the parties: nobody chooses a cheaper fee.
	ErrHint = errors.New("does not fit the parties of the payment")
)

// Class is what the fee of a payment depends on.
type Class struct {
	Type  Type
	Scope Scope
	// ParamID is the parameter that holds the rate, empty when the payment costs nothing.
	ParamID string
	Free    bool // too small to be charged
	Exempt  bool // to or from a system account or a treasury
}

// Classify returns the class of a payment. A hint is empty or must be the type
// that the parties give. The errors are ErrAmount, ErrKind and ErrHint.
func Classify(from, to Party, amount qirat.Amount, hint Type) (Class, error) {
	if amount == 0 || amount > qirat.MaxSupply {
		return Class{}, ErrAmount
	}
	t, err := typeOf(from.Kind, to.Kind)
	if err != nil {
		return Class{}, err
	}
	if hint != "" && hint != t {
		return Class{}, fmt.Errorf("%w: it is %s, not %q", ErrHint, t, string(hint))
	}
	c := Class{Type: t, Scope: CROSS_BORDER, Exempt: from.exempt() || to.exempt()}
	if from.Country == to.Country {
		c.Scope = LOCAL
	}
	c.Free = t == P2P && c.Scope == LOCAL && amount < FreeBelow && !c.Exempt
	if !c.Free && !c.Exempt {
		c.ParamID = paramID(t, c.Scope, amount)
	}
	return c, nil
}

func (p Party) exempt() bool {
	return account.IsCollective(p.ID) || p.Kind == account.System || p.Kind == account.Treasury
}

func typeOf(from, to account.Kind) (Type, error) {
	for _, k := range [...]account.Kind{from, to} {
		switch k {
		case account.Individual, account.Business, account.NGO, account.Government, account.Treasury, account.System:
		default:
			return "", fmt.Errorf("%w: %q", ErrKind, string(k))
		}
	}
	organization := func(k account.Kind) bool { return k == account.Business || k == account.NGO }
	switch {
	case from == account.Government || to == account.Government:
		return GOVERNMENT, nil
	case organization(from) && organization(to):
		return B2B, nil
	case to == account.Business:
		return MERCHANT, nil
	default:
		return P2P, nil
	}
}

// Of returns floor(amount x bps / 10000). The rate must be at most MaxBps, so
// the fee is below the amount.
func Of(amount qirat.Amount, bps uint64) (qirat.Amount, error) {
	if bps > MaxBps {
		return 0, fmt.Errorf("%w: %d bps", ErrRate, bps)
	}
	return amount.MulDiv(bps, 10_000)
}
