// Package submitter takes commands from the outbox to the ledger. It is a
// generic engine: what a command means is the contracts' business, which lanes
// it touches and who signs it the command registry's.
//
// One submitter per channel leads, by a fenced lease; the others stand by. The
// leader claims commands in the order of their acceptance, packs them into
// batches that share no lane with a batch at work, and takes each batch through
//
//	prepare ──> endorse ──> store ──> submit ──> status ──> settle
//
// A batch that is stored ends only with the recorded fate of its transaction:
// while that is unknown the same bytes are submitted again, by whoever leads
// then. Everything before that may be repeated with a new transaction, because
// nothing happened. Whoever begins to lead recovers from the database, and a
// leader that is surprised by the database or loses it begins anew.
//
// The submitter changes nothing but the outbox: read models learn from blocks.
package submitter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/lease"
)

// Options of a submitter. Zero values take the defaults.
type Options struct {
	Channel    string // names the lease; default "gx"
	Holder     string // names this process in the lease, unlike any other; default host and process id
	Clock      clock.Clock
	Random     func() float64 // in [0, 1), spreads retries
	Log        *slog.Logger
	Registerer prometheus.Registerer // nil: metrics are kept but not registered
	Outbox     *outbox.Outbox        // of this process; default one of its own
	Policy     outbox.Policy
	Jobs       []Job

	LeaseTTL   time.Duration // default 5 s
	LeaseRetry time.Duration // default 500 ms
	Poll       time.Duration // default 100 ms: how often the clock and, unless woken, the outbox are looked at
	Drain      time.Duration // default 20 s: how long a stopping leader waits for its batches

	Pipeline int // batches at work; default 4
	MaxBatch int // commands in a batch; default 500
	MaxBytes int // of a batch, unless one command is larger; default 1 MiB

	EndorseTimeout time.Duration // default 30 s
	SubmitTimeout  time.Duration // default 10 s
	StatusTimeout  time.Duration // default 10 s: then the transaction is submitted again; an orderer that dies loses what it had accepted
	ProbeTimeout   time.Duration // default 1 s: the same when it is doubtful that it was submitted

	BreakerWindow  time.Duration // default 10 s
	BreakerTimeout time.Duration // default 30 s: from opening to the first probe

	Keep       time.Duration // default 7 days: how long what is finished and its Idempotency-Keys are kept
	SweepEvery time.Duration // default 10 min
}

func (o Options) withDefaults() Options {
	duration := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	number := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	if o.Channel == "" {
		o.Channel = "gx"
	}
	if o.Holder == "" {
		host, _ := os.Hostname()
		o.Holder = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Outbox == nil {
		o.Outbox = outbox.New(outbox.Options{Clock: o.Clock})
	}
	duration(&o.LeaseTTL, 5*time.Second)
	duration(&o.LeaseRetry, 500*time.Millisecond)
	duration(&o.Poll, 100*time.Millisecond)
	duration(&o.Drain, 20*time.Second)
	number(&o.Pipeline, 4)
	number(&o.MaxBatch, 500)
	number(&o.MaxBytes, 1<<20)
	duration(&o.EndorseTimeout, 30*time.Second)
	duration(&o.SubmitTimeout, 10*time.Second)
	duration(&o.StatusTimeout, 10*time.Second)
	duration(&o.ProbeTimeout, time.Second)
	duration(&o.BreakerWindow, 10*time.Second)
	duration(&o.BreakerTimeout, 30*time.Second)
	duration(&o.Keep, 7*24*time.Hour)
	duration(&o.SweepEvery, 10*time.Minute)
	return o
}

// Submitter is one process's candidate for the submitter of a channel.
type Submitter struct {
	pool    *pgxpool.Pool
	ledger  ledger.Ledger
	o       Options
	worker  uuid.UUID
	breaker *gobreaker.CircuitBreaker[any]
	metrics *metrics

	mu      sync.Mutex
	running bool
	leading bool
	beat    time.Time // when the leader's loop last came round
	trouble error     // what ended a term before its time, until one has begun well
	since   time.Time // of the trouble
}

// New returns a submitter over a pool with role gx_submitter, which must commit
// synchronously: a transaction that is submitted may not vanish from its batch.
func New(pool *pgxpool.Pool, l ledger.Ledger, o Options) *Submitter {
	o = o.withDefaults()
	s := &Submitter{pool: pool, ledger: l, o: o, worker: uuid.New(), metrics: newMetrics(o.Registerer)}
	s.breaker = s.newBreaker()
	return s
}

// Run campaigns, leads and stands by until ctx ends, whose error it returns. A
// leader then finishes what is at work, up to a bound, and gives back the rest.
func (s *Submitter) Run(ctx context.Context) error {
	s.set(func() { s.running = true })
	defer s.set(func() { s.running = false })
	// The term outlives ctx until the leader has drained.
	term, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.leading {
			end()
		}
	})
	defer stop()
	err := lease.Run(term, s.pool, lease.Options{
		Name: "submitter:" + s.o.Channel, Holder: s.o.Holder, TTL: s.o.LeaseTTL, Retry: s.o.LeaseRetry, Log: s.o.Log, Clock: s.o.Clock,
	}, func(leading context.Context, t lease.Term) error {
		s.set(func() { s.leading, s.beat = true, time.Now() })
		err := s.lead(leading, ctx.Done(), t)
		s.set(func() {
			s.leading = false
			if leading.Err() == nil { // else another may lead well
				s.trouble, s.since = err, time.Now()
			}
			if ctx.Err() != nil {
				end()
			}
		})
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (s *Submitter) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// stuck is how long the leader's loop may take to come round, and how long the
// trouble of a term tells of the next.
const stuck = 15 * time.Second

// Check is the readiness: nil when this process leads without trouble, or
// stands by with a database to lead on. A full outbox is no trouble.
func (s *Submitter) Check(ctx context.Context) error {
	s.mu.Lock()
	running, leading, beat, trouble, since := s.running, s.leading, s.beat, s.trouble, s.since
	s.mu.Unlock()
	switch {
	case !running:
		return errors.New("submitter is not running")
	case trouble != nil && time.Since(since) < stuck:
		return fmt.Errorf("submitter is trying again: %w", trouble)
	case !leading:
		if err := s.pool.Ping(ctx); err != nil {
			return fmt.Errorf("submitter stands by without a database: %w", err)
		}
	case time.Since(beat) > stuck:
		return fmt.Errorf("submitter loop is stuck since %s", beat.UTC().Format(time.RFC3339))
	case s.breaker.State() != gobreaker.StateClosed:
		return errors.New("submitter waits for the ledger, which does not answer")
	}
	return nil
}
