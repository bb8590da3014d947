package contract_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

// edit changes objects of the state past the contracts.
func edit[T any](t contracttest.TB, l *contracttest.Ledger, change func(*T), keys ...string) {
	t.Helper()
	state, tx := l.State(), &contracttest.Tx{Writes: map[string][]byte{}}
	for _, key := range keys {
		v := new(T)
		if err := json.Unmarshal(state[key], v, json.RejectUnknownMembers(true)); err != nil {
			t.Fatal(err)
		}
		change(v)
		data, err := json.Marshal(v, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		tx.Writes[key] = data
	}
	if err := l.Commit(tx); err != nil {
		t.Fatal(err)
	}
}

// score sets the trust score of people past the contracts.
func score(t contracttest.TB, l *contracttest.Ledger, n int, people ...string) {
	t.Helper()
	var keys []string
	for _, id := range people {
		keys = append(keys, "\x00user\x00"+id+"\x00")
	}
	edit(t, l, func(u *contract.User) { u.TrustScore = n }, keys...)
}

// citizens registers people of DE who may vote.
func citizens(t contracttest.TB, l *contracttest.Ledger, n int) []string {
	t.Helper()
	ids := l.Join(t, "DE", n)
	score(t, l, 50, ids...)
	return ids
}

func submission(actor, param, value string) *command.SubmitProposal {
	return &command.SubmitProposal{ActorID: actor, TargetParam: param, NewValue: value, Title: "A change", Description: "For the better"}
}

// submit puts a change to the vote and returns the proposal's id.
func submit(t contracttest.TB, l *contracttest.Ledger, actor, param, value string) string {
	t.Helper()
	return l.Apply(t, submission(actor, param, value))[0].(*event.ProposalSubmitted).ProposalID
}

// poll has people vote on a proposal, the first of them in favour.
func poll(t contracttest.TB, l *contracttest.Ledger, id string, voters []string, inFavour int) {
	t.Helper()
	var votes []command.Payload
	for i, voter := range voters {
		votes = append(votes, &command.CastVote{ActorID: voter, ProposalID: id, Support: i < inFavour})
	}
	l.Apply(t, votes...)
}

// elect changes a parameter by the votes of new people. The voting period passes.
func elect(t contracttest.TB, l *contracttest.Ledger, param, value string) {
	t.Helper()
	voters := citizens(t, l, 100)
	id := submit(t, l, voters[0], param, value)
	poll(t, l, id, voters, len(voters))
	l.Now = proposalState(t, l, id).EndTime
	if e, ok := execute(t, l, id)[0].(*event.SystemParameterUpdated); !ok || e.NewValue != value {
		t.Fatalf("%s is not %s", param, value)
	}
}

// execute ends a vote that is not counted yet, and returns the events after the
// count.
func execute(t contracttest.TB, l *contracttest.Ledger, id string) []event.Event {
	t.Helper()
	events := l.Apply(t, &command.ExecuteProposal{ProposalID: id})
	x := proposalState(t, l, id)
	want := event.ProposalTallied{ProposalID: id, ForVotes: x.Tally.ForVotes, AgainstVotes: x.Tally.AgainstVotes, Bookmark: x.Tally.Bookmark, Complete: true}
	if e, ok := events[0].(*event.ProposalTallied); !ok || *e != want {
		t.Fatalf("%+v, want %+v", events[0], want)
	}
	return events[1:]
}

func proposalState(t contracttest.TB, l *contracttest.Ledger, id string) *contract.Proposal {
	t.Helper()
	x := new(contract.Proposal)
	if err := l.Query(x, "GovernanceContract:GetProposalDetails", id); err != nil {
		t.Fatal(err)
	}
	return x
}

func valueOf(t contracttest.TB, l *contracttest.Ledger, param string) contract.SystemParameter {
	t.Helper()
	var v contract.SystemParameter
	if err := l.Query(&v, "AdminContract:GetSystemParameter", param); err != nil {
		t.Fatal(err)
	}
	return v
}

// activeProposals lists the ids of all active proposals, in pages.
func activeProposals(t contracttest.TB, l *contracttest.Ledger, size string) (ids []string, pages int) {
	t.Helper()
	for bookmark := ""; ; {
		var page struct {
			Items    []contract.Proposal
			Bookmark string
		}
		if err := l.Query(&page, "GovernanceContract:ListActiveProposals", size, bookmark); err != nil {
			t.Fatal(err)
		}
		for _, x := range page.Items {
			ids = append(ids, x.ProposalID)
		}
		pages++
		if bookmark = page.Bookmark; bookmark == "" {
			return ids, pages
		}
	}
}

func TestProposal(t *testing.T) {
	l := contracttest.Open(t, "DE")
	voters := citizens(t, l, 101)
	start := l.Now
	e := l.Apply(t, submission(voters[0], parameterOfFee, "7"))[0].(*event.ProposalSubmitted)
	id := e.ProposalID
	if want := (event.ProposalSubmitted{
		ProposalID: id, TargetParam: parameterOfFee, CurrentValue: "5", NewValue: "7", ProposerID: voters[0], Title: "A change", Description: "For the better",
		Quorum: 100, ApprovalPct: 60, EndTime: start.AddDate(0, 0, 14),
	}); *e != want || !strings.HasPrefix(id, command.ProposalPrefix) {
		t.Errorf("submitted: %+v, want %+v", e, want)
	}
	if x := proposalState(t, l, id); x.Status != status.ProposalActive || !x.StartTime.Equal(start) || x.CurrentValue != "5" || x.Title != "A change" || x.EndedAt != nil {
		t.Errorf("proposal: %+v", x)
	}
	if ids, _ := activeProposals(t, l, "10"); !slices.Equal(ids, []string{id}) {
		t.Errorf("active: %q", ids)
	}
	v := l.Apply(t, &command.CastVote{ActorID: voters[0], ProposalID: id, Support: true})[0].(*event.VoteCast)
	if *v != (event.VoteCast{ProposalID: id, VoterID: voters[0], Support: true}) {
		t.Errorf("vote: %+v", v)
	}
	poll(t, l, id, voters[1:], 70)
	l.Now = start.AddDate(0, 0, 14)
	events := execute(t, l, id)
	if u := events[0].(*event.SystemParameterUpdated); *u != (event.SystemParameterUpdated{ParamID: parameterOfFee, OldValue: "5", NewValue: "7", Source: status.SourceProposal, Cause: id}) {
		t.Errorf("updated: %+v", u)
	}
	if x := events[1].(*event.ProposalExecuted); *x != (event.ProposalExecuted{ProposalID: id, TargetParam: parameterOfFee, NewValue: "7", ForVotes: 71, AgainstVotes: 30}) {
		t.Errorf("executed: %+v", x)
	}
	if x := proposalState(t, l, id); x.Status != status.ProposalExecuted || x.Tally.ForVotes != 71 || x.Tally.AgainstVotes != 30 || !x.EndedAt.Equal(l.Now) || x.FailureReason != "" {
		t.Errorf("proposal in the end: %+v", x)
	}
	if got := valueOf(t, l, parameterOfFee); got.Value != "7" || got.UpdatedBy != id || !got.UpdatedAt.Equal(l.Now) {
		t.Errorf("parameter: %+v", got)
	}
	if ids, _ := activeProposals(t, l, "10"); len(ids) != 0 {
		t.Errorf("active in the end: %q", ids)
	}
	if paid := l.Apply(t, contracttest.Pay(voters[0], voters[1], 100*gx))[0].(*event.TransferCompleted); paid.FeeBps != 7 || paid.Fee != 70_000 {
		t.Errorf("a payment costs %s at %d bps", paid.Fee, paid.FeeBps)
	}
	for _, again := range []command.Payload{
		&command.ExecuteProposal{ProposalID: id}, &command.TallyProposal{ProposalID: id}, &command.CancelProposal{ActorID: "ops", ProposalID: id},
	} {
		l.Refuse(t, contract.CodeInvalidState, "EXECUTED", again)
	}
	l.Refuse(t, contract.CodeInvalidArgument, "already", submission(voters[0], parameterOfFee, "7"))
	submit(t, l, voters[0], parameterOfFee, "5") // back
}

// Quorum of 100 votes and 60 % of them (domain.md 4.6).
func TestQuorumAndApproval(t *testing.T) {
	base := contracttest.Open(t, "DE")
	voters := citizens(t, base, 205)
	id := submit(t, base, voters[0], "loanMaxConcurrent", "6")
	for _, c := range []struct {
		inFavour, against int
		end               status.Proposal
		reason            string
	}{
		{0, 0, status.ProposalFailed, "too few votes"},
		{99, 0, status.ProposalFailed, "too few votes"},
		{100, 0, status.ProposalExecuted, ""},
		{60, 39, status.ProposalFailed, "too few votes"},
		{60, 40, status.ProposalExecuted, ""},
		{59, 41, status.ProposalFailed, "in favour"},
		{60, 41, status.ProposalFailed, "in favour"},  // 59.4 %
		{61, 41, status.ProposalFailed, "in favour"},  // 59.8 %
		{62, 41, status.ProposalExecuted, ""},         // 60.2 %
		{123, 82, status.ProposalExecuted, ""},        // 60 %
		{122, 83, status.ProposalFailed, "in favour"}, // 59.5 %
		{0, 100, status.ProposalFailed, "in favour"},
	} {
		t.Run(fmt.Sprintf("%d to %d", c.inFavour, c.against), func(t *testing.T) {
			l := base.Clone()
			if n := c.inFavour + c.against; n > 0 {
				poll(t, l, id, voters[:n], c.inFavour)
			}
			l.Now = l.Now.AddDate(0, 0, 14)
			events := execute(t, l, id)
			x := proposalState(t, l, id)
			if x.Status != c.end || x.Tally.ForVotes != uint64(c.inFavour) || x.Tally.AgainstVotes != uint64(c.against) || !strings.Contains(x.FailureReason, c.reason) {
				t.Errorf("%+v", x)
			}
			want := "6"
			if c.end == status.ProposalFailed {
				want = "5"
				if e := events[0].(*event.ProposalFailed); len(events) != 1 || *e != (event.ProposalFailed{
					ProposalID: id, ForVotes: uint64(c.inFavour), AgainstVotes: uint64(c.against), Status: c.end, Reason: x.FailureReason,
				}) {
					t.Errorf("failed: %+v", e)
				}
			}
			if got := valueOf(t, l, "loanMaxConcurrent").Value; got != want {
				t.Errorf("the parameter is %s", got)
			}
			submit(t, l, voters[0], "loanMaxConcurrent", "7")
		})
	}
}

// Quorum, approval and period are those of the submission, whatever is voted
// for in the meantime.
func TestProposalKeepsItsTerms(t *testing.T) {
	l := contracttest.Open(t, "DE")
	voters := citizens(t, l, 10)
	elect(t, l, "minProposalQuorum", "10")
	elect(t, l, "proposalApprovalPct", "90")
	old := submit(t, l, voters[0], "loanMaxConcurrent", "6")
	if x := proposalState(t, l, old); x.Quorum != 10 || x.ApprovalPct != 90 {
		t.Errorf("terms: %+v", x)
	}
	poll(t, l, old, voters, 8) // 80 %
	elect(t, l, "proposalApprovalPct", "51")
	l.Apply(t, &command.ExecuteProposal{ProposalID: old})
	if x := proposalState(t, l, old); x.Status != status.ProposalFailed {
		t.Errorf("by the terms of today: %+v", x)
	}
	elect(t, l, "votingPeriodDays", "3")
	e := l.Apply(t, submission(voters[0], "loanMaxConcurrent", "6"))[0].(*event.ProposalSubmitted)
	if e.ApprovalPct != 51 || !e.EndTime.Equal(l.Now.AddDate(0, 0, 3)) {
		t.Errorf("new terms: %+v", e)
	}
	poll(t, l, e.ProposalID, voters, 8)
	l.Now = e.EndTime
	l.Apply(t, &command.ExecuteProposal{ProposalID: e.ProposalID})
	if got := valueOf(t, l, "loanMaxConcurrent").Value; got != "6" {
		t.Errorf("the parameter is %s", got)
	}
}

// B-022, B-011: what can be voted for is the catalogue, each parameter within
// its bounds, and nothing else that has a key.
func TestB022_GovernableParameters(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := citizens(t, l, 1)[0]
	for _, q := range parameter.All() {
		if !q.Governable {
			l.Refuse(t, contract.CodeInvalidArgument, "targetParam", submission(p, q.ID, q.Format(q.Max)))
			continue
		}
		for _, n := range []uint64{q.Min, q.Max} {
			if n == q.Default {
				l.Refuse(t, contract.CodeInvalidArgument, "already", submission(p, q.ID, q.Format(n)))
			} else {
				submit(t, l, p, q.ID, q.Format(n))
			}
		}
		outside := []string{strconv.FormatUint(q.Max+1, 10), "", "x", "-1", "1.5", "+" + q.Format(q.Max), "0" + q.Format(q.Max), "18446744073709551616"}
		if q.Min > 0 {
			outside = append(outside, strconv.FormatUint(q.Min-1, 10))
		}
		for _, value := range outside {
			l.Refuse(t, contract.CodeInvalidArgument, "newValue", submission(p, q.ID, value))
		}
	}
	for _, id := range []string{"", "nothing", "loanInterestRateBps", "transactionFeeBps", "maxSupply", p, "SYSTEM_LOAN_POOL", "sys", "status"} {
		l.Refuse(t, contract.CodeInvalidArgument, "targetParam", submission(p, id, "1"))
	}
	_, err := l.Invoke(contract.Caller{ID: "x"}, "AdminContract:UpdateSystemParameter", "loanMaxConcurrent", "6")
	wantError(t, err, contract.CodeNotFound, "does not exist")
}

// B-010: of two proposals of the same change in one block one is valid; while it
// is active there is no other.
func TestB010_OneProposalOfAChange(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := citizens(t, l, 2)
	var txs []*contracttest.Tx
	for _, actor := range p {
		tx, err := l.Simulate(contracttest.As("gx_admin"), "GovernanceContract:SubmitProposal", actor, "loanMaxConcurrent", "6", "t", "")
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	if err := l.Commit(txs[0]); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(txs[1]); !errors.Is(err, contracttest.ErrConflict) {
		t.Errorf("the second of a block: %v", err)
	}
	ids, _ := activeProposals(t, l, "10")
	l.Refuse(t, contract.CodeAlreadyExists, ids[0], submission(p[1], "loanMaxConcurrent", "6"))
	submit(t, l, p[1], "loanMaxConcurrent", "7")
	submit(t, l, p[1], "votingPeriodDays", "6")
	l.Apply(t, &command.CancelProposal{ActorID: "ops", ProposalID: ids[0]})
	submit(t, l, p[1], "loanMaxConcurrent", "6")
	results, _ := l.Run(t, submission(p[0], "votingPeriodDays", "7"), submission(p[1], "votingPeriodDays", "7"))
	if results[0].Outcome != event.Applied || results[1].Code != string(contract.CodeAlreadyExists) {
		t.Errorf("in one batch: %+v", results)
	}
}

// B-023: who may vote, when, and how often.
func TestB023_Voting(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := citizens(t, l, 4)
	id := submit(t, l, p[0], "loanMaxConcurrent", "6")
	end := proposalState(t, l, id).EndTime
	vote := func(i int) *command.CastVote { return &command.CastVote{ActorID: p[i], ProposalID: id, Support: true} }
	l.Refuse(t, contract.CodeNotFound, "PROP_x", &command.CastVote{ActorID: p[0], ProposalID: "PROP_x"})
	l.Apply(t, vote(0))
	l.Refuse(t, contract.CodeAlreadyVoted, "already", vote(0))
	change := vote(0)
	change.Support = false
	l.Refuse(t, contract.CodeAlreadyVoted, "already", change)
	score(t, l, 49, p[1])
	l.Refuse(t, contract.CodeNotEligible, "trust score of 50", vote(1))
	score(t, l, 50, p[1])
	l.Apply(t, vote(1))

	l.Now = end.Add(-time.Second)
	l.Refuse(t, contract.CodeInvalidState, "is open until", &command.ExecuteProposal{ProposalID: id})
	l.Refuse(t, contract.CodeInvalidState, "is open until", &command.TallyProposal{ProposalID: id})
	l.Apply(t, vote(2))
	l.Now = end
	l.Refuse(t, contract.CodeVotingClosed, "closed", vote(3))
	l.Apply(t, &command.TallyProposal{ProposalID: id})
	l.Now = end.Add(-time.Minute) // a clock that is behind
	l.Refuse(t, contract.CodeVotingClosed, "closed", vote(3))
	l.Now = end
	l.Apply(t, &command.ExecuteProposal{ProposalID: id})
	if x := proposalState(t, l, id); x.Tally.ForVotes != 3 || x.Status != status.ProposalFailed {
		t.Errorf("in the end: %+v", x)
	}
	l.Refuse(t, contract.CodeVotingClosed, "closed", vote(3))

	elect(t, l, "minTrustScoreForVote", "80")
	l.Refuse(t, contract.CodeNotEligible, "trust score of 80", &command.CastVote{ActorID: p[0], ProposalID: submit(t, l, p[0], "loanMaxConcurrent", "7")})
	_, err := l.Simulate(contract.Caller{ID: "someone", User: p[0]}, "GovernanceContract:VoteOnProposal", p[1], id, "true")
	wantError(t, err, contract.CodeUnauthorized, "cannot act for")
}

// A value that is not valid any more when the vote is over changes nothing.
func TestFailedExecution(t *testing.T) {
	for name, change := range map[string]func(x *contract.Proposal){
		"out of bounds": func(x *contract.Proposal) { x.NewValue = "21" },
		"unknown":       func(x *contract.Proposal) { x.TargetParam = "loanMaxSimultaneous" },
		"not governed":  func(x *contract.Proposal) { x.TargetParam, x.NewValue = "recoveryEnabled", "true" },
	} {
		t.Run(name, func(t *testing.T) {
			l := contracttest.Open(t, "DE")
			voters := citizens(t, l, 100)
			id := submit(t, l, voters[0], "loanMaxConcurrent", "6")
			poll(t, l, id, voters, 100)
			edit(t, l, change, "\x00prop\x00"+id+"\x00") // as if the catalogue had been different then
			l.Now = l.Now.AddDate(0, 0, 14)
			events := execute(t, l, id)
			e := events[0].(*event.ProposalFailed)
			if len(events) != 1 || e.Status != status.ProposalFailedExecution || e.ForVotes != 100 || e.Reason == "" {
				t.Errorf("events %+v", e)
			}
			if x := proposalState(t, l, id); x.Status != status.ProposalFailedExecution || x.FailureReason != e.Reason {
				t.Errorf("proposal %+v", x)
			}
			if valueOf(t, l, "loanMaxConcurrent").Value != "5" || valueOf(t, l, "recoveryEnabled").Value != "false" {
				t.Error("a parameter changed")
			}
			l.Refuse(t, contract.CodeInvalidState, "FAILED_EXECUTION", &command.ExecuteProposal{ProposalID: id})
		})
	}
}

func TestCancelProposal(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := citizens(t, l, 2)
	one, two := submit(t, l, p[0], "loanMaxConcurrent", "6"), submit(t, l, p[0], "loanMaxConcurrent", "7")
	l.Apply(t, &command.CastVote{ActorID: p[1], ProposalID: one})
	l.Refuse(t, contract.CodeInvalidState, "have voted", &command.CancelProposal{ActorID: "ops", ProposalID: one})
	e := l.Apply(t, &command.CancelProposal{ActorID: p[1], ProposalID: two})[0].(*event.ProposalCancelled)
	if *e != (event.ProposalCancelled{ProposalID: two, CancelledBy: p[1]}) {
		t.Errorf("cancelled: %+v", e)
	}
	if x := proposalState(t, l, two); x.Status != status.ProposalCancelled || x.EndedAt == nil {
		t.Errorf("proposal: %+v", x)
	}
	if ids, _ := activeProposals(t, l, "10"); !slices.Equal(ids, []string{one}) {
		t.Errorf("active: %q", ids)
	}
	l.Refuse(t, contract.CodeVotingClosed, "closed", &command.CastVote{ActorID: p[1], ProposalID: two})
	l.Now = l.Now.AddDate(0, 0, 14)
	for _, q := range []command.Payload{
		&command.ExecuteProposal{ProposalID: two}, &command.TallyProposal{ProposalID: two}, &command.CancelProposal{ActorID: "ops", ProposalID: two},
	} {
		l.Refuse(t, contract.CodeInvalidState, "CANCELLED", q)
	}
	for _, q := range []command.Payload{
		&command.ExecuteProposal{ProposalID: "PROP_x"}, &command.TallyProposal{ProposalID: "PROP_x"}, &command.CancelProposal{ActorID: "ops", ProposalID: "PROP_x"},
	} {
		l.Refuse(t, contract.CodeNotFound, "PROP_x", q)
	}
}

// I11: what meets a pause is deferred, and counts under its id afterwards. A
// pause does not lengthen a vote.
func TestGovernanceIsDeferredByAPause(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := citizens(t, l, 2)
	id := submit(t, l, p[0], "loanMaxConcurrent", "6")
	end := proposalState(t, l, id).EndTime
	l.Apply(t, &command.PauseSystem{Reason: "drill"})
	before := l.State()
	votes := []contract.BatchItem{
		l.Item(t, &command.CastVote{ActorID: p[0], ProposalID: id, Support: true}), l.Item(t, &command.CastVote{ActorID: p[1], ProposalID: id, Support: true}),
	}
	for i := range votes {
		_, _, err := l.Batch(backend, votes[i])
		wantError(t, err, contract.CodeSystemPaused, "paused")
	}
	if after := l.State(); len(after) != len(before) {
		t.Errorf("a pause let %d keys through", len(after)-len(before))
	}
	l.Apply(t, &command.ResumeSystem{})
	if _, results, err := l.Batch(backend, votes[0]); err != nil || results[0].Outcome != event.Applied {
		t.Errorf("after the pause: %+v, %v", results, err)
	}
	l.Apply(t, &command.PauseSystem{Reason: "drill"})
	l.Now = end
	_, _, err := l.Batch(contracttest.As("gx_admin"), l.Item(t, &command.ExecuteProposal{ProposalID: id}))
	wantError(t, err, contract.CodeSystemPaused, "paused")
	l.Apply(t, &command.ResumeSystem{})
	if _, results, err := l.Batch(backend, votes[1]); err != nil || results[0].Code != string(contract.CodeVotingClosed) {
		t.Errorf("a vote after the end: %+v, %v", results, err)
	}
	l.Apply(t, &command.ExecuteProposal{ProposalID: id})
	if x := proposalState(t, l, id); x.Tally.ForVotes != 1 {
		t.Errorf("counted %+v", x.Tally)
	}
}

// B-036: active proposals come in pages.
func TestB036_ListActiveProposals(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := citizens(t, l, 1)[0]
	var want []string
	for n := 6; n <= 12; n++ {
		want = append(want, submit(t, l, p, "loanMaxConcurrent", strconv.Itoa(n)))
	}
	got, pages := activeProposals(t, l, "3")
	if slices.Sort(got); !slices.Equal(got, want) || pages != 3 {
		t.Errorf("%d pages list %q, want %q", pages, got, want)
	}
	for _, args := range [][]string{{"0", ""}, {"101", ""}, {"1", "%"}} {
		_, err := l.Simulate(backend, "GovernanceContract:ListActiveProposals", args...)
		wantError(t, err, contract.CodeInvalidArgument, "")
	}
	_, err := l.Simulate(backend, "GovernanceContract:GetProposalDetails", "PROP_x")
	wantError(t, err, contract.CodeNotFound, "PROP_x")
}
