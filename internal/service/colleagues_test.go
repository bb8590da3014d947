package service_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/service/door"
)

func (s *system) invite(bearer, username string, role door.Role) answer {
	s.t.Helper()
	return s.admin("POST", "/admins", bearer, map[string]any{"username": username, "displayName": "Grace Hopper", "email": username + "@example.org", "role": role})
}

func (s *system) accept(invitation string) answer {
	s.t.Helper()
	return s.post("/invitation", "", map[string]any{"invitation": invitation, "password": strong})
}

func (s *system) strongLogin(t *testing.T, name string) string {
	t.Helper()
	return s.post("/login", "", map[string]any{"username": name, "password": strong}).want(t, 200, "").text("accessToken")
}

// The first owner makes their second person alone, and never does anything alone again.
func TestTheSecondPerson(t *testing.T) {
	s := newSystem(t)
	s.open()
	_, owner := s.staff(door.SuperOwner)
	if a := s.admin("POST", "/system/pause", owner, pauseBody).want(t, 202, ""); a.text("approvalId") == "" {
		t.Errorf("alone: %s", a.raw)
	}
	s.invite(owner, "grace", door.Auditor).want(t, 422, "role_cannot_approve")
	first := s.invite(owner, "grace", door.SuperAdmin).want(t, 202, "")
	if first.text("status") != "CONFIRMED" || first.text("invitation") == "" || first.text("commandId") != "" {
		t.Fatalf("invited %s", first.raw)
	}
	// Another invitation is in place of the first.
	second := s.invite(owner, "grace", door.SuperOwner).want(t, 202, "")
	s.accept(first.text("invitation")).want(t, 410, "invitation_void")
	s.accept("gxi_x").want(t, 410, "invitation_void")
	s.post("/invitation", "", map[string]any{"invitation": second.text("invitation"), "password": "Correct horse"}).want(t, 400, "PASSWORD_POLICY_VIOLATION")
	s.accept(second.text("invitation")).want(t, 200, "")
	s.accept(second.text("invitation")).want(t, 410, "invitation_void")
	grace := s.strongLogin(t, "grace")
	if n := s.count(`SELECT count(*) FROM app.staff`); n != 2 {
		t.Fatalf("%d accounts", n)
	}
	pending := s.admin("GET", "/approvals?status=PENDING", grace, nil).want(t, 200, "")
	s.vote(grace, pending.at("approvals").([]any)[0].(map[string]any)["id"].(string), "APPROVE").want(t, 200, "")
	if s.commands() != "PAUSE_SYSTEM" {
		t.Errorf("commands %s", s.commands())
	}
	// Never again, not even when the second person is gone.
	s.exec(`UPDATE app.staff SET active = false WHERE username = 'grace'`)
	if a := s.invite(owner, "linus", door.SuperOwner).want(t, 202, ""); a.text("status") != "PENDING_APPROVAL" {
		t.Errorf("alone again: %s", a.raw)
	}
	if n := s.count(`SELECT count(*) FROM app.audit_pending WHERE action IN ('APPROVAL_REQUESTED', 'APPROVAL_EXECUTED', 'INVITATION_ACCEPTED')`); n != 8 {
		t.Errorf("%d records", n)
	}
	if n := s.count(`SELECT count(*) FROM app.staff WHERE position('grace@example.org'::bytea in email) > 0`); n != 0 {
		t.Error("an e-mail can be read")
	}
}

// Whatever the first owner sends at once, one colleague comes of it.
func TestD57TheSecondPersonRace(t *testing.T) {
	s := newSystem(t)
	_, owner := s.staff(door.SuperOwner)
	var wg sync.WaitGroup
	invitations := make([]string, 8)
	for i := range invitations {
		wg.Go(func() {
			invitations[i] = s.invite(owner, "grace"+string(rune('a'+i)), door.SuperOwner).text("invitation")
		})
	}
	wg.Wait()
	for _, in := range invitations {
		wg.Go(func() { s.accept(in) })
	}
	wg.Wait()
	if n := s.count(`SELECT count(*) FROM app.staff`); n != 2 {
		t.Errorf("%d accounts, want the owner and one colleague", n)
	}
}

func TestStaffAccounts(t *testing.T) {
	s := newSystem(t)
	ownerID, owner := s.staff(door.SuperOwner)
	_, other := s.staff(door.SuperOwner)
	deputyID, deputy := s.staff(door.SuperAdmin)
	_, auditor := s.staff(door.Auditor)
	asked := func(a answer) string {
		t.Helper()
		return a.want(t, 202, "").text("approvalId")
	}

	s.invite(deputy, "x", door.Admin).want(t, 400, "username_invalid")
	s.invite(deputy, "grace", door.SuperAdmin).want(t, 403, "forbidden")
	s.invite(deputy, "grace", "KING").want(t, 400, "role_invalid")
	created := s.invite(deputy, "grace", door.Admin)
	id := asked(created)
	if view := s.admin("GET", "/approvals/"+id, owner, nil); view.text("action") != "INVITE_STAFF" || view.text("payload", "username") != "grace" ||
		strings.Contains(view.raw, "grace@example.org") || strings.Contains(view.raw, created.text("invitation")) {
		t.Errorf("request %s", view.raw)
	}
	s.accept(created.text("invitation")).want(t, 410, "invitation_void")
	s.vote(owner, id, "APPROVE").want(t, 200, "")
	s.accept(created.text("invitation")).want(t, 200, "")
	grace := s.strongLogin(t, "Grace@Example.org") // the e-mail will do
	s.invite(deputy, "Grace", door.Admin).want(t, 409, "username_taken")
	list := s.admin("GET", "/admins", auditor, nil).want(t, 200, "")
	if len(list.at("data").([]any)) != 5 || strings.Contains(list.raw, "argon2") || !strings.Contains(list.raw, "grace@example.org") {
		t.Errorf("list %s", list.raw)
	}
	var graceID string
	s.scan(`SELECT staff_id::text FROM app.staff WHERE username = 'grace'`, nil, &graceID)

	change := func(bearer, id string, body map[string]any) answer {
		return s.admin("PATCH", "/admins/"+id, bearer, body)
	}
	change(deputy, graceID, map[string]any{}).want(t, 400, "body_invalid")
	change(deputy, graceID, map[string]any{"renew": true, "isActive": false}).want(t, 400, "renew_invalid")
	change(deputy, ownerID.String(), map[string]any{"displayName": "Small Fry"}).want(t, 403, "forbidden")
	change(deputy, deputyID.String(), map[string]any{"displayName": "Big Fish"}).want(t, 403, "own_account")
	change(deputy, uuid.NewString(), map[string]any{"displayName": "Nobody Here"}).want(t, 404, "admin_not_found")
	s.vote(owner, asked(change(deputy, graceID, map[string]any{"displayName": "Rear Admiral", "email": "admiral@example.org"})), "APPROVE").want(t, 200, "")
	if a := s.admin("GET", "/admins/"+graceID, auditor, nil); a.text("displayName") != "Rear Admiral" || a.text("email") != "admiral@example.org" {
		t.Errorf("changed %s", a.raw)
	}

	role := func(bearer, id string, to door.Role) answer {
		return s.admin("POST", "/admins/"+id+"/role", bearer, map[string]any{"role": to, "reason": "because of the new desk"})
	}
	role(deputy, graceID, door.SuperAdmin).want(t, 403, "forbidden")
	promote := asked(role(owner, graceID, door.SuperAdmin))
	s.vote(deputy, promote, "APPROVE").want(t, 403, "forbidden") // gives no role of their own level
	s.vote(other, promote, "APPROVE").want(t, 200, "")
	s.advance(6 * time.Second)
	if a := s.admin("GET", "/auth/profile", grace, nil); a.text("role") != "SUPER_ADMIN" {
		t.Errorf("promoted %s", a.raw)
	}

	// A new invitation takes the second factor and the sessions away.
	s.exec(`UPDATE app.staff SET totp_secret = '\x00', totp_enabled_at = now() WHERE username = 'grace'`)
	renewed := change(owner, graceID, map[string]any{"renew": true})
	s.vote(other, asked(renewed), "APPROVE").want(t, 200, "")
	s.accept(renewed.text("invitation")).want(t, 200, "")
	s.admin("GET", "/auth/profile", grace, nil).want(t, 401, "token_revoked")
	grace = s.strongLogin(t, "grace")

	// A disabled account is cut off, here at once and elsewhere within seconds.
	s.vote(other, asked(s.admin("DELETE", "/admins/"+graceID, owner, nil)), "APPROVE").want(t, 200, "")
	s.admin("GET", "/auth/profile", grace, nil).want(t, 401, "token_revoked")
	s.post("/login", "", map[string]any{"username": "grace", "password": strong}).want(t, 403, "ACCOUNT_DISABLED")

	s.admin("DELETE", "/admins/"+ownerID.String(), owner, nil).want(t, 403, "own_account")
}

// Two owners who dismiss each other at the same time do not both succeed.
func TestTheLastOwnerStays(t *testing.T) {
	s := newSystem(t)
	aID, a := s.staff(door.SuperOwner)
	bID, b := s.staff(door.SuperOwner)
	remove := func(bearer string, id uuid.UUID) string {
		return s.admin("DELETE", "/admins/"+id.String(), bearer, nil).want(t, 202, "").text("approvalId")
	}
	one, two := remove(a, bID), remove(b, aID)
	var wg sync.WaitGroup
	wg.Go(func() { s.vote(b, one, "APPROVE") })
	wg.Go(func() { s.vote(a, two, "APPROVE") })
	wg.Wait()
	if n := s.count(`SELECT count(*) FROM app.staff WHERE active`); n != 1 {
		t.Errorf("%d owners are left", n)
	}
}
