package command

import (
	"fmt"

	"gxcoin.money/gx/protocol/role"
)

// The command types of guardians and lost accounts, of IdentityContract.
const (
	TypeNominateGuardians Type = "NOMINATE_GUARDIANS"
	TypeInitiateRecovery  Type = "INITIATE_RECOVERY"
	TypeConfirmRecovery   Type = "CONFIRM_RECOVERY"
	TypeExecuteRecovery   Type = "EXECUTE_RECOVERY"
	TypeCancelRecovery    Type = "CANCEL_RECOVERY"
)

// NominateGuardians names the people who can recover the actor's account, in
// place of any before.
type NominateGuardians struct {
	ActorID     string   `json:"actorID"`
	GuardianIDs []string `json:"guardianIDs"` // MinGuardians to MaxGuardians
}

// InitiateRecovery begins to recover the account of another person; the actor
// is one of the guardians and confirms it thereby.
type InitiateRecovery struct {
	ActorID              string `json:"actorID"`
	LostAccountID        string `json:"lostAccountID"`
	NewControllerKeyHash string `json:"newControllerKeyHash"` // SHA-256, hex
}

// ConfirmRecovery is the vote of a guardian for a recovery.
type ConfirmRecovery struct {
	ActorID       string `json:"actorID"`
	SessionID     string `json:"sessionID"`
	LostAccountID string `json:"lostAccountID,omitzero"` // of the session
}

// ExecuteRecovery hands a recovered account over, once the time to object is over.
type ExecuteRecovery struct {
	SessionID     string `json:"sessionID"`
	LostAccountID string `json:"lostAccountID,omitzero"` // of the session
}

// CancelRecovery objects to a recovery of the actor's own account.
type CancelRecovery struct {
	ActorID   string `json:"actorID"`
	SessionID string `json:"sessionID"`
}

func init() {
	define(Definition{TypeNominateGuardians, IdentityContract, "NominateGuardians", []role.Role{role.PartnerAPI}, func() Payload { return new(NominateGuardians) }})
	define(Definition{TypeInitiateRecovery, IdentityContract, "InitiateRecovery", []role.Role{role.PartnerAPI}, func() Payload { return new(InitiateRecovery) }})
	define(Definition{TypeConfirmRecovery, IdentityContract, "ConfirmRecovery", []role.Role{role.PartnerAPI}, func() Payload { return new(ConfirmRecovery) }})
	define(Definition{TypeExecuteRecovery, IdentityContract, "ExecuteRecovery", []role.Role{role.Admin}, func() Payload { return new(ExecuteRecovery) }})
	define(Definition{TypeCancelRecovery, IdentityContract, "CancelRecovery", []role.Role{role.PartnerAPI}, func() Payload { return new(CancelRecovery) }})
}

func (*NominateGuardians) CommandType() Type { return TypeNominateGuardians }
func (p *NominateGuardians) Actor() string   { return p.ActorID }

func (p *NominateGuardians) Lanes() []Lane {
	return touches(append(accountLanes(p.ActorID), accountLanes(p.GuardianIDs...)...)...)
}

func (p *NominateGuardians) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.people("guardianIDs", p.GuardianIDs, MinGuardians, MaxGuardians)
	for i, id := range p.GuardianIDs {
		c.differ(fmt.Sprintf("guardianIDs[%d]", i), id, p.ActorID, "actorID")
	}
	return c.err()
}

func (*InitiateRecovery) CommandType() Type { return TypeInitiateRecovery }
func (p *InitiateRecovery) Actor() string   { return p.ActorID }
func (p *InitiateRecovery) Lanes() []Lane {
	return touches(accountLanes(p.ActorID, p.LostAccountID)...)
}

func (p *InitiateRecovery) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.userID("lostAccountID", p.LostAccountID)
	c.differ("lostAccountID", p.LostAccountID, p.ActorID, "actorID")
	c.hash("newControllerKeyHash", p.NewControllerKeyHash)
	return c.err()
}

func (*ConfirmRecovery) CommandType() Type { return TypeConfirmRecovery }
func (p *ConfirmRecovery) Actor() string   { return p.ActorID }

func (p *ConfirmRecovery) Lanes() []Lane {
	if p.LostAccountID == "" {
		return alone()
	}
	return touches(accountLanes(p.ActorID, p.LostAccountID)...)
}

func (p *ConfirmRecovery) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.id("sessionID", RecoveryPrefix, p.SessionID)
	optional(p.LostAccountID, c.userID, "lostAccountID")
	return c.err()
}

func (*ExecuteRecovery) CommandType() Type { return TypeExecuteRecovery }
func (*ExecuteRecovery) Actor() string     { return "" }

func (p *ExecuteRecovery) Lanes() []Lane {
	if p.LostAccountID == "" {
		return alone()
	}
	return touches(accountLane(p.LostAccountID))
}

func (p *ExecuteRecovery) Validate() error {
	var c checks
	c.id("sessionID", RecoveryPrefix, p.SessionID)
	optional(p.LostAccountID, c.userID, "lostAccountID")
	return c.err()
}

func (*CancelRecovery) CommandType() Type { return TypeCancelRecovery }
func (p *CancelRecovery) Actor() string   { return p.ActorID }
func (p *CancelRecovery) Lanes() []Lane   { return touches(accountLane(p.ActorID)) }

func (p *CancelRecovery) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.id("sessionID", RecoveryPrefix, p.SessionID)
	return c.err()
}
