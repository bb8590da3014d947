package contract_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

const poolOpening = 312_500_000_000 * gx

var collateral = strings.Repeat("ab", 32)

func application(borrower string, amount qirat.Amount) *command.ApplyForLoan {
	return &command.ApplyForLoan{ActorID: borrower, Amount: amount, CollateralHash: collateral, Purpose: "a bakery", TermDays: 30}
}

// apply files an application and returns the id of the loan.
func apply(t testing.TB, l *contracttest.Ledger, p *command.ApplyForLoan) string {
	t.Helper()
	return l.Apply(t, p)[0].(*event.LoanApplicationReceived).LoanID
}

func loanOf(t testing.TB, l *contracttest.Ledger, id string) contract.Loan {
	t.Helper()
	var loan contract.Loan
	if err := l.Query(&loan, "LoanPoolContract:GetLoan", id); err != nil {
		t.Fatal(err)
	}
	return loan
}

// borrowers returns a ledger with a person who may borrow, and others.
func borrowers(t testing.TB) (l *contracttest.Ledger, borrower string, others []string) {
	t.Helper()
	l = contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 6)
	trusted(t, l, p[0], p[1:5])
	return l, p[0], p[1:]
}

func TestLoanIsPaidOutAndRepaid(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration // from the approval to the last instalment; the loan is due after 30 days
		trust int
	}{
		{"more than a week early", 23*day - time.Second, 90 + 5 + 15 - 10}, // capped at 100
		{"on time", 30 * day, 100},
		{"a little late", 30*day + time.Second, 90 + 5 - 10},
		{"late", 60 * day, 90 + 5 - 25},
		{"as late as a default", 121 * day, 90 + 5 - 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, borrower, others := borrowers(t)
			id := apply(t, l, application(borrower, 1000*gx))
			if !strings.HasPrefix(id, command.LoanPrefix) {
				t.Errorf("loan id %q", id)
			}
			events := l.Apply(t, &command.ApproveLoan{ApproverAdminID: "staff-1", LoanID: id, BorrowerID: borrower})
			approved := events[0].(*event.LoanApproved)
			if approved.BorrowerBalanceAfter != 1500*gx || !approved.DueAt.Equal(l.Now.AddDate(0, 0, 30)) || approved.BorrowerVelocityTimerStart == nil {
				t.Errorf("approved: %+v", approved)
			}
			if got := l.Balance(t, account.LoanPool); got != poolOpening-1000*gx {
				t.Errorf("pool after the payment: %s", got)
			}
			if score := events[1].(*event.TrustScoreUpdated); score.Score != 95 || score.Loans != 5 {
				t.Errorf("trust after the approval: %+v", score)
			}
			l.Apply(t, &command.RepayLoan{ActorID: borrower, LoanID: id, Amount: 600 * gx})
			if got := loanOf(t, l, id); got.Outstanding != 400*gx || got.RepaidTotal != 600*gx || got.Status != status.LoanActive || got.CollateralStatus != status.CollateralPledged {
				t.Errorf("after an instalment: %+v", got)
			}
			l.Refuse(t, contract.CodeInvalidArgument, "outstanding", &command.RepayLoan{ActorID: borrower, LoanID: id, Amount: 400*gx + 1})
			l.Now = l.Now.Add(c.after)
			events = l.Apply(t, &command.RepayLoan{ActorID: others[0], LoanID: id, Amount: 400 * gx}) // by somebody else
			if e := events[0].(*event.LoanRepaid); e.PayerID != others[0] || e.PayerBalanceAfter != 100*gx || e.Status != status.LoanPaid {
				t.Errorf("repaid: %+v", e)
			}
			if got := loanOf(t, l, id); got.Outstanding != 0 || got.CollateralStatus != status.CollateralReleased || got.PaidAt == nil {
				t.Errorf("in the end: %+v", got)
			}
			if got := trustScore(t, l, borrower); got != c.trust {
				t.Errorf("trust %d, want %d", got, c.trust)
			}
			if got := l.Balance(t, account.LoanPool); got != poolOpening {
				t.Errorf("pool in the end: %s", got)
			}
			l.Refuse(t, contract.CodeInvalidState, "PAID", &command.RepayLoan{ActorID: borrower, LoanID: id, Amount: 1})
			l.CheckSupply(t)
		})
	}
}

func TestLoanApplicationLimits(t *testing.T) {
	l, borrower, others := borrowers(t)
	l.Refuse(t, contract.CodeNotEligible, "trust score of 75", application(others[4], 100*gx))
	l.Refuse(t, contract.CodeLimitExceeded, "amount", application(borrower, 100*gx-1))
	l.Refuse(t, contract.CodeLimitExceeded, "amount", application(borrower, 1_000_000*gx+1))
	long := application(borrower, 100*gx)
	long.TermDays = 366
	l.Refuse(t, contract.CodeLimitExceeded, "termDays", long)
	var ids []string
	for range 5 {
		ids = append(ids, apply(t, l, application(borrower, 100*gx)))
	}
	l.Refuse(t, contract.CodeLimitExceeded, "open loans", application(borrower, 100*gx))
	l.Apply(t, &command.CancelLoan{ActorID: borrower, LoanID: ids[0]}, &command.CancelLoan{ActorID: borrower, LoanID: ids[1]})
	l.Apply(t, &command.RejectLoan{AdminID: "staff-1", LoanID: ids[2], Reason: "no collateral"})
	if got := loanOf(t, l, ids[2]); got.Status != status.LoanRejected || got.RejectedReason != "no collateral" {
		t.Errorf("rejected: %+v", got)
	}
	for range 3 {
		apply(t, l, application(borrower, 1_000_000*gx))
	}
	var page struct {
		Items    []contract.Loan `json:"items"`
		Bookmark string          `json:"bookmark"`
	}
	if err := l.Query(&page, "LoanPoolContract:GetMyLoans", borrower, "6", ""); err != nil || len(page.Items) != 6 || page.Bookmark == "" {
		t.Errorf("first page: %d loans, bookmark %q, %v", len(page.Items), page.Bookmark, err)
	}
}

func TestLoanDecisions(t *testing.T) {
	l, borrower, others := borrowers(t)
	id := apply(t, l, application(borrower, 100*gx))
	l.Refuse(t, contract.CodeUnauthorized, "only the borrower", &command.CancelLoan{ActorID: others[0], LoanID: id})
	l.Refuse(t, contract.CodeUnauthorized, "of their own", &command.ApproveLoan{ApproverAdminID: borrower, LoanID: id})
	l.Refuse(t, contract.CodeInvalidArgument, "borrowerID", &command.ApproveLoan{ApproverAdminID: "staff-1", LoanID: id, BorrowerID: others[0]})
	l.Refuse(t, contract.CodeNotFound, "does not exist", &command.ApproveLoan{ApproverAdminID: "staff-1", LoanID: command.LoanPrefix + "none"})
	l.Apply(t, &command.FreezeWallet{AccountID: borrower, Reason: "ADMIN_ACTION"})
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", &command.ApproveLoan{ApproverAdminID: "staff-1", LoanID: id})
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", &command.CancelLoan{ActorID: borrower, LoanID: id})
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", application(borrower, 100*gx))
	l.Apply(t, &command.UnfreezeWallet{AccountID: borrower})
	l.Refuse(t, contract.CodeInvalidState, "PENDING", &command.RepayLoan{ActorID: borrower, LoanID: id, Amount: 1})
	l.Apply(t, &command.ApproveLoan{ApproverAdminID: "staff-1", LoanID: id})
	for _, p := range []command.Payload{
		&command.ApproveLoan{ApproverAdminID: "staff-1", LoanID: id}, &command.RejectLoan{AdminID: "staff-1", LoanID: id, Reason: "x"},
		&command.CancelLoan{ActorID: borrower, LoanID: id},
	} {
		l.Refuse(t, contract.CodeInvalidState, "ACTIVE", p)
	}
	l.CheckSupply(t)
}

func TestLoanDefault(t *testing.T) {
	l, borrower, others := borrowers(t)
	var ids []string
	for range 2 {
		ids = append(ids, apply(t, l, application(borrower, 100*gx)))
	}
	for _, id := range ids {
		l.Apply(t, &command.ApproveLoan{ApproverAdminID: "staff-1", LoanID: id})
	}
	l.Now = l.Now.AddDate(0, 0, 30+90)
	l.Refuse(t, contract.CodeNotEligible, "90 days later", &command.MarkLoanDefaulted{AdminID: "staff-1", LoanID: ids[0]})
	l.Now = l.Now.Add(time.Second)
	events := l.Apply(t, &command.MarkLoanDefaulted{AdminID: "staff-1", LoanID: ids[0]})
	if e := events[0].(*event.LoanDefaulted); e.Defaults != 1 || e.Banned || e.Outstanding != 100*gx {
		t.Errorf("first default: %+v", e)
	}
	if got := trustScore(t, l, borrower); got != 90+5+5-50 {
		t.Errorf("trust after a default: %d", got)
	}
	events = l.Apply(t, &command.MarkLoanDefaulted{AdminID: "staff-1", LoanID: ids[1]})
	if e := events[0].(*event.LoanDefaulted); e.Defaults != 2 || !e.Banned {
		t.Errorf("second default: %+v", e)
	}
	l.Refuse(t, contract.CodeNotEligible, "after 2 defaults", application(borrower, 100*gx))
	before := trustScore(t, l, borrower)
	l.Apply(t, &command.RepayLoan{ActorID: others[0], LoanID: ids[0], Amount: 100 * gx})
	if got := loanOf(t, l, ids[0]); got.Status != status.LoanPaid {
		t.Errorf("a repaid default: %+v", got)
	}
	if got := trustScore(t, l, borrower); got != before {
		t.Errorf("repaying a default changed the trust from %d to %d", before, got)
	}
}

// B-032, I7: whatever happens, outstanding = amount - repaid, the limits hold,
// and what the borrower is counted for is what the loans say.
func TestB032_LoanAccounts(t *testing.T) {
	base, borrower, others := borrowers(t)
	rapid.Check(t, func(r *rapid.T) {
		l := base.Clone()
		var ids []string
		steps := rapid.IntRange(1, 25).Draw(r, "steps")
		for range steps {
			l.Now = l.Now.Add(time.Duration(rapid.IntRange(0, 60).Draw(r, "days")) * day)
			id := command.LoanPrefix + "none"
			if len(ids) > 0 {
				id = rapid.SampledFrom(ids).Draw(r, "loan")
			}
			amount := qirat.Amount(rapid.SampledFrom([]uint64{1, 50, 100, 500, 1_000_000}).Draw(r, "gx")) * gx
			var p command.Payload
			switch rapid.IntRange(0, 5).Draw(r, "what") {
			case 0, 1:
				p = application(borrower, amount)
			case 2:
				p = &command.ApproveLoan{ApproverAdminID: "staff-1", LoanID: id}
			case 3:
				p = &command.RepayLoan{ActorID: rapid.SampledFrom(others).Draw(r, "payer"), LoanID: id, Amount: amount}
			case 4:
				p = &command.RepayLoan{ActorID: borrower, LoanID: id, Amount: amount}
			case 5:
				p = &command.MarkLoanDefaulted{AdminID: "staff-1", LoanID: id}
			}
			_, events := l.Run(t, p)
			for _, e := range events {
				if a, ok := e.(*event.LoanApplicationReceived); ok {
					ids = append(ids, a.LoanID)
				}
			}
		}
		var open int
		var exposure qirat.Amount
		for _, id := range ids {
			loan := loanOf(t, l, id)
			switch loan.Status {
			case status.LoanPending:
				open, exposure = open+1, exposure+loan.Amount
			case status.LoanActive, status.LoanDefaulted:
				open, exposure = open+1, exposure+loan.Outstanding
				if loan.Outstanding+loan.RepaidTotal != loan.Amount || loan.Outstanding == 0 {
					r.Fatalf("loan: %+v", loan)
				}
			}
		}
		var u struct {
			OpenLoans    int          `json:"openLoans"`
			LoanExposure qirat.Amount `json:"loanExposure"`
		}
		if err := l.Query(&u, "IdentityContract:GetUser", borrower); err != nil {
			r.Fatal(err)
		}
		if u.OpenLoans != open || u.LoanExposure != exposure || open > 5 || exposure > 10_000_000*gx {
			r.Fatalf("counted for %d loans of %s, has %d of %s", u.OpenLoans, u.LoanExposure, open, exposure)
		}
		l.CheckSupply(t)
	})
}
