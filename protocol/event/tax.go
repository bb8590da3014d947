package event

import (
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
)

// VelocityTaxApplied taxes an account whose money has rested for a full cycle.
type VelocityTaxApplied struct {
	AccountID           string       `json:"accountID"`
	AccountType         account.Kind `json:"accountType"`
	TaxAmount           qirat.Amount `json:"taxAmount"`
	TaxRateBps          uint64       `json:"taxRateBps"`
	TreasuryID          string       `json:"treasuryID"`
	GovtShare           qirat.Amount `json:"govtShare"` // to the treasury
	RedistributionID    string       `json:"redistributionID"`
	RedistributionShare qirat.Amount `json:"redistributionShare"`
	Balance             qirat.Amount `json:"balance"` // before the tax
	BalanceAfter        qirat.Amount `json:"balanceAfter"`
	PreviousTimerStart  time.Time    `json:"previousTimerStart"`
	VelocityTimerStart  *time.Time   `json:"velocityTimerStart,omitzero"` // after the tax; absent when not running
}

// VelocityTaxExemptionChanged frees an account from the velocity tax, or ends that.
type VelocityTaxExemptionChanged struct {
	AccountID          string     `json:"accountID"`
	Exempt             bool       `json:"exempt"`
	Reason             string     `json:"reason"`
	VelocityTimerStart *time.Time `json:"velocityTimerStart,omitzero"` // from now on; an exempt account has none
}

func init() {
	define(true, func() Event { return new(VelocityTaxApplied) })
	define(true, func() Event { return new(VelocityTaxExemptionChanged) })
}

func (*VelocityTaxApplied) EventType() Type          { return "VelocityTaxApplied" }
func (*VelocityTaxExemptionChanged) EventType() Type { return "VelocityTaxExemptionChanged" }
