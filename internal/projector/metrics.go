package projector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gxcoin.money/gx/protocol/event"
)

type metrics struct {
	events      *prometheus.CounterVec
	checkpoints prometheus.Counter
	errors      *prometheus.CounterVec
	height      prometheus.Gauge
	lagBlocks   prometheus.Gauge
	lagSeconds  prometheus.Gauge
	duration    prometheus.Histogram
	leading     prometheus.Gauge
	states      *prometheus.GaugeVec
	letters     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		events: f.NewCounterVec(prometheus.CounterOpts{Name: "projector_events_processed_total",
			Help: "Events by name and what became of them: applied, skipped, halted."}, []string{"event_name", "status"}),
		checkpoints: f.NewCounter(prometheus.CounterOpts{Name: "projector_checkpoints_saved_total",
			Help: "Database transactions that moved the checkpoint."}),
		errors: f.NewCounterVec(prometheus.CounterOpts{Name: "projector_errors_total",
			Help: "Interruptions by what they led to: retry, halt, step_down."}, []string{"verdict"}),
		height: f.NewGauge(prometheus.GaugeOpts{Name: "projector_blockchain_height",
			Help: "Blocks on the ledger."}),
		lagBlocks: f.NewGauge(prometheus.GaugeOpts{Name: "projector_lag_blocks",
			Help: "Blocks on the ledger that are not completely applied."}),
		lagSeconds: f.NewGauge(prometheus.GaugeOpts{Name: "projector_lag_seconds",
			Help: "Age of the oldest block that is not applied; 0 on an idle ledger."}),
		duration: f.NewHistogram(prometheus.HistogramOpts{Name: "projector_processing_duration_seconds",
			Help: "Time to apply what was ready: a block, or several while catching up.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
		leading: f.NewGauge(prometheus.GaugeOpts{Name: "projector_worker_status",
			Help: "1 while this process is the projector, 0 while it stands by."}),
		states: f.NewGaugeVec(prometheus.GaugeOpts{Name: "projector_state",
			Help: "1 for the state that the projector is in."}, []string{"state"}),
		letters: f.NewGauge(prometheus.GaugeOpts{Name: "projector_dlq_size",
			Help: "Events that were not applied and wait for a decision or for their turn."}),
	}
}

// event counts an event under its registered name: a hostile name must not make
// a new series.
func (m *metrics) event(name, status string) {
	if _, ok := event.Lookup(event.Type(name)); !ok {
		name = "unknown"
	}
	m.events.WithLabelValues(name, status).Inc()
}

func (m *metrics) state(s State) {
	for _, other := range States {
		m.states.WithLabelValues(string(other)).Set(0)
	}
	m.states.WithLabelValues(string(s)).Set(1)
	m.leading.Set(1)
	if s == Standby {
		m.leading.Set(0)
	}
}
