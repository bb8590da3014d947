package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
)

// Actor returns the GX id of the calling customer, who acts on the ledger. It
// refuses one who is not active there, and everybody while the system is
// paused; not a request that repeats one that was accepted.
func (d *Door) Actor(ctx context.Context) (string, error) {
	var id, status string
	var paused bool
	err := d.Pool.QueryRow(ctx, `SELECT coalesce(a.account_id, ''), coalesce(a.status, ''), s.paused
		FROM app.people p CROSS JOIN read.system_status s LEFT JOIN read.accounts a ON a.account_id = p.gx_id WHERE p.profile_id = $1`, Caller(ctx).ID).
		Scan(&id, &status, &paused)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("read actor: %w", err)
	}
	if id == "" {
		return "", problem.New(http.StatusUnprocessableEntity, "account_not_active", "You have no account on the ledger yet.")
	}
	var refusal error
	switch {
	case paused:
		refusal = problem.Unavailable("system_paused", "Nothing changes on the ledger at the moment.", nil)
	case status == readmodel.StatusFrozen:
		refusal = problem.New(http.StatusLocked, "account_frozen", "Your account is frozen.")
	case status != readmodel.StatusActive:
		refusal = problem.New(http.StatusUnprocessableEntity, "account_not_active", "Your account is not active.")
	}
	return id, d.Refuse(ctx, refusal)
}
