package contract

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
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
	TxID string    `json:"txID"`
	Seq  int       `json:"seq"` // position among the lines of the transaction
	At   time.Time `json:"at"`
	Line
}

// Line is what the ledger keeps of a TxRecord; the key tells the rest, and the
// account of the history, which is FromID or ToID.
type Line struct {
	Type         EntryType     `json:"type"`
	FromID       string        `json:"fromID,omitzero"`
	ToID         string        `json:"toID,omitzero"`
	Amount       qirat.Amount  `json:"amount"`
	Fee          qirat.Amount  `json:"fee,omitzero"`
	FeeBps       uint64        `json:"feeBps,omitzero"`
	FeeType      fee.Type      `json:"feeType,omitzero"`
	Scope        fee.Scope     `json:"scope,omitzero"`
	Remark       string        `json:"remark,omitzero"`
	Ref          string        `json:"ref,omitzero"`
	BalanceAfter *qirat.Amount `json:"balanceAfter,omitzero"` // absent for collective accounts
}

// addLine writes a line into the history of an account. The keys count down, so
// that the newest line comes first.
func (t *tx) addLine(a *Account, l Line) error {
	switch a.AccountID {
	case l.FromID:
		l.FromID = ""
	case l.ToID:
		l.ToID = ""
	}
	l.BalanceAfter = balanceAfter(a)
	key := compositeKey("tx", a.AccountID, padded(20, math.MaxUint64-uint64(t.now.Unix())), t.stub.TxID(), padded(10, math.MaxUint32-uint64(t.entries)))
	t.entries++
	return store(t, key, &l)
}

// HistoryRecord returns the line of an account's history that an export holds.
func HistoryRecord(o Exported) (*TxRecord, error) {
	l, err := decode[Line](strings.Join(o.Key, separator), o.Value)
	if err != nil {
		return nil, err
	}
	return recordOf(o.Key[1:], l)
}

// recordOf completes a line by the attributes of its key.
func recordOf(key []string, l *Line) (*TxRecord, error) {
	if len(key) != 4 {
		return nil, fmt.Errorf("%q is no key of a history", key)
	}
	before, err := strconv.ParseUint(key[1], 10, 64)
	seq, seqErr := strconv.ParseUint(key[3], 10, 32)
	if err := errors.Join(err, seqErr); err != nil {
		return nil, fmt.Errorf("%q is no key of a history: %w", key, err)
	}
	switch {
	case l.FromID == "":
		l.FromID = key[0]
	case l.ToID == "":
		l.ToID = key[0]
	}
	return &TxRecord{TxID: key[2], Seq: int(math.MaxUint32 - seq), At: time.Unix(int64(math.MaxUint64-before), 0).UTC(), Line: *l}, nil
}

// padded returns n in decimal digits with leading zeros.
func padded(width int, n uint64) string {
	var b [20]byte
	for i := width - 1; i >= 0; i-- {
		b[i], n = '0'+byte(n%10), n/10
	}
	return string(b[:width])
}
