// Package loanpool is the door of the loans that the pool gives without interest:
// who asks for one, who decides on it and who pays it back (api.md 2.5).
package loanpool

import (
	"context"
	"errors"
	"net/http"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/service/rates"
	"gxcoin.money/gx/protocol/status"
)

type loanpool struct {
	*door.Door
	rates *rates.Rates
}

// Register adds the routes of the loanpool service.
func Register(d *door.Door) {
	s := loanpool{d, rates.New(d.Pool, d.Clock)}
	borrower := door.Policy{Object: door.Profile, Staff: door.LoanView}
	decider := door.Policy{Staff: door.LoanApprove}
	get := func(path, id, summary string, p door.Policy) door.Route {
		return door.Route{Method: http.MethodGet, Path: path, ID: id, Summary: summary, Policy: p, Cache: door.CachePrivate}
	}
	post := func(path, id, summary string, p door.Policy) door.Route {
		return door.Route{Method: http.MethodPost, Path: path, ID: id, Summary: summary, Policy: p, Idempotency: door.KeyRequired, Status: http.StatusAccepted}
	}

	door.Register(d, post("/loans", "applyForLoan", "Ask for a loan", door.Policy{Customer: true}), s.apply)
	door.Register(d, get("/loans", "listLoans", "Your loans, newest first; staff see all", door.Policy{Customer: true, Staff: door.LoanView}), s.list)
	door.Register(d, get("/users/{profileId}/loans", "listLoansOf", "The loans of a person, newest first", borrower), s.listOf)
	door.Register(d, get("/users/{profileId}/loans/standing", "getLoanStanding", "What a person may still borrow, and why not", borrower), s.standing)
	door.Register(d, get("/loans/{loanId}", "getLoan", "A loan", door.Policy{Object: door.Loan, Staff: door.LoanView}), s.get)
	door.Register(d, post("/loans/{loanId}/approve", "approveLoan", "Grant a loan and pay it out", decider), s.approve)
	door.Register(d, post("/loans/{loanId}/reject", "rejectLoan", "Refuse an application", decider), s.reject)
	door.Register(d, post("/loans/{loanId}/default", "declareLoanDefaulted", "Give up on a loan that is long overdue", decider), s.declareDefaulted)
	door.Register(d, post("/loans/{loanId}/cancel", "cancelLoan", "Withdraw your application", door.Policy{Object: door.Loan}), s.cancel)
	door.Register(d, get("/loans/{loanId}/repayments", "listRepayments", "What was paid back of a loan, newest first",
		door.Policy{Object: door.Loan, Staff: door.LoanView}), s.repayments)
	door.Register(d, post("/loans/{loanId}/repayments", "repayLoan", "Pay back a loan, or a part of it; anybody may", door.Policy{Customer: true}), s.repay)
}

// Loan is a loan, from its application on. Amounts are Qirat; the Gx members are
// for people.
type Loan struct {
	LoanID           string            `json:"loanId"`
	BorrowerID       string            `json:"borrowerId" doc:"GX id"`
	Amount           string            `json:"amount"`
	AmountGx         string            `json:"amountGx"`
	Purpose          string            `json:"purpose"`
	TermDays         int               `json:"termDays"`
	Status           status.Loan       `json:"status" enum:"PENDING_APPROVAL,ACTIVE,PAID,DEFAULTED,REJECTED,CANCELLED"`
	Outstanding      string            `json:"outstanding" doc:"What is still owed"`
	OutstandingGx    string            `json:"outstandingGx"`
	RepaidTotal      string            `json:"repaidTotal"`
	RepaidTotalGx    string            `json:"repaidTotalGx"`
	CollateralHash   string            `json:"collateralHash"`
	CollateralStatus status.Collateral `json:"collateralStatus,omitzero" example:"PLEDGED" doc:"From the approval on"`
	AppliedAt        door.Time         `json:"appliedAt"`
	ApprovedAt       *door.Time        `json:"approvedAt,omitzero"`
	DecidedAt        *door.Time        `json:"decidedAt,omitzero" doc:"Approved, rejected or cancelled"`
	DecidedBy        string            `json:"decidedBy,omitzero" doc:"For staff"`
	RejectedReason   string            `json:"rejectedReason,omitzero"`
	DueAt            *door.Time        `json:"dueAt,omitzero"`
	PaidAt           *door.Time        `json:"paidAt,omitzero"`
	DefaultedAt      *door.Time        `json:"defaultedAt,omitzero"`
}

// view returns how the caller sees loans.
func view(ctx context.Context) func(readmodel.LoanState) Loan {
	staff := door.Caller(ctx).Kind == token.Staff
	return func(l readmodel.LoanState) Loan {
		out := Loan{
			LoanID: l.LoanID, BorrowerID: l.BorrowerID, Amount: l.Amount.String(), AmountGx: l.Amount.GX(), Purpose: l.Purpose, TermDays: l.TermDays,
			Status: l.Status, Outstanding: l.Outstanding.String(), OutstandingGx: l.Outstanding.GX(), RepaidTotal: l.RepaidTotal.String(),
			RepaidTotalGx: l.RepaidTotal.GX(), CollateralHash: l.CollateralHash, CollateralStatus: l.CollateralStatus,
			AppliedAt: door.Time{Time: l.AppliedAt}, DecidedAt: door.TimeOf(l.DecidedAt), RejectedReason: l.Reason,
			DueAt: door.TimeOf(l.DueAt), PaidAt: door.TimeOf(l.PaidAt), DefaultedAt: door.TimeOf(l.DefaultedAt),
		}
		if l.DueAt != nil {
			out.ApprovedAt = out.DecidedAt
		}
		if staff {
			out.DecidedBy = l.DecidedBy
		}
		return out
	}
}

type listInput struct {
	door.Paging
	Status     status.Loan `query:"status" enum:"PENDING_APPROVAL,ACTIVE,PAID,DEFAULTED,REJECTED,CANCELLED"`
	BorrowerID string      `query:"borrowerId" maxLength:"64" doc:"GX id or profile id; customers only see their own loans"`
}

type listOutput struct{ Body door.List[Loan] }

func (s loanpool) list(ctx context.Context, in *listInput) (*listOutput, error) {
	borrower, err := s.asked(ctx, in.BorrowerID)
	if errors.Is(err, people.ErrNotFound) {
		return &listOutput{door.List[Loan]{Data: []Loan{}}}, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := s.loans(ctx, borrower, in.Status, in.Paging)
	return &listOutput{l}, err
}

// asked returns whose loans a list is about: those of the caller, or for staff of
// whoever they name, or of everybody.
func (s loanpool) asked(ctx context.Context, borrower string) (string, error) {
	if door.Caller(ctx).Kind == token.Staff {
		return people.AccountID(ctx, s.Pool, borrower)
	}
	me := door.Caller(ctx).ID.String()
	own, err := people.AccountID(ctx, s.Pool, me)
	if err == nil && borrower != "" && borrower != own && borrower != me {
		err = problem.New(http.StatusNotFound, "not_found", "You see no loans but your own.")
	}
	return own, err
}

func (s loanpool) loans(ctx context.Context, borrower string, only status.Loan, p door.Paging) (door.List[Loan], error) {
	w, err := p.Window()
	if err != nil {
		return door.List[Loan]{}, err
	}
	var in []status.Loan
	if only != "" {
		in = append(in, only)
	}
	l, err := readmodel.Loans(ctx, s.Pool, borrower, in, w)
	if err != nil {
		return door.List[Loan]{}, err
	}
	return door.ListOf(l, view(ctx)), nil
}

type listOfInput struct {
	door.Paging
	ProfileID string `path:"profileId" doc:"Profile id, GX id, or me"`
}

type listOfOutput struct {
	Body struct {
		Loans      []Loan `json:"loans"`
		NextCursor string `json:"nextCursor,omitzero"`
		HasMore    bool   `json:"hasMore"`
	}
}

func (s loanpool) listOf(ctx context.Context, in *listOfInput) (*listOfOutput, error) {
	var out listOfOutput
	out.Body.Loans = []Loan{}
	id, err := s.borrower(ctx, in.ProfileID)
	if errors.Is(err, people.ErrNotFound) {
		return &out, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := s.loans(ctx, id, "", in.Paging)
	out.Body.Loans, out.Body.NextCursor, out.Body.HasMore = l.Data, l.NextCursor, l.HasMore
	return &out, err
}

// borrower returns the GX id that an authorised path names. Errors: people.ErrNotFound.
func (s loanpool) borrower(ctx context.Context, id string) (string, error) {
	if id == door.Me {
		id = door.Caller(ctx).ID.String()
	}
	return people.AccountID(ctx, s.Pool, id)
}

type loanInput struct {
	LoanID string `path:"loanId" maxLength:"100"`
}

type loanOutput struct {
	Body struct {
		Loan Loan `json:"loan"`
	}
}

func (s loanpool) get(ctx context.Context, in *loanInput) (*loanOutput, error) {
	l, err := s.find(ctx, in.LoanID)
	if err != nil {
		return nil, err
	}
	var out loanOutput
	out.Body.Loan = view(ctx)(l)
	return &out, nil
}

func (s loanpool) find(ctx context.Context, id string) (readmodel.LoanState, error) {
	l, err := readmodel.Loan(ctx, s.Pool, id)
	if errors.Is(err, readmodel.ErrNotFound) {
		err = problem.New(http.StatusNotFound, "loan_not_found", "There is no such loan.")
	}
	return l, err
}

// Repayment is a part of a loan that was paid back.
type Repayment struct {
	PayerID       string    `json:"payerId" doc:"GX id"`
	Amount        string    `json:"amount" doc:"Qirat"`
	AmountGx      string    `json:"amountGx"`
	TransactionID string    `json:"transactionId" doc:"Of the ledger"`
	CommandID     string    `json:"commandId"`
	Timestamp     door.Time `json:"timestamp"`
}

type repaymentsInput struct {
	door.Paging
	LoanID string `path:"loanId" maxLength:"100"`
}

type repaymentsOutput struct{ Body door.List[Repayment] }

func (s loanpool) repayments(ctx context.Context, in *repaymentsInput) (*repaymentsOutput, error) {
	w, err := in.Window()
	if err != nil {
		return nil, err
	}
	if _, err := s.find(ctx, in.LoanID); err != nil {
		return nil, err
	}
	l, err := readmodel.Repayments(ctx, s.Pool, in.LoanID, w)
	if err != nil {
		return nil, err
	}
	return &repaymentsOutput{door.ListOf(l, func(r readmodel.Repayment) Repayment {
		return Repayment{r.PayerID, r.Amount.String(), r.Amount.GX(), r.TxID, r.CommandID, door.Time{Time: r.At}}
	})}, nil
}
