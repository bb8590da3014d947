package submitter

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/outbox"
)

// Jobs run while their process leads, by the clock, in transactions of the term.
func TestJobs(t *testing.T) {
	r := newRig(t)
	l := newFake()
	var now, runs, failures atomic.Int64
	o := r.quick()
	o.LeaseTTL = 2 * time.Hour // of a clock that jumps
	o.Clock = func() time.Time { return noon.Add(time.Duration(now.Load())) }
	reg := prometheus.NewRegistry()
	o.Registerer = reg
	enqueue := func(ctx context.Context, tx pgx.Tx, key string) error {
		_, err := r.outbox.Enqueue(ctx, tx, outbox.Request{ID: uuid.Must(uuid.NewV7()), Payload: pay(0, 1, ""), Principal: "system", Route: "job", Key: key})
		return err
	}
	o.Jobs = []Job{
		{"hourly", time.Hour, func(ctx context.Context, tx pgx.Tx, at time.Time) error {
			runs.Add(1)
			return enqueue(ctx, tx, at.Format(time.RFC3339))
		}},
		{"failing", time.Minute, func(ctx context.Context, tx pgx.Tx, at time.Time) error {
			failures.Add(1)
			return errors.Join(enqueue(ctx, tx, "failing"), errors.New("as told"))
		}},
	}
	stop := r.start(New(r.pool, l, o))
	standby := o
	standby.Holder, standby.Registerer = "standby", nil
	standby.Jobs = []Job{{"never", time.Nanosecond, func(context.Context, pgx.Tx, time.Time) error {
		t.Error("a job runs while its process stands by")
		return nil
	}}}
	eventually(t, "the first runs", func() bool { return runs.Load() == 1 && failures.Load() == 1 })
	stopStandby := r.start(New(r.pool, l, standby))
	now.Store(int64(59 * time.Minute))
	eventually(t, "the failing one is tried again", func() bool { return failures.Load() == 2 })
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs of the hourly job", n)
	}
	now.Store(int64(time.Hour))
	eventually(t, "the hourly job runs again", func() bool { return runs.Load() == 2 })
	eventually(t, "its commands commit", func() bool {
		return r.count("SELECT count(*) FROM app.commands WHERE state = 'COMMITTED' AND principal = 'system'") == 2
	})
	if n := r.count("SELECT count(*) FROM app.commands"); n != 2 {
		t.Errorf("%d commands: a failed job has left some", n)
	}
	if metric(t, reg, "outbox_task_runs_total", "task", "hourly", "status", "success") != 2 || metric(t, reg, "outbox_task_runs_total", "task", "failing", "status", "failed") < 2 {
		t.Error("the runs are not counted")
	}
	now.Store(int64(-time.Hour))
	eventually(t, "the hourly job runs when the clock was set back", func() bool { return runs.Load() == 3 })
	stopStandby()
	stop()
}

// The leader sweeps what is finished and past its time.
func TestSweep(t *testing.T) {
	r := newRig(t)
	var now atomic.Int64
	o := r.quick()
	o.Clock = func() time.Time { return noon.Add(time.Duration(now.Load())) }
	reg := prometheus.NewRegistry()
	o.Registerer = reg
	old := r.accept(pay(0, 1, ""))[0]
	r.start(New(r.pool, newFake(), o))
	r.wait(old, outbox.Committed)
	now.Store(int64(6 * 24 * time.Hour))
	young := r.accept(pay(0, 1, ""))[0]
	r.wait(young, outbox.Committed)
	now.Store(int64(8 * 24 * time.Hour))
	eventually(t, "the old command goes", func() bool {
		_, err := outbox.Find(t.Context(), r.owner, old)
		return errors.Is(err, outbox.ErrNotFound)
	})
	r.find(young)
	now.Add(int64(2 * statsEvery))
	eventually(t, "the partitions are counted", func() bool { return metric(t, reg, "outbox_partitions") > 2 })
}
