package service_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
)

func (s *system) admin(method, path, bearer string, body any, header ...string) answer {
	s.t.Helper()
	return s.call("admin", method, "/admin"+path, bearer, body, append([]string{"Idempotency-Key", key()}, header...)...)
}

func (s *system) vote(bearer, approval, decision string, more ...any) answer {
	s.t.Helper()
	body := map[string]any{"decision": decision, "reason": "I have looked at it."}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return s.admin("POST", "/approvals/"+approval+"/vote", bearer, body)
}

func (s *system) commands() (types string) {
	s.t.Helper()
	s.scan(`SELECT coalesce(string_agg(type, ' ' ORDER BY position), '') FROM app.commands`, nil, &types)
	return types
}

var pauseBody = map[string]any{"reason": "the ledger looks wrong"}

// pending asks for a pause and returns the approval.
func (s *system) pending(t *testing.T, bearer string) string {
	t.Helper()
	return s.admin("POST", "/system/pause", bearer, pauseBody).want(t, 202, "").text("approvalId")
}

func TestApproval(t *testing.T) {
	s := newSystem(t)
	s.open()
	clerkID, clerk := s.staff(door.Admin)
	_, deputy := s.staff(door.SuperAdmin)
	_, auditor := s.staff(door.Auditor)
	k := key()
	ask := func(body any) answer {
		return s.call("admin", "POST", "/admin/system/pause", clerk, body, "Idempotency-Key", k)
	}
	asked := ask(pauseBody).want(t, 202, "")
	id := asked.text("approvalId")
	if asked.text("status") != "PENDING_APPROVAL" || asked.text("statusUrl") != "/api/v1/admin/approvals/"+id || asked.header.Get("Location") != asked.text("statusUrl") {
		t.Errorf("asked %v %s", asked.header, asked.raw)
	}
	if again := ask(pauseBody).want(t, 202, ""); again.raw != asked.raw || again.header.Get("Idempotency-Hit") != "true" {
		t.Errorf("again %s", again.raw)
	}
	if a := ask(map[string]any{"reason": "some other good reason"}).want(t, 422, "idempotency_key_reused"); a.text("field") != "reason" {
		t.Errorf("another reason: %s", a.raw)
	}
	view := s.admin("GET", "/approvals/"+id, clerk, nil).want(t, 200, "")
	for name, want := range map[string]any{
		"requestType": "SYSTEM_PAUSE", "action": "PAUSE_SYSTEM", "permission": "system:pause", "riskLevel": "CRITICAL", "status": "PENDING",
		"reason": "the ledger looks wrong", "executionState": "NONE", "quorum": float64(1), "breakGlass": false,
	} {
		if view.at(name) != want {
			t.Errorf("%s = %v, want %v", name, view.at(name), want)
		}
	}
	if view.text("payload", "reason") != "the ledger looks wrong" || view.text("requester", "id") != clerkID.String() {
		t.Errorf("view %s", view.raw)
	}
	s.vote(clerk, id, "APPROVE").want(t, 403, "forbidden") // has not the permission at all
	s.vote(auditor, id, "APPROVE").want(t, 403, "forbidden")
	s.vote(deputy, id, "APPROVE", "payloadDigest", strings.Repeat("0", 64)).want(t, 409, "approval_changed")
	s.vote(deputy, uuid.NewString(), "APPROVE").want(t, 404, "APPROVAL_NOT_FOUND")
	if s.commands() != "" {
		t.Fatal("something was done before the approval")
	}
	done := s.vote(deputy, id, "APPROVE", "payloadDigest", view.text("payloadDigest")).want(t, 200, "")
	if done.text("approval", "status") != "APPROVED" || done.text("approval", "executionState") != "EXECUTED" || done.text("approval", "approver", "role") != "SUPER_ADMIN" {
		t.Errorf("decided %s", done.raw)
	}
	var principal, payload, k2 string
	s.scan(`SELECT principal, convert_from(payload, 'UTF8'), idempotency_key FROM app.commands WHERE id = $1`,
		[]any{done.text("approval", "executionResult", "commandId")}, &principal, &payload, &k2)
	if s.commands() != "PAUSE_SYSTEM" || principal != "staff:"+clerkID.String() || payload != `{"reason":"the ledger looks wrong"}` || k2 != k {
		t.Errorf("%s: %s %s %s", s.commands(), principal, payload, k2)
	}
	s.vote(deputy, id, "APPROVE").want(t, 409, "APPROVAL_ALREADY_PROCESSED")
	s.admin("POST", "/approvals/"+id+"/cancel", clerk, nil).want(t, 409, "APPROVAL_ALREADY_PROCESSED")
	s.admin("POST", "/approvals/"+id+"/execute", deputy, nil).want(t, 409, "APPROVAL_ALREADY_PROCESSED")
	s.exec(`UPDATE read.system_status SET paused = true`)
	if again := ask(pauseBody).want(t, 202, ""); again.raw != asked.raw { // whatever has become of it
		t.Errorf("again %s", again.raw)
	}
	s.admin("POST", "/system/pause", clerk, pauseBody).want(t, 409, "already_paused")
	history := s.admin("GET", "/approvals/"+id+"/history", clerk, nil).want(t, 200, "")
	var steps []string
	for _, e := range history.at("data").([]any) {
		steps = append(steps, e.(map[string]any)["action"].(string))
	}
	if strings.Join(steps, " ") != "APPROVAL_REQUESTED APPROVAL_APPROVED APPROVAL_EXECUTED" {
		t.Errorf("history %v", steps)
	}
}

// However many approve at once, it is done once.
func TestD17ApprovalExactlyOnce(t *testing.T) {
	s := newSystem(t)
	s.open()
	_, clerk := s.staff(door.Admin)
	voters := make([]string, 12)
	for i := range voters {
		_, voters[i] = s.staff(door.SuperOwner)
	}
	for round := range 3 {
		id := s.pending(t, clerk)
		answers := make([]answer, len(voters))
		var wg sync.WaitGroup
		for i, v := range voters {
			decision := "APPROVE"
			if round == 2 && i%2 == 0 {
				decision = "REJECT"
			}
			wg.Go(func() { answers[i] = s.vote(v, id, decision) })
		}
		wg.Wait()
		won := 0
		for _, a := range answers {
			switch {
			case a.status == 200:
				won++
			case a.code() != "APPROVAL_ALREADY_PROCESSED":
				t.Errorf("%d %s", a.status, a.raw)
			}
		}
		if won != 1 {
			t.Errorf("%d votes decided", won)
		}
		status := s.admin("GET", "/approvals/"+id, clerk, nil).text("status")
		executed := s.count(`SELECT count(*) FROM app.approvals WHERE approval_id = $1 AND executed_at IS NOT NULL`, id)
		if (status == "APPROVED") != (executed == 1) || status != "APPROVED" && status != "REJECTED" {
			t.Errorf("%s, executed %d times", status, executed)
		}
	}
	if n, m := s.count(`SELECT count(*) FROM app.commands`), s.count(`SELECT count(*) FROM app.approvals WHERE status = 'APPROVED'`); n != m {
		t.Errorf("%d commands for %d approvals", n, m)
	}
}

// Every operation that the matrix marks waits for a second person who may decide
// on it, whoever asks, and is then done once with exactly its payload.
func TestD17EveryMarkedOperation(t *testing.T) {
	s := newSystem(t, func(d *service.Deps) { d.CriticalQuorum = 1 })
	s.open()
	ada := s.person("Ada", "CH", gx(1))
	pay := map[string]any{"fromID": account.OperationsFund, "toID": account.TreasuryOf("CH"), "amount": "1", "type": "SYSTEM_ADJUSTMENT", "remark": ""}
	for name, tc := range map[command.Type]struct {
		permission door.Permission
		payload    map[string]any
	}{
		command.TypePauseSystem:           {door.SystemPause, map[string]any{"reason": "x"}},
		command.TypeResumeSystem:          {door.SystemResume, map[string]any{}},
		command.TypeEmergencySetParameter: {door.ConfigUpdate, map[string]any{"paramID": "recoveryEnabled", "newValue": "true", "reason": "x"}},
		command.TypeInitializeCountryData: {door.CountryInitialize, map[string]any{"countries": []any{map[string]any{"countryCode": "CH", "weightE8": 100}}}},
		command.TypeActivateTreasury:      {door.TreasuryActivate, map[string]any{"countryCode": "CH", "orgID": "swiss-government"}},
		command.TypeTransferInternal:      {door.TreasuryTransfer, pay},
		command.TypeDistributeGenesis:     {door.GenesisDistribute, map[string]any{"userID": ada.gx, "nationality": "CH"}},
		command.TypeUnfreezeWallet:        {door.WalletUnfreeze, map[string]any{"accountID": ada.gx}},
		command.TypeFreezeWallet:          {door.WalletFreeze, map[string]any{"accountID": ada.gx, "reason": "x"}},
		command.TypeApproveLoan:           {door.LoanApprove, map[string]any{"approverAdminID": "grace", "loanID": "LOAN_1"}},
		command.TypeApplyVelocityTax:      {door.TaxApply, map[string]any{"accountID": ada.gx}},
		command.TypeSetTaxExempt:          {door.TaxApply, map[string]any{"accountID": ada.gx, "exempt": true, "reason": "x"}},
		command.TypeAppointAdmin:          {door.AdminCreate, map[string]any{"actorID": "grace", "newAdminID": ada.gx}},
	} {
		t.Run(string(name), func(t *testing.T) {
			s.t = t
			for _, role := range door.Roles {
				_, asker := s.staff(role)
				before := s.count(`SELECT count(*) FROM app.commands`)
				a := s.admin("POST", "/approvals", asker, map[string]any{"action": string(name), "payload": tc.payload, "reason": "it has to be done"})
				if !role.May(tc.permission) && !role.MayWithApproval(tc.permission) || role == door.Auditor {
					a.want(t, 403, "forbidden")
					continue
				}
				a.want(t, 202, "")
				if n := s.count(`SELECT count(*) FROM app.commands`); n != before {
					t.Errorf("%s: done without a second person", role)
				}
				for _, decider := range door.Roles {
					_, bearer := s.staff(decider)
					may := decider.May(door.ApprovalApprove) && (decider.May(tc.permission) || decider.MayWithApproval(tc.permission))
					if decider == door.SuperOwner {
						continue // at the end
					}
					if v := s.vote(bearer, a.text("approvalId"), "APPROVE"); !may && v.status != 403 {
						t.Errorf("%s approves what %s asked for: %s", decider, role, v.raw)
					} else if may {
						v.want(t, 200, "")
					}
				}
				_, owner := s.staff(door.SuperOwner)
				if v := s.vote(owner, a.text("approvalId"), "APPROVE"); v.status != 200 && v.code() != "APPROVAL_ALREADY_PROCESSED" {
					t.Errorf("owner: %s", v.raw)
				}
				var kind string
				s.scan(`SELECT type FROM app.commands ORDER BY position DESC LIMIT 1`, nil, &kind)
				if n := s.count(`SELECT count(*) FROM app.commands`); n != before+1 || kind != string(name) {
					t.Errorf("%s: %d commands, the last is %s", role, n-before, kind)
				}
			}
		})
	}
	s.t = t
	_, owner := s.staff(door.SuperOwner)
	for action, code := range map[string]string{"INVITE_STAFF": "action_unknown", "TRANSFER_TOKENS": "action_unknown", "nothing": "action_unknown", "FREEZE_WALLET": "account_id_invalid"} {
		a := s.admin("POST", "/approvals", owner, map[string]any{"action": action, "payload": map[string]any{}, "reason": "it has to be done"})
		if a.code() != code && (code != "account_id_invalid" || a.code() != "validation_failed") {
			t.Errorf("%s: %s", action, a.raw)
		}
	}
	s.admin("POST", "/approvals", owner, map[string]any{"action": "RESUME_SYSTEM", "payload": map[string]any{"x": 1}, "reason": "it has to be done"}).want(t, 400, "x_invalid")
}

func TestD75ApprovalEnds(t *testing.T) {
	s := newSystem(t)
	s.open()
	clerkID, clerk := s.staff(door.Admin)
	_, deputy := s.staff(door.SuperAdmin)
	ownerID, owner := s.staff(door.SuperOwner)
	_, other := s.staff(door.Admin)

	rejected := s.pending(t, clerk)
	s.vote(owner, rejected, "REJECT", "reason", "no").want(t, 422, "reason_too_short")
	if a := s.vote(owner, rejected, "REJECT", "reason", "The ledger is fine.").want(t, 200, ""); a.text("approval", "rejectionReason") != "The ledger is fine." {
		t.Errorf("rejected %s", a.raw)
	}
	s.vote(deputy, rejected, "APPROVE").want(t, 409, "APPROVAL_ALREADY_PROCESSED")

	cancelled := s.pending(t, clerk)
	s.admin("POST", "/approvals/"+cancelled+"/cancel", other, nil).want(t, 403, "APPROVAL_UNAUTHORIZED")
	s.admin("POST", "/approvals/"+cancelled+"/cancel", clerk, nil).want(t, 200, "")
	s.vote(deputy, cancelled, "APPROVE").want(t, 409, "APPROVAL_ALREADY_PROCESSED")

	// One's own request, even in another session, and as an owner.
	own := s.pending(t, owner)
	s.vote(owner, own, "APPROVE").want(t, 403, "SELF_APPROVAL_NOT_ALLOWED")
	s.vote(s.session(token.Staff, ownerID), own, "APPROVE").want(t, 403, "SELF_APPROVAL_NOT_ALLOWED")

	// What each sees.
	if n := s.admin("GET", "/approvals", other, nil).want(t, 200, "").at("pagination", "total"); n != float64(0) {
		t.Errorf("a clerk sees %v requests of others", n)
	}
	s.admin("GET", "/approvals/"+own, other, nil).want(t, 404, "APPROVAL_NOT_FOUND")
	if a := s.admin("GET", "/approvals?status=PENDING&requestType=SYSTEM_PAUSE&requesterId="+ownerID.String(), deputy, nil).want(t, 200, ""); a.at("pagination", "total") != float64(1) {
		t.Errorf("a deputy sees %s", a.raw)
	}
	if a := s.admin("GET", "/approvals/pending-count", deputy, nil).want(t, 200, ""); a.at("pendingCount") != float64(1) {
		t.Errorf("pending %s", a.raw)
	}

	// Nobody has all the time in the world.
	late := s.pending(t, clerk)
	s.advance(72 * time.Hour)
	clerk, deputy, owner = s.session(token.Staff, clerkID), s.session(token.Staff, s.member(door.SuperAdmin)), s.session(token.Staff, ownerID)
	if a := s.admin("GET", "/approvals/"+late, clerk, nil); a.text("status") != "EXPIRED" {
		t.Errorf("overdue: %s", a.raw)
	}
	if n := s.admin("GET", "/approvals?status=EXPIRED", owner, nil).at("pagination", "total"); n != float64(2) {
		t.Errorf("%v are expired", n)
	}
	s.vote(deputy, late, "APPROVE").want(t, 410, "APPROVAL_EXPIRED")
	s.vote(deputy, late, "APPROVE").want(t, 409, "APPROVAL_ALREADY_PROCESSED")
	if err := service.Maintain(t.Context(), s.deps.Pool, s.clock); err != nil {
		t.Fatal(err)
	}
	if n := s.count(`SELECT count(*) FROM app.approvals WHERE status = 'EXPIRED'`); n != 2 {
		t.Errorf("%d are expired after the sweep", n)
	}
	if s.commands() != "" {
		t.Errorf("done: %s", s.commands())
	}

	// One requester can't flood the others.
	for range 10 {
		s.pending(t, clerk)
	}
	s.admin("POST", "/system/pause", clerk, pauseBody).want(t, 409, "MAX_PENDING_APPROVALS_EXCEEDED")
}

// member returns the one member of staff with a role.
func (s *system) member(role door.Role) (id uuid.UUID) {
	s.t.Helper()
	s.scan(`SELECT staff_id FROM app.staff WHERE role = $1`, []any{role}, &id)
	return id
}

// What has changed between request and decision counts.
func TestApprovalOfTheDay(t *testing.T) {
	s := newSystem(t)
	s.open()
	clerkID, clerk := s.staff(door.Admin)
	_, owner := s.staff(door.SuperOwner)
	_, second := s.staff(door.SuperOwner)
	id := s.pending(t, clerk)
	s.exec(`UPDATE app.staff SET role = 'MODERATOR' WHERE staff_id = $1`, clerkID)
	a := s.vote(owner, id, "APPROVE").want(t, 200, "")
	if a.text("approval", "status") != "APPROVED" || a.text("approval", "executionState") != "FAILED" || a.at("success") != false || s.commands() != "" {
		t.Errorf("a requester who was demoted: %s, %s", a.raw, s.commands())
	}
	s.admin("POST", "/approvals/"+id+"/execute", second, nil).want(t, 200, "")
	if s.commands() != "" {
		t.Error("done although the requester may not")
	}
	s.exec(`UPDATE app.staff SET role = 'ADMIN' WHERE staff_id = $1`, clerkID)
	if a := s.admin("POST", "/approvals/"+id+"/execute", second, nil).want(t, 200, ""); a.text("approval", "executionState") != "EXECUTED" || s.commands() != "PAUSE_SYSTEM" {
		t.Errorf("tried again: %s", a.raw)
	}
	// The window of what could not be done closes too.
	late := s.pending(t, clerk)
	s.exec(`UPDATE app.staff SET active = false WHERE staff_id = $1`, clerkID)
	s.vote(owner, late, "APPROVE").want(t, 200, "")
	s.exec(`UPDATE app.staff SET active = true WHERE staff_id = $1`, clerkID)
	s.exec(`UPDATE app.sessions SET expires_at = expires_at + interval '30 days'`)
	s.advance(73 * time.Hour)
	_, third := s.staff(door.SuperOwner)
	s.admin("POST", "/approvals/"+late+"/execute", third, nil).want(t, 410, "APPROVAL_EXPIRED")
}

// Nobody changes what was asked for, what was decided, or decides on their own
// request, whatever the code above does.
func TestApprovalsInTheDatabase(t *testing.T) {
	s := newSystem(t)
	s.open()
	clerkID, clerk := s.staff(door.Admin)
	_, owner := s.staff(door.SuperOwner)
	id := s.pending(t, clerk)
	for name, sql := range map[string]string{
		"another payload":   `UPDATE app.approvals SET payload = '{}'`,
		"another requester": `UPDATE app.approvals SET requester = gen_random_uuid()`,
		"gone":              `DELETE FROM app.approvals`,
		"vote gone":         `DELETE FROM app.approval_votes`,
		"another vote":      `UPDATE app.approval_votes SET decision = 'APPROVE'`,
		"own vote": fmt.Sprintf(`INSERT INTO app.approval_votes (approval_id, voter, session_id, decision, at)
			VALUES ('%s', '%s', gen_random_uuid(), 'APPROVE', now())`, id, clerkID),
	} {
		if _, err := s.deps.Pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: the database allows it", name)
		}
	}
	s.exec(`UPDATE app.approvals SET payload = '{"reason":"another"}'`)
	s.vote(owner, id, "APPROVE").want(t, 500, "internal_error")
	if s.commands() != "" {
		t.Error("a changed payload was done")
	}
	s.exec(`UPDATE app.approvals SET payload = '{"reason":"the ledger looks wrong"}'`)
	s.vote(owner, id, "APPROVE").want(t, 200, "")
	for name, sql := range map[string]string{
		"undecided":  `UPDATE app.approvals SET status = 'PENDING', decided_at = NULL`,
		"done again": `UPDATE app.approvals SET executed_at = NULL`,
		"rejected":   `UPDATE app.approvals SET status = 'REJECTED'`,
	} {
		if _, err := s.owner.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: the database allows it", name)
		}
	}
}

func TestQuorum(t *testing.T) {
	s := newSystem(t, func(d *service.Deps) { d.CriticalQuorum = 2 })
	s.open()
	_, clerk := s.staff(door.Admin)
	_, first := s.staff(door.SuperAdmin)
	_, second := s.staff(door.SuperOwner)
	id := s.pending(t, clerk)
	if a := s.vote(first, id, "APPROVE").want(t, 200, ""); a.text("approval", "status") != "PENDING" || a.at("approval", "approvals") != float64(1) || s.commands() != "" {
		t.Errorf("one of two: %s", a.raw)
	}
	s.vote(first, id, "APPROVE").want(t, 409, "APPROVAL_ALREADY_PROCESSED")
	if a := s.vote(second, id, "APPROVE").want(t, 200, ""); a.text("approval", "status") != "APPROVED" || s.commands() != "PAUSE_SYSTEM" {
		t.Errorf("two of two: %s", a.raw)
	}
}

func TestBreakGlass(t *testing.T) {
	s := newSystem(t)
	s.open()
	_, clerk := s.staff(door.Admin)
	_, owner := s.staff(door.SuperOwner)
	_, deputy := s.staff(door.SuperAdmin)
	body := map[string]any{"reason": "money leaks, no time to ask", "breakGlass": true}
	s.admin("POST", "/system/pause", clerk, body).want(t, 403, "forbidden")
	a := s.admin("POST", "/system/pause", owner, body).want(t, 202, "")
	if s.commands() != "PAUSE_SYSTEM" || a.text("status") != "PENDING" || a.text("commandId") == "" || a.text("approvalId") == "" {
		t.Errorf("%s: %s", s.commands(), a.raw)
	}
	id := a.text("approvalId")
	s.advance(100 * time.Hour) // a review is never too late
	deputy = s.session(token.Staff, s.member(door.SuperAdmin))
	if v := s.admin("GET", "/approvals/"+id, deputy, nil).want(t, 200, ""); v.text("status") != "PENDING" || v.at("breakGlass") != true || v.text("executionState") != "EXECUTED" {
		t.Errorf("to be reviewed: %s", v.raw)
	}
	s.vote(s.session(token.Staff, s.member(door.SuperOwner)), id, "APPROVE").want(t, 403, "SELF_APPROVAL_NOT_ALLOWED")
	s.vote(deputy, id, "REJECT").want(t, 200, "")
	if s.commands() != "PAUSE_SYSTEM" {
		t.Errorf("done again: %s", s.commands())
	}
}

// A freeze by order of a court is ended by two.
func TestUserStanding(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, neo := s.person("Ada", "CH", gx(1)), s.person("Neo", "CH", nil)
	_, owner := s.staff(door.SuperOwner)
	_, clerk := s.staff(door.Admin)
	user := func(method, id, act, bearer string, body any) answer {
		return s.admin(method, "/users/"+id+act, bearer, body)
	}
	s.admin("GET", "/users/frozen", clerk, nil).want(t, 200, "")
	user("POST", neo.profile.String(), "/freeze", clerk, map[string]any{"reason": "ADMIN_ACTION"}).want(t, 422, "not_on_ledger")
	user("POST", ada.gx, "/freeze", clerk, map[string]any{"reason": "WHIM"}).want(t, 400, "reason_invalid")
	user("POST", ada.gx, "/unfreeze", owner, nil).want(t, 409, "invalid_state")
	if a := user("POST", ada.profile.String(), "/freeze", clerk, map[string]any{"reason": "SUSPICIOUS_ACTIVITY", "notes": "call from the bank"}).want(t, 202, ""); a.text("commandId") == "" {
		t.Errorf("freeze %s", a.raw)
	}
	var payload string
	s.scan(`SELECT convert_from(payload, 'UTF8') FROM app.commands`, nil, &payload)
	if strings.Contains(payload, "bank") {
		t.Errorf("notes go to the ledger: %s", payload)
	}
	s.exec(`UPDATE read.accounts SET status = 'FROZEN', frozen_reason = 'COURT_ORDER', frozen_at = $1`, s.clock())
	if a := s.admin("GET", "/users/frozen", clerk, nil); a.at("total") != float64(1) || !strings.Contains(a.raw, "COURT_ORDER") {
		t.Errorf("frozen %s", a.raw)
	}
	user("POST", ada.gx, "/freeze", clerk, map[string]any{"reason": "ADMIN_ACTION"}).want(t, 409, "invalid_state")
	if a := user("POST", ada.gx, "/unfreeze", owner, nil).want(t, 202, ""); a.text("approvalId") == "" || a.text("commandId") != "" {
		t.Errorf("an order of a court is ended alone: %s", a.raw)
	}
	s.exec(`UPDATE read.accounts SET frozen_reason = 'ADMIN_ACTION'`)
	if a := user("POST", ada.gx, "/unfreeze", owner, nil).want(t, 202, ""); a.text("commandId") == "" {
		t.Errorf("unfreeze %s", a.raw)
	}
	if a := user("POST", ada.gx, "/unfreeze", clerk, nil).want(t, 202, ""); a.text("approvalId") == "" {
		t.Errorf("a clerk ends a freeze alone: %s", a.raw)
	}
	reason := map[string]any{"reason": "the person has died"}
	user("POST", ada.gx, "/close", owner, reason).want(t, 409, "balance_not_zero")
	user("POST", ada.gx, "/suspend", owner, reason).want(t, 409, "invalid_state")
	s.exec(`UPDATE read.accounts SET status = 'ACTIVE', balance = 0 WHERE account_id = $1`, ada.gx)
	for _, act := range []string{"/close", "/suspend"} {
		if a := user("POST", ada.gx, act, owner, reason).want(t, 202, ""); a.text("approvalId") == "" {
			t.Errorf("%s without a second person: %s", act, a.raw)
		}
	}
	s.exec(`UPDATE read.accounts SET status = 'SUSPENDED' WHERE account_id = $1`, ada.gx)
	s.advance(6 * time.Second)
	s.call("identity", "GET", "/users/me", ada.bearer, nil).want(t, 401, "token_revoked")
	s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 403, "account_closed")
	if a := user("GET", ada.gx, "", clerk, nil); a.text("status") != "SUSPENDED" {
		t.Errorf("suspended: %s", a.raw)
	}
}

func TestSystemOperations(t *testing.T) {
	s := newSystem(t)
	s.open()
	_, owner := s.staff(door.SuperOwner)
	post := func(path string, body any) answer { return s.admin("POST", path, owner, body) }
	post("/system/resume", nil).want(t, 409, "not_paused")
	set := func(id, value string) answer {
		return post("/parameters", map[string]any{"paramId": id, "newValue": value, "reason": "as the board decided"})
	}
	set("nothing", "1").want(t, 422, "parameter_unknown")
	set("fee.b2b.local", "1").want(t, 422, "parameter_not_settable")
	set("recoveryEnabled", "yes").want(t, 422, "new_value_invalid")
	set("recoveryEnabled", "true").want(t, 202, "")
	activate := func(country, org string) answer {
		return post("/treasury/activate", map[string]any{"countryCode": country, "orgId": org})
	}
	activate("XX", "swiss-government").want(t, 404, "country_not_found")
	activate("CH", "!").want(t, 400, "org_id_invalid")
	activate("CH", "swiss-government").want(t, 202, "")
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", qirat.Amount(0))
	s.exec(`INSERT INTO read.treasuries (country_code, account_id, status) VALUES ('CH', $1, 'ACTIVE')`, account.TreasuryOf("CH"))
	activate("CH", "swiss-government").want(t, 409, "treasury_active")
	weights := map[string]any{"countriesData": []any{map[string]any{"code": "CH", "weightE8": 100}}}
	post("/countries/initialize", weights).want(t, 202, "")
	s.exec(`INSERT INTO read.countries (country_code, weight_e8, slots, used) VALUES ('CH', 1, '{0,0,0,0,0,0}', '{0,0,0,0,0,0}')`)
	post("/countries/initialize", weights).want(t, 409, "already_initialized")
	if n := s.count(`SELECT count(*) FROM app.approvals`); n != 3 || s.commands() != "" {
		t.Errorf("%d approvals, commands %s", n, s.commands())
	}
}
