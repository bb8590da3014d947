// Package qirat is the money of GX: whole Qirat, 1 GX = 1,000,000 Qirat, with
// checked arithmetic (domain.md 1.2). No operation wraps, rounds silently or
// passes through floating point.
package qirat

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
)

// Amount is a number of Qirat between 0 and MaxSupply. It reads and writes as
// a decimal string, in JSON too: a JSON number is refused.
type Amount uint64

const (
	// PerGX is the number of Qirat in one GX.
	PerGX Amount = 1_000_000
	// MaxSupply is the number of Qirat that exist; it never changes.
	MaxSupply Amount = 1_250_000_000_000 * PerGX
)

var (
	// ErrSyntax reports text that is not a plain decimal integer.
	ErrSyntax = errors.New("qirat: an amount is a string of decimal digits without sign, fraction, exponent or leading zero")
	// ErrRange reports an amount above MaxSupply.
	ErrRange = errors.New("qirat: amount is above the maximum supply")
	// ErrNegative reports a subtraction below zero.
	ErrNegative = errors.New("qirat: result would be negative")
)

// Parse reads a decimal string of Qirat: "0" or digits without a leading zero.
func Parse(s string) (Amount, error) {
	// 19 digits hold MaxSupply and fit in a uint64, so the loop cannot wrap.
	if s == "" || (s[0] == '0' && len(s) > 1) {
		return 0, ErrSyntax
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrSyntax
		}
	}
	if len(s) > 19 {
		return 0, ErrRange
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || Amount(n) > MaxSupply {
		return 0, ErrRange
	}
	return Amount(n), nil
}

// Add returns a + b, or ErrRange above MaxSupply.
func (a Amount) Add(b Amount) (Amount, error) {
	sum, carry := bits.Add64(uint64(a), uint64(b), 0)
	if carry != 0 || Amount(sum) > MaxSupply {
		return 0, ErrRange
	}
	return Amount(sum), nil
}

// Sub returns a - b, or ErrNegative.
func (a Amount) Sub(b Amount) (Amount, error) {
	if b > a {
		return 0, ErrNegative
	}
	return a - b, nil
}

// MulDiv returns floor(a * num / den) with a 128-bit product. A zero den or a
// quotient above MaxSupply is ErrRange.
func (a Amount) MulDiv(num, den uint64) (Amount, error) {
	hi, lo := bits.Mul64(uint64(a), num)
	if den == 0 || hi >= den {
		return 0, ErrRange
	}
	q, _ := bits.Div64(hi, lo, den)
	if Amount(q) > MaxSupply {
		return 0, ErrRange
	}
	return Amount(q), nil
}

// String returns the decimal digits of the amount in Qirat.
func (a Amount) String() string { return strconv.FormatUint(uint64(a), 10) }

// GX returns the amount in GX with the fraction's trailing zeros removed, for
// people to read: 1500000 Qirat is "1.5".
func (a Amount) GX() string {
	whole, frac := uint64(a/PerGX), uint64(a%PerGX)
	s := strconv.FormatUint(whole, 10)
	if frac == 0 {
		return s
	}
	digits := fmt.Sprintf("%06d", frac)
	for digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	return s + "." + digits
}

// AppendText implements encoding.TextAppender.
func (a Amount) AppendText(b []byte) ([]byte, error) {
	return strconv.AppendUint(b, uint64(a), 10), nil
}

// MarshalText implements encoding.TextMarshaler.
func (a Amount) MarshalText() ([]byte, error) { return a.AppendText(nil) }

// UnmarshalText implements encoding.TextUnmarshaler with the grammar of Parse.
func (a *Amount) UnmarshalText(text []byte) error {
	v, err := Parse(string(text))
	if err != nil {
		return err
	}
	*a = v
	return nil
}

// Delta is a signed change of a balance, in Qirat.
type Delta int64

// Apply returns the balance after the change, within 0 and MaxSupply.
func (d Delta) Apply(a Amount) (Amount, error) {
	if d < 0 {
		return a.Sub(Amount(-d))
	}
	return a.Add(Amount(d))
}
