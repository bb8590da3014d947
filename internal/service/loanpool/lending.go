package loanpool

import (
	"context"
	"net/http"
	"slices"
	"time"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

type applyInput struct {
	Body struct {
		BorrowerID     string       `json:"borrowerId,omitzero" maxLength:"64" doc:"When given, your own profile id"`
		Amount         qirat.Amount `json:"amount" pattern:"^[1-9][0-9]{0,18}$" patternDescription:"decimal digits: a whole number of Qirat above 0" example:"5000000000"`
		CollateralHash string       `json:"collateralHash" pattern:"^[0-9a-f]{64}$" patternDescription:"64 lower-case hex digits (SHA-256)" doc:"Of the documents of the collateral"`
		Purpose        string       `json:"purpose" minLength:"1" maxLength:"200" example:"a sewing machine"`
		TermDays       int          `json:"termDays" minimum:"1" maximum:"3650" example:"180"`
	}
}

func (s loanpool) apply(ctx context.Context, in *applyInput) (*door.Accepted, error) {
	b := &in.Body
	if b.BorrowerID != "" && b.BorrowerID != door.Caller(ctx).ID.String() {
		return nil, problem.Invalid(http.StatusForbidden, problem.Field{Field: "borrowerId", Code: "borrower_id_forbidden", Message: "must be your own profile id"})
	}
	me, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	st, p, err := s.credit(ctx, me)
	if err != nil {
		return nil, err
	}
	if err := s.Refuse(ctx, st.refuses(p, b.Amount, b.TermDays)); err != nil {
		return nil, err
	}
	application := *b
	application.BorrowerID = me
	return s.Submit(ctx, door.Submission{
		Payload: &command.ApplyForLoan{ActorID: me, Amount: b.Amount, CollateralHash: b.CollateralHash, Purpose: b.Purpose, TermDays: b.TermDays},
		Request: application, Receipt: door.Receipt{Message: "The application is being filed; its id is in the result of the command.", AggregateID: me},
	})
}

type approveInput struct {
	LoanID string `path:"loanId" maxLength:"100"`
	Body   *struct {
		Notes string `json:"notes,omitzero" maxLength:"1000" doc:"For the record"`
	}
}

func (s loanpool) approve(ctx context.Context, in *approveInput) (*door.Accepted, error) {
	l, err := s.find(ctx, in.LoanID)
	if err != nil {
		return nil, err
	}
	if err := s.inStatus(ctx, l, status.LoanPending); err != nil {
		return nil, err
	}
	if err := s.payable(ctx, l); err != nil {
		return nil, err
	}
	var notes string
	if in.Body != nil {
		notes = in.Body.Notes
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.ApproveLoan{ApproverAdminID: door.Caller(ctx).ID.String(), LoanID: l.LoanID, BorrowerID: l.BorrowerID},
		Request: map[string]string{"loanId": l.LoanID, "notes": notes, "reason": notes},
		Receipt: door.Receipt{Message: "The loan is being paid out.", AggregateID: l.LoanID},
	})
}

// payable refuses to pay out a loan that the ledger would not.
func (s loanpool) payable(ctx context.Context, l readmodel.LoanState) error {
	st, p, err := s.credit(ctx, l.BorrowerID)
	if err != nil {
		return err
	}
	borrower, err := readmodel.Account(ctx, s.Pool, l.BorrowerID)
	if err != nil {
		return err
	}
	pool, err := readmodel.Account(ctx, s.Pool, account.LoanPool)
	if err != nil {
		return err
	}
	refusal := st.unworthy(p)
	switch {
	case refusal != nil:
	case borrower.Status != readmodel.StatusActive:
		refusal = refused("borrower_not_active", "The account of the borrower is "+borrower.Status+".")
	case pool.Balance < l.Amount:
		refusal = refused("insufficient_funds", "The loan pool does not cover the loan.").
			WithFact("available", pool.Balance.String()).WithFact("required", l.Amount.String())
	}
	return s.Refuse(ctx, refusal)
}

// inStatus refuses what a loan in another status cannot undergo.
func (s loanpool) inStatus(ctx context.Context, l readmodel.LoanState, in ...status.Loan) error {
	if slices.Contains(in, l.Status) {
		return nil
	}
	return s.Refuse(ctx, problem.New(http.StatusConflict, "invalid_state", "The loan is "+string(l.Status)+"."))
}

type rejectInput struct {
	LoanID string `path:"loanId" maxLength:"100"`
	Body   struct {
		Reason string `json:"reason" minLength:"10" maxLength:"500" doc:"For the borrower"`
	}
}

func (s loanpool) reject(ctx context.Context, in *rejectInput) (*door.Accepted, error) {
	l, err := s.find(ctx, in.LoanID)
	if err != nil {
		return nil, err
	}
	if err := s.inStatus(ctx, l, status.LoanPending); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.RejectLoan{AdminID: door.Caller(ctx).ID.String(), LoanID: l.LoanID, Reason: in.Body.Reason, BorrowerID: l.BorrowerID},
		Request: map[string]string{"loanId": l.LoanID, "reason": in.Body.Reason},
		Receipt: door.Receipt{Message: "The application is being refused.", AggregateID: l.LoanID},
	})
}

func (s loanpool) declareDefaulted(ctx context.Context, in *loanInput) (*door.Accepted, error) {
	l, err := s.find(ctx, in.LoanID)
	if err != nil {
		return nil, err
	}
	if err := s.inStatus(ctx, l, status.LoanActive); err != nil {
		return nil, err
	}
	p, err := s.rates.Parameters(ctx)
	if err != nil {
		return nil, err
	}
	from := l.DueAt.AddDate(0, 0, int(p.Value(parameter.LoanDefaultGraceDays)))
	var refusal error
	if !s.Clock().After(from) {
		refusal = problem.New(http.StatusConflict, "not_overdue", "The borrower still has time.").WithFact("possibleFrom", from.Format(time.RFC3339))
	}
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.MarkLoanDefaulted{AdminID: door.Caller(ctx).ID.String(), LoanID: l.LoanID, BorrowerID: l.BorrowerID},
		Request: map[string]string{"loanId": l.LoanID},
		Receipt: door.Receipt{Message: "The loan is being declared defaulted.", AggregateID: l.LoanID},
	})
}

func (s loanpool) cancel(ctx context.Context, in *loanInput) (*door.Accepted, error) {
	me, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	l, err := s.find(ctx, in.LoanID)
	if err != nil {
		return nil, err
	}
	if err := s.inStatus(ctx, l, status.LoanPending); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.CancelLoan{ActorID: me, LoanID: l.LoanID}, Request: map[string]string{"loanId": l.LoanID},
		Receipt: door.Receipt{Message: "The application is being withdrawn.", AggregateID: l.LoanID},
	})
}

type repayInput struct {
	LoanID string `path:"loanId" maxLength:"100"`
	Body   struct {
		Amount qirat.Amount `json:"amount" pattern:"^[1-9][0-9]{0,18}$" patternDescription:"decimal digits: a whole number of Qirat above 0" example:"1000000000"`
	}
}

func (s loanpool) repay(ctx context.Context, in *repayInput) (*door.Accepted, error) {
	me, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	l, err := s.find(ctx, in.LoanID)
	if err != nil {
		return nil, err
	}
	if err := s.inStatus(ctx, l, status.LoanActive, status.LoanDefaulted); err != nil {
		return nil, err
	}
	amount := in.Body.Amount
	available, err := people.Available(ctx, s.Pool, me)
	if err != nil {
		return nil, err
	}
	var refusal error
	switch {
	case amount > l.Outstanding:
		refusal = outside("amount", "must be at most what is outstanding")
	case amount > available:
		refusal = refused("insufficient_funds", "The available balance does not cover the repayment.").
			WithFact("available", available.String()).WithFact("required", amount.String())
	}
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.RepayLoan{ActorID: me, LoanID: l.LoanID, Amount: amount, BorrowerID: l.BorrowerID},
		Request: map[string]string{"loanId": l.LoanID, "amount": amount.String()},
		Receipt: door.Receipt{Message: "Repayment accepted.", AggregateID: l.LoanID, Fee: "0", FeeGx: qirat.Amount(0).GX(), Total: amount.String(), TotalGx: amount.GX()},
	})
}
