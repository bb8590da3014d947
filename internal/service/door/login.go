package door

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/ratelimit"
)

// Accounts is a table of people who log in with a password.
type Accounts struct{ table, id string }

var (
	People = Accounts{"app.people", "profile_id"}
	Staff  = Accounts{"app.staff", "staff_id"}
)

// After freeAttempts failures an account is closed to logins for firstLock, then
// for twice as long with each further one, up to lastLock.
const (
	freeAttempts = 5
	firstLock    = 30 * time.Second
	lastLock     = 30 * time.Minute
)

// CheckPassword reports whether an account has this password. It is false for
// uuid.Nil, which stands for an unknown account, and for a locked one, at the
// same cost. The attempt counts as a failure until LoggedIn.
func (d *Door) CheckPassword(ctx context.Context, a Accounts, id uuid.UUID, candidate string) (bool, error) {
	ok, err := d.Attempt(ctx, a, id, func(hash string) (ok bool, err error) {
		httpkit.From(ctx).Wait(func() { ok, err = d.Passwords.Verify(ctx, hash, candidate) }) // bounded by itself
		return ok, err
	})
	if errors.Is(err, password.ErrBusy) {
		return false, problem.Unavailable("login_busy", "Too many logins at the moment; try again.", nil)
	}
	return ok, err
}

// Attempt counts a failure of the account, then lets prove find out whether it
// was one; so attempts in parallel gain nothing. prove gets the password's hash,
// "" when the account is unknown or locked.
func (d *Door) Attempt(ctx context.Context, a Accounts, id uuid.UUID, prove func(passwordHash string) (bool, error)) (bool, error) {
	now := d.Clock()
	var hash string
	var failed int
	err := d.Pool.QueryRow(ctx, fmt.Sprintf(`UPDATE %s SET failed_logins = failed_logins + 1
		WHERE %s = $1 AND (locked_until IS NULL OR locked_until <= $2)
		RETURNING password_hash, failed_logins`, a.table, a.id), id, now).Scan(&hash, &failed)
	open := err == nil
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("read account: %w", err)
	}
	if open && failed >= freeAttempts {
		if err := d.setAttempts(ctx, d.Pool, a, id, failed, now.Add(lockFor(failed))); err != nil {
			return false, err
		}
	}
	ok, err := prove(hash)
	switch {
	case !open:
		return false, err
	case err != nil: // it was not looked at, so it does not count
		return false, errors.Join(err, d.setAttempts(context.WithoutCancel(ctx), d.Pool, a, id, failed-1, time.Time{}))
	case ok && failed >= freeAttempts:
		err = d.setAttempts(ctx, d.Pool, a, id, failed, time.Time{})
	}
	return ok && err == nil, err
}

// LoggedIn forgets the failures of an account.
func (d *Door) LoggedIn(ctx context.Context, db postgres.DB, a Accounts, id uuid.UUID) error {
	return d.setAttempts(ctx, db, a, id, 0, time.Time{})
}

func lockFor(failed int) time.Duration {
	return min(firstLock<<min(failed-freeAttempts, 16), lastLock)
}

func (d *Door) setAttempts(ctx context.Context, db postgres.DB, a Accounts, id uuid.UUID, failed int, until time.Time) error {
	var locked *time.Time
	if !until.IsZero() {
		locked = &until
	}
	if _, err := db.Exec(ctx, fmt.Sprintf(`UPDATE %s SET failed_logins = $2, locked_until = $3 WHERE %s = $1`, a.table, a.id),
		id, failed, locked); err != nil {
		return fmt.Errorf("count login attempts: %w", err)
	}
	return nil
}

// ClientHash stands for the client that sends the request: its network and what
// it calls itself.
func (d *Door) ClientHash(ctx context.Context) []byte {
	c := callOf(ctx)
	return d.Index.Sum("client", ratelimit.Network(c.client)+" "+c.userAgent)
}

// ForgetSession makes this process look at a session again.
func (d *Door) ForgetSession(id uuid.UUID) { d.sessions.forget(id) }
