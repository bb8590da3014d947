package command

import (
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/role"
)

// TaxAndFeeContract is the name of the contract.
const TaxAndFeeContract = "TaxAndFeeContract"

// The command types of TaxAndFeeContract.
const (
	TypeApplyVelocityTax Type = "APPLY_VELOCITY_TAX"
	TypeSetTaxExempt     Type = "SET_TAX_EXEMPT"
)

// ApplyVelocityTax taxes an account whose timer has run a full cycle.
type ApplyVelocityTax struct {
	AccountID string `json:"accountID"`
	Country   string `json:"country,omitzero"` // of the account: its treasury gets a share
}

// SetTaxExempt frees an account from the velocity tax, or ends that.
type SetTaxExempt struct {
	AccountID string `json:"accountID"`
	Exempt    bool   `json:"exempt"`
	Reason    string `json:"reason"`
}

func init() {
	define(Definition{TypeApplyVelocityTax, TaxAndFeeContract, "ApplyVelocityTax", []role.Role{role.Admin}, func() Payload { return new(ApplyVelocityTax) }})
	define(Definition{TypeSetTaxExempt, TaxAndFeeContract, "SetVelocityTaxExempt", []role.Role{role.SuperAdmin}, func() Payload { return new(SetTaxExempt) }})
}

func (*ApplyVelocityTax) CommandType() Type { return TypeApplyVelocityTax }
func (*ApplyVelocityTax) Actor() string     { return "" }

func (p *ApplyVelocityTax) Lanes() []Lane {
	if p.Country == "" {
		return alone()
	}
	return touches(debitLane(p.AccountID), accountLane(account.TreasuryOf(p.Country)), accountLane(account.RedistributionPool))
}

func (p *ApplyVelocityTax) Validate() error {
	var c checks
	c.accountID("accountID", p.AccountID)
	optional(p.Country, c.country, "country")
	return c.err()
}

func (*SetTaxExempt) CommandType() Type { return TypeSetTaxExempt }
func (*SetTaxExempt) Actor() string     { return "" }
func (p *SetTaxExempt) Lanes() []Lane   { return touches(debitLane(p.AccountID)) }

func (p *SetTaxExempt) Validate() error {
	var c checks
	c.accountID("accountID", p.AccountID)
	if account.IsCollective(p.AccountID) {
		c.fail("accountID", "must be a person or an organization: others are never taxed")
	}
	c.reason(p.Reason)
	return c.err()
}
