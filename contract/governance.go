package contract

import (
	"time"

	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

// tallyPage is how many votes one transaction counts.
const tallyPage = 5_000

// Proposal puts the change of a parameter to the vote. Quorum and approval are
// those in force at its beginning. Votes are rows of their own.
type Proposal struct {
	ProposalID    string          `json:"proposalID"`
	TargetParam   string          `json:"targetParam"`
	CurrentValue  string          `json:"currentValue"` // at the beginning
	NewValue      string          `json:"newValue"`
	Title         string          `json:"title"`
	Description   string          `json:"description"`
	ProposerID    string          `json:"proposerID"`
	Status        status.Proposal `json:"status"`
	Quorum        uint64          `json:"quorum"`      // votes
	ApprovalPct   uint64          `json:"approvalPct"` // of the votes
	StartTime     time.Time       `json:"startTime"`
	EndTime       time.Time       `json:"endTime"` // votes are taken before, counted from then on
	Tally         tally           `json:"tally"`
	EndedAt       *time.Time      `json:"endedAt,omitzero"`
	FailureReason string          `json:"failureReason,omitzero"`
}

// tally is what has been counted of the votes.
type tally struct {
	ForVotes     uint64 `json:"forVotes"`
	AgainstVotes uint64 `json:"againstVotes"`
	Bookmark     string `json:"bookmark"` // the last voter counted
	Complete     bool   `json:"complete"`
}

// VoteReceipt is a person's one vote on a proposal.
type VoteReceipt struct {
	Support bool      `json:"support"`
	TxID    string    `json:"txID"`
	At      time.Time `json:"at"`
}

func init() {
	handle(submitProposal, submitProposalKeys, "ProposalSubmitted")
	handle(voteOnProposal, voteOnProposalKeys, "VoteCast")
	handle(tallyProposal, func(p *command.TallyProposal) []string { return []string{proposalKey(p.ProposalID)} }, "ProposalTallied")
	handle(executeProposal, func(p *command.ExecuteProposal) []string { return []string{proposalKey(p.ProposalID)} },
		"ProposalTallied", "SystemParameterUpdated", "ProposalExecuted", "ProposalFailed")
	handle(cancelProposal, func(p *command.CancelProposal) []string {
		return append(staffKeys(p.Actor()), proposalKey(p.ProposalID))
	}, "ProposalCancelled")
	query(command.GovernanceContract, "GetProposalDetails", []string{"proposalID"}, func(t *tx, args []string) (*Proposal, error) {
		return t.proposal(args[0])
	})
	query(command.GovernanceContract, "ListActiveProposals", []string{"pageSize", "bookmark"}, func(t *tx, args []string) (*page[*Proposal], error) {
		return list(t, compositeKey("propActive"), args[0], args[1], func(_ string, id *string) (*Proposal, error) { return t.proposal(*id) })
	})
}

func proposalKey(id string) string { return compositeKey("prop", id) }

// activeProposalKey is the entry of an active proposal in the index that keeps
// it the only one of its kind.
func activeProposalKey(param, value string) string {
	return compositeKey("propActive", param, hashText(value))
}

func voteKey(proposalID, voterID string) string { return compositeKey("vote", proposalID, voterID) }

// proposal returns a proposal of any status.
func (t *tx) proposal(id string) (*Proposal, error) {
	x, err := load[Proposal](t, proposalKey(id))
	if err == nil && x == nil {
		err = refuse(CodeNotFound, "proposal %s does not exist", id)
	}
	return x, err
}

func (t *tx) setProposal(x *Proposal) error { return store(t, proposalKey(x.ProposalID), x) }

// activeProposal returns a proposal that has not come to an end.
func (t *tx) activeProposal(id string) (*Proposal, error) {
	x, err := t.proposal(id)
	if err == nil && x.Status != status.ProposalActive {
		err = refuse(CodeInvalidState, "proposal %s is %s", id, x.Status)
	}
	return x, err
}

// closedVote returns an active proposal whose votes can be counted.
func (t *tx) closedVote(id string) (*Proposal, error) {
	x, err := t.activeProposal(id)
	if err == nil && t.now.Before(x.EndTime) {
		err = refuse(CodeInvalidState, "proposal %s is open until %s", id, x.EndTime.Format(time.RFC3339))
	}
	return x, err
}

// endProposal brings a proposal to its end and stores it.
func (t *tx) endProposal(x *Proposal, s status.Proposal) error {
	x.Status, x.EndedAt = s, &t.now
	t.delete(activeProposalKey(x.TargetParam, x.NewValue))
	return t.setProposal(x)
}

func submitProposalKeys(p *command.SubmitProposal) []string {
	return []string{
		accountKey(p.ActorID), parameterKey(p.TargetParam), activeProposalKey(p.TargetParam, p.NewValue),
		parameterKey(parameter.MinProposalQuorum), parameterKey(parameter.ProposalApprovalPct), parameterKey(parameter.VotingPeriodDays),
	}
}

// submitProposalResult tells the proposal that was made.
type submitProposalResult struct {
	ProposalID string    `json:"proposalID"`
	EndTime    time.Time `json:"endTime"`
}

func submitProposal(t *tx, p *command.SubmitProposal) (any, error) {
	if _, err := t.actor(p.ActorID); err != nil {
		return nil, err
	}
	_, current, err := t.lookup(p.TargetParam)
	if err != nil {
		return nil, err
	}
	if current.Value == p.NewValue {
		return nil, refuse(CodeInvalidArgument, "newValue: is the value of %s already", p.TargetParam)
	}
	same, err := load[string](t, activeProposalKey(p.TargetParam, p.NewValue))
	if err != nil {
		return nil, err
	}
	if same != nil {
		return nil, refuse(CodeAlreadyExists, "proposal %s asks for the same", *same)
	}
	x := &Proposal{
		ProposalID: t.newID(command.ProposalPrefix), TargetParam: p.TargetParam, CurrentValue: current.Value, NewValue: p.NewValue,
		Title: p.Title, Description: p.Description, ProposerID: p.ActorID, Status: status.ProposalActive, StartTime: t.now,
	}
	if x.Quorum, err = t.parameter(parameter.MinProposalQuorum); err != nil {
		return nil, err
	}
	if x.ApprovalPct, err = t.parameter(parameter.ProposalApprovalPct); err != nil {
		return nil, err
	}
	period, err := t.days(parameter.VotingPeriodDays)
	if err != nil {
		return nil, err
	}
	x.EndTime = t.now.Add(period)
	if err := store(t, activeProposalKey(x.TargetParam, x.NewValue), &x.ProposalID); err != nil {
		return nil, err
	}
	if err := t.setProposal(x); err != nil {
		return nil, err
	}
	return &submitProposalResult{x.ProposalID, x.EndTime}, t.emit(&event.ProposalSubmitted{
		ProposalID: x.ProposalID, TargetParam: x.TargetParam, CurrentValue: x.CurrentValue, NewValue: x.NewValue, ProposerID: x.ProposerID,
		Title: x.Title, Description: x.Description, Quorum: x.Quorum, ApprovalPct: x.ApprovalPct, EndTime: x.EndTime,
	})
}

func voteOnProposalKeys(p *command.CastVote) []string {
	return []string{
		accountKey(p.ActorID), userKey(p.ActorID), proposalKey(p.ProposalID), voteKey(p.ProposalID, p.ActorID),
		parameterKey(parameter.MinTrustScoreForVote),
	}
}

// voteOnProposal only reads the proposal, so that votes never meet.
func voteOnProposal(t *tx, p *command.CastVote) (any, error) {
	if _, err := t.actor(p.ActorID); err != nil {
		return nil, err
	}
	u, err := t.user(p.ActorID)
	if err != nil {
		return nil, err
	}
	least, err := t.parameter(parameter.MinTrustScoreForVote)
	if err != nil {
		return nil, err
	}
	if u.TrustScore < int(least) {
		return nil, refuse(CodeNotEligible, "a voter needs a trust score of %d", least)
	}
	x, err := t.proposal(p.ProposalID)
	if err != nil {
		return nil, err
	}
	// A clock that is behind cannot bring in a vote after the count has begun.
	if x.Status != status.ProposalActive || !t.now.Before(x.EndTime) || x.Tally != (tally{}) {
		return nil, refuse(CodeVotingClosed, "the vote on proposal %s is closed", x.ProposalID)
	}
	key := voteKey(x.ProposalID, p.ActorID)
	old, err := t.get(key)
	if err != nil {
		return nil, err
	}
	if old != nil {
		return nil, refuse(CodeAlreadyVoted, "%s has voted on proposal %s already", p.ActorID, x.ProposalID)
	}
	if err := store(t, key, &VoteReceipt{Support: p.Support, TxID: t.stub.TxID(), At: t.now}); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.VoteCast{ProposalID: x.ProposalID, VoterID: p.ActorID, Support: p.Support})
}

// count adds the next page of votes to the tally of a proposal, which is still to
// be stored.
func (t *tx) count(x *Proposal) error {
	prefix := compositeKey("vote", x.ProposalID)
	start := prefix
	if x.Tally.Bookmark != "" {
		start = voteKey(x.ProposalID, x.Tally.Bookmark) + separator
	}
	x.Tally.Complete = true
	var failure error
	counted := 0
	err := t.scan(start, prefix+endOfKeys, func(key string, data []byte) bool {
		if counted == tallyPage {
			x.Tally.Complete = false
			return false
		}
		v, err := decode[VoteReceipt](key, data)
		if failure = err; err != nil {
			return false
		}
		if v.Support {
			x.Tally.ForVotes++
		} else {
			x.Tally.AgainstVotes++
		}
		x.Tally.Bookmark = attributes(key)[1]
		counted++
		return true
	})
	if failure != nil {
		return failure
	}
	if err != nil {
		return err
	}
	return t.emit(&event.ProposalTallied{
		ProposalID: x.ProposalID, ForVotes: x.Tally.ForVotes, AgainstVotes: x.Tally.AgainstVotes, Bookmark: x.Tally.Bookmark, Complete: x.Tally.Complete,
	})
}

func tallyProposal(t *tx, p *command.TallyProposal) (any, error) {
	x, err := t.closedVote(p.ProposalID)
	switch {
	case err != nil:
		return nil, err
	case x.Tally.Complete:
		return nil, refuse(CodeInvalidState, "the votes on proposal %s are counted", x.ProposalID)
	case p.Bookmark != x.Tally.Bookmark:
		return nil, refuse(CodeInvalidArgument, "bookmark: is not the last voter counted")
	}
	if err := t.count(x); err != nil {
		return nil, err
	}
	return &x.Tally, t.setProposal(x)
}

// executeProposalResult is the end of a vote.
type executeProposalResult struct {
	Status       status.Proposal `json:"status"`
	ForVotes     uint64          `json:"forVotes"`
	AgainstVotes uint64          `json:"againstVotes"`
}

// executeProposal counts what is left when that is at most a page.
func executeProposal(t *tx, p *command.ExecuteProposal) (any, error) {
	x, err := t.closedVote(p.ProposalID)
	if err != nil {
		return nil, err
	}
	if !x.Tally.Complete {
		if err := t.count(x); err != nil {
			return nil, err
		}
		if !x.Tally.Complete {
			return nil, refuse(CodeInvalidState, "the votes on proposal %s are not counted", x.ProposalID)
		}
	}
	end := status.ProposalExecuted
	if x.FailureReason = x.defeat(); x.FailureReason != "" {
		end = status.ProposalFailed
	} else {
		err := t.try(func() error { return t.enact(x) })
		if refused := refusal(err); refused != nil {
			end, x.FailureReason = status.ProposalFailedExecution, refused.Message
		} else if err != nil {
			return nil, err
		}
	}
	if err := t.endProposal(x, end); err != nil {
		return nil, err
	}
	var outcome event.Event = &event.ProposalFailed{
		ProposalID: x.ProposalID, ForVotes: x.Tally.ForVotes, AgainstVotes: x.Tally.AgainstVotes, Status: x.Status, Reason: x.FailureReason,
	}
	if end == status.ProposalExecuted {
		outcome = &event.ProposalExecuted{
			ProposalID: x.ProposalID, TargetParam: x.TargetParam, NewValue: x.NewValue, ForVotes: x.Tally.ForVotes, AgainstVotes: x.Tally.AgainstVotes,
		}
	}
	return &executeProposalResult{x.Status, x.Tally.ForVotes, x.Tally.AgainstVotes}, t.emit(outcome)
}

// defeat says why a proposal whose votes are counted has lost, nothing when it
// has won.
func (x *Proposal) defeat() string {
	total := x.Tally.ForVotes + x.Tally.AgainstVotes
	switch {
	case total < x.Quorum:
		return "too few votes"
	case x.Tally.ForVotes*100 < x.ApprovalPct*total:
		return "too few votes in favour"
	}
	return ""
}

// enact puts what was voted for into force. The catalogue may have changed since
// the proposal was made.
func (t *tx) enact(x *Proposal) error {
	if p, err := parameter.Lookup(x.TargetParam); err == nil && !p.Governable {
		return refuse(CodeInvalidState, "%s is not open to a vote", x.TargetParam)
	}
	old, err := t.setParameter(x.TargetParam, x.NewValue, x.ProposalID)
	if err != nil {
		return err
	}
	return t.emit(&event.SystemParameterUpdated{
		ParamID: x.TargetParam, OldValue: old, NewValue: x.NewValue, Source: status.SourceProposal, Cause: x.ProposalID,
	})
}

func cancelProposal(t *tx, p *command.CancelProposal) (any, error) {
	if err := t.staff(p.Actor()); err != nil {
		return nil, err
	}
	x, err := t.activeProposal(p.ProposalID)
	if err != nil {
		return nil, err
	}
	voted := false
	if err := t.scanPrefix(compositeKey("vote", x.ProposalID), func(string, []byte) bool {
		voted = true
		return false
	}); err != nil {
		return nil, err
	}
	if voted {
		return nil, refuse(CodeInvalidState, "people have voted on proposal %s", x.ProposalID)
	}
	if err := t.endProposal(x, status.ProposalCancelled); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.ProposalCancelled{ProposalID: x.ProposalID, CancelledBy: p.ActorID})
}
