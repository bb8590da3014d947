package outbox

import (
	"context"
	"fmt"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
)

// Stats is the queue at one moment.
type Stats struct {
	Pending int // not claimed
	Locked  int // claimed or at work
	Retry   int // waiting for their next time
	Dead    int // waiting for an operator
	Unknown int // stored batches whose fate is not known yet

	OldestOpen    *time.Time // acceptance of the first command that is not finished
	OldestUnknown *time.Time // of the first of those batches

	Partitions     int        // of what is finished
	OldestFinished *time.Time // end of the first accepted of those that are finished and kept
}

// Depth is the number of commands that are not finished.
func (s Stats) Depth() int { return s.Pending + s.Locked + s.Retry }

// Open counts the commands that are not finished, but no more than most.
func Open(ctx context.Context, db postgres.DB, most int) (n int, err error) {
	if err := db.QueryRow(ctx, `
		SELECT count(*) FROM (
			SELECT FROM app.commands WHERE state = 'PENDING' UNION ALL
			SELECT FROM app.commands WHERE state IN ('LOCKED', 'RETRY') LIMIT $1) AS open`, most).Scan(&n); err != nil {
		return 0, fmt.Errorf("outbox: count what is open: %w", err)
	}
	return n, nil
}

// ReadStats counts the queue.
func ReadStats(ctx context.Context, db postgres.DB) (s Stats, err error) {
	err = db.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM app.commands WHERE state = 'PENDING'),
		       (SELECT count(*) FROM app.commands WHERE state = 'LOCKED'),
		       (SELECT count(*) FROM app.commands WHERE state = 'RETRY'),
		       (SELECT count(*) FROM app.dead_commands WHERE resolution = ''),
		       (SELECT count(*) FROM app.batches WHERE state = 'ENDORSED'),
		       least((SELECT created_at FROM app.commands WHERE state = 'PENDING' ORDER BY position LIMIT 1),
		             (SELECT created_at FROM app.commands WHERE state IN ('LOCKED', 'RETRY') ORDER BY position LIMIT 1)),
		       (SELECT min(created_at) FROM app.batches WHERE state = 'ENDORSED'),
		       (SELECT count(*) FROM pg_inherits WHERE inhparent IN ('app.commands_finished'::regclass, 'app.batches_settled'::regclass)),
		       (SELECT completed_at FROM app.commands WHERE state IN ('COMMITTED', 'REJECTED', 'CANCELLED') ORDER BY id LIMIT 1)`).Scan(
		&s.Pending, &s.Locked, &s.Retry, &s.Dead, &s.Unknown, &s.OldestOpen, &s.OldestUnknown, &s.Partitions, &s.OldestFinished)
	if err != nil {
		return Stats{}, fmt.Errorf("outbox: count the queue: %w", err)
	}
	return s, nil
}
