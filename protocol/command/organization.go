package command

import (
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
)

// OrganizationContract is the name of the contract.
const OrganizationContract = "OrganizationContract"

// The command types of OrganizationContract. FREEZE_WALLET locks an
// organization, UNFREEZE_WALLET unlocks it.
const (
	TypeProposeOrganization  Type = "PROPOSE_ORGANIZATION"
	TypeEndorseMembership    Type = "ENDORSE_MEMBERSHIP"
	TypeActivateOrganization Type = "ACTIVATE_ORGANIZATION"
	TypeDefineAuthRule       Type = "DEFINE_AUTH_RULE"
	TypeInitiateMultiSigTx   Type = "INITIATE_MULTISIG_TX"
	TypeApproveMultiSigTx    Type = "APPROVE_MULTISIG_TX"
	TypeRejectMultiSigTx     Type = "REJECT_MULTISIG_TX"
	TypeCancelMultiSigTx     Type = "CANCEL_MULTISIG_TX"
	TypeExecuteMultiSigTx    Type = "EXECUTE_MULTISIG_TX"
	TypeExpireMultiSigTx     Type = "EXPIRE_MULTISIG_TX"
)

// ProposeOrganization registers an organization, to be endorsed by everyone
// who has a stake in it. A government's actor may be a staff name.
type ProposeOrganization struct {
	ActorID        string       `json:"actorID"`
	OrgID          string       `json:"orgID"`
	OrgName        string       `json:"orgName"`
	OrgType        account.Kind `json:"orgType"` // BUSINESS, NGO or GOVERNMENT
	Country        string       `json:"country"`
	StakeholderIDs []string     `json:"stakeholderIDs"`
}

// EndorseMembership agrees to have a stake in an organization.
type EndorseMembership struct {
	ActorID string `json:"actorID"`
	OrgID   string `json:"orgID"`
}

// ActivateOrganization opens an organization that all have endorsed. The actor
// is a stakeholder, or a staff name.
type ActivateOrganization struct {
	ActorID string `json:"actorID"`
	OrgID   string `json:"orgID"`
}

// DefineAuthRule adds a rule, or replaces the one of the same threshold. Once
// the organization is active it is approved like a payment of the highest rule.
type DefineAuthRule struct {
	ActorID string   `json:"actorID"`
	OrgID   string   `json:"orgID"`
	Rule    AuthRule `json:"rule"`
}

// AuthRule says whose approval a payment above a threshold needs, up to the
// threshold of the next rule.
type AuthRule struct {
	AmountThreshold   qirat.Amount `json:"amountThreshold"`
	RequiredApprovers int          `json:"requiredApprovers"`
	ApproverGroup     []string     `json:"approverGroup"`
}

// InitiateMultiSigTx asks for a payment by an organization.
type InitiateMultiSigTx struct {
	ActorID string       `json:"actorID"`
	OrgID   string       `json:"orgID"`
	ToID    string       `json:"toID"`
	Amount  qirat.Amount `json:"amount"`
	Remark  string       `json:"remark"`
	// FromID is the treasury that pays, which a government controls; left out
	// it is the organization.
	FromID string `json:"fromID,omitzero"`
}

// ApproveMultiSigTx agrees to what another stakeholder asked for. It is
// executed at once when the approvals suffice. OrgID, and of a payment FromID
// and ToID, are given all together or not at all.
type ApproveMultiSigTx struct {
	ActorID     string `json:"actorID"`
	PendingTxID string `json:"pendingTxID"`
	OrgID       string `json:"orgID,omitzero"`  // whose transaction it is
	FromID      string `json:"fromID,omitzero"` // who pays: the organization or a treasury
	ToID        string `json:"toID,omitzero"`
}

// RejectMultiSigTx refuses what another stakeholder asked for.
type RejectMultiSigTx struct {
	ActorID     string `json:"actorID"`
	PendingTxID string `json:"pendingTxID"`
	Reason      string `json:"reason"`
	OrgID       string `json:"orgID,omitzero"` // whose transaction it is
}

// CancelMultiSigTx withdraws what the actor asked for.
type CancelMultiSigTx struct {
	ActorID     string `json:"actorID"`
	PendingTxID string `json:"pendingTxID"`
	OrgID       string `json:"orgID,omitzero"` // whose transaction it is
}

// ExecuteMultiSigTx tries again to execute what has its approvals. OrgID, and
// of a payment FromID and ToID, are given all together or not at all.
type ExecuteMultiSigTx struct {
	ActorID     string `json:"actorID"`
	PendingTxID string `json:"pendingTxID"`
	OrgID       string `json:"orgID,omitzero"`  // whose transaction it is
	FromID      string `json:"fromID,omitzero"` // who pays: the organization or a treasury
	ToID        string `json:"toID,omitzero"`
}

// ExpireMultiSigTx closes a transaction whose time is over.
type ExpireMultiSigTx struct {
	PendingTxID string `json:"pendingTxID"`
	OrgID       string `json:"orgID,omitzero"` // whose transaction it is
}

func init() {
	define(Definition{TypeProposeOrganization, OrganizationContract, "ProposeOrganization", []role.Role{role.PartnerAPI, role.Admin}, func() Payload { return new(ProposeOrganization) }})
	define(Definition{TypeEndorseMembership, OrganizationContract, "EndorseMembership", []role.Role{role.PartnerAPI}, func() Payload { return new(EndorseMembership) }})
	define(Definition{TypeActivateOrganization, OrganizationContract, "ActivateOrganization", []role.Role{role.PartnerAPI, role.Admin}, func() Payload { return new(ActivateOrganization) }})
	define(Definition{TypeDefineAuthRule, OrganizationContract, "DefineAuthRule", []role.Role{role.PartnerAPI}, func() Payload { return new(DefineAuthRule) }})
	define(Definition{TypeInitiateMultiSigTx, OrganizationContract, "InitiateMultiSigTx", []role.Role{role.PartnerAPI}, func() Payload { return new(InitiateMultiSigTx) }})
	define(Definition{TypeApproveMultiSigTx, OrganizationContract, "ApproveMultiSigTx", []role.Role{role.PartnerAPI}, func() Payload { return new(ApproveMultiSigTx) }})
	define(Definition{TypeRejectMultiSigTx, OrganizationContract, "RejectMultiSigTx", []role.Role{role.PartnerAPI}, func() Payload { return new(RejectMultiSigTx) }})
	define(Definition{TypeCancelMultiSigTx, OrganizationContract, "CancelMultiSigTx", []role.Role{role.PartnerAPI}, func() Payload { return new(CancelMultiSigTx) }})
	define(Definition{TypeExecuteMultiSigTx, OrganizationContract, "ExecuteMultiSigTx", []role.Role{role.PartnerAPI}, func() Payload { return new(ExecuteMultiSigTx) }})
	define(Definition{TypeExpireMultiSigTx, OrganizationContract, "ExpireMultiSigTx", []role.Role{role.Admin}, func() Payload { return new(ExpireMultiSigTx) }})
}

func (*ProposeOrganization) CommandType() Type { return TypeProposeOrganization }
func (p *ProposeOrganization) Actor() string   { return person(p.ActorID) }

func (p *ProposeOrganization) identity() role.Role {
	if p.OrgType == account.Government {
		return role.Admin
	}
	return role.PartnerAPI
}

func (p *ProposeOrganization) Lanes() []Lane {
	lanes := append(accountLanes(p.Actor(), p.OrgID), accountLanes(p.StakeholderIDs...)...)
	return touches(append(lanes, shared(countryLane(p.Country)))...)
}

func (p *ProposeOrganization) Validate() error {
	var c checks
	if p.OrgType == account.Government {
		c.staffID("actorID", p.ActorID)
	} else {
		c.userID("actorID", p.ActorID)
	}
	c.orgID("orgID", p.OrgID)
	c.text("orgName", p.OrgName, 1, MaxNameBytes)
	oneOf(&c, "orgType", p.OrgType, account.Business, account.NGO, account.Government)
	c.country("country", p.Country)
	c.people("stakeholderIDs", p.StakeholderIDs, 1, MaxStakeholders)
	return c.err()
}

func (*EndorseMembership) CommandType() Type { return TypeEndorseMembership }
func (p *EndorseMembership) Actor() string   { return p.ActorID }
func (p *EndorseMembership) Lanes() []Lane   { return touches(accountLanes(p.ActorID, p.OrgID)...) }

func (p *EndorseMembership) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.orgID("orgID", p.OrgID)
	return c.err()
}

func (*ActivateOrganization) CommandType() Type { return TypeActivateOrganization }
func (p *ActivateOrganization) Actor() string   { return person(p.ActorID) }
func (p *ActivateOrganization) Lanes() []Lane   { return touches(accountLanes(p.Actor(), p.OrgID)...) }

func (p *ActivateOrganization) identity() role.Role {
	if p.Actor() == "" {
		return role.Admin
	}
	return role.PartnerAPI
}

func (p *ActivateOrganization) Validate() error {
	var c checks
	c.staffID("actorID", p.ActorID)
	c.orgID("orgID", p.OrgID)
	return c.err()
}

func (*DefineAuthRule) CommandType() Type { return TypeDefineAuthRule }
func (p *DefineAuthRule) Actor() string   { return p.ActorID }
func (p *DefineAuthRule) Lanes() []Lane   { return touches(accountLanes(p.ActorID, p.OrgID)...) }

func (p *DefineAuthRule) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.orgID("orgID", p.OrgID)
	c.people("rule.approverGroup", p.Rule.ApproverGroup, 1, MaxStakeholders)
	if n := p.Rule.RequiredApprovers; n < 1 || n > len(p.Rule.ApproverGroup) {
		c.fail("rule.requiredApprovers", "must be between 1 and the size of the group")
	}
	return c.err()
}

func (*InitiateMultiSigTx) CommandType() Type { return TypeInitiateMultiSigTx }
func (p *InitiateMultiSigTx) Actor() string   { return p.ActorID }

func (p *InitiateMultiSigTx) Lanes() []Lane {
	return paymentLanes(p.ActorID, p.OrgID, p.FromID, p.ToID)
}

func (p *InitiateMultiSigTx) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.orgID("orgID", p.OrgID)
	c.accountID("toID", p.ToID)
	c.amount("amount", p.Amount)
	c.text("remark", p.Remark, 0, MaxRemarkBytes)
	if p.FromID == "" {
		c.differ("toID", p.ToID, p.OrgID, "orgID")
	} else {
		c.payer("fromID", p.FromID, p.OrgID)
		c.differ("toID", p.ToID, p.FromID, "fromID")
	}
	return c.err()
}

func (*ApproveMultiSigTx) CommandType() Type { return TypeApproveMultiSigTx }
func (p *ApproveMultiSigTx) Actor() string   { return p.ActorID }

func (p *ApproveMultiSigTx) Lanes() []Lane {
	if p.OrgID == "" {
		return alone()
	}
	return paymentLanes(p.ActorID, p.OrgID, p.FromID, p.ToID)
}

func (p *ApproveMultiSigTx) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.id("pendingTxID", MultiSigPrefix, p.PendingTxID)
	c.pendingAccounts(p.OrgID, p.FromID, p.ToID)
	return c.err()
}

func (*RejectMultiSigTx) CommandType() Type { return TypeRejectMultiSigTx }
func (p *RejectMultiSigTx) Actor() string   { return p.ActorID }

func (p *RejectMultiSigTx) Lanes() []Lane {
	if p.OrgID == "" {
		return alone()
	}
	return touches(accountLanes(p.ActorID, p.OrgID)...)
}

func (p *RejectMultiSigTx) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.id("pendingTxID", MultiSigPrefix, p.PendingTxID)
	c.reason(p.Reason)
	optional(p.OrgID, c.orgID, "orgID")
	return c.err()
}

func (*CancelMultiSigTx) CommandType() Type { return TypeCancelMultiSigTx }
func (p *CancelMultiSigTx) Actor() string   { return p.ActorID }

func (p *CancelMultiSigTx) Lanes() []Lane {
	if p.OrgID == "" {
		return alone()
	}
	return touches(accountLanes(p.ActorID, p.OrgID)...)
}

func (p *CancelMultiSigTx) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.id("pendingTxID", MultiSigPrefix, p.PendingTxID)
	optional(p.OrgID, c.orgID, "orgID")
	return c.err()
}

func (*ExecuteMultiSigTx) CommandType() Type { return TypeExecuteMultiSigTx }
func (p *ExecuteMultiSigTx) Actor() string   { return p.ActorID }

func (p *ExecuteMultiSigTx) Lanes() []Lane {
	if p.OrgID == "" {
		return alone()
	}
	return paymentLanes(p.ActorID, p.OrgID, p.FromID, p.ToID)
}

func (p *ExecuteMultiSigTx) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.id("pendingTxID", MultiSigPrefix, p.PendingTxID)
	c.pendingAccounts(p.OrgID, p.FromID, p.ToID)
	return c.err()
}

func (*ExpireMultiSigTx) CommandType() Type { return TypeExpireMultiSigTx }
func (*ExpireMultiSigTx) Actor() string     { return "" }

func (p *ExpireMultiSigTx) Lanes() []Lane {
	if p.OrgID == "" {
		return alone()
	}
	return touches(accountLane(p.OrgID))
}

func (p *ExpireMultiSigTx) Validate() error {
	var c checks
	c.id("pendingTxID", MultiSigPrefix, p.PendingTxID)
	optional(p.OrgID, c.orgID, "orgID")
	return c.err()
}

// paymentLanes returns the lanes of a payment by an organization, which may be
// executed at once.
func paymentLanes(actorID, orgID, fromID, toID string) []Lane {
	lanes := append(accountLanes(actorID, toID, account.OperationsFund), debitLane(orgID))
	if fromID != "" {
		lanes = append(lanes, debitLane(fromID))
	}
	return touches(lanes...)
}

// payer accepts who can pay for an organization: itself or a treasury.
func (c *checks) payer(field, id, orgID string) {
	if code, ok := account.TreasuryCountry(id); ok {
		c.country(field, code)
	} else if id != orgID {
		c.fail(field, "must be the organization or a treasury")
	}
}

// pendingAccounts checks the accounts of a pending transaction, all of which
// may be left out. The amendment of a rule pays nobody.
func (c *checks) pendingAccounts(orgID, fromID, toID string) {
	if orgID == "" {
		if fromID != "" || toID != "" {
			c.fail("orgID", "must be given with fromID and toID")
		}
		return
	}
	c.orgID("orgID", orgID)
	if fromID == "" && toID == "" {
		return
	}
	c.payer("fromID", fromID, orgID)
	c.accountID("toID", toID)
}
