package service_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// Whoever is paid exists, and nothing is taken before that is known.
func TestD08UnknownRecipients(t *testing.T) {
	s := newSystem(t)
	s.open()
	c, newcomer := s.cast(), s.person("Neo", "CH", nil)
	for _, id := range []string{"LK FF3 ABL912 0WLUY 6025", uuid.NewString(), newcomer.profile.String(), "acme-of-nowhere", account.TreasuryOf("DE")} {
		s.call("tokenomics", "POST", "/transfers", c.ada.bearer, map[string]any{"toID": id, "amount": "1"}, "Idempotency-Key", key()).want(t, 404, "recipient_not_found")
		s.call("tokenomics", "POST", "/pools/GX/disbursements", c.owner, map[string]any{"recipientID": id, "amount": "1", "reason": "flood relief, first part"},
			"Idempotency-Key", key()).want(t, 404, "recipient_not_found")
		s.call("tokenomics", "POST", "/transfers/internal", c.owner, map[string]any{"fromID": account.GXPool, "toID": id, "amount": "1", "type": "SYSTEM_ADJUSTMENT",
			"remark": "correction of a booking"}, "Idempotency-Key", key()).want(t, 404, "account_not_found")
	}
	if n := s.count(`SELECT count(*) FROM app.commands`) + s.count(`SELECT count(*) FROM app.approvals`); n != 0 {
		t.Errorf("%d were stored", n)
	}
}

// Payments and repayments that arrive together do not spend the same money twice
// as soon as one is stored: what it takes is held.
func TestD12HeldFundsCountForEveryRoute(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	loan := s.loan(bob, status.LoanActive)
	pay := func() answer {
		return s.call("tokenomics", "POST", "/transfers", ada.bearer, map[string]any{"toID": bob.gx, "amount": "200000000"}, "Idempotency-Key", key())
	}
	repay := func() answer {
		return s.call("loanpool", "POST", "/loans/"+loan+"/repayments", ada.bearer, map[string]any{"amount": "200000000"}, "Idempotency-Key", key())
	}
	pay().want(t, 202, "")
	first := repay().want(t, 202, "")
	pay().want(t, 422, "insufficient_funds")
	repay().want(t, 422, "insufficient_funds")
	if a := s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil).want(t, 200, ""); a.text("balance", "pendingOut") != "400200000" {
		t.Errorf("held %s", a.raw)
	}
	s.project(first.text("commandId"), "REJECTED", "INVALID_STATE") // nothing was taken: it is free again
	repay().want(t, 202, "")
}

// The two sides of a payment have the ledger's own id, each once.
func TestD72BothSidesHaveTheLedgersID(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	s.entry(ada.gx, 3, "SENT", bob.gx, 10)
	s.entry(bob.gx, 3, "RECEIVED", ada.gx, 10)
	ids := map[string]bool{}
	for _, p := range []person{ada, bob} {
		lines := s.call("tokenomics", "GET", "/wallets/me/transactions", p.bearer, nil).want(t, 200, "").at("transactions").([]any)
		if len(lines) != 1 || lines[0].(map[string]any)["onChainTxId"] != "tx3" {
			t.Fatalf("lines %v", lines)
		}
		ids[lines[0].(map[string]any)["offTxId"].(string)] = true
	}
	if len(ids) != 2 {
		t.Errorf("lines are not told apart: %v", ids)
	}
}

// Every amount of the API has one unit and one rendering.
func TestD58OneUnitOfMoney(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada := s.person("Ada", "CH", gx(0))
	s.exec(`UPDATE read.accounts SET balance = 1234567 WHERE account_id = $1`, ada.gx)
	balance := s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil).want(t, 200, "")
	tax := s.call("tax", "GET", "/velocity-tax/eligibility/me", ada.bearer, nil).want(t, 200, "")
	if qirat.PerGX != 1_000_000 || balance.text("balance", "balance") != "1234567" || balance.text("balance", "balanceGx") != "1.234567" ||
		tax.text("details", "currentBalance") != "1234567" || tax.text("details", "balanceInCoins") != "1.234567" {
		t.Errorf("%s\n%s", balance.raw, tax.raw)
	}
}

// Of the decisions on one loan that arrive at once each is stored once for its key,
// however often it is sent.
func TestKF42DecisionsTogether(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	s.trusted(c.ada, 80)
	loan := s.loan(c.ada, status.LoanPending)
	approve, reject := key(), key()
	answers := make([]answer, 40)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			if i%2 == 0 {
				answers[i] = s.call("loanpool", "POST", "/loans/"+loan+"/approve", c.owner, nil, "Idempotency-Key", approve)
			} else {
				answers[i] = s.call("loanpool", "POST", "/loans/"+loan+"/reject", c.owner, map[string]any{"reason": "The collateral is not enough."}, "Idempotency-Key", reject)
			}
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a.status != 202 && a.code() != "idempotency_in_progress" {
			t.Errorf("answer %s", a.raw)
		}
	}
	if n := s.count(`SELECT count(*) FROM app.commands`); n != 2 {
		t.Errorf("%d commands", n)
	}
}
