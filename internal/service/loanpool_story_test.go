package service_test

import (
	"strings"
	"testing"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/protocol/account"
)

// related has one person say what another is to them, and returns the relationship.
func (s *story) related(c, other *demo.Customer, what client.RelationshipClaimRequestRelationType) string {
	s.t.Helper()
	id, _ := s.done(c.Client.RequestRelationship(s.t.Context(), client.RelationshipClaimRequest{ToID: other.Account, RelationType: what}, wait))["relationshipID"].(string)
	return id
}

func (s *story) standing(c *demo.Customer) client.Standing {
	s.t.Helper()
	return must[client.StandingResponse](s.t)(c.Client.GetLoanStanding(s.t.Context(), "me")).Standing
}

func (s *story) lent(c *demo.Customer, id string, options ...client.Option) client.Loan {
	s.t.Helper()
	return must[client.LoanResponse](s.t)(c.Client.GetLoan(s.t.Context(), id, options...)).Loan
}

// Who is known by a family gets a loan, and better trusted by paying it back.
func TestD36LoanStory(t *testing.T) {
	s := begin(t, ringtest.Start(t), 5)
	ctx := t.Context()
	ada, bob, carol, dan, eve := s.people[0], s.people[1], s.people[2], s.people[3], s.people[4]
	application := client.LoanpoolApplyRequest{Amount: "1000000000", CollateralHash: strings.Repeat("c", 64), Purpose: "a sewing machine", TermDays: 100}
	refused[client.Receipt](t, "trust_too_low")(ada.Client.ApplyForLoan(ctx, application))

	for other, what := range map[*demo.Customer]client.RelationshipClaimRequestRelationType{
		bob: client.RelationshipClaimRequestRelationTypeFATHER, carol: client.RelationshipClaimRequestRelationTypeSPOUSE, dan: client.RelationshipClaimRequestRelationTypeSIBLING,
	} {
		id := s.related(ada, other, what)
		if l := must[client.RelationshipsResponse](t)(other.Client.ListRelationships(ctx, client.ListRelationshipsParams{})); len(l.PendingInvites) != 1 || l.PendingInvites[0].RelationshipID != id || !l.PendingInvites[0].AwaitsYou {
			t.Errorf("invites %+v", l)
		}
		refused[client.Receipt](t, "forbidden")(ada.Client.ConfirmRelationship(ctx, id, nil))
		refused[client.Receipt](t, "not_found")(eve.Client.ConfirmRelationship(ctx, id, nil))
		s.done(other.Client.ConfirmRelationship(ctx, id, nil, wait))
	}
	id := s.related(ada, eve, client.RelationshipClaimRequestRelationTypeFRIEND)
	s.done(eve.Client.RejectRelationship(ctx, id, &client.RelationshipDecisionRequest{Reason: "who is that"}, wait))
	refused[client.Receipt](t, "relationship_rejected")(ada.Client.RequestRelationship(ctx, client.RelationshipClaimRequest{ToID: eve.Profile, RelationType: client.RelationshipClaimRequestRelationTypeFRIEND}))
	if r := must[client.RelationshipResponse](t)(ada.Client.GetRelationship(ctx, id)).Relationship; r.Status != "REJECTED" || r.Reason != "who is that" {
		t.Errorf("rejected %+v", r)
	}
	if score := must[client.TrustScoreResponse](t)(ada.Client.GetTrustScore(ctx)); score.TotalScore != 80 || score.FamilyScore != 70 {
		t.Errorf("score %+v", score)
	}
	if st := s.standing(ada); !st.Eligible || st.Available != "1000000000000" {
		t.Errorf("standing %+v", st)
	}

	// The id is the ledger's, and a read after it waits for it.
	accepted := must[client.Receipt](t)(ada.Client.ApplyForLoan(ctx, application))
	loan, _ := s.done(accepted, nil)["loanID"].(string)
	if l := s.lent(ada, loan, client.After(accepted.CommandID)); l.Status != "PENDING_APPROVAL" || l.Amount != application.Amount || l.BorrowerID != ada.Account {
		t.Errorf("applied %+v", l)
	}
	refused[client.LoanResponse](t, "not_found")(eve.Client.GetLoan(ctx, loan))
	withdrawn, _ := s.done(ada.Client.ApplyForLoan(ctx, application, wait))["loanID"].(string)
	s.done(ada.Client.CancelLoan(ctx, withdrawn, wait))
	hopeless, _ := s.done(ada.Client.ApplyForLoan(ctx, application, wait))["loanID"].(string)
	s.done(s.staff.RejectLoan(ctx, hopeless, client.LoanpoolRejectRequest{Reason: "The collateral is not enough."}, wait))
	if l := s.lent(ada, hopeless); l.Status != "REJECTED" || l.RejectedReason != "The collateral is not enough." || l.DecidedBy != "" {
		t.Errorf("rejected %+v", l)
	}
	queue := must[client.ListLoan](t)(s.staff.ListLoans(ctx, client.ListLoansParams{Status: client.ListLoansParamsStatusPENDINGAPPROVAL}))
	if len(queue.Data) != 1 || queue.Data[0].LoanID != loan {
		t.Errorf("queue %+v", queue)
	}
	s.done(s.staff.ApproveLoan(ctx, loan, nil, wait))
	refused[client.Receipt](t, "invalid_state")(s.staff.ApproveLoan(ctx, loan, nil))
	refused[client.Receipt](t, "invalid_state")(ada.Client.CancelLoan(ctx, loan))
	d := must[client.DashboardResponse](t)(ada.Client.GetDashboard(ctx, "me"))
	if d.Wallet.BalanceGX != "1500" || d.RecentTransactions[0].Type != "LOAN_DISBURSEMENT" || !d.VelocityTax.Running || d.VelocityTax.ExpectedTaxGX != "45" {
		t.Errorf("dashboard %+v", d)
	}
	line := must[client.StatementLineResponse](t)(ada.Client.GetTransaction(ctx, d.RecentTransactions[0].OffTxID))
	if line.Transaction.AmountGX != "1000" || line.Transaction.CounterpartyName != "Loan pool" {
		t.Errorf("line %+v", line)
	}

	// Anybody may help, and nobody pays too much.
	refused[client.Receipt](t, "amount_invalid")(eve.Client.RepayLoan(ctx, loan, client.RepayRequest{Amount: "1000000001"}))
	refused[client.Receipt](t, "insufficient_funds")(eve.Client.RepayLoan(ctx, loan, client.RepayRequest{Amount: "600000000"}))
	s.done(eve.Client.RepayLoan(ctx, loan, client.RepayRequest{Amount: "400000000"}, wait))
	if l := s.lent(ada, loan); l.Outstanding != "600000000" || l.RepaidTotal != "400000000" || l.Status != "ACTIVE" {
		t.Errorf("repaid in part %+v", l)
	}
	s.done(ada.Client.RepayLoan(ctx, loan, client.RepayRequest{Amount: "600000000"}, wait))
	refused[client.Receipt](t, "invalid_state")(ada.Client.RepayLoan(ctx, loan, client.RepayRequest{Amount: "1"}))
	if l := s.lent(ada, loan); l.Status != "PAID" || l.Outstanding != "0" || l.CollateralStatus != "RELEASED" {
		t.Errorf("paid %+v", l)
	}
	repaid := must[client.ListRepayment](t)(ada.Client.ListRepayments(ctx, loan, client.ListRepaymentsParams{}))
	if len(repaid.Data) != 2 || repaid.Data[0].PayerID != ada.Account || repaid.Data[1].PayerID != eve.Account || repaid.Data[1].AmountGX != "400" {
		t.Errorf("repayments %+v", repaid)
	}
	if st := s.standing(ada); st.TrustScore != 100 || st.OpenLoans != 0 || st.Outstanding != "0" {
		t.Errorf("standing %+v", st)
	}
	if got := must[client.TokenomicsBalanceResponse](t)(eve.Client.GetBalance(ctx, "me")).Balance.BalanceGX; got != "100" {
		t.Errorf("eve has %s GX", got)
	}

	// Without her husband she is less known.
	marriage := must[client.RelationshipsResponse](t)(carol.Client.ListRelationships(ctx, client.ListRelationshipsParams{})).Relationships[0]
	s.done(carol.Client.EndRelationship(ctx, marriage.RelationshipID, nil, wait))
	if score := must[client.TrustScoreResponse](t)(ada.Client.GetTrustScore(ctx)); score.FamilyScore != 45 || score.TotalScore != 75 || score.LoansScore != 20 {
		t.Errorf("score %+v", score)
	}
}

// What the state does with money, each time by two of its staff.
func TestMoneyOfTheStateStory(t *testing.T) {
	s := begin(t, ringtest.Start(t), 2)
	ctx := t.Context()
	ada, bob := s.people[0], s.people[1]
	grace := s.colleague()
	balance := func() string {
		t.Helper()
		return must[client.TokenomicsBalanceResponse](t)(ada.Client.GetBalance(ctx, "me")).Balance.BalanceGX
	}
	approved := func(r client.Receipt, err error) { t.Helper(); s.approved(ctx, grace, r, err) }
	approved(s.staff.DisburseFromPool(ctx, "CHARITABLE", client.DisbursementRequest{RecipientID: ada.Profile, Amount: "25000000", Reason: "flood relief, first part"}))
	if got := balance(); got != "525" {
		t.Errorf("after the disbursement %s GX", got)
	}
	approved(s.staff.TransferInternal(ctx, client.InternalTransferRequest{FromID: ada.Account, ToID: account.CharitablePool, Amount: "5000000", Type: "SYSTEM_ADJUSTMENT", Remark: "paid too much"}))
	if got := balance(); got != "520" {
		t.Errorf("after the correction %s GX", got)
	}
	lines := must[client.Statement](t)(s.staff.ListPoolTransactions(ctx, "CHARITABLE", client.ListPoolTransactionsParams{}))
	if l := lines.Transactions; len(l) != 2 || l[0].AmountGX != "5" || l[0].Remark != "paid too much" || l[1].AmountGX != "25" || l[1].Direction != "OUT" {
		t.Errorf("statement of the pool %+v", l)
	}
	mine := must[client.Statement](t)(ada.Client.ListTransactions(ctx, "me", client.ListTransactionsParams{Type: "GRANT", MinAmount: "25000000"}))
	if len(mine.Transactions) != 1 || mine.Transactions[0].CounterpartyName != "Charitable pool" {
		t.Errorf("grants %+v", mine)
	}
	treasury := must[client.Statement](t)(s.staff.ListTreasuryTransactions(ctx, ada.Country, client.ListTreasuryTransactionsParams{}))
	if len(treasury.Transactions) == 0 || treasury.Transactions[0].Type != "GOVT_GENESIS" {
		t.Errorf("statement of the treasury %+v", treasury)
	}
	refused[client.Statement](t, "not_found")(ada.Client.ListTreasuryTransactions(ctx, ada.Country, client.ListTreasuryTransactionsParams{}))
	refused[client.Receipt](t, "genesis_distributed")(s.staff.RepairGenesis(ctx, client.GenesisRepairRequest{UserID: ada.Account}))

	approved(s.staff.SetVelocityTaxExemption(ctx, client.ExemptRequest{AccountID: ada.Account, Exempt: true, Reason: "by order of the court"}))
	if e := must[client.Eligibility](t)(ada.Client.GetVelocityTaxEligibility(ctx, "me")); e.Eligible || e.Reason != "EXEMPT" || !e.Details.Exempt {
		t.Errorf("eligibility %+v", e)
	}
	exempt := must[client.ListExemption](t)(s.staff.ListVelocityTaxExemptions(ctx, client.ListVelocityTaxExemptionsParams{}))
	if len(exempt.Data) != 1 || exempt.Data[0].AccountID != ada.Account || exempt.Data[0].Reason != "by order of the court" {
		t.Errorf("exempt %+v", exempt)
	}
	if e := must[client.Eligibility](t)(bob.Client.GetVelocityTaxEligibility(ctx, "me")); e.Reason != "NOT_DUE" || e.Details.DaysRemaining != 355 {
		t.Errorf("eligibility of bob %+v", e)
	}
	refused[client.Receipt](t, "not_eligible")(s.staff.ApplyVelocityTax(ctx, client.TaxApplyRequest{AccountID: bob.Account}))
	refused[client.Eligibility](t, "not_found")(bob.Client.GetVelocityTaxEligibility(ctx, ada.Account))
}
