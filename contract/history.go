package contract

import (
	"math"
	"time"

	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
)

// EntryType says why money moved.
type EntryType string

const (
	EntryTransfer         EntryType = "TRANSFER"
	EntryOrgTransfer      EntryType = "ORG_TRANSFER"
	EntryGenesis          EntryType = "GENESIS"
	EntryGovtGenesis      EntryType = "GOVT_GENESIS"
	EntryFee              EntryType = "FEE"
	EntryVelocityTax      EntryType = "VELOCITY_TAX"
	EntryLoanDisbursement EntryType = "LOAN_DISBURSEMENT"
	EntryLoanRepayment    EntryType = "LOAN_REPAYMENT"
	EntryPoolDisbursement EntryType = "POOL_DISBURSEMENT"
	EntryAdjustment       EntryType = "SYSTEM_ADJUSTMENT"
)

// TxRecord is one line of an account's history.
type TxRecord struct {
	TxID         string        `json:"txID"`
	Seq          int           `json:"seq"` // position among the lines of the transaction
	Type         EntryType     `json:"type"`
	FromID       string        `json:"fromID"`
	ToID         string        `json:"toID"`
	Amount       qirat.Amount  `json:"amount"`
	Fee          qirat.Amount  `json:"fee,omitzero"`
	FeeBps       uint64        `json:"feeBps,omitzero"`
	FeeType      fee.Type      `json:"feeType,omitzero"`
	Scope        fee.Scope     `json:"scope,omitzero"`
	Remark       string        `json:"remark,omitzero"`
	Ref          string        `json:"ref,omitzero"`
	BalanceAfter *qirat.Amount `json:"balanceAfter,omitzero"` // absent for collective accounts
	At           time.Time     `json:"at"`
}

// addRecord writes a line into the history of an account. The keys count down,
// so that the newest line comes first.
func (t *tx) addRecord(a *Account, r *TxRecord) error {
	r.Seq, r.BalanceAfter = t.entries, balanceAfter(a)
	t.entries++
	key := compositeKey("tx", a.AccountID, padded(20, math.MaxUint64-uint64(r.At.Unix())), r.TxID, padded(10, math.MaxUint32-uint64(r.Seq)))
	return store(t, key, r)
}

// padded returns n in decimal digits with leading zeros.
func padded(width int, n uint64) string {
	var b [20]byte
	for i := width - 1; i >= 0; i-- {
		b[i], n = '0'+byte(n%10), n/10
	}
	return string(b[:width])
}
