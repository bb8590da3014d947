package contract_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
)

// B-004: votes of one block do not get in each other's way, as each is a row of
// its own.
func TestB004_VotesDoNotMeet(t *testing.T) {
	l := contracttest.Open(t, "DE")
	voters := citizens(t, l, 50)
	id := submit(t, l, voters[0], "loanMaxConcurrent", "6")
	var block []*contracttest.Tx
	for _, v := range voters {
		tx, err := l.Simulate(backend, "GovernanceContract:VoteOnProposal", v, id, "true")
		if err != nil {
			t.Fatal(err)
		}
		block = append(block, tx)
	}
	for i, tx := range block {
		if err := l.Commit(tx); err != nil {
			t.Errorf("vote %d: %v", i, err)
		}
	}
	// The same voter twice in a block: once. A vote that meets the count: not at all.
	voter := citizens(t, l, 2)
	var twice []*contracttest.Tx
	for _, args := range [][]string{{voter[0], id, "true"}, {voter[0], id, "false"}, {voter[1], id, "true"}} {
		tx, err := l.Simulate(backend, "GovernanceContract:VoteOnProposal", args...)
		if err != nil {
			t.Fatal(err)
		}
		twice = append(twice, tx)
	}
	if err := l.Commit(twice[0]); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(twice[1]); !errors.Is(err, contracttest.ErrConflict) {
		t.Errorf("a second vote: %v", err)
	}
	l.Now = proposalState(t, l, id).EndTime
	l.Apply(t, &command.TallyProposal{ProposalID: id})
	if err := l.Commit(twice[2]); !errors.Is(err, contracttest.ErrConflict) {
		t.Errorf("a vote after the count: %v", err)
	}
	if x := proposalState(t, l, id); x.Tally.ForVotes != 51 || !x.Tally.Complete {
		t.Errorf("counted %+v", x.Tally)
	}
}

// A vote of many people is counted in pages; the proposal waits for the last.
func TestTallyInPages(t *testing.T) {
	const page = 5_000
	l := contracttest.Open(t, "DE")
	p := citizens(t, l, 1)[0]
	for _, c := range []struct {
		name   string
		votes  int
		pages  int // that must be counted before the execution counts the rest
		others bool
	}{
		{"one page", page, 0, false},
		{"one page and one vote", page + 1, 1, true},
		{"two pages", 2 * page, 1, false},
		{"two pages and one vote", 2*page + 1, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := l.Clone()
			id := submit(t, l, p, "loanMaxConcurrent", "6")
			ballots := map[string][]byte{}
			for i := range c.votes {
				support := strconv.FormatBool(i%10 < 7)
				ballots["\x00vote\x00"+id+"\x00"+l.Person(t, "DE").UserID+"\x00"] = []byte(`{"support":` + support + `,"txID":"t","at":"2026-06-16T00:00:00Z"}`)
			}
			if c.others { // votes on other proposals, whose ids are next to this one
				ballots["\x00vote\x00"+id+"_1\x00"+p+"\x00"] = []byte(`{"support":true,"txID":"t","at":"2026-06-16T00:00:00Z"}`)
				ballots["\x00vote\x00"+id[:len(id)-1]+"\x00"+p+"\x00"] = []byte(`{"support":true,"txID":"t","at":"2026-06-16T00:00:00Z"}`)
			}
			if err := l.Commit(&contracttest.Tx{Writes: ballots}); err != nil {
				t.Fatal(err)
			}
			l.Now = l.Now.AddDate(0, 0, 14)
			bookmark := ""
			for n := range c.pages {
				l.Refuse(t, contract.CodeInvalidState, "not counted", &command.ExecuteProposal{ProposalID: id})
				l.Refuse(t, contract.CodeInvalidArgument, "bookmark", &command.TallyProposal{ProposalID: id, Bookmark: p})
				e := l.Apply(t, &command.TallyProposal{ProposalID: id, Bookmark: bookmark})[0].(*event.ProposalTallied)
				if got := e.ForVotes + e.AgainstVotes; got != uint64(page*(n+1)) || e.Complete || e.Bookmark <= bookmark || e.ProposalID != id {
					t.Errorf("page %d: %+v", n, e)
				}
				if bookmark != "" {
					l.Refuse(t, contract.CodeInvalidArgument, "bookmark", &command.TallyProposal{ProposalID: id, Bookmark: bookmark})
				}
				bookmark = e.Bookmark
			}
			whole := l.Clone()
			e := whole.Apply(t, &command.TallyProposal{ProposalID: id, Bookmark: bookmark})[0].(*event.ProposalTallied)
			if !e.Complete || e.ForVotes+e.AgainstVotes != uint64(c.votes) {
				t.Errorf("the last page: %+v", e)
			}
			whole.Refuse(t, contract.CodeInvalidState, "are counted", &command.TallyProposal{ProposalID: id, Bookmark: e.Bookmark})
			for _, l := range []*contracttest.Ledger{l, whole} {
				events := l.Apply(t, &command.ExecuteProposal{ProposalID: id})
				if rest, ok := events[0].(*event.ProposalTallied); ok != (l != whole) || ok && *rest != *e {
					t.Errorf("counted in the end: %+v, want %+v", events[0], e)
				}
				done := events[len(events)-1].(*event.ProposalExecuted)
				if done.ForVotes != e.ForVotes || done.AgainstVotes != e.AgainstVotes {
					t.Errorf("executed: %+v, counted %+v", done, e)
				}
			}
		})
	}
}

func TestTallyOfNothing(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := citizens(t, l, 1)[0]
	id := submit(t, l, p, "loanMaxConcurrent", "6")
	l.Now = l.Now.AddDate(0, 0, 14)
	e := l.Apply(t, &command.TallyProposal{ProposalID: id})[0].(*event.ProposalTallied)
	if *e != (event.ProposalTallied{ProposalID: id, Complete: true}) {
		t.Errorf("tally: %+v", e)
	}
	l.Now = l.Now.Add(-time.Hour)
	l.Refuse(t, contract.CodeVotingClosed, "closed", &command.CastVote{ActorID: p, ProposalID: id})
}
