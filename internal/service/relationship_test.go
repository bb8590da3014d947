package service_test

import (
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

// tie stores a relationship that the subject asked for.
func (s *system) tie(subject person, relation trust.Relation, object person, in status.Relationship) string {
	s.t.Helper()
	id := trust.Relationship{Subject: subject.gx, Relation: relation, Object: object.gx}.ID()
	var closed *time.Time
	if in == status.RelationshipRejected || in == status.RelationshipEnded {
		at := s.clock()
		closed = &at
	}
	s.exec(`INSERT INTO read.relationships (relationship_id, subject_id, object_id, relation, status, requested_at, closed_at, block, tx_index, seq)
		VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT count(*) FROM read.relationships), 0, 0)`, id, subject.gx, object.gx, string(relation), string(in), s.clock(), closed)
	return id
}

func TestRequestRelationship(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, cleo, newcomer := s.person("Ada", "CH", gx(5)), s.person("Bob", "CH", gx(5)), s.person("Cleo", "CH", gx(5)), s.person("Neo", "CH", nil)
	s.account("acme", account.Business, "CH", 5)
	ask := func(p person, k, to, what string) answer {
		return s.call("identity", "POST", "/relationships", p.bearer, map[string]any{"toID": to, "relationType": what}, "Idempotency-Key", k)
	}
	k := key()
	first := ask(ada, k, bob.profile.String(), "CHILD").want(t, 202, "")
	// Ada is a woman: she is the mother of her child.
	if kind, payload := s.payload(first.text("commandId")); kind != "REQUEST_RELATIONSHIP" || payload != `{"actorID":"`+ada.gx+`","objectID":"`+bob.gx+`","type":"MOTHER_OF"}` {
		t.Errorf("%s %s", kind, payload)
	}
	if first.text("aggregateId") != ada.gx+":MOTHER_OF:"+bob.gx {
		t.Errorf("aggregate %s", first.raw)
	}
	s.tie(ada, trust.MotherOf, bob, status.RelationshipPending)
	if a := ask(ada, k, bob.gx, "CHILD").want(t, 202, ""); a.raw != first.raw || a.header.Get("Idempotency-Hit") != "true" {
		t.Errorf("again %s", a.raw)
	}
	if a := ask(ada, k, bob.gx, "SPOUSE").want(t, 422, "idempotency_key_reused"); a.text("field") != "relationType" {
		t.Errorf("another relation %s", a.raw)
	}
	if a := ask(ada, key(), bob.gx, "CHILD").want(t, 409, "relationship_exists"); a.text("relationshipId") != ada.gx+":MOTHER_OF:"+bob.gx {
		t.Errorf("exists %s", a.raw)
	}
	s.tie(bob, trust.FriendOf, ada, status.RelationshipConfirmed)
	ask(ada, key(), bob.gx, "FRIEND").want(t, 409, "relationship_exists") // they are already
	ask(ada, key(), bob.gx, "SIBLING").want(t, 202, "")

	rejected := s.tie(ada, trust.SpouseOf, cleo, status.RelationshipRejected)
	if a := ask(ada, key(), cleo.gx, "SPOUSE").want(t, 409, "relationship_rejected"); a.text("possibleFrom") != "2026-03-08T12:00:00Z" {
		t.Errorf("rejected %s", a.raw)
	}
	ask(cleo, key(), ada.gx, "SPOUSE").want(t, 202, "") // who rejected may change their mind
	s.exec(`UPDATE read.relationships SET closed_at = closed_at - interval '7 days' WHERE relationship_id = $1`, rejected)
	ask(ada, key(), cleo.gx, "SPOUSE").want(t, 202, "")

	for _, tc := range []struct {
		to, what string
		status   int
		code     string
	}{
		{ada.gx, "FRIEND", 400, "to_id_invalid"},
		{ada.profile.String(), "FRIEND", 400, "to_id_invalid"},
		{bob.gx, "UNCLE", 400, "relation_type_invalid"},
		{bob.gx, "FATHER_OF", 400, "relation_type_invalid"},
		{newcomer.profile.String(), "FRIEND", 404, "person_not_found"},
		{"acme", "FRIEND", 404, "person_not_found"},
		{"nobody", "FRIEND", 404, "person_not_found"},
	} {
		ask(ada, key(), tc.to, tc.what).want(t, tc.status, tc.code)
	}
	ask(newcomer, key(), ada.gx, "FRIEND").want(t, 422, "account_not_active")
	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = $1`, cleo.gx)
	ask(ada, key(), cleo.gx, "FRIEND").want(t, 422, "person_not_active")
	ask(cleo, key(), ada.gx, "FRIEND").want(t, 423, "account_frozen")
}

func TestD41Relationships(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, cleo, newcomer := s.person("Ada", "CH", gx(5)), s.person("Bob", "CH", gx(5)), s.person("Cleo", "CH", gx(5)), s.person("Neo", "CH", nil)
	child, friend := s.tie(ada, trust.ChildOf, bob, status.RelationshipPending), s.tie(cleo, trust.FriendOf, ada, status.RelationshipConfirmed)
	s.exec(`UPDATE read.users SET trust_score = 41, trust_family = 30, trust_friends = 1, trust_at = $2 WHERE user_id = $1`, ada.gx, s.clock())
	list := func(p person, query string) answer {
		return s.call("identity", "GET", "/relationships"+query, p.bearer, nil).want(t, 200, "")
	}
	views := func(a answer, member string) (out []string) {
		for _, v := range a.at(member).([]any) {
			r := v.(map[string]any)
			other := r["relatedProfile"].(map[string]any)
			out = append(out, strings.Join([]string{r["relationType"].(string), other["displayName"].(string), r["status"].(string)}, " "))
		}
		return out
	}
	check := func(a answer, member string, want ...string) {
		t.Helper()
		if got := views(a, member); strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s: %v, want %v", member, got, want)
		}
	}
	a := list(ada, "")
	check(a, "relationships", "FRIEND Cleo L. CONFIRMED", "MOTHER Bob L. PENDING_CONFIRMATION") // everybody here is a woman
	check(a, "pendingInvites")
	if a.at("trustScore") != float64(41) {
		t.Errorf("score %s", a.raw)
	}
	b := list(bob, "")
	check(b, "relationships", "CHILD Ada L. PENDING_CONFIRMATION")
	check(b, "pendingInvites", "CHILD Ada L. PENDING_CONFIRMATION")
	check(list(ada, "?status=CONFIRMED"), "relationships", "FRIEND Cleo L. CONFIRMED")
	first := list(ada, "?limit=1")
	check(list(ada, "?limit=1&cursor="+first.text("nextCursor")), "relationships", "MOTHER Bob L. PENDING_CONFIRMATION")
	check(list(newcomer, ""), "relationships")

	get := func(p person, id string) answer {
		return s.call("identity", "GET", "/relationships/"+id, p.bearer, nil)
	}
	one := get(bob, child).want(t, 200, "")
	if one.at("relationship", "awaitsYou") != true || one.at("relationship", "requestedByYou") != false || one.text("relationship", "relatedProfile", "fabricUserId") != ada.gx ||
		strings.Contains(one.raw, "example.org") || strings.Contains(one.raw, "Lovelace") {
		t.Errorf("invitation %s", one.raw)
	}
	get(bob, friend).want(t, 404, "not_found")
	get(ada, "x").want(t, 404, "not_found")

	score := func(p person) answer {
		return s.call("identity", "GET", "/relationships/trust-score", p.bearer, nil).want(t, 200, "")
	}
	if a := score(ada); a.at("totalScore") != float64(41) || a.at("familyScore") != float64(30) || a.at("friendsScore") != float64(1) || a.text("lastCalculatedAt") != "2026-03-01T12:00:00.000Z" {
		t.Errorf("score %s", a.raw)
	}
	if a := score(newcomer); a.at("totalScore") != float64(0) {
		t.Errorf("score of a newcomer %s", a.raw)
	}
}

func TestRelationshipDecisions(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, cleo := s.person("Ada", "CH", gx(5)), s.person("Bob", "CH", gx(5)), s.person("Cleo", "CH", gx(5))
	pending, confirmed := s.tie(ada, trust.SpouseOf, bob, status.RelationshipPending), s.tie(cleo, trust.FriendOf, ada, status.RelationshipConfirmed)
	post := func(p person, k, id, what string, body any) answer {
		return s.call("identity", "POST", "/relationships/"+id+"/"+what, p.bearer, body, "Idempotency-Key", k)
	}
	said := func(a answer, kind, payload string) {
		t.Helper()
		if k, p := s.payload(a.want(t, 202, "").text("commandId")); k != kind || p != payload {
			t.Errorf("%s %s, want %s %s", k, p, kind, payload)
		}
	}
	k := key()
	first := post(bob, k, pending, "confirm", nil)
	said(first, "CONFIRM_RELATIONSHIP", `{"actorID":"`+bob.gx+`","relationshipID":"`+pending+`"}`)
	said(post(bob, key(), pending, "reject", map[string]any{"reason": "we never met"}), "REJECT_RELATIONSHIP", `{"actorID":"`+bob.gx+`","relationshipID":"`+pending+`","reason":"we never met"}`)
	said(post(bob, key(), pending, "reject", nil), "REJECT_RELATIONSHIP", `{"actorID":"`+bob.gx+`","relationshipID":"`+pending+`","reason":"rejected"}`)
	for _, p := range []person{ada, cleo} {
		said(post(p, key(), confirmed, "end", nil), "END_RELATIONSHIP", `{"actorID":"`+p.gx+`","relationshipID":"`+confirmed+`","reason":"ended"}`)
	}
	for _, what := range []string{"confirm", "reject"} {
		post(ada, key(), pending, what, nil).want(t, 403, "forbidden")
		post(cleo, key(), pending, what, nil).want(t, 404, "not_found")
		post(ada, key(), confirmed, what, nil).want(t, 409, "invalid_state")
	}
	post(ada, key(), pending, "end", nil).want(t, 409, "invalid_state")
	post(bob, key(), confirmed, "end", nil).want(t, 404, "not_found")
	s.exec(`UPDATE read.relationships SET status = 'CONFIRMED' WHERE relationship_id = $1`, pending)
	if a := post(bob, k, pending, "confirm", nil).want(t, 202, ""); a.raw != first.raw {
		t.Errorf("again %s", a.raw)
	}
}
