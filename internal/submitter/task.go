package submitter

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/lease"
)

// Job is a periodic duty of the leader, such as to look for what has expired.
type Job struct {
	Name  string
	Every time.Duration
	// Run does the duty in a transaction that proves the term and commits when it
	// returns nil. It may be cut short and repeated at any time: a command that it
	// enqueues in tx needs an Idempotency-Key that follows from its cause.
	Run func(ctx context.Context, tx pgx.Tx, now time.Time) error
}

// jobTimeout bounds one run of a task.
const jobTimeout = time.Minute

// statsEvery is how often the queue is counted.
const statsEvery = 5 * time.Second

// task is a job or a duty of the engine itself.
type task struct {
	name  string
	every time.Duration
	run   func(ctx context.Context, now time.Time) error
	last  time.Time // zero: never in this term
}

// runTasks runs each task at once and then as often as it asks, by the clock,
// one after the other, until the work ends.
func (s *session) runTasks() {
	tasks := []*task{
		{name: "stats", every: statsEvery, run: s.readStats},
		{name: "sweep", every: s.o.SweepEvery, run: s.sweep},
	}
	for _, j := range s.o.Jobs {
		tasks = append(tasks, &task{name: j.Name, every: j.Every, run: func(ctx context.Context, now time.Time) error {
			if err := s.outbox.Do(ctx, func(tx pgx.Tx) error { return j.Run(ctx, tx, now) }); err != nil {
				return err
			}
			s.o.Outbox.Wake()
			return nil
		}})
	}
	for {
		for _, t := range tasks {
			// A clock that was set back says nothing of the time since.
			if now := s.o.Clock(); t.last.IsZero() || now.Before(t.last) || now.Sub(t.last) >= t.every {
				t.last = now
				s.runTask(t, now)
			}
		}
		if !sleep(s.ctx, s.o.Poll) {
			return
		}
	}
}

// runTask runs a task once. One that fails is tried again when it is due.
func (s *session) runTask(t *task, now time.Time) {
	ctx, cancel := context.WithTimeout(s.ctx, jobTimeout)
	defer cancel()
	err := t.run(ctx, now)
	if s.ctx.Err() != nil {
		return
	}
	if err != nil && !errors.Is(err, lease.ErrLost) {
		s.o.Log.Error("task failed", "task", t.name, "error", err)
	}
	s.metrics.task(t.name, err)
}

func (s *session) readStats(ctx context.Context, _ time.Time) error {
	return s.metrics.stats(ctx, s.pool, s.o.Clock)
}

func (s *session) sweep(ctx context.Context, _ time.Time) error {
	swept, err := s.outbox.Sweep(ctx, s.o.Keep)
	if len(swept.Partitions) > 0 || swept.Keys {
		s.o.Log.Info("old rows are gone", "partitions", swept.Partitions, "keys", swept.Keys, "rows", swept.Rows)
	}
	return err
}
