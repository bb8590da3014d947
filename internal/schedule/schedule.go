// Package schedule enqueues the commands that are caused by time alone: the
// velocity tax of an account whose cycle is over, the count and the end of a
// vote, the default of a loan, the expiry of a multi-signature transaction, the
// anchor of the audit trail.
//
// Each kind is a job of the leading submitter. It reads from the read model what
// is due and enqueues commands whose Idempotency-Keys follow from their causes,
// so that to run it again, here or by another leader, adds nothing. What is due
// in the end the contracts decide by the time of the ledger: a command that was
// sent early, or on a read model that lags, is refused and sent again a day later.
package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/submitter"
	"gxcoin.money/gx/protocol/command"
)

// Principal is who the commands are from.
const Principal = "system:schedule"

const (
	// maxRun bounds what one run of a job looks at; the next goes on behind it.
	maxRun = 2_000
	// again is how long a command that was refused keeps the next one away.
	again = 24 * time.Hour
)

// Options of the jobs. Outbox is required.
type Options struct {
	Every      time.Duration // between two runs of a job; default 1 min
	Outbox     *outbox.Outbox
	Log        *slog.Logger          // default: discard
	Registerer prometheus.Registerer // nil: metrics are kept but not registered
}

// Jobs returns the jobs for one submitter.
func Jobs(o Options) []submitter.Job {
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := promauto.With(o.Registerer)
	found := f.NewGaugeVec(prometheus.GaugeOpts{Name: "schedule_due",
		Help: "What the last run of a job found to be due; commands for it may be on their way."}, []string{"job"})
	enqueued := f.NewCounterVec(prometheus.CounterOpts{Name: "schedule_commands_total",
		Help: "Commands that a job has enqueued."}, []string{"job"})
	jobs := make([]submitter.Job, len(duties))
	for i, d := range duties {
		j := &job{
			duty: d, outbox: o.Outbox, log: o.Log.With("job", d.name), limit: maxRun,
			found: found.WithLabelValues(d.name), enqueued: enqueued.WithLabelValues(d.name),
		}
		jobs[i] = submitter.Job{Name: d.name, Every: o.Every, Run: j.run}
	}
	return jobs
}

// work is a command that is due.
type work struct {
	place   readmodel.Due // in the list of what is due
	since   time.Time     // when it fell due
	key     string        // its cause, unlike that of any other
	payload command.Payload
}

// job is a duty with what one submitter knows of it.
type job struct {
	duty
	outbox   *outbox.Outbox
	log      *slog.Logger
	limit    int
	after    readmodel.Due // where the next run goes on
	found    prometheus.Gauge
	enqueued prometheus.Counter
}

// run enqueues what is due, up to the limit. While the system is paused it does
// nothing: commands would only wait.
func (j *job) run(ctx context.Context, tx pgx.Tx, now time.Time) error {
	system, err := readmodel.SystemStatus(ctx, tx)
	if err != nil || system.Paused {
		return err
	}
	list, err := j.due(ctx, tx, now, j.after, j.limit)
	if err != nil {
		return err
	}
	added := 0
	for _, w := range list {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		key := w.key
		if n := now.Sub(w.since) / again; n > 0 {
			key += "#" + strconv.Itoa(int(n))
		}
		accepted, err := j.outbox.Enqueue(ctx, tx, outbox.Request{ID: id, Payload: w.payload, Principal: Principal, Route: j.name, Key: key})
		if err != nil {
			return fmt.Errorf("schedule: %s: %w", key, err)
		}
		if !accepted.Replayed {
			added++
		}
	}
	j.after = readmodel.Due{}
	if len(list) == j.limit {
		j.after = list[len(list)-1].place
	}
	j.found.Set(float64(len(list)))
	j.enqueued.Add(float64(added))
	level := slog.LevelDebug
	if added > 0 {
		level = slog.LevelInfo
	}
	j.log.Log(ctx, level, "looked for what is due", "due", len(list), "enqueued", added, "unfinished", j.after != readmodel.Due{})
	return nil
}
