package network

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/fabric/pki"
)

// ExpiresSoon is when a certificate is worth a warning.
const ExpiresSoon = 30 * 24 * time.Hour

// warnEvery is how often a network that runs looks at its certificates.
const warnEvery = 24 * time.Hour

// certificates lists all of the network, those that expire first, first.
func (n *Network) certificates() (all []pki.Expiry, err error) {
	for _, o := range n.roster.organizations() {
		expiries, err := o.Expiries()
		if err != nil {
			return nil, err
		}
		for _, e := range expiries {
			e.Name = filepath.Join(o.name, e.Name)
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b pki.Expiry) int {
		return cmp.Or(a.NotAfter.Compare(b.NotAfter), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// warn logs the certificates that expire soon.
func (n *Network) warn(ctx context.Context) {
	all, err := n.certificates()
	if err != nil {
		n.o.Log.ErrorContext(ctx, "the network's certificates can't be read", slog.Any("err", err))
	}
	for _, e := range all {
		if left := e.NotAfter.Sub(n.o.Clock()); left < ExpiresSoon {
			n.o.Log.WarnContext(ctx, "a certificate expires soon: gx fabric renew issues it anew", slog.String("certificate", e.Name), slog.Time("notAfter", e.NotAfter))
		}
	}
}

var expiryMetric = prometheus.NewDesc("fabric_certificate_expiry_seconds", "Time until a certificate of the network that runs here expires.", []string{"certificate"}, nil)

// expiries is the metric of every certificate's life.
type expiries struct{ network *Network }

func (expiries) Describe(out chan<- *prometheus.Desc) { out <- expiryMetric }

func (c expiries) Collect(out chan<- prometheus.Metric) {
	all, err := c.network.certificates()
	if err != nil {
		out <- prometheus.NewInvalidMetric(expiryMetric, err)
	}
	for _, e := range all {
		out <- prometheus.MustNewConstMetric(expiryMetric, prometheus.GaugeValue, e.NotAfter.Sub(c.network.o.Clock()).Seconds(), filepath.Dir(e.Name))
	}
}
