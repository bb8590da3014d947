package contract_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

// ballot is what the events say of a proposal.
type ballot struct {
	*event.ProposalSubmitted
	votes map[string]bool
	ended status.Proposal
}

// won says whether the votes on a proposal suffice.
func (b *ballot) won() bool {
	inFavour := 0
	for _, support := range b.votes {
		if support {
			inFavour++
		}
	}
	total := len(b.votes)
	return uint64(total) >= b.Quorum && uint64(100*inFavour) >= b.ApprovalPct*uint64(total)
}

// parliament keeps the books of a state's votes from the events alone.
type parliament struct {
	ballots map[string]*ballot
	order   []string
	values  map[string]string
	clock   func() time.Time
}

func (h *parliament) apply(t *rapid.T, e event.Event) {
	open := func(id string) *ballot {
		b := h.ballots[id]
		if b == nil || b.ended != "" {
			t.Fatalf("%s after the end of %s: %+v", e.EventType(), id, b)
		}
		return b
	}
	end := func(id string, s status.Proposal, won bool, inFavour, against uint64) *ballot {
		b := open(id)
		if b.won() != won || uint64(len(b.votes)) != inFavour+against || h.clock().Before(b.EndTime) {
			t.Fatalf("%+v of %+v", e, b)
		}
		b.ended = s
		return b
	}
	switch e := e.(type) {
	case *event.ProposalSubmitted:
		for _, b := range h.ballots {
			if b.ended == "" && b.TargetParam == e.TargetParam && b.NewValue == e.NewValue {
				t.Fatalf("%+v repeats %+v", e, b)
			}
		}
		if h.values[e.TargetParam] != e.CurrentValue || e.CurrentValue == e.NewValue {
			t.Fatalf("%+v, the value is %s", e, h.values[e.TargetParam])
		}
		h.ballots[e.ProposalID], h.order = &ballot{ProposalSubmitted: e, votes: map[string]bool{}}, append(h.order, e.ProposalID)
	case *event.VoteCast:
		b := open(e.ProposalID)
		if _, again := b.votes[e.VoterID]; again || !h.clock().Before(b.EndTime) {
			t.Fatalf("%+v on %+v", e, b)
		}
		b.votes[e.VoterID] = e.Support
	case *event.ProposalTallied:
		if b := open(e.ProposalID); uint64(len(b.votes)) != e.ForVotes+e.AgainstVotes || !e.Complete {
			t.Fatalf("%+v of %+v", e, b)
		}
	case *event.ProposalExecuted:
		if b := end(e.ProposalID, status.ProposalExecuted, true, e.ForVotes, e.AgainstVotes); h.values[b.TargetParam] != b.NewValue {
			t.Fatalf("%+v, the value is %s", e, h.values[b.TargetParam])
		}
	case *event.ProposalFailed:
		end(e.ProposalID, e.Status, false, e.ForVotes, e.AgainstVotes)
	case *event.ProposalCancelled:
		if b := open(e.ProposalID); len(b.votes) > 0 {
			t.Fatalf("%+v of %+v", e, b)
		}
		h.ballots[e.ProposalID].ended = status.ProposalCancelled
	case *event.SystemParameterUpdated:
		if h.values[e.ParamID] != e.OldValue || e.Source != status.SourceProposal || open(e.Cause).NewValue != e.NewValue {
			t.Fatalf("%+v, the value is %s", e, h.values[e.ParamID])
		}
		h.values[e.ParamID] = e.NewValue
	}
}

// Random histories of votes: a parameter changes when, and only when, enough
// people have voted for it and the time is over; every person counts once; and
// no repetition changes anything.
func TestVotingHistories(t *testing.T) {
	opened := contracttest.Open(t, "DE")
	voters := citizens(t, opened, 14)
	elect(t, opened, "minProposalQuorum", "10")
	score(t, opened, 49, voters[13])
	targets := []string{"loanMaxConcurrent", "votingPeriodDays", "proposalApprovalPct", "minTrustScoreForVote"}
	values := map[string][]string{
		"loanMaxConcurrent": {"5", "6", "7"}, "votingPeriodDays": {"3", "14", "20"}, "proposalApprovalPct": {"51", "60", "90"}, "minTrustScoreForVote": {"50", "40", "50"},
	}
	rapid.Check(t, func(t *rapid.T) {
		l := opened.Clone()
		h := &parliament{ballots: map[string]*ballot{}, values: map[string]string{}, clock: func() time.Time { return l.Now }}
		for _, id := range targets {
			h.values[id] = valueOf(t, l, id).Value
		}
		var history []sent
		run := func(batch ...command.Payload) {
			s, events := send(t, l, batch...)
			history = append(history, s)
			for _, e := range events {
				h.apply(t, e)
			}
		}
		for range rapid.IntRange(5, 30).Draw(t, "batches") {
			l.Now = l.Now.Add(time.Duration(rapid.IntRange(0, 5*24).Draw(t, "hours")) * time.Hour)
			id := command.ProposalPrefix + "x"
			if len(h.order) > 0 {
				id = rapid.SampledFrom(h.order).Draw(t, "proposal")
			}
			switch actor := rapid.SampledFrom(voters).Draw(t, "actor"); rapid.IntRange(0, 7).Draw(t, "kind") {
			case 0, 1:
				param := rapid.SampledFrom(targets).Draw(t, "param")
				run(submission(actor, param, rapid.SampledFrom(values[param]).Draw(t, "value")))
			case 2:
				run(&command.CancelProposal{ActorID: "ops", ProposalID: id})
			case 3:
				run(&command.TallyProposal{ProposalID: id})
			case 4:
				run(&command.ExecuteProposal{ProposalID: id})
			case 5:
				run(&command.FreezeWallet{AccountID: actor, Reason: "x"})
			default:
				var votes []command.Payload
				for range rapid.IntRange(1, 30).Draw(t, "votes") {
					votes = append(votes, &command.CastVote{
						ActorID: rapid.SampledFrom(voters).Draw(t, "voter"), ProposalID: id, Support: rapid.IntRange(0, 3).Draw(t, "support") > 0,
					})
				}
				run(votes...)
			}
		}
		var active []string
		for _, id := range h.order {
			b, x := h.ballots[id], proposalState(t, l, id)
			if b.ended == "" {
				active = append(active, id)
				b.ended = status.ProposalActive
			}
			if x.Status != b.ended {
				t.Fatalf("%+v, its events make %+v", x, b)
			}
		}
		listed, _ := activeProposals(t, l, "7")
		if slices.Sort(listed); !slices.Equal(listed, slices.Sorted(slices.Values(active))) {
			t.Fatalf("listed are %q, active %q", listed, active)
		}
		for _, id := range targets {
			p, err := parameter.Lookup(id)
			if err != nil {
				t.Fatal(err)
			}
			got := valueOf(t, l, id).Value
			if n, err := strconv.ParseUint(got, 10, 64); err != nil || got != h.values[id] || n < p.Min || n > p.Max {
				t.Fatalf("%s is %s, the events make %s", id, got, h.values[id])
			}
		}
		l.CheckSupply(t)
		replay(t, l, history)
	})
}
