package projector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/qirat"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// rig is a chain, an economy that fills it, and a database to project it into.
type rig struct {
	*readmodeltest.Economy
	t     *testing.T
	chain *readmodeltest.Chain
	owner *pgxpool.Pool
	pool  *pgxpool.Pool
}

func newRig(t *testing.T) *rig {
	t.Parallel()
	db := pgtest.New(t)
	return &rig{readmodeltest.NewEconomy(), t, readmodeltest.NewChain(), db.Pool(t, ""), db.Pool(t, "gx_projector")}
}

// open appends bootstrap, countries and two people: blocks 0, 1, 2.
func (r *rig) open() {
	r.chain.Append(r.Tx(r.Bootstrap()))
	r.chain.Append(r.Tx(r.AddCountries("AE", "US")))
	r.chain.Append(r.Tx(r.CreateUser("alice", "AE", readmodeltest.Epoch)), r.Tx(r.CreateUser("bob", "US", readmodeltest.Epoch)))
}

// pay is a transaction with one payment.
func (r *rig) pay(amount qirat.Amount) ledger.BlockTx {
	return r.Tx(r.Transfer("alice", "bob", amount, 1, ""))
}

// start runs a projector; stop ends it and waits, and the test's end does too.
func (r *rig) start(change ...func(*Options)) (p *Projector, stop func()) {
	r.t.Helper()
	o := Options{Holder: fmt.Sprintf("test-%d", rand.Uint32()), LeaseTTL: 2 * time.Second, LeaseRetry: 20 * time.Millisecond, Heartbeat: 10 * time.Millisecond,
		HaltRetry: 10 * time.Millisecond, BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	p = New(r.pool, r.chain, o)
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

// session is a leader of a given fence that a test steps by hand.
func (r *rig) session(fence int64) *session {
	r.t.Helper()
	if _, err := r.owner.Exec(r.t.Context(), `
		INSERT INTO app.leases (name, holder, fence, expires_at) VALUES ('projector:gx', 'test', $1, now() + interval '1 hour')
		ON CONFLICT (name) DO UPDATE SET fence = excluded.fence`, fence); err != nil {
		r.t.Fatal(err)
	}
	return &session{Projector: New(r.pool, r.chain, Options{}), term: lease.Term{Name: "projector:gx", Fence: fence}}
}

// eventually polls until ok; the deadline is far, a miss is a failure.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
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

// applied waits until a block is applied to its last transaction.
func (r *rig) applied(b ledger.Block) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("block %d applied", b.Number), func() bool {
		c := r.checkpoint()
		return c.Block == int64(b.Number) && c.TxIndex == len(b.Txs)-1
	})
}

func (r *rig) checkBalances() {
	r.t.Helper()
	for id, want := range r.Balances {
		a, err := readmodel.Account(r.t.Context(), r.owner, id)
		if err != nil || a.Balance != want {
			r.t.Errorf("balance of %s is %s (%v), want %s", id, a.Balance, err, want)
		}
	}
	if s, err := readmodel.Supply(r.t.Context(), r.owner); err != nil || !s.Conserved() {
		r.t.Errorf("supply: %+v, %v", s, err)
	}
}

func TestFollowsTheLedger(t *testing.T) {
	r := newRig(t)
	r.open()
	reg := prometheus.NewRegistry()
	p, _ := r.start(func(o *Options) { o.Registerer = reg })
	r.applied(r.chain.Append(r.pay(5)))
	r.applied(r.chain.Append(r.pay(6), ledger.BlockTx{ID: "conflict", Code: ledger.ReadConflict}, ledger.BlockTx{ID: "no-event", Code: ledger.Valid}))
	r.applied(r.chain.Append())
	r.applied(r.chain.Append(r.pay(7)))
	r.checkBalances()
	eventually(t, "live", func() bool { s, _ := p.State(); return s == Live })

	if n := sample(reg, "projector_events_processed_total", "TransferCompleted", "applied"); n != 3 {
		t.Errorf("%v transfers counted", n)
	}
	eventually(t, "height reported", func() bool { return sample(reg, "projector_blockchain_height") == 7 })
	problems, err := promlint.NewWithMetricFamilies(must(reg.Gather())).Lint()
	if err != nil || len(problems) != 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
}

// sample returns a counter or gauge by the values of its labels, sorted by name.
func sample(reg *prometheus.Registry, name string, labels ...string) float64 {
	for _, f := range must(reg.Gather()) {
		for _, m := range f.Metric {
			var values []string
			for _, l := range m.Label {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && slices.Equal(values, labels) {
				return m.Counter.GetValue() + m.Gauge.GetValue()
			}
		}
	}
	return 0
}

// A stream that falls silent while the ledger has more is opened again.
func TestSilentStream(t *testing.T) {
	r := newRig(t)
	l := &mute{Chain: r.chain}
	p := New(r.pool, l, Options{Holder: "test", Heartbeat: 5 * time.Millisecond, Patience: 20 * time.Millisecond, BackoffMin: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	eventually(t, "live", func() bool { s, _ := p.State(); return s == Live })
	if n := l.streams.Load(); n != 1 {
		t.Errorf("an idle stream was opened %d times", n)
	}
	r.open()
	r.applied(r.chain.Append(r.pay(5)))
	if n := l.streams.Load(); n < 2 {
		t.Errorf("%d streams", n)
	}
}

// mute is a chain whose first stream says nothing.
type mute struct {
	*readmodeltest.Chain
	streams atomic.Int32
}

func (m *mute) Blocks(ctx context.Context, from uint64) iter.Seq2[ledger.Block, error] {
	if m.streams.Add(1) > 1 {
		return m.Chain.Blocks(ctx, from)
	}
	return func(yield func(ledger.Block, error) bool) {
		<-ctx.Done()
		yield(ledger.Block{}, ctx.Err())
	}
}

// An idle ledger is no lag, whatever its age (F-18).
func TestKF18Idle(t *testing.T) {
	for _, blocks := range []int{0, 3} {
		t.Run(fmt.Sprint(blocks, " blocks"), func(t *testing.T) {
			r := newRig(t)
			if blocks > 0 {
				r.open()
			}
			p, _ := r.start(func(o *Options) {
				o.Clock = func() time.Time { return readmodeltest.Epoch.AddDate(0, 0, 30) }
			})
			eventually(t, "live", func() bool { s, _ := p.State(); return s == Live })
			eventually(t, "heartbeat", func() bool { return r.checkpoint().State == string(Live) })
			c := r.checkpoint()
			if c.LagBlocks() != 0 || c.LagSeconds != 0 || c.HeartbeatAge > time.Minute || c.LedgerHeight != uint64(blocks) {
				t.Errorf("%+v", c)
			}
			if err := p.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCheckBeforeRun(t *testing.T) {
	r := newRig(t)
	p := New(r.pool, r.chain, Options{})
	if err := p.Check(t.Context()); err == nil {
		t.Error("ready before Run")
	}
}

func TestResumesInsideABlock(t *testing.T) {
	r := newRig(t)
	r.open()
	b := r.chain.Append(r.pay(1), r.pay(2), r.pay(3))
	s := r.session(1)
	ctx := t.Context()
	if err := s.start(ctx); err != nil {
		t.Fatal(err)
	}
	// Apply up to the second payment only, as a poisoned third would have it.
	for n := range uint64(4) {
		d, err := decode(r.chain.Block(n), -1, readmodeltest.Epoch)
		if err != nil {
			t.Fatal(err)
		}
		w := &work{at: s.at}
		for i := range d.txs {
			if n < 3 || i < 2 {
				w.add(&d.txs[i], readmodel.Position{Block: int64(n), TxIndex: d.txs[i].Index, Hash: d.hash})
			}
		}
		if err := s.commit(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	if c := r.checkpoint(); c.Block != 3 || c.TxIndex != 1 {
		t.Fatalf("checkpoint is (%d, %d)", c.Block, c.TxIndex)
	}
	if _, err := r.owner.Exec(ctx, `UPDATE app.leases SET expires_at = now() - interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.applied(b)
	r.checkBalances()
}

// A replica of the stream cut anywhere, by crashes between the writes and the
// commit and by restarts, ends in the same tables as one run (F-07, F-08).
func TestKF07CutAnywhere(t *testing.T) {
	r := newRig(t)
	if _, err := r.owner.Exec(t.Context(), `
		CREATE SEQUENCE fault;
		CREATE TABLE fault_until (n bigint);
		CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
		  IF nextval('fault') <= (SELECT max(n) FROM fault_until) THEN RAISE EXCEPTION 'injected crash' USING ERRCODE = '40001'; END IF;
		  RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER crash AFTER UPDATE OF block, tx_index ON read.checkpoint
		  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crash()`); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 7))
		r.Economy, r.chain = readmodeltest.NewEconomy(), readmodeltest.NewChain()
		r.fill(rng)
		last := r.chain.Block(must(r.chain.Height(t.Context())) - 1)

		r.reset()
		_, stop := r.start()
		r.applied(last)
		stop()
		r.checkBalances()
		want := readmodeltest.Dump(t, r.owner)

		r.reset()
		for range 4 {
			if _, err := r.owner.Exec(t.Context(), `INSERT INTO fault_until SELECT last_value + $1 FROM fault`, rng.IntN(3)); err != nil {
				t.Fatal(err)
			}
			target := int64(rng.Uint64N(last.Number + 1))
			_, stop := r.start(func(o *Options) { o.BatchSize = 1 + rng.IntN(30) })
			eventually(t, "part of the chain applied", func() bool { return r.checkpoint().Block >= target })
			stop()
		}
		_, stop = r.start(func(o *Options) { o.BatchSize = 1 + rng.IntN(30) })
		r.applied(last)
		stop()
		if diff := cmp.Diff(want, readmodeltest.Dump(t, r.owner)); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

// fill appends a random history.
func (r *rig) fill(rng *rand.Rand) {
	r.chain.Append(r.Tx(r.Bootstrap(), r.AddCountries("AE", "US", "KE")))
	for range 5 + rng.IntN(30) {
		var txs []ledger.BlockTx
		for range rng.IntN(4) {
			var commands []readmodeltest.Command
			for range rng.IntN(5) {
				at := readmodeltest.Epoch.Add(time.Duration(rng.IntN(1e6)) * time.Second)
				switch n := rng.IntN(20); {
				case n < 4 || len(r.Users) < 2:
					commands = append(commands, r.CreateUser(fmt.Sprintf("user%d", len(r.Users)), r.Countries[rng.IntN(3)], at))
				case n < 5:
					commands = append(commands, r.Freeze(r.Users[rng.IntN(len(r.Users))], "check", at))
				case n < 6:
					commands = append(commands, r.Unfreeze(r.Users[rng.IntN(len(r.Users))], at))
				case n < 7:
					commands = append(commands, r.Pause("a while"), r.Resume())
				default:
					to := append([]string{"treasury_AE", "SYSTEM_CHARITABLE_POOL"}, r.Users[1:]...)
					commands = append(commands, r.Transfer(r.Users[0], to[rng.IntN(len(to))], qirat.Amount(rng.Uint64N(200_000_000)+1), qirat.Amount(rng.Uint64N(3)), "x"))
				}
			}
			tx := r.Tx(commands...)
			txs = append(txs, tx)
			if rng.IntN(6) == 0 {
				txs = append(txs, ledger.BlockTx{ID: tx.ID + "-invalid", Code: ledger.ReadConflict})
			}
		}
		r.chain.Append(txs...)
	}
}

// reset empties the read model, as a rebuild does.
func (r *rig) reset() {
	r.t.Helper()
	if _, err := r.owner.Exec(r.t.Context(), `
		TRUNCATE read.event_log, read.event_dlq, read.command_results, read.parameters, read.accounts, read.users, read.pools, read.treasuries, read.countries, read.transactions;
		UPDATE read.system_status SET bootstrapped = false, paused = false, reason = '', max_supply = 0, changed_at = NULL;
		INSERT INTO fault_until SELECT last_value FROM fault;
		DELETE FROM fault_until;
		UPDATE read.checkpoint SET block = -1, tx_index = -1, block_hash = ''`); err != nil {
		r.t.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A chain that does not continue what was applied stops everything.
func TestKF12BrokenChain(t *testing.T) {
	for name, forge := range map[string]func(b ledger.Block) ledger.Block{
		"gap":           func(b ledger.Block) ledger.Block { b.Number++; return b },
		"repetition":    func(b ledger.Block) ledger.Block { b.Number--; return b },
		"previous hash": func(b ledger.Block) ledger.Block { b.PrevHash = []byte("other"); return b },
		"indexes": func(b ledger.Block) ledger.Block {
			b.Txs = []ledger.BlockTx{b.Txs[1], b.Txs[0]}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.open()
			good := r.chain.Append(r.pay(1), r.pay(2))
			r.chain.Forge(3, forge(good))
			p, _ := r.start()
			eventually(t, "halted", func() bool { s, _ := p.State(); return s == Halted })
			eventually(t, "halt reported", func() bool { return r.checkpoint().State == string(Halted) })
			if err := p.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "block") {
				t.Errorf("readiness: %v", err)
			}
			if c := r.checkpoint(); c.Block != 2 || c.Reason == "" || c.LagBlocks() != 1 {
				t.Errorf("checkpoint: %+v", c)
			}
			r.chain.Forge(3, good) // the peer is repaired
			r.applied(good)
			r.checkBalances()
			eventually(t, "ready again", func() bool { return p.Check(t.Context()) == nil })
		})
	}
}

// A read model of another ledger is not continued.
func TestOtherLedger(t *testing.T) {
	r := newRig(t)
	r.open()
	_, stop := r.start()
	r.applied(r.chain.Append())
	stop()
	before := readmodeltest.Dump(t, r.owner)

	r.Economy, r.chain = readmodeltest.NewEconomy(), readmodeltest.NewChain()
	r.chain.Append()
	p, _ := r.start()
	eventually(t, "shorter ledger refused", func() bool {
		err := p.Check(t.Context())
		return err != nil && strings.Contains(err.Error(), "was applied")
	})
	for range 5 {
		r.chain.Append(ledger.BlockTx{ID: "other"})
	}
	eventually(t, "other hash refused", func() bool { s, _ := p.State(); return s == Halted })
	if diff := cmp.Diff(before, readmodeltest.Dump(t, r.owner)); diff != "" {
		t.Error(diff)
	}
}

// Losing every database connection, again and again, loses nothing.
func TestDatabaseRestarts(t *testing.T) {
	r := newRig(t)
	r.open()
	r.start()
	var last ledger.Block
	for i := range 60 {
		last = r.chain.Append(r.pay(qirat.Amount(i + 1)))
		if i%10 == 5 {
			if _, err := r.owner.Exec(t.Context(), `
				SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.applied(last)
	r.checkBalances()
}

func TestLedgerOutage(t *testing.T) {
	r := newRig(t)
	r.open()
	p, _ := r.start()
	r.applied(r.chain.Append(r.pay(1)))
	r.chain.Fail(ledger.ErrUnavailable)
	eventually(t, "not ready", func() bool { return p.Check(t.Context()) != nil })
	r.chain.Fail(nil)
	r.applied(r.chain.Append(r.pay(2)))
	eventually(t, "ready again", func() bool { return p.Check(t.Context()) == nil })
	r.checkBalances()
}

// A leader that was paused past its lease can do no harm (F-11).
func TestKF11Fencing(t *testing.T) {
	r := newRig(t)
	r.open()
	ctx := t.Context()
	old := r.session(1)
	if err := old.start(ctx); err != nil {
		t.Fatal(err)
	}
	b := must(decode(r.chain.Block(0), -1, readmodeltest.Epoch))

	next := r.session(2)
	if err := old.apply(ctx, []*block{b}); judge(err) != stepDown || !errors.Is(err, lease.ErrLost) {
		t.Errorf("the old leader's write: %v", err)
	}
	if err := old.beat(ctx); !errors.Is(err, lease.ErrLost) {
		t.Errorf("the old leader's heartbeat: %v", err)
	}
	if c := r.checkpoint(); c.Block != -1 {
		t.Fatalf("the old leader moved the checkpoint: %+v", c)
	}
	if err := next.start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := next.apply(ctx, []*block{b}); err != nil {
		t.Fatal(err)
	}
	// A checkpoint that moved under a leader makes it step down.
	if _, err := r.owner.Exec(ctx, `UPDATE read.checkpoint SET block = 1`); err != nil {
		t.Fatal(err)
	}
	if err := next.apply(ctx, []*block{must(decode(r.chain.Block(1), -1, readmodeltest.Epoch))}); judge(err) != stepDown {
		t.Errorf("a moved checkpoint: %v", err)
	}
}

func TestKF11TwoProjectors(t *testing.T) {
	r := newRig(t)
	r.open()
	first, stopFirst := r.start()
	eventually(t, "first leads", func() bool { s, _ := first.State(); return s == Live })
	second, _ := r.start()
	r.applied(r.chain.Append(r.pay(1)))
	if s, _ := second.State(); s != Standby || second.Check(t.Context()) != nil {
		t.Errorf("second is %s", s)
	}
	stopFirst()
	r.applied(r.chain.Append(r.pay(2)))
	r.checkBalances()
	if s, _ := first.State(); s != Standby {
		t.Errorf("first is %s", s)
	}
}
