package fabric

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gxcoin.money/gx/protocol/role"
)

type metrics struct {
	transactions *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	failures     *prometheus.CounterVec
	connected    *prometheus.GaugeVec
	height       *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer, l *Ledger) *metrics {
	f := promauto.With(r)
	if r != nil {
		r.MustRegister(lives{l})
	}
	return &metrics{
		transactions: f.NewCounterVec(prometheus.CounterOpts{Name: "ledger_transactions_total",
			Help: "Transactions whose status this process learned, by validation code."}, []string{"code"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{Name: "fabric_transaction_duration_seconds",
			Help: "Time of a step of a transaction.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 14)}, []string{"phase"}),
		failures: f.NewCounterVec(prometheus.CounterOpts{Name: "fabric_failures_total",
			Help: "Calls that failed around the contract."}, []string{"reason"}),
		connected: f.NewGaugeVec(prometheus.GaugeOpts{Name: "fabric_client_connected",
			Help: "Whether the stream of a peer lives."}, []string{"peer"}),
		height: f.NewGaugeVec(prometheus.GaugeOpts{Name: "fabric_peer_height",
			Help: "Blocks that a peer has."}, []string{"peer"}),
	}
}

func (m *metrics) took(phase string, since time.Time) {
	m.duration.WithLabelValues(phase).Observe(time.Since(since).Seconds())
}

func (m *metrics) peer(p *peer, h peerHeight) {
	connected := 0.0
	if h.connected {
		connected = 1
	}
	m.connected.WithLabelValues(p.Name).Set(connected)
	m.height.WithLabelValues(p.Name).Set(float64(h.blocks))
}

var lifeMetric = prometheus.NewDesc("fabric_client_cert_expiry_seconds", "Time until the client certificate of a ledger role expires.", []string{"role"}, nil)

// lives is the metric of the wallet's certificates.
type lives struct{ ledger *Ledger }

func (lives) Describe(out chan<- *prometheus.Desc) { out <- lifeMetric }

func (c lives) Collect(out chan<- prometheus.Metric) {
	for _, r := range role.All {
		if id, err := c.ledger.identities.of(r); err == nil {
			out <- prometheus.MustNewConstMetric(lifeMetric, prometheus.GaugeValue, id.Certificate.NotAfter.Sub(c.ledger.o.Clock()).Seconds(), string(r))
		}
	}
}
