package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
)

// Tokens is what a login or a refresh gives.
type Tokens struct {
	AccessToken  string `json:"accessToken" doc:"Send it as Authorization: Bearer <token>"`
	RefreshToken string `json:"refreshToken" doc:"Good for one refresh"`
	TokenType    string `json:"tokenType" example:"Bearer"`
	ExpiresIn    int    `json:"expiresIn" doc:"Seconds until the access token ends" example:"900"`
}

// Lifetime is how long a session lasts without a refresh and at most.
type Lifetime struct{ Idle, Total time.Duration }

// CustomerSession is the lifetime of a customer's session (api.md 1.4).
var CustomerSession = Lifetime{Idle: 7 * 24 * time.Hour, Total: 30 * 24 * time.Hour}

// StaffSession returns the lifetime of a session of staff (api.md 1.6).
func StaffSession(r Role) Lifetime {
	idle := 30 * time.Minute
	switch r {
	case SuperOwner:
		idle = time.Hour
	case SuperAdmin:
		idle = 45 * time.Minute
	}
	return Lifetime{Idle: idle, Total: 24 * time.Hour}
}

// doubleSubmit is how long a refresh token that was used may be sent again by the same client.
const doubleSubmit = 10 * time.Second

// NewSession is a session to be opened.
type NewSession struct {
	Audience token.Audience
	Subject  uuid.UUID
	Lifetime Lifetime
	Proved   bool // the second factor was shown
}

// OpenSession begins a session for the client that sends the request and
// returns its first tokens.
func (d *Door) OpenSession(ctx context.Context, db postgres.DB, n NewSession) (Tokens, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Tokens{}, fmt.Errorf("session id: %w", err)
	}
	now := d.Clock()
	var proved *time.Time
	if n.Proved {
		proved = &now
	}
	refresh := token.NewRefresh()
	_, err = db.Exec(ctx, `WITH s AS (
			INSERT INTO app.sessions (session_id, audience, subject, user_agent, address, mfa_at, created_at, last_used_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8))
		INSERT INTO app.refresh_tokens (token_hash, session_id, expires_at) VALUES ($9, $1, $10)`,
		id, n.Audience, n.Subject, callOf(ctx).userAgent, d.sealAddress(ctx, id), proved, now, now.Add(n.Lifetime.Total),
		refresh.Hash(), now.Add(n.Lifetime.Idle))
	if err != nil {
		return Tokens{}, fmt.Errorf("open session: %w", err)
	}
	return d.tokens(n.Subject, id, n.Audience, refresh)
}

func addressContext(session uuid.UUID) string { return "sessions.address " + session.String() }

func (d *Door) sealAddress(ctx context.Context, session uuid.UUID) []byte {
	client := callOf(ctx).client
	if d.Fields == nil || !client.IsValid() {
		return nil
	}
	return d.Fields.Seal(addressContext(session), []byte(client.String()))
}

func (d *Door) tokens(subject, session uuid.UUID, audience token.Audience, refresh token.Refresh) (Tokens, error) {
	access, err := d.Signer.Sign(subject, session, audience)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{AccessToken: access, RefreshToken: string(refresh), TokenType: "Bearer", ExpiresIn: int(token.AccessLifetime.Seconds())}, nil
}

// Refusals of a refresh token; both audiences word them alike.
var (
	errSessionExpired = problem.New(http.StatusUnauthorized, "SESSION_EXPIRED", "The session has ended; log in again.")
	errSessionIdle    = problem.New(http.StatusUnauthorized, "IDLE_TIMEOUT", "The session was not used for too long; log in again.")
)

// RefreshSession exchanges a refresh token for new tokens. A token that was
// used before ends its session: one of its holders is a thief.
func (d *Door) RefreshSession(ctx context.Context, audience token.Audience, refresh token.Refresh) (Tokens, error) {
	now, userAgent := d.Clock(), callOf(ctx).userAgent
	var out Tokens
	var reused uuid.UUID
	err := pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		var s struct {
			Session, Subject        uuid.UUID
			UserAgent               string
			SessionExpires, Expires time.Time
			Revoked                 bool
			Consumed                *time.Time
			Live                    bool
			Role                    Role
		}
		err := tx.QueryRow(ctx, `
			SELECT s.session_id, s.subject, s.user_agent, s.expires_at, s.revoked_at IS NOT NULL, r.expires_at, r.consumed_at,
			       coalesce(p.status NOT IN ('SUSPENDED', 'CLOSED') AND coalesce(a.status, '') NOT IN ('SUSPENDED', 'CLOSED', 'DECEASED'), m.active, false), coalesce(m.role, '')
			FROM app.refresh_tokens r
			JOIN app.sessions s USING (session_id)
			LEFT JOIN app.people p ON s.audience = 'gx-api' AND p.profile_id = s.subject
			LEFT JOIN read.accounts a ON a.account_id = p.gx_id
			LEFT JOIN app.staff m ON s.audience = 'gx-admin' AND m.staff_id = s.subject
			WHERE r.token_hash = $1 AND s.audience = $2
			FOR UPDATE OF r, s`, refresh.Hash(), audience).
			Scan(&s.Session, &s.Subject, &s.UserAgent, &s.SessionExpires, &s.Revoked, &s.Expires, &s.Consumed, &s.Live, &s.Role)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return problem.New(http.StatusUnauthorized, "token_malformed", "This is not a refresh token.")
		case err != nil:
			return fmt.Errorf("read refresh token: %w", err)
		case s.Revoked || !s.Live || !now.Before(s.SessionExpires):
			return errSessionExpired
		case s.Consumed != nil && (now.Sub(*s.Consumed) > doubleSubmit || userAgent != s.UserAgent):
			reused = s.Session
			if _, err := revoke(ctx, tx, s.Session, now, "refresh token used twice"); err != nil {
				return err
			}
			return d.Audit(ctx, tx, audit.Record{Actor: Principal{Kind: audience, ID: s.Subject}.String(), Action: "REFRESH_REUSED",
				ResourceType: "session", ResourceID: s.Session.String()})
		case !now.Before(s.Expires):
			return errSessionIdle
		}
		if err := d.Spend(ctx, ClassRefresh, s.Session.String()); err != nil {
			return err
		}
		life := CustomerSession
		if audience == token.Staff {
			life = StaffSession(s.Role)
		}
		next := token.NewRefresh()
		expires := now.Add(life.Idle)
		if expires.After(s.SessionExpires) {
			expires = s.SessionExpires
		}
		if _, err := tx.Exec(ctx, `WITH used AS (
				UPDATE app.refresh_tokens SET consumed_at = coalesce(consumed_at, $4) WHERE token_hash = $1),
			touched AS (
				UPDATE app.sessions SET last_used_at = $4 WHERE session_id = $2)
			INSERT INTO app.refresh_tokens (token_hash, session_id, expires_at) VALUES ($3, $2, $5)`,
			refresh.Hash(), s.Session, next.Hash(), now, expires); err != nil {
			return fmt.Errorf("rotate refresh token: %w", err)
		}
		out, err = d.tokens(s.Subject, s.Session, audience, next)
		return err
	})
	if err == nil && reused != uuid.Nil {
		d.sessions.forget(reused)
		httpkit.From(ctx).Log.WarnContext(ctx, "security alert: refresh token used twice, session ended", "sessionId", reused)
		return Tokens{}, problem.New(http.StatusUnauthorized, "token_revoked", "This refresh token was used before; the session has ended.")
	}
	return out, err
}

// clip shortens s to n bytes at most, without invalid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return string([]rune(s))
}
