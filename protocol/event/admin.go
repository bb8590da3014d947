package event

import (
	"time"

	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// SystemBootstrapped opens the ledger: every pool with its share of the supply,
// and the parameters in force from then on.
type SystemBootstrapped struct {
	MaxSupply  qirat.Amount  `json:"maxSupply"`
	Pools      []PoolOpening `json:"pools"`
	Parameters []Parameter   `json:"parameters"`
}

// PoolOpening is the opening balance of a system pool.
type PoolOpening struct {
	AccountID string       `json:"accountID"`
	Opening   qirat.Amount `json:"opening"`
}

// Parameter is a system parameter with its value as text.
type Parameter struct {
	ParamID string `json:"paramID"`
	Value   string `json:"value"`
}

// CountryDataInitialized fixes the countries and their genesis slots for good.
type CountryDataInitialized struct {
	Countries []CountrySlots `json:"countries"`
}

// CountrySlots is a country's weight (share x 10^8) and its slots of the six phases.
type CountrySlots struct {
	CountryCode string    `json:"countryCode"`
	WeightE8    uint64    `json:"weightE8"`
	Slots       [6]uint64 `json:"slots"`
}

// SystemPaused stops every state change but the resumption.
type SystemPaused struct {
	Reason string `json:"reason"`
}

// SystemResumed ends a pause.
type SystemResumed struct{}

// SystemParameterUpdated puts a new value of a parameter into force.
type SystemParameterUpdated struct {
	ParamID  string                 `json:"paramID"`
	OldValue string                 `json:"oldValue"`
	NewValue string                 `json:"newValue"`
	Source   status.ParameterSource `json:"source"`
	Cause    string                 `json:"cause"` // the proposal, or the reason of the emergency
}

// AdminAppointed enters a person into the register of administrators.
type AdminAppointed struct {
	AdminID     string `json:"adminID"`
	AppointedBy string `json:"appointedBy"`
}

// AdminRevoked strikes a person from the register of administrators.
type AdminRevoked struct {
	AdminID string `json:"adminID"`
}

// TreasuryActivated hands a national treasury to a government organization.
type TreasuryActivated struct {
	TreasuryID  string `json:"treasuryID"`
	CountryCode string `json:"countryCode"`
	OrgID       string `json:"orgID"`
}

// AuditAnchored puts the head of the audit trail on the ledger.
type AuditAnchored struct {
	Sequence int64  `json:"sequence"`
	Hash     string `json:"hash"`
}

// PoolDisbursed pays from a system pool. The balance after is absent for a
// treasury.
type PoolDisbursed struct {
	PoolID                      string        `json:"poolID"` // account
	RecipientID                 string        `json:"recipientID"`
	Amount                      qirat.Amount  `json:"amount"`
	Reason                      string        `json:"reason"`
	RecipientBalanceAfter       *qirat.Amount `json:"recipientBalanceAfter,omitzero"`
	RecipientVelocityTimerStart *time.Time    `json:"recipientVelocityTimerStart,omitzero"`
}

func init() {
	define(true, func() Event { return new(SystemBootstrapped) })
	define(true, func() Event { return new(CountryDataInitialized) })
	define(false, func() Event { return new(SystemPaused) })
	define(false, func() Event { return new(SystemResumed) })
	define(true, func() Event { return new(SystemParameterUpdated) })
	define(false, func() Event { return new(AdminAppointed) })
	define(false, func() Event { return new(AdminRevoked) })
	define(false, func() Event { return new(AuditAnchored) })
	define(true, func() Event { return new(TreasuryActivated) })
	define(true, func() Event { return new(PoolDisbursed) })
}

func (*SystemBootstrapped) EventType() Type     { return "SystemBootstrapped" }
func (*CountryDataInitialized) EventType() Type { return "CountryDataInitialized" }
func (*SystemPaused) EventType() Type           { return "SystemPaused" }
func (*SystemResumed) EventType() Type          { return "SystemResumed" }
func (*SystemParameterUpdated) EventType() Type { return "SystemParameterUpdated" }
func (*AdminAppointed) EventType() Type         { return "AdminAppointed" }
func (*AdminRevoked) EventType() Type           { return "AdminRevoked" }
func (*AuditAnchored) EventType() Type          { return "AuditAnchored" }
func (*TreasuryActivated) EventType() Type      { return "TreasuryActivated" }
func (*PoolDisbursed) EventType() Type          { return "PoolDisbursed" }
