package submitter

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/sony/gobreaker/v2"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/command"
)

type metrics struct {
	processed *prometheus.CounterVec
	duration  prometheus.Histogram
	batch     prometheus.Histogram
	unknown   prometheus.Counter
	lost      prometheus.Counter
	tasks     *prometheus.CounterVec
	leading   prometheus.Gauge
	depth     prometheus.Gauge
	oldest    prometheus.Gauge
	dead      prometheus.Gauge
	open      prometheus.Gauge
	breaker   prometheus.Gauge
	parts     prometheus.Gauge
	finished  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		processed: f.NewCounterVec(prometheus.CounterOpts{Name: "outbox_commands_processed_total",
			Help: "Commands that reached their end: success, failed, or max_retries when they were given up after repeated failures."},
			[]string{"command", "status", "class"}),
		duration: f.NewHistogram(prometheus.HistogramOpts{Name: "outbox_processing_duration_seconds",
			Help: "Time from the claim of a command to its end.", Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 30}}),
		batch: f.NewHistogram(prometheus.HistogramOpts{Name: "outbox_batch_commands",
			Help: "Commands in a ledger transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 12)}),
		unknown: f.NewCounter(prometheus.CounterOpts{Name: "outbox_unknown_outcomes_total",
			Help: "Times that a submitted transaction was not heard of in due time."}),
		lost: f.NewCounter(prometheus.CounterOpts{Name: "outbox_lease_lost_total",
			Help: "Terms that ended against the leader's will."}),
		tasks: f.NewCounterVec(prometheus.CounterOpts{Name: "outbox_task_runs_total",
			Help: "Runs of the leader's periodic tasks."}, []string{"task", "status"}),
		leading: f.NewGauge(prometheus.GaugeOpts{Name: "outbox_worker_status",
			Help: "1 while this process is the submitter, 0 while it stands by."}),
		depth: f.NewGauge(prometheus.GaugeOpts{Name: "outbox_queue_depth",
			Help: "Commands that are not finished."}),
		oldest: f.NewGauge(prometheus.GaugeOpts{Name: "outbox_oldest_pending_seconds",
			Help: "Age of the first command that is not finished; 0 when there is none."}),
		dead: f.NewGauge(prometheus.GaugeOpts{Name: "outbox_dlq_size",
			Help: "Dead commands that wait for an operator."}),
		open: f.NewGauge(prometheus.GaugeOpts{Name: "outbox_oldest_unknown_seconds",
			Help: "Age of the first stored batch whose fate is not known; 0 when there is none."}),
		breaker: f.NewGauge(prometheus.GaugeOpts{Name: "fabric_breaker_state",
			Help: "Circuit breaker of the ledger: 0 closed, 0.5 half open, 1 open."}),
		parts: f.NewGauge(prometheus.GaugeOpts{Name: "outbox_partitions",
			Help: "Partitions of finished commands and settled batches."}),
		finished: f.NewGauge(prometheus.GaugeOpts{Name: "outbox_oldest_finished_seconds",
			Help: "Time since the end of the first finished command that is kept; 0 when there is none."}),
	}
}

func (m *metrics) breakerState(s gobreaker.State) {
	m.breaker.Set(map[gobreaker.State]float64{gobreaker.StateClosed: 0, gobreaker.StateHalfOpen: 0.5, gobreaker.StateOpen: 1}[s])
}

// end counts a command under its registered type: a hostile row must not make a
// new series.
func (m *metrics) end(t command.Type, status string, class outbox.Class) {
	if _, ok := command.Lookup(t); !ok {
		t = "unknown"
	}
	m.processed.WithLabelValues(string(t), status, string(class)).Inc()
}

func (m *metrics) task(name string, err error) {
	status := "success"
	if err != nil {
		status = "failed"
	}
	m.tasks.WithLabelValues(name, status).Inc()
}

func (m *metrics) stats(ctx context.Context, db postgres.DB, now clock.Clock) error {
	st, err := outbox.ReadStats(ctx, db)
	if err != nil {
		return err
	}
	m.depth.Set(float64(st.Depth()))
	m.dead.Set(float64(st.Dead))
	m.oldest.Set(0)
	if st.OldestOpen != nil {
		m.oldest.Set(max(0, now().Sub(*st.OldestOpen).Seconds()))
	}
	m.parts.Set(float64(st.Partitions))
	m.finished.Set(0)
	if st.OldestFinished != nil {
		m.finished.Set(max(0, now().Sub(*st.OldestFinished).Seconds()))
	}
	m.open.Set(0)
	if st.OldestUnknown != nil {
		m.open.Set(max(0, now().Sub(*st.OldestUnknown).Seconds()))
	}
	return nil
}
