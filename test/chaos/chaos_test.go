// Package chaos_test asks much of whole systems: the same thing many times, many
// things at once, all on one account. What takes long, or says how fast something
// is, runs with "make chaos" only.
package chaos_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/internal/ringtest/invariant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// long reports whether the long part runs.
func long() bool { return os.Getenv("GX_CHAOS") == "1" }

// size is how much of something is done.
func size(short, chaos int) int {
	if long() {
		return chaos
	}
	return short
}

// seed returns the seed of a run, which GX_CHAOS_SEED can repeat.
func seed(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("GX_CHAOS_SEED"), 10, 64)
	if err != nil {
		n = rand.Uint64()
	}
	t.Logf("GX_CHAOS_SEED=%d", n)
	return n
}

// copies are several whole systems on one database, as a region has them.
type copies struct {
	database pgtest.Database
	rings    []*ringtest.Ring
	http     *http.Client // of everybody
}

func start(t *testing.T, n int) *copies {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 256
	c := &copies{database: pgtest.New(t), http: &http.Client{Transport: transport, Timeout: time.Minute}}
	t.Cleanup(func() { invariant.Closed(t, c.database.DSN) })
	for range n {
		c.rings = append(c.rings, ringtest.StartWith(t, c.database, ringtest.Options{Pepper: bytes.Repeat([]byte("pepper"), 8)}))
	}
	t.Cleanup(transport.CloseIdleConnections)
	return c
}

// recruit puts people on the ledger.
func (c *copies) recruit(t *testing.T, people []demo.Person) []*demo.Customer {
	t.Helper()
	list, err := demo.Recruit(t.Context(), c.rings[0].Client, c.rings[0].Staff(t), people)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// at returns the client of a customer at one of the systems.
func (c *copies) at(i int, who *demo.Customer) *client.Client {
	tokens, _ := who.Client.Tokens()
	return client.New(client.Options{Services: c.rings[i].Services, HTTP: c.http, Attempts: 1}).As(tokens)
}

// restarts begins new terms for nobody, again and again until ctx ends, so that
// every leader steps down and somebody recovers; now and then every connection is
// lost.
func (c *copies) restarts(ctx context.Context, t *testing.T, every time.Duration) (terms int) {
	owner := c.database.Pool(t, "")
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return terms
		case <-tick.C:
		}
		terms++
		sql := `UPDATE app.leases SET fence = fence + 1, expires_at = now()`
		if terms%5 == 0 {
			sql = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'pgtest'`
		}
		if _, err := owner.Exec(ctx, sql); err != nil && ctx.Err() == nil {
			t.Errorf("restart: %v", err)
		}
	}
}

// patiently asks until there is an answer that is an end.
func patiently(ctx context.Context, ask func(context.Context) (client.Receipt, error)) (client.Receipt, error) {
	for {
		r, err := ask(ctx)
		var p *client.Problem
		if err == nil || ctx.Err() != nil || errors.As(err, &p) && p.Status < 500 && p.Status != http.StatusConflict && p.Status != http.StatusTooManyRequests {
			return r, err
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// each runs do for the numbers below n, so many at once.
func each(n, together int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range together {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
