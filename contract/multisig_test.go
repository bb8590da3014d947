package contract_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// acme returns a ledger with a business of three people, of whom two pay, and
// with 1000 GX. A fourth person has no stake in it.
func acme(t contracttest.TB) (l *contracttest.Ledger, people []string) {
	t.Helper()
	l = contracttest.Open(t, "DE", "LK")
	people = l.Join(t, "DE", 4)
	found(t, l, proposalOf("acme", account.Business, people[:3]...))
	l.Apply(t, &command.DisburseFromPool{Pool: "GX", RecipientID: "acme", Amount: 1000 * gx, Reason: "funds"})
	return l, people
}

// initiateTx initiates a transaction and returns its id.
func initiateTx(t contracttest.TB, l *contracttest.Ledger, p command.Payload) string {
	t.Helper()
	return l.Apply(t, p)[0].(*event.MultiSigTxInitiated).PendingTxID
}

func payment(actor, to string, amount qirat.Amount) *command.InitiateMultiSigTx {
	return &command.InitiateMultiSigTx{ActorID: actor, OrgID: "acme", ToID: to, Amount: amount, Remark: "invoice 7"}
}

func approve(actor, id string) *command.ApproveMultiSigTx {
	return &command.ApproveMultiSigTx{ActorID: actor, PendingTxID: id}
}

func retry(actor, id string) *command.ExecuteMultiSigTx {
	return &command.ExecuteMultiSigTx{ActorID: actor, PendingTxID: id}
}

func reject(actor, id string) *command.RejectMultiSigTx {
	return &command.RejectMultiSigTx{ActorID: actor, PendingTxID: id, Reason: "too dear"}
}

func pendingOf(t contracttest.TB, l *contracttest.Ledger, id string) *contract.PendingTransaction {
	t.Helper()
	x := new(contract.PendingTransaction)
	if err := l.Query(x, "OrganizationContract:GetPendingTransaction", id); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestMultiSigPayment(t *testing.T) {
	l, p := acme(t)
	opened := l.Now
	e := l.Apply(t, payment(p[0], p[3], 200*gx))[0].(*event.MultiSigTxInitiated)
	if !strings.HasPrefix(e.PendingTxID, command.MultiSigPrefix) || e.OrgID != "acme" || e.Operation != status.OperationTransfer || e.InitiatorID != p[0] ||
		e.FromID != "acme" || e.ToID != p[3] || e.Amount != 200*gx || e.Remark != "invoice 7" || e.Rule != nil ||
		e.RequiredApprovals != 2 || !slices.Equal(e.ApproverGroup, p[:3]) || !e.Approved || !e.ExpiresAt.Equal(opened.AddDate(0, 0, 7)) {
		t.Errorf("initiated: %+v", e)
	}
	x := pendingOf(t, l, e.PendingTxID)
	if x.Status != status.MultiSigPending || !slices.Equal(x.Approvals, p[:1]) || x.Rejections == nil || !x.CreatedAt.Equal(opened) || x.RuleID != e.RuleID || x.EndedAt != nil {
		t.Errorf("pending: %+v", x)
	}
	if got := l.Balance(t, "acme"); got != 1000*gx {
		t.Errorf("before the approval the organization has %s", got)
	}
	l.Now = l.Now.Add(time.Hour)
	fund := l.Balance(t, account.OperationsFund)
	events := l.Apply(t, &command.ApproveMultiSigTx{ActorID: p[2], PendingTxID: e.PendingTxID, OrgID: "acme", FromID: "acme", ToID: p[3]})
	if len(events) != 3 {
		t.Fatalf("%d events", len(events))
	}
	if a := events[0].(*event.MultiSigTxApproved); *a != (event.MultiSigTxApproved{PendingTxID: e.PendingTxID, OrgID: "acme", ApproverID: p[2], Approvals: 2, RequiredApprovals: 2}) {
		t.Errorf("approved: %+v", a)
	}
	paid := events[1].(*event.TransferCompleted) // from a business to a person at home, above 100 GX: 10 bps
	if paid.FromID != "acme" || paid.ToID != p[3] || paid.Amount != 200*gx || paid.Fee != 200_000 || paid.FeeBps != 10 || paid.TransferType != string(fee.P2P) ||
		paid.FromKind != account.Business || *paid.FromBalanceAfter != 800*gx-200_000 || *paid.ToBalanceAfter != 700*gx || paid.Remark != "invoice 7" {
		t.Errorf("paid: %+v", paid)
	}
	if done := events[2].(*event.MultiSigTxExecuted); *done != (event.MultiSigTxExecuted{PendingTxID: e.PendingTxID, OrgID: "acme", ExecutedBy: p[2]}) {
		t.Errorf("executed: %+v", done)
	}
	if l.Balance(t, "acme") != 800*gx-200_000 || l.Balance(t, p[3]) != 700*gx || l.Balance(t, account.OperationsFund) != fund+200_000 {
		t.Errorf("balances %s, %s", l.Balance(t, "acme"), l.Balance(t, p[3]))
	}
	if x := pendingOf(t, l, e.PendingTxID); x.Status != status.MultiSigExecuted || !x.EndedAt.Equal(l.Now) || x.EndedTx == "" || x.LastFailure != nil {
		t.Errorf("executed: %+v", x)
	}
	var lines struct{ Items []contract.TxRecord }
	if err := l.Query(&lines, "TokenomicsContract:GetTransactionHistory", p[3], "1", ""); err != nil {
		t.Fatal(err)
	}
	if r := lines.Items[0]; r.Type != contract.EntryOrgTransfer || r.Ref != e.PendingTxID || r.Amount != 200*gx || r.Fee != 200_000 {
		t.Errorf("history: %+v", r)
	}
	l.CheckSupply(t)
}

// What payments by organizations cost (domain.md 3.1, default 20 of section 12):
// the type table decides, the organization pays.
func TestMultiSigFees(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	p, far := l.Join(t, "DE", 2), l.Join(t, "LK", 2)
	abroad := proposalOf("lanka", account.Business, far...)
	abroad.Country = "LK"
	found(t, l, abroad)
	for id, kind := range map[string]account.Kind{"acme": account.Business, "bolt": account.Business, "care": account.NGO, "town": account.Government} {
		found(t, l, proposalOf(id, kind, p...), threshold(0, 1, p...))
	}
	for _, c := range []struct {
		from, to string
		amount   qirat.Amount
		bps      uint64
		fee      qirat.Amount
	}{
		{"acme", p[0], 50 * gx, 5, 25_000},
		{"acme", p[0], 2 * gx, 0, 0},
		{"acme", far[0], 500 * gx, 25, 1_250_000},
		{"acme", "bolt", 100 * gx, 20, 200_000},
		{"acme", "lanka", 100 * gx, 40, 400_000},
		{"acme", "care", 100 * gx, 20, 200_000},
		{"care", "acme", 100 * gx, 20, 200_000},
		{"care", p[1], 100*gx + 1, 10, 100_000},
		{"acme", "town", 100 * gx, 10, 100_000},
		{"town", p[0], 100 * gx, 10, 100_000},
		{"town", far[0], 100 * gx, 20, 200_000},
		{"town", "lanka", 100 * gx, 20, 200_000},
		{"town", "treasury_DE", 100 * gx, 0, 0},
		{"acme", account.CharitablePool, 100 * gx, 0, 0},
	} {
		t.Run(c.from+" to "+c.to, func(t *testing.T) {
			l := l.Clone()
			l.Apply(t, &command.DisburseFromPool{Pool: "GX", RecipientID: c.from, Amount: c.amount + c.fee, Reason: "funds"})
			receiver, fund := l.Balance(t, c.to), l.Balance(t, account.OperationsFund)
			x := &command.InitiateMultiSigTx{ActorID: p[0], OrgID: c.from, ToID: c.to, Amount: c.amount}
			e := l.Apply(t, x)[1].(*event.TransferCompleted)
			if e.FeeBps != c.bps || e.Fee != c.fee {
				t.Errorf("fee %s at %d bps, want %s at %d", e.Fee, e.FeeBps, c.fee, c.bps)
			}
			if l.Balance(t, c.from) != 0 || l.Balance(t, c.to) != receiver+c.amount || l.Balance(t, account.OperationsFund) != fund+c.fee {
				t.Errorf("balances %s, %s, %s", l.Balance(t, c.from), l.Balance(t, c.to), l.Balance(t, account.OperationsFund))
			}
			failed := l.Apply(t, x)[1].(*event.MultiSigTxExecutionFailed) // nothing is left
			if failed.Code != string(contract.CodeInsufficientFunds) {
				t.Errorf("a second payment: %+v", failed)
			}
			l.CheckSupply(t)
		})
	}
}

// B-016: the initiator counts as an approver when they are one, and only then;
// what has its approvals from the start is executed at once.
func TestB016_InitiatorsApproval(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 3)
	found(t, l, proposalOf("acme", account.Business, p...), threshold(0, 1, p[0], p[1]))
	l.Apply(t, contracttest.Pay(p[0], "acme", 300*gx))
	events := l.Apply(t, payment(p[0], p[2], 50*gx))
	if len(events) != 3 || !events[0].(*event.MultiSigTxInitiated).Approved || events[1].(*event.TransferCompleted).Amount != 50*gx ||
		events[2].(*event.MultiSigTxExecuted).ExecutedBy != p[0] {
		t.Errorf("initiated by the one who approves: %+v", events)
	}
	if got := pendingList(t, l, "10", "").Items; len(got) != 0 {
		t.Errorf("listed as pending: %+v", got)
	}
	events = l.Apply(t, payment(p[2], p[2], 50*gx))
	id := events[0].(*event.MultiSigTxInitiated).PendingTxID
	if len(events) != 1 || events[0].(*event.MultiSigTxInitiated).Approved || len(pendingOf(t, l, id).Approvals) != 0 {
		t.Errorf("initiated by somebody else: %+v", events)
	}
	l.Refuse(t, contract.CodeUnauthorized, "no approver", approve(p[2], id))
	l.Refuse(t, contract.CodeInvalidState, "0 of 1 approvals", retry(p[2], id))
	if events := l.Apply(t, approve(p[1], id)); len(events) != 3 {
		t.Errorf("approved by one: %+v", events)
	}
}

// B-018: an execution that fails is visible, and can be tried again by any
// stakeholder.
func TestB018_FailureIsKeptAndRepeatable(t *testing.T) {
	l, p := acme(t)
	id := initiateTx(t, l, payment(p[0], p[3], 1500*gx))
	check := func(code contract.Code, events []event.Event, by string) {
		t.Helper()
		e := events[len(events)-1].(*event.MultiSigTxExecutionFailed)
		x := pendingOf(t, l, id)
		if e.PendingTxID != id || e.OrgID != "acme" || e.Code != string(code) || x.Status != status.MultiSigPending || x.LastFailure == nil ||
			x.LastFailure.Code != code || x.LastFailure.Message != e.Message || !x.LastFailure.At.Equal(l.Now) {
			t.Errorf("%s: event %+v, state %+v", by, e, x)
		}
	}
	before := l.Balance(t, account.OperationsFund)
	events := l.Apply(t, approve(p[1], id))
	if len(events) != 2 || len(pendingOf(t, l, id).Approvals) != 2 {
		t.Errorf("the approval is not recorded: %+v", events)
	}
	check(contract.CodeInsufficientFunds, events, "approval")
	if l.Balance(t, "acme") != 1000*gx || l.Balance(t, p[3]) != 500*gx || l.Balance(t, account.OperationsFund) != before {
		t.Error("a failed execution moved money")
	}
	l.Now = l.Now.Add(time.Hour)
	check(contract.CodeInsufficientFunds, l.Apply(t, retry(p[2], id)), "retry")
	l.Apply(t, &command.DisburseFromPool{Pool: "GX", RecipientID: "acme", Amount: 500 * gx, Reason: "funds"})
	check(contract.CodeInsufficientFunds, l.Apply(t, retry(p[0], id)), "without the fee")
	l.Apply(t, &command.DisburseFromPool{Pool: "GX", RecipientID: "acme", Amount: 1_500_000, Reason: "fee"})
	l.Apply(t, &command.FreezeWallet{AccountID: p[3], Reason: "x"})
	check(contract.CodeAccountFrozen, l.Apply(t, retry(p[0], id)), "receiver frozen")
	check(contract.CodeAccountFrozen, l.Apply(t, approve(p[2], id)), "a third approval")
	l.Refuse(t, contract.CodeUnauthorized, "no stake", retry(l.Join(t, "DE", 1)[0], id))
	l.Apply(t, &command.UnfreezeWallet{AccountID: p[3]})
	events = l.Apply(t, retry(p[2], id))
	if len(events) != 2 || events[1].(*event.MultiSigTxExecuted).ExecutedBy != p[2] || l.Balance(t, "acme") != 0 || l.Balance(t, p[3]) != 2000*gx {
		t.Errorf("in the end: %+v", events)
	}
	if x := pendingOf(t, l, id); x.Status != status.MultiSigExecuted || x.LastFailure != nil {
		t.Errorf("in the end: %+v", x)
	}
	l.CheckSupply(t)
}

// B-018: nothing remains of an execution that fails half way.
func TestB018_FailureHalfWay(t *testing.T) {
	l, p := acme(t)
	edit(t, l, func(a *contract.Account) { a.Balance = qirat.MaxSupply }, "\x00acct\x00"+p[3]+"\x00")
	id := initiateTx(t, l, payment(p[0], p[3], 200*gx))
	events := l.Apply(t, approve(p[1], id)) // the credit goes over the supply, after the debit
	if e := events[len(events)-1].(*event.MultiSigTxExecutionFailed); len(events) != 2 || e.Code != string(contract.CodeOverflow) {
		t.Errorf("failed: %+v", e)
	}
	if got := l.Balance(t, "acme"); got != 1000*gx {
		t.Errorf("the organization has %s", got)
	}
	if x := pendingOf(t, l, id); x.Status != status.MultiSigPending || len(x.Approvals) != 2 {
		t.Errorf("pending: %+v", x)
	}
}

func TestInitiateMultiSigTxRefused(t *testing.T) {
	l, p := acme(t)
	l.Refuse(t, contract.CodeUnauthorized, "no stake", payment(p[3], p[0], gx))
	l.Refuse(t, contract.CodeNotFound, "does not exist", payment(p[0], "nobody-inc", gx))
	l.Refuse(t, contract.CodeInvalidArgument, "must differ from orgID", payment(p[0], "acme", gx))
	l.Refuse(t, contract.CodeInvalidArgument, "amount", payment(p[0], p[1], 0))
	other := payment(p[0], p[1], gx)
	other.OrgID = "nothing"
	l.Refuse(t, contract.CodeNotFound, "nothing", other)
	if got := pendingList(t, l, "10", "").Items; len(got) != 0 {
		t.Errorf("%d transactions", len(got))
	}
}

// B-038: a treasury is spent by the government organization that controls it,
// by its signatures.
func TestB038_TreasurySpending(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	p := l.Join(t, "DE", 4)
	l.Join(t, "LK", 1)
	found(t, l, proposalOf("finance", account.Government, p[:3]...), threshold(0, 1, p[0]), threshold(10*gx, 2, p[:3]...))
	found(t, l, proposalOf("rival", account.Government, p[:3]...), threshold(0, 1, p[0]))
	held := l.Balance(t, "treasury_DE")
	spend := func(org, from, to string, amount qirat.Amount) *command.InitiateMultiSigTx {
		return &command.InitiateMultiSigTx{ActorID: p[0], OrgID: org, ToID: to, Amount: amount, FromID: from}
	}
	l.Refuse(t, contract.CodeInvalidState, "not activated", spend("finance", "treasury_DE", p[3], gx))
	l.Apply(t, &command.ActivateTreasury{CountryCode: "DE", OrgID: "finance"})
	l.Refuse(t, contract.CodeUnauthorized, "does not control", spend("rival", "treasury_DE", p[3], gx))
	l.Refuse(t, contract.CodeInvalidState, "not activated", spend("finance", "treasury_LK", p[3], gx))

	e := l.Apply(t, spend("finance", "treasury_DE", p[3], 10*gx))[1].(*event.TransferCompleted)
	if e.FromID != "treasury_DE" || e.FromKind != account.Treasury || e.Fee != 0 || e.FromBalanceAfter != nil || *e.ToBalanceAfter != 510*gx {
		t.Errorf("paid by the first rule: %+v", e)
	}
	id := initiateTx(t, l, spend("finance", "treasury_DE", "finance", 20*gx)) // to the organization itself
	l.Refuse(t, contract.CodeInvalidArgument, "fromID", &command.ApproveMultiSigTx{ActorID: p[1], PendingTxID: id, OrgID: "finance", FromID: "finance", ToID: p[3]})
	l.Apply(t, &command.ApproveMultiSigTx{ActorID: p[1], PendingTxID: id, OrgID: "finance", FromID: "treasury_DE", ToID: "finance"})
	if l.Balance(t, "treasury_DE") != held-30*gx || l.Balance(t, "finance") != 20*gx {
		t.Errorf("the treasury has %s of %s, the organization %s", l.Balance(t, "treasury_DE"), held, l.Balance(t, "finance"))
	}
	id = initiateTx(t, l, spend("finance", "treasury_DE", p[3], held))
	failed := l.Apply(t, approve(p[2], id))[1].(*event.MultiSigTxExecutionFailed)
	if failed.Code != string(contract.CodeInsufficientFunds) {
		t.Errorf("more than the treasury has: %+v", failed)
	}
	l.Apply(t, &command.FreezeWallet{AccountID: "finance", Reason: "x"})
	l.Refuse(t, contract.CodeAccountFrozen, "locked", spend("finance", "treasury_DE", p[3], gx))
	l.CheckSupply(t)
}

func pendingList(t contracttest.TB, l *contracttest.Ledger, size, bookmark string) (p pendingPage) {
	t.Helper()
	if err := l.Query(&p, "OrganizationContract:ListPendingTransactions", "acme", size, bookmark); err != nil {
		t.Fatal(err)
	}
	return p
}

// B-036, B-029: lists come in pages, and no list is null.
func TestB036_ListPendingTransactions(t *testing.T) {
	l, p := acme(t)
	found(t, l, proposalOf("acme-2", account.Business, p...))
	other := payment(p[0], p[1], gx)
	other.OrgID = "acme-2"
	l.Apply(t, other)
	var want []string
	for i := range 5 {
		want = append(want, initiateTx(t, l, payment(p[0], p[3], qirat.Amount(1+i))))
	}
	slices.Sort(want)
	var got []string
	for bookmark, pages := "", 1; ; pages++ {
		page := pendingList(t, l, "2", bookmark)
		for _, x := range page.Items {
			got = append(got, x.PendingTxID)
		}
		if bookmark = page.Bookmark; bookmark == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	for _, args := range [][]string{{"acme", "0", ""}, {"acme", "101", ""}, {"acme", "10", "%"}} {
		_, err := l.Simulate(backend, "OrganizationContract:ListPendingTransactions", args...)
		wantError(t, err, contract.CodeInvalidArgument, "")
	}
	for _, query := range []string{"ListPendingTransactions", "GetOrganization", "GetPendingTransaction"} {
		args := []string{"nothing", "10", ""}
		if query != "ListPendingTransactions" {
			args = args[:1]
		}
		_, err := l.Simulate(backend, "OrganizationContract:"+query, args...)
		wantError(t, err, contract.CodeNotFound, "nothing")
	}
	tx, err := l.Simulate(backend, "OrganizationContract:GetPendingTransaction", want[0])
	if err != nil || bytes.Contains(tx.Result, []byte("null")) {
		t.Errorf("%s, %v", tx.Result, err)
	}
}
