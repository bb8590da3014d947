package door

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/postgres"
)

// System is the actor of what nobody asks for.
const System = "system"

// keepSessions is how long a session that ended is remembered.
const keepSessions = 30 * 24 * time.Hour

// Sweep expires approvals that nobody decided on, and forgets sessions and
// challenges that ended. It may run anywhere, at any time, more than once.
func Sweep(ctx context.Context, db postgres.DB, now time.Time) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `UPDATE app.approvals SET status = 'EXPIRED', decided_at = $1
			WHERE approval_id IN (SELECT approval_id FROM app.approvals
				WHERE status = 'PENDING' AND mode <> 'BREAK_GLASS' AND expires_at <= $1 ORDER BY approval_id LIMIT 1000 FOR UPDATE SKIP LOCKED)
			RETURNING approval_id, operation, digest`, now)
		if err != nil {
			return err
		}
		records, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (audit.Record, error) {
			var id uuid.UUID
			var operation string
			var digest []byte
			if err := row.Scan(&id, &operation, &digest); err != nil {
				return audit.Record{}, err
			}
			detail, err := audit.Detail(map[string]string{"operation": operation, "digest": hex.EncodeToString(digest)})
			return audit.Record{At: now, Actor: System, Action: "APPROVAL_EXPIRED", ResourceType: "approval", ResourceID: id.String(), Approval: &id, Detail: detail}, err
		})
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := audit.Append(ctx, tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("expire approvals: %w", err)
	}
	for _, sql := range []string{
		`DELETE FROM app.staff_challenges WHERE expires_at < $1`,
		`DELETE FROM app.sessions WHERE session_id IN (SELECT session_id FROM app.sessions WHERE least(expires_at, revoked_at) < $1 LIMIT 10000)`,
	} {
		if _, err := db.Exec(ctx, sql, now.Add(-keepSessions)); err != nil {
			return fmt.Errorf("forget what ended: %w", err)
		}
	}
	return nil
}
