package command

import (
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
)

// TokenomicsContract is the name of the contract.
const TokenomicsContract = "TokenomicsContract"

// The command types of TokenomicsContract.
const (
	TypeTransferTokens    Type = "TRANSFER_TOKENS"
	TypeDistributeGenesis Type = "DISTRIBUTE_GENESIS"
	TypeFreezeWallet      Type = "FREEZE_WALLET"
	TypeUnfreezeWallet    Type = "UNFREEZE_WALLET"
)

// TransferTokens pays from a person to any account; the sender pays the fee.
type TransferTokens struct {
	FromID   string       `json:"fromID"`
	ToID     string       `json:"toID"`
	Amount   qirat.Amount `json:"amount"`
	TypeHint string       `json:"typeHint"` // empty, or the fee type the sender expects
	Remark   string       `json:"remark"`   // at most MaxRemarkBytes bytes, stored verbatim
}

// DistributeGenesis repairs a missing genesis allocation.
type DistributeGenesis struct {
	UserID      string `json:"userID"`
	Nationality string `json:"nationality"`
}

// FreezeWallet blocks an account.
type FreezeWallet struct {
	AccountID string `json:"accountID"`
	Reason    string `json:"reason"`
}

// UnfreezeWallet ends a freeze.
type UnfreezeWallet struct {
	AccountID string `json:"accountID"`
}

func init() {
	define(Definition{TypeTransferTokens, TokenomicsContract, "TransferWithFees", []role.Role{role.PartnerAPI, role.Admin}, func() Payload { return new(TransferTokens) }})
	define(Definition{TypeDistributeGenesis, TokenomicsContract, "DistributeGenesis", []role.Role{role.Admin}, func() Payload { return new(DistributeGenesis) }})
	define(Definition{TypeFreezeWallet, TokenomicsContract, "FreezeWallet", []role.Role{role.SuperAdmin}, func() Payload { return new(FreezeWallet) }})
	define(Definition{TypeUnfreezeWallet, TokenomicsContract, "UnfreezeWallet", []role.Role{role.SuperAdmin}, func() Payload { return new(UnfreezeWallet) }})
}

func (*TransferTokens) CommandType() Type { return TypeTransferTokens }
func (p *TransferTokens) Actor() string   { return p.FromID }

func (p *TransferTokens) Lanes() []Lane {
	lanes := []Lane{shared(systemLane), accountLane(p.FromID), accountLane(p.ToID)}
	if p.ToID != account.OperationsFund {
		lanes = append(lanes, accountLane(account.OperationsFund))
	}
	return lanes
}

func (p *TransferTokens) Validate() error {
	var c checks
	c.accountID("fromID", p.FromID)
	c.accountID("toID", p.ToID)
	if p.FromID != "" && p.FromID == p.ToID {
		c.fail("toID", "must differ from fromID")
	}
	if p.Amount == 0 {
		c.fail("amount", "must be greater than 0")
	}
	switch p.TypeHint {
	case "", "P2P", "MERCHANT", "GOVERNMENT", "B2B":
	default:
		c.fail("typeHint", "must be empty, P2P, MERCHANT, GOVERNMENT or B2B")
	}
	c.text("remark", p.Remark, 0, MaxRemarkBytes)
	return c.err()
}

func (*DistributeGenesis) CommandType() Type { return TypeDistributeGenesis }
func (*DistributeGenesis) Actor() string     { return "" }

func (p *DistributeGenesis) Lanes() []Lane {
	return []Lane{
		shared(systemLane), accountLane(p.UserID), exclusive("country:" + p.Nationality),
		accountLane(account.UserGenesisPool), accountLane(account.GovtGenesisPool), accountLane(account.TreasuryOf(p.Nationality)),
	}
}

func (p *DistributeGenesis) Validate() error {
	var c checks
	c.userID("userID", p.UserID)
	c.country("nationality", p.Nationality)
	return c.err()
}

func (*FreezeWallet) CommandType() Type { return TypeFreezeWallet }
func (*FreezeWallet) Actor() string     { return "" }

func (p *FreezeWallet) Lanes() []Lane {
	return []Lane{shared(systemLane), exclusive("account:" + p.AccountID)}
}

func (p *FreezeWallet) Validate() error {
	var c checks
	c.accountID("accountID", p.AccountID)
	c.text("reason", p.Reason, 1, MaxReasonBytes)
	return c.err()
}

func (*UnfreezeWallet) CommandType() Type { return TypeUnfreezeWallet }
func (*UnfreezeWallet) Actor() string     { return "" }

func (p *UnfreezeWallet) Lanes() []Lane {
	return []Lane{shared(systemLane), exclusive("account:" + p.AccountID)}
}

func (p *UnfreezeWallet) Validate() error {
	var c checks
	c.accountID("accountID", p.AccountID)
	return c.err()
}
