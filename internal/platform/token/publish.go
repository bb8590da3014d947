package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/postgres"
)

// ErrRetired reports a signing key that nobody accepts any more.
var ErrRetired = errors.New("token: the signing key is retired")

// Publish makes the signer's public keys known to every KeySet. Call it before
// the first token is signed. Errors: ErrRetired.
func (s *Signer) Publish(ctx context.Context, db postgres.DB) error {
	for _, key := range s.keys {
		if _, err := db.Exec(ctx, `INSERT INTO app.token_keys (kid, public_key, created_at) VALUES ($1, $2, $3) ON CONFLICT (kid) DO NOTHING`,
			keyID(public(key)), []byte(public(key)), s.clock()); err != nil {
			return fmt.Errorf("publish token key: %w", err)
		}
	}
	var retired bool
	if err := db.QueryRow(ctx, `SELECT retired_at IS NOT NULL FROM app.token_keys WHERE kid = $1`, s.kid).Scan(&retired); err != nil {
		return fmt.Errorf("publish token key: %w", err)
	}
	if retired {
		return fmt.Errorf("%w: %s", ErrRetired, s.kid)
	}
	return nil
}

// Published is a key that signs or has signed.
type Published struct {
	KeyID     string `db:"kid"`
	CreatedAt time.Time
	RetiredAt *time.Time // nil while its tokens are accepted
}

// List returns every published key, the newest first.
func List(ctx context.Context, db postgres.DB) ([]Published, error) {
	rows, err := db.Query(ctx, `SELECT kid, created_at, retired_at FROM app.token_keys ORDER BY created_at DESC, kid`)
	if err != nil {
		return nil, fmt.Errorf("list token keys: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Published])
	if err != nil {
		return nil, fmt.Errorf("list token keys: %w", err)
	}
	return list, nil
}

// ErrUnknownKey reports that no such key was published.
var ErrUnknownKey = errors.New("token: no such key")

// Retire makes every KeySet refuse the tokens of a key, within half a minute and
// for good. Errors: ErrUnknownKey.
func Retire(ctx context.Context, db postgres.DB, c clock.Clock, keyID string) error {
	tag, err := db.Exec(ctx, `UPDATE app.token_keys SET retired_at = coalesce(retired_at, $2) WHERE kid = $1`, keyID, c())
	if err != nil {
		return fmt.Errorf("retire token key: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("%w: %s", ErrUnknownKey, keyID)
	}
	return nil
}
