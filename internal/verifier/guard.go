package verifier

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
)

// named is how many differences of a pass are logged one by one.
const named = 20

// GuardOptions of a guard. Zero values take the defaults.
type GuardOptions struct {
	Every      time.Duration // pause between two passes; default 1 min
	Replay     time.Duration // how often a pass also replays the ledger, see Options, the first time after so long; default 1 day
	Rate       int           // of a pass, see Options; default 2000
	Patience   time.Duration // see Options
	Confirm    time.Duration // see Options; default 2 s: there is no hurry to condemn
	Log        *slog.Logger
	Registerer prometheus.Registerer // nil: metrics are kept but not registered
}

// Guard verifies over and over, and condemns a read model that is not what the
// ledger says: its projector halts and reads are marked stale, until it is
// replaced by one that was built anew.
type Guard struct {
	db      postgres.DB
	ledger  ledger.Ledger
	o       GuardOptions
	metrics guardMetrics

	violations float64   // of the last pass
	replayed   time.Time // when the last replay began, or the guard
}

type guardMetrics struct {
	passes     *prometheus.CounterVec
	found      prometheus.Counter
	compared   prometheus.Counter
	violations prometheus.Gauge
	unsettled  prometheus.Gauge
	height     prometheus.Gauge
	completed  prometheus.Gauge
	seconds    prometheus.Gauge
}

// NewGuard returns a guard; db is a pool with the rights of gx_verifier.
func NewGuard(db postgres.DB, l ledger.Ledger, o GuardOptions) *Guard {
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	if o.Confirm <= 0 {
		o.Confirm = 2 * time.Second
	}
	if o.Replay <= 0 {
		o.Replay = 24 * time.Hour
	}
	if o.Rate <= 0 {
		o.Rate = 2000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := promauto.With(o.Registerer)
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return &Guard{db: db, ledger: l, o: o, metrics: guardMetrics{
		passes: f.NewCounterVec(prometheus.CounterOpts{Name: "gx_verifier_passes_total",
			Help: "Verifications of everything by result: clean, unsettled, violated, failed."}, []string{"result"}),
		found: f.NewCounter(prometheus.CounterOpts{Name: "gx_ledger_invariant_violation_total",
			Help: "Differences between the ledger and the read model that were confirmed."}),
		compared: f.NewCounter(prometheus.CounterOpts{Name: "gx_verifier_compared_total",
			Help: "Keys, rows and blocks that were compared."}),
		violations: gauge("gx_verifier_violations", "Confirmed differences of the last pass; at least 1 while the read model is condemned."),
		unsettled:  gauge("gx_verifier_unsettled", "Keys of the last pass that changed whenever they were looked at."),
		height:     gauge("gx_verifier_height", "Blocks of the ledger at the beginning of the last complete pass."),
		completed:  gauge("gx_verifier_completed_timestamp_seconds", "When the last complete pass ended."),
		seconds:    gauge("gx_verifier_pass_duration_seconds", "How long the last complete pass took."),
	}}
}

// Run verifies until ctx ends, whose error it returns. condemn stores what it has
// found.
func (g *Guard) Run(ctx context.Context, condemn projector.Condemn) error {
	defer g.metrics.violations.Set(0) // another process looks now
	g.replayed = time.Now()
	for {
		result, err := g.pass(ctx, condemn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			result = "failed"
			g.o.Log.Warn("verification", slog.Any("error", err))
		}
		g.metrics.passes.WithLabelValues(result).Inc()
		if err := pause(ctx, g.o.Every); err != nil {
			return err
		}
	}
}

// pass verifies everything once, unless nothing more can be said.
func (g *Guard) pass(ctx context.Context, condemn projector.Condemn) (result string, err error) {
	c, err := readmodel.Checkpoint(ctx, g.db)
	if err != nil {
		return "", err
	}
	if c.Violation != "" {
		g.metrics.violations.Set(max(1, g.violations))
		return "violated", nil
	}
	began, before := time.Now(), uint64(0)
	o := Options{Rate: g.o.Rate, Patience: g.o.Patience, Confirm: g.o.Confirm, Replay: began.Sub(g.replayed) >= g.o.Replay}
	o.Progress = func(p Progress) {
		g.metrics.compared.Add(float64(p.Compared - before))
		before = p.Compared
	}
	r, err := Verify(ctx, g.db, g.ledger, o)
	if err != nil {
		return "", err
	}
	if o.Replay {
		g.replayed = began
	}
	m := &g.metrics
	g.violations = float64(len(r.Violations))
	m.violations.Set(g.violations)
	m.unsettled.Set(float64(len(r.Unsettled)))
	m.height.Set(float64(r.Height))
	m.completed.SetToCurrentTime()
	m.seconds.Set(r.Seconds)
	switch n := len(r.Violations); {
	case n > 0:
		m.found.Add(float64(n))
		for _, v := range r.Violations[:min(n, named)] {
			g.o.Log.Error("the read model is not what the ledger says", slog.String("violation", v.String()))
		}
		why := r.Violations[0].String()
		if n > 1 {
			why = fmt.Sprintf("%s (violations: %d)", why, n)
		}
		return "violated", condemn(ctx, why)
	case len(r.Unsettled) > 0:
		return "unsettled", nil
	}
	return "clean", nil
}
