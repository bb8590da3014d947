package governance

import (
	"context"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

// GovernableParameter is a parameter that a vote can change.
type GovernableParameter struct {
	ParamID     string         `json:"paramId" example:"votingPeriodDays"`
	Type        parameter.Type `json:"type" enum:"bps,int,qirat,bool" doc:"bps: basis points; qirat: an amount of money"`
	Value       string         `json:"value" doc:"In force"`
	Default     string         `json:"default"`
	Min         string         `json:"min"`
	Max         string         `json:"max"`
	Description string         `json:"description"`
	Source      string         `json:"source,omitzero" doc:"Who changed it last: BOOTSTRAP, PROPOSAL or EMERGENCY"`
	Cause       string         `json:"cause,omitzero" doc:"The proposal that changed it"`
	UpdatedAt   *door.Time     `json:"updatedAt,omitzero"`
}

type parametersOutput struct {
	Body struct {
		Parameters []GovernableParameter `json:"parameters"`
	}
}

func (s governance) parameters(ctx context.Context, _ *struct{}) (*parametersOutput, error) {
	all, err := readmodel.Parameters(ctx, s.Pool)
	if err != nil {
		return nil, err
	}
	current := make(map[string]readmodel.Parameter, len(all))
	for _, p := range all {
		current[p.ParamID] = p
	}
	var out parametersOutput
	for _, p := range parameter.All() {
		if !p.Governable {
			continue
		}
		v := GovernableParameter{
			ParamID: p.ID, Type: p.Type, Value: p.Format(p.Default), Default: p.Format(p.Default), Min: p.Format(p.Min), Max: p.Format(p.Max), Description: p.Description,
		}
		if c, ok := current[p.ID]; ok {
			v.Value, v.Source, v.UpdatedAt = c.Value, c.Source, door.TimeOf(&c.UpdatedAt)
			if c.Source == string(status.SourceProposal) {
				v.Cause = c.Cause
			}
		}
		out.Body.Parameters = append(out.Body.Parameters, v)
	}
	return &out, nil
}

// Proposal is the change of a parameter that people vote on.
type Proposal struct {
	ProposalID   string          `json:"proposalId"`
	TargetParam  string          `json:"targetParam" example:"votingPeriodDays"`
	CurrentValue string          `json:"currentValue" doc:"When it was submitted"`
	NewValue     string          `json:"newValue"`
	Title        string          `json:"title"`
	Description  string          `json:"description"`
	ProposerID   string          `json:"proposerId" doc:"GX id"`
	Status       status.Proposal `json:"status" enum:"ACTIVE,EXECUTED,FAILED,FAILED_EXECUTION,CANCELLED"`
	ForVotes     uint64          `json:"forVotes" doc:"Cast so far"`
	AgainstVotes uint64          `json:"againstVotes" doc:"Cast so far"`
	Quorum       uint64          `json:"quorum" doc:"Votes that it needs"`
	ApprovalPct  uint64          `json:"approvalPct" doc:"Percent of the votes that it needs"`
	Tally        *Tally          `json:"tally,omitzero" doc:"What the ledger has counted"`
	CreatedAt    door.Time       `json:"createdAt"`
	EndTime      door.Time       `json:"endTime" doc:"Votes are taken before"`
	ClosedAt     *door.Time      `json:"closedAt,omitzero"`
	ClosedBy     string          `json:"closedBy,omitzero" doc:"Who withdrew it"`
	Reason       string          `json:"reason,omitzero" doc:"Why it failed"`
}

// Tally is what the ledger has counted of the votes.
type Tally struct {
	ForVotes     uint64 `json:"forVotes"`
	AgainstVotes uint64 `json:"againstVotes"`
	Complete     bool   `json:"complete"`
}

func proposal(p readmodel.ProposalState) Proposal {
	v := Proposal{
		ProposalID: p.ProposalID, TargetParam: p.TargetParam, CurrentValue: p.CurrentValue, NewValue: p.NewValue, Title: p.Title, Description: p.Description,
		ProposerID: p.ProposerID, Status: p.Status, ForVotes: p.ForVotes, AgainstVotes: p.AgainstVotes, Quorum: p.Quorum, ApprovalPct: p.ApprovalPct,
		CreatedAt: door.Time{Time: p.CreatedAt}, EndTime: door.Time{Time: p.EndTime}, ClosedAt: door.TimeOf(p.ClosedAt), ClosedBy: p.ClosedBy, Reason: p.Reason,
	}
	if p.TallyComplete || p.TallyBookmark != "" {
		v.Tally = &Tally{p.TallyFor, p.TallyAgainst, p.TallyComplete}
	}
	return v
}

type proposalOutput struct {
	Body struct {
		Proposal Proposal `json:"proposal"`
	}
}

func (s governance) get(ctx context.Context, in *proposalInput) (*proposalOutput, error) {
	p, err := s.find(ctx, in.ProposalID)
	var out proposalOutput
	out.Body.Proposal = proposal(p)
	return &out, err
}

type listInput struct {
	door.Paging
	Status string `query:"status" enum:"ACTIVE,EXECUTED,FAILED,FAILED_EXECUTION,CANCELLED,ALL" default:"ACTIVE"`
}

type listOutput struct {
	Body struct {
		Proposals  []Proposal `json:"proposals"`
		NextCursor string     `json:"nextCursor,omitzero"`
		HasMore    bool       `json:"hasMore"`
	}
}

func (s governance) list(ctx context.Context, in *listInput) (*listOutput, error) {
	w, err := in.Window()
	if err != nil {
		return nil, err
	}
	var statuses []status.Proposal
	if in.Status != "ALL" {
		statuses = append(statuses, status.Proposal(in.Status))
	}
	page, err := readmodel.Proposals(ctx, s.Pool, statuses, w)
	l := door.ListOf(page, proposal)
	var out listOutput
	out.Body.Proposals, out.Body.NextCursor, out.Body.HasMore = l.Data, l.NextCursor, l.HasMore
	return &out, err
}
