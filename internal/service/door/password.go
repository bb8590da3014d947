package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/problem"
)

// HashPassword returns the hash of a new password.
func (d *Door) HashPassword(ctx context.Context, plain string) (hash string, err error) {
	httpkit.From(ctx).Wait(func() { hash, err = d.Passwords.Hash(ctx, plain) }) // bounded by itself
	if errors.Is(err, password.ErrBusy) {
		return "", problem.Unavailable("login_busy", "Too many logins at the moment; try again.", nil)
	}
	return hash, err
}

// ChangePassword replaces the caller's password, for which the current one is
// needed, and ends their other sessions.
func (d *Door) ChangePassword(ctx context.Context, a Accounts, current, next string) error {
	who := Caller(ctx)
	ok, err := d.CheckPassword(ctx, a, who.ID, current)
	if err != nil {
		return err
	}
	if !ok {
		return problem.New(http.StatusUnauthorized, "INVALID_CREDENTIALS", "The current password is wrong, or there were too many attempts; try again later.")
	}
	hash, err := d.HashPassword(ctx, next)
	if err != nil {
		return err
	}
	var ended []uuid.UUID
	err = pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf(`UPDATE %s SET password_hash = $2, updated_at = $3, password_changed_at = $3 WHERE %s = $1`, a.table, a.id),
			who.ID, hash, d.Clock()); err != nil {
			return fmt.Errorf("change password: %w", err)
		}
		if ended, err = d.revokeAll(ctx, tx, who.Kind, who.ID, who.Session, "password changed"); err != nil {
			return err
		}
		if err := d.LoggedIn(ctx, tx, a, who.ID); err != nil {
			return err
		}
		return d.Audit(ctx, tx, audit.Record{Action: "PASSWORD_CHANGED", ResourceType: "account", ResourceID: who.ID.String()})
	})
	d.sessions.forget(ended...)
	return err
}
