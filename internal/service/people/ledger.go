package people

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
)

// AccountID returns the account that a profile id names, or any other id
// itself. Errors: ErrNotFound for a profile without an account.
func AccountID(ctx context.Context, db postgres.DB, id string) (string, error) {
	profile, err := uuid.Parse(id)
	if err != nil {
		return id, nil
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

// DisplayNames returns what counterparties may call the people with these GX
// ids; whoever is unknown is left out.
func DisplayNames(ctx context.Context, db postgres.DB, ids []string) (map[string]string, error) {
	names := map[string]string{}
	if len(ids) == 0 {
		return names, nil
	}
	rows, err := db.Query(ctx, `SELECT gx_id, first_name, last_name FROM app.people WHERE gx_id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	var id, first, last string
	if _, err := pgx.ForEachRow(rows, []any{&id, &first, &last}, func() error {
		names[id] = DisplayName(first, last)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	return names, nil
}
