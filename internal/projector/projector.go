// Package projector applies the ledger to the read model, exactly once and in
// order. It is a generic engine: what an event does is the read model's
// business (package readmodel).
//
// One projector per channel is the leader, by a fenced lease; the others stand
// by. The leader walks through explicit states:
//
//	STANDBY ──lease──> STARTING ──> CATCHING_UP <──> LIVE
//	   ^                ^  ^             │            │
//	   │            retry  └─────────────┴── error ───┤
//	   │                └──────── HALTED <── poison ──┘
//	   └── lease lost, or the checkpoint is not what it should be
//
// STARTING reads the stored checkpoint and opens the block stream there.
// CATCHING_UP applies many transactions in one database transaction, LIVE a
// block as it arrives. HALTED means that data cannot be applied, or that the
// verifier has found the read model wrong: it stays until an operator resolves
// the dead letter, acquits the read model or a retry succeeds, and reads go on.
//
// Every database transaction of the leader proves its lease term first, then
// locks the checkpoint and compares it with what the leader believes; events
// and the new checkpoint commit together. Any surprise leads back to the stored
// checkpoint, never forward. The pool may run with synchronous_commit off: a
// lost commit is a transaction that is applied again, because its checkpoint
// was lost with it.
package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
)

// State is where a projector is.
type State string

const (
	Standby    State = "STANDBY"
	Starting   State = "STARTING"
	CatchingUp State = "CATCHING_UP"
	Live       State = "LIVE"
	Halted     State = "HALTED"
)

// States lists every state.
var States = []State{Standby, Starting, CatchingUp, Live, Halted}

// DefaultChannel is the channel of a projector that is told of none.
const DefaultChannel = "gx"

// Options of a projector. Zero values take the defaults.
type Options struct {
	Channel    string // names the lease; default DefaultChannel
	Schema     string // of the read model; default readmodel.Live
	Holder     string // names this process in the lease, unlike any other; default host and process id
	Clock      clock.Clock
	Log        *slog.Logger
	Registerer prometheus.Registerer // nil: metrics are kept but not registered

	LeaseTTL   time.Duration // default 10 s
	LeaseRetry time.Duration // default 2 s
	Heartbeat  time.Duration // default 1 s: report, ledger height
	Patience   time.Duration // default 10 s: with a stream that does not bring a block that the ledger has
	HaltRetry  time.Duration // default 5 s: how often a halted projector tries again
	BackoffMin time.Duration // default 1 s
	BackoffMax time.Duration // default 30 s
	BatchSize  int           // commands and events after which a database transaction takes no further block; default 5000

	// Beside runs beside each term of this process, until its context ends, and may
	// condemn the read model of that term. May be nil.
	Beside func(ctx context.Context, condemn Condemn) error
}

// Condemn stores why the read model is not what the ledger says, which halts its
// projector.
type Condemn func(ctx context.Context, violation string) error

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if o.Channel == "" {
		o.Channel = DefaultChannel
	}
	if o.Schema == "" {
		o.Schema = readmodel.Live
	}
	if o.Holder == "" {
		host, _ := os.Hostname()
		o.Holder = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BatchSize <= 0 {
		o.BatchSize = 5000
	}
	def(&o.LeaseTTL, 10*time.Second)
	def(&o.LeaseRetry, 2*time.Second)
	def(&o.Heartbeat, time.Second)
	def(&o.Patience, 10*time.Second)
	def(&o.HaltRetry, 5*time.Second)
	def(&o.BackoffMin, time.Second)
	def(&o.BackoffMax, 30*time.Second)
	return o
}

// Projector is one process's candidate for the projector of a channel.
type Projector struct {
	pool    *pgxpool.Pool
	db      postgres.DB // pool, with the tables of the schema
	ledger  ledger.Ledger
	o       Options
	metrics *metrics

	mu      sync.Mutex
	running bool
	state   State
	reason  string // why it is halted or trying again; empty when all is well
	changed chan struct{}
}

// New returns a projector over a pool with role gx_projector.
func New(pool *pgxpool.Pool, l ledger.Ledger, o Options) *Projector {
	o = o.withDefaults()
	p := &Projector{pool: pool, db: readmodel.In(pool, o.Schema), ledger: l, o: o, metrics: newMetrics(o.Registerer), state: Standby, changed: make(chan struct{}, 1)}
	p.metrics.state(Standby)
	return p
}

// Lease names the lease of a channel's projectors.
func Lease(channel string) string { return "projector:" + channel }

// Run campaigns, leads and stands by until ctx ends.
func (p *Projector) Run(ctx context.Context) error {
	p.setRunning(true)
	defer p.setRunning(false)
	return lease.Run(ctx, p.pool, lease.Options{
		Name: Lease(p.o.Channel), Holder: p.o.Holder, TTL: p.o.LeaseTTL, Retry: p.o.LeaseRetry, Log: p.o.Log, Clock: p.o.Clock,
	}, p.lead)
}

func (p *Projector) setRunning(v bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = v
}

// Check is the readiness: nil when this process leads without trouble, or
// stands by with a database to lead on. An idle ledger is no trouble, nor is a lag.
func (p *Projector) Check(ctx context.Context) error {
	p.mu.Lock()
	running, state, reason := p.running, p.state, p.reason
	p.mu.Unlock()
	switch {
	case !running:
		return errors.New("projector is not running")
	case state == Halted:
		return fmt.Errorf("projector is halted: %s", reason)
	case reason != "":
		return fmt.Errorf("projector is trying again: %s", reason)
	case state == Standby:
		if err := p.pool.Ping(ctx); err != nil {
			return fmt.Errorf("projector stands by without a database: %w", err)
		}
	}
	return nil
}

// State returns where the projector is, and why when it is in trouble.
func (p *Projector) State() (State, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state, p.reason
}

// enter moves to a state. Only this function changes it.
func (p *Projector) enter(s State, reason string) {
	p.mu.Lock()
	before, beforeReason := p.state, p.reason
	p.state, p.reason = s, reason
	p.mu.Unlock()
	if before == s && beforeReason == reason {
		return
	}
	p.metrics.state(s)
	level := slog.LevelInfo
	switch {
	case s == Halted:
		level = slog.LevelError
	case reason != "":
		level = slog.LevelWarn
	case before == CatchingUp && s == Live, before == Live && s == CatchingUp:
		level = slog.LevelDebug
	}
	p.o.Log.Log(context.Background(), level, "projector state", "from", before, "to", s, "reason", reason)
	select {
	case p.changed <- struct{}{}: // the heartbeat stores it at once
	default:
	}
}

// lead runs one lease term: it returns when the term is over or in doubt.
func (p *Projector) lead(ctx context.Context, term lease.Term) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &session{Projector: p, term: term}
	var beats sync.WaitGroup
	beats.Go(func() { s.heartbeats(ctx) })
	if p.o.Beside != nil {
		beats.Go(func() {
			if err := p.o.Beside(ctx, s.condemn); err != nil && ctx.Err() == nil {
				p.o.Log.Error("beside the projector", "error", err)
			}
		})
	}
	defer func() {
		cancel()
		beats.Wait()
		p.metrics.letters.Set(0) // another process counts them
		p.enter(Standby, "")
	}()

	p.enter(Starting, "")
	backoff := p.o.BackoffMin
	for {
		before := s.at
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !same(s.at, before) {
			backoff = p.o.BackoffMin
		}
		v := judge(err)
		p.metrics.errors.WithLabelValues(string(v)).Inc()
		wait := backoff
		switch v {
		case stepDown:
			return err
		case halt:
			p.enter(Halted, err.Error())
			wait = p.o.HaltRetry
		case retry:
			if state, _ := p.State(); state != Halted { // until something is applied
				p.enter(Starting, err.Error())
			}
			backoff = min(2*backoff, p.o.BackoffMax)
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// verdict is what an error means for the leader.
type verdict string

const (
	stepDown verdict = "step_down" // another leader may be at work: start over from the lease
	halt     verdict = "halt"      // the data cannot be applied
	retry    verdict = "retry"     // the database or the ledger is in trouble: try again from the checkpoint
)

// judge is the whole error policy.
func judge(err error) verdict {
	var broken *BrokenChainError
	var poison *PoisonError
	switch {
	case errors.Is(err, lease.ErrLost), errors.Is(err, errSurprise):
		return stepDown
	case errors.As(err, &broken), errors.As(err, &poison), errors.Is(err, readmodel.ErrCondemned):
		return halt
	}
	return retry
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
