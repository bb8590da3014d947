package qirat

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseWithUnit(t *testing.T) {
	for s, want := range map[string]Amount{
		"0q": 0, "1q": 1, "1500000q": 1_500_000, "1500000 Q": 1_500_000, "0GX": 0, "1GX": PerGX, "1 gx": PerGX, "1.5 GX": 1_500_000, "1.50GX": 1_500_000,
		"0.000001Gx": 1, "100.000001 GX": 100_000_001, "1250000000000GX": MaxSupply, "1250000000000.000000GX": MaxSupply, "1250000000000000000q": MaxSupply,
	} {
		if got, err := ParseWithUnit(s); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", s, got, err, want)
		}
	}
	for s, want := range map[string]error{
		"": ErrUnit, "1": ErrUnit, "1.5": ErrUnit, "1 USD": ErrUnit, "1G": ErrUnit, "1qq": ErrUnit, "1GXq": ErrUnit, "1GX ": ErrUnit,
		"GX": ErrSyntax, "q": ErrSyntax, ".5GX": ErrSyntax, "1.GX": ErrSyntax, "1. GX": ErrSyntax, "-1GX": ErrSyntax, "+1GX": ErrSyntax, "01GX": ErrSyntax,
		"1e3GX": ErrSyntax, "1,000GX": ErrSyntax, "1_000q": ErrSyntax, "1  GX": ErrSyntax, " 1GX": ErrSyntax, "1.-5GX": ErrSyntax, "1.5.5GX": ErrSyntax, "1. 5GX": ErrSyntax,
		"１GX": ErrSyntax, "0x1q": ErrSyntax, "0xq": ErrUnit, "1.5q": ErrFraction, "1.0000000GX": ErrFraction, "1." + strings.Repeat("0", 999) + "GX": ErrFraction,
		"1250000000001GX": ErrRange, "1250000000000.000001GX": ErrRange, "18446744073710GX": ErrRange, "9999999999999999999GX": ErrRange, "1250000000000000001q": ErrRange,
	} {
		if got, err := ParseWithUnit(s); got != 0 || err != want {
			t.Errorf("%.40q: %s, %v, want %v", s, got, err, want)
		}
	}
}

func TestUnitRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Amount(rapid.Uint64Range(0, uint64(MaxSupply)).Draw(t, "a"))
		for _, s := range []string{a.GX() + " GX", a.String() + "q"} {
			if got, err := ParseWithUnit(s); err != nil || got != a {
				t.Fatalf("%s: %s, %v, want %s", s, got, err, a)
			}
		}
	})
}
