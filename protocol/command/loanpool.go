package command

import (
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
)

// LoanPoolContract is the name of the contract.
const LoanPoolContract = "LoanPoolContract"

// The command types of LoanPoolContract.
const (
	TypeApplyForLoan      Type = "APPLY_FOR_LOAN"
	TypeApproveLoan       Type = "APPROVE_LOAN"
	TypeRejectLoan        Type = "REJECT_LOAN"
	TypeCancelLoan        Type = "CANCEL_LOAN"
	TypeRepayLoan         Type = "REPAY_LOAN"
	TypeMarkLoanDefaulted Type = "MARK_LOAN_DEFAULTED"
)

// ApplyForLoan asks for an interest-free loan from the pool.
type ApplyForLoan struct {
	ActorID        string       `json:"actorID"` // the borrower
	Amount         qirat.Amount `json:"amount"`
	CollateralHash string       `json:"collateralHash"` // SHA-256 of the collateral's documents, hex
	Purpose        string       `json:"purpose"`
	TermDays       int          `json:"termDays"`
}

// ApproveLoan grants a loan and pays it out.
type ApproveLoan struct {
	ApproverAdminID string `json:"approverAdminID"` // a GX id or a staff name
	LoanID          string `json:"loanID"`
	BorrowerID      string `json:"borrowerID,omitzero"` // of the loan
}

// RejectLoan refuses an application.
type RejectLoan struct {
	AdminID    string `json:"adminID"` // a GX id or a staff name
	LoanID     string `json:"loanID"`
	Reason     string `json:"reason"`
	BorrowerID string `json:"borrowerID,omitzero"` // of the loan
}

// CancelLoan withdraws the actor's own application.
type CancelLoan struct {
	ActorID string `json:"actorID"`
	LoanID  string `json:"loanID"`
}

// RepayLoan pays back a part of a loan, or all of it; anyone may pay.
type RepayLoan struct {
	ActorID    string       `json:"actorID"`
	LoanID     string       `json:"loanID"`
	Amount     qirat.Amount `json:"amount"`
	BorrowerID string       `json:"borrowerID,omitzero"` // of the loan
}

// MarkLoanDefaulted gives up on a loan that is long overdue.
type MarkLoanDefaulted struct {
	AdminID    string `json:"adminID"` // a GX id or a staff name
	LoanID     string `json:"loanID"`
	BorrowerID string `json:"borrowerID,omitzero"` // of the loan
}

func init() {
	define(Definition{TypeApplyForLoan, LoanPoolContract, "ApplyForLoan", []role.Role{role.PartnerAPI}, func() Payload { return new(ApplyForLoan) }})
	define(Definition{TypeApproveLoan, LoanPoolContract, "ApproveLoan", []role.Role{role.Admin}, func() Payload { return new(ApproveLoan) }})
	define(Definition{TypeRejectLoan, LoanPoolContract, "RejectLoan", []role.Role{role.Admin}, func() Payload { return new(RejectLoan) }})
	define(Definition{TypeCancelLoan, LoanPoolContract, "CancelLoan", []role.Role{role.PartnerAPI}, func() Payload { return new(CancelLoan) }})
	define(Definition{TypeRepayLoan, LoanPoolContract, "RepayLoan", []role.Role{role.PartnerAPI}, func() Payload { return new(RepayLoan) }})
	define(Definition{TypeMarkLoanDefaulted, LoanPoolContract, "MarkLoanDefaulted", []role.Role{role.Admin}, func() Payload { return new(MarkLoanDefaulted) }})
}

func (*ApplyForLoan) CommandType() Type { return TypeApplyForLoan }
func (p *ApplyForLoan) Actor() string   { return p.ActorID }
func (p *ApplyForLoan) Lanes() []Lane   { return touches(accountLane(p.ActorID)) }

func (p *ApplyForLoan) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.amount("amount", p.Amount)
	c.hash("collateralHash", p.CollateralHash)
	c.text("purpose", p.Purpose, 1, MaxNameBytes)
	if p.TermDays < 1 || p.TermDays > MaxTermDays {
		c.fail("termDays", "must be between 1 and %d", MaxTermDays)
	}
	return c.err()
}

func (*ApproveLoan) CommandType() Type { return TypeApproveLoan }
func (p *ApproveLoan) Actor() string   { return person(p.ApproverAdminID) }

func (p *ApproveLoan) Lanes() []Lane {
	return loanLanes(p.Actor(), p.BorrowerID, debitLane(account.LoanPool))
}

func (p *ApproveLoan) Validate() error {
	var c checks
	c.staffID("approverAdminID", p.ApproverAdminID)
	c.loan(p.LoanID, p.BorrowerID)
	return c.err()
}

func (*RejectLoan) CommandType() Type { return TypeRejectLoan }
func (p *RejectLoan) Actor() string   { return person(p.AdminID) }
func (p *RejectLoan) Lanes() []Lane   { return loanLanes(p.Actor(), p.BorrowerID) }

func (p *RejectLoan) Validate() error {
	var c checks
	c.staffID("adminID", p.AdminID)
	c.loan(p.LoanID, p.BorrowerID)
	c.reason(p.Reason)
	return c.err()
}

func (*CancelLoan) CommandType() Type { return TypeCancelLoan }
func (p *CancelLoan) Actor() string   { return p.ActorID }
func (p *CancelLoan) Lanes() []Lane   { return touches(accountLane(p.ActorID)) }

func (p *CancelLoan) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.loan(p.LoanID, "")
	return c.err()
}

func (*RepayLoan) CommandType() Type { return TypeRepayLoan }
func (p *RepayLoan) Actor() string   { return p.ActorID }

func (p *RepayLoan) Lanes() []Lane {
	return loanLanes(p.ActorID, p.BorrowerID, accountLane(account.LoanPool))
}

func (p *RepayLoan) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.loan(p.LoanID, p.BorrowerID)
	c.amount("amount", p.Amount)
	return c.err()
}

func (*MarkLoanDefaulted) CommandType() Type { return TypeMarkLoanDefaulted }
func (p *MarkLoanDefaulted) Actor() string   { return person(p.AdminID) }
func (p *MarkLoanDefaulted) Lanes() []Lane   { return loanLanes(p.Actor(), p.BorrowerID) }

func (p *MarkLoanDefaulted) Validate() error {
	var c checks
	c.staffID("adminID", p.AdminID)
	c.loan(p.LoanID, p.BorrowerID)
	return c.err()
}

// loanLanes returns the lanes of a command that changes a loan, which is kept
// under its borrower.
func loanLanes(actorID, borrowerID string, more ...Lane) []Lane {
	if borrowerID == "" {
		return alone()
	}
	return touches(append(accountLanes(actorID, borrowerID), more...)...)
}

func (c *checks) loan(loanID, borrowerID string) {
	c.id("loanID", LoanPrefix, loanID)
	optional(borrowerID, c.userID, "borrowerID")
}
