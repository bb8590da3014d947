package qirat

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Amount{"0": 0, "1": 1, "10": 10, "1250000000000000000": MaxSupply, "999999999999999999": 999999999999999999} {
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("Parse(%q): %d, %v", s, got, err)
		}
	}
	for s, want := range map[string]error{
		"": ErrSyntax, " ": ErrSyntax, "1.5": ErrSyntax, "-1": ErrSyntax, "+1": ErrSyntax, "01": ErrSyntax, "00": ErrSyntax, "1e9": ErrSyntax, "0x10": ErrSyntax,
		"1_000": ErrSyntax, "1,000": ErrSyntax, " 1": ErrSyntax, "1 ": ErrSyntax, "1\x00": ErrSyntax, "١": ErrSyntax, "NaN": ErrSyntax,
		strings.Repeat("9", 39) + ".":  ErrSyntax,
		"1250000000000000001":          ErrRange,
		"9999999999999999999":          ErrRange,
		"18446744073709551616":         ErrRange,
		"18446744073709551617":         ErrRange, // 1 when it wraps
		strings.Repeat("9", 40):        ErrRange,
		"1" + strings.Repeat("0", 999): ErrRange,
	} {
		if got, err := Parse(s); got != 0 || err != want {
			t.Errorf("Parse(%.40q): %d, %v, want %v", s, got, err, want)
		}
	}
}

func TestJSON(t *testing.T) {
	var v struct {
		Amount Amount `json:"amount"`
	}
	for _, text := range []string{`{"amount":10}`, `{"amount":1.5}`, `{"amount":"1.5"}`, `{"amount":true}`, `{"amount":["1"]}`, `{"amount":""}`, `{"amount":"1250000000000000001"}`} {
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			t.Errorf("%s reads as %s", text, v.Amount)
		}
	}
	if err := json.Unmarshal([]byte(`{"amount":"1250000000000000000"}`), &v); err != nil || v.Amount != MaxSupply {
		t.Errorf("%s, %v", v.Amount, err)
	}
	if got, err := json.Marshal(v); err != nil || string(got) != `{"amount":"1250000000000000000"}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestGX(t *testing.T) {
	for a, want := range map[Amount]string{0: "0", 1: "0.000001", 10: "0.00001", 999_999: "0.999999", PerGX: "1", 1_500_000: "1.5", 100_000_001: "100.000001", MaxSupply: "1250000000000"} {
		if got := a.GX(); got != want {
			t.Errorf("%d: %s, want %s", uint64(a), got, want)
		}
	}
}

func TestDelta(t *testing.T) {
	for _, c := range []struct {
		delta  Delta
		before Amount
		after  Amount
		err    error
	}{
		{5, 10, 15, nil}, {-5, 10, 5, nil}, {-10, 10, 0, nil}, {0, 10, 10, nil},
		{-11, 10, 0, ErrNegative},
		{1, MaxSupply, 0, ErrRange},
		{math.MaxInt64, MaxSupply, 0, ErrRange},
		{math.MinInt64, MaxSupply, 0, ErrNegative},
	} {
		if got, err := c.delta.Apply(c.before); got != c.after || err != c.err {
			t.Errorf("%d applied to %s: %s, %v", c.delta, c.before, got, err)
		}
	}
}

func big64(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

// amount draws any 64-bit number, mostly near the limits where arithmetic breaks.
var amount = rapid.Custom(func(t *rapid.T) Amount {
	near := func(n uint64) *rapid.Generator[uint64] { return rapid.Uint64Range(n-3, n+3) }
	return Amount(rapid.OneOf(
		rapid.Uint64Range(0, uint64(MaxSupply)), rapid.Uint64Range(0, 5), near(uint64(MaxSupply)), near(1<<63), rapid.Uint64Min(math.MaxUint64-3), rapid.Uint64(),
	).Draw(t, "amount"))
})

// same reports whether an operation agrees with its exact result: the value
// inside the range, the error outside.
func same(t *rapid.T, op string, got Amount, err error, exact *big.Int) {
	t.Helper()
	var want error
	switch {
	case exact.Sign() < 0:
		want = ErrNegative
	case exact.Cmp(big64(uint64(MaxSupply))) > 0:
		want = ErrRange
	}
	if err != want || err == nil && big64(uint64(got)).Cmp(exact) != 0 || err != nil && got != 0 {
		t.Fatalf("%s: %s, %v; exactly %s", op, got, err, exact)
	}
}

func TestArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := amount.Draw(t, "a"), amount.Draw(t, "b")
		sum, err := a.Add(b)
		same(t, "a + b", sum, err, new(big.Int).Add(big64(uint64(a)), big64(uint64(b))))

		if a <= MaxSupply { // an amount above it is none, so its difference is not either
			difference, err := a.Sub(b)
			same(t, "a - b", difference, err, new(big.Int).Sub(big64(uint64(a)), big64(uint64(b))))
		}

		num, den := rapid.Uint64().Draw(t, "num"), rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 10_000)).Draw(t, "den")
		if den == 0 {
			if _, err := a.MulDiv(num, den); err != ErrRange {
				t.Fatalf("division by zero: %v", err)
			}
		} else {
			share, err := a.MulDiv(num, den)
			exact := new(big.Int).Mul(big64(uint64(a)), big64(num))
			same(t, "a x num / den", share, err, exact.Quo(exact, big64(den)))
		}

		if a <= MaxSupply {
			d := rapid.Int64().Draw(t, "delta")
			after, err := Delta(d).Apply(a)
			same(t, "a + delta", after, err, new(big.Int).Add(big64(uint64(a)), big.NewInt(d)))
		}
	})
}

func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Amount(rapid.Uint64Range(0, uint64(MaxSupply)).Draw(t, "a"))
		var b Amount
		text, err := a.MarshalText()
		if err := errors.Join(err, b.UnmarshalText(text)); err != nil || a != b {
			t.Fatalf("%s: %s, %v", a, b, err)
		}
		whole, frac, _ := strings.Cut(a.GX(), ".")
		back, ok := new(big.Int).SetString(whole+(frac + "000000")[:6], 10)
		if !ok || len(frac) > 6 || strings.HasSuffix(frac, "0") || back.Cmp(big64(uint64(a))) != 0 {
			t.Fatalf("%s Qirat is not %s GX", a, a.GX())
		}
	})
}

var grammar = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "1", "01", "-1", "1.5", "1e9", "1250000000000000000", "1250000000000000001", "18446744073709551617", strings.Repeat("9", 40), "１"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		switch exact, _ := new(big.Int).SetString(s, 10); {
		case !grammar.MatchString(s):
			if err != ErrSyntax {
				t.Fatalf("%q: %v", s, err)
			}
		case exact.Cmp(big64(uint64(MaxSupply))) > 0:
			if err != ErrRange {
				t.Fatalf("%q: %v", s, err)
			}
		case err != nil || a.String() != s:
			t.Fatalf("%q: %s, %v", s, a, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("1250000000000000000"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMulDiv(b *testing.B) {
	for b.Loop() {
		if _, err := MaxSupply.MulDiv(40, 10_000); err != nil {
			b.Fatal(err)
		}
	}
}
