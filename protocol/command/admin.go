package command

import (
	"fmt"

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
)

// BootstrapSystem opens the ledger, once.
type BootstrapSystem struct{}

// InitializeCountryData fixes countries and genesis slots, once.
type InitializeCountryData struct {
	Countries []CountryWeight `json:"countries"`
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

func init() {
	define(Definition{TypeBootstrapSystem, AdminContract, "BootstrapSystem", []role.Role{role.SuperAdmin}, func() Payload { return new(BootstrapSystem) }})
	define(Definition{TypeInitializeCountryData, AdminContract, "InitializeCountryData", []role.Role{role.SuperAdmin}, func() Payload { return new(InitializeCountryData) }})
	define(Definition{TypePauseSystem, AdminContract, "PauseSystem", []role.Role{role.SuperAdmin}, func() Payload { return new(PauseSystem) }})
	define(Definition{TypeResumeSystem, AdminContract, "ResumeSystem", []role.Role{role.SuperAdmin}, func() Payload { return new(ResumeSystem) }})
}

func (*BootstrapSystem) CommandType() Type { return TypeBootstrapSystem }
func (*BootstrapSystem) Actor() string     { return "" }
func (*BootstrapSystem) Lanes() []Lane     { return []Lane{exclusive(systemLane)} }
func (*BootstrapSystem) Validate() error   { return nil }

func (*InitializeCountryData) CommandType() Type { return TypeInitializeCountryData }
func (*InitializeCountryData) Actor() string     { return "" }
func (*InitializeCountryData) Lanes() []Lane     { return []Lane{exclusive(systemLane)} }

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
func (*PauseSystem) Lanes() []Lane     { return []Lane{exclusive(systemLane)} }

func (p *PauseSystem) Validate() error {
	var c checks
	c.text("reason", p.Reason, 1, MaxReasonBytes)
	return c.err()
}

func (*ResumeSystem) CommandType() Type { return TypeResumeSystem }
func (*ResumeSystem) Actor() string     { return "" }
func (*ResumeSystem) Lanes() []Lane     { return []Lane{exclusive(systemLane)} }
func (*ResumeSystem) Validate() error   { return nil }
