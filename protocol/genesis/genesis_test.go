package genesis

import (
	"encoding/csv"
	"errors"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/country"
	"gxcoin.money/gx/protocol/qirat"
)

func shipped() []Weight {
	var out []Weight
	for _, c := range country.All() {
		out = append(out, Weight{c.Code, c.WeightE8})
	}
	return out
}

func apportioned(t testing.TB, weights []Weight) []Allocation {
	t.Helper()
	out, err := Apportion(weights)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// golden reads testdata/country_slots.csv: code, the slots of six phases, their total.
func golden(t *testing.T) (slots map[string][6]uint64, totals map[string]uint64) {
	t.Helper()
	f, err := os.Open("testdata/country_slots.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	slots, totals = map[string][6]uint64{}, map[string]uint64{}
	for _, r := range records[1:] {
		var n [7]uint64
		for i := range n {
			if n[i], err = strconv.ParseUint(r[i+1], 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		slots[r[0]], totals[r[0]] = [6]uint64(n[:6]), n[6]
	}
	return slots, totals
}

func TestB006_ApportionGolden(t *testing.T) {
	slots, totals := golden(t)
	got := map[string][6]uint64{}
	for _, a := range apportioned(t, shipped()) {
		got[a.Country] = a.Slots
		var total uint64
		for _, n := range a.Slots {
			if n == 0 {
				t.Errorf("%s has a phase without slots", a.Country)
			}
			total += n
		}
		if total != totals[a.Country] {
			t.Errorf("%s: %d slots, want %d", a.Country, total, totals[a.Country])
		}
	}
	if len(got) != 234 {
		t.Errorf("%d countries", len(got))
	}
	if diff := cmp.Diff(slots, got); diff != "" {
		t.Error(diff)
	}
}

// When every slot of every country is taken, both genesis pools are at exactly zero.
func TestPoolsAreExhausted(t *testing.T) {
	left := map[string]uint64{}
	for _, p := range account.Pools {
		left[p.Account] = p.Opening
	}
	for _, a := range apportioned(t, shipped()) {
		for i, n := range a.Slots {
			left[account.UserGenesisPool] -= n * uint64(Phases[i].User)
			left[account.GovtGenesisPool] -= n * uint64(Phases[i].Government)
		}
	}
	if u, g := left[account.UserGenesisPool], left[account.GovtGenesisPool]; u != 0 || g != 0 {
		t.Errorf("left: %d of the user pool, %d of the government pool", u, g)
	}
}

// The totals of domain.md 2.4, in GX.
func TestPhases(t *testing.T) {
	want := [6]struct{ user, government, cumulative uint64 }{
		{50_000_000_000, 5_000_000_000, 100_000_000},
		{80_000_000_000, 10_000_000_000, 300_000_000},
		{90_000_000_000, 15_000_000_000, 600_000_000},
		{80_000_000_000, 20_000_000_000, 1_000_000_000},
		{155_000_000_000, 77_500_000_000, 2_550_000_000},
		{122_500_000_000, 24_500_000_000, 5_000_000_000},
	}
	var cumulative uint64
	for i, p := range Phases {
		cumulative += p.Slots
		w := want[i]
		if p.Slots*uint64(p.User/qirat.PerGX) != w.user || p.Slots*uint64(p.Government/qirat.PerGX) != w.government || cumulative != w.cumulative {
			t.Errorf("phase %d: %+v, want %+v", i+1, p, w)
		}
	}
}

func TestApportionSmall(t *testing.T) {
	// Thirds leave one slot over wherever 3 does not divide: the first code gets it.
	got := apportioned(t, []Weight{{"CC", 5}, {"AA", 5}, {"BB", 5}})
	for i, p := range Phases {
		third, rest := p.Slots/3, p.Slots%3
		for j, a := range got {
			want := third
			if uint64(j) < rest {
				want++
			}
			if a.Slots[i] != want {
				t.Errorf("phase %d: %s has %d, want %d", i+1, a.Country, a.Slots[i], want)
			}
		}
	}
	if got[0].Country != "AA" || got[2].Country != "CC" || got[0].E8 != 5 {
		t.Errorf("%+v", got)
	}
	// One country takes all, and the product needs 128 bits.
	for i, n := range apportioned(t, []Weight{{"AA", math.MaxUint64}})[0].Slots {
		if n != Phases[i].Slots {
			t.Errorf("phase %d: %d", i+1, n)
		}
	}
}

func TestApportionErrors(t *testing.T) {
	for name, weights := range map[string][]Weight{
		"none":       nil,
		"zero":       {{"AA", 1}, {"BB", 0}},
		"duplicate":  {{"AA", 1}, {"BB", 1}, {"AA", 2}},
		"sum wraps":  {{"AA", math.MaxUint64}, {"BB", 1}},
		"wraps late": {{"AA", 1 << 63}, {"BB", 1 << 62}, {"CC", 1 << 62}},
	} {
		if got, err := Apportion(weights); !errors.Is(err, ErrWeights) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestApportionProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight := rapid.OneOf(rapid.Uint64Range(1, 10), rapid.Uint64Range(1, 100_000_000), rapid.Uint64Range(1, 1<<55))
		byCode := rapid.MapOfN(rapid.StringMatching(`[A-Z]{2}`), weight, 1, 250).Draw(t, "weights")
		var weights []Weight
		var sum uint64
		for code, w := range byCode {
			weights = append(weights, Weight{code, w})
			sum += w
		}
		got, err := Apportion(weights)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range Phases {
			var total uint64
			for j, a := range got {
				total += a.Slots[i]
				// floor(slots x weight / sum), or one more.
				floor, err := qirat.Amount(p.Slots).MulDiv(a.E8, sum)
				if err != nil {
					t.Fatal(err)
				}
				if n := qirat.Amount(a.Slots[i]); n != floor && n != floor+1 {
					t.Fatalf("phase %d: %s has %d, its share is %d", i+1, a.Country, n, floor)
				}
				if j > 0 && (got[j-1].Country >= a.Country || got[j-1].E8 > a.E8 && got[j-1].Slots[i]+1 < a.Slots[i]) {
					t.Fatalf("%+v before %+v", got[j-1], a)
				}
			}
			if total != p.Slots {
				t.Fatalf("phase %d: %d slots of %d", i+1, total, p.Slots)
			}
		}
	})
}

func TestAge(t *testing.T) {
	date := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	last := func(day time.Time) time.Time { return day.Add(24*time.Hour - time.Nanosecond) }
	for _, c := range []struct {
		name     string
		born, at time.Time
		want     int
	}{
		{"birth", date(2000, 6, 15), date(2000, 6, 15), 0},
		{"the day before", date(2000, 6, 15), date(2000, 6, 14), -1},
		{"12 years 364 days", date(2000, 6, 15), last(date(2013, 6, 14)), 12},
		{"13 years 0 days", date(2000, 6, 15), date(2013, 6, 15), 13},
		{"73 years 364 days", date(1950, 6, 15), last(date(2024, 6, 14)), 73},
		{"74 years 0 days", date(1950, 6, 15), date(2024, 6, 15), 74},
		{"an earlier month, a later day", date(2000, 6, 15), date(2013, 5, 30), 12},
		{"a later month, an earlier day", date(2000, 6, 15), date(2013, 7, 1), 13},
		{"New Year's Eve", date(2000, 12, 31), last(date(2013, 12, 30)), 12},
		{"29 February, 28 February of a common year", date(2000, 2, 29), last(date(2013, 2, 28)), 12},
		{"29 February, 1 March of a common year", date(2000, 2, 29), date(2013, 3, 1), 13},
		{"29 February, leap year, the day before", date(1952, 2, 29), last(date(2024, 2, 28)), 71},
		{"29 February, leap year", date(1952, 2, 29), date(2024, 2, 29), 72},
		{"29 February, 2100 is common", date(2096, 2, 29), date(2100, 2, 28), 3},
		{"1 March after a leap day", date(2011, 3, 1), last(date(2024, 2, 29)), 12},
		{"a moment in another zone", date(2000, 6, 15), time.Date(2013, 6, 15, 1, 0, 0, 0, time.FixedZone("", 2*3600)), 12},
	} {
		if got := Age(c.born, c.at); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestCurrentPhase(t *testing.T) {
	slots := [6]uint64{1, 2, 0, 4, 5, 6}
	for _, c := range []struct {
		used [6]uint64
		want int
	}{
		{[6]uint64{}, 1},
		{[6]uint64{1}, 2},
		{[6]uint64{1, 1}, 2},
		{[6]uint64{1, 2}, 4},
		{[6]uint64{0, 2, 0, 4}, 1},
		{[6]uint64{1, 2, 0, 4, 5, 5}, 6},
		{slots, 7},
	} {
		if got := CurrentPhase(slots, c.used); got != c.want {
			t.Errorf("%v: phase %d, want %d", c.used, got, c.want)
		}
	}
}

func BenchmarkApportion(b *testing.B) {
	weights := shipped()
	for b.Loop() {
		apportioned(b, weights)
	}
}
