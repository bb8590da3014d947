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
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
)

// Session is a session as its owner sees it.
type Session struct {
	ID             string `json:"id" format:"uuid"`
	IPAddress      string `json:"ipAddress,omitzero" doc:"From which it was opened"`
	UserAgent      string `json:"userAgent,omitzero"`
	CreatedAt      Time   `json:"createdAt"`
	LastActivityAt Time   `json:"lastActivityAt"`
	ExpiresAt      Time   `json:"expiresAt"`
	IsCurrent      bool   `json:"isCurrent"`
}

// SessionList is the sessions of the caller.
type SessionList struct {
	Sessions []Session `json:"sessions"`
	Total    int       `json:"total"`
}

// Sessions returns the caller's sessions that live, the last used first.
func (d *Door) Sessions(ctx context.Context) (SessionList, error) {
	who := Caller(ctx)
	rows, err := d.Pool.Query(ctx, `SELECT session_id, user_agent, address, created_at, last_used_at, expires_at FROM app.sessions
		WHERE subject = $1 AND audience = $2 AND revoked_at IS NULL AND expires_at > $3 ORDER BY last_used_at DESC, session_id DESC`,
		who.ID, who.Kind, d.Clock())
	if err != nil {
		return SessionList{}, fmt.Errorf("list sessions: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Session, err error) {
		var id uuid.UUID
		var address []byte
		if err := row.Scan(&id, &s.UserAgent, &address, &s.CreatedAt.Time, &s.LastActivityAt.Time, &s.ExpiresAt.Time); err != nil {
			return s, err
		}
		if d.Fields != nil && address != nil {
			plain, err := d.Fields.Open(addressContext(id), address)
			if err != nil {
				return s, err
			}
			s.IPAddress = string(plain)
		}
		s.ID, s.IsCurrent = id.String(), id == who.Session
		return s, nil
	})
	if err != nil {
		return SessionList{}, fmt.Errorf("list sessions: %w", err)
	}
	return SessionList{Sessions: append([]Session{}, list...), Total: len(list)}, nil
}

// RevokeSession ends another session of the caller.
func (d *Door) RevokeSession(ctx context.Context, id uuid.UUID) error {
	who := Caller(ctx)
	if id == who.Session {
		return problem.New(http.StatusConflict, "session_current", "This is the session you are using; log out instead.")
	}
	owned, err := d.exists(ctx, `SELECT FROM app.sessions WHERE session_id = $1 AND subject = $2 AND audience = $3 AND revoked_at IS NULL`, id, who.ID, who.Kind)
	if err != nil {
		return err
	}
	if !owned {
		return problem.New(http.StatusNotFound, "not_found", "There is no such session.")
	}
	return d.endSession(ctx, id, who.String(), "SESSION_REVOKED", "revoked by its owner")
}

// RevokeOthers ends every session of the caller but the one in use.
func (d *Door) RevokeOthers(ctx context.Context) (revoked int, err error) {
	who := Caller(ctx)
	var ids []uuid.UUID
	err = pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		if ids, err = d.revokeAll(ctx, tx, who.Kind, who.ID, who.Session, "logout of all others"); err != nil {
			return err
		}
		return d.Audit(ctx, tx, audit.Record{Action: "SESSIONS_REVOKED", ResourceType: "session"})
	})
	if err != nil {
		return 0, err
	}
	d.sessions.forget(ids...)
	return len(ids), nil
}

// RevokeAll ends, in the caller's transaction, every session of a subject. Other
// processes notice within sessionFresh.
func (d *Door) RevokeAll(ctx context.Context, tx pgx.Tx, audience token.Audience, subject uuid.UUID, reason string) error {
	ids, err := d.revokeAll(ctx, tx, audience, subject, uuid.Nil, reason)
	d.sessions.forget(ids...)
	return err
}

func (d *Door) revokeAll(ctx context.Context, tx pgx.Tx, audience token.Audience, subject, but uuid.UUID, reason string) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `UPDATE app.sessions SET revoked_at = $4, revoked_reason = $5
		WHERE subject = $1 AND audience = $2 AND session_id <> $3 AND revoked_at IS NULL RETURNING session_id`, subject, audience, but, d.Clock(), reason)
	if err != nil {
		return nil, fmt.Errorf("revoke sessions: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("revoke sessions: %w", err)
	}
	return ids, nil
}

// CloseSession ends the session of a refresh token. An unknown token is no error.
func (d *Door) CloseSession(ctx context.Context, audience token.Audience, refresh token.Refresh) error {
	var id, subject uuid.UUID
	err := d.Pool.QueryRow(ctx, `SELECT s.session_id, s.subject FROM app.refresh_tokens r JOIN app.sessions s USING (session_id)
		WHERE r.token_hash = $1 AND s.audience = $2`, refresh.Hash(), audience).Scan(&id, &subject)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read refresh token: %w", err)
	}
	return d.endSession(ctx, id, Principal{Kind: audience, ID: subject}.String(), "LOGOUT", "logout")
}

// EndSession ends the caller's own session.
func (d *Door) EndSession(ctx context.Context) error {
	who := Caller(ctx)
	return d.endSession(ctx, who.Session, who.String(), "LOGOUT", "logout")
}

func (d *Door) endSession(ctx context.Context, id uuid.UUID, actor string, action audit.Action, reason string) error {
	err := pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		ended, err := revoke(ctx, tx, id, d.Clock(), reason)
		if err != nil || !ended {
			return err
		}
		return d.Audit(ctx, tx, audit.Record{Actor: actor, Action: action, ResourceType: "session", ResourceID: id.String()})
	})
	d.sessions.forget(id)
	return err
}

func revoke(ctx context.Context, db postgres.DB, session uuid.UUID, now time.Time, reason string) (ended bool, err error) {
	tag, err := db.Exec(ctx, `UPDATE app.sessions SET revoked_at = $2, revoked_reason = $3 WHERE session_id = $1 AND revoked_at IS NULL`, session, now, reason)
	if err != nil {
		return false, fmt.Errorf("revoke session: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}
