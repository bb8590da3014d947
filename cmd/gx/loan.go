package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"gxcoin.money/gx/api/client"
)

type loanCmd struct {
	Standing   standingOfCmd `cmd:"" help:"Show what may still be borrowed, and why not more."`
	Apply      applyCmd      `cmd:"" help:"Ask for a loan."`
	List       listLoansCmd  `cmd:"" help:"List loans, the last first."`
	Show       showLoanCmd   `cmd:"" help:"Show a loan."`
	Repay      repayCmd      `cmd:"" help:"Pay back a loan, or a part of it; anybody may."`
	Repayments repaymentsCmd `cmd:"" help:"Show what was paid back, the last first."`
	Cancel     cancelLoanCmd `cmd:"" help:"Withdraw an application."`

	Approve approveLoanCmd `cmd:"" help:"As staff: grant a loan and pay it out."`
	Reject  rejectLoanCmd  `cmd:"" help:"As staff: refuse an application."`
	Default defaultLoanCmd `cmd:"" help:"As staff: give up on a loan that is long overdue."`
}

// fileHash returns the SHA-256 of a file that stays here.
func fileHash(path string) (string, []byte, error) {
	content, err := os.ReadFile(path)
	hash := sha256.Sum256(content)
	return hex.EncodeToString(hash[:]), content, err
}

type standingOfCmd struct {
	ID           string `arg:"" optional:"" default:"me" help:"Profile id or GX id; without, one's own."`
	viewSettings `embed:""`
}

// Run prints what a person may borrow.
func (c standingOfCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.StandingResponse, error) { return gx.GetLoanStanding(ctx, c.ID) },
		func(w io.Writer, r client.StandingResponse) {
			s := r.Standing
			facts(w, "may borrow", yesNo(s.Eligible), "because", s.Reason, "available", gxOf(s.Available), "outstanding", gxOf(s.Outstanding),
				"open loans", fmt.Sprintf("%d of %d", s.OpenLoans, s.MaxOpenLoans), "defaults", s.Defaults, "trust score", fmt.Sprintf("%d, %d needed", s.TrustScore, s.MinTrustScore),
				"amount", gxOf(s.MinAmount)+" to "+gxOf(s.MaxAmount), "longest", fmt.Sprintf("%d days", s.MaxTermDays))
		})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type applyCmd struct {
	Amount        amount `arg:"" help:"How much, with its unit: 5000GX."`
	Days          int64  `required:"" placeholder:"N" help:"For how many days."`
	Purpose       string `required:"" placeholder:"TEXT" help:"What for."`
	Collateral    string `required:"" type:"existingfile" placeholder:"FILE" help:"Document of the collateral. Only its hash leaves this machine."`
	orderSettings `embed:""`
}

// Run asks for a loan.
func (c applyCmd) Run(ctx context.Context, p *program) error {
	hash, _, err := fileHash(c.Collateral)
	if err != nil {
		return err
	}
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.ApplyForLoan(ctx, client.LoanpoolApplyRequest{Amount: c.Amount.String(), TermDays: c.Days, Purpose: c.Purpose, CollateralHash: hash}, o...)
	})
}

type listLoansCmd struct {
	Status       string `placeholder:"STATUS" help:"Only those in it, such as PENDING_APPROVAL or ACTIVE."`
	Of           string `placeholder:"ID" help:"As staff: only those of a person."`
	pageSettings `embed:""`
	viewSettings `embed:""`
}

// Run prints one page of loans.
func (c listLoansCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.ListLoan, error) {
		return gx.ListLoans(ctx, client.ListLoansParams{Status: client.ListLoansParamsStatus(c.Status), BorrowerID: c.Of, Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.ListLoan) {
		row(w, "BORROWER", "STATUS", "OUTSTANDING", "DUE", "LOAN")
		for _, l := range r.Data {
			row(w, l.BorrowerID, string(l.Status), gxOf(l.Outstanding), l.DueAt, l.LoanID)
		}
		more(w, "--cursor", r.NextCursor)
	})
}

type showLoanCmd struct {
	ID           string `arg:"" help:"Id of the loan."`
	viewSettings `embed:""`
}

// Run prints a loan.
func (c showLoanCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.LoanResponse, error) { return gx.GetLoan(ctx, c.ID) },
		func(w io.Writer, r client.LoanResponse) {
			l := r.Loan
			facts(w, "loan", l.LoanID, "status", string(l.Status), "amount", gxOf(l.Amount), "paid back", gxOf(l.RepaidTotal), "outstanding", gxOf(l.Outstanding),
				"borrower", l.BorrowerID, "purpose", l.Purpose, "days", l.TermDays, "collateral", l.CollateralStatus, "SHA-256 of it", l.CollateralHash,
				"asked", l.AppliedAt, "granted", l.ApprovedAt, "due", l.DueAt, "paid", l.PaidAt, "given up", l.DefaultedAt, "refused because", l.RejectedReason)
		})
}

type repayCmd struct {
	ID            string `arg:"" help:"Id of the loan."`
	Amount        amount `arg:"" help:"How much, with its unit: 100GX."`
	orderSettings `embed:""`
}

// Run pays back.
func (c repayCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.RepayLoan(ctx, c.ID, client.RepayRequest{Amount: c.Amount.String()}, o...)
	})
}

type repaymentsCmd struct {
	ID           string `arg:"" help:"Id of the loan."`
	pageSettings `embed:""`
	viewSettings `embed:""`
}

// Run prints one page of repayments.
func (c repaymentsCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.ListRepayment, error) {
		return gx.ListRepayments(ctx, c.ID, client.ListRepaymentsParams{Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.ListRepayment) {
		row(w, "AT", "AMOUNT", "BY", "COMMAND")
		for _, x := range r.Data {
			row(w, x.Timestamp, gxOf(x.Amount), x.PayerID, x.CommandID)
		}
		more(w, "--cursor", r.NextCursor)
	})
}

type cancelLoanCmd struct {
	orderAbout `embed:""`
}

// Run withdraws an application.
func (c cancelLoanCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, false, (*client.Client).CancelLoan)
}

type approveLoanCmd struct {
	ID            string `arg:"" help:"Id of the loan."`
	Notes         string `placeholder:"TEXT" help:"For the record."`
	orderSettings `embed:""`
}

// Run grants a loan, or asks a second person to.
func (c approveLoanCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.ApproveLoan(ctx, c.ID, &client.ApproveRequest{Notes: c.Notes}, o...)
	})
}

type rejectLoanCmd struct {
	ID            string `arg:"" help:"Id of the loan."`
	Reason        string `required:"" placeholder:"TEXT" help:"Why, 10 characters or more; the borrower is told."`
	orderSettings `embed:""`
}

// Run refuses an application, or asks a second person to.
func (c rejectLoanCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.RejectLoan(ctx, c.ID, client.LoanpoolRejectRequest{Reason: c.Reason}, o...)
	})
}

type defaultLoanCmd struct {
	orderAbout `embed:""`
}

// Run gives a loan up, or asks a second person to.
func (c defaultLoanCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, true, (*client.Client).DeclareLoanDefaulted)
}
