package door

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/problem"
)

// Accounts is a table of people who log in with a password.
type Accounts struct{ table, id, name string }

var (
	People = Accounts{"app.people", "profile_id", "email"}
	Staff  = Accounts{"app.staff", "staff_id", "username"}
)

// After freeAttempts wrong passwords an account is closed to logins for
// firstLock, then for twice as long with each further one, up to lastLock.
const (
	freeAttempts = 5
	firstLock    = 30 * time.Second
	lastLock     = 30 * time.Minute
)

// CheckPassword returns the account with this name and password, or ok false: for
// an unknown name, a locked account and a wrong password alike, at the same
// cost. The attempt is counted before the password is looked at, so that
// attempts in parallel gain nothing.
func (d *Door) CheckPassword(ctx context.Context, a Accounts, name, candidate string) (id uuid.UUID, ok bool, err error) {
	now := d.Clock()
	var stored string
	var failed int
	err = d.Pool.QueryRow(ctx, fmt.Sprintf(`UPDATE %s SET failed_logins = failed_logins + 1
		WHERE lower(%s) = lower($1) AND (locked_until IS NULL OR locked_until <= $2)
		RETURNING %s, password_hash, failed_logins`, a.table, a.name, a.id), name, now).Scan(&id, &stored, &failed)
	known := err == nil
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, false, fmt.Errorf("read account: %w", err)
	}
	if known && failed >= freeAttempts {
		if err := d.setAttempts(ctx, a, id, failed, now.Add(lockFor(failed))); err != nil {
			return uuid.Nil, false, err
		}
	}
	ok, err = d.Passwords.Verify(ctx, stored, candidate)
	switch {
	case err != nil && known: // it was not looked at, so it does not count
		err = errors.Join(err, d.setAttempts(context.WithoutCancel(ctx), a, id, failed-1, time.Time{}))
	case ok:
		err = d.setAttempts(ctx, a, id, 0, time.Time{})
	}
	if errors.Is(err, password.ErrBusy) {
		return uuid.Nil, false, problem.Unavailable("login_busy", "Too many logins at the moment; try again.", nil)
	}
	return id, ok && err == nil, err
}

func lockFor(failed int) time.Duration {
	return min(firstLock<<min(failed-freeAttempts, 16), lastLock)
}

func (d *Door) setAttempts(ctx context.Context, a Accounts, id uuid.UUID, failed int, until time.Time) error {
	var locked *time.Time
	if !until.IsZero() {
		locked = &until
	}
	if _, err := d.Pool.Exec(ctx, fmt.Sprintf(`UPDATE %s SET failed_logins = $2, locked_until = $3 WHERE %s = $1`, a.table, a.id),
		id, failed, locked); err != nil {
		return fmt.Errorf("count login attempts: %w", err)
	}
	return nil
}
