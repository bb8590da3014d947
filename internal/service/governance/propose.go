package governance

import (
	"context"
	"net/http"
	"strings"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

type submitInput struct {
	Body struct {
		TargetParam string `json:"targetParam" maxLength:"100" example:"votingPeriodDays"`
		NewValue    string `json:"newValue" maxLength:"100" example:"21"`
		ProposerID  string `json:"proposerId,omitzero" maxLength:"64" doc:"When given, your own profile id"`
		Title       string `json:"title,omitzero" maxLength:"200" doc:"Made of parameter and value when absent"`
		Description string `json:"description,omitzero" maxLength:"2000"`
	}
}

func (s governance) submit(ctx context.Context, in *submitInput) (*door.Accepted, error) {
	b := &in.Body
	if b.ProposerID != "" && b.ProposerID != door.Caller(ctx).ID.String() {
		return nil, problem.Invalid(http.StatusForbidden, problem.Field{Field: "proposerId", Code: "proposer_id_forbidden", Message: "must be your own profile id"})
	}
	p, err := parameter.Lookup(b.TargetParam)
	if err != nil {
		return nil, problem.Unprocessable("targetParam", "parameter_unknown", "is not a system parameter")
	}
	if !p.Governable {
		return nil, problem.Unprocessable("targetParam", "parameter_not_governable", "is not open to a vote")
	}
	value, err := p.Parse(b.NewValue)
	if err != nil {
		return nil, problem.Unprocessable("newValue", "new_value_invalid", err.Error())
	}
	actor, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	current, err := readmodel.ParameterValue(ctx, s.Pool, p.ID)
	if err != nil {
		return nil, err
	}
	if current == value {
		err = s.Refuse(ctx, problem.Invalid(http.StatusConflict, problem.Field{Field: "newValue", Code: "value_in_force", Message: "is in force already"}))
	}
	if err != nil {
		return nil, err
	}
	title := strings.TrimSpace(b.Title)
	if title == "" {
		title = "Set " + p.ID + " to " + b.NewValue
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.SubmitProposal{ActorID: actor, TargetParam: p.ID, NewValue: b.NewValue, Title: title, Description: b.Description},
		Request: b, Receipt: door.Receipt{Message: "The proposal is being submitted; the command's result names it.", AggregateID: p.ID},
	})
}

// named is what is asked for of a proposal by naming it.
type named struct {
	ProposalID string `json:"proposalId"`
}

// closed refuses to count votes that are still cast, or were counted.
func (s governance) closed(p readmodel.ProposalState) error {
	switch {
	case p.Status != status.ProposalActive:
		return conflict("invalid_state", "The proposal is "+string(p.Status)+".")
	case s.Clock().Before(p.EndTime):
		return conflict("voting_open", "People can still vote on the proposal.")
	}
	return nil
}

func (s governance) tally(ctx context.Context, in *proposalInput) (*door.Accepted, error) {
	p, err := s.find(ctx, in.ProposalID)
	if err != nil {
		return nil, err
	}
	refusal := s.closed(p)
	if refusal == nil && p.TallyComplete {
		refusal = conflict("tally_complete", "The votes are counted.")
	}
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.TallyProposal{ProposalID: p.ProposalID, Bookmark: p.TallyBookmark}, Request: named{p.ProposalID},
		Receipt: door.Receipt{Message: "Votes are being counted.", AggregateID: p.ProposalID},
	})
}

func (s governance) execute(ctx context.Context, in *proposalInput) (*door.Accepted, error) {
	p, err := s.find(ctx, in.ProposalID)
	if err == nil {
		err = s.Refuse(ctx, s.closed(p))
	}
	if err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.ExecuteProposal{ProposalID: p.ProposalID}, Request: named{p.ProposalID},
		Receipt: door.Receipt{Message: "The vote is being ended.", AggregateID: p.ProposalID},
	})
}

func (s governance) cancel(ctx context.Context, in *proposalInput) (*door.Accepted, error) {
	actor, staff := door.Caller(ctx).ID.String(), door.Caller(ctx).Kind == token.Staff
	if !staff {
		var err error
		if actor, err = s.Actor(ctx); err != nil {
			return nil, err
		}
	}
	p, err := s.find(ctx, in.ProposalID)
	if err != nil {
		return nil, err
	}
	var refusal error
	switch {
	case !staff && p.ProposerID != actor:
		refusal = problem.New(http.StatusForbidden, "not_the_proposer", "Only who submitted the proposal may withdraw it.")
	case p.Status != status.ProposalActive:
		refusal = conflict("invalid_state", "The proposal is "+string(p.Status)+".")
	case p.ForVotes+p.AgainstVotes > 0:
		refusal = conflict("votes_cast", "People have voted on the proposal.")
	}
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.CancelProposal{ActorID: actor, ProposalID: p.ProposalID}, Request: named{p.ProposalID},
		Receipt: door.Receipt{Message: "The proposal is being withdrawn.", AggregateID: p.ProposalID},
	})
}
