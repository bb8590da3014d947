package admin

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/service/door"
)

// CreateFirstStaff makes the owner's account when there is no staff at all and
// returns its password, which is kept nowhere. With staff present created is false.
func CreateFirstStaff(ctx context.Context, db postgres.DB, hasher *password.Hasher, username string) (secret string, created bool, err error) {
	var present bool
	if err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM app.staff)`).Scan(&present); err != nil || present {
		return "", false, wrap(err)
	}
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	// 120 random bits, with what the password policy wants in front.
	secret = "Gx1-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
	hash, err := hasher.Hash(ctx, secret)
	if err != nil {
		return "", false, wrap(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", false, wrap(err)
	}
	// Of several processes that begin at once one makes the account.
	tag, err := db.Exec(ctx, `INSERT INTO app.staff (staff_id, username, display_name, password_hash, role, created_at, updated_at)
		VALUES ($1, $2, $2, $3, $4, now(), now()) ON CONFLICT DO NOTHING`, id, username, hash, door.SuperOwner)
	if err != nil || tag.RowsAffected() == 0 {
		return "", false, wrap(err)
	}
	return secret, true, nil
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("first staff: %w", err)
	}
	return nil
}
