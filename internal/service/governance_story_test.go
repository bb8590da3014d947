package service_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/trust"
)

// enqueue gives the ledger commands that no door has asked for, and waits for their end.
func (s *story) enqueue(list ...command.Payload) {
	s.t.Helper()
	box, pool := outbox.New(outbox.Options{}), s.ring.Database.Pool(s.t, "gx_service")
	ids := make([]string, len(list))
	for i, p := range list {
		id := uuid.New()
		if _, err := box.Enqueue(s.t.Context(), pool, outbox.Request{ID: id, Payload: p, Principal: "system", Route: "story", Key: id.String()}); err != nil {
			s.t.Fatal(err)
		}
		ids[i] = id.String()
	}
	for _, id := range ids {
		s.done(client.Receipt{CommandID: id}, nil)
	}
}

// A proposal from its submission to the votes on it. That it ends by itself when
// its time is over is shown where time passes, in package schedule. A vote that is
// accepted is counted (D-14).
func TestD14D36GovernanceStory(t *testing.T) {
	s := begin(t, ringtest.Start(t), 3)
	ctx := t.Context()
	ada, bob, carol := s.people[0], s.people[1], s.people[2]

	more := client.SubmitRequest{TargetParam: parameter.VotingPeriodDays, NewValue: "21", Title: "More time", Description: "Two weeks are short."}
	id, _ := s.done(ada.Client.SubmitProposal(ctx, more, wait))["proposalID"].(string)
	p := must[client.ProposalResponse](t)(s.ring.Client.GetProposal(ctx, id)).Proposal
	if p.Status != "ACTIVE" || p.ProposerID != ada.Account || p.CurrentValue != "14" || p.NewValue != "21" || p.Quorum != 100 || p.EndTime.Sub(p.CreatedAt).Round(time.Minute) != 14*24*time.Hour {
		t.Errorf("proposal %+v", p)
	}
	if v := s.ends(bob.Client.SubmitProposal(ctx, more, wait)); v.Status != client.CommandStatusFAILED || v.ErrorCode != "ALREADY_EXISTS" {
		t.Errorf("the same once more: %+v", v)
	}

	refused[client.Receipt](t, "trust_score_too_low")(ada.Client.CastVote(ctx, id, client.GovernanceVoteRequest{Vote: true}))
	var ties []command.Payload
	for _, r := range []trust.Relationship{{Subject: ada.Account, Relation: trust.ChildOf, Object: bob.Account}, {Subject: ada.Account, Relation: trust.SpouseOf, Object: carol.Account}} {
		ties = append(ties, &command.RequestRelationship{ActorID: r.Subject, ObjectID: r.Object, Relation: r.Relation}, &command.ConfirmRelationship{ActorID: r.Object, RelationshipID: r.ID()})
	}
	s.enqueue(ties...)
	refused[client.VoteResponse](t, "vote_not_found")(ada.Client.GetVote(ctx, id))
	s.done(ada.Client.CastVote(ctx, id, client.GovernanceVoteRequest{Vote: false}, wait))
	if v := must[client.VoteResponse](t)(ada.Client.GetVote(ctx, id)).Vote; v.Vote || v.VoterID != ada.Account {
		t.Errorf("vote %+v", v)
	}
	refused[client.Receipt](t, "already_voted")(ada.Client.CastVote(ctx, id, client.GovernanceVoteRequest{Vote: true}))
	list := must[client.GovernanceListResponse](t)(s.ring.Client.ListProposals(ctx, client.ListProposalsParams{}))
	if len(list.Proposals) != 1 || list.Proposals[0].AgainstVotes != 1 || list.Proposals[0].ForVotes != 0 {
		t.Errorf("proposals %+v", list.Proposals)
	}
	refused[client.Receipt](t, "votes_cast")(ada.Client.CancelProposal(ctx, id))
	refused[client.Receipt](t, "voting_open")(s.staff.ExecuteProposal(ctx, id))

	id, _ = s.done(bob.Client.SubmitProposal(ctx, client.SubmitRequest{TargetParam: parameter.MultiSigExpiryDays, NewValue: "30"}, wait))["proposalID"].(string)
	refused[client.Receipt](t, "not_the_proposer")(ada.Client.CancelProposal(ctx, id))
	s.done(bob.Client.CancelProposal(ctx, id, wait))
	if p := must[client.ProposalResponse](t)(s.ring.Client.GetProposal(ctx, id)).Proposal; p.Status != "CANCELLED" || p.ClosedBy != bob.Account {
		t.Errorf("cancelled %+v", p)
	}
}
