package velocity

import (
	"errors"
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gxcoin.money/gx/protocol/qirat"
)

func gx(n uint64) qirat.Amount { return qirat.Amount(n) * qirat.PerGX }

func TestBps(t *testing.T) {
	for _, c := range []struct {
		from qirat.Amount
		bps  uint64
	}{
		{0, 0}, {gx(100), 250}, {gx(1_000), 300}, {gx(5_000), 350}, {gx(10_000), 400}, {gx(25_000), 450}, {gx(50_000), 550}, {gx(100_000), 600},
		{qirat.MaxSupply, 600},
	} {
		if got := Default().Bps(c.from); got != c.bps {
			t.Errorf("%s GX: %d, want %d", c.from.GX(), got, c.bps)
		}
	}
	below := []uint64{0, 250, 300, 350, 400, 450, 550}
	for i, limit := range []qirat.Amount{gx(100), gx(1_000), gx(5_000), gx(10_000), gx(25_000), gx(50_000), gx(100_000)} {
		if got := Default().Bps(limit - 1); got != below[i] {
			t.Errorf("%s GX: %d, want %d", (limit - 1).GX(), got, below[i])
		}
	}
}

func TestTax(t *testing.T) {
	for _, c := range []struct {
		balance, tax, government, redistribution qirat.Amount
		bps                                      uint64
	}{
		{0, 0, 0, 0, 0},
		{gx(100) - 1, 0, 0, 0, 0},
		{gx(100), 2_500_000, 1_250_000, 1_250_000, 250},
		{gx(1000) - 1, 24_999_999, 12_499_999, 12_500_000, 250}, // the odd Qirat is for redistribution
		{gx(1000), gx(30), gx(15), gx(15), 300},
		{gx(100_000), gx(6_000), gx(3_000), gx(3_000), 600},
		{qirat.MaxSupply, 75_000_000_000_000_000, 37_500_000_000_000_000, 37_500_000_000_000_000, 600}, // needs 128 bits
	} {
		tax, government, redistribution, bps, err := Default().Tax(c.balance)
		if err != nil || tax != c.tax || government != c.government || redistribution != c.redistribution || bps != c.bps {
			t.Errorf("%s: %s = %s + %s at %d, %v", c.balance, tax, government, redistribution, bps, err)
		}
	}
	for _, balance := range []qirat.Amount{qirat.MaxSupply + 1, math.MaxUint64} {
		if _, _, _, _, err := Default().Tax(balance); !errors.Is(err, qirat.ErrRange) {
			t.Errorf("%s: %v", balance, err)
		}
	}
}

func TestTaxProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		balance := qirat.Amount(rapid.Uint64Range(0, uint64(qirat.MaxSupply)).Draw(t, "balance"))
		tax, government, redistribution, bps, err := Default().Tax(balance)
		if err != nil {
			t.Fatal(err)
		}
		want := new(big.Int).SetUint64(uint64(balance))
		want.Mul(want, new(big.Int).SetUint64(bps)).Quo(want, big.NewInt(10_000))
		if want.Cmp(new(big.Int).SetUint64(uint64(tax))) != 0 || government+redistribution != tax || redistribution-government > 1 {
			t.Fatalf("%s at %d: %s = %s + %s", balance, bps, tax, government, redistribution)
		}
	})
}

func TestTimer(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	earlier := at.Add(-time.Hour)
	for _, c := range []struct {
		name          string
		prev          *time.Time
		before, after qirat.Amount
		want          *time.Time
	}{
		{"a credit that lifts it to the threshold starts", nil, gx(100) - 1, gx(100), &at},
		{"a credit from nothing starts", nil, 0, gx(500), &at},
		{"a credit below keeps it off", nil, 0, gx(50), nil},
		{"a credit above keeps it", &earlier, gx(100), gx(900), &earlier},
		{"a debit above keeps it", &earlier, gx(900), gx(100), &earlier},
		{"a debit to below clears", &earlier, gx(900), gx(100) - 1, nil},
		{"a debit to nothing clears", &earlier, gx(100), 0, nil},
		{"no change keeps it", &earlier, gx(100), gx(100), &earlier},
		{"an exempt account has none to keep", nil, gx(100), gx(101), nil},
	} {
		got := Timer(c.prev, c.before, c.after, at)
		if (got == nil) != (c.want == nil) || got != nil && !got.Equal(*c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Over any history of a balance, the timer runs exactly while the balance is at
// the threshold or above, and since the last time it rose to it.
func TestTimerHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		near := rapid.Uint64Range(uint64(Threshold)-2, uint64(Threshold)+2)
		history := rapid.SliceOf(rapid.OneOf(near, rapid.Uint64Range(0, uint64(qirat.MaxSupply)))).Draw(t, "history")
		var timer, want *time.Time
		var balance qirat.Amount
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, n := range history {
			at = at.Add(time.Second)
			after := qirat.Amount(n)
			timer = Timer(timer, balance, after, at)
			if after < Threshold {
				want = nil
			} else if want == nil {
				since := at
				want = &since
			}
			if (timer == nil) != (want == nil) || timer != nil && !timer.Equal(*want) {
				t.Fatalf("%s -> %s: %v, want %v", balance, after, timer, want)
			}
			balance = after
		}
	})
}

func TestCycle(t *testing.T) {
	start := time.Date(2023, 3, 1, 0, 0, 0, 0, time.UTC)
	if got := start.Add(Default().Cycle()); !got.Equal(start.AddDate(0, 0, 355)) {
		t.Error(got)
	}
}

func TestAssess(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	due := start.AddDate(0, 0, 355)
	for _, c := range []struct {
		name    string
		balance qirat.Amount
		timer   *time.Time
		now     time.Time
		due     bool
		dueAt   *time.Time
		days    int
		tax     qirat.Amount
	}{
		{"below the threshold", Threshold - 1, &start, due, false, nil, 0, 0},
		{"no timer", gx(100), nil, due, false, nil, 0, 2_500_000},
		{"a moment early", gx(100), &start, due.Add(-1), false, &due, 354, 2_500_000},
		{"in time", gx(1_000), &start, due, true, &due, 355, 30_000_000},
		{"late", gx(1_000), &start, due.AddDate(1, 0, 0), true, &due, 720, 30_000_000},
	} {
		a, err := Default().Assess(c.balance, c.timer, c.now)
		if err != nil || a.Due != c.due || (a.DueAt == nil) != (c.dueAt == nil) || a.DueAt != nil && !a.DueAt.Equal(*c.dueAt) ||
			a.DaysHeld != c.days || a.Tax != c.tax || a.Government+a.Redistribution != a.Tax {
			t.Errorf("%s: %+v, %v", c.name, a, err)
		}
	}
	if _, err := Default().Assess(qirat.MaxSupply+1, &start, due); !errors.Is(err, qirat.ErrRange) {
		t.Errorf("above the supply: %v", err)
	}
}

func TestSchedule(t *testing.T) {
	s := Default()
	for _, c := range []struct {
		id    string
		value uint64
		err   error
	}{
		{"velocityTaxBand.2.bps", 0, nil},
		{"velocityTaxBand.8.bps", MaxBps, nil},
		{"velocityTaxBand.2.bps", MaxBps + 1, ErrRate},
		{"velocityTaxBand.1.bps", 1, ErrParameter},
		{"velocityTaxBand.9.bps", 1, ErrParameter},
		{"", 1, ErrParameter},
		{PeriodID, 180, nil},
		{PeriodID, 0, ErrRate},
		{PeriodID, 36_501, ErrRate},
	} {
		if err := s.Set(c.id, c.value); !errors.Is(err, c.err) {
			t.Errorf("%s = %d: %v", c.id, c.value, err)
		}
	}
	if s.Bps(gx(100)) != 0 || s.Bps(gx(1_000)) != 300 || s.Bps(gx(100_000)) != MaxBps || s.Cycle() != 180*24*time.Hour {
		t.Errorf("%+v", s)
	}
	if Default().Bps(gx(100)) != 250 || Default().Cycle() != 355*24*time.Hour {
		t.Error("a copy changed the default")
	}
	for i, b := range s.Bands() {
		if b.Bps != s.Bps(b.From) || i > 0 && b.From <= s.Bands()[i-1].From {
			t.Errorf("%+v", b)
		}
	}
}
