package command

import (
	"fmt"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/country"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
)

// AdminContract is the name of the contract.
const AdminContract = "AdminContract"

// The command types of AdminContract.
const (
	TypeBootstrapSystem       Type = "BOOTSTRAP_SYSTEM"
	TypeInitializeCountryData Type = "INITIALIZE_COUNTRY_DATA"
	TypePauseSystem           Type = "PAUSE_SYSTEM"
	TypeResumeSystem          Type = "RESUME_SYSTEM"
	TypeEmergencySetParameter Type = "EMERGENCY_SET_PARAMETER"
	TypeAppointAdmin          Type = "APPOINT_ADMIN"
	TypeRevokeAdmin           Type = "REVOKE_ADMIN"
	TypeActivateTreasury      Type = "ACTIVATE_TREASURY"
	TypeDisburseFromPool      Type = "DISBURSE_FROM_POOL"
	TypeAnchorAudit           Type = "ANCHOR_AUDIT"
)

// BootstrapSystem opens the ledger, once.
type BootstrapSystem struct{}

// InitializeCountryData fixes countries and genesis slots, once.
type InitializeCountryData struct {
	Countries []CountryWeight `json:"countries"`
}

// AllCountries returns the command for the countries of this release.
func AllCountries() *InitializeCountryData {
	p := &InitializeCountryData{}
	for _, c := range country.All() {
		p.Countries = append(p.Countries, CountryWeight{c.Code, c.WeightE8})
	}
	return p
}

// CountryWeight is a country's share of the genesis slots times 10^8.
type CountryWeight struct {
	CountryCode string `json:"countryCode"`
	WeightE8    uint64 `json:"weightE8"`
}

// PauseSystem blocks every state change but ResumeSystem.
type PauseSystem struct {
	Reason string `json:"reason"`
}

// ResumeSystem ends a pause.
type ResumeSystem struct{}

// EmergencySetParameter changes a parameter at once that no vote can change.
type EmergencySetParameter struct {
	ParamID  string `json:"paramID"`
	NewValue string `json:"newValue"`
	Reason   string `json:"reason"`
}

// AppointAdmin enters a person into the register of administrators. What they
// can do depends on certificates, not on the register.
type AppointAdmin struct {
	ActorID    string `json:"actorID"` // a GX id or a staff name
	NewAdminID string `json:"newAdminID"`
}

// RevokeAdmin strikes a person from the register of administrators.
type RevokeAdmin struct {
	AdminID string `json:"adminID"`
}

// ActivateTreasury hands a national treasury to the government organization
// that controls it from then on.
type ActivateTreasury struct {
	CountryCode string `json:"countryCode"`
	OrgID       string `json:"orgID"`
}

// DisburseFromPool pays from a system pool, without a fee.
type DisburseFromPool struct {
	Pool        string       `json:"pool"` // CHARITABLE, GX, OPERATIONS or REDISTRIBUTION
	RecipientID string       `json:"recipientID"`
	Amount      qirat.Amount `json:"amount"`
	Reason      string       `json:"reason"`
}

// AnchorAudit puts the head of the audit trail on the ledger, so that nobody can
// rewrite the trail up to there.
type AnchorAudit struct {
	Sequence int64  `json:"sequence"` // of the last record
	Hash     string `json:"hash"`     // SHA-256 of the chain up to it, hex
}

func init() {
	define(Definition{TypeBootstrapSystem, AdminContract, "BootstrapSystem", []role.Role{role.SuperAdmin}, func() Payload { return new(BootstrapSystem) }})
	define(Definition{TypeInitializeCountryData, AdminContract, "InitializeCountryData", []role.Role{role.SuperAdmin}, func() Payload { return new(InitializeCountryData) }})
	define(Definition{TypePauseSystem, AdminContract, "PauseSystem", []role.Role{role.SuperAdmin}, func() Payload { return new(PauseSystem) }})
	define(Definition{TypeResumeSystem, AdminContract, "ResumeSystem", []role.Role{role.SuperAdmin}, func() Payload { return new(ResumeSystem) }})
	define(Definition{TypeEmergencySetParameter, AdminContract, "EmergencySetParameter", []role.Role{role.SuperAdmin}, func() Payload { return new(EmergencySetParameter) }})
	define(Definition{TypeAppointAdmin, AdminContract, "AppointAdmin", []role.Role{role.SuperAdmin}, func() Payload { return new(AppointAdmin) }})
	define(Definition{TypeRevokeAdmin, AdminContract, "RevokeAdmin", []role.Role{role.SuperAdmin}, func() Payload { return new(RevokeAdmin) }})
	define(Definition{TypeActivateTreasury, AdminContract, "ActivateTreasuryAccount", []role.Role{role.SuperAdmin}, func() Payload { return new(ActivateTreasury) }})
	define(Definition{TypeDisburseFromPool, AdminContract, "DisburseFromPool", []role.Role{role.SuperAdmin}, func() Payload { return new(DisburseFromPool) }})
	define(Definition{TypeAnchorAudit, AdminContract, "AnchorAudit", []role.Role{role.SuperAdmin}, func() Payload { return new(AnchorAudit) }})
}

func (*BootstrapSystem) CommandType() Type { return TypeBootstrapSystem }
func (*BootstrapSystem) Actor() string     { return "" }
func (*BootstrapSystem) Lanes() []Lane     { return alone() }
func (*BootstrapSystem) Validate() error   { return nil }

func (*InitializeCountryData) CommandType() Type { return TypeInitializeCountryData }
func (*InitializeCountryData) Actor() string     { return "" }
func (*InitializeCountryData) Lanes() []Lane     { return alone() }

func (p *InitializeCountryData) Validate() error {
	var c checks
	if len(p.Countries) == 0 {
		c.fail("countries", "must not be empty")
	}
	seen := map[string]bool{}
	for i, e := range p.Countries {
		field := fmt.Sprintf("countries[%d]", i)
		c.country(field+".countryCode", e.CountryCode)
		if seen[e.CountryCode] {
			c.fail(field+".countryCode", "%s is listed twice", e.CountryCode)
		}
		seen[e.CountryCode] = true
		// The bound keeps slots x weight inside 64 bits for every phase.
		if e.WeightE8 == 0 || e.WeightE8 > 1_000_000_000 {
			c.fail(field+".weightE8", "must be between 1 and 1000000000")
		}
	}
	return c.err()
}

func (*PauseSystem) CommandType() Type { return TypePauseSystem }
func (*PauseSystem) Actor() string     { return "" }
func (*PauseSystem) Lanes() []Lane     { return alone() }

func (p *PauseSystem) Validate() error {
	var c checks
	c.reason(p.Reason)
	return c.err()
}

func (*ResumeSystem) CommandType() Type { return TypeResumeSystem }
func (*ResumeSystem) Actor() string     { return "" }
func (*ResumeSystem) Lanes() []Lane     { return alone() }
func (*ResumeSystem) Validate() error   { return nil }

func (*EmergencySetParameter) CommandType() Type { return TypeEmergencySetParameter }
func (*EmergencySetParameter) Actor() string     { return "" }
func (*EmergencySetParameter) Lanes() []Lane     { return alone() }

func (p *EmergencySetParameter) Validate() error {
	var c checks
	if param, ok := c.parameter("paramID", p.ParamID, "newValue", p.NewValue); ok && !param.Emergency {
		c.fail("paramID", "cannot be set in an emergency")
	}
	c.reason(p.Reason)
	return c.err()
}

func (*AppointAdmin) CommandType() Type { return TypeAppointAdmin }
func (p *AppointAdmin) Actor() string   { return person(p.ActorID) }
func (p *AppointAdmin) Lanes() []Lane   { return touches(accountLanes(p.Actor(), p.NewAdminID)...) }

func (p *AppointAdmin) Validate() error {
	var c checks
	c.staffID("actorID", p.ActorID)
	c.userID("newAdminID", p.NewAdminID)
	c.differ("newAdminID", p.NewAdminID, p.ActorID, "actorID")
	return c.err()
}

func (*RevokeAdmin) CommandType() Type { return TypeRevokeAdmin }
func (*RevokeAdmin) Actor() string     { return "" }
func (p *RevokeAdmin) Lanes() []Lane   { return touches(accountLane(p.AdminID)) }

func (p *RevokeAdmin) Validate() error {
	var c checks
	c.userID("adminID", p.AdminID)
	return c.err()
}

func (*ActivateTreasury) CommandType() Type { return TypeActivateTreasury }
func (*ActivateTreasury) Actor() string     { return "" }

func (p *ActivateTreasury) Lanes() []Lane {
	return touches(debitLane(account.TreasuryOf(p.CountryCode)), accountLane(p.OrgID))
}

func (p *ActivateTreasury) Validate() error {
	var c checks
	c.country("countryCode", p.CountryCode)
	c.orgID("orgID", p.OrgID)
	return c.err()
}

func (*DisburseFromPool) CommandType() Type { return TypeDisburseFromPool }
func (*DisburseFromPool) Actor() string     { return "" }

func (p *DisburseFromPool) Lanes() []Lane {
	return touches(debitLane(p.Account()), accountLane(p.RecipientID))
}

// Account returns the account of the pool, empty for one that does not disburse.
func (p *DisburseFromPool) Account() string {
	switch p.Pool {
	case "CHARITABLE":
		return account.CharitablePool
	case "GX":
		return account.GXPool
	case "OPERATIONS":
		return account.OperationsFund
	case "REDISTRIBUTION":
		return account.RedistributionPool
	}
	return ""
}

func (p *DisburseFromPool) Validate() error {
	var c checks
	oneOf(&c, "pool", p.Pool, "CHARITABLE", "GX", "OPERATIONS", "REDISTRIBUTION")
	c.accountID("recipientID", p.RecipientID)
	if account.IsSystem(p.RecipientID) {
		c.fail("recipientID", "must not be a system account")
	}
	c.amount("amount", p.Amount)
	c.reason(p.Reason)
	return c.err()
}

func (*AnchorAudit) CommandType() Type { return TypeAnchorAudit }
func (*AnchorAudit) Actor() string     { return "" }
func (p *AnchorAudit) Lanes() []Lane   { return touches(exclusive(fmt.Sprintf("audit:%d", p.Sequence))) }

func (p *AnchorAudit) Validate() error {
	var c checks
	if p.Sequence < 1 {
		c.fail("sequence", "must be above 0")
	}
	c.hash("hash", p.Hash)
	return c.err()
}
