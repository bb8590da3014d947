package verifier

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/command"
)

// until polls what a guard or a projector brings about.
func (w *town) until(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			w.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// sampleOf returns a counter or gauge by the values of its labels.
func sampleOf(t *testing.T, registry *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
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

// A guard goes on saying that all is well until something is not; then the
// projector halts, whatever arrives, until the read model is acquitted.
func TestGuard(t *testing.T) {
	w := newTown(t)
	p := w.live()
	w.do(&command.ResumeSystem{})
	registry := prometheus.NewPedanticRegistry()
	projectors := w.db.Pool(t, "gx_projector")
	g := NewGuard(w.sees, w, GuardOptions{
		Every: time.Millisecond, Replay: time.Nanosecond, Rate: 1_000_000, Patience: options.Patience, Confirm: options.Confirm, Registerer: registry,
	})
	// Another projector takes over, and the guard looks on beside it.
	w.stop()
	done := make(chan error, 1)
	stop := w.project(func(o *projector.Options) {
		o.Beside = func(ctx context.Context, condemn projector.Condemn) error {
			err := g.Run(ctx, condemn)
			done <- err
			return err
		}
	})
	sample := func(name string, labels ...string) float64 { return sampleOf(t, registry, name, labels...) }
	passes := func(result string) float64 { return sample("gx_verifier_passes_total", result) }
	checkpoint := func() readmodel.CheckpointState {
		c, err := readmodel.Checkpoint(t.Context(), w.pool)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}

	w.until("two clean passes", func() bool { return passes("clean") >= 2 })
	if h, _ := w.Height(t.Context()); sample("gx_verifier_height") != float64(h) || sample("gx_verifier_compared_total") == 0 ||
		sample("gx_verifier_violations") != 0 || sample("gx_verifier_completed_timestamp_seconds") == 0 {
		t.Errorf("gauges of a clean pass: height %v, compared %v", sample("gx_verifier_height"), sample("gx_verifier_compared_total"))
	}

	w.exec(`UPDATE read.users SET trust_family = trust_family + 1 WHERE user_id = '` + p[1] + `'`)
	w.until("condemned", func() bool { return checkpoint().Violation != "" })
	if v := checkpoint().Violation; !strings.Contains(v, p[1]) || !strings.Contains(v, "trust_family") {
		t.Errorf("condemned for %s", v)
	}
	w.until("halted", func() bool { return checkpoint().State == string(projector.Halted) })
	before := checkpoint().Block
	block := w.Append()
	seen := passes("violated")
	w.until("more passes", func() bool { return passes("violated") > seen+3 })
	if at := checkpoint().Block; at != before || sample("gx_verifier_violations") != 1 || sample("gx_ledger_invariant_violation_total") != 1 {
		t.Errorf("condemned, but block %d was applied; %v violations", at, sample("gx_verifier_violations"))
	}

	w.exec(`UPDATE read.users SET trust_family = trust_family - 1 WHERE user_id = '` + p[1] + `'`)
	if _, err := readmodel.Acquit(t.Context(), projectors); err != nil {
		t.Fatal(err)
	}
	w.until("the projector goes on", func() bool { return checkpoint().Block == int64(block.Number) })
	clean := passes("clean")
	w.until("clean again", func() bool { return passes("clean") > clean && sample("gx_verifier_violations") == 0 })

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("guard: %v", err)
	}
}

// A pass keeps to its rate: what it compares takes its time.
func TestRate(t *testing.T) {
	w := newTown(t)
	w.do(&command.BootstrapSystem{})
	o := options
	o.Rate = 2000
	r, err := Verify(t.Context(), w.sees, w, o)
	if err != nil {
		t.Fatal(err)
	}
	if least := float64(r.Total()) / float64(o.Rate); r.Seconds < least || r.Total() == 0 {
		t.Errorf("%d were compared in %.3f s, which take %.3f s", r.Total(), r.Seconds, least)
	}
}
