package governance

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

type voteInput struct {
	ProposalID string `path:"proposalId" maxLength:"200"`
	Body       struct {
		Vote bool `json:"vote" doc:"true is for the proposal; no other spelling of it will do"`
	}
}

func (s governance) vote(ctx context.Context, in *voteInput) (*door.Accepted, error) {
	actor, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.find(ctx, in.ProposalID)
	if err != nil {
		return nil, err
	}
	refusal, err := s.barred(ctx, p, actor)
	if err == nil {
		err = s.Refuse(ctx, refusal)
	}
	if err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.CastVote{ActorID: actor, ProposalID: p.ProposalID, Support: in.Body.Vote},
		Request: struct {
			named
			Vote bool `json:"vote"`
		}{named{p.ProposalID}, in.Body.Vote},
		Receipt: door.Receipt{Message: "The vote is being recorded.", AggregateID: p.ProposalID},
	})
}

// barred returns why a person may not vote on a proposal, nil when they may.
func (s governance) barred(ctx context.Context, p readmodel.ProposalState, voter string) (refusal, err error) {
	if p.Status != status.ProposalActive || !s.Clock().Before(p.EndTime) {
		return conflict("voting_closed", "The vote on the proposal is closed."), nil
	}
	switch _, err := readmodel.VoteOf(ctx, s.Pool, p.ProposalID, voter); {
	case err == nil:
		return conflict("already_voted", "You have voted on the proposal already."), nil
	case !errors.Is(err, readmodel.ErrNotFound):
		return nil, err
	}
	least, err := readmodel.ParameterValue(ctx, s.Pool, parameter.MinTrustScoreForVote)
	if err != nil {
		return nil, err
	}
	u, err := readmodel.User(ctx, s.Pool, voter)
	if err != nil {
		return nil, err
	}
	if u.TrustScore < int(least) {
		return problem.New(http.StatusUnprocessableEntity, "trust_score_too_low", "Your trust score is too low to vote.").
			WithFact("trustScore", fmt.Sprint(u.TrustScore)).WithFact("required", fmt.Sprint(least)), nil
	}
	return nil, nil
}

// Vote is a person's vote on a proposal.
type Vote struct {
	ProposalID string    `json:"proposalId"`
	VoterID    string    `json:"voterId" doc:"GX id"`
	Vote       bool      `json:"vote" doc:"true is for the proposal"`
	At         door.Time `json:"at"`
}

type voteOutput struct {
	Body struct {
		Vote Vote `json:"vote"`
	}
}

func (s governance) myVote(ctx context.Context, in *proposalInput) (*voteOutput, error) {
	p, err := s.find(ctx, in.ProposalID)
	if err != nil {
		return nil, err
	}
	voter, err := people.AccountID(ctx, s.Pool, door.Caller(ctx).ID.String())
	var v readmodel.Vote
	if err == nil {
		v, err = readmodel.VoteOf(ctx, s.Pool, p.ProposalID, voter)
	}
	if errors.Is(err, people.ErrNotFound) || errors.Is(err, readmodel.ErrNotFound) {
		return nil, problem.New(http.StatusNotFound, "vote_not_found", "You have not voted on the proposal.")
	}
	var out voteOutput
	out.Body.Vote = Vote{v.ProposalID, v.VoterID, v.Support, door.Time{Time: v.At}}
	return &out, err
}
