package people

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
)

// CourtOrder is the reason of a freeze that nobody ends alone.
const CourtOrder = "COURT_ORDER"

// AccountID returns the account that a profile id names, or any other id
// itself, a GX id with its spaces. Errors: ErrNotFound for a profile without an
// account.
func AccountID(ctx context.Context, db postgres.DB, id string) (string, error) {
	profile, err := uuid.Parse(id)
	if err != nil {
		return gxid.Canonical(id), nil
	}
	err = db.QueryRow(ctx, `SELECT gx_id FROM app.people WHERE profile_id = $1 AND gx_id IS NOT NULL`, profile).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("resolve account: %w", err)
	}
	return id, nil
}

// PendingOut is SQL that sums what the commands of account p.gx_id that wait or are
// at work will take, up to a number of them: who has more under way is told by the
// ledger that the money is gone. What is projected is in the balance already; only
// a command at work can be. As a scalar, that question is never planned as a join
// of whole tables.
func PendingOut(limit int) string {
	return `coalesce((
	SELECT sum(o.holds) FROM (
		SELECT c.holds FROM app.commands c
		WHERE c.actor = p.gx_id AND c.state IN ('PENDING', 'RETRY', 'LOCKED') AND c.holds > 0
		  AND (c.state <> 'LOCKED' OR (SELECT 1 FROM read.command_results r WHERE r.command_id = c.id::text) IS NULL)
		LIMIT ` + strconv.Itoa(limit) + `) o), 0)::bigint`
}

var availableSQL = `SELECT a.balance, ` + PendingOut(1000) + ` FROM (SELECT $1::text AS gx_id) p JOIN read.accounts a ON a.account_id = p.gx_id`

// Available returns the balance of an account less what its commands under way
// will take. Errors: ErrNotFound.
func Available(ctx context.Context, db postgres.DB, accountID string) (qirat.Amount, error) {
	var balance, pending qirat.Amount
	err := db.QueryRow(ctx, availableSQL, accountID).Scan(&balance, &pending)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("read available balance: %w", err)
	}
	return balance - min(pending, balance), nil
}
