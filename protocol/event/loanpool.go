package event

import (
	"time"

	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// LoanApplicationReceived asks for a loan.
type LoanApplicationReceived struct {
	LoanID         string       `json:"loanID"`
	BorrowerID     string       `json:"borrowerID"`
	Amount         qirat.Amount `json:"amount"`
	Purpose        string       `json:"purpose"`
	CollateralHash string       `json:"collateralHash"`
	TermDays       int          `json:"termDays"`
	AppliedAt      time.Time    `json:"appliedAt"`
}

// LoanApproved pays a loan out of the pool; its collateral is pledged. A
// TrustScoreUpdated goes with it, as with the other events that touch the score.
type LoanApproved struct {
	LoanID                     string       `json:"loanID"`
	BorrowerID                 string       `json:"borrowerID"`
	Amount                     qirat.Amount `json:"amount"`
	ApprovedBy                 string       `json:"approvedBy"`
	DueAt                      time.Time    `json:"dueAt"`
	PoolSource                 string       `json:"poolSource"`
	BorrowerBalanceAfter       qirat.Amount `json:"borrowerBalanceAfter"`
	BorrowerVelocityTimerStart *time.Time   `json:"borrowerVelocityTimerStart,omitzero"`
}

// LoanRejected refuses an application.
type LoanRejected struct {
	LoanID     string `json:"loanID"`
	BorrowerID string `json:"borrowerID"`
	RejectedBy string `json:"rejectedBy"`
	Reason     string `json:"reason"`
}

// LoanCancelled withdraws an application.
type LoanCancelled struct {
	LoanID     string `json:"loanID"`
	BorrowerID string `json:"borrowerID"`
}

// LoanRepaid is a payment on a loan. The last one releases the collateral.
type LoanRepaid struct {
	LoanID                  string       `json:"loanID"`
	BorrowerID              string       `json:"borrowerID"`
	PayerID                 string       `json:"payerID"`
	Amount                  qirat.Amount `json:"amount"`
	Outstanding             qirat.Amount `json:"outstanding"` // after it
	RepaidTotal             qirat.Amount `json:"repaidTotal"` // with it
	Status                  status.Loan  `json:"status"`      // after it: ACTIVE, DEFAULTED or PAID
	PoolID                  string       `json:"poolID"`
	PayerBalanceAfter       qirat.Amount `json:"payerBalanceAfter"`
	PayerVelocityTimerStart *time.Time   `json:"payerVelocityTimerStart,omitzero"`
}

// LoanDefaulted gives a loan up and seizes its collateral.
type LoanDefaulted struct {
	LoanID      string       `json:"loanID"`
	BorrowerID  string       `json:"borrowerID"`
	MarkedBy    string       `json:"markedBy"`
	Outstanding qirat.Amount `json:"outstanding"`
	Defaults    int          `json:"defaults"` // of the borrower, with this one
	Banned      bool         `json:"banned"`   // the borrower gets no loans any more
}

func init() {
	define(true, func() Event { return new(LoanApplicationReceived) })
	define(true, func() Event { return new(LoanApproved) })
	define(true, func() Event { return new(LoanRejected) })
	define(true, func() Event { return new(LoanCancelled) })
	define(true, func() Event { return new(LoanRepaid) })
	define(true, func() Event { return new(LoanDefaulted) })
}

func (*LoanApplicationReceived) EventType() Type { return "LoanApplicationReceived" }
func (*LoanApproved) EventType() Type            { return "LoanApproved" }
func (*LoanRejected) EventType() Type            { return "LoanRejected" }
func (*LoanCancelled) EventType() Type           { return "LoanCancelled" }
func (*LoanRepaid) EventType() Type              { return "LoanRepaid" }
func (*LoanDefaulted) EventType() Type           { return "LoanDefaulted" }
