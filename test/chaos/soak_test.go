package chaos_test

import (
	"runtime"
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

// What a system holds after minutes of work is what it held after the first.
func TestSoak(t *testing.T) {
	if !long() {
		t.Skip("SKIPPED: GX_CHAOS=1 is not set; make chaos sets it")
	}
	const rounds, each = 10, 3000
	c := start(t, 1)
	customers := c.recruit(t, demo.People(32))
	db := c.database.Pool(t, "")
	type held struct {
		heap        uint64
		goroutines  int
		connections int
		dead        float64 // of all row versions
	}
	measure := func() (h held) {
		t.Helper()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.heap, h.goroutines = m.HeapAlloc, runtime.NumGoroutine()
		if err := db.QueryRow(t.Context(), `SELECT
			(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
			(SELECT coalesce(sum(n_dead_tup)::float8 / nullif(sum(n_live_tup + n_dead_tup), 0), 0) FROM pg_stat_user_tables)`).Scan(&h.connections, &h.dead); err != nil {
			t.Fatal(err)
		}
		return h
	}
	var early, late held
	begin := time.Now()
	for round := range rounds {
		c.burst(t, each, 16, customers, func(i int) (from, to int) { return i % 32, (i + 1 + i%30) % 32 })
		if round == 2 {
			early = measure()
		}
	}
	late = measure()
	report.Line(t, "%d payments in %.0f s: heap %.1f MiB, then %.1f; goroutines %d, then %d; connections %d, then %d; dead row versions %.0f %%, then %.0f %%",
		rounds*each, time.Since(begin).Seconds(), float64(early.heap)/(1<<20), float64(late.heap)/(1<<20), early.goroutines, late.goroutines,
		early.connections, late.connections, early.dead*100, late.dead*100)
	if late.heap > 2*early.heap+8<<20 || late.goroutines > early.goroutines+50 || late.connections > early.connections+10 || late.dead > 0.5 {
		t.Errorf("it grows: %+v, then %+v", early, late)
	}
}
