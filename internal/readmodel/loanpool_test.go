package readmodel_test

import (
	"testing"
	"time"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

func TestLoans(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx := t.Context()
	apply := func(id, borrower string, amount qirat.Amount) time.Time {
		at := w.at(w.block)
		return w.happen(&event.LoanApplicationReceived{LoanID: id, BorrowerID: borrower, Amount: amount, Purpose: "a shop", CollateralHash: "00", TermDays: 30, AppliedAt: at})
	}
	read := func(id string) readmodel.LoanState {
		return must[readmodel.LoanState](t)(readmodel.Loan(ctx, w.pool, id))
	}
	standing := func() readmodel.StandingState {
		return must[readmodel.StandingState](t)(readmodel.Standing(ctx, w.pool, "alice"))
	}
	same(t, "standing of the new", readmodel.StandingState{TrustScore: 10}, standing())
	applied := apply("LOAN_1", "alice", 100)
	want := readmodel.LoanState{LoanID: "LOAN_1", BorrowerID: "alice", Amount: 100, Purpose: "a shop", CollateralHash: "00", TermDays: 30, Status: status.LoanPending, AppliedAt: applied}
	same(t, "applied", want, read("LOAN_1"))
	same(t, "standing of the applicant", readmodel.StandingState{TrustScore: 10, Open: 1, Pending: 100}, standing())

	due, approved := w.at(500), w.at(w.block)
	w.commit(w.Lend("LOAN_1", "alice", 100, due, approved))
	want.Status, want.CollateralStatus, want.Outstanding, want.DecidedBy, want.DecidedAt, want.DueAt = status.LoanActive, status.CollateralPledged, 100, "clerk", &approved, &due
	same(t, "approved", want, read("LOAN_1"))
	w.checkBalances()
	w.commit(w.Repay("LOAN_1", "alice", "bob", 100, 0, 30, w.at(w.block)))
	want.Outstanding, want.RepaidTotal = 70, 30
	same(t, "repaid in part", want, read("LOAN_1"))
	same(t, "standing of the borrower", readmodel.StandingState{TrustScore: 15, Open: 1, Outstanding: 70}, standing())

	overdue := func(until uint64) []string {
		return drain(t, func(after readmodel.Due, limit int) ([]readmodel.LoanState, error) {
			return readmodel.OverdueLoans(ctx, w.pool, w.at(until), after, limit)
		}, func(l readmodel.LoanState) readmodel.Due { return readmodel.Due{At: *l.DueAt, ID: l.LoanID} })
	}
	apply("LOAN_2", "alice", 50)
	apply("LOAN_3", "bob", 50)
	w.commit(w.Lend("LOAN_2", "alice", 50, w.at(400), w.at(w.block)), w.Lend("LOAN_3", "bob", 50, w.at(400), w.at(w.block)))
	same(t, "overdue", []string{"LOAN_2", "LOAN_3", "LOAN_1"}, overdue(500))
	same(t, "overdue before", nil, overdue(399))
	defaulted := w.happen(&event.LoanDefaulted{LoanID: "LOAN_2", BorrowerID: "alice", MarkedBy: "scheduler", Outstanding: 50, Defaults: 2, Banned: true})
	if got := read("LOAN_2"); got.Status != status.LoanDefaulted || got.CollateralStatus != status.CollateralSeized || !got.DefaultedAt.Equal(defaulted) {
		t.Errorf("defaulted: %+v", got)
	}
	same(t, "standing of the defaulter", readmodel.StandingState{TrustScore: 15, Open: 2, Outstanding: 120, Defaults: 2, Banned: true}, standing())
	same(t, "overdue after a default", []string{"LOAN_3", "LOAN_1"}, overdue(500))
	paid := w.at(w.block)
	w.commit(w.Repay("LOAN_1", "alice", "alice", 100, 30, 70, paid))
	want.Status, want.CollateralStatus, want.Outstanding, want.RepaidTotal, want.PaidAt = status.LoanPaid, status.CollateralReleased, 0, 100, &paid
	same(t, "paid", want, read("LOAN_1"))
	repaid := walk(t, "repayments", func(v readmodel.Window) (readmodel.List[readmodel.Repayment], error) {
		return readmodel.Repayments(ctx, w.pool, "LOAN_1", v)
	})
	if len(repaid) != 2 || repaid[0].PayerID != "alice" || repaid[0].Amount != 70 || !repaid[0].At.Equal(paid) || repaid[1].PayerID != "bob" || repaid[1].Amount != 30 {
		t.Errorf("repayments %+v", repaid)
	}
	w.checkBalances()
	w.checkStatements()

	apply("LOAN_4", "alice", 10)
	apply("LOAN_5", "alice", 10)
	refused := w.happen(&event.LoanRejected{LoanID: "LOAN_4", BorrowerID: "alice", RejectedBy: "clerk", Reason: "banned"})
	withdrawn := w.happen(&event.LoanCancelled{LoanID: "LOAN_5", BorrowerID: "alice"})
	if got := read("LOAN_4"); got.Status != status.LoanRejected || got.DecidedBy != "clerk" || got.Reason != "banned" || !got.DecidedAt.Equal(refused) {
		t.Errorf("rejected: %+v", got)
	}
	if got := read("LOAN_5"); got.Status != status.LoanCancelled || got.DecidedBy != "alice" || !got.DecidedAt.Equal(withdrawn) {
		t.Errorf("cancelled: %+v", got)
	}
	ids := func(borrower string, in ...status.Loan) (out []string) {
		for _, l := range walk(t, borrower, func(v readmodel.Window) (readmodel.List[readmodel.LoanState], error) {
			return readmodel.Loans(ctx, w.pool, borrower, in, v)
		}) {
			out = append(out, l.LoanID)
		}
		return out
	}
	same(t, "of alice", []string{"LOAN_5", "LOAN_4", "LOAN_2", "LOAN_1"}, ids("alice"))
	same(t, "all", []string{"LOAN_5", "LOAN_4", "LOAN_3", "LOAN_2", "LOAN_1"}, ids(""))
	same(t, "active", []string{"LOAN_3"}, ids("", status.LoanActive))
	same(t, "of bob, defaulted", nil, ids("bob", status.LoanDefaulted))
}
