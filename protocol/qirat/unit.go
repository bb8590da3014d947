package qirat

import (
	"errors"
	"strings"
)

var (
	// ErrUnit reports a number that does not say what it counts.
	ErrUnit = errors.New("qirat: an amount needs its unit, as in 1.5GX or 1500000q")
	// ErrFraction reports more than the six decimals that GX has.
	ErrFraction = errors.New("qirat: GX has six decimals at most, a Qirat none")
)

// ParseWithUnit reads what people write: "1.5 GX" or "1500000 q", in either
// case, with or without the space. Nothing is rounded.
func ParseWithUnit(s string) (Amount, error) {
	number := strings.TrimRight(s, "GgXxQq")
	unit := s[len(number):]
	number = strings.TrimSuffix(number, " ")
	switch {
	case strings.EqualFold(unit, "q"):
		if strings.Contains(number, ".") {
			return 0, ErrFraction
		}
		return Parse(number)
	case strings.EqualFold(unit, "GX"):
		return parseGX(number)
	}
	return 0, ErrUnit
}

func parseGX(s string) (Amount, error) {
	whole, fraction, point := strings.Cut(s, ".")
	n, err := Parse(whole)
	if err != nil {
		return 0, err
	}
	gx, err := n.MulDiv(uint64(PerGX), 1)
	if err != nil || !point {
		return gx, err
	}
	if len(fraction) > len("000000") {
		return 0, ErrFraction
	}
	// Digits of a fraction may begin with zeros, which Parse refuses; "1" before them keeps them digits.
	part, err := Parse("1" + fraction + "000000"[len(fraction):])
	if err != nil || fraction == "" {
		return 0, ErrSyntax
	}
	return gx.Add(part - PerGX)
}
