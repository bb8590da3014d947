package readmodeltest

import (
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/velocity"
)

// after returns the balance of a cold account as events state it, and nothing
// for a collective one.
func (e *Economy) after(id string) *qirat.Amount {
	if account.IsCollective(id) {
		return nil
	}
	b := e.Balances[id]
	return &b
}

// timer starts the velocity timer of a cold account at the threshold.
func (e *Economy) timer(id string, at time.Time) *time.Time {
	if account.IsCollective(id) || e.Balances[id] < velocity.Threshold {
		return nil
	}
	return &at
}

func (e *Economy) move(from, to string, amount qirat.Amount) {
	e.Balances[from] -= amount
	e.Balances[to] += amount
}

// ProposeOrganization registers an organization with an empty account.
func (e *Economy) ProposeOrganization(id string, kind account.Kind, country string, stakeholders ...string) Command {
	e.Balances[id] = 0
	e.nations[id] = country
	return Command{Type: command.TypeProposeOrganization, Actor: stakeholders[0], Events: []event.Event{
		&event.OrganizationProposed{OrgID: id, OrgName: "The " + id, OrgType: kind, Country: country, Stakeholders: stakeholders, ProposerID: stakeholders[0]},
	}}
}

// Disburse pays from a pool to any account.
func (e *Economy) Disburse(pool, to string, amount qirat.Amount, at time.Time) Command {
	e.move(pool, to, amount)
	return Command{Type: command.TypeDisburseFromPool, Events: []event.Event{
		&event.PoolDisbursed{PoolID: pool, RecipientID: to, Amount: amount, Reason: "relief", RecipientBalanceAfter: e.after(to), RecipientVelocityTimerStart: e.timer(to, at)},
	}}
}

// Adjust moves money internally.
func (e *Economy) Adjust(from, to string, amount qirat.Amount, t command.InternalType, at time.Time) Command {
	e.move(from, to, amount)
	return Command{Type: command.TypeTransferInternal, Events: []event.Event{
		&event.InternalTransfer{FromID: from, ToID: to, Amount: amount, Type: t, Remark: "correction", FromBalanceAfter: e.after(from), ToBalanceAfter: e.after(to),
			FromVelocityTimerStart: e.timer(from, at), ToVelocityTimerStart: e.timer(to, at)},
	}}
}

// Lend approves a loan.
func (e *Economy) Lend(loanID, borrower string, amount qirat.Amount, due, at time.Time) Command {
	e.move(account.LoanPool, borrower, amount)
	return Command{Type: command.TypeApproveLoan, Events: []event.Event{
		&event.LoanApproved{LoanID: loanID, BorrowerID: borrower, Amount: amount, ApprovedBy: "clerk", DueAt: due, PoolSource: account.LoanPool,
			BorrowerBalanceAfter: e.Balances[borrower], BorrowerVelocityTimerStart: e.timer(borrower, at)},
		&event.TrustScoreUpdated{UserID: borrower, Score: 15, Loans: 5},
	}}
}

// Repay pays on a loan of an amount, of which some was repaid before.
func (e *Economy) Repay(loanID, borrower, payer string, loan, before, amount qirat.Amount, at time.Time) Command {
	e.move(payer, account.LoanPool, amount)
	r := &event.LoanRepaid{LoanID: loanID, BorrowerID: borrower, PayerID: payer, Amount: amount, Outstanding: loan - before - amount, RepaidTotal: before + amount,
		Status: status.LoanActive, PoolID: account.LoanPool, PayerBalanceAfter: e.Balances[payer], PayerVelocityTimerStart: e.timer(payer, at)}
	if r.Outstanding == 0 {
		r.Status = status.LoanPaid
	}
	return Command{Type: command.TypeRepayLoan, Actor: payer, Events: []event.Event{r}}
}

// Tax applies the velocity tax to a cold account whose timer started at a moment.
func (e *Economy) Tax(id string, kind account.Kind, started, at time.Time) Command {
	balance := e.Balances[id]
	tax, government, redistribution, bps, err := velocity.Default().Tax(balance)
	if err != nil {
		panic(err)
	}
	treasury := account.TreasuryOf(e.nations[id])
	e.move(id, treasury, government)
	e.move(id, account.RedistributionPool, redistribution)
	return Command{Type: command.TypeApplyVelocityTax, Events: []event.Event{
		&event.VelocityTaxApplied{AccountID: id, AccountType: kind, TaxAmount: tax, TaxRateBps: bps, TreasuryID: treasury, GovtShare: government,
			RedistributionID: account.RedistributionPool, RedistributionShare: redistribution, Balance: balance, BalanceAfter: balance - tax,
			PreviousTimerStart: started, VelocityTimerStart: e.timer(id, at)},
	}}
}
