package contract

import (
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

// Loan is an interest-free loan from the loan pool.
type Loan struct {
	LoanID           string            `json:"loanID"`
	BorrowerID       string            `json:"borrowerID"`
	Amount           qirat.Amount      `json:"amount"`
	Outstanding      qirat.Amount      `json:"outstanding"` // Amount less RepaidTotal, once paid out
	RepaidTotal      qirat.Amount      `json:"repaidTotal"`
	Purpose          string            `json:"purpose"`
	TermDays         int               `json:"termDays"`
	Status           status.Loan       `json:"status"`
	CollateralHash   string            `json:"collateralHash"`
	CollateralStatus status.Collateral `json:"collateralStatus,omitzero"` // absent until the loan is paid out
	AppliedAt        time.Time         `json:"appliedAt"`
	ApprovedAt       *time.Time        `json:"approvedAt,omitzero"`
	ApprovedBy       string            `json:"approvedBy,omitzero"`
	DueAt            *time.Time        `json:"dueAt,omitzero"`
	PaidAt           *time.Time        `json:"paidAt,omitzero"`
	DefaultedAt      *time.Time        `json:"defaultedAt,omitzero"`
	RejectedReason   string            `json:"rejectedReason,omitzero"`
}

func init() {
	handle(applyForLoan, func(p *command.ApplyForLoan) []string {
		return append([]string{accountKey(p.ActorID), userKey(p.ActorID)}, loanParameterKeys...)
	}, "LoanApplicationReceived")
	handle(approveLoan, func(p *command.ApproveLoan) []string {
		keys := append(staffKeys(p.Actor()), loanKeys(p.LoanID, p.BorrowerID)...)
		return append(keys, parameterKey(parameter.MinTrustScoreForLoan), accountKey(account.LoanPool))
	}, "LoanApproved", "TrustScoreUpdated")
	handle(rejectLoan, func(p *command.RejectLoan) []string {
		return append(staffKeys(p.Actor()), loanKeys(p.LoanID, p.BorrowerID)...)
	}, "LoanRejected")
	handle(cancelLoan, func(p *command.CancelLoan) []string { return loanKeys(p.LoanID, p.ActorID) }, "LoanCancelled")
	handle(repayLoan, func(p *command.RepayLoan) []string {
		return append(loanKeys(p.LoanID, p.BorrowerID), accountKey(p.ActorID))
	}, "LoanRepaid", "TrustScoreUpdated")
	handle(markLoanDefaulted, func(p *command.MarkLoanDefaulted) []string {
		keys := append(staffKeys(p.Actor()), loanKeys(p.LoanID, p.BorrowerID)...)
		return append(keys, parameterKey(parameter.LoanDefaultGraceDays))
	}, "LoanDefaulted", "TrustScoreUpdated")
	query(command.LoanPoolContract, "GetLoan", []string{"loanID"}, func(t *tx, args []string) (*Loan, error) { return t.loan(args[0]) })
	query(command.LoanPoolContract, "GetMyLoans", []string{"borrowerID", "pageSize", "bookmark"}, getMyLoans)
}

var loanParameterKeys = []string{
	parameterKey(parameter.LoanMinAmount), parameterKey(parameter.LoanMaxAmount), parameterKey(parameter.LoanMaxConcurrent),
	parameterKey(parameter.LoanMaxOutstanding), parameterKey(parameter.MaxLoanDurationDays), parameterKey(parameter.MinTrustScoreForLoan),
}

func loanKey(id string) string { return compositeKey("loan", id) }

func loanKeys(loanID, borrowerID string) []string {
	keys := []string{loanKey(loanID)}
	if borrowerID != "" {
		keys = append(keys, userKey(borrowerID), accountKey(borrowerID))
	}
	return keys
}

func (t *tx) loan(id string) (*Loan, error) {
	l, err := load[Loan](t, loanKey(id))
	if err == nil && l == nil {
		err = refuse(CodeNotFound, "loan %s does not exist", id)
	}
	return l, err
}

func (t *tx) setLoan(l *Loan) error { return store(t, loanKey(l.LoanID), l) }

// loanOf returns a loan that must be the borrower's, if one is named, and have
// one of the statuses.
func (t *tx) loanOf(id, borrowerID string, statuses ...status.Loan) (*Loan, error) {
	l, err := t.loan(id)
	if err != nil {
		return nil, err
	}
	if borrowerID != "" && l.BorrowerID != borrowerID {
		return nil, refuse(CodeInvalidArgument, "borrowerID: loan %s is not that of %s", id, borrowerID)
	}
	for _, s := range statuses {
		if l.Status == s {
			return l, nil
		}
	}
	return nil, refuse(CodeInvalidState, "loan %s is %s", id, l.Status)
}

// creditworthy checks what a borrower needs at the application and again at the
// approval.
func (t *tx) creditworthy(u *User) error {
	if u.LoanBanned {
		return refuse(CodeNotEligible, "%s gets no loans after %d defaults", u.UserID, u.LoanDefaults)
	}
	least, err := t.parameter(parameter.MinTrustScoreForLoan)
	if err != nil {
		return err
	}
	if uint64(u.TrustScore) < least {
		return refuse(CodeNotEligible, "a loan needs a trust score of %d, %s has %d", least, u.UserID, u.TrustScore)
	}
	return nil
}

func applyForLoan(t *tx, p *command.ApplyForLoan) (any, error) {
	if _, err := t.actor(p.ActorID); err != nil {
		return nil, err
	}
	u, err := t.user(p.ActorID)
	if err != nil {
		return nil, err
	}
	if err := t.creditworthy(u); err != nil {
		return nil, err
	}
	if err := t.checkLoanTerms(p); err != nil {
		return nil, err
	}
	if err := t.extendCredit(u, p.Amount); err != nil {
		return nil, err
	}
	l := &Loan{
		LoanID: t.newID(command.LoanPrefix), BorrowerID: p.ActorID, Amount: p.Amount, Purpose: p.Purpose, TermDays: p.TermDays,
		Status: status.LoanPending, CollateralHash: p.CollateralHash, AppliedAt: t.now,
	}
	t.put(compositeKey("loanBy", l.BorrowerID, l.LoanID), []byte{'1'})
	if err := t.setLoan(l); err != nil {
		return nil, err
	}
	return map[string]string{"loanID": l.LoanID}, t.emit(&event.LoanApplicationReceived{
		LoanID: l.LoanID, BorrowerID: l.BorrowerID, Amount: l.Amount, Purpose: l.Purpose, CollateralHash: l.CollateralHash,
		TermDays: l.TermDays, AppliedAt: l.AppliedAt,
	})
}

// checkLoanTerms checks amount and term of one loan.
func (t *tx) checkLoanTerms(p *command.ApplyForLoan) error {
	least, err := t.amount(parameter.LoanMinAmount)
	if err != nil {
		return err
	}
	most, err := t.amount(parameter.LoanMaxAmount)
	if err != nil {
		return err
	}
	longest, err := t.parameter(parameter.MaxLoanDurationDays)
	switch {
	case err != nil:
		return err
	case p.Amount < least || p.Amount > most:
		return refuse(CodeLimitExceeded, "amount: a loan is from %s to %s", least, most)
	case uint64(p.TermDays) > longest:
		return refuse(CodeLimitExceeded, "termDays: a loan runs for at most %d days", longest)
	}
	return nil
}

// extendCredit counts one more loan of a borrower against the limits.
func (t *tx) extendCredit(u *User, amount qirat.Amount) error {
	count, err := t.parameter(parameter.LoanMaxConcurrent)
	if err != nil {
		return err
	}
	if uint64(u.OpenLoans) >= count {
		return refuse(CodeLimitExceeded, "%s has %d open loans, the most are %d", u.UserID, u.OpenLoans, count)
	}
	most, err := t.amount(parameter.LoanMaxOutstanding)
	if err != nil {
		return err
	}
	exposure, err := u.LoanExposure.Add(amount)
	if err != nil {
		return err
	}
	if exposure > most {
		return refuse(CodeLimitExceeded, "%s would owe %s with this loan, the most is %s", u.UserID, exposure, most)
	}
	u.OpenLoans++
	u.LoanExposure = exposure
	return t.setUser(u)
}

// releaseCredit takes back what extendCredit counted: an amount, and the loan
// itself when it is closed. u is to be stored.
func releaseCredit(u *User, amount qirat.Amount, closed bool) (err error) {
	if closed {
		u.OpenLoans--
	}
	u.LoanExposure, err = u.LoanExposure.Sub(amount)
	return err
}

func approveLoan(t *tx, p *command.ApproveLoan) (any, error) {
	if err := t.staff(p.Actor()); err != nil {
		return nil, err
	}
	l, err := t.loanOf(p.LoanID, p.BorrowerID, status.LoanPending)
	if err != nil {
		return nil, err
	}
	if p.ApproverAdminID == l.BorrowerID {
		return nil, refuse(CodeUnauthorized, "nobody approves a loan of their own")
	}
	borrower, err := t.actor(l.BorrowerID)
	if err != nil {
		return nil, err
	}
	u, err := t.user(l.BorrowerID)
	if err != nil {
		return nil, err
	}
	if err := t.creditworthy(u); err != nil {
		return nil, err
	}
	pool, err := t.account(account.LoanPool)
	if err != nil {
		return nil, err
	}
	if err := t.move(movement{From: pool, To: borrower, Amount: l.Amount, Type: EntryLoanDisbursement, Ref: l.LoanID}); err != nil {
		return nil, err
	}
	due := t.now.AddDate(0, 0, l.TermDays)
	l.Status, l.CollateralStatus, l.Outstanding = status.LoanActive, status.CollateralPledged, l.Amount
	l.ApprovedAt, l.ApprovedBy, l.DueAt = &t.now, p.ApproverAdminID, &due
	if err := t.setLoan(l); err != nil {
		return nil, err
	}
	if err := t.emit(&event.LoanApproved{
		LoanID: l.LoanID, BorrowerID: l.BorrowerID, Amount: l.Amount, ApprovedBy: l.ApprovedBy, DueAt: due, PoolSource: account.LoanPool,
		BorrowerBalanceAfter: borrower.Balance, BorrowerVelocityTimerStart: borrower.VelocityTaxTimerStart,
	}); err != nil {
		return nil, err
	}
	return nil, t.adjustTrust(u, trust.LoanApproved)
}

func rejectLoan(t *tx, p *command.RejectLoan) (any, error) {
	if err := t.staff(p.Actor()); err != nil {
		return nil, err
	}
	l, err := t.loanOf(p.LoanID, p.BorrowerID, status.LoanPending)
	if err != nil {
		return nil, err
	}
	l.Status, l.RejectedReason = status.LoanRejected, p.Reason
	if err := t.closeApplication(l); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.LoanRejected{LoanID: l.LoanID, BorrowerID: l.BorrowerID, RejectedBy: p.AdminID, Reason: p.Reason})
}

func cancelLoan(t *tx, p *command.CancelLoan) (any, error) {
	if _, err := t.actor(p.ActorID); err != nil {
		return nil, err
	}
	l, err := t.loan(p.LoanID)
	if err != nil {
		return nil, err
	}
	if l.BorrowerID != p.ActorID {
		return nil, refuse(CodeUnauthorized, "only the borrower can cancel loan %s", l.LoanID)
	}
	if l.Status != status.LoanPending {
		return nil, refuse(CodeInvalidState, "loan %s is %s", l.LoanID, l.Status)
	}
	l.Status = status.LoanCancelled
	if err := t.closeApplication(l); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.LoanCancelled{LoanID: l.LoanID, BorrowerID: l.BorrowerID})
}

// closeApplication stores a loan that is never paid out.
func (t *tx) closeApplication(l *Loan) error {
	u, err := t.user(l.BorrowerID)
	if err != nil {
		return err
	}
	if err := releaseCredit(u, l.Amount, true); err != nil {
		return err
	}
	if err := t.setUser(u); err != nil {
		return err
	}
	return t.setLoan(l)
}

func repayLoan(t *tx, p *command.RepayLoan) (any, error) {
	l, err := t.loanOf(p.LoanID, p.BorrowerID, status.LoanActive, status.LoanDefaulted)
	if err != nil {
		return nil, err
	}
	if p.Amount > l.Outstanding {
		return nil, refuse(CodeInvalidArgument, "amount: only %s is outstanding", l.Outstanding)
	}
	payer, err := t.actor(p.ActorID)
	if err != nil {
		return nil, err
	}
	pool := collectiveAccount(account.LoanPool)
	if err := t.move(movement{From: payer, To: pool, Amount: p.Amount, Type: EntryLoanRepayment, Ref: l.LoanID}); err != nil {
		return nil, err
	}
	if l.Outstanding, err = l.Outstanding.Sub(p.Amount); err != nil {
		return nil, err
	}
	if l.RepaidTotal, err = l.RepaidTotal.Add(p.Amount); err != nil {
		return nil, err
	}
	wasActive, paid := l.Status == status.LoanActive, l.Outstanding == 0
	if paid {
		l.Status, l.PaidAt, l.CollateralStatus = status.LoanPaid, &t.now, status.CollateralReleased
	}
	if err := t.setLoan(l); err != nil {
		return nil, err
	}
	u, err := t.user(l.BorrowerID)
	if err != nil {
		return nil, err
	}
	if err := releaseCredit(u, p.Amount, paid); err != nil {
		return nil, err
	}
	if err := t.emit(&event.LoanRepaid{
		LoanID: l.LoanID, BorrowerID: l.BorrowerID, PayerID: p.ActorID, Amount: p.Amount, Outstanding: l.Outstanding, RepaidTotal: l.RepaidTotal,
		Status: l.Status, PoolID: account.LoanPool, PayerBalanceAfter: payer.Balance, PayerVelocityTimerStart: payer.VelocityTaxTimerStart,
	}); err != nil {
		return nil, err
	}
	// The score of a default stands, whoever pays in the end.
	if paid && wasActive {
		return nil, t.adjustTrust(u, trust.Repayment(*l.DueAt, t.now))
	}
	return nil, t.setUser(u)
}

func markLoanDefaulted(t *tx, p *command.MarkLoanDefaulted) (any, error) {
	if err := t.staff(p.Actor()); err != nil {
		return nil, err
	}
	l, err := t.loanOf(p.LoanID, p.BorrowerID, status.LoanActive)
	if err != nil {
		return nil, err
	}
	grace, err := t.days(parameter.LoanDefaultGraceDays)
	if err != nil {
		return nil, err
	}
	if !t.now.After(l.DueAt.Add(grace)) {
		return nil, refuse(CodeNotEligible, "loan %s is due on %s and can be declared defaulted %d days later", l.LoanID,
			l.DueAt.Format(time.DateOnly), grace/(24*time.Hour))
	}
	u, err := t.user(l.BorrowerID)
	if err != nil {
		return nil, err
	}
	l.Status, l.DefaultedAt, l.CollateralStatus = status.LoanDefaulted, &t.now, status.CollateralSeized
	if err := t.setLoan(l); err != nil {
		return nil, err
	}
	u.LoanDefaults++
	u.LoanBanned = u.LoanDefaults >= trust.DefaultsToBan
	if err := t.emit(&event.LoanDefaulted{
		LoanID: l.LoanID, BorrowerID: l.BorrowerID, MarkedBy: p.AdminID, Outstanding: l.Outstanding, Defaults: u.LoanDefaults, Banned: u.LoanBanned,
	}); err != nil {
		return nil, err
	}
	return nil, t.adjustTrust(u, trust.LoanDefaulted)
}

func getMyLoans(t *tx, args []string) (*page[*Loan], error) {
	if _, err := t.user(args[0]); err != nil {
		return nil, err
	}
	return list(t, compositeKey("loanBy", args[0]), args[1], args[2], func(key string, _ *int) (*Loan, error) {
		return t.loan(attributes(key)[1])
	})
}
