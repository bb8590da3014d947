package service_test

import (
	"encoding/base32"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/platform/totp"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
)

// strong is a password that staff may have.
const strong = "Correct horse 1!"

// username returns the name of a member of staff.
func (s *system) username(id uuid.UUID) (name string) {
	s.t.Helper()
	s.scan(`SELECT username FROM app.staff WHERE staff_id = $1`, []any{id}, &name)
	return name
}

func (s *system) post(path, bearer string, body any, header ...string) answer {
	s.t.Helper()
	return s.call("admin", "POST", "/admin/auth"+path, bearer, body, header...)
}

// enrol gives a member of staff a second factor and returns it with the recovery codes.
func (s *system) enrol(t *testing.T, bearer string) (secret totp.Secret, codes []string) {
	t.Helper()
	setup := s.post("/mfa/setup", bearer, map[string]any{"password": "Correct horse 1"}).want(t, 200, "")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(setup.text("secret"))
	if err != nil || !strings.Contains(setup.text("otpauthUrl"), setup.text("secret")) {
		t.Fatalf("%v: %s", err, setup.raw)
	}
	secret = raw
	enabled := s.post("/mfa/enable", bearer, map[string]any{"code": secret.Code(s.clock())}).want(t, 200, "")
	for _, c := range enabled.at("backupCodes").([]any) {
		codes = append(codes, c.(string))
	}
	return secret, codes
}

func (s *system) staffLogin(name string, header ...string) answer {
	s.t.Helper()
	return s.post("/login", "", map[string]any{"username": name, "password": secret}, header...)
}

func (s *system) showMFA(mfaToken, code string, header ...string) answer {
	s.t.Helper()
	return s.post("/mfa/verify", "", map[string]any{"mfaToken": mfaToken, "code": code}, header...)
}

func TestSecondFactor(t *testing.T) {
	s := newSystem(t)
	id, bearer := s.staff(door.Admin)
	name := s.username(id)
	s.post("/mfa/setup", bearer, map[string]any{"password": "wrong"}).want(t, 401, "INVALID_CREDENTIALS")
	s.post("/mfa/enable", bearer, map[string]any{"code": "123456"}).want(t, 409, "mfa_not_set_up")
	s.post("/mfa/step-up", bearer, map[string]any{"code": "123456"}).want(t, 409, "mfa_not_enabled")
	s.post("/mfa/setup", bearer, map[string]any{"password": secret}).want(t, 200, "")
	s.post("/mfa/enable", bearer, map[string]any{"code": "123456"}).want(t, 401, "MFA_INVALID")
	if a := s.staffLogin(name).want(t, 200, ""); a.at("requiresMfa") != false || a.text("accessToken") == "" {
		t.Errorf("a second factor that is only set up is demanded: %s", a.raw)
	}
	device, codes := s.enrol(t, bearer)
	if len(codes) != 10 || len(codes[0]) != 19 {
		t.Errorf("recovery codes %v", codes)
	}
	s.post("/mfa/setup", bearer, map[string]any{"password": secret}).want(t, 409, "mfa_enabled")
	s.post("/mfa/enable", bearer, map[string]any{"code": device.Code(s.clock())}).want(t, 409, "mfa_enabled")

	s.advance(time.Minute)
	login := s.staffLogin(name).want(t, 200, "")
	if login.at("requiresMfa") != true || login.text("mfaMethod") != "TOTP" || login.text("accessToken") != "" || login.at("admin") != nil {
		t.Fatalf("login %s", login.raw)
	}
	challenge := login.text("mfaToken")
	s.showMFA(challenge, "000000").want(t, 401, "MFA_INVALID")
	s.showMFA(challenge, device.Code(s.clock()), "User-Agent", "thief").want(t, 401, "SESSION_EXPIRED")
	done := s.showMFA(challenge, device.Code(s.clock())).want(t, 200, "")
	if done.text("admin", "id") != id.String() || done.at("expiresIn") != float64(900) {
		t.Errorf("verified %s", done.raw)
	}
	s.call("admin", "GET", "/admin/system/status", done.text("accessToken"), nil).want(t, 200, "")
	s.showMFA(challenge, codes[9]).want(t, 401, "SESSION_EXPIRED") // it opens one session
	// A code works once, even in another login.
	again := s.staffLogin(name).text("mfaToken")
	s.showMFA(again, device.Code(s.clock())).want(t, 401, "MFA_INVALID")
	s.advance(6 * time.Minute)
	s.showMFA(again, device.Code(s.clock())).want(t, 401, "SESSION_EXPIRED")
	for _, other := range []string{"", "gxm_x", login.text("accessToken")} {
		s.showMFA(other, device.Code(s.clock())).want(t, 401, "SESSION_EXPIRED")
	}

	// A recovery code works once, however it is typed.
	s.showMFA(s.staffLogin(name).text("mfaToken"), " "+strings.ToLower(strings.ReplaceAll(codes[0], "-", ""))).want(t, 200, "")
	s.showMFA(s.staffLogin(name).text("mfaToken"), codes[0]).want(t, 401, "MFA_INVALID")
	bearer = s.showMFA(s.staffLogin(name).text("mfaToken"), codes[1]).want(t, 200, "").text("accessToken")
	renewed := s.post("/mfa/backup-codes", bearer, map[string]any{"code": device.Code(s.clock())}).want(t, 200, "")
	if len(renewed.at("backupCodes").([]any)) != 10 {
		t.Errorf("renewed %s", renewed.raw)
	}
	s.showMFA(s.staffLogin(name).text("mfaToken"), codes[2]).want(t, 401, "MFA_INVALID")

	s.advance(time.Minute)
	s.post("/mfa/disable", bearer, map[string]any{"password": "wrong", "code": device.Code(s.clock())}).want(t, 401, "INVALID_CREDENTIALS")
	s.post("/mfa/disable", bearer, map[string]any{"password": secret, "code": "000000"}).want(t, 401, "MFA_INVALID")
	s.post("/mfa/disable", bearer, map[string]any{"password": secret, "code": device.Code(s.clock())}).want(t, 200, "")
	if a := s.staffLogin(name).want(t, 200, ""); a.at("requiresMfa") != false {
		t.Errorf("a disabled second factor is demanded: %s", a.raw)
	}
	if n := s.count(`SELECT count(*) FROM app.staff_recovery_codes`) + s.count(`SELECT count(*) FROM app.staff WHERE totp_secret IS NOT NULL`); n != 0 {
		t.Errorf("%d remains of the second factor", n)
	}
}

// What is risky needs a fresh second factor; what only looks does not.
func TestStepUp(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada := s.person("Ada", "CH", gx(1))
	id, bearer := s.staff(door.SuperOwner)
	device, _ := s.enrol(t, bearer)
	freeze := func(bearer string) answer {
		return s.call("tokenomics", "POST", "/wallets/"+ada.gx+"/freeze", bearer, map[string]any{"reason": "reported as stolen"}, "Idempotency-Key", key())
	}
	deny := func(bearer string) answer {
		return s.call("admin", "POST", "/admin/users/x/deny", bearer, map[string]any{"reason": "The picture is not readable."})
	}
	freeze(bearer).want(t, 202, "") // enrolling showed it
	s.advance(14 * time.Minute)
	bearer = s.session(token.Staff, id) // a session of before, so to say
	s.call("admin", "GET", "/admin/users", bearer, nil).want(t, 200, "")
	deny(bearer).want(t, 403, "MFA_REQUIRED") // medium: once in a session
	s.post("/mfa/step-up", bearer, map[string]any{"code": "000000"}).want(t, 401, "MFA_INVALID")
	s.post("/mfa/step-up", bearer, map[string]any{"code": device.Code(s.clock())}).want(t, 200, "")
	deny(bearer).want(t, 404, "user_not_found")
	freeze(bearer).want(t, 202, "")
	s.advance(14*time.Minute + 59*time.Second)
	s.exec(`UPDATE app.sessions SET mfa_at = mfa_at - interval '2 seconds'`)
	s.advance(6 * time.Second) // what other processes knew of the session is old now
	if a := freeze(bearer).want(t, 403, "MFA_REQUIRED"); a.text("maxAgeSeconds") != "900" {
		t.Errorf("refused %s", a.raw)
	}
	deny(bearer).want(t, 404, "user_not_found")
}

// Where the house demands a second factor there is nothing to do without one but to enrol it.
func TestKF69MandatorySecondFactor(t *testing.T) {
	s := newSystem(t, func(d *service.Deps) { d.RequireMFA = true })
	_, auditor := s.staff(door.Auditor)
	s.call("admin", "GET", "/admin/users", auditor, nil).want(t, 200, "")
	_, bearer := s.staff(door.Admin)
	s.call("admin", "GET", "/admin/users", bearer, nil).want(t, 403, "MFA_REQUIRED")
	s.call("admin", "GET", "/admin/auth/profile", bearer, nil).want(t, 200, "")
	device, _ := s.enrol(t, bearer)
	s.call("admin", "GET", "/admin/users", bearer, nil).want(t, 200, "")
	s.advance(time.Minute)
	s.post("/mfa/disable", bearer, map[string]any{"password": secret, "code": device.Code(s.clock())}).want(t, 403, "MFA_REQUIRED")
}

func TestOwnSessions(t *testing.T) {
	s := newSystem(t)
	ada, bob := s.person("Ada", "CH", nil), s.person("Bob", "CH", nil)
	adminID, admin := s.staff(door.Auditor)
	for _, tc := range []struct {
		door, base, bearer, other string
		login                     func() answer
	}{
		{"identity", "/auth", ada.bearer, bob.bearer, func() answer {
			return s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}, "User-Agent", "phone")
		}},
		{"admin", "/admin/auth", admin, s.session(token.Staff, uuid.New()), func() answer {
			return s.staffLogin(s.username(adminID), "User-Agent", "phone")
		}},
	} {
		phone := tc.login().want(t, 200, "").text("accessToken")
		tablet := tc.login().want(t, 200, "").text("accessToken")
		list := s.call(tc.door, "GET", tc.base+"/sessions", phone, nil).want(t, 200, "")
		sessions := list.at("sessions").([]any)
		if list.at("total") != float64(3) || len(sessions) != 3 {
			t.Fatalf("%s: %s", tc.door, list.raw)
		}
		var current map[string]any
		for _, v := range sessions {
			if v := v.(map[string]any); v["isCurrent"] == true {
				current = v
			}
		}
		if current["userAgent"] != "phone" || current["ipAddress"] != "192.0.2.1" {
			t.Errorf("%s: current session %v", tc.door, current)
		}
		end := func(bearer, id string) answer {
			return s.call(tc.door, "DELETE", tc.base+"/sessions/"+id, bearer, nil)
		}
		id := current["id"].(string)
		end(phone, id).want(t, 409, "session_current")
		end(phone, uuid.NewString()).want(t, 404, "not_found")
		if tc.door == "identity" {
			end(tc.other, id).want(t, 404, "not_found")
		}
		end(tablet, id).want(t, 200, "")
		end(tablet, id).want(t, 404, "not_found")
		s.call(tc.door, "GET", tc.base+"/sessions", phone, nil).want(t, 401, "token_revoked")
		if a := s.call(tc.door, "POST", tc.base+"/logout-all", tablet, nil).want(t, 200, ""); a.at("revokedCount") != float64(1) {
			t.Errorf("%s: %s", tc.door, a.raw)
		}
		s.call(tc.door, "GET", tc.base+"/sessions", tc.bearer, nil).want(t, 401, "token_revoked")
		s.call(tc.door, "GET", tc.base+"/sessions", tablet, nil).want(t, 200, "")
	}
	s.call("identity", "GET", "/users/me", bob.bearer, nil).want(t, 200, "")
	if n := s.count(`SELECT count(*) FROM app.sessions WHERE position('192.0.2.1'::bytea in address) > 0`); n != 0 {
		t.Errorf("%d addresses can be read", n)
	}
}

func TestPasswordChange(t *testing.T) {
	s := newSystem(t)
	ada := s.person("Ada", "CH", nil)
	login := func(password string) answer {
		return s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": password})
	}
	other := login(secret).want(t, 200, "")
	change := func(current, next string) answer {
		return s.call("identity", "POST", "/auth/password/change", ada.bearer, map[string]any{"currentPassword": current, "newPassword": next})
	}
	change(secret, "short").want(t, 422, "PASSWORD_TOO_SHORT")
	change(secret, secret).want(t, 422, "PASSWORD_UNCHANGED")
	change("wrong", "Another horse 2").want(t, 401, "INVALID_CREDENTIALS")
	change(secret, "Another horse 2").want(t, 200, "")
	s.call("identity", "GET", "/users/me", ada.bearer, nil).want(t, 200, "")
	s.call("identity", "GET", "/users/me", other.text("accessToken"), nil).want(t, 401, "token_revoked")
	s.call("identity", "POST", "/auth/refresh", "", map[string]any{"refreshToken": other.text("refreshToken")}).want(t, 401, "SESSION_EXPIRED")
	login(secret).want(t, 401, "invalid_credentials")
	login("Another horse 2").want(t, 200, "")
	// A stolen session is no way to try passwords without end.
	for range 5 {
		change("wrong", "Third horse 33").want(t, 401, "INVALID_CREDENTIALS")
	}
	change("Another horse 2", "Third horse 33").want(t, 401, "INVALID_CREDENTIALS")

	id, bearer := s.staff(door.Moderator)
	for next, want := range map[string]string{"Correct horse": "newPassword", "Corr3ct h!": "newPassword", secret: "newPassword"} {
		a := s.post("/password/change", bearer, map[string]any{"currentPassword": secret, "newPassword": next, "confirmPassword": next}).want(t, 400, "PASSWORD_POLICY_VIOLATION")
		if a.text("field") != want {
			t.Errorf("%q: %s", next, a.raw)
		}
	}
	s.post("/password/change", bearer, map[string]any{"currentPassword": secret, "newPassword": strong, "confirmPassword": "else"}).want(t, 400, "PASSWORD_POLICY_VIOLATION")
	s.post("/password/change", bearer, map[string]any{"currentPassword": secret, "newPassword": strong, "confirmPassword": strong}).want(t, 200, "")
	s.staffLogin(s.username(id)).want(t, 401, "INVALID_CREDENTIALS")
	s.post("/login", "", map[string]any{"username": s.username(id), "password": strong}).want(t, 200, "")
}

func TestStaffProfile(t *testing.T) {
	s := newSystem(t)
	id, bearer := s.staff(door.SuperAdmin)
	a := s.call("admin", "GET", "/admin/auth/profile", bearer, nil).want(t, 200, "")
	if a.text("id") != id.String() || a.text("role") != "SUPER_ADMIN" || a.at("mfaEnabled") != false ||
		len(a.at("permissions").([]any)) != 28 || len(a.at("permissionsWithApproval").([]any)) != 12 {
		t.Errorf("profile %s", a.raw)
	}
}

// Six digits cannot be found by trying: a challenge is void after five codes, and
// the account is locked for longer and longer.
func TestD16KF69SecondFactorCannotBeGuessed(t *testing.T) {
	s := newSystem(t)
	id, bearer := s.staff(door.Admin)
	name := s.username(id)
	device, _ := s.enrol(t, bearer)
	s.advance(time.Minute)
	challenge := s.staffLogin(name).want(t, 200, "").text("mfaToken")
	for range 5 {
		s.showMFA(challenge, "000000").want(t, 401, "MFA_INVALID")
	}
	s.showMFA(challenge, device.Code(s.clock())).want(t, 401, "SESSION_EXPIRED")
	s.staffLogin(name).want(t, 401, "INVALID_CREDENTIALS") // locked, although the password is right
	tries := 0
	for end := s.clock().Add(24 * time.Hour); s.clock().Before(end); s.advance(10 * time.Second) {
		login := s.staffLogin(name)
		if login.status != 200 {
			continue
		}
		for s.showMFA(login.text("mfaToken"), "000000").code() == "MFA_INVALID" {
			tries++
		}
	}
	if tries == 0 || tries > 300 {
		t.Errorf("%d codes could be tried in a day", tries)
	}
	// The owner of the account gets in all the same, once it is open.
	s.advance(time.Hour)
	s.showMFA(s.staffLogin(name).want(t, 200, "").text("mfaToken"), device.Code(s.clock())).want(t, 200, "")
	s.showMFA(s.staffLogin(name).want(t, 200, "").text("mfaToken"), "000000").want(t, 401, "MFA_INVALID")
	if n := s.count(`SELECT failed_logins FROM app.staff WHERE staff_id = $1`, id); n >= 5 {
		t.Errorf("%d failures are remembered after a login", n)
	}
	if n := s.count(`SELECT count(*) FROM app.audit_pending WHERE action = 'STAFF_LOGIN_FAILED' AND resource_id = $1 AND address = '192.0.2.1'`, id.String()); n < tries {
		t.Errorf("%d failures are recorded, want %d at least", n, tries)
	}
}
