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
	TypeTransferInternal  Type = "TRANSFER_INTERNAL"
	TypeCompactAccount    Type = "COMPACT_ACCOUNT"
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

// TransferInternal moves money to or from a system account or a treasury,
// without a fee. What has a function of its own, as a disbursement of genesis,
// is not done by it.
type TransferInternal struct {
	FromID string       `json:"fromID"`
	ToID   string       `json:"toID"`
	Amount qirat.Amount `json:"amount"`
	Type   InternalType `json:"type"`
	Remark string       `json:"remark"`
}

// InternalType says why money is moved internally.
type InternalType string

const (
	SystemAdjustment  InternalType = "SYSTEM_ADJUSTMENT"
	FeeCollection     InternalType = "FEE_COLLECTION"
	FeeRedistribution InternalType = "FEE_REDISTRIBUTION"
)

// CompactAccount folds up to Max of the delta rows of a collective account into
// its base.
type CompactAccount struct {
	AccountID string `json:"accountID"`
	Max       int    `json:"max"` // 1 to MaxCompaction
}

func init() {
	define(Definition{TypeTransferTokens, TokenomicsContract, "TransferWithFees", []role.Role{role.PartnerAPI, role.Admin}, func() Payload { return new(TransferTokens) }})
	define(Definition{TypeDistributeGenesis, TokenomicsContract, "DistributeGenesis", []role.Role{role.Admin}, func() Payload { return new(DistributeGenesis) }})
	define(Definition{TypeFreezeWallet, TokenomicsContract, "FreezeWallet", []role.Role{role.SuperAdmin}, func() Payload { return new(FreezeWallet) }})
	define(Definition{TypeUnfreezeWallet, TokenomicsContract, "UnfreezeWallet", []role.Role{role.SuperAdmin}, func() Payload { return new(UnfreezeWallet) }})
	define(Definition{TypeTransferInternal, TokenomicsContract, "TransferInternal", []role.Role{role.Admin}, func() Payload { return new(TransferInternal) }})
	define(Definition{TypeCompactAccount, TokenomicsContract, "CompactAccount", []role.Role{role.Admin}, func() Payload { return new(CompactAccount) }})
}

func (*TransferTokens) CommandType() Type { return TypeTransferTokens }
func (p *TransferTokens) Actor() string   { return p.FromID }

func (p *TransferTokens) Lanes() []Lane {
	return touches(accountLanes(p.FromID, p.ToID, account.OperationsFund)...)
}

func (p *TransferTokens) Validate() error {
	var c checks
	c.accountID("fromID", p.FromID)
	c.accountID("toID", p.ToID)
	c.differ("toID", p.ToID, p.FromID, "fromID")
	c.amount("amount", p.Amount)
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
	return touches(genesisLanes(p.UserID, p.Nationality)...)
}

func (p *DistributeGenesis) Validate() error {
	var c checks
	c.userID("userID", p.UserID)
	c.country("nationality", p.Nationality)
	return c.err()
}

func (*FreezeWallet) CommandType() Type { return TypeFreezeWallet }
func (*FreezeWallet) Actor() string     { return "" }
func (p *FreezeWallet) Lanes() []Lane   { return touches(debitLane(p.AccountID)) }

func (p *FreezeWallet) Validate() error {
	var c checks
	c.accountID("accountID", p.AccountID)
	c.reason(p.Reason)
	return c.err()
}

func (*UnfreezeWallet) CommandType() Type { return TypeUnfreezeWallet }
func (*UnfreezeWallet) Actor() string     { return "" }
func (p *UnfreezeWallet) Lanes() []Lane   { return touches(debitLane(p.AccountID)) }

func (p *UnfreezeWallet) Validate() error {
	var c checks
	c.accountID("accountID", p.AccountID)
	return c.err()
}

func (*TransferInternal) CommandType() Type { return TypeTransferInternal }
func (*TransferInternal) Actor() string     { return "" }
func (p *TransferInternal) Lanes() []Lane   { return touches(debitLane(p.FromID), accountLane(p.ToID)) }

func (p *TransferInternal) Validate() error {
	var c checks
	c.accountID("fromID", p.FromID)
	c.accountID("toID", p.ToID)
	c.differ("toID", p.ToID, p.FromID, "fromID")
	if p.FromID == account.UserGenesisPool || p.FromID == account.GovtGenesisPool {
		c.fail("fromID", "must not be a genesis pool: its coins belong to the genesis slots")
	}
	if !account.IsCollective(p.FromID) && !account.IsCollective(p.ToID) {
		c.fail("toID", "must be a system account or a treasury unless fromID is one")
	}
	c.amount("amount", p.Amount)
	oneOf(&c, "type", p.Type, SystemAdjustment, FeeCollection, FeeRedistribution)
	c.text("remark", p.Remark, 0, MaxRemarkBytes)
	return c.err()
}

func (*CompactAccount) CommandType() Type { return TypeCompactAccount }
func (*CompactAccount) Actor() string     { return "" }
func (p *CompactAccount) Lanes() []Lane   { return touches(debitLane(p.AccountID)) }

func (p *CompactAccount) Validate() error {
	var c checks
	c.accountID("accountID", p.AccountID)
	if p.AccountID != "" && !account.IsCollective(p.AccountID) {
		c.fail("accountID", "must be a system account or a treasury")
	}
	if p.Max < 1 || p.Max > MaxCompaction {
		c.fail("max", "must be between 1 and %d", MaxCompaction)
	}
	return c.err()
}
