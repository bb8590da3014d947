package service_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	ledgercontract "gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/command"
)

// Who registers the short way has a profile, which they complete before it is
// reviewed.
func TestD21PostUsers(t *testing.T) {
	s := newSystem(t)
	body := map[string]any{"email": "Ada@Example.org", "password": secret, "firstName": "Ada", "lastName": "Lovelace", "phoneNum": "+41 79 123 45 67"}
	post := func(change ...any) answer {
		b := map[string]any{}
		for name, v := range body {
			b[name] = v
		}
		for i := 0; i < len(change); i += 2 {
			b[change[i].(string)] = change[i+1]
		}
		return s.call("identity", "POST", "/users", "", b)
	}
	created := post().want(t, 201, "")
	login := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	if login.text("user", "profileId") != created.text("profileId") || login.text("user", "status") != "REGISTERED" || login.text("user", "phoneNum") != "+41791234567" {
		t.Errorf("created %s, logged in %s", created.raw, login.raw)
	}
	post().want(t, 409, "EMAIL_ALREADY_EXISTS")
	if a := post("email", "bob@example.org").want(t, 409, "PHONE_ALREADY_EXISTS"); a.text("field") != "phoneNum" {
		t.Errorf("field %q", a.text("field"))
	}
	post("email", "x", "nationalityCountryCode", "ch").want(t, 400, "validation_failed")

	bearer := login.text("accessToken")
	s.call("identity", "POST", "/users/me/kyc", bearer, evidence("X1234567")).want(t, 422, "profile_incomplete")
	s.call("identity", "PATCH", "/users/me", bearer, map[string]any{"dateOfBirth": "1990-12-10", "gender": "female", "nationalityCountryCode": "CH"}, "If-Match", "*").want(t, 200, "")
	s.call("identity", "POST", "/users/me/kyc", bearer, evidence("X1234567")).want(t, 201, "")
}

// Who somebody is stays as it was reviewed, and nobody undoes a change that they
// have not seen.
func TestD38IdentityIsLocked(t *testing.T) {
	s := newSystem(t)
	r := s.call("identity", "POST", "/auth/register", "", registration()).want(t, 201, "")
	s.person("Bob", "CH", nil)
	bearer := r.text("accessToken")
	read := func() answer { return s.call("identity", "GET", "/users/me", bearer, nil).want(t, 200, "") }
	patch := func(tag string, change ...any) answer {
		body := map[string]any{}
		for i := 0; i < len(change); i += 2 {
			body[change[i].(string)] = change[i+1]
		}
		return s.call("identity", "PATCH", "/users/me", bearer, body, "If-Match", tag)
	}
	first := read()
	tag := first.header.Get("ETag")
	if a := s.call("identity", "GET", "/users/me", bearer, nil, "If-None-Match", tag); a.status != 304 {
		t.Errorf("an unchanged profile: %d", a.status)
	}
	s.call("identity", "PATCH", "/users/me", bearer, map[string]any{"firstName": "Augusta"}).want(t, 428, "if_match_required")
	patch(tag).want(t, 400, "body_invalid")
	patch(tag, "firstName", "R2D2", "dateOfBirth", "yesterday").want(t, 400, "validation_failed")
	changed := patch(tag, "firstName", "Augusta", "phoneNum", "+41 79 1234567", "nationalityCountryCode", "DE").want(t, 200, "")
	after := read()
	if changed.text("profile", "firstName") != "Augusta" || after.text("user", "phoneNum") != "+41791234567" || after.text("user", "nationalityCountryCode") != "DE" ||
		after.text("user", "lastName") != first.text("user", "lastName") || after.text("user", "dateOfBirth") != first.text("user", "dateOfBirth") || after.header.Get("ETag") != changed.header.Get("ETag") {
		t.Errorf("changed %s, read %s", changed.raw, after.raw)
	}
	patch(tag, "firstName", "Ada").want(t, 412, "profile_changed")
	tag = after.header.Get("ETag")
	s.exec(`UPDATE app.people SET phone_hash = $1 WHERE phone_hash IS NULL`, s.index.Sum("people.phone", "+41790000000"))
	patch(tag, "phoneNum", "+41790000000").want(t, 409, "PHONE_ALREADY_EXISTS")
	patch(tag, "phoneNum", "").want(t, 200, "")
	if a := read(); a.text("user", "phoneNum") != "" {
		t.Errorf("a removed number: %s", a.raw)
	}
	_, staff := s.staff(door.Admin)
	if a := s.admin("GET", "/users?search=Augusta", staff, nil).want(t, 200, ""); a.at("total") != float64(1) {
		t.Errorf("found by the new name: %s", a.raw)
	}

	s.call("identity", "POST", "/users/me/kyc", bearer, evidence("X1234567")).want(t, 201, "")
	patch(tag, "phoneNum", "+41791234567").want(t, 412, "profile_changed")
	for name, value := range map[string]string{"firstName": "Eve", "lastName": "Moriarty", "dateOfBirth": "1980-01-01", "gender": "MALE", "nationalityCountryCode": "CH"} {
		patch("*", name, value).want(t, 423, "identity_locked")
	}
	patch("*", "phoneNum", "+41791234567").want(t, 200, "")
	if n := s.count(`SELECT count(*) FROM app.audit_pending WHERE action = 'PROFILE_UPDATED'`); n != 3 {
		t.Errorf("%d records of changes", n)
	}
	_, clerk := s.staff(door.Moderator)
	s.admin("POST", "/users/"+r.text("user", "profileId")+"/deny", clerk, map[string]any{"reason": "The picture can't be read."}).want(t, 200, "")
	patch("*", "lastName", "King").want(t, 200, "")
}

// Whatever an act changes, it leaves its record: when that can't be written, nothing
// is changed.
func TestD65NoPartialCommit(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	writes := s.writes(c)
	newcomer, applicant := s.person("Neo", "CH", nil), s.person("Ann", "CH", nil)
	pending := s.person("Pam", "CH", nil)
	s.call("identity", "POST", "/users/me/kyc", pending.bearer, evidence("Y7654321")).want(t, 201, "")
	login := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	writes = append(writes,
		write{"identity", "register", "/auth/register", "", registration("email", "zoe@example.org")},
		write{"identity", "createUser", "/users", "", map[string]any{"email": "zac@example.org", "password": secret, "firstName": "Zac", "lastName": "Smith"}},
		write{"identity", "login", "/auth/login", "", map[string]any{"email": "bob@example.org", "password": secret}},
		write{"identity", "logout", "/auth/logout", "", map[string]any{"refreshToken": login.text("refreshToken")}},
		write{"identity", "logoutAll", "/auth/logout-all", login.text("accessToken"), nil},
		write{"identity", "changePassword", "/auth/password/change", c.eve.bearer, map[string]any{"currentPassword": secret, "newPassword": "Another horse 2"}},
		write{"identity", "submitKyc", "/users/me/kyc", applicant.bearer, evidence("Z7654321")},
		write{"identity", "eraseMe", "/users/me/erasure", newcomer.bearer, map[string]any{"password": secret}},
		write{"tokenomics", "createTransfer", "/transfers", c.ada.bearer, map[string]any{"toID": c.bob.gx, "amount": "1000"}},
		write{"admin", "approveUser", "/admin/users/" + pending.profile.String() + "/approve", c.owner, nil},
		write{"admin", "denyUser", "/admin/users/" + pending.profile.String() + "/deny", c.owner, map[string]any{"reason": "It can't be read."}},
		write{"admin", "freezeUser", "/admin/users/" + c.bob.profile.String() + "/freeze", c.owner, map[string]any{"reason": "COURT_ORDER"}},
		write{"admin", "pauseSystem", "/admin/system/pause", c.owner, pauseBody},
	)
	s.exec(`ALTER TABLE app.audit_pending ADD CONSTRAINT full_disk CHECK (false) NOT VALID`)
	before := s.state()
	for _, w := range writes {
		if a := s.call(w.door, "POST", w.path, w.bearer, w.body, "Idempotency-Key", key()); a.status < 500 {
			t.Errorf("%s: %d %s", w.id, a.status, a.raw)
		}
		if diff := cmp.Diff(before, s.state()); diff != "" {
			t.Fatalf("%s has left something behind: %s", w.id, diff)
		}
	}
}

// state returns a digest of each table of the services, leaving out how often a
// login has failed.
func (s *system) state() map[string]string {
	s.t.Helper()
	rows, err := s.owner.Query(s.t.Context(), `SELECT tablename, format($$SELECT coalesce(md5(string_agg(r, '' ORDER BY r)), '')
		FROM (SELECT (to_jsonb(t) - 'failed_logins' - 'locked_until')::text FROM app.%I t) v (r)$$, tablename) FROM pg_tables WHERE schemaname = 'app'`)
	if err != nil {
		s.t.Fatal(err)
	}
	queries := map[string]string{}
	var table, sql string
	if _, err := pgx.ForEachRow(rows, []any{&table, &sql}, func() error { queries[table] = sql; return nil }); err != nil {
		s.t.Fatal(err)
	}
	digests := map[string]string{}
	for table, sql := range queries {
		var digest string
		s.scan(sql, nil, &digest)
		digests[table] = digest
	}
	return digests
}

// What stands for somebody's document is a keyed hash, and nothing else.
func TestD67CommitmentOfADocument(t *testing.T) {
	s := newSystem(t)
	hash := func(email, country, number string) (stored string) {
		t.Helper()
		r := s.call("identity", "POST", "/auth/register", "", registration("email", email, "country", country)).want(t, 201, "")
		s.call("identity", "POST", "/users/me/kyc", r.text("accessToken"), evidence(number)).want(t, 201, "")
		s.scan(`SELECT biometric_hash FROM app.people WHERE profile_id = $1`, []any{r.text("user", "profileId")}, &stored)
		if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(stored) {
			t.Errorf("%q is no hash", stored)
		}
		return stored
	}
	seen := map[string]string{}
	for name, h := range map[string]string{"one": hash("a@example.org", "CH", "X1234567"), "another": hash("b@example.org", "CH", "X1234568"), "of another country": hash("c@example.org", "DE", "X1234567")} {
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
	// Written otherwise it is the same document, which is one person's.
	r := s.call("identity", "POST", "/auth/register", "", registration("email", "d@example.org")).want(t, 201, "")
	s.call("identity", "POST", "/users/me/kyc", r.text("accessToken"), evidence("x-123 4567")).want(t, 409, "document_number_taken")
}

// A day begins and ends in UTC for everybody, and a moment is the same wherever its
// clock hangs.
func TestD68DaysAreUTC(t *testing.T) {
	s := newSystem(t)
	n := 0
	register := func(at time.Time, born string) answer {
		n++
		s.now.Store(at.UnixMicro())
		return s.call("identity", "POST", "/auth/register", "", registration("dateOfBirth", born, "email", fmt.Sprintf("p%d@example.org", n)))
	}
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	register(midnight.Add(-time.Millisecond), "2013-03-02").want(t, 400, "DOB_MIN_AGE")
	register(midnight, "2013-03-02").want(t, 201, "")
	register(midnight.In(time.FixedZone("", -11*3600)), "2013-03-02").want(t, 201, "")
	register(midnight.Add(-time.Millisecond), "2026-03-02").want(t, 400, "DOB_FUTURE_DATE")
	_, auditor := s.staff(door.Auditor)
	s.seal(t)
	for query, want := range map[string]int{
		"from=2026-03-02T00:00:00Z": 2, "from=2026-03-02T05:30:00%2B05:30": 2, "from=2026-03-02T05:30:00.001%2B05:30": 0, "to=2026-03-01T18:30:00-05:30": 0,
	} {
		if data, _ := s.admin("GET", "/audit-logs?action=USER_REGISTERED&"+query, auditor, nil).want(t, 200, "").at("data").([]any); len(data) != want {
			t.Errorf("%s: %d records, want %d", query, len(data), want)
		}
	}
}

// A command names people by the ids of the ledger, whatever they were called in the
// request, and is one that the ledger knows.
func TestD11CommandsSpeakTheLedgersLanguage(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	writes := s.writes(c)
	writes = append(writes,
		write{"tokenomics", "createTransfer", "/transfers", c.ada.bearer, map[string]any{"toID": c.bob.profile, "amount": "1000"}},
		write{"tokenomics", "createTransfer", "/transfers", c.ada.bearer, map[string]any{"toUserId": c.bob.profile, "fromUserId": c.ada.profile, "amount": "1000"}},
		write{"tokenomics", "createTransfer", "/transfers", c.ada.bearer, map[string]any{"toID": strings.ReplaceAll(c.bob.gx, " ", ""), "amount": "1000"}},
		write{"tokenomics", "freezeWallet", "/wallets/" + c.eve.profile.String() + "/freeze", c.owner, map[string]any{"reason": "reported as stolen"}},
		write{"admin", "freezeUser", "/admin/users/" + c.bob.profile.String() + "/freeze", c.owner, map[string]any{"reason": "COURT_ORDER"}},
		write{"identity", "requestRelationship", "/relationships", c.ada.bearer, map[string]any{"toID": c.eve.profile, "relationType": "FRIEND"}},
		write{"organization", "initiateMultiSig", "/organizations/acme/transactions", c.ada.bearer, map[string]any{"toId": c.eve.profile, "amount": "1000"}},
		write{"organization", "proposeOrganization", "/organizations", c.ada.bearer,
			map[string]any{"orgId": "cheese", "orgName": "Cheese", "orgType": "BUSINESS", "stakeholderIds": []any{c.ada.profile, c.eve.profile}}},
		write{"organization", "defineAuthRule", "/organizations/acme/rules", c.ada.bearer,
			map[string]any{"rule": map[string]any{"amountThreshold": "0", "requiredApprovers": 1, "approverGroup": []any{c.ada.profile}}}},
	)
	for _, w := range writes {
		s.call(w.door, "POST", w.path, w.bearer, w.body, "Idempotency-Key", key()).want(t, 202, "")
	}
	handled := map[string]bool{}
	for _, f := range ledgercontract.Functions() {
		handled[f.Name] = f.Kind == ledgercontract.KindCommand
	}
	rows, err := s.owner.Query(t.Context(), `SELECT type, payload FROM app.commands`)
	if err != nil {
		t.Fatal(err)
	}
	var kind command.Type
	var payload []byte
	seen := map[command.Type]bool{}
	if _, err := pgx.ForEachRow(rows, []any{&kind, &payload}, func() error {
		seen[kind] = true
		d, ok := command.Lookup(kind)
		p, err := command.Decode(kind, payload)
		if err == nil {
			err = p.Validate()
		}
		if !ok || !handled[d.Name()] || err != nil {
			t.Errorf("%s: %s is not one that the ledger takes: %v", kind, payload, err)
		}
		for _, p := range []person{c.ada, c.bob, c.eve} {
			if strings.Contains(string(payload), p.profile.String()) {
				t.Errorf("%s names a person by profile: %s", kind, payload)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(seen) < 15 {
		t.Errorf("only %d kinds of commands", len(seen))
	}
}

// What one of many sends at the same time succeeds, and the others learn that it is
// done.
func TestD57OneOfMany(t *testing.T) {
	s := newSystem(t)
	s.open()
	r := s.call("identity", "POST", "/auth/register", "", registration()).want(t, 201, "")
	bearer, profile := r.text("accessToken"), r.text("user", "profileId")
	_, staff := s.staff(door.SuperAdmin)
	tag := s.call("identity", "GET", "/users/me", bearer, nil).header.Get("ETag")
	for _, step := range []struct {
		name string
		send func(i int) answer
		lost string // the code of those who come too late
	}{
		{"change", func(i int) answer {
			return s.call("identity", "PATCH", "/users/me", bearer, map[string]any{"firstName": "Ada" + strings.Repeat("a", i)}, "If-Match", tag)
		}, "profile_changed"},
		{"evidence", func(int) answer { return s.call("identity", "POST", "/users/me/kyc", bearer, evidence("X1234567")) }, "kyc_"},
		{"approval", func(int) answer { return s.admin("POST", "/users/"+profile+"/approve", staff, nil) }, "invalid_state"},
		{"registration", func(int) answer {
			return s.call("identity", "POST", "/users", "", map[string]any{"email": "bob@example.org", "password": secret, "firstName": "Bob", "lastName": "Smith"})
		}, "EMAIL_ALREADY_EXISTS"},
	} {
		answers := make([]answer, 16)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = step.send(i) })
		}
		wg.Wait()
		done := 0
		for _, a := range answers {
			if a.status < 300 {
				done++
			} else if !strings.HasPrefix(a.code(), step.lost) {
				t.Errorf("%s: %d %s", step.name, a.status, a.raw)
			}
		}
		if done != 1 {
			t.Errorf("%s: %d of %d succeed", step.name, done, len(answers))
		}
	}
}
