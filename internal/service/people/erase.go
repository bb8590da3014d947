package people

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/postgres"
)

// Kept says what an erasure leaves, and why.
const Kept = "What is kept, as anti-money-laundering and bookkeeping law demand, names nobody: the GX id with its entries on the ledger, which can't be changed, " +
	"the keyed hash of the national id, so that nobody gets genesis twice, the hash of the evidence with the decision on it, and the audit trail of ids."

// Erase forgets in tx what is personal about a person and ends their sessions.
// Of somebody who never was on the ledger nothing is kept but the bare row.
func Erase(ctx context.Context, tx pgx.Tx, profile uuid.UUID, now time.Time) error {
	for _, sql := range []string{
		`UPDATE app.people SET erased_at = $2, updated_at = $2, version = version + 1, status = 'CLOSED', password_hash = '', plain = NULL,
			email = NULL, phone = NULL, first_name = NULL, last_name = NULL, date_of_birth = NULL, gender = NULL, denial_reason = NULL,
			email_hash = NULL, phone_hash = NULL, name_hashes = '{}',
			nationality = CASE WHEN gx_id IS NOT NULL THEN nationality END, biometric_hash = CASE WHEN gx_id IS NOT NULL THEN biometric_hash END
			WHERE profile_id = $1`,
		`UPDATE app.kyc_records k SET notes = NULL, plain_notes = '', updated_at = $2, evidence_hash = CASE WHEN p.gx_id IS NOT NULL THEN evidence_hash ELSE '' END
			FROM app.people p WHERE p.profile_id = $1 AND k.profile_id = $1`,
		`UPDATE app.sessions SET user_agent = '', address = NULL, revoked_at = coalesce(revoked_at, $2), revoked_reason = 'erasure'
			WHERE subject = $1 AND audience = 'gx-api'`,
	} {
		if _, err := tx.Exec(ctx, sql, profile, now); err != nil {
			return fmt.Errorf("erase person: %w", err)
		}
	}
	return audit.Append(ctx, tx, audit.Record{At: now, Actor: "system", Action: "PERSON_ERASED", ResourceType: "person", ResourceID: profile.String()})
}

// EraseDue erases those who asked for it and whose account the ledger has closed.
// It may run anywhere, at any time, more than once.
func EraseDue(ctx context.Context, db postgres.DB, now time.Time) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT p.profile_id FROM app.people p JOIN read.accounts a ON a.account_id = p.gx_id
			WHERE p.erasure_asked_at IS NOT NULL AND p.erased_at IS NULL AND a.status IN ('CLOSED', 'DECEASED')
			LIMIT 100 FOR UPDATE OF p SKIP LOCKED`)
		if err != nil {
			return fmt.Errorf("read erasures: %w", err)
		}
		due, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return fmt.Errorf("read erasures: %w", err)
		}
		for _, profile := range due {
			if err := Erase(ctx, tx, profile, now); err != nil {
				return err
			}
		}
		return nil
	})
}
