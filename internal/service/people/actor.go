package people

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/protocol/account"
)

// Actor is a person who asks for something on the ledger.
type Actor struct {
	GXID       string // empty before they are on the ledger
	Country    string
	TrustScore int
	profile    Status
	account    account.Status
	paused     bool
}

// FindActor returns a person by profile id. Errors: ErrNotFound.
func FindActor(ctx context.Context, db postgres.DB, profile uuid.UUID) (Actor, error) {
	var a Actor
	err := db.QueryRow(ctx, `
		SELECT coalesce(a.account_id, ''), coalesce(p.nationality, ''), coalesce(u.trust_score, 0), p.status, coalesce(a.status, ''), s.paused
		FROM app.people p CROSS JOIN read.system_status s
		LEFT JOIN read.accounts a ON a.account_id = p.gx_id LEFT JOIN read.users u ON u.user_id = p.gx_id
		WHERE p.profile_id = $1`, profile).
		Scan(&a.GXID, &a.Country, &a.TrustScore, &a.profile, &a.account, &a.paused)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, ErrNotFound
	}
	if err != nil {
		return a, fmt.Errorf("read actor: %w", err)
	}
	return a, nil
}

// May refuses who cannot act on the ledger now, as the ledger would.
func (a Actor) May() error {
	switch {
	case a.paused:
		return problem.Unavailable("system_paused", "Nothing changes on the ledger at the moment.", nil)
	case a.GXID == "":
		return problem.New(http.StatusUnprocessableEntity, "account_not_active", "You have no account on the ledger yet.").WithFact("accountStatus", string(a.profile))
	case a.account == account.Frozen || a.profile == Frozen:
		return problem.New(http.StatusLocked, "account_frozen", "Your account is frozen.")
	case a.account != account.Active:
		return problem.New(http.StatusUnprocessableEntity, "account_not_active", "Your account is not active.")
	}
	return nil
}
