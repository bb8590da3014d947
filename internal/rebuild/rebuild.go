// Package rebuild makes the read model anew from the ledger, beside the live one,
// and puts it in its place.
//
//	build ──> compare ──> verify ──> hand over
//	  ^          the digests of    if they differ,      the live projector is deposed,
//	  │          both at one       against the ledger   the rest is applied, and the
//	  └─ resumes checkpoint                             schemas are swapped
//
// The live projector goes on until the very end, and readers never see anything
// but one complete read model. What was live is kept, for a way back.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/verifier"
)

var (
	// ErrWrong reports a new read model that is not what the ledger says either.
	// It is left where it was built, and the live one in its place.
	ErrWrong = errors.New("rebuild: the new read model is not what the ledger says")
	// ErrNothing reports that there is no read model to go back to, or to drop.
	ErrNothing = errors.New("rebuild: no earlier read model is kept")
	// ErrForm reports an earlier read model that this program can't use, since a
	// migration has changed the live one since.
	ErrForm = errors.New("rebuild: the earlier read model has an older form")
)

// Actions in the audit trail.
const (
	Replaced   audit.Action = "READ_MODEL_REPLACED"
	RolledBack audit.Action = "READ_MODEL_ROLLED_BACK"
	Dropped    audit.Action = "READ_MODEL_DROPPED"
)

// Options of a rebuild. By and Reason are required; zero values of others take the defaults.
type Options struct {
	By     string // who does it
	Reason string
	Build  string // of this program: another one's unfinished work is not continued
	Fresh  bool   // begin at block 0 whatever there is

	Channel  string // of the live projector; default projector.DefaultChannel
	Clock    clock.Clock
	Log      *slog.Logger
	Progress func(Progress)

	BatchSize int           // see projector.Options
	LeaseTTL  time.Duration // default 5 s: after a rebuild that was killed the next one waits for so long
	Stall     time.Duration // longest that readers wait in an attempt to hand over; default 250 ms
	Patience  time.Duration // bounds the attempts to hand over; default 5 min
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if o.Channel == "" {
		o.Channel = projector.DefaultChannel
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	def(&o.LeaseTTL, 5*time.Second)
	def(&o.Stall, 250*time.Millisecond)
	def(&o.Patience, 5*time.Minute)
	return o
}

// remainder bounds the time for which a swap keeps the live projector out before
// it locks anything that readers need.
const remainder = 5 * time.Second

// Step is a part of a rebuild.
type Step string

const (
	Waiting     Step = "wait"      // for another rebuild to end
	Building    Step = "build"     // from the ledger
	Comparing   Step = "compare"   // with the live read model
	Verifying   Step = "verify"    // against the ledger
	HandingOver Step = "hand over" // to the readers
)

// Progress says how far a rebuild is.
type Progress struct {
	Step   Step
	Blocks uint64        // applied
	Of     uint64        // to apply
	Left   time.Duration // at the pace so far; 0: not known
}

// Report says what was done.
type Report struct {
	From      int64            `json:"from"`  // block after which the build went on; -1: from the first
	Block     int64            `json:"block"` // both read models were compared as of this block
	TxIndex   int              `json:"txIndex"`
	Live      string           `json:"live"`           // digest of the read model that was live
	Built     string           `json:"built"`          // digest of the new one
	Differing []string         `json:"differing"`      // tables
	Condemned string           `json:"condemned"`      // why the one that was live was condemned; empty: it was not
	Verified  *verifier.Report `json:"verified"`       // of the new one; nil: that was not needed
	Replaced  bool             `json:"replaced"`       // the new one is live
	Swapped   int64            `json:"swapped"`        // block with which it went live
	Seconds   float64          `json:"seconds"`        // all in all
	Stalled   float64          `json:"stalledSeconds"` // longest that a reader can have waited for the swap
}

// Run rebuilds the read model. It continues what an earlier run of this program
// has left. pool has the rights of the owner; one that doesn't wait for the disk is
// good enough. The report is also there when the error is ErrWrong.
func Run(ctx context.Context, pool *pgxpool.Pool, l ledger.Ledger, o Options) (*Report, error) {
	return run(ctx, pool, l, readmodel.Next, o, (*rebuild).forward)
}

// Back makes the read model live again that was before the last Run or Back. It
// is brought to where the live one is first. The report has no digests.
func Back(ctx context.Context, pool *pgxpool.Pool, l ledger.Ledger, o Options) (*Report, error) {
	return run(ctx, pool, l, readmodel.Previous, o, (*rebuild).back)
}

// DropOld drops the read model that is kept for Back.
func DropOld(ctx context.Context, pool *pgxpool.Pool, o Options) error {
	r, err := newRebuild(pool, nil, readmodel.Previous, o)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if there, err := readmodel.Exists(ctx, tx, readmodel.Previous); err != nil {
			return err
		} else if !there {
			return ErrNothing
		}
		if err := readmodel.Drop(ctx, tx, readmodel.Previous); err != nil {
			return err
		}
		return r.record(ctx, tx, Dropped)
	})
}

// rebuild is one run. Everything is done under its term.
type rebuild struct {
	pool   *pgxpool.Pool
	ledger ledger.Ledger
	schema string // where it is built
	o      Options
	term   lease.Term
	next   *projector.Projector
	report Report
}

func newRebuild(pool *pgxpool.Pool, l ledger.Ledger, schema string, o Options) (*rebuild, error) {
	if o.By == "" || o.Reason == "" {
		return nil, errors.New("rebuild: a name and a reason are required")
	}
	o = o.withDefaults()
	return &rebuild{pool: pool, ledger: l, schema: schema, o: o, report: Report{From: -1, Differing: []string{}},
		next: projector.New(pool, l, projector.Options{Schema: schema, Clock: o.Clock, Log: o.Log, BatchSize: o.BatchSize})}, nil
}

// run does what there is to do as the only rebuild of the channel.
func run(ctx context.Context, pool *pgxpool.Pool, l ledger.Ledger, schema string, o Options, do func(*rebuild, context.Context) error) (*Report, error) {
	r, err := newRebuild(pool, l, schema, o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	ctx, end := context.WithCancel(ctx)
	defer end()
	r.o.Progress(Progress{Step: Waiting})
	var done error
	err = lease.Run(ctx, pool, lease.Options{Name: "rebuild:" + r.o.Channel, Holder: uuid.NewString(), TTL: r.o.LeaseTTL, Log: r.o.Log},
		func(ctx context.Context, t lease.Term) error {
			defer end()
			r.term = t
			if done = do(r, ctx); done != nil && ctx.Err() != nil {
				done = context.Cause(ctx)
			}
			return done
		})
	if r.term == (lease.Term{}) {
		return nil, err
	}
	r.report.Seconds = time.Since(began).Seconds()
	if done != nil && !errors.Is(done, ErrWrong) {
		return nil, done
	}
	return &r.report, done
}

// forward builds, compares and hands over a new read model.
func (r *rebuild) forward(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	if err := readmodel.Analyze(ctx, r.pool, r.schema); err != nil {
		return err
	}
	if err := r.compare(ctx); err != nil {
		return err
	}
	if len(r.report.Differing) > 0 || r.report.Condemned != "" {
		if err := r.verify(ctx); err != nil {
			return err
		}
	}
	return r.handOver(ctx, Replaced)
}

// back hands over the read model that was live before.
func (r *rebuild) back(ctx context.Context) error {
	switch there, err := readmodel.Exists(ctx, r.pool, r.schema); {
	case err != nil:
		return err
	case !there:
		return ErrNothing
	}
	switch same, err := readmodel.SameForm(ctx, r.pool, r.schema); {
	case err != nil:
		return err
	case !same:
		return ErrForm
	}
	at, err := readmodel.Checkpoint(ctx, readmodel.In(r.pool, r.schema))
	if err != nil {
		return err
	}
	if at.Violation != "" {
		return fmt.Errorf("%w: it was condemned: %s", ErrWrong, at.Violation)
	}
	r.report.From = at.Block
	if err := r.carryOver(ctx); err != nil {
		return err
	}
	return r.handOver(ctx, RolledBack)
}

// prepare makes an empty read model, or finds one to go on with: of this
// program's making, of the same form and not ahead of the live one.
func (r *rebuild) prepare(ctx context.Context) error {
	resumed, err := r.resumable(ctx)
	if err != nil {
		return err
	}
	if resumed {
		return r.carryOver(ctx)
	}
	return r.transact(ctx, func(tx pgx.Tx) error {
		if err := readmodel.Drop(ctx, tx, r.schema); err != nil {
			return err
		}
		return readmodel.Create(ctx, tx, r.schema, r.o.Build)
	})
}

func (r *rebuild) resumable(ctx context.Context) (bool, error) {
	there, err := readmodel.Exists(ctx, r.pool, r.schema)
	if err != nil || !there || r.o.Fresh {
		return false, err
	}
	same, err := readmodel.SameForm(ctx, r.pool, r.schema)
	if err != nil || !same {
		return false, err
	}
	note, err := readmodel.Note(ctx, r.pool, r.schema)
	if err != nil || note != r.o.Build {
		return false, err
	}
	at, err := readmodel.Checkpoint(ctx, readmodel.In(r.pool, r.schema))
	if err != nil {
		return false, err
	}
	live, err := readmodel.Checkpoint(ctx, r.pool)
	if err != nil || after(at, live) {
		return false, err
	}
	r.report.From = at.Block
	return true, nil
}

func after(a, b readmodel.CheckpointState) bool {
	return a.Block > b.Block || a.Block == b.Block && a.TxIndex > b.TxIndex
}

func (r *rebuild) carryOver(ctx context.Context) error {
	return r.transact(ctx, func(tx pgx.Tx) error { return readmodel.CarryOver(ctx, tx, r.schema) })
}

// transact runs f in a transaction that proves the term.
func (r *rebuild) transact(ctx context.Context, f func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if err := r.term.Assert(ctx, tx); err != nil {
			return err
		}
		return f(tx)
	})
}

// build applies the ledger up to a position.
func (r *rebuild) build(ctx context.Context, until readmodel.Position) error {
	began, from := time.Now(), int64(-2)
	err := r.next.Build(ctx, r.term, &until, func(at readmodel.Position) {
		if from == -2 {
			from = at.Block
		}
		p := Progress{Step: Building, Blocks: uint64(at.Block + 1), Of: uint64(max(until.Block, at.Block) + 1)}
		if done := at.Block - from; done > 0 && until.Block > at.Block {
			p.Left = time.Since(began) / time.Duration(done) * time.Duration(until.Block-at.Block)
		}
		r.o.Progress(p)
	})
	if err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	return nil
}

// catchUp builds up to where the live read model is.
func (r *rebuild) catchUp(ctx context.Context) error {
	live, err := readmodel.Checkpoint(ctx, r.pool)
	if err != nil {
		return err
	}
	r.report.Condemned = live.Violation
	return r.build(ctx, readmodel.Position{Block: live.Block, TxIndex: live.TxIndex})
}

// compare brings the new read model to the checkpoint that the live one has in
// one snapshot, and reads the digests of both.
func (r *rebuild) compare(ctx context.Context) error {
	r.o.Progress(Progress{Step: Comparing})
	var at readmodel.CheckpointState
	var live readmodel.Digest
	err := pgx.BeginTxFunc(ctx, r.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		if at, err = readmodel.Checkpoint(ctx, tx); err == nil {
			live, err = readmodel.ReadDigest(ctx, tx, readmodel.Live)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := r.build(ctx, readmodel.Position{Block: at.Block, TxIndex: at.TxIndex}); err != nil {
		return err
	}
	r.o.Progress(Progress{Step: Comparing})
	built, err := readmodel.ReadDigest(ctx, r.pool, r.schema)
	if err != nil {
		return err
	}
	r.report.Block, r.report.TxIndex, r.report.Live, r.report.Built = at.Block, at.TxIndex, live.String(), built.String()
	r.report.Differing = append(r.report.Differing, live.Differ(built)...)
	return nil
}

// verify compares the new read model with the ledger, key by key, while it follows.
func (r *rebuild) verify(ctx context.Context) error {
	r.o.Progress(Progress{Step: Verifying})
	g, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	g.Go(func() error {
		if err := r.next.Build(ctx, r.term, nil, nil); ctx.Err() == nil {
			return fmt.Errorf("rebuild: %w", err)
		}
		return nil
	})
	g.Go(func() (err error) {
		defer stop()
		r.report.Verified, err = verifier.Verify(ctx, readmodel.In(r.pool, r.schema), r.ledger, verifier.Options{
			Progress: func(p verifier.Progress) { r.o.Progress(Progress{Step: Verifying, Blocks: p.Compared}) },
		})
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := r.report.Verified.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrWrong, err)
	}
	return nil
}

// handOver swaps as soon as the readers let it.
func (r *rebuild) handOver(ctx context.Context, action audit.Action) error {
	until := time.Now().Add(r.o.Patience)
	for wait := r.o.Stall; ; wait = min(2*wait, 10*time.Second) {
		if err := r.catchUp(ctx); err != nil {
			return err
		}
		err := r.swap(ctx, action)
		if !errors.Is(err, readmodel.ErrBusy) || time.Now().After(until) {
			return err
		}
		r.o.Log.Info("the read model is in use, another attempt to hand over follows", "in", wait)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// swap keeps the live projector out, applies what is missing and makes the new
// read model the live one.
func (r *rebuild) swap(ctx context.Context, action audit.Action) error {
	var locked time.Time
	err := r.transact(ctx, func(tx pgx.Tx) error {
		if err := lease.Depose(ctx, tx, projector.Lease(r.o.Channel)); err != nil {
			return err
		}
		live, err := readmodel.LockCheckpoint(ctx, tx)
		if err != nil && !errors.Is(err, readmodel.ErrCondemned) {
			return err
		}
		if err := r.finish(ctx, live); err != nil {
			return err
		}
		r.o.Progress(Progress{Step: HandingOver})
		if err := readmodel.CarryOver(ctx, tx, r.schema); err != nil {
			return err
		}
		at, err := readmodel.Checkpoint(ctx, readmodel.In(tx, r.schema))
		if err != nil {
			return err
		}
		r.report.Swapped = at.Block
		if err := r.record(ctx, tx, action); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = on`); err != nil {
			return err
		}
		if r.schema != readmodel.Previous {
			if err := readmodel.Drop(ctx, tx, readmodel.Previous); err != nil {
				return err
			}
		}
		locked = time.Now()
		return readmodel.Swap(ctx, tx, r.schema, r.o.Stall)
	})
	if !locked.IsZero() {
		r.report.Stalled = max(r.report.Stalled, time.Since(locked).Seconds())
	}
	r.report.Replaced = err == nil
	return err
}

// finish applies what is missing, which is little, while nobody projects.
func (r *rebuild) finish(ctx context.Context, live readmodel.Position) error {
	bounded, cancel := context.WithTimeout(ctx, remainder)
	defer cancel()
	err := r.build(bounded, live)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		return fmt.Errorf("%w: the last blocks could not be applied in %s: %w", readmodel.ErrBusy, remainder, err)
	}
	return err
}

// record leaves a record in the audit trail.
func (r *rebuild) record(ctx context.Context, tx pgx.Tx, action audit.Action) error {
	detail, err := audit.Detail(struct {
		Reason    string   `json:"reason"`
		Block     int64    `json:"block"`
		Digest    string   `json:"digest,omitzero"`
		Differing []string `json:"differing,omitzero"`
		Condemned string   `json:"condemned,omitzero"`
	}{r.o.Reason, r.report.Swapped, r.report.Built, slices.Clip(r.report.Differing), r.report.Condemned})
	if err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: r.o.Clock(), Actor: r.o.By, Action: action, ResourceType: "read-model", ResourceID: r.schema, Detail: detail})
}
