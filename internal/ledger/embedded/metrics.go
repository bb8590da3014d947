package embedded

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	height       prometheus.Gauge
	transactions *prometheus.CounterVec
	commit       prometheus.Histogram
	blockTxs     prometheus.Histogram
	waiting      prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		height: f.NewGauge(prometheus.GaugeOpts{Name: "ledger_block_height",
			Help: "Blocks on the ledger, as this process knows."}),
		transactions: f.NewCounterVec(prometheus.CounterOpts{Name: "ledger_transactions_total",
			Help: "Transactions that this process committed, by validation code."}, []string{"code"}),
		commit: f.NewHistogram(prometheus.HistogramOpts{Name: "ledger_commit_seconds",
			Help: "Time to validate and commit a block.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
		blockTxs: f.NewHistogram(prometheus.HistogramOpts{Name: "ledger_block_transactions",
			Help: "Transactions in a block.", Buckets: prometheus.ExponentialBuckets(1, 2, 11)}),
		waiting: f.NewGauge(prometheus.GaugeOpts{Name: "ledger_waiting_transactions",
			Help: "Transactions that were submitted to this process and are in no block yet."}),
	}
}
