package event

import (
	"gxcoin.money/gx/protocol/qirat"
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

func init() {
	define(true, func() Event { return new(SystemBootstrapped) })
	define(true, func() Event { return new(CountryDataInitialized) })
	define(false, func() Event { return new(SystemPaused) })
	define(false, func() Event { return new(SystemResumed) })
}

func (*SystemBootstrapped) EventType() Type     { return "SystemBootstrapped" }
func (*CountryDataInitialized) EventType() Type { return "CountryDataInitialized" }
func (*SystemPaused) EventType() Type           { return "SystemPaused" }
func (*SystemResumed) EventType() Type          { return "SystemResumed" }
