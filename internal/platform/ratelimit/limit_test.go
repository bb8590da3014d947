package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"

	"gxcoin.money/gx/internal/platform/ratelimit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hands is a clock that a test moves.
type hands struct{ now atomic.Int64 }

func newHands() *hands {
	h := new(hands)
	h.now.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	return h
}

func (h *hands) clock() time.Time { return time.UnixMicro(h.now.Load()) }

// adapters are what counts, each with how its time goes on.
func adapters(t *testing.T) map[string]func(t *testing.T) (ratelimit.Limiter, func(time.Duration)) {
	return map[string]func(t *testing.T) (ratelimit.Limiter, func(time.Duration)){
		"memory": func(*testing.T) (ratelimit.Limiter, func(time.Duration)) {
			h := newHands()
			return ratelimit.NewMemory(h.clock), func(d time.Duration) { h.now.Add(d.Microseconds()) }
		},
		"miniredis": func(t *testing.T) (ratelimit.Limiter, func(time.Duration)) {
			m, h := miniredis.RunT(t), newHands()
			return redis(t, "redis://"+m.Addr(), h), func(d time.Duration) { h.now.Add(d.Microseconds()); m.FastForward(d) }
		},
		"redis": func(t *testing.T) (ratelimit.Limiter, func(time.Duration)) {
			h := newHands()
			return redis(t, "redis://"+server(t), h), func(d time.Duration) { h.now.Add(d.Microseconds()) }
		},
		"fallback": func(t *testing.T) (ratelimit.Limiter, func(time.Duration)) {
			h := newHands()
			f := ratelimit.NewFallback(redis(t, "redis://127.0.0.1:1", h), ratelimit.NewMemory(h.clock), slog.New(slog.DiscardHandler))
			return f, func(d time.Duration) { h.now.Add(d.Microseconds()) }
		},
	}
}

func redis(t *testing.T, address string, h *hands) *ratelimit.Redis {
	t.Helper()
	r, err := ratelimit.NewRedis(address, h.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	_ = r.Refund(t.Context(), "nobody") // connects, if it can
	return r
}

// server starts a Redis and returns its address.
func server(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		if bin, err = exec.LookPath("valkey-server"); err != nil {
			t.Skip("SKIPPED: this test needs redis-server")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	deadline, tick := time.After(10*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return address
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("redis-server does not answer")
		}
	}
}

// TestConformance holds every adapter to the same behaviour.
func TestConformance(t *testing.T) {
	ctx := context.Background()
	perMinute, perHour := ratelimit.Limit{Name: "a", Count: 5, Period: time.Minute}, ratelimit.Limit{Name: "b", Count: 7, Period: time.Hour}
	for name, open := range adapters(t) {
		t.Run(name, func(t *testing.T) {
			t.Run("burst and pace", func(t *testing.T) {
				l, advance := open(t)
				take := func() ratelimit.Decision { return take(t, l, "ada", perMinute) }
				for i := range 5 {
					d := take()
					if !d.Allowed || d.Remaining != 4-i || d.Reset != time.Duration(i+1)*12*time.Second || d.RetryAfter != 0 || d.Limit != perMinute {
						t.Fatalf("use %d: %+v", i+1, d)
					}
				}
				if d := take(); d.Allowed || d.Remaining != 0 || d.RetryAfter != 12*time.Second || d.Reset != time.Minute {
					t.Fatalf("one too many: %+v", d)
				}
				advance(11 * time.Second)
				if d := take(); d.Allowed || d.RetryAfter != time.Second {
					t.Errorf("a second early: %+v", d)
				}
				advance(time.Second)
				if d := take(); !d.Allowed || d.Remaining != 0 {
					t.Errorf("in time: %+v", d)
				}
				advance(time.Hour)
				if d := take(); !d.Allowed || d.Remaining != 4 {
					t.Errorf("rested: %+v", d)
				}
			})
			t.Run("several limits", func(t *testing.T) {
				l, advance := open(t)
				both := []ratelimit.Limit{perMinute, perHour}
				for range 5 {
					take(t, l, "ada", both...)
				}
				if d := take(t, l, "ada", both...); d.Allowed || d.Limit.Name != "a" || d.RetryAfter != 12*time.Second {
					t.Errorf("%+v", d)
				}
				advance(time.Minute)
				for range 2 {
					take(t, l, "ada", both...)
				}
				// The hour is used up; what is refused costs the minute nothing.
				for range 3 {
					if d := take(t, l, "ada", both...); d.Allowed || d.Limit.Name != "b" {
						t.Errorf("%+v", d)
					}
				}
				if d := take(t, l, "ada", perMinute); !d.Allowed || d.Remaining != 2 {
					t.Errorf("%+v", d)
				}
			})
			t.Run("keys and names", func(t *testing.T) {
				l, _ := open(t)
				once := ratelimit.Limit{Name: "once", Count: 1, Period: time.Minute}
				other := ratelimit.Limit{Name: "other", Count: 1, Period: time.Minute}
				if !take(t, l, "ada", once).Allowed || take(t, l, "ada", once).Allowed {
					t.Error("once is not once")
				}
				if !take(t, l, "bob", once).Allowed || !take(t, l, "ada", other).Allowed {
					t.Error("others pay for ada")
				}
			})
			t.Run("refund", func(t *testing.T) {
				l, advance := open(t)
				for range 20 {
					if d := take(t, l, "ada", perMinute, perHour); !d.Allowed || d.Remaining != 4 {
						t.Fatalf("%+v", d)
					}
					if err := l.Refund(ctx, "ada", perMinute, perHour); err != nil {
						t.Fatal(err)
					}
				}
				advance(time.Minute)
				if err := errors.Join(l.Refund(ctx, "ada", perMinute), l.Refund(ctx, "nobody", perMinute)); err != nil {
					t.Fatal(err)
				}
				for range 5 {
					take(t, l, "ada", perMinute)
				}
				if take(t, l, "ada", perMinute).Allowed {
					t.Error("a refund gives more than the limit")
				}
			})
			t.Run("at once", func(t *testing.T) {
				l, _ := open(t)
				var allowed atomic.Int64
				var wg sync.WaitGroup
				for range 40 {
					wg.Go(func() {
						if d, err := l.Take(ctx, "ada", perMinute); err == nil && d.Allowed {
							allowed.Add(1)
						}
					})
				}
				wg.Wait()
				if n := allowed.Load(); n != 5 {
					t.Errorf("%d are allowed", n)
				}
			})
			t.Run("no limit", func(t *testing.T) {
				l, _ := open(t)
				if d := take(t, l, "ada"); !d.Allowed {
					t.Errorf("%+v", d)
				}
			})
		})
	}
}

func take(t *testing.T, l ratelimit.Limiter, key string, limits ...ratelimit.Limit) ratelimit.Decision {
	t.Helper()
	d, err := l.Take(t.Context(), key, limits...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Two processes on one Redis share a limit; state that says nothing goes away.
func TestSharedState(t *testing.T) {
	m, h := miniredis.RunT(t), newHands()
	a, b := redis(t, "redis://"+m.Addr(), h), redis(t, "redis://"+m.Addr(), h)
	limit := ratelimit.Limit{Name: "a", Count: 4, Period: time.Minute}
	for i := range 4 {
		if l := []ratelimit.Limiter{a, b}[i%2]; !take(t, l, "ada", limit).Allowed {
			t.Errorf("use %d", i+1)
		}
	}
	if take(t, a, "ada", limit).Allowed || take(t, b, "ada", limit).Allowed {
		t.Error("each counts for itself")
	}
	m.FastForward(time.Minute)
	if keys := m.Keys(); len(keys) != 0 {
		t.Errorf("kept for ever: %v", keys)
	}
}

// When Redis goes away every process counts for itself, at once, and when it is
// back they count together again.
func TestFallback(t *testing.T) {
	m, h := miniredis.RunT(t), newHands()
	var log bytes.Buffer
	f := ratelimit.NewFallback(redis(t, "redis://"+m.Addr(), h), ratelimit.NewMemory(h.clock), slog.New(slog.NewTextHandler(&log, nil)))
	limit := ratelimit.Limit{Name: "a", Count: 3, Period: time.Hour}
	for range 3 {
		take(t, f, "ada", limit)
	}
	if take(t, f, "ada", limit).Allowed {
		t.Error("not limited by Redis")
	}
	m.Close()
	begin := time.Now()
	allowed := 0
	for range 100 {
		if take(t, f, "ada", limit).Allowed {
			allowed++
		}
	}
	if allowed != 3 {
		t.Errorf("%d are allowed by this process alone", allowed)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("100 decisions without Redis took %s", took)
	}
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	deadline, tick := time.After(10*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(log.String(), "shared again") {
		take(t, f, fmt.Sprint("probe", time.Now()), limit)
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("Redis is not used again: %s", &log)
		}
	}
	if n := strings.Count(log.String(), "not shared at the moment"); n != 1 {
		t.Errorf("the operator is told %d times", n)
	}
}

// However many clients there are, memory is bounded.
func TestMemoryIsBounded(t *testing.T) {
	h := newHands()
	m := ratelimit.NewMemory(h.clock)
	limit := ratelimit.Limit{Name: "a", Count: 1, Period: time.Hour}
	size := func() int { return ratelimit.Size(m) }
	for i := range 600_000 {
		take(t, m, fmt.Sprint(i), limit)
	}
	if n := size(); n > 64*4096 {
		t.Errorf("%d states", n)
	}
	if !take(t, m, "ada", limit).Allowed || take(t, m, "ada", limit).Allowed {
		t.Error("nobody is limited any more")
	}
}

func TestParseLimits(t *testing.T) {
	got, err := ratelimit.ParseLimits("login", "5/1m, 20/1h")
	if err != nil || len(got) != 2 || got[0] != (ratelimit.Limit{"login", 5, time.Minute}) || got[1] != (ratelimit.Limit{"login2", 20, time.Hour}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ratelimit.ParseLimits("login", "off"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "5", "5/", "0/1m", "-1/1m", "5/x", "5/1m,", "9999999999/1ms"} {
		if got, err := ratelimit.ParseLimits("x", bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
	if _, err := ratelimit.NewRedis("redis://:hunter2@host:port", time.Now); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

func BenchmarkMemory(b *testing.B) {
	m := ratelimit.NewMemory(time.Now)
	limit := ratelimit.Limit{Name: "a", Count: 1_000_000, Period: time.Second}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = m.Take(context.Background(), "customer:018f", limit)
		}
	})
}
