package event

import (
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// OrganizationProposed registers an organization that waits for endorsements;
// the account of the same id exists from now on. A WalletFrozen locks an
// organization, a WalletUnfrozen unlocks it.
type OrganizationProposed struct {
	OrgID        string       `json:"orgID"`
	OrgName      string       `json:"orgName"`
	OrgType      account.Kind `json:"orgType"`
	Country      string       `json:"country"`
	Stakeholders []string     `json:"stakeholders"`
	ProposerID   string       `json:"proposerID"`
}

// MembershipEndorsed is the agreement of a stakeholder.
type MembershipEndorsed struct {
	OrgID      string `json:"orgID"`
	EndorserID string `json:"endorserID"`
	Remaining  int    `json:"remaining"` // stakeholders who have not endorsed
}

// OrganizationActivated opens an organization that all have endorsed.
type OrganizationActivated struct {
	OrgID       string `json:"orgID"`
	ActivatedBy string `json:"activatedBy"`
}

// AuthRuleDefined adds a rule to an organization, or replaces the one of the
// same threshold. Before the activation it takes all endorsements back.
type AuthRuleDefined struct {
	OrgID             string       `json:"orgID"`
	RuleID            string       `json:"ruleID"`
	AmountThreshold   qirat.Amount `json:"amountThreshold"`
	RequiredApprovers int          `json:"requiredApprovers"`
	ApproverGroup     []string     `json:"approverGroup"`
	DefinedBy         string       `json:"definedBy"`
	EndorsementsReset bool         `json:"endorsementsReset"`
}

// Rule is a rule that waits for its approvals.
type Rule struct {
	AmountThreshold   qirat.Amount `json:"amountThreshold"`
	RequiredApprovers int          `json:"requiredApprovers"`
	ApproverGroup     []string     `json:"approverGroup"`
}

// MultiSigTxInitiated asks the approvers of an organization for a payment, or
// for a rule. FromID and ToID are absent and Amount is 0 without a payment.
type MultiSigTxInitiated struct {
	PendingTxID       string           `json:"pendingTxID"`
	OrgID             string           `json:"orgID"`
	Operation         status.Operation `json:"operation"`
	InitiatorID       string           `json:"initiatorID"`
	FromID            string           `json:"fromID,omitzero"` // the organization or a treasury
	ToID              string           `json:"toID,omitzero"`
	Amount            qirat.Amount     `json:"amount"`
	Remark            string           `json:"remark"`
	Rule              *Rule            `json:"rule,omitzero"`
	RuleID            string           `json:"ruleID"` // that the approvals follow
	RequiredApprovals int              `json:"requiredApprovals"`
	ApproverGroup     []string         `json:"approverGroup"`
	Approved          bool             `json:"approved"` // by the initiator, who is an approver
	ExpiresAt         time.Time        `json:"expiresAt"`
}

// MultiSigTxApproved is the approval of one more approver.
type MultiSigTxApproved struct {
	PendingTxID       string `json:"pendingTxID"`
	OrgID             string `json:"orgID"`
	ApproverID        string `json:"approverID"`
	Approvals         int    `json:"approvals"` // with this one
	RequiredApprovals int    `json:"requiredApprovals"`
}

// MultiSigTxExecuted says that a transaction is done. The TransferCompleted or
// the AuthRuleDefined that it caused goes before it.
type MultiSigTxExecuted struct {
	PendingTxID string `json:"pendingTxID"`
	OrgID       string `json:"orgID"`
	ExecutedBy  string `json:"executedBy"` // whose approval or attempt it was
}

// MultiSigTxExecutionFailed says why a transaction that has its approvals could
// not be executed. It stays pending.
type MultiSigTxExecutionFailed struct {
	PendingTxID string `json:"pendingTxID"`
	OrgID       string `json:"orgID"`
	Code        string `json:"code"`
	Message     string `json:"message"`
}

// MultiSigTxRejected is the refusal of an approver. It is the end of the
// transaction when too few are left to approve it.
type MultiSigTxRejected struct {
	PendingTxID string          `json:"pendingTxID"`
	OrgID       string          `json:"orgID"`
	RejectedBy  string          `json:"rejectedBy"`
	Reason      string          `json:"reason"`
	Status      status.MultiSig `json:"status"` // PENDING or REJECTED
}

// MultiSigTxCancelled withdraws a transaction.
type MultiSigTxCancelled struct {
	PendingTxID string `json:"pendingTxID"`
	OrgID       string `json:"orgID"`
	CancelledBy string `json:"cancelledBy"`
}

// MultiSigTxExpired closes a transaction that was not executed in time.
type MultiSigTxExpired struct {
	PendingTxID string `json:"pendingTxID"`
	OrgID       string `json:"orgID"`
}

func init() {
	define(true, func() Event { return new(OrganizationProposed) })
	define(true, func() Event { return new(MembershipEndorsed) })
	define(true, func() Event { return new(OrganizationActivated) })
	define(true, func() Event { return new(AuthRuleDefined) })
	define(true, func() Event { return new(MultiSigTxInitiated) })
	define(true, func() Event { return new(MultiSigTxApproved) })
	define(true, func() Event { return new(MultiSigTxExecuted) })
	define(true, func() Event { return new(MultiSigTxExecutionFailed) })
	define(true, func() Event { return new(MultiSigTxRejected) })
	define(true, func() Event { return new(MultiSigTxCancelled) })
	define(true, func() Event { return new(MultiSigTxExpired) })
}

func (*OrganizationProposed) EventType() Type      { return "OrganizationProposed" }
func (*MembershipEndorsed) EventType() Type        { return "MembershipEndorsed" }
func (*OrganizationActivated) EventType() Type     { return "OrganizationActivated" }
func (*AuthRuleDefined) EventType() Type           { return "AuthRuleDefined" }
func (*MultiSigTxInitiated) EventType() Type       { return "MultiSigTxInitiated" }
func (*MultiSigTxApproved) EventType() Type        { return "MultiSigTxApproved" }
func (*MultiSigTxExecuted) EventType() Type        { return "MultiSigTxExecuted" }
func (*MultiSigTxExecutionFailed) EventType() Type { return "MultiSigTxExecutionFailed" }
func (*MultiSigTxRejected) EventType() Type        { return "MultiSigTxRejected" }
func (*MultiSigTxCancelled) EventType() Type       { return "MultiSigTxCancelled" }
func (*MultiSigTxExpired) EventType() Type         { return "MultiSigTxExpired" }
