package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
)

// authenticate returns the principal of an access token: of the right audience
// for the route, in a session that lives.
func (d *Door) authenticate(ctx context.Context, header string, p Policy) (Principal, error) {
	if header == "" {
		return Principal{}, unauthorized("token_missing", "This needs an access token.")
	}
	scheme, raw, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || raw == "" {
		return Principal{}, unauthorized("token_malformed", "The Authorization header must be: Bearer <access token>.")
	}
	claims, err := d.Keys.Verify(ctx, strings.TrimSpace(raw))
	switch {
	case errors.Is(err, token.ErrExpired):
		return Principal{}, unauthorized("token_expired", "The access token has expired.")
	case errors.Is(err, token.ErrKeys):
		return Principal{}, problem.Unavailable("unavailable", "The service is not available at the moment.", err)
	case err != nil:
		return Principal{}, unauthorized("token_malformed", "This is not a valid access token.")
	}
	customers := p.Customer || p.Object != NoObject
	staff := p.Staff != noPermission || p.Object == Command
	if claims.Audience == token.Customers && !customers || claims.Audience == token.Staff && !staff {
		return Principal{}, unauthorized("token_wrong_audience", "This access token is for another part of the API.")
	}
	s, err := d.session(ctx, claims)
	if err != nil {
		return Principal{}, err
	}
	if !s.live || !d.Clock().Before(s.expires) {
		return Principal{}, unauthorized("token_revoked", "The session has ended.")
	}
	return Principal{Kind: claims.Audience, ID: claims.Subject, Session: claims.Session, Role: s.role, state: s, until: claims.Expires}, nil
}

func unauthorized(code, detail string) *problem.Problem {
	challenge := `Bearer realm="gx"`
	if code != "token_missing" {
		challenge += `, error="invalid_token"`
	}
	return problem.New(http.StatusUnauthorized, code, detail).WithHeader("WWW-Authenticate", challenge)
}

// sessionState is what a session is worth at the moment.
type sessionState struct {
	live    bool // neither it nor its subject was shut out
	expires time.Time

	// Of staff.
	role     Role
	enrolled bool       // has a second factor
	provedAt *time.Time // when it was shown last in this session
}

// Revocation and changes of role reach every process within sessionFresh.
const (
	sessionFresh = 5 * time.Second
	maxSessions  = 65536
)

type cachedSession struct {
	sessionState
	read time.Time
}

type sessionCache struct {
	mu sync.RWMutex
	m  map[uuid.UUID]cachedSession
}

func newSessionCache() *sessionCache { return &sessionCache{m: map[uuid.UUID]cachedSession{}} }

func (c *sessionCache) forget(ids ...uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		delete(c.m, id)
	}
}

var sessionSQL = map[token.Audience]string{
	token.Customers: `SELECT s.revoked_at IS NULL AND p.status NOT IN ('SUSPENDED', 'CLOSED') AND coalesce(a.status, '') NOT IN ('SUSPENDED', 'CLOSED', 'DECEASED'), s.expires_at, '', false, NULL::timestamptz
		FROM app.sessions s JOIN app.people p ON p.profile_id = s.subject
		LEFT JOIN read.accounts a ON a.account_id = p.gx_id
		WHERE s.session_id = $1 AND s.subject = $2 AND s.audience = 'gx-api'`,
	token.Staff: `SELECT s.revoked_at IS NULL AND p.active, s.expires_at, p.role, p.totp_enabled_at IS NOT NULL, s.mfa_at
		FROM app.sessions s JOIN app.staff p ON p.staff_id = s.subject
		WHERE s.session_id = $1 AND s.subject = $2 AND s.audience = 'gx-admin'`,
}

func (d *Door) session(ctx context.Context, c token.Claims) (sessionState, error) {
	now := d.Clock()
	d.sessions.mu.RLock()
	cached, ok := d.sessions.m[c.Session]
	d.sessions.mu.RUnlock()
	if ok && now.Sub(cached.read) < sessionFresh {
		return cached.sessionState, nil
	}
	var s sessionState
	err := d.Pool.QueryRow(ctx, sessionSQL[c.Audience], c.Session, c.Subject).
		Scan(&s.live, &s.expires, &s.role, &s.enrolled, &s.provedAt)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return s, fmt.Errorf("read session: %w", err)
	}
	d.sessions.mu.Lock()
	if len(d.sessions.m) >= maxSessions {
		clear(d.sessions.m)
	}
	d.sessions.m[c.Session] = cachedSession{s, now}
	d.sessions.mu.Unlock()
	return s, nil
}
