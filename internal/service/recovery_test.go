package service_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

// guards makes people the guardians of another.
func (s *system) guards(ward person, guardians ...person) {
	s.t.Helper()
	for _, g := range guardians {
		s.exec(`INSERT INTO read.guardians (user_id, guardian_id, nominated_at) VALUES ($1, $2, $3)`, ward.gx, g.gx, s.clock())
	}
}

// lost stores a recovery of a person's account.
func (s *system) lost(p person, by string, in status.Recovery) string {
	s.t.Helper()
	id := "RECOVERY_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	var executable *time.Time
	if in == status.RecoveryConfirmed {
		at := s.clock().Add(48 * time.Hour)
		executable = &at
	}
	s.exec(`INSERT INTO read.recoveries (session_id, lost_account_id, initiator_id, new_controller_key_hash, status, required, confirmations, expires_at, executable_at, created_at, block, tx_index, seq)
		VALUES ($1, $2, $3, $4, $5, 2, 1, $6, $7, $8, (SELECT count(*) FROM read.recoveries), 0, 0)`,
		id, p.gx, by, strings.Repeat("a", 64), string(in), s.clock().Add(7*24*time.Hour), executable, s.clock())
	return id
}

// While recovery is switched off every route says so, but who is affected can
// still look and object.
func TestKF15RecoverySwitchedOff(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(5)), s.person("Bob", "CH", gx(5))
	s.guards(ada, bob)
	id := s.lost(ada, bob.gx, status.RecoveryPending)
	_, boss := s.staff(door.SuperAdmin)
	k := func() []string { return []string{"Idempotency-Key", key()} }
	ids := []string{bob.gx, uuid.NewString(), uuid.NewString()}
	s.call("identity", "PUT", "/guardians", ada.bearer, map[string]any{"guardianIDs": ids}, k()...).want(t, 409, "recovery_disabled")
	s.call("identity", "POST", "/recoveries", bob.bearer, map[string]any{"accountId": ada.gx, "newControllerKeyHash": strings.Repeat("a", 64)}, k()...).want(t, 409, "recovery_disabled")
	s.call("identity", "POST", "/recoveries/"+id+"/confirm", bob.bearer, nil, k()...).want(t, 409, "recovery_disabled")
	s.call("identity", "POST", "/recoveries/"+id+"/execute", boss, nil, k()...).want(t, 409, "recovery_disabled")
	if a := s.call("identity", "GET", "/guardians", ada.bearer, nil).want(t, 200, ""); a.at("recoveryEnabled") != false || len(a.at("guardians").([]any)) != 1 {
		t.Errorf("guardians %s", a.raw)
	}
	done := s.call("identity", "POST", "/recoveries/"+id+"/cancel", ada.bearer, nil, k()...).want(t, 202, "")
	if kind, payload := s.payload(done.text("commandId")); kind != "CANCEL_RECOVERY" || payload != `{"actorID":"`+ada.gx+`","sessionID":"`+id+`"}` {
		t.Errorf("%s %s", kind, payload)
	}
	if got := s.commands(); got != "CANCEL_RECOVERY" {
		t.Errorf("commands %s", got)
	}
}

func TestRecovery(t *testing.T) {
	s := newSystem(t)
	s.open()
	s.exec(`INSERT INTO read.parameters VALUES ($1, 'true', now())`, parameter.RecoveryEnabled)
	ada, bob, cleo, dan, eve := s.person("Ada", "CH", gx(5)), s.person("Bob", "CH", gx(5)), s.person("Cleo", "CH", gx(5)), s.person("Dan", "CH", gx(5)), s.person("Eve", "CH", gx(5))
	newcomer := s.person("Neo", "CH", nil)
	_, boss := s.staff(door.SuperAdmin)
	nominate := func(p person, ids ...string) answer {
		return s.call("identity", "PUT", "/guardians", p.bearer, map[string]any{"guardianIDs": ids}, "Idempotency-Key", key())
	}
	post := func(bearer, path string, body any) answer {
		return s.call("identity", "POST", "/recoveries"+path, bearer, body, "Idempotency-Key", key())
	}
	said := func(a answer, kind, payload string) {
		t.Helper()
		if k, p := s.payload(a.want(t, 202, "").text("commandId")); k != kind || p != payload {
			t.Errorf("%s %s, want %s %s", k, p, kind, payload)
		}
	}
	guardians := []string{bob.gx, cleo.gx, dan.gx}
	slices.Sort(guardians)
	said(nominate(ada, dan.gx, bob.profile.String(), cleo.gx), "NOMINATE_GUARDIANS", `{"actorID":"`+ada.gx+`","guardianIDs":["`+strings.Join(guardians, `","`)+`"]}`)
	nominate(ada, bob.gx, cleo.gx).want(t, 400, "guardian_ids_invalid")
	nominate(ada, bob.gx, cleo.gx, bob.profile.String()).want(t, 400, "guardian_ids_invalid")
	nominate(ada, bob.gx, cleo.gx, newcomer.profile.String()).want(t, 404, "person_not_found")
	if a := nominate(ada, bob.gx, cleo.gx, ada.gx); a.status != 400 || !strings.HasPrefix(a.text("field"), "guardianIDs") {
		t.Errorf("oneself %s", a.raw)
	}

	s.guards(ada, bob, cleo, dan)
	mine := s.call("identity", "GET", "/guardians", ada.bearer, nil).want(t, 200, "")
	his := s.call("identity", "GET", "/guardians", bob.bearer, nil).want(t, 200, "")
	if len(mine.at("guardians").([]any)) != 3 || len(mine.at("wards").([]any)) != 0 || len(his.at("wards").([]any)) != 1 || !strings.Contains(his.raw, `"displayName":"Ada L."`) || his.at("recoveryEnabled") != true {
		t.Errorf("guardians %s\n%s", mine.raw, his.raw)
	}
	hash := strings.Repeat("b", 64)
	said(post(bob.bearer, "", map[string]any{"accountId": ada.profile.String(), "newControllerKeyHash": hash}), "INITIATE_RECOVERY",
		`{"actorID":"`+bob.gx+`","lostAccountID":"`+ada.gx+`","newControllerKeyHash":"`+hash+`"}`)
	for _, id := range []string{ada.gx, "nobody", newcomer.profile.String()} {
		post(eve.bearer, "", map[string]any{"accountId": id, "newControllerKeyHash": hash}).want(t, 404, "not_found")
	}

	id := s.lost(ada, bob.gx, status.RecoveryPending)
	for _, p := range []person{ada, bob, cleo} {
		if a := s.call("identity", "GET", "/recoveries/"+id, p.bearer, nil).want(t, 200, ""); a.text("recovery", "status") != "PENDING" || a.text("recovery", "accountId") != ada.gx {
			t.Errorf("recovery %s", a.raw)
		}
	}
	s.call("identity", "GET", "/recoveries/"+id, eve.bearer, nil).want(t, 404, "not_found")
	for query, p := range map[string]person{"": ada, "?accountId=" + strings.ReplaceAll(ada.gx, " ", "%20"): cleo} {
		if a := s.call("identity", "GET", "/recoveries"+query, p.bearer, nil).want(t, 200, ""); len(a.at("data").([]any)) != 1 {
			t.Errorf("list %q: %s", query, a.raw)
		}
	}
	s.call("identity", "GET", "/recoveries?accountId="+ada.profile.String(), eve.bearer, nil).want(t, 404, "not_found")

	said(post(cleo.bearer, "/"+id+"/confirm", nil), "CONFIRM_RECOVERY", `{"actorID":"`+cleo.gx+`","sessionID":"`+id+`","lostAccountID":"`+ada.gx+`"}`)
	post(ada.bearer, "/"+id+"/confirm", nil).want(t, 403, "forbidden")
	post(bob.bearer, "/"+id+"/cancel", nil).want(t, 403, "forbidden")
	post(boss, "/"+id+"/execute", nil).want(t, 409, "invalid_state")
	post(boss, "/RECOVERY_x/execute", nil).want(t, 404, "recovery_not_found")
	s.exec(`UPDATE read.recoveries SET expires_at = $1`, s.clock())
	post(dan.bearer, "/"+id+"/confirm", nil).want(t, 409, "invalid_state")
	if a := s.call("identity", "GET", "/recoveries/"+id, ada.bearer, nil).want(t, 200, ""); a.text("recovery", "status") != "EXPIRED" {
		t.Errorf("expired %s", a.raw)
	}

	// The account is frozen while its owner may object, and only then handed over.
	confirmed := s.lost(ada, bob.gx, status.RecoveryConfirmed)
	s.exec(`UPDATE read.accounts SET status = 'FROZEN', frozen_reason = 'RECOVERY' WHERE account_id = $1`, ada.gx)
	post(ada.bearer, "/"+confirmed+"/cancel", nil).want(t, 202, "")
	if a := post(boss, "/"+confirmed+"/execute", nil).want(t, 409, "objection_time"); a.text("possibleFrom") != "2026-03-03T12:00:00Z" {
		t.Errorf("too early %s", a.raw)
	}
	s.exec(`UPDATE read.recoveries SET executable_at = $1`, s.clock())
	kind, payload := s.together(t, post(boss, "/"+confirmed+"/execute", nil))
	if kind != "EXECUTE_RECOVERY" || payload != `{"sessionID":"`+confirmed+`","lostAccountID":"`+ada.gx+`"}` {
		t.Errorf("%s %s", kind, payload)
	}
}
