package service_test

import (
	"encoding/json"
	"strings"
	"testing"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/service/door"
)

// seal puts every record so far into the chain.
func (s *system) seal(t *testing.T) {
	t.Helper()
	pool := pgtest.Database{DSN: s.dsn}.Pool(t, "gx_sealer")
	sealer, err := audit.NewSealer(pool, audit.Options{Holder: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s.exec(`INSERT INTO app.leases (name, holder, fence, expires_at) VALUES ('audit', 'test', 1, now() + interval '1 hour') ON CONFLICT DO NOTHING`)
	for n := 1; n > 0; {
		if n, err = sealer.Seal(t.Context(), lease.Term{Name: audit.Lease, Fence: 1}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAuditTrail(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(10)), s.person("Bob", "CH", gx(0))
	ownerID, owner := s.staff(door.SuperOwner)
	_, auditor := s.staff(door.Auditor)
	_, moderator := s.staff(door.Moderator)
	s.staffLogin(s.username(ownerID)).want(t, 200, "")
	s.post("/login", "", map[string]any{"username": s.username(ownerID), "password": "wrong"}).want(t, 401, "INVALID_CREDENTIALS")
	s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	s.call("tokenomics", "POST", "/transfers", ada.bearer, map[string]any{"toID": bob.gx, "amount": "1000000"}, "Idempotency-Key", key(), "X-Request-Id", "req-7").want(t, 202, "")
	s.call("tokenomics", "POST", "/wallets/"+ada.gx+"/freeze", owner, map[string]any{"reason": "reported as stolen"}, "Idempotency-Key", key()).want(t, 202, "")
	get := func(query, bearer string) answer { return s.admin("GET", "/audit-logs"+query, bearer, nil) }
	if a := get("/verify", auditor).want(t, 200, ""); a.at("valid") != true || a.at("pending") == float64(0) {
		t.Errorf("before sealing: %s", a.raw)
	}
	s.seal(t)
	get("", moderator).want(t, 403, "forbidden")
	all := get("", auditor).want(t, 200, "")
	var actions []string
	for _, v := range all.at("data").([]any) {
		actions = append(actions, v.(map[string]any)["action"].(string))
	}
	if strings.Join(actions, " ") != "FREEZE_WALLET COMMAND_ACCEPTED COMMAND_ACCEPTED USER_LOGIN STAFF_LOGIN_FAILED STAFF_LOGIN" {
		t.Errorf("actions %v", actions)
	}
	freeze := all.at("data").([]any)[0].(map[string]any)
	if freeze["adminId"] != ownerID.String() || freeze["role"] != "SUPER_OWNER" || freeze["ipAddress"] != "192.0.2.1" || freeze["sessionId"] == "" || len(freeze["eventHash"].(string)) != 64 {
		t.Errorf("freeze %v", freeze)
	}
	mine := get("?actor=customer:"+ada.profile.String()+"&action=COMMAND_ACCEPTED", auditor)
	if data := mine.at("data").([]any); len(data) != 1 || data[0].(map[string]any)["requestId"] != "req-7" || data[0].(map[string]any)["ipAddress"] != nil {
		t.Errorf("transfer %s", mine.raw)
	}
	first := get("?limit=4", auditor)
	rest := get("?limit=4&cursor="+first.text("nextCursor"), auditor)
	if len(first.at("data").([]any)) != 4 || len(rest.at("data").([]any)) != 2 || rest.at("hasMore") != false {
		t.Errorf("pages %s %s", first.raw, rest.raw)
	}
	if n := len(get("?adminId="+ownerID.String()+"&from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z", auditor).at("data").([]any)); n != 4 {
		t.Errorf("%d acts of the owner", n)
	}
	get("?cursor=x", auditor).want(t, 400, "cursor_invalid")
	get("?from=yesterday", auditor).want(t, 400, "from_invalid")
	if a := get("/1", auditor).want(t, 200, ""); a.text("action") != "STAFF_LOGIN" {
		t.Errorf("first record %s", a.raw)
	}
	get("/99", auditor).want(t, 404, "not_found")

	report := get("/verify", auditor).want(t, 200, "")
	if report.at("valid") != true || report.at("pending") != float64(0) || !strings.HasPrefix(report.text("head"), "6:") ||
		report.at("anchor", "id") != nil || report.at("anchor", "since") != float64(6) {
		t.Errorf("report %s", report.raw)
	}
	s.exec(`INSERT INTO read.audit_anchors (sequence, hash, at) SELECT sequence, encode(hash, 'hex'), $1 FROM app.audit WHERE sequence IN (2, 4)`, s.clock())
	if a := get("/verify", auditor).want(t, 200, ""); a.text("anchor", "id") != "4" || a.text("anchor", "at") != "2026-03-01T12:00:00.000Z" || a.at("anchor", "since") != float64(2) {
		t.Errorf("anchored: %s", a.raw)
	}
	_, clerk := s.staff(door.Admin)
	get("/export", clerk).want(t, 403, "forbidden")
	lines := strings.Split(strings.TrimSpace(get("/export", auditor).want(t, 200, "").raw), "\n")
	var end struct{ Manifest map[string]any }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil || len(lines) != 7 || end.Manifest["count"] != float64(6) || end.Manifest["to"] != freeze["eventHash"] {
		t.Errorf("export %v: %v", err, lines)
	}
	s.seal(t)
	if a := get("?action=AUDIT_EXPORTED", auditor); len(a.at("data").([]any)) != 1 {
		t.Errorf("the export is not recorded: %s", a.raw)
	}
	// Whoever changes a record is found.
	s.exec(`ALTER TABLE app.audit DISABLE TRIGGER USER`)
	s.exec(`UPDATE app.audit SET actor = 'nobody' WHERE sequence = 3`)
	if a := get("/verify?head="+report.text("head"), auditor); a.at("valid") != false || a.text("break", "id") != "3" {
		t.Errorf("tampered: %s", a.raw)
	}
	// No record names a person by anything but an id.
	for _, word := range []string{"ada@example.org", "Lovelace", secret} {
		if n := s.count(`SELECT count(*) FROM app.audit a WHERE position(lower($1) in lower(a::text || convert_from(a.detail, 'UTF8'))) > 0`, word); n != 0 {
			t.Errorf("%d records hold %q", n, word)
		}
	}
}
