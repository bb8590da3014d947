package outbox

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// ahead is for how many days there are partitions before they begin.
	ahead = 2
	// lockTries is how often one sweep tries to change tables that are in use.
	lockTries = 5
	// sweepChunk bounds the rows that one statement of Sweep deletes.
	sweepChunk = 1000
)

// Extend makes the partitions of today and the next days for what ends. Without
// them everything goes on, but what ends leaves row by row.
func (l *Leader) Extend(ctx context.Context) error {
	today := l.Clock().UTC()
	_, err := l.each(ctx, "make a partition", `SELECT app.add_partition($1, $2)`, today, today.AddDate(0, 0, ahead))
	return err
}

// Swept is what a sweep has removed.
type Swept struct {
	Partitions []string // by name
	Keys       bool     // Idempotency-Keys that were older than they had to become
	Rows       int      // besides those
}

// Sweep removes commands and batches that ended longer ago than they are kept,
// by the partition where there is one, and Idempotency-Keys that are older, those
// of open commands apart. Dead commands stay until they are resolved. It makes the
// partitions of the next days. Each step is a transaction of its own that proves
// the term and holds nobody up for more than a moment; what is in use is left to
// the next sweep, and the rest is done.
func (l *Leader) Sweep(ctx context.Context, keep time.Duration) (s Swept, err error) {
	now := l.Clock()
	var errs [4]error
	errs[0] = l.Extend(ctx)
	s.Partitions, errs[1] = l.each(ctx, "drop a partition", `SELECT app.drop_partition($1)`, now.Add(-keep))
	errs[2] = l.locking(ctx, "forget keys", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT app.turn_keys($1, $2)`, now, keep).Scan(&s.Keys)
	})
	s.Rows, errs[3] = l.sweepRows(ctx, now.Add(-keep))
	return s, errors.Join(errs[:]...)
}

// each runs a query that does one step and names it, until there is none left.
func (l *Leader) each(ctx context.Context, doing, sql string, args ...any) (names []string, err error) {
	for {
		var name *string
		if err := l.locking(ctx, doing, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sql, args...).Scan(&name) }); err != nil || name == nil {
			return names, err
		}
		names = append(names, *name)
	}
}

// locking runs f in a transaction that proves the term, and again when what it
// had to lock was in use.
func (l *Leader) locking(ctx context.Context, doing string, f func(tx pgx.Tx) error) (err error) {
	for range lockTries {
		if err = l.transact(ctx, doing, f); !inUse(err) {
			break
		}
	}
	return err
}

// inUse reports that a lock was not to be had in time.
func inUse(err error) bool {
	pg := (*pgconn.PgError)(nil)
	return errors.As(err, &pg) && pg.Code == "55P03"
}

// sweepRows deletes what is in no day's partition, and deaths whose command is gone.
func (l *Leader) sweepRows(ctx context.Context, before time.Time) (deleted int, err error) {
	for _, sql := range []string{
		`DELETE FROM app.batches_other WHERE id IN (SELECT id FROM app.batches_other WHERE settled_at < $1 ORDER BY id LIMIT $2)`,
		`DELETE FROM app.commands_other WHERE id IN (SELECT id FROM app.commands_other WHERE completed_at < $1 ORDER BY id LIMIT $2)`,
		`DELETE FROM app.dead_commands WHERE id IN (
			SELECT id FROM app.dead_commands d WHERE resolved_at < $1 AND NOT EXISTS (SELECT FROM app.commands c WHERE c.id = d.command_id) ORDER BY id LIMIT $2)`,
	} {
		for n := int64(sweepChunk); n == sweepChunk; deleted += int(n) {
			err := l.do(ctx, "sweep", step{lazy: true, queue: func(q *pgx.Batch) {
				q.Queue(sql, before, sweepChunk).Exec(func(tag pgconn.CommandTag) error {
					n = tag.RowsAffected()
					return nil
				})
			}})
			if err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}
