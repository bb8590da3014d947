package service_test

import (
	"testing"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/service/door"
)

// What died is seen by staff, and starts afresh, or is given up, when two of them
// agree.
func TestDeadLetters(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada := s.person("Ada", "CH", gx(5))
	clerkID, clerk := s.staff(door.Admin)
	_, owner := s.staff(door.SuperOwner)
	_, moderator := s.staff(door.Moderator)
	die := func() string {
		id := s.command("customer:" + ada.profile.String())
		s.exec(`UPDATE app.commands SET state = 'DEAD', attempts = 9, error = 'no peer answers', error_class = 'OUTAGE', completed_at = $2 WHERE id = $1`, id, s.clock())
		s.exec(`INSERT INTO app.dead_commands (command_id, error_class, error_code, error, attempts, conflicts, moved_at) VALUES ($1, 'OUTAGE', '', 'no peer answers', 9, 0, $2)`, id, s.clock())
		return id
	}
	first, second := die(), die()
	s.exec(`INSERT INTO read.event_dlq (tx_id, seq, block, tx_index, event_name, type, reason, payload, recorded_at) VALUES ('tx9', 0, 9, 0, 'gx.events.v1', 'TransferCompleted', 'no such account', '', $1)`, s.clock())
	list := func(query string, want ...string) {
		t.Helper()
		a := s.admin("GET", "/dlq"+query, moderator, nil).want(t, 200, "")
		var got []string
		for _, l := range a.at("data").([]any) {
			got = append(got, l.(map[string]any)["id"].(string))
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %s", query, a.raw)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", query, got, want)
			}
		}
	}
	list("", first, second, "tx9/0")
	list("?kind=command&limit=1", first)
	list("?kind=event", "tx9/0")

	reason := map[string]any{"reason": "The peers are back again."}
	s.admin("POST", "/commands/"+first+"/retry", moderator, reason).want(t, 403, "forbidden")
	s.admin("POST", "/commands/"+uuid.NewString()+"/retry", clerk, reason).want(t, 404, "command_not_found")
	s.admin("POST", "/commands/"+s.command("customer:"+ada.profile.String())+"/retry", clerk, reason).want(t, 409, "not_dead")
	retry := s.admin("POST", "/commands/"+first+"/retry", clerk, reason).want(t, 202, "")
	again := s.admin("POST", "/commands/"+first+"/retry", owner, reason).want(t, 202, "")
	discard := s.admin("POST", "/commands/"+second+"/discard", clerk, reason).want(t, 202, "")
	if retry.text("status") != "PENDING_APPROVAL" {
		t.Errorf("asked: %s", retry.raw)
	}
	state := func(id string) (state string, attempts int) {
		s.scan(`SELECT state, attempts FROM app.commands WHERE id = $1`, []any{id}, &state, &attempts)
		return state, attempts
	}
	if got, n := state(first); got != "DEAD" || n != 9 {
		t.Errorf("one alone: %s %d", got, n)
	}
	s.vote(owner, retry.text("approvalId"), "APPROVE").want(t, 200, "")
	s.vote(owner, discard.text("approvalId"), "APPROVE").want(t, 200, "")
	if got, n := state(first); got != "PENDING" || n != 0 {
		t.Errorf("retried: %s %d", got, n)
	}
	if got, _ := state(second); got != "CANCELLED" {
		t.Errorf("discarded: %s", got)
	}
	_, deputy := s.staff(door.SuperAdmin)
	if a := s.vote(deputy, again.text("approvalId"), "APPROVE").want(t, 200, ""); a.text("approval", "executionState") != "FAILED" {
		t.Errorf("retried twice: %s", a.raw)
	}
	list("", "tx9/0")
	list("?kind=command&all=true", first, second)
	var by, why string
	s.scan(`SELECT resolved_by, reason FROM app.dead_commands WHERE command_id = $1`, []any{first}, &by, &why)
	if by != "staff:"+clerkID.String() || why != reason["reason"] {
		t.Errorf("decided by %s: %s", by, why)
	}
	if n := s.count(`SELECT count(*) FROM app.audit_pending WHERE action IN ('COMMAND_REQUEUED', 'COMMAND_DISCARDED')`); n != 2 {
		t.Errorf("%d records", n)
	}
	// A service can do this and nothing else to a command.
	if _, err := (pgtest.Database{DSN: s.dsn}).Pool(t, "gx_service").Exec(t.Context(), `UPDATE app.commands SET state = 'CANCELLED'`); err == nil {
		t.Error("a service may change commands")
	}
}
