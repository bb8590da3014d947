package command

import (
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/role"
)

// GovernanceContract is the name of the contract.
const GovernanceContract = "GovernanceContract"

// The command types of GovernanceContract.
const (
	TypeSubmitProposal  Type = "SUBMIT_PROPOSAL"
	TypeCastVote        Type = "CAST_VOTE"
	TypeExecuteProposal Type = "EXECUTE_PROPOSAL"
	TypeTallyProposal   Type = "TALLY_PROPOSAL"
	TypeCancelProposal  Type = "CANCEL_PROPOSAL"
)

// SubmitProposal puts the change of a parameter to the vote.
type SubmitProposal struct {
	ActorID     string `json:"actorID"`
	TargetParam string `json:"targetParam"` // a governable parameter
	NewValue    string `json:"newValue"`
	Title       string `json:"title"`
	Description string `json:"description"` // at most MaxTextBytes bytes
}

// CastVote is a person's one vote on a proposal.
type CastVote struct {
	ActorID    string `json:"actorID"`
	ProposalID string `json:"proposalID"`
	Support    bool   `json:"support"`
}

// ExecuteProposal ends a vote: the parameter changes, or the proposal has failed.
type ExecuteProposal struct {
	ProposalID string `json:"proposalID"`
}

// TallyProposal counts the next page of votes after Bookmark, the last voter
// counted so far; the first page has none.
type TallyProposal struct {
	ProposalID string `json:"proposalID"`
	Bookmark   string `json:"bookmark"`
}

// CancelProposal withdraws a proposal on which nobody has voted.
type CancelProposal struct {
	ActorID    string `json:"actorID"` // a GX id or a staff name
	ProposalID string `json:"proposalID"`
}

func init() {
	define(Definition{TypeSubmitProposal, GovernanceContract, "SubmitProposal", []role.Role{role.Admin}, func() Payload { return new(SubmitProposal) }})
	define(Definition{TypeCastVote, GovernanceContract, "VoteOnProposal", []role.Role{role.PartnerAPI}, func() Payload { return new(CastVote) }})
	define(Definition{TypeExecuteProposal, GovernanceContract, "ExecuteProposal", []role.Role{role.Admin}, func() Payload { return new(ExecuteProposal) }})
	define(Definition{TypeTallyProposal, GovernanceContract, "TallyProposal", []role.Role{role.Admin}, func() Payload { return new(TallyProposal) }})
	define(Definition{TypeCancelProposal, GovernanceContract, "CancelProposal", []role.Role{role.Admin}, func() Payload { return new(CancelProposal) }})
}

func (*SubmitProposal) CommandType() Type { return TypeSubmitProposal }
func (p *SubmitProposal) Actor() string   { return p.ActorID }

func (p *SubmitProposal) Lanes() []Lane {
	return touches(accountLane(p.ActorID), exclusive(proposalsLane))
}

func (p *SubmitProposal) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	if param, ok := c.parameter("targetParam", p.TargetParam, "newValue", p.NewValue); ok && !param.Governable {
		c.fail("targetParam", "is not open to a vote")
	}
	c.text("title", p.Title, 1, MaxNameBytes)
	c.text("description", p.Description, 0, MaxTextBytes)
	return c.err()
}

func (*CastVote) CommandType() Type { return TypeCastVote }
func (p *CastVote) Actor() string   { return p.ActorID }

// Votes are receipts of their own, so they only read the proposal.
func (p *CastVote) Lanes() []Lane {
	return touches(accountLane(p.ActorID), shared(proposalLane(p.ProposalID)))
}

func (p *CastVote) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.id("proposalID", ProposalPrefix, p.ProposalID)
	return c.err()
}

func (*ExecuteProposal) CommandType() Type { return TypeExecuteProposal }
func (*ExecuteProposal) Actor() string     { return "" }
func (*ExecuteProposal) Lanes() []Lane     { return alone() }

func (p *ExecuteProposal) Validate() error {
	var c checks
	c.id("proposalID", ProposalPrefix, p.ProposalID)
	return c.err()
}

func (*TallyProposal) CommandType() Type { return TypeTallyProposal }
func (*TallyProposal) Actor() string     { return "" }
func (p *TallyProposal) Lanes() []Lane   { return touches(exclusive(proposalLane(p.ProposalID))) }

func (p *TallyProposal) Validate() error {
	var c checks
	c.id("proposalID", ProposalPrefix, p.ProposalID)
	optional(p.Bookmark, c.userID, "bookmark")
	return c.err()
}

func (*CancelProposal) CommandType() Type { return TypeCancelProposal }
func (p *CancelProposal) Actor() string   { return person(p.ActorID) }

func (p *CancelProposal) Lanes() []Lane {
	return touches(append(accountLanes(p.Actor()), exclusive(proposalsLane), exclusive(proposalLane(p.ProposalID)))...)
}

func (p *CancelProposal) Validate() error {
	var c checks
	c.staffID("actorID", p.ActorID)
	c.id("proposalID", ProposalPrefix, p.ProposalID)
	return c.err()
}

// parameter checks a parameter of the catalogue and a value of it.
func (c *checks) parameter(field, id, valueField, value string) (parameter.Parameter, bool) {
	p, err := parameter.Lookup(id)
	if err != nil {
		c.fail(field, "%v", err)
		return p, false
	}
	if _, err := p.Parse(value); err != nil {
		c.fail(valueField, "%v", err)
	}
	return p, true
}
