package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Figure is what the rounds gave for one quantity.
type Figure struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Rounds []float64 `json:"rounds"`
}

func figure(rounds []float64) Figure {
	if len(rounds) == 0 {
		return Figure{}
	}
	s := slices.Sorted(slices.Values(rounds))
	median := s[len(s)/2]
	if len(s)%2 == 0 {
		median = (s[len(s)/2-1] + median) / 2
	}
	return Figure{Median: median, Min: s[0], Max: s[len(s)-1], Rounds: rounds}
}

// Spread is the distance between the extremes as a share of the median.
func (f Figure) Spread() float64 {
	if f.Median == 0 {
		return 0
	}
	return (f.Max - f.Min) / f.Median
}

// noisy is the spread of the baseline above which this machine does too much else.
const noisy = 0.25

// Print writes the report for people.
func (r Report) Print(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "\nMachine: %d cores, %s, %s/%s. Load average %s before, %s after.\n", r.Machine.Cores, r.Machine.Go, r.Machine.OS, r.Machine.Arch,
		load(r.Machine.LoadBefore), load(r.Machine.LoadAfter))
	fmt.Fprintf(&out, "PostgreSQL %s: fsync %s, synchronous_commit %s, full_page_writes %s, wal_sync_method %s, shared_buffers %s.\n",
		r.Machine.Postgres["server_version"], r.Machine.Postgres["fsync"], r.Machine.Postgres["synchronous_commit"],
		r.Machine.Postgres["full_page_writes"], r.Machine.Postgres["wal_sync_method"], r.Machine.Postgres["shared_buffers"])
	fmt.Fprintf(&out, "Rounds: %d, each %s of the baseline and then %s of payments, %d clients on loopback in the process of gx bench.\nA payment is accepted when it is durable and its authenticated payer has a 202.\n",
		r.RoundCount, r.Load, r.Load, r.Clients)
	fmt.Fprintf(&out, "Baseline: BEGIN, INSERT, INSERT, COMMIT with %d bytes a row, each statement a round trip, prepared, by %d connections to the\nsame server (as pgbench -M prepared does it).\n\n", rowBytes, r.Clients)

	t := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	row := func(name string, f Figure, format string) {
		fmt.Fprintf(t, "  %s\t"+format+"\t"+format+" to "+format+"\n", name, f.Median, f.Min, f.Max)
	}
	fmt.Fprintf(t, "  \tmedian\tspread\n")
	row("baseline, two inserts", r.Baseline, "%.0f/s")
	if len(r.Alone.Rounds) > 0 {
		row("payments accepted, the submitter held meanwhile", r.Alone, "%.0f/s")
		row("  as a share of the baseline", r.AloneShare, "%.2f")
		row("  then visible, from the backlog", r.Backlog, "%.0f/s")
	}
	row("payments accepted, everything at work", r.Accepted, "%.0f/s")
	row("  as a share of the baseline", r.Share, "%.2f")
	row("payments committed, drain included", r.Committed, "%.0f/s")
	row("payments projected, drain included", r.Projected, "%.0f/s")
	row("drain: last 202 until all are visible", r.Drain, "%.2f s")
	row("accept p50, all clients busy", r.AcceptP50, "%.1f ms")
	row("accept p99, all clients busy", r.AcceptP99, "%.1f ms")
	row(fmt.Sprintf("accept p50 at %d/s", r.LightRate), r.LightAcceptP50, "%.1f ms")
	row(fmt.Sprintf("accept p99 at %d/s", r.LightRate), r.LightAcceptP99, "%.1f ms")
	row(fmt.Sprintf("accept to visible p50 at %d/s", r.LightRate), r.LightVisibleP50, "%.1f ms")
	row(fmt.Sprintf("accept to visible p99 at %d/s", r.LightRate), r.LightVisibleP99, "%.1f ms")
	_ = t.Flush()

	fmt.Fprintf(&out, "\nRequests of all clients at once, each kind after a loop of the bare statement at the bottom of it, prepared, on as many\nconnections; for a transfer that is the baseline. CPU is that of GX and PostgreSQL, of a transfer to its very end; x bare is\nits ratio to that of the loop and PostgreSQL.\n\n")
	printRequests(r.Requests, func(cells ...string) { fmt.Fprintf(t, "  %s\n", strings.Join(cells, "\t")) })
	_ = t.Flush()

	if len(r.Processes) > 0 {
		fmt.Fprintf(&out, "\n")
		fmt.Fprintf(t, "  process\tCPU seconds per 1,000 payments\tspread\tmemory at rest\tunder load\n")
		fmt.Fprintf(t, "  (the baseline: PostgreSQL, per 1,000 transactions)\t%.3f\t%.3f to %.3f\n", r.BaselineCPU.Median, r.BaselineCPU.Min, r.BaselineCPU.Max)
		for _, p := range r.Processes {
			mib := func(bytes int64) string {
				if bytes == 0 {
					return ""
				}
				return fmt.Sprintf("%d MiB", bytes>>20)
			}
			fmt.Fprintf(t, "  %s\t%.3f\t%.3f to %.3f\t%s\t%s\n", p.Name, p.CPU.Median, p.CPU.Min, p.CPU.Max, mib(p.RestBytes), mib(p.LoadBytes))
		}
		_ = t.Flush()
	}
	if r.StartFirst > 0 {
		fmt.Fprintf(&out, "\n  start to ready: %.1f s the first time, %.1f s the second\n", r.StartFirst, r.StartSecond)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&out, "\nNOTE: %s\n", n)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func load(l [3]float64) string { return fmt.Sprintf("%.2f", l[0]) }
