package readmodel_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
)

func TestProposals(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx := t.Context()
	submit := func(id string, end uint64) time.Time {
		return w.happen(&event.ProposalSubmitted{ProposalID: id, TargetParam: "votingPeriodDays", CurrentValue: "14", NewValue: "21", ProposerID: "alice", Title: "Longer",
			Description: "Three weeks.", Quorum: 100, ApprovalPct: 60, EndTime: w.at(end)})
	}
	read := func(id string) readmodel.ProposalState {
		return must[readmodel.ProposalState](t)(readmodel.Proposal(ctx, w.pool, id))
	}
	created := submit("PROP_1", 500)
	w.happen(&event.VoteCast{ProposalID: "PROP_1", VoterID: "alice", Support: true})
	voted := w.happen(&event.VoteCast{ProposalID: "PROP_1", VoterID: "bob"}, &event.VoteCast{ProposalID: "PROP_1", VoterID: "carol", Support: true})
	want := readmodel.ProposalState{ProposalID: "PROP_1", TargetParam: "votingPeriodDays", CurrentValue: "14", NewValue: "21", ProposerID: "alice", Title: "Longer", Description: "Three weeks.",
		Quorum: 100, ApprovalPct: 60, Status: status.ProposalActive, ForVotes: 2, AgainstVotes: 1, CreatedAt: created, EndTime: w.at(500)}
	same(t, "voted on", want, read("PROP_1"))
	same(t, "vote", readmodel.Vote{ProposalID: "PROP_1", VoterID: "bob", At: voted}, must[readmodel.Vote](t)(readmodel.VoteOf(ctx, w.pool, "PROP_1", "bob")))
	if _, err := readmodel.VoteOf(ctx, w.pool, "PROP_1", "dave"); !errors.Is(err, readmodel.ErrNotFound) {
		t.Error(err)
	}
	if err := w.flush(w.Decoded(w.block, 0, readmodeltest.Command{Type: "ANY", Events: []event.Event{&event.VoteCast{ProposalID: "PROP_1", VoterID: "bob", Support: true}}})); !errors.Is(err, readmodel.ErrData) {
		t.Errorf("second vote: %v", err)
	}

	submit("PROP_2", 400)
	submit("PROP_3", 400)
	submit("PROP_4", 600)
	ended := func(until uint64) []string {
		return drain(t, func(after readmodel.Due, limit int) ([]readmodel.ProposalState, error) {
			return readmodel.EndedProposals(ctx, w.pool, w.at(until), after, limit)
		}, func(p readmodel.ProposalState) readmodel.Due { return readmodel.Due{At: p.EndTime, ID: p.ProposalID} })
	}
	same(t, "ended", []string{"PROP_2", "PROP_3", "PROP_1"}, ended(500))
	w.happen(&event.ProposalTallied{ProposalID: "PROP_1", ForVotes: 1, AgainstVotes: 1, Bookmark: "bob"})
	want.TallyFor, want.TallyAgainst, want.TallyBookmark = 1, 1, "bob"
	same(t, "counted in part", want, read("PROP_1"))
	done := w.happen(&event.ProposalTallied{ProposalID: "PROP_1", ForVotes: 2, AgainstVotes: 1, Bookmark: "carol", Complete: true},
		&event.SystemParameterUpdated{ParamID: "votingPeriodDays", OldValue: "14", NewValue: "21", Source: status.SourceProposal, Cause: "PROP_1"},
		&event.ProposalExecuted{ProposalID: "PROP_1", TargetParam: "votingPeriodDays", NewValue: "21", ForVotes: 2, AgainstVotes: 1})
	want.TallyFor, want.TallyBookmark, want.TallyComplete, want.Status, want.ClosedAt = 2, "carol", true, status.ProposalExecuted, &done
	same(t, "executed", want, read("PROP_1"))
	w.happen(&event.ProposalTallied{ProposalID: "PROP_2", ForVotes: 3, AgainstVotes: 4, Bookmark: "dave", Complete: true},
		&event.ProposalFailed{ProposalID: "PROP_2", ForVotes: 3, AgainstVotes: 4, Status: status.ProposalFailedExecution, Reason: "it is 21 already"})
	if got := read("PROP_2"); got.Status != status.ProposalFailedExecution || got.TallyFor != 3 || got.TallyAgainst != 4 || got.Reason == "" || got.ClosedAt == nil {
		t.Errorf("failed: %+v", got)
	}
	w.happen(&event.ProposalCancelled{ProposalID: "PROP_3", CancelledBy: "clerk"})
	if got := read("PROP_3"); got.Status != status.ProposalCancelled || got.ClosedBy != "clerk" {
		t.Errorf("cancelled: %+v", got)
	}
	same(t, "still to end", []string{"PROP_4"}, ended(1000))
	ids := func(in ...status.Proposal) (out []string) {
		for _, p := range walk(t, fmt.Sprint(in), func(v readmodel.Window) (readmodel.List[readmodel.ProposalState], error) {
			return readmodel.Proposals(ctx, w.pool, in, v)
		}) {
			out = append(out, p.ProposalID)
		}
		return out
	}
	same(t, "all", []string{"PROP_4", "PROP_3", "PROP_2", "PROP_1"}, ids())
	same(t, "closed", []string{"PROP_2", "PROP_1"}, ids(status.ProposalExecuted, status.ProposalFailedExecution))

	emergency := w.happen(&event.SystemParameterUpdated{ParamID: "recoveryEnabled", OldValue: "false", NewValue: "true", Source: status.SourceEmergency, Cause: "reviewed"})
	same(t, "parameters", []readmodel.Parameter{
		{ParamID: "fee.p2p.local.low", Value: "5", Source: "BOOTSTRAP", UpdatedAt: w.at(0)},
		{ParamID: "recoveryEnabled", Value: "true", Source: "EMERGENCY", Cause: "reviewed", UpdatedAt: emergency},
		{ParamID: "votingPeriodDays", Value: "21", Source: "PROPOSAL", Cause: "PROP_1", UpdatedAt: done},
	}, must[[]readmodel.Parameter](t)(readmodel.Parameters(ctx, w.pool)))
}
