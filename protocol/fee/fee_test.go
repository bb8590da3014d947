package fee

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
)

const gx = qirat.PerGX

func party(kind account.Kind, country string) Party {
	return Party{ID: "some-" + strings.ToLower(string(kind)), Kind: kind, Country: country}
}

// between returns parties whose payments have the type and scope.
func between(t Type, s Scope) (from, to Party) {
	from, to = party(account.Individual, "LK"), party(account.Individual, "LK")
	switch t {
	case MERCHANT:
		to = party(account.Business, "LK")
	case GOVERNMENT:
		to = party(account.Government, "LK")
	case B2B:
		from, to = party(account.NGO, "LK"), party(account.Business, "LK")
	}
	if s == CROSS_BORDER {
		to.Country = "CH"
	}
	return from, to
}

// Every band of domain.md 3.1 on both sides of its limits, and the worked values.
func TestQuote(t *testing.T) {
	for _, c := range []struct {
		typ    Type
		scope  Scope
		amount qirat.Amount
		bps    uint64
		fee    qirat.Amount
	}{
		{P2P, LOCAL, 1, 0, 0},
		{P2P, LOCAL, 2 * gx, 0, 0},
		{P2P, LOCAL, 3*gx - 1, 0, 0},
		{P2P, LOCAL, 3 * gx, 5, 1_500},
		{P2P, LOCAL, 50 * gx, 5, 25_000},
		{P2P, LOCAL, 100*gx - 1, 5, 49_999},
		{P2P, LOCAL, 100 * gx, 5, 50_000},
		{P2P, LOCAL, 100*gx + 1, 10, 100_000},
		{P2P, CROSS_BORDER, 1, 15, 0},
		{P2P, CROSS_BORDER, 666, 15, 0},
		{P2P, CROSS_BORDER, 667, 15, 1},
		{P2P, CROSS_BORDER, 10_000, 15, 15},
		{P2P, CROSS_BORDER, 2_500_000, 15, 3_750},
		{P2P, CROSS_BORDER, 5 * gx, 15, 7_500},
		{P2P, CROSS_BORDER, 100 * gx, 15, 150_000},
		{P2P, CROSS_BORDER, 100*gx + 1, 25, 250_000},
		{MERCHANT, LOCAL, gx, 15, 1_500},
		{MERCHANT, CROSS_BORDER, 500 * gx, 30, 1_500_000},
		{GOVERNMENT, LOCAL, gx, 10, 1_000},
		{GOVERNMENT, CROSS_BORDER, gx, 20, 2_000},
		{B2B, LOCAL, gx, 20, 2_000},
		{B2B, CROSS_BORDER, gx, 40, 4_000},
		// From here on amount x bps exceeds 64 bits.
		{B2B, CROSS_BORDER, 461_168_601_842_738_791, 40, 1_844_674_407_370_955},
		{B2B, CROSS_BORDER, qirat.MaxSupply, 40, 5_000_000_000_000_000},
		{P2P, LOCAL, qirat.MaxSupply, 10, 1_250_000_000_000_000},
	} {
		from, to := between(c.typ, c.scope)
		got, err := Default().Quote(from, to, c.amount, "")
		if want := (Quote{Type: c.typ, Scope: c.scope, Bps: c.bps, Fee: c.fee}); err != nil || got != want {
			t.Errorf("%s %s %s: %+v, %v; want %+v", c.typ, c.scope, c.amount, got, err, want)
		}
	}
}

// The type follows from every pair of account kinds.
func TestClassifyKinds(t *testing.T) {
	kinds := []account.Kind{account.Individual, account.Business, account.NGO, account.Government, account.Treasury, account.System}
	want := map[account.Kind][6]Type{
		account.Individual: {P2P, MERCHANT, P2P, GOVERNMENT, P2P, P2P},
		account.Business:   {P2P, B2B, B2B, GOVERNMENT, P2P, P2P},
		account.NGO:        {P2P, B2B, B2B, GOVERNMENT, P2P, P2P},
		account.Government: {GOVERNMENT, GOVERNMENT, GOVERNMENT, GOVERNMENT, GOVERNMENT, GOVERNMENT},
		account.Treasury:   {P2P, MERCHANT, P2P, GOVERNMENT, P2P, P2P},
		account.System:     {P2P, MERCHANT, P2P, GOVERNMENT, P2P, P2P},
	}
	hints := []Type{P2P, MERCHANT, GOVERNMENT, B2B}
	collective := func(k account.Kind) bool { return k == account.Treasury || k == account.System }
	for _, from := range kinds {
		for i, to := range kinds {
			c, err := Classify(party(from, "LK"), party(to, "LK"), 50*gx, "")
			if err != nil || c.Type != want[from][i] || c.Exempt != (collective(from) || collective(to)) || c.Exempt != (c.ParamID == "") {
				t.Errorf("%s to %s: %+v, %v", from, to, c, err)
			}
			// A hint can only say what is so.
			for _, hint := range hints {
				hinted, err := Classify(party(from, "LK"), party(to, "LK"), 50*gx, hint)
				switch {
				case hint == c.Type && (err != nil || hinted != c):
					t.Errorf("%s to %s with hint %s: %+v, %v", from, to, hint, hinted, err)
				case hint != c.Type && !errors.Is(err, ErrHint):
					t.Errorf("%s to %s with hint %s: %v", from, to, hint, err)
				}
			}
		}
	}
}

func TestExempt(t *testing.T) {
	person := party(account.Individual, "CH")
	ids := []string{"SYSTEM_MINTER", account.TreasuryOf("LK")}
	for _, p := range account.Pools {
		ids = append(ids, p.Account)
	}
	for _, id := range ids {
		// The identifier is enough, whatever kind the caller took it for.
		other := Party{ID: id, Kind: account.Individual, Country: "LK"}
		for _, pair := range [][2]Party{{person, other}, {other, person}} {
			q, err := Default().Quote(pair[0], pair[1], 500*gx, "")
			if want := (Quote{Type: P2P, Scope: CROSS_BORDER, Exempt: true}); err != nil || q != want {
				t.Errorf("%s to %s: %+v, %v", pair[0].ID, pair[1].ID, q, err)
			}
		}
	}
	for _, id := range []string{"treasury", "Treasury_LK", "treasury-LK", "system_loan_pool", "LOAN_POOL"} {
		q, err := Default().Quote(person, Party{ID: id, Kind: account.Individual, Country: "LK"}, 500*gx, "")
		if err != nil || q.Exempt || q.Fee == 0 {
			t.Errorf("%s: %+v, %v", id, q, err)
		}
	}
}

func TestClassifyErrors(t *testing.T) {
	from, to := between(P2P, LOCAL)
	nobody := Party{ID: "nobody", Country: "LK"}
	for name, c := range map[string]struct {
		from, to Party
		amount   qirat.Amount
		hint     Type
		want     error
	}{
		"nothing":                 {from, to, 0, "", ErrAmount},
		"more than exists":        {from, to, qirat.MaxSupply + 1, "", ErrAmount},
		"the largest number":      {from, to, math.MaxUint64, "", ErrAmount},
		"sender without a kind":   {nobody, to, gx, "", ErrKind},
		"payee without a kind":    {from, nobody, gx, "", ErrKind},
		"a cheaper type":          {from, to, gx, GOVERNMENT, ErrHint},
		"an unknown type":         {from, to, gx, "GIFT", ErrHint},
		"a type in small letters": {from, to, gx, "p2p", ErrHint},
	} {
		if got, err := Classify(c.from, c.to, c.amount, c.hint); !errors.Is(err, c.want) || got != (Class{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if got, err := Default().Quote(c.from, c.to, c.amount, c.hint); !errors.Is(err, c.want) || got != (Quote{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// Each parameter governs its own class and no other.
func TestScheduleSet(t *testing.T) {
	for _, p := range Default().Parameters() {
		s := Default()
		if err := s.Set(p.ID, MaxBps); err != nil {
			t.Fatal(err)
		}
		used := 0
		for _, typ := range []Type{P2P, MERCHANT, GOVERNMENT, B2B} {
			for _, scope := range []Scope{LOCAL, CROSS_BORDER} {
				for _, amount := range []qirat.Amount{BandLimit, BandLimit + 1} {
					from, to := between(typ, scope)
					class, err := Classify(from, to, amount, "")
					if err != nil {
						t.Fatal(err)
					}
					before, _ := Default().Quote(from, to, amount, "")
					after, err := s.Quote(from, to, amount, "")
					if err != nil {
						t.Fatal(err)
					}
					want := before.Bps
					if class.ParamID == p.ID {
						want = MaxBps
						used++
					}
					if after.Bps != want {
						t.Errorf("%s at %d: %s %s %s costs %d bps, want %d", p.ID, MaxBps, typ, scope, amount, after.Bps, want)
					}
				}
			}
		}
		if used == 0 {
			t.Errorf("%s governs nothing", p.ID)
		}
	}
}

func TestScheduleErrors(t *testing.T) {
	s := Default()
	if err := s.Set("fee.b2b.local", 1000); err != nil || s == Default() {
		t.Errorf("10 %% is refused: %v", err)
	}
	s = Default()
	for _, bps := range []uint64{1001, math.MaxUint64} {
		if err := s.Set("fee.b2b.local", bps); !errors.Is(err, ErrRate) {
			t.Errorf("%d: %v", bps, err)
		}
		if _, err := Of(gx, bps); !errors.Is(err, ErrRate) {
			t.Errorf("%d: %v", bps, err)
		}
	}
	for _, id := range []string{"", "fee", "fee.b2b", "fee.B2B.local", "fee.p2p.local", "transactionFeeBps", "fee.p2p.local.freeBelow"} {
		if err := s.Set(id, 1); !errors.Is(err, ErrParameter) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if s != Default() {
		t.Error("a refused change took effect")
	}
	copied := s
	if err := copied.Set("fee.b2b.local", 0); err != nil || s != Default() {
		t.Error("a copy is not independent")
	}
}

func TestParametersAreSorted(t *testing.T) {
	p := Default().Parameters()
	if !slices.IsSortedFunc(p, func(a, b Parameter) int { return strings.Compare(a.ID, b.ID) }) || len(p) != 10 {
		t.Errorf("%v", p)
	}
}

// Whatever the rates, a fee is the rounded-down share, below the amount, and
// grows with it at one rate.
func TestB028_FeeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Default()
		for _, p := range s.Parameters() {
			if err := s.Set(p.ID, rapid.Uint64Range(0, MaxBps).Draw(t, p.ID)); err != nil {
				t.Fatal(err)
			}
		}
		typ := rapid.SampledFrom([]Type{P2P, MERCHANT, GOVERNMENT, B2B}).Draw(t, "type")
		scope := rapid.SampledFrom([]Scope{LOCAL, CROSS_BORDER}).Draw(t, "scope")
		amounts := rapid.OneOf(rapid.Uint64Range(1, uint64(qirat.MaxSupply)), rapid.Uint64Range(1, uint64(2*BandLimit)))
		a, b := qirat.Amount(amounts.Draw(t, "a")), qirat.Amount(amounts.Draw(t, "b"))
		a, b = min(a, b), max(a, b)
		from, to := between(typ, scope)
		qa, err := s.Quote(from, to, a, typ)
		if err != nil {
			t.Fatal(err)
		}
		qb, err := s.Quote(from, to, b, typ)
		if err != nil {
			t.Fatal(err)
		}
		exact := new(big.Int).SetUint64(uint64(a))
		exact.Mul(exact, new(big.Int).SetUint64(qa.Bps)).Quo(exact, big.NewInt(10_000))
		if exact.Cmp(new(big.Int).SetUint64(uint64(qa.Fee))) != 0 || qa.Fee >= a || qa.Fee > a/10 {
			t.Fatalf("%s at %d bps costs %s", a, qa.Bps, qa.Fee)
		}
		if qa.Bps <= qb.Bps && qa.Fee > qb.Fee {
			t.Fatalf("%s costs %s, %s costs %s", a, qa.Fee, b, qb.Fee)
		}
	})
}

func BenchmarkQuote(b *testing.B) {
	s := Default()
	from, to := between(B2B, CROSS_BORDER)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Quote(from, to, qirat.MaxSupply, B2B); err != nil {
			b.Fatal(err)
		}
	}
}
