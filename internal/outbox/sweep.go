package outbox

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sweepChunk bounds the rows that one statement of Sweep deletes.
const sweepChunk = 1000

// Sweep deletes batches and commands that ended before a time, and with the
// commands their Idempotency-Keys. Dead commands stay until they are resolved.
// Each chunk is a transaction of its own that proves the term.
func (l *Leader) Sweep(ctx context.Context, before time.Time) (deleted int, err error) {
	for _, sql := range []string{
		`DELETE FROM app.batches WHERE id IN (
			SELECT id FROM app.batches WHERE state = 'SETTLED' AND settled_at < $1 ORDER BY settled_at LIMIT $2)`,
		`WITH old AS MATERIALIZED (
			SELECT id FROM app.commands WHERE completed_at < $1 AND state IN ('COMMITTED', 'REJECTED', 'CANCELLED') ORDER BY completed_at LIMIT $2
		), deaths AS (
			DELETE FROM app.dead_commands WHERE command_id IN (SELECT id FROM old)
		)
		DELETE FROM app.commands WHERE id IN (SELECT id FROM old)`,
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
