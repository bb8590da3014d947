package event

import (
	"time"

	"gxcoin.money/gx/protocol/trust"
)

// RelationshipRequested claims a relationship. One that was rejected, or has
// ended, begins anew under its id.
type RelationshipRequested struct {
	RelationshipID string         `json:"relationshipID"`
	SubjectID      string         `json:"subjectID"`
	ObjectID       string         `json:"objectID"`
	Relation       trust.Relation `json:"type"`
}

// RelationshipConfirmed agrees to a claim.
type RelationshipConfirmed struct {
	RelationshipID string         `json:"relationshipID"`
	SubjectID      string         `json:"subjectID"`
	ObjectID       string         `json:"objectID"`
	Relation       trust.Relation `json:"type"`
}

// RelationshipRejected refuses a claim.
type RelationshipRejected struct {
	RelationshipID string         `json:"relationshipID"`
	SubjectID      string         `json:"subjectID"`
	ObjectID       string         `json:"objectID"`
	Relation       trust.Relation `json:"type"`
	Reason         string         `json:"reason"`
}

// RelationshipEnded dissolves a confirmed relationship.
type RelationshipEnded struct {
	RelationshipID string         `json:"relationshipID"`
	SubjectID      string         `json:"subjectID"`
	ObjectID       string         `json:"objectID"`
	Relation       trust.Relation `json:"type"`
	EndedBy        string         `json:"endedBy"`
	Reason         string         `json:"reason"`
}

// GuardiansNominated names the people who can recover a person's account, in
// place of any before.
type GuardiansNominated struct {
	UserID      string   `json:"userID"`
	GuardianIDs []string `json:"guardianIDs"`
}

// RecoveryInitiated opens the recovery of an account. Its initiator has
// confirmed it.
type RecoveryInitiated struct {
	SessionID            string    `json:"sessionID"`
	LostAccountID        string    `json:"lostAccountID"`
	InitiatorID          string    `json:"initiatorID"`
	NewControllerKeyHash string    `json:"newControllerKeyHash"`
	Required             int       `json:"required"` // confirmations
	ExpiresAt            time.Time `json:"expiresAt"`
}

// RecoveryVoteCast is the confirmation of one more guardian.
type RecoveryVoteCast struct {
	SessionID     string `json:"sessionID"`
	LostAccountID string `json:"lostAccountID"`
	GuardianID    string `json:"guardianID"`
	Confirmations int    `json:"confirmations"` // with this one
	Required      int    `json:"required"`
}

// RecoveryConfirmed says that enough guardians have confirmed. A WalletFrozen
// goes with it.
type RecoveryConfirmed struct {
	SessionID     string    `json:"sessionID"`
	LostAccountID string    `json:"lostAccountID"`
	ExecutableAt  time.Time `json:"executableAt"`
}

// RecoveryExecuted hands an account over. A WalletUnfrozen goes with it.
type RecoveryExecuted struct {
	SessionID         string `json:"sessionID"`
	LostAccountID     string `json:"lostAccountID"`
	ControllerKeyHash string `json:"controllerKeyHash"`
	RecoveryEpoch     int    `json:"recoveryEpoch"` // recoveries of the account so far
}

// RecoveryCancelled says that the owner has objected. A WalletUnfrozen goes
// with it when the account was frozen by the recovery.
type RecoveryCancelled struct {
	SessionID     string `json:"sessionID"`
	LostAccountID string `json:"lostAccountID"`
}

// RecoveryExpired closes a recovery that was not confirmed in time, before
// another one opens.
type RecoveryExpired struct {
	SessionID     string `json:"sessionID"`
	LostAccountID string `json:"lostAccountID"`
}

func init() {
	define(false, func() Event { return new(RelationshipRequested) })
	define(false, func() Event { return new(RelationshipConfirmed) })
	define(false, func() Event { return new(RelationshipRejected) })
	define(false, func() Event { return new(RelationshipEnded) })
	define(false, func() Event { return new(GuardiansNominated) })
	define(false, func() Event { return new(RecoveryInitiated) })
	define(false, func() Event { return new(RecoveryVoteCast) })
	define(false, func() Event { return new(RecoveryConfirmed) })
	define(false, func() Event { return new(RecoveryExecuted) })
	define(false, func() Event { return new(RecoveryCancelled) })
	define(false, func() Event { return new(RecoveryExpired) })
}

func (*RelationshipRequested) EventType() Type { return "RelationshipRequested" }
func (*RelationshipConfirmed) EventType() Type { return "RelationshipConfirmed" }
func (*RelationshipRejected) EventType() Type  { return "RelationshipRejected" }
func (*RelationshipEnded) EventType() Type     { return "RelationshipEnded" }
func (*GuardiansNominated) EventType() Type    { return "GuardiansNominated" }
func (*RecoveryInitiated) EventType() Type     { return "RecoveryInitiated" }
func (*RecoveryVoteCast) EventType() Type      { return "RecoveryVoteCast" }
func (*RecoveryConfirmed) EventType() Type     { return "RecoveryConfirmed" }
func (*RecoveryExecuted) EventType() Type      { return "RecoveryExecuted" }
func (*RecoveryCancelled) EventType() Type     { return "RecoveryCancelled" }
func (*RecoveryExpired) EventType() Type       { return "RecoveryExpired" }
