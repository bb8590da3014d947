package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/admin"
	"gxcoin.money/gx/internal/service/door"
)

func TestTokensOfTheWrongKind(t *testing.T) {
	s := newSystem(t)
	ada := s.person("Ada", "CH", nil)
	staffID, staff := s.staff(door.SuperOwner)
	login := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	parts := strings.Split(ada.bearer, ".")
	none := "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + "."
	for name, tc := range map[string]struct{ door, path, bearer, code string }{
		"no token":               {"identity", "/users/me", "", "token_missing"},
		"staff on customer":      {"identity", "/users/me", staff, "token_wrong_audience"},
		"customer on staff":      {"admin", "/admin/users", ada.bearer, "token_wrong_audience"},
		"refresh as access":      {"identity", "/users/me", login.text("refreshToken"), "token_malformed"},
		"alg none":               {"identity", "/users/me", none, "token_malformed"},
		"changed":                {"identity", "/users/me", parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), "token_malformed"},
		"session of staff":       {"identity", "/users/me", s.session(token.Customers, staffID), "token_revoked"},
		"session of nobody":      {"identity", "/users/me", s.session(token.Customers, uuid.New()), "token_revoked"},
		"customer as staff":      {"admin", "/admin/users", s.session(token.Staff, ada.profile), "token_revoked"},
		"not a token at all":     {"identity", "/users/me", "x y z", "token_malformed"},
		"a token out of letters": {"identity", "/users/me", "a.b.c", "token_malformed"},
	} {
		a := s.call(tc.door, "GET", tc.path, tc.bearer, nil).want(t, 401, tc.code)
		if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: WWW-Authenticate %q", name, a.header.Get("WWW-Authenticate"))
		}
	}
	s.call("identity", "GET", "/users/me", "", nil, "Authorization", "Basic x").want(t, 401, "token_malformed")
	s.call("identity", "GET", "/users/me", "", nil, "Authorization", "bEARER "+ada.bearer).want(t, 200, "")
	s.advance(20 * time.Minute)
	s.call("identity", "GET", "/users/me", ada.bearer, nil).want(t, 401, "token_expired")
}

func TestD07KF69Sessions(t *testing.T) {
	s := newSystem(t)
	ada := s.person("Ada", "CH", nil)
	refresh := func(raw string, header ...string) answer {
		return s.call("identity", "POST", "/auth/refresh", "", map[string]any{"refreshToken": raw}, header...)
	}
	login := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": " Ada@Example.org", "password": secret}).want(t, 200, "")
	if login.text("tokenType") != "Bearer" || login.at("expiresIn") != float64(900) || login.text("user", "profileId") != ada.profile.String() ||
		strings.Contains(login.raw, "argon2") || login.header.Get("Cache-Control") != "no-store" {
		t.Errorf("login %s", login.raw)
	}
	s.call("identity", "GET", "/users/me", login.text("accessToken"), nil).want(t, 200, "")

	s.advance(time.Hour)
	second := refresh(login.text("refreshToken")).want(t, 200, "")
	if second.text("refreshToken") == login.text("refreshToken") {
		t.Error("the refresh token was not rotated")
	}
	// The same client may have missed the answer.
	s.advance(5 * time.Second)
	refresh(login.text("refreshToken")).want(t, 200, "")
	s.call("identity", "GET", "/users/me", second.text("accessToken"), nil).want(t, 200, "")
	// Later it is theft: the whole family ends, in a few seconds everywhere.
	s.advance(6 * time.Second)
	refresh(login.text("refreshToken")).want(t, 401, "token_revoked")
	refresh(second.text("refreshToken")).want(t, 401, "SESSION_EXPIRED")
	s.call("identity", "GET", "/users/me", second.text("accessToken"), nil).want(t, 401, "token_revoked")
	if !strings.Contains(s.log.String(), "security alert") {
		t.Error("no alert in the log")
	}

	// Another client has no grace.
	third := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	refresh(third.text("refreshToken")).want(t, 200, "")
	refresh(third.text("refreshToken"), "User-Agent", "thief").want(t, 401, "token_revoked")

	fourth := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	s.call("tokenomics", "GET", "/commands", fourth.text("accessToken"), nil).want(t, 200, "")
	for range 2 {
		s.call("identity", "POST", "/auth/logout", "", map[string]any{"refreshToken": fourth.text("refreshToken")}).want(t, 200, "")
	}
	s.call("identity", "GET", "/users/me", fourth.text("accessToken"), nil).want(t, 401, "token_revoked")
	refresh(fourth.text("refreshToken")).want(t, 401, "SESSION_EXPIRED")
	s.advance(5 * time.Second)
	s.call("tokenomics", "GET", "/commands", fourth.text("accessToken"), nil).want(t, 401, "token_revoked")

	fifth := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	s.call("admin", "POST", "/admin/auth/refresh", "", map[string]any{"refreshToken": fifth.text("refreshToken")}).want(t, 401, "token_malformed")
	s.advance(8 * 24 * time.Hour)
	refresh(fifth.text("refreshToken")).want(t, 401, "IDLE_TIMEOUT")
	refresh("gxr_nothing").want(t, 401, "token_malformed")

	// A session ends for good after 30 days, however often it is used.
	last := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	for range 5 {
		s.advance(6*24*time.Hour - time.Second)
		last = refresh(last.text("refreshToken")).want(t, 200, "")
	}
	s.advance(time.Hour)
	refresh(last.text("refreshToken")).want(t, 401, "SESSION_EXPIRED")

	if n := s.count(`SELECT count(*) FROM app.refresh_tokens WHERE length(token_hash) <> 32`); n != 0 {
		t.Errorf("%d refresh tokens are not hashed", n)
	}
	for _, leak := range []string{"ada@example.org", secret, login.text("accessToken"), login.text("refreshToken")} {
		if strings.Contains(s.log.String(), leak) {
			t.Errorf("the log holds %q", leak)
		}
	}
}

func TestKF69Lockout(t *testing.T) {
	s := newSystem(t)
	s.person("Ada", "CH", nil)
	login := func(email, password string) answer {
		return s.call("identity", "POST", "/auth/login", "", map[string]any{"email": email, "password": password})
	}
	unknown := login("nobody@example.org", secret).want(t, 401, "invalid_credentials")
	wrong := login("ada@example.org", "wrong").want(t, 401, "invalid_credentials")
	if unknown.text("detail") != wrong.text("detail") {
		t.Error("an unknown account can be told from a wrong password")
	}
	login("ada@example.org", secret).want(t, 200, "") // which forgets the failure
	for range 5 {
		login("ada@example.org", "wrong").want(t, 401, "invalid_credentials")
	}
	locked := login("ada@example.org", secret).want(t, 401, "invalid_credentials")
	if locked.text("detail") != wrong.text("detail") {
		t.Error("a lock tells that the password is right")
	}
	s.advance(31 * time.Second)
	login("ada@example.org", "wrong").want(t, 401, "invalid_credentials")
	s.advance(31 * time.Second)
	login("ada@example.org", secret).want(t, 401, "invalid_credentials") // twice as long now
	s.advance(31 * time.Second)
	login("ada@example.org", secret).want(t, 200, "")

	s.exec(`UPDATE app.people SET status = 'SUSPENDED'`)
	login("ada@example.org", "wrong").want(t, 401, "invalid_credentials")
	login("ada@example.org", secret).want(t, 403, "account_closed")
}

func TestStaffLogin(t *testing.T) {
	s := newSystem(t)
	ctx := t.Context()
	password, created, err := admin.CreateFirstStaff(ctx, s.deps.Pool, s.hasher, "owner")
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if _, again, err := admin.CreateFirstStaff(ctx, s.deps.Pool, s.hasher, "second"); again || err != nil {
		t.Errorf("a second first account: %v, %v", again, err)
	}
	login := func(name, password string) answer {
		return s.call("admin", "POST", "/admin/auth/login", "", map[string]any{"username": name, "password": password})
	}
	login("owner", "wrong").want(t, 401, "INVALID_CREDENTIALS")
	a := login("OWNER", password).want(t, 200, "")
	if a.text("admin", "role") != "SUPER_OWNER" || a.at("requiresMfa") != false || a.at("expiresIn") != float64(900) {
		t.Errorf("login %s", a.raw)
	}
	s.call("admin", "GET", "/admin/system/status", a.text("accessToken"), nil).want(t, 200, "")
	b := s.call("admin", "POST", "/admin/auth/refresh", "", map[string]any{"refreshToken": a.text("refreshToken")}).want(t, 200, "")
	s.call("admin", "POST", "/admin/auth/logout", b.text("accessToken"), nil).want(t, 200, "")
	s.call("admin", "GET", "/admin/system/status", b.text("accessToken"), nil).want(t, 401, "token_revoked")
	c := login("owner", password).want(t, 200, "")
	s.advance(61 * time.Minute)
	s.call("admin", "POST", "/admin/auth/refresh", "", map[string]any{"refreshToken": c.text("refreshToken")}).want(t, 401, "IDLE_TIMEOUT")
	d := login("owner", password).want(t, 200, "")
	s.exec(`UPDATE app.staff SET role = 'AUDITOR'`) // the role is the database's, not the token's
	s.call("admin", "POST", "/admin/users/x/approve", d.text("accessToken"), nil).want(t, 403, "forbidden")
	s.exec(`UPDATE app.staff SET active = false`)
	login("owner", password).want(t, 403, "ACCOUNT_DISABLED")
	s.advance(6 * time.Second)
	s.call("admin", "GET", "/admin/system/status", d.text("accessToken"), nil).want(t, 401, "token_revoked")
}
