package contract_test

import (
	"time"

	"pgregory.net/rapid"

	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// books are what the events alone tell of accounts.
type books map[string]entry

type entry struct {
	balance int64
	timer   *time.Time
	status  string
	exempt  bool // from the velocity tax
}

// holder is what a query returns of the account of a person or organization.
type holder struct {
	Status                string
	VelocityTaxTimerStart *time.Time
}

func holderOf(t contracttest.TB, l *contracttest.Ledger, id string) holder {
	function := "IdentityContract:GetUser"
	if _, err := gxid.Parse(id); err != nil {
		function = "OrganizationContract:GetOrganization"
	}
	var h holder
	if err := l.Query(&h, function, id); err != nil {
		t.Fatal(err)
	}
	if h.Status == string(status.OrganizationLocked) {
		h.Status = string(account.Frozen)
	}
	return h
}

// openBooks starts from the accounts of people and organizations, pools and treasuries.
func openBooks(t contracttest.TB, l *contracttest.Ledger, holders []string, codes ...string) books {
	b := books{}
	for _, p := range account.Pools {
		b[p.Account] = entry{balance: int64(l.Balance(t, p.Account))}
	}
	for _, code := range codes {
		id := account.TreasuryOf(code)
		b[id] = entry{balance: int64(l.Balance(t, id))}
	}
	for _, id := range holders {
		h := holderOf(t, l, id)
		b[id] = entry{balance: int64(l.Balance(t, id)), timer: h.VelocityTaxTimerStart, status: h.Status}
	}
	return b
}

// side is one end of a movement, with what the event states of it.
type side struct {
	id    string
	after *qirat.Amount
	timer *time.Time
}

func collective(id string) side { return side{id: id} }

// move books a movement and compares the balances with those that the event states.
func (b books) move(t *rapid.T, from, to side, amount qirat.Amount) {
	for _, s := range []struct {
		side
		delta int64
	}{{from, -int64(amount)}, {to, int64(amount)}} {
		e, ok := b[s.id]
		if !ok {
			t.Fatalf("money moves in an account that no event opened: %s", s.id)
		}
		e.balance += s.delta
		if !account.IsCollective(s.id) {
			e.timer = s.timer
		}
		if e.balance < 0 || (s.after == nil) != account.IsCollective(s.id) || s.after != nil && int64(*s.after) != e.balance {
			t.Fatalf("%s has %d by the books, the event says %v", s.id, e.balance, s.after)
		}
		if e.exempt && e.timer != nil {
			t.Fatalf("the timer of %s runs, who is exempt", s.id)
		}
		b[s.id] = e
	}
}

// apply books an event.
func (b books) apply(t *rapid.T, e event.Event) {
	set := func(id, s string) {
		entry := b[id]
		entry.status = s
		b[id] = entry
	}
	switch e := e.(type) {
	case *event.OrganizationProposed:
		b[e.OrgID] = entry{status: string(status.OrganizationPending)}
	case *event.OrganizationActivated:
		set(e.OrgID, string(status.OrganizationActive))
	case *event.UserCreated:
		b[e.UserID] = entry{status: e.Status}
	case *event.GenesisDistributed:
		b.move(t, collective(e.PoolSource), side{e.UserID, &e.BalanceAfter, e.VelocityTimerStart}, e.Amount)
	case *event.TreasuryAllocated:
		b.move(t, collective(e.PoolSource), collective(e.TreasuryID), e.Amount)
	case *event.TransferCompleted:
		from := side{e.FromID, e.FromBalanceAfter, e.FromVelocityTimerStart}
		if e.Fee > 0 { // the stated balance is that after both
			before := *e.FromBalanceAfter + e.Amount
			b.move(t, side{e.FromID, &before, e.FromVelocityTimerStart}, collective(e.FeeRecipient), e.Fee)
		}
		b.move(t, from, side{e.ToID, e.ToBalanceAfter, e.ToVelocityTimerStart}, e.Amount)
	case *event.InternalTransfer:
		b.move(t, side{e.FromID, e.FromBalanceAfter, e.FromVelocityTimerStart}, side{e.ToID, e.ToBalanceAfter, e.ToVelocityTimerStart}, e.Amount)
	case *event.PoolDisbursed:
		b.move(t, collective(e.PoolID), side{e.RecipientID, e.RecipientBalanceAfter, e.RecipientVelocityTimerStart}, e.Amount)
	case *event.VelocityTaxApplied: // I6
		if e.TaxAmount != e.GovtShare+e.RedistributionShare || e.Balance != e.BalanceAfter+e.TaxAmount {
			t.Fatalf("%+v", e)
		}
		middle := e.BalanceAfter + e.RedistributionShare
		b.move(t, side{e.AccountID, &middle, e.VelocityTimerStart}, collective(e.TreasuryID), e.GovtShare)
		b.move(t, side{e.AccountID, &e.BalanceAfter, e.VelocityTimerStart}, collective(e.RedistributionID), e.RedistributionShare)
	case *event.VelocityTaxExemptionChanged:
		entry := b[e.AccountID]
		entry.timer, entry.exempt = e.VelocityTimerStart, e.Exempt
		b[e.AccountID] = entry
	case *event.LoanApproved:
		b.move(t, collective(e.PoolSource), side{e.BorrowerID, &e.BorrowerBalanceAfter, e.BorrowerVelocityTimerStart}, e.Amount)
	case *event.LoanRepaid:
		b.move(t, side{e.PayerID, &e.PayerBalanceAfter, e.PayerVelocityTimerStart}, collective(e.PoolID), e.Amount)
	case *event.WalletFrozen:
		set(e.AccountID, "FROZEN")
	case *event.WalletUnfrozen:
		set(e.AccountID, "ACTIVE")
	case *event.UserStatusChanged:
		if b[e.UserID].status != string(e.OldStatus) {
			t.Fatalf("%+v, by the books it was %s", e, b[e.UserID].status)
		}
		set(e.UserID, string(e.NewStatus))
	}
}

// compare checks that the ledger holds what the books say.
func (b books) compare(t *rapid.T, l *contracttest.Ledger) {
	for id, want := range b {
		if got := l.Balance(t, id); int64(got) != want.balance {
			t.Fatalf("%s has %s, by the books %d", id, got, want.balance)
		}
		if account.IsCollective(id) {
			continue
		}
		h := holderOf(t, l, id)
		start := h.VelocityTaxTimerStart
		if h.Status != want.status || (start == nil) != (want.timer == nil) || start != nil && !start.Equal(*want.timer) {
			t.Fatalf("%s is %s with timer %v, by the books %s with %v", id, h.Status, start, want.status, want.timer)
		}
	}
}
