package chaos_test

import (
	"testing"
	"time"

	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest/report"
	"gxcoin.money/gx/protocol/qirat"
)

// Three times the clients that the system can serve cost it nothing: what gets
// through a second stays, and once they are gone a payment is as quick as before.
func TestOverload(t *testing.T) {
	if !long() {
		t.Skip("SKIPPED: GX_CHAOS=1 is not set; make chaos sets it")
	}
	c := start(t, 1)
	customers := c.recruit(t, demo.People(64))
	pick := func(i int) (from, to int) { return i % 64, (i*7 + 1) % 64 }
	different := func(i int) (from, to int) {
		from, to = pick(i)
		if from == to {
			to = (to + 1) % 64
		}
		return from, to
	}
	full := c.burst(t, 6000, 64, customers, different)
	over := c.burst(t, 6000, 192, customers, different)
	begin := time.Now()
	if r, err := patiently(t.Context(), keyed(c.at(0, customers[0]), customers[1], qirat.PerGX)); err != nil || !r.Command.Projected {
		t.Errorf("a payment afterwards: %+v, %v", r, err)
	}
	report.Line(t, "64 clients: %.0f payments a second through; 192: %.0f, %.2f of that; a payment afterwards takes %.0f ms",
		full, over, over/full, time.Since(begin).Seconds()*1000)
	if over < 0.9*full {
		t.Errorf("goodput falls from %.0f to %.0f a second", full, over)
	}
}
