package event

import (
	"time"

	"gxcoin.money/gx/protocol/status"
)

// ProposalSubmitted puts the change of a parameter to the vote. Quorum and
// approval are those in force at that moment.
type ProposalSubmitted struct {
	ProposalID   string    `json:"proposalID"`
	TargetParam  string    `json:"targetParam"`
	CurrentValue string    `json:"currentValue"`
	NewValue     string    `json:"newValue"`
	ProposerID   string    `json:"proposerID"`
	Title        string    `json:"title"`
	Description  string    `json:"description"`
	Quorum       uint64    `json:"quorum"`      // votes
	ApprovalPct  uint64    `json:"approvalPct"` // of the votes
	EndTime      time.Time `json:"endTime"`     // votes count before it
}

// VoteCast is a person's one vote on a proposal.
type VoteCast struct {
	ProposalID string `json:"proposalID"`
	VoterID    string `json:"voterID"`
	Support    bool   `json:"support"`
}

// ProposalTallied counts a page of the votes of a proposal that has ended.
type ProposalTallied struct {
	ProposalID   string `json:"proposalID"`
	ForVotes     uint64 `json:"forVotes"` // counted so far
	AgainstVotes uint64 `json:"againstVotes"`
	Bookmark     string `json:"bookmark"` // the last voter counted
	Complete     bool   `json:"complete"`
}

// ProposalExecuted is the success of a proposal. The SystemParameterUpdated
// that it caused goes before it.
type ProposalExecuted struct {
	ProposalID   string `json:"proposalID"`
	TargetParam  string `json:"targetParam"`
	NewValue     string `json:"newValue"`
	ForVotes     uint64 `json:"forVotes"`
	AgainstVotes uint64 `json:"againstVotes"`
}

// ProposalFailed is the end of a proposal without an effect.
type ProposalFailed struct {
	ProposalID   string          `json:"proposalID"`
	ForVotes     uint64          `json:"forVotes"`
	AgainstVotes uint64          `json:"againstVotes"`
	Status       status.Proposal `json:"status"` // FAILED or FAILED_EXECUTION
	Reason       string          `json:"reason"`
}

// ProposalCancelled withdraws a proposal on which nobody has voted.
type ProposalCancelled struct {
	ProposalID  string `json:"proposalID"`
	CancelledBy string `json:"cancelledBy"`
}

func init() {
	define(false, func() Event { return new(ProposalSubmitted) })
	define(false, func() Event { return new(VoteCast) })
	define(false, func() Event { return new(ProposalTallied) })
	define(false, func() Event { return new(ProposalExecuted) })
	define(false, func() Event { return new(ProposalFailed) })
	define(false, func() Event { return new(ProposalCancelled) })
}

func (*ProposalSubmitted) EventType() Type { return "ProposalSubmitted" }
func (*VoteCast) EventType() Type          { return "VoteCast" }
func (*ProposalTallied) EventType() Type   { return "ProposalTallied" }
func (*ProposalExecuted) EventType() Type  { return "ProposalExecuted" }
func (*ProposalFailed) EventType() Type    { return "ProposalFailed" }
func (*ProposalCancelled) EventType() Type { return "ProposalCancelled" }
