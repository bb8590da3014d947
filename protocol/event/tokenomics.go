package event

import (
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
)

// GenesisDistributed is a person's genesis allocation, possibly of nothing.
type GenesisDistributed struct {
	UserID             string       `json:"userID"`
	Nationality        string       `json:"nationality"`
	Phase              int          `json:"phase"` // 1..6, 0 when nothing was given
	Amount             qirat.Amount `json:"amount"`
	Age                int          `json:"age"`
	Eligible           bool         `json:"eligible"`
	Status             string       `json:"status"` // genesis.Status
	PoolSource         string       `json:"poolSource"`
	BalanceAfter       qirat.Amount `json:"balanceAfter"`
	VelocityTimerStart *time.Time   `json:"velocityTimerStart,omitzero"` // after the credit; absent when not running
}

// TreasuryAllocated is the government's share of a genesis allocation.
type TreasuryAllocated struct {
	TreasuryID  string       `json:"treasuryID"`
	UserID      string       `json:"userID"`
	Nationality string       `json:"nationality"`
	Phase       int          `json:"phase"`
	Amount      qirat.Amount `json:"amount"`
	PoolSource  string       `json:"poolSource"`
}

// TransferCompleted is a payment with its fee. Balances after are absent for
// collective accounts (system pools and treasuries).
type TransferCompleted struct {
	FromID                 string        `json:"fromID"`
	ToID                   string        `json:"toID"`
	Amount                 qirat.Amount  `json:"amount"`
	Fee                    qirat.Amount  `json:"fee"`
	FeeBps                 uint64        `json:"feeBps"`
	ReceiverFee            qirat.Amount  `json:"receiverFee"` // always 0: the sender pays
	NetReceived            qirat.Amount  `json:"netReceived"`
	TransferType           string        `json:"type"`  // fee.Type
	Scope                  string        `json:"scope"` // fee.Scope
	FromKind               account.Kind  `json:"fromKind"`
	ToKind                 account.Kind  `json:"toKind"`
	SenderCountry          string        `json:"senderCountry"`
	RecipientCountry       string        `json:"recipientCountry"`
	FeeRecipient           string        `json:"feeRecipient,omitzero"` // absent without a fee
	Remark                 string        `json:"remark"`
	FromBalanceAfter       *qirat.Amount `json:"fromBalanceAfter,omitzero"`
	ToBalanceAfter         *qirat.Amount `json:"toBalanceAfter,omitzero"`
	FromVelocityTimerStart *time.Time    `json:"fromVelocityTimerStart,omitzero"`
	ToVelocityTimerStart   *time.Time    `json:"toVelocityTimerStart,omitzero"`
}

// InternalTransfer moves money to or from a collective account without a fee.
// Balances after are absent for collective accounts.
type InternalTransfer struct {
	FromID                 string               `json:"fromID"`
	ToID                   string               `json:"toID"`
	Amount                 qirat.Amount         `json:"amount"`
	Type                   command.InternalType `json:"type"`
	Remark                 string               `json:"remark"`
	FromBalanceAfter       *qirat.Amount        `json:"fromBalanceAfter,omitzero"`
	ToBalanceAfter         *qirat.Amount        `json:"toBalanceAfter,omitzero"`
	FromVelocityTimerStart *time.Time           `json:"fromVelocityTimerStart,omitzero"`
	ToVelocityTimerStart   *time.Time           `json:"toVelocityTimerStart,omitzero"`
}

// WalletFrozen blocks an account for everything but taxes.
type WalletFrozen struct {
	AccountID string    `json:"accountID"`
	Reason    string    `json:"reason"`
	FrozenAt  time.Time `json:"frozenAt"`
}

// WalletUnfrozen ends a freeze.
type WalletUnfrozen struct {
	AccountID  string    `json:"accountID"`
	UnfrozenAt time.Time `json:"unfrozenAt"`
}

func init() {
	define(true, func() Event { return new(GenesisDistributed) })
	define(true, func() Event { return new(TreasuryAllocated) })
	define(true, func() Event { return new(TransferCompleted) })
	define(true, func() Event { return new(InternalTransfer) })
	define(true, func() Event { return new(WalletFrozen) })
	define(true, func() Event { return new(WalletUnfrozen) })
}

func (*GenesisDistributed) EventType() Type { return "GenesisDistributed" }
func (*TreasuryAllocated) EventType() Type  { return "TreasuryAllocated" }
func (*TransferCompleted) EventType() Type  { return "TransferCompleted" }
func (*InternalTransfer) EventType() Type   { return "InternalTransfer" }
func (*WalletFrozen) EventType() Type       { return "WalletFrozen" }
func (*WalletUnfrozen) EventType() Type     { return "WalletUnfrozen" }
