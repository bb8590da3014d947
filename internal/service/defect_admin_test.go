package service_test

import (
	"encoding/base32"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
)

// Whether an account is frozen is what the ledger says, to everybody: an order of
// staff that has not come to its end, or was refused, freezes nothing.
func TestD52FreezeFollowsTheLedger(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	agree := func(want string) {
		t.Helper()
		user := s.admin("GET", "/users/"+c.ada.profile.String(), c.owner, nil).want(t, 200, "")
		own := s.call("identity", "GET", "/users/me", c.ada.bearer, nil).want(t, 200, "")
		wallet := s.call("tokenomics", "GET", "/wallets/me/balance", c.ada.bearer, nil).want(t, 200, "")
		if user.text("status") != want || own.text("user", "status") != want || wallet.text("balance", "status") != want {
			t.Errorf("staff sees %s, the owner %s, the wallet is %s; want %s", user.text("status"), own.text("user", "status"), wallet.text("balance", "status"), want)
		}
	}
	freeze := map[string]any{"reason": "SUSPICIOUS_ACTIVITY"}
	id := s.admin("POST", "/users/"+c.ada.profile.String()+"/freeze", c.owner, freeze).want(t, 202, "").text("commandId")
	agree("ACTIVE")
	s.project(id, "REJECTED", "INVALID_STATE")
	agree("ACTIVE")
	s.admin("POST", "/users/"+c.ada.profile.String()+"/freeze", c.owner, freeze).want(t, 202, "")
	s.exec(`UPDATE read.accounts SET status = 'FROZEN', frozen_reason = 'SUSPICIOUS_ACTIVITY', frozen_at = now() WHERE account_id = $1`, c.ada.gx)
	agree("FROZEN")
	s.call("tokenomics", "POST", "/transfers", c.ada.bearer, map[string]any{"toID": c.bob.gx, "amount": "1"}, "Idempotency-Key", key()).want(t, 423, "account_frozen")
}

// A parameter is one of the catalogue, and a value one of its type and within its bounds.
func TestD53ParametersAreChecked(t *testing.T) {
	s := newSystem(t)
	s.open()
	_, owner := s.staff(door.SuperOwner)
	for _, tc := range []struct{ id, value, code string }{
		{"nothing", "1", "parameter_unknown"}, {"LOAN_1", "1", "parameter_unknown"}, {"", "1", "parameter_unknown"},
		{"votingPeriodDays", "20", "parameter_not_settable"}, {"loanInterestRateBps", "1", "parameter_not_settable"},
		{"poolDisburseMax", "0", "new_value_invalid"}, {"poolDisburseMax", "-1", "new_value_invalid"}, {"poolDisburseMax", "1e9", "new_value_invalid"},
		{"poolDisburseMax", "999999999999999999", "new_value_invalid"}, {"poolDisburseMax", " 5000000", "new_value_invalid"},
		{"recoveryEnabled", "TRUE", "new_value_invalid"}, {"recoveryEnabled", "1", "new_value_invalid"}, {"recoveryEnabled", "", "new_value_invalid"},
	} {
		s.admin("POST", "/parameters", owner, map[string]any{"paramId": tc.id, "newValue": tc.value, "reason": "for a good reason"}).want(t, 422, tc.code)
	}
	if n := s.count(`SELECT (SELECT count(*) FROM app.commands) + (SELECT count(*) FROM app.approvals)`); n != 0 {
		t.Errorf("%d commands and requests", n)
	}
}

// Counters count what is there, by kind.
func TestD54CountersAreRight(t *testing.T) {
	s := newSystem(t)
	s.open()
	_, auditor := s.staff(door.Auditor)
	s.person("Ada", "CH", gx(500))
	s.person("Bob", "DE", gx(20))
	s.person("Neo", "DE", nil)
	s.account("acme", account.Business, "CH", 3*qirat.PerGX)
	s.account("shelter", account.NGO, "CH", 0)
	s.account("ministry", account.Government, "CH", 0)
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 7*qirat.PerGX)
	s.exec(`UPDATE read.accounts SET balance = balance - $2 WHERE account_id = $1`, account.UserGenesisPool, int64(530*qirat.PerGX))
	a := s.admin("GET", "/counters", auditor, nil).want(t, 200, "")
	for name, want := range map[string]any{
		"totalUsers": 2.0, "totalOrganizations": 3.0, "totalSupply": qirat.MaxSupply.String(), "circulating": (530 * qirat.PerGX).String(), "asOfBlock": "-1",
	} {
		if got := a.at("counters", name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

// Who was disabled, or has lost a role, is stopped within seconds and for good.
func TestD64DisabledStaffIsCutOff(t *testing.T) {
	s := newSystem(t)
	id, _ := s.staff(door.SuperAdmin)
	login := s.staffLogin(s.username(id)).want(t, 200, "")
	bearer, refresh := login.text("accessToken"), map[string]any{"refreshToken": login.text("refreshToken")}
	s.admin("GET", "/admins", bearer, nil).want(t, 200, "")
	s.exec(`UPDATE app.staff SET role = 'MODERATOR' WHERE staff_id = $1`, id)
	s.advance(5 * time.Second)
	s.admin("GET", "/admins", bearer, nil).want(t, 403, "forbidden")
	s.exec(`UPDATE app.staff SET active = false WHERE staff_id = $1`, id)
	s.advance(5 * time.Second)
	s.admin("GET", "/users", bearer, nil).want(t, 401, "token_revoked")
	s.post("/refresh", "", refresh).want(t, 401, "SESSION_EXPIRED")
	s.staffLogin(s.username(id)).want(t, 403, "ACCOUNT_DISABLED")
}

// Whoever reads the database can neither make codes of a second factor, nor use the
// recovery codes, the tokens or the passwords of those whose traces lie there.
func TestD42D69SecretsAtRest(t *testing.T) {
	s := newSystem(t)
	id, bearer := s.staff(door.Admin)
	seed, codes := s.enrol(t, bearer)
	staff := s.staffLogin(s.username(id)).want(t, 200, "")
	s.person("Ada", "CH", nil)
	login := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	dump := s.dump()
	if !strings.Contains(dump, s.username(id)) {
		t.Fatal("the database was not read")
	}
	for name, clear := range map[string]string{
		"seed": string(seed), "seed in letters": base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed),
		"recovery code": codes[0], "recovery code without hyphens": strings.ReplaceAll(codes[0], "-", ""),
		"refresh token": login.text("refreshToken"), "access token": login.text("accessToken"), "token of a login": staff.text("mfaToken"), "password": secret,
	} {
		if clear == "" {
			t.Fatalf("there is no %s", name)
		}
		if strings.Contains(dump, clear) || strings.Contains(dump, hex.EncodeToString([]byte(clear))) {
			t.Errorf("the database holds a %s", name)
		}
	}
}
