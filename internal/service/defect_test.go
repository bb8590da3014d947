package service_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/status"
)

// The tests of this file are named after the defects of an earlier system that
// they rule out (api.md 5, known-failures.md), on every route that they concern.

// routes returns the routes of every door, those that all doors have only once.
func (s *system) routes() map[string][]door.Route {
	out, seen := map[string][]door.Route{}, map[string]bool{}
	for _, d := range service.Doors {
		for _, r := range s.doors[d.Name].Routes {
			if name := r.Method + " " + r.URL(); !seen[name] {
				seen[name] = true
				out[d.Name] = append(out[d.Name], r)
			}
		}
	}
	return out
}

// cast are somebody of each kind who may use the routes.
type cast struct {
	ada, bob, eve person
	ownerID       uuid.UUID
	owner         string
}

func (s *system) cast() cast {
	s.t.Helper()
	c := cast{ada: s.person("Ada", "CH", gx(500)), bob: s.person("Bob", "CH", gx(500)), eve: s.person("Eve", "CH", gx(500))}
	c.ownerID, c.owner = s.staff(door.SuperOwner)
	return c
}

// bearer returns a token that opens a route to its handler: a customer's where
// customers may pass.
func (c cast) bearer(r door.Route) string {
	switch {
	case r.Policy.Public:
		return ""
	case !r.Policy.Customer && r.Policy.Staff != 0:
		return c.owner
	}
	return c.ada.bearer
}

// write is a request that is accepted.
type write struct {
	door, id, path, bearer string
	body                   any
}

// writes returns a request for each route of organizations and governance that
// changes something, none of which spoils another.
func (s *system) writes(c cast) []write {
	s.t.Helper()
	s.trusted(c.ada, 60)
	s.organization("acme", account.Business, status.OrganizationActive, c.ada, c.bob)
	s.organization("locked", account.Business, status.OrganizationLocked, c.ada, c.bob)
	s.organization("young", account.Business, status.OrganizationPending, c.ada, c.bob)
	s.organization("ready", account.Business, status.OrganizationPending, c.ada, c.bob)
	s.exec(`UPDATE read.stakeholders SET endorsed_at = now() WHERE org_id = 'ready'`)
	tx := func(approvals int) string {
		id := s.multiSig("acme", c.eve.gx)
		s.exec(`UPDATE read.multisig_transactions SET approvals = $2 WHERE pending_tx_id = $1`, id, approvals)
		return "/organizations/acme/transactions/" + id
	}
	ended := func() string {
		id := s.proposal(c.bob)
		s.exec(`UPDATE read.proposals SET end_time = created_at WHERE proposal_id = $1`, id)
		return "/proposals/" + id
	}
	reason := map[string]any{"reason": "for a good reason"}
	return []write{
		{"organization", "proposeOrganization", "/organizations", c.ada.bearer,
			map[string]any{"orgId": "bakery", "orgName": "Alpine Bakery", "orgType": "BUSINESS", "stakeholderIds": []string{c.ada.gx, c.bob.gx}}},
		{"organization", "endorseOrganization", "/organizations/young/endorse", c.ada.bearer, nil},
		{"organization", "activateOrganization", "/organizations/ready/activate", c.ada.bearer, nil},
		{"organization", "lockOrganization", "/organizations/acme/lock", c.owner, reason},
		{"organization", "unlockOrganization", "/organizations/locked/unlock", c.owner, nil},
		{"organization", "defineAuthRule", "/organizations/acme/rules", c.ada.bearer,
			map[string]any{"rule": map[string]any{"amountThreshold": "0", "requiredApprovers": 1, "approverGroup": []string{c.ada.gx}}}},
		{"organization", "initiateMultiSig", "/organizations/acme/transactions", c.ada.bearer, map[string]any{"toId": c.eve.gx, "amount": "1000000"}},
		{"organization", "approveMultiSig", tx(1) + "/approve", c.bob.bearer, nil},
		{"organization", "approveMultiSigById", strings.TrimPrefix(tx(1), "/organizations/acme") + "/approve", c.bob.bearer, nil},
		{"organization", "rejectMultiSig", tx(1) + "/reject", c.bob.bearer, reason},
		{"organization", "cancelMultiSig", tx(1) + "/cancel", c.ada.bearer, nil},
		{"organization", "executeMultiSig", tx(2) + "/execute", c.ada.bearer, nil},
		{"governance", "submitProposal", "/proposals", c.ada.bearer, map[string]any{"targetParam": "votingPeriodDays", "newValue": "21"}},
		{"governance", "castVote", "/proposals/" + s.proposal(c.bob) + "/vote", c.ada.bearer, map[string]any{"vote": true}},
		{"governance", "cancelProposal", "/proposals/" + s.proposal(c.ada) + "/cancel", c.ada.bearer, nil},
		{"governance", "tallyProposal", ended() + "/tally", c.owner, nil},
		{"governance", "executeProposal", ended() + "/execute", c.owner, nil},
	}
}

// A command can be sent as often as one likes, also at once, and is one command;
// F-37: without a key it is none.
func TestD10KF37DoubleSubmitIsOneCommand(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	covered := map[string]bool{}
	for _, w := range s.writes(c) {
		covered[w.id] = true
		t.Run(w.id, func(t *testing.T) {
			s.t = t
			s.call(w.door, "POST", w.path, w.bearer, w.body).want(t, 400, "idempotency_key_required")
			before, k := s.count(`SELECT count(*) FROM app.commands`), key()
			answers := make([]answer, 6)
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() { answers[i] = s.call(w.door, "POST", w.path, w.bearer, w.body, "Idempotency-Key", k) })
			}
			wg.Wait()
			first := s.call(w.door, "POST", w.path, w.bearer, w.body, "Idempotency-Key", k).want(t, 202, "")
			if first.header.Get("Idempotency-Hit") != "true" || first.header.Get("Location") != first.text("statusUrl") {
				t.Errorf("headers %v", first.header)
			}
			for _, a := range answers {
				if a.code() != "idempotency_in_progress" && a.raw != first.raw {
					t.Errorf("%d %s, want %s", a.status, a.raw, first.raw)
				}
			}
			if n := s.count(`SELECT count(*) FROM app.commands`) - before; n != 1 {
				t.Errorf("%d commands", n)
			}
		})
	}
	s.t = t
	for name, routes := range s.routes() {
		for _, r := range routes {
			if r.Status == http.StatusAccepted && r.Idempotency != door.KeyRequired {
				t.Errorf("%s %s accepts commands without a key", r.Method, r.URL())
			}
			if (name == "organization" || name == "governance") && r.Idempotency == door.KeyRequired && !covered[r.ID] {
				t.Errorf("%s is not tried", r.ID)
			}
		}
	}
}

// Nobody gets a command accepted while the system is paused, unless it was before;
// what staff orders waits for the end of the pause.
func TestD66PausedRejects(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	writes, keys := s.writes(c), map[string]string{}
	for _, w := range writes {
		keys[w.id] = key()
		s.call(w.door, "POST", w.path, w.bearer, w.body, "Idempotency-Key", keys[w.id]).want(t, 202, "")
	}
	s.exec(`UPDATE read.system_status SET paused = true, reason = 'maintenance'`)
	before := s.count(`SELECT count(*) FROM app.commands WHERE principal LIKE 'customer:%'`)
	for _, w := range writes {
		a := s.call(w.door, "POST", w.path, w.bearer, w.body, "Idempotency-Key", key())
		if w.bearer == c.owner {
			a.want(t, 202, "")
		} else if a.want(t, 503, "system_paused"); a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", w.id)
		}
		s.call(w.door, "POST", w.path, w.bearer, w.body, "Idempotency-Key", keys[w.id]).want(t, 202, "")
	}
	if n := s.count(`SELECT count(*) FROM app.commands WHERE principal LIKE 'customer:%'`); n != before {
		t.Errorf("%d commands during the pause", n-before)
	}
}

// Who has no stake in an organization can do nothing with it, and not see that it is there.
func TestD15OutsidersAreDenied(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	tried := 0
	for _, w := range s.writes(c) {
		if w.door != "organization" || w.bearer == c.owner || w.id == "proposeOrganization" {
			continue
		}
		tried++
		s.call(w.door, "POST", w.path, c.eve.bearer, w.body, "Idempotency-Key", key()).want(t, 404, "not_found")
	}
	if tried < 9 {
		t.Errorf("only %d routes were tried", tried)
	}
	for _, path := range []string{"/stakeholders", "/rules", "/transactions", "/transactions/pending", "/wallet/balance", "/wallet/transactions"} {
		s.org("GET", "/organizations/acme"+path, c.eve.bearer, nil).want(t, 404, "not_found")
	}
	if n := s.count(`SELECT count(*) FROM app.commands`); n != 0 {
		t.Errorf("%d commands of an outsider", n)
	}
}

// Another person's things look like things that do not exist.
func TestD24OtherPeoplesThings(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	others := s.things(c.bob)
	unknown := strings.NewReplacer("{profileId}", uuid.NewString(), "{accountId}", uuid.NewString(), "{commandId}", uuid.NewString(), "{loanId}", "LOAN_x",
		"{orgId}", "nothing", "{pendingTxId}", "PENDING_TX_x", "{proposalId}", "PROP_x")
	tried := 0
	for name, routes := range s.routes() {
		for _, r := range routes {
			if r.Policy.Object == door.NoObject {
				continue
			}
			tried++
			body := `{}`
			if r.Method == http.MethodGet {
				body = ""
			}
			ask := func(path string) string {
				a := s.call(name, r.Method, path, c.ada.bearer, body, "Idempotency-Key", key()).want(t, 404, "not_found")
				return a.text("detail") + a.text("title") + fmt.Sprint(len(a.body))
			}
			if theirs, nobodys := ask(others.Replace(r.Path)), ask(unknown.Replace(r.Path)); theirs != nobodys {
				t.Errorf("%s %s: %s differs from %s", r.Method, r.URL(), theirs, nobodys)
			}
		}
	}
	if tried < 30 {
		t.Errorf("only %d routes were tried", tried)
	}
}

// Commands are their senders'; what went wrong inside is nobody's business.
func TestD23CommandsAreTheirSenders(t *testing.T) {
	s := newSystem(t)
	c := s.cast()
	id := s.command("customer:" + c.ada.profile.String())
	s.exec(`UPDATE app.commands SET state = 'DEAD', error = 'dial tcp 10.0.0.1: refused', error_code = 'INTERNAL' WHERE id = $1`, id)
	_, moderator := s.staff(door.Moderator)
	for _, d := range service.Doors {
		for _, path := range []string{"/commands/" + id, "/commands/" + id + "/status"} {
			s.call(d.Name, "GET", path, c.bob.bearer, nil).want(t, 404, "not_found")
			s.call(d.Name, "GET", path, moderator, nil).want(t, 404, "not_found")
			if a := s.call(d.Name, "GET", path, c.ada.bearer, nil).want(t, 200, ""); strings.Contains(a.raw, "10.0.0.1") || a.text("errorCode") != "NOT_COMPLETED" {
				t.Errorf("%s: %s", path, a.raw)
			}
		}
		if a := s.call(d.Name, "GET", "/commands", c.bob.bearer, nil).want(t, 200, ""); len(a.at("data").([]any)) != 0 {
			t.Errorf("the commands of somebody else: %s", a.raw)
		}
	}
}

// recorded are the routes that leave a record of who took data out.
var recorded = []string{"exportAuditLog", "exportMe"}

// Reading changes nothing: every GET works on a database that cannot be written.
func TestD55ReadsAreSafe(t *testing.T) {
	s := newSystem(t, func(d *service.Deps) {
		dsn := d.Pool.Config().ConnString()
		if !strings.Contains(dsn, "?") {
			dsn += "?"
		}
		d.Pool = pgtest.Database{DSN: dsn + "&default_transaction_read_only=on"}.Pool(t, "gx_service")
	})
	s.open()
	c := s.cast()
	things := s.things(c.ada)
	if a := s.call("governance", "POST", things.Replace("/proposals/{proposalId}/cancel"), c.ada.bearer, nil, "Idempotency-Key", key()); a.status < 500 {
		t.Fatalf("the database can be written: %s", a.raw)
	}
	for name, routes := range s.routes() {
		for _, r := range routes {
			if r.Method != http.MethodGet || slices.Contains(recorded, r.ID) {
				continue
			}
			for _, bearer := range []string{c.ada.bearer, c.owner} {
				if r.Policy.Public {
					bearer = ""
				}
				if a := s.call(name, r.Method, things.Replace(r.Path), bearer, nil); a.status >= 500 {
					t.Errorf("%s: %d %s", r.URL(), a.status, a.raw)
				}
			}
		}
	}
}

// A ledger on which nothing happens is no reason to be away (F-18).
func TestD31KF18IdleLedgerStaysReady(t *testing.T) {
	s := newSystem(t)
	s.open()
	s.exec(`UPDATE read.checkpoint SET block = 5, ledger_height = 6, lag_seconds = 0, heartbeat_at = now() + interval '1 hour'`)
	s.advance(30 * 24 * time.Hour)
	for _, d := range service.Doors {
		a := s.call(d.Name, "GET", "//readyz", "", nil)
		for i := 0; i < 100 && a.text("checks", "database") != "ok"; i++ { // the database may be too slow for a moment
			a = s.call(d.Name, "GET", "//readyz", "", nil)
		}
		if a.status != 200 || a.text("status") != "ready" || a.text("projectionLag", "status") != "ok" {
			t.Errorf("%s: %s", d.Name, a.raw)
		}
	}
}

// A vote is true or false: nothing else is taken for a yes.
func TestD37VoteIsABoolean(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	s.trusted(c.ada, 60)
	id := s.proposal(c.bob)
	for _, body := range []string{`{"vote":"false"}`, `{"vote":"true"}`, `{"vote":"FOR"}`, `{"vote":1}`, `{"vote":0}`, `{"vote":null}`, `{"vote":[true]}`, `{"vote":{}}`, `{}`, `{"vote":true,"vote":false}`, ``} {
		if a := s.gov("POST", "/proposals/"+id+"/vote", c.ada.bearer, body); a.status != 400 {
			t.Errorf("%s: %d %s", body, a.status, a.raw)
		}
	}
	if n := s.count(`SELECT count(*) FROM app.commands`); n != 0 {
		t.Errorf("%d votes", n)
	}
	s.gov("POST", "/proposals/"+id+"/vote", c.ada.bearer, `{"vote":false}`).want(t, 202, "")
	if p := s.newest(t, command.TypeCastVote).(*command.CastVote); p.Support {
		t.Error("no was taken for yes")
	}
}

// What everybody sees of an organization, and of a proposal, is this and no more.
func TestD35PublicViews(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	s.organization("acme", account.Business, status.OrganizationActive, c.bob)
	fields := func(v any) string {
		var names []string
		for name := range v.(map[string]any) {
			names = append(names, name)
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	a := s.org("GET", "/organizations/acme", c.ada.bearer, nil).want(t, 200, "")
	if got := fields(a.at("organization")); got != "accountType country createdAt orgId orgName orgType status" {
		t.Errorf("an organization shows %s", got)
	}
	s.org("GET", "/organizations/acme", "", nil).want(t, 401, "token_missing")
	p := s.gov("GET", "/proposals/"+s.proposal(c.bob), "", nil).want(t, 200, "")
	if got := fields(p.at("proposal")); got != "againstVotes approvalPct createdAt currentValue description endTime forVotes newValue proposalId proposerId quorum status targetParam title" {
		t.Errorf("a proposal shows %s", got)
	}
}

// The words of the API are those of the ledger: a filter never misses for a spelling.
func TestD34StatusesAreTheLedgers(t *testing.T) {
	s := newSystem(t)
	for _, tc := range []struct {
		door, schema, property string
		want                   []any
	}{
		{"organization", "Organization", "status", []any{status.OrganizationPending, status.OrganizationActive, status.OrganizationLocked}},
		{"organization", "Organization", "orgType", []any{account.Business, account.NGO, account.Government}},
		{"organization", "MultiSig", "status", []any{status.MultiSigPending, status.MultiSigExecuted, status.MultiSigRejected, status.MultiSigCancelled, status.MultiSigExpired}},
		{"organization", "MultiSig", "operation", []any{status.OperationTransfer, status.OperationRule}},
		{"governance", "Proposal", "status", []any{status.ProposalActive, status.ProposalExecuted, status.ProposalFailed, status.ProposalFailedExecution, status.ProposalCancelled}},
	} {
		got := s.call(tc.door, "GET", "//openapi.json", "", nil).at("components", "schemas", tc.schema, "properties", tc.property, "enum")
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s.%s: %v, want %v", tc.schema, tc.property, got, tc.want)
		}
	}
}

// What a schedule does, customers cannot do.
func TestD49ScheduledWorkIsNotForCustomers(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	id := s.proposal(c.ada)
	s.exec(`UPDATE read.proposals SET end_time = created_at`)
	for _, path := range []string{"/proposals/" + id + "/tally", "/proposals/" + id + "/execute"} {
		s.gov("POST", path, c.ada.bearer, nil).want(t, 401, "token_wrong_audience")
	}
	for name, routes := range s.routes() {
		for _, r := range routes {
			if strings.Contains(r.Path, "expire") || strings.Contains(r.Path, "cron") {
				t.Errorf("%s: %s %s", name, r.Method, r.URL())
			}
		}
	}
}

// Two doors never serve the same path, so that one host can lead to all of them.
func TestD62NoTwoDoorsServeTheSame(t *testing.T) {
	s := newSystem(t)
	mux, owners := http.NewServeMux(), map[string]string{}
	shared := map[string]bool{}
	for _, r := range s.doors["tax"].Routes {
		shared[r.Method+" "+r.URL()] = strings.HasPrefix(r.Path, "//") || strings.HasPrefix(r.Path, "/commands") || strings.HasPrefix(r.Path, "/events")
	}
	for _, d := range service.Doors {
		for _, r := range s.doors[d.Name].Routes {
			name := r.Method + " " + r.URL()
			if shared[name] {
				continue
			}
			if owner, taken := owners[name]; taken {
				t.Errorf("%s is served by %s and %s", name, owner, d.Name)
				continue
			}
			owners[name] = d.Name
			mux.Handle(name, http.NotFoundHandler()) // panics when two patterns conflict
		}
	}
	if len(owners) < 100 {
		t.Errorf("only %d routes", len(owners))
	}
}

// A payment has one door: nothing is posted to commands.
func TestD51CommandsAreNotPosted(t *testing.T) {
	s := newSystem(t)
	c := s.cast()
	for _, d := range service.Doors {
		if a := s.call(d.Name, "POST", "/commands", c.ada.bearer, map[string]any{"toID": c.bob.gx, "amount": "1"}).want(t, 405, "method_not_allowed"); a.header.Get("Allow") == "" {
			t.Errorf("%s: headers %v", d.Name, a.header)
		}
	}
}
