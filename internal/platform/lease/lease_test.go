package lease_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/postgres"
)

const (
	name      = "test"
	patience  = 30 * time.Second
	memberEnv = "GX_LEASE_TEST_MEMBER"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(memberEnv); dsn != "" {
		member(dsn)
		return
	}
	goleak.VerifyTestMain(m)
}

// candidate is a lease.Run whose terms the test holds in its hand.
type candidate struct {
	t     *testing.T
	stop  context.CancelFunc
	terms chan term
}

type term struct {
	lease.Term
	ctx    context.Context
	finish chan error // ends lead
}

func run(t *testing.T, pool *pgxpool.Pool, o lease.Options) *candidate {
	t.Helper()
	o.Name = name
	ctx, stop := context.WithCancel(t.Context())
	c := &candidate{t: t, stop: stop, terms: make(chan term)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := lease.Run(ctx, pool, o, func(ctx context.Context, l lease.Term) error {
			m := term{l, ctx, make(chan error)}
			select {
			case c.terms <- m:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case err := <-m.finish:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return c
}

func (c *candidate) elected() term {
	c.t.Helper()
	select {
	case m := <-c.terms:
		return m
	case <-time.After(patience):
		c.t.Fatal("nobody was elected")
		panic("unreachable")
	}
}

func ends(t *testing.T, m term) error {
	t.Helper()
	select {
	case <-m.ctx.Done():
		return context.Cause(m.ctx)
	case <-time.After(patience):
		t.Fatal("the leader does not step down")
		return nil
	}
}

func assert(t *testing.T, pool *pgxpool.Pool, l lease.Term) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return l.Assert(t.Context(), tx) })
}

func TestHandover(t *testing.T) {
	pool := pgtest.New(t).Pool(t, "gx_submitter")
	const ttl = time.Hour // only a resignation can end a term in time
	a := run(t, pool, lease.Options{Holder: "a", TTL: ttl, Retry: time.Hour})
	first := a.elected()
	b := run(t, pool, lease.Options{Holder: "b", TTL: ttl, Retry: time.Hour})
	if err := assert(t, pool, first.Term); err != nil {
		t.Fatal(err)
	}
	waitForListeners(t, pool, 2)
	first.finish <- nil
	second := b.elected()
	if second.Fence <= first.Fence {
		t.Errorf("fence %d after %d", second.Fence, first.Fence)
	}
	if err := assert(t, pool, first.Term); !errors.Is(err, lease.ErrLost) {
		t.Errorf("the former leader's assertion: %v", err)
	}
	if err := assert(t, pool, second.Term); err != nil {
		t.Errorf("the leader's assertion: %v", err)
	}
	// A process that ends hands over too.
	c := run(t, pool, lease.Options{Holder: "c", TTL: ttl, Retry: time.Hour})
	waitForListeners(t, pool, 3)
	b.stop()
	if third := c.elected(); third.Fence <= second.Fence {
		t.Errorf("fence %d after %d", third.Fence, second.Fence)
	}
}

// waitForListeners waits until n candidates have looked at the lease and wait.
func waitForListeners(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	owner, err := pgx.Connect(t.Context(), pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	for end := time.Now().Add(patience); ; {
		var have int
		// The last statement of a candidate that lost is its look at the lease.
		err := owner.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND state = 'idle' AND query ~ 'app.leases' AND pid <> pg_backend_pid()`).Scan(&have)
		if err != nil {
			t.Fatal(err)
		}
		if have >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d candidates wait", have)
		}
	}
}

func TestFailingLeaderLetsOthers(t *testing.T) {
	pool := pgtest.New(t).Pool(t, "gx_projector")
	a := run(t, pool, lease.Options{Holder: "a", TTL: time.Hour, Retry: 50 * time.Millisecond})
	first := a.elected()
	first.finish <- errors.New("deliberate")
	if second := a.elected(); second.Fence != first.Fence+1 {
		t.Errorf("fence %d after %d", second.Fence, first.Fence)
	}
}

// A lost connection is replaced in time; the leader does not notice.
func TestConnectionIsReplaced(t *testing.T) {
	db := pgtest.New(t)
	pool := db.Pool(t, "")
	observer := db.Pool(t, "")
	a := run(t, pool, lease.Options{Holder: "a", TTL: 2 * time.Second})
	m := a.elected()
	for range 3 {
		var before, after time.Time
		expiry := func() (at time.Time) {
			if err := observer.QueryRow(t.Context(), `SELECT expires_at FROM app.leases -- pg_stat_activity`).Scan(&at); err != nil {
				t.Fatal(err)
			}
			return at
		}
		cut(t, observer)
		for before, after = expiry(), expiry(); !after.After(before); after = expiry() {
			if err := m.ctx.Err(); err != nil {
				t.Fatal(context.Cause(m.ctx))
			}
		}
	}
}

// cut terminates the connections that had to do with the lease.
func cut(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND query !~ 'pg_stat_activity' AND (query ~ 'app.leases' OR query ~ 'LISTEN')`); err != nil {
		t.Error(err)
	}
}

// gate is a network that can be cut.
type gate struct {
	shut  atomic.Bool
	mu    sync.Mutex
	conns []net.Conn
}

func (g *gate) pool(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if g.shut.Load() {
			return nil, errors.New("the network is cut")
		}
		conn, err := dial(ctx, network, addr)
		if err == nil {
			g.mu.Lock()
			g.conns = append(g.conns, conn)
			g.mu.Unlock()
		}
		return conn, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func (g *gate) cut() {
	g.shut.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		_ = c.Close()
	}
}

func TestTakeoverFromAnIsolatedLeader(t *testing.T) {
	db := pgtest.New(t)
	pool := db.Pool(t, "")
	var network gate
	a := run(t, network.pool(t, db.DSN), lease.Options{Holder: "a", TTL: time.Second})
	first := a.elected()
	b := run(t, pool, lease.Options{Holder: "b", TTL: time.Second})
	network.cut()
	if err := ends(t, first); err == nil || errors.Is(err, lease.ErrLost) || errors.Is(err, context.Canceled) {
		t.Errorf("the isolated leader stepped down because of %v", err)
	}
	var live bool
	if err := pool.QueryRow(t.Context(), `SELECT fence = $1 AND expires_at > now() - interval '1 s' FROM app.leases`, first.Fence).Scan(&live); err != nil {
		t.Fatal(err)
	}
	t.Logf("when the leader stepped down its term was still the latest: %t", live)
	second := b.elected()
	if second.Fence != first.Fence+1 {
		t.Errorf("fence %d after %d", second.Fence, first.Fence)
	}
	if err := assert(t, pool, first.Term); !errors.Is(err, lease.ErrLost) {
		t.Errorf("the former leader's assertion: %v", err)
	}
}

// A machine that slept finds its wall clock ahead.
func TestWallClockEndsTrust(t *testing.T) {
	pool := pgtest.New(t).Pool(t, "")
	var slept atomic.Int64
	a := run(t, pool, lease.Options{Holder: "a", TTL: 2 * time.Second, Clock: func() time.Time {
		return time.Now().Add(time.Duration(slept.Load()))
	}})
	m := a.elected()
	slept.Store(int64(time.Hour))
	if err := ends(t, m); errors.Is(err, context.Canceled) {
		t.Errorf("stepped down because of %v", err)
	}
}

// Assert holds up the next term until its transaction ends, and no renewal.
func TestAssertAgainstTakeoverAndRenewal(t *testing.T) {
	pool := pgtest.New(t).Pool(t, "")
	ctx := t.Context()
	a := run(t, pool, lease.Options{Holder: "a", TTL: time.Second})
	m := a.elected()

	// Overlapping assertions without a gap, as a busy leader makes them.
	busy, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for busy.Err() == nil {
				err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
					if err := m.Assert(ctx, tx); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, `SELECT pg_sleep(0.05)`)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var began time.Time
	if err := pool.QueryRow(ctx, `SELECT expires_at FROM app.leases`).Scan(&began); err != nil {
		t.Fatal(err)
	}
	for renewed := false; !renewed; {
		if m.ctx.Err() != nil {
			t.Fatalf("the renewal starved: %v", context.Cause(m.ctx))
		}
		if err := pool.QueryRow(ctx, `SELECT expires_at > $1::timestamptz + interval '2 s' FROM app.leases`, began).Scan(&renewed); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	wg.Wait()

	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := m.Assert(ctx, tx); err != nil {
		t.Fatal(err)
	}
	a.stop()
	b := run(t, pool, lease.Options{Holder: "b", TTL: patience})
	for waiting := false; !waiting; {
		select {
		case <-b.terms:
			t.Fatal("a term began while the former leader's transaction was open")
		default:
		}
		if err := pool.QueryRow(ctx, `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()
			AND wait_event_type = 'Lock' AND query ~ 'fence = fence'`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	b.elected()
}

// Many candidates, cut connections, leaders that quit: the fences that reach
// the journal never go back, and without faults no two leaders overlap.
func TestOneLeaderAtATime(t *testing.T) {
	for _, faults := range []bool{false, true} {
		t.Run(fmt.Sprintf("faults=%t", faults), func(t *testing.T) {
			db := pgtest.New(t)
			pool, observer := db.Pool(t, ""), db.Pool(t, "")
			if _, err := observer.Exec(t.Context(), `CREATE TABLE journal (position bigint GENERATED ALWAYS AS IDENTITY, fence bigint)`); err != nil {
				t.Fatal(err)
			}
			const terms = 30
			ttl := patience
			if faults {
				ttl = 300 * time.Millisecond
			}
			ctx, stop := context.WithTimeout(t.Context(), 2*patience)
			defer stop()
			var leaders, served atomic.Int64
			lead := func(ctx context.Context, l lease.Term) error {
				if n := leaders.Add(1); n != 1 && !faults {
					t.Errorf("%d leaders at once", n)
				}
				defer leaders.Add(-1)
				for range 10 {
					// The transaction deliberately outlives the leadership.
					err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
						if err := l.Assert(t.Context(), tx); err != nil {
							return err
						}
						_, err := tx.Exec(t.Context(), `INSERT INTO journal (fence) VALUES ($1)`, l.Fence)
						return err
					})
					if err != nil && !errors.Is(err, lease.ErrLost) && !postgres.IsTransient(err) {
						t.Error(err)
					}
				}
				if served.Add(1) == terms {
					stop()
				}
				return nil
			}
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					_ = lease.Run(ctx, pool, lease.Options{Name: name, Holder: strconv.Itoa(i), TTL: ttl, Retry: 20 * time.Millisecond}, lead)
				})
			}
			if faults {
				wg.Go(func() {
					for tick := time.NewTicker(100 * time.Millisecond); ctx.Err() == nil; <-tick.C {
						cut(t, observer)
					}
				})
			}
			wg.Wait()
			if n := served.Load(); n < terms {
				t.Fatalf("only %d terms", n)
			}
			var back, written int
			if err := observer.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE fence < before), count(*)
				FROM (SELECT fence, lag(fence) OVER (ORDER BY position) AS before FROM journal) j`).Scan(&back, &written); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d terms, %d entries", served.Load(), written)
			if back != 0 || written == 0 {
				t.Errorf("fences went back %d times in %d entries", back, written)
			}
		})
	}
}
