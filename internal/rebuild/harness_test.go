package rebuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/qirat"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(victimEnv); dsn != "" {
		victim(dsn)
	}
	os.Exit(m.Run())
}

// rig is a chain, the economy that fills it, and a database with a projector.
type rig struct {
	*readmodeltest.Economy
	t     testing.TB
	chain *readmodeltest.Chain
	db    pgtest.Database
	owner *pgxpool.Pool
}

func newRig(t testing.TB) *rig {
	r := &rig{readmodeltest.NewEconomy(), t, readmodeltest.NewChain(), pgtest.New(t), nil}
	r.owner = open(t, r.db.DSN, postgres.Options{NoSync: true, Indexed: true, MaxConns: 6})
	found(r.Economy, r.chain)
	return r
}

// found appends bootstrap, countries and two people.
func found(e *readmodeltest.Economy, c *readmodeltest.Chain) {
	c.Append(e.Tx(e.Bootstrap()))
	c.Append(e.Tx(e.AddCountries("AE", "US")))
	c.Append(e.Tx(e.CreateUser("alice", "AE", readmodeltest.Epoch)), e.Tx(e.CreateUser("bob", "US", readmodeltest.Epoch)))
}

// pay appends blocks of one payment each.
func pay(e *readmodeltest.Economy, c *readmodeltest.Chain, blocks int) (last ledger.Block) {
	for i := range blocks {
		from, to := "alice", "bob"
		if i%2 == 1 {
			from, to = to, from
		}
		last = c.Append(e.Tx(e.Transfer(from, to, 1, 0, "")))
	}
	return last
}

func open(t testing.TB, dsn string, o postgres.Options) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// project runs the live projector until the test or stop ends it.
func (r *rig) project() (p *projector.Projector, stop func()) {
	r.t.Helper()
	p = projector.New(open(r.t, r.db.DSN, postgres.Options{Role: "gx_projector", NoSync: true, Indexed: true}), r.chain, projector.Options{
		Holder: r.t.Name(), LeaseTTL: 10 * time.Second, LeaseRetry: 10 * time.Millisecond, Heartbeat: 10 * time.Millisecond, HaltRetry: 10 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	r.t.Cleanup(stop)
	return p, stop
}

// applied waits until the live read model has a block.
func (r *rig) applied(b ledger.Block) {
	r.t.Helper()
	r.until(fmt.Sprintf("block %d", b.Number), func() bool { return r.checkpoint().Block >= int64(b.Number) })
}

func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			r.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func (r *rig) checkpoint() readmodel.CheckpointState {
	r.t.Helper()
	c, err := readmodel.Checkpoint(r.t.Context(), r.owner)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *rig) exec(sql string, args ...any) {
	r.t.Helper()
	if _, err := r.owner.Exec(r.t.Context(), sql, args...); err != nil {
		r.t.Fatalf("%s: %v", sql, err)
	}
}

// options of a rebuild in a test.
var options = Options{By: "operator:ada", Reason: "a test", Build: "v1", LeaseTTL: 20 * time.Second}

// readers read as the services do, until stop, and fail the test when something
// goes wrong, the supply is not whole, or time goes back.
func (r *rig) readers(n int) (stop func() (reads int64, slowest time.Duration)) {
	r.t.Helper()
	pool := open(r.t, r.db.DSN, postgres.Options{Role: "gx_service", Indexed: true, MaxConns: int32(n)})
	ctx, cancel := context.WithCancel(context.Background())
	var reads, slowest atomic.Int64
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			last := int64(-1)
			for ctx.Err() == nil {
				began := time.Now()
				var block, logged int64
				var total, alice qirat.Amount
				err := pool.QueryRow(ctx, `
					SELECT k.block, (SELECT max(block) FROM read.event_log), (SELECT sum(balance)::bigint FROM read.accounts), a.balance
					FROM read.checkpoint k, read.accounts a JOIN read.users u ON u.user_id = a.account_id WHERE a.account_id = 'alice'`).Scan(&block, &logged, &total, &alice)
				var page readmodel.Page
				if err == nil {
					page, err = readmodel.Statement(ctx, pool, "alice", readmodel.Filter{})
				}
				took := time.Since(began)
				switch {
				case ctx.Err() != nil:
					return
				case err != nil:
					r.t.Errorf("a reader: %v", err)
				case block < last:
					r.t.Errorf("a reader was at block %d and is at %d", last, block)
				case logged != block || total != qirat.MaxSupply:
					r.t.Errorf("a reader sees block %d, events of block %d and %s Qirat", block, logged, total)
				case len(page.Entries) == 0:
					r.t.Error("a reader sees no statement")
				}
				last = max(last, block)
				reads.Add(1)
				for s := slowest.Load(); int64(took) > s && !slowest.CompareAndSwap(s, int64(took)); s = slowest.Load() {
				}
			}
		})
	}
	stop = func() (int64, time.Duration) {
		cancel()
		wg.Wait()
		return reads.Load(), time.Duration(slowest.Load())
	}
	r.t.Cleanup(func() { stop() })
	return stop
}

// traffic appends a block at a time, as fast as they are applied, until stop.
func (r *rig) traffic() (stop func() ledger.Block) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var last ledger.Block
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			last = pay(r.Economy, r.chain, 2)
			for ctx.Err() == nil {
				c, err := readmodel.Checkpoint(ctx, r.owner)
				if err != nil && !errors.Is(err, context.Canceled) {
					r.t.Errorf("traffic: %v", err)
				}
				if c.Block+20 > int64(last.Number) {
					break
				}
			}
		}
	}()
	stop = func() ledger.Block { cancel(); <-done; return last }
	r.t.Cleanup(func() { stop() })
	return stop
}
