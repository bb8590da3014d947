package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

// proposal stores a proposal of a person that is open for two weeks, and returns
// its id.
func (s *system) proposal(by person) string {
	s.t.Helper()
	id := command.ProposalPrefix + strings.ReplaceAll(uuid.NewString(), "-", "")
	s.exec(`INSERT INTO read.proposals (proposal_id, target_param, current_value, new_value, proposer_id, title, description, quorum, approval_pct,
			status, created_at, end_time, block, tx_index, seq)
		VALUES ($1, 'votingPeriodDays', '14', '21', $2, 'More time', 'Two weeks are short.', 100, 60, 'ACTIVE', $3, $3::timestamptz + interval '14 days', 3, (SELECT count(*) FROM read.proposals), 0)`,
		id, by.gx, s.clock())
	return id
}

func (s *system) gov(method, path, bearer string, body any) answer {
	s.t.Helper()
	return s.call("governance", method, path, bearer, body, "Idempotency-Key", key())
}

func TestSubmitProposal(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, neo := s.person("Ada", "CH", gx(500)), s.person("Neo", "CH", nil)
	_, admin := s.staff(door.Admin)
	body := func(change ...any) map[string]any {
		m := map[string]any{"targetParam": parameter.VotingPeriodDays, "newValue": "21", "title": "More time", "description": "Two weeks are short."}
		for i := 0; i < len(change); i += 2 {
			m[change[i].(string)] = change[i+1]
		}
		return m
	}
	k := key()
	first := s.call("governance", "POST", "/proposals", ada.bearer, body("proposerId", ada.profile.String()), "Idempotency-Key", k).want(t, 202, "")
	want := command.SubmitProposal{ActorID: ada.gx, TargetParam: parameter.VotingPeriodDays, NewValue: "21", Title: "More time", Description: "Two weeks are short."}
	if p := s.newest(t, command.TypeSubmitProposal).(*command.SubmitProposal); *p != want {
		t.Errorf("payload %+v", p)
	}
	s.gov("POST", "/proposals", ada.bearer, map[string]any{"targetParam": "fee.b2b.local", "newValue": "30"}).want(t, 202, "")
	if p := s.newest(t, command.TypeSubmitProposal).(*command.SubmitProposal); p.Title != "Set fee.b2b.local to 30" {
		t.Errorf("title %q", p.Title)
	}
	for name, tc := range map[string]struct {
		bearer      string
		body        any
		status      int
		code, field string
	}{
		"somebody else's": {ada.bearer, body("proposerId", uuid.NewString()), 403, "proposer_id_forbidden", "proposerId"},
		"no parameter":    {ada.bearer, body("targetParam", "LOAN_1"), 422, "parameter_unknown", "targetParam"},
		"not governable":  {ada.bearer, body("targetParam", parameter.PoolDisburseMax, "newValue", "1000000"), 422, "parameter_not_governable", "targetParam"},
		"out of bounds":   {ada.bearer, body("newValue", "61"), 422, "new_value_invalid", "newValue"},
		"not a number":    {ada.bearer, body("newValue", "many"), 422, "new_value_invalid", "newValue"},
		"another form":    {ada.bearer, body("newValue", "021"), 422, "new_value_invalid", "newValue"},
		"in force":        {ada.bearer, body("newValue", "14"), 409, "value_in_force", "newValue"},
		"long title":      {ada.bearer, body("title", strings.Repeat("x", 201)), 400, "title_invalid", "title"},
		"two lines":       {ada.bearer, body("title", "a\nb"), 400, "title_invalid", "title"},
		"unknown member":  {ada.bearer, body("quorum", 1), 400, "unknown_field", "quorum"},
		"newcomer":        {neo.bearer, body(), 422, "account_not_active", ""},
		"staff":           {admin, body(), 401, "token_wrong_audience", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			if a := s.gov("POST", "/proposals", tc.bearer, tc.body).want(t, tc.status, tc.code); a.text("field") != tc.field {
				t.Errorf("field %q, want %q", a.text("field"), tc.field)
			}
		})
	}
	s.t = t
	s.exec(`UPDATE read.system_status SET paused = true`)
	s.gov("POST", "/proposals", ada.bearer, body()).want(t, 503, "system_paused")
	if n := s.count(`SELECT count(*) FROM app.commands`); n != 2 {
		t.Errorf("%d commands", n)
	}
	s.exec(`INSERT INTO read.parameters VALUES ('votingPeriodDays', '21', now())`)
	if a := s.call("governance", "POST", "/proposals", ada.bearer, body("proposerId", ada.profile.String()), "Idempotency-Key", k).want(t, 202, ""); a.raw != first.raw {
		t.Errorf("replay %s", a.raw)
	}
}

func TestVote(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	s.trusted(ada, 50)
	id := s.proposal(bob)
	vote := func(bearer string, v any) answer {
		return s.gov("POST", "/proposals/"+id+"/vote", bearer, map[string]any{"vote": v})
	}
	for _, v := range []bool{true, false} {
		vote(ada.bearer, v).want(t, 202, "")
		if p := s.newest(t, command.TypeCastVote).(*command.CastVote); *p != (command.CastVote{ActorID: ada.gx, ProposalID: id, Support: v}) {
			t.Errorf("%v: payload %+v", v, p)
		}
	}
	if a := vote(bob.bearer, true).want(t, 422, "trust_score_too_low"); a.text("trustScore") != "10" || a.text("required") != "50" {
		t.Errorf("figures %s", a.raw)
	}
	s.gov("POST", "/proposals/PROP_x/vote", ada.bearer, map[string]any{"vote": true}).want(t, 404, "proposal_not_found")
	s.call("governance", "POST", "/proposals/"+id+"/vote", ada.bearer, map[string]any{"vote": true}).want(t, 400, "idempotency_key_required")

	mine := func(bearer string) answer { return s.gov("GET", "/proposals/"+id+"/vote", bearer, nil) }
	mine(ada.bearer).want(t, 404, "vote_not_found")
	s.exec(`INSERT INTO read.votes VALUES ($1, $2, true, $3)`, id, ada.gx, s.clock())
	if a := mine(ada.bearer).want(t, 200, ""); a.at("vote", "vote") != true || a.text("vote", "voterId") != ada.gx {
		t.Errorf("vote %s", a.raw)
	}
	mine(bob.bearer).want(t, 404, "vote_not_found")
	vote(ada.bearer, false).want(t, 409, "already_voted")
	s.exec(`DELETE FROM read.votes`)
	s.exec(`UPDATE read.proposals SET status = 'CANCELLED'`)
	vote(ada.bearer, true).want(t, 409, "voting_closed")
	s.exec(`UPDATE read.proposals SET status = 'ACTIVE'`)
	s.advance(14 * 24 * time.Hour)
	vote(s.session(token.Customers, ada.profile), true).want(t, 409, "voting_closed")
}

func TestProposalEnds(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	adminID, admin := s.staff(door.Admin)
	_, moderator := s.staff(door.Moderator)
	id := s.proposal(ada)
	act := func(what, bearer string) answer { return s.gov("POST", "/proposals/"+id+"/"+what, bearer, nil) }
	for _, what := range []string{"tally", "execute"} {
		act(what, ada.bearer).want(t, 401, "token_wrong_audience")
		act(what, moderator).want(t, 403, "forbidden")
		act(what, admin).want(t, 409, "voting_open")
		s.gov("POST", "/proposals/PROP_x/"+what, admin, nil).want(t, 404, "proposal_not_found")
	}
	act("cancel", bob.bearer).want(t, 403, "not_the_proposer")
	act("cancel", moderator).want(t, 403, "forbidden")
	act("cancel", ada.bearer).want(t, 202, "")
	if p := s.newest(t, command.TypeCancelProposal).(*command.CancelProposal); *p != (command.CancelProposal{ActorID: ada.gx, ProposalID: id}) {
		t.Errorf("payload %+v", p)
	}
	act("cancel", admin).want(t, 202, "")
	if p := s.newest(t, command.TypeCancelProposal).(*command.CancelProposal); p.ActorID != adminID.String() {
		t.Errorf("payload %+v", p)
	}
	s.exec(`UPDATE read.proposals SET against_votes = 1`)
	act("cancel", ada.bearer).want(t, 409, "votes_cast")

	s.advance(14 * 24 * time.Hour)
	admin = s.session(token.Staff, adminID)
	s.exec(`UPDATE read.proposals SET tally_bookmark = $1, tally_against = 1`, bob.gx)
	act("tally", admin).want(t, 202, "")
	if p := s.newest(t, command.TypeTallyProposal).(*command.TallyProposal); p.Bookmark != bob.gx {
		t.Errorf("payload %+v", p)
	}
	s.exec(`UPDATE read.proposals SET tally_complete = true`)
	act("tally", admin).want(t, 409, "tally_complete")
	act("execute", admin).want(t, 202, "")
	s.newest(t, command.TypeExecuteProposal)
	s.exec(`UPDATE read.proposals SET status = 'FAILED', reason = 'too few votes', closed_at = now()`)
	for _, what := range []string{"tally", "execute", "cancel"} {
		act(what, admin).want(t, 409, "invalid_state")
	}
	a := s.gov("GET", "/proposals/"+id, "", nil).want(t, 200, "")
	if a.text("proposal", "status") != "FAILED" || a.text("proposal", "reason") != "too few votes" || a.at("proposal", "tally", "againstVotes") != 1.0 {
		t.Errorf("proposal %s", a.raw)
	}
}

func TestReadProposals(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada := s.person("Ada", "CH", gx(500))
	one, two, three := s.proposal(ada), s.proposal(ada), s.proposal(ada)
	s.exec(`UPDATE read.proposals SET status = 'EXECUTED' WHERE proposal_id = $1`, two)
	ids := func(query string) string {
		t.Helper()
		var out []string
		for _, p := range s.gov("GET", "/proposals"+query, "", nil).want(t, 200, "").at("proposals").([]any) {
			out = append(out, p.(map[string]any)["proposalId"].(string))
		}
		return strings.Join(out, " ")
	}
	for query, want := range map[string]string{
		"": three + " " + one, "?status=EXECUTED": two, "?status=ALL": three + " " + two + " " + one, "?status=FAILED": "", "?limit=1": three,
	} {
		if got := ids(query); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	page := s.gov("GET", "/proposals?status=ALL&limit=2", "", nil)
	if page.at("hasMore") != true || ids("?status=ALL&cursor="+page.text("nextCursor")) != one {
		t.Errorf("pages %s", page.raw)
	}
	s.gov("GET", "/proposals?status=Active", "", nil).want(t, 400, "status_invalid")
	s.gov("GET", "/proposals?cursor=x", "", nil).want(t, 400, "cursor_invalid")
	a := s.gov("GET", "/proposals/"+one, "", nil).want(t, 200, "")
	for name, want := range map[string]any{
		"targetParam": "votingPeriodDays", "currentValue": "14", "newValue": "21", "proposerId": ada.gx, "status": string(status.ProposalActive),
		"forVotes": 0.0, "quorum": 100.0, "approvalPct": 60.0, "endTime": "2026-03-15T12:00:00.000Z", "tally": nil,
	} {
		if got := a.at("proposal", name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if a.header.Get("Cache-Control") != "public, max-age=15" {
		t.Errorf("headers %v", a.header)
	}
	s.gov("GET", "/proposals/PROP_x", "", nil).want(t, 404, "proposal_not_found")
}

// Whoever wants to propose something sees what, within which bounds, and what holds now.
func TestGovernableParameters(t *testing.T) {
	s := newSystem(t)
	s.open()
	s.exec(`INSERT INTO read.parameters (param_id, value, updated_at, source, cause) VALUES ('votingPeriodDays', '21', now(), 'PROPOSAL', 'PROP_1')`)
	table := map[string]map[string]any{}
	for _, p := range s.gov("GET", "/governance/parameters", "", nil).want(t, 200, "").at("parameters").([]any) {
		table[p.(map[string]any)["paramId"].(string)] = p.(map[string]any)
	}
	for _, p := range parameter.All() {
		row, ok := table[p.ID]
		if ok != p.Governable || ok && (row["type"] != string(p.Type) || row["min"] != p.Format(p.Min) || row["max"] != p.Format(p.Max) || row["default"] != p.Format(p.Default)) {
			t.Errorf("%s: %v", p.ID, row)
		}
	}
	if row := table[parameter.VotingPeriodDays]; row["value"] != "21" || row["cause"] != "PROP_1" {
		t.Errorf("changed: %v", row)
	}
	if row := table[parameter.LoanMinAmount]; row["value"] != "100000000" || row["type"] != "qirat" {
		t.Errorf("unchanged: %v", row)
	}
}
