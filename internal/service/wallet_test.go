package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/parameter"
)

// entry stores a line of a statement in a block of its own and returns its id.
func (s *system) entry(id string, block int, kind, counterparty string, amount int) string {
	s.t.Helper()
	line := uuid.NewString()
	s.exec(`INSERT INTO read.transactions (account_id, block, tx_index, seq, entry, transaction_id, tx_id, type, counterparty, amount, remark, balance_after, command_id, at)
		VALUES ($1, $2, 0, 0, 0, $3, $4, $5, $6, $7, 'lunch', 5, 'c', $8)`, id, block, line, fmt.Sprintf("tx%d", block), kind, counterparty, amount, s.clock())
	return line
}

func TestDashboard(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, newcomer := s.person("Ada", "CH", gx(1500)), s.person("Bob", "CH", gx(50)), s.person("Neo", "CH", nil)
	for block := range 12 {
		s.entry(ada.gx, block, "RECEIVED", bob.gx, 1000+block)
	}
	s.hoards(ada.gx, 100)
	get := func(p person, id string) answer {
		return s.call("tokenomics", "GET", "/wallets/"+id+"/dashboard", p.bearer, nil)
	}
	a := get(ada, "me").want(t, 200, "")
	lines := a.at("recentTransactions").([]any)
	if first := lines[0].(map[string]any); len(lines) != 10 || first["amount"] != "1011" || first["counterpartyName"] != "Bob L." || first["direction"] != "IN" {
		t.Errorf("recent %s", a.raw)
	}
	for path, want := range map[string]any{
		"wallet/balance": "1500000000", "wallet/availableBalance": "1500000000", "wallet/walletId": ada.gx, "velocityTax/running": true,
		"velocityTax/startedAt": "2025-11-21T12:00:00.000Z", "velocityTax/dueAt": "2026-11-11T12:00:00.000Z", "velocityTax/daysHeld": float64(100),
		"velocityTax/rateBps": float64(300), "velocityTax/expectedTax": "45000000", "velocityTax/expectedTaxGx": "45", "velocityTax/exempt": false,
	} {
		if got := a.at(strings.Split(path, "/")...); got != want {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	}
	s.exec(`UPDATE read.accounts SET tax_exempt = true, velocity_timer_start = NULL WHERE account_id = $1`, ada.gx)
	if a := get(ada, ada.gx).want(t, 200, ""); a.at("velocityTax", "exempt") != true || a.text("velocityTax", "expectedTax") != "0" || a.at("velocityTax", "running") != false {
		t.Errorf("exempt %s", a.raw)
	}
	if a := get(bob, "me").want(t, 200, ""); a.at("velocityTax", "running") != false || len(a.at("recentTransactions").([]any)) != 0 {
		t.Errorf("nothing rests: %s", a.raw)
	}
	get(bob, ada.profile.String()).want(t, 404, "not_found")
	get(newcomer, "me").want(t, 404, "wallet_not_found")
}

func TestStatementQuery(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(500))
	for block, e := range []struct {
		kind, counterparty string
		amount             int
	}{{"SENT", bob.gx, 10}, {"FEE", account.OperationsFund, 1}, {"RECEIVED", bob.gx, 20}, {"SENT", account.TreasuryOf("CH"), 30}} {
		s.entry(ada.gx, block, e.kind, e.counterparty, e.amount)
		s.advance(24 * time.Hour)
	}
	s.advance(-4 * 24 * time.Hour) // the session would be over
	get := func(query string) answer {
		return s.call("tokenomics", "GET", "/wallets/me/transactions"+strings.ReplaceAll(query, " ", "%20"), ada.bearer, nil)
	}
	for query, want := range map[string]string{
		"":                                          "30 20 1 10",
		"?type=SENT":                                "30 10",
		"?counterparty=" + bob.gx:                   "20 10",
		"?type=SENT&counterparty=" + bob.gx:         "10",
		"?minAmount=10":                             "30 20 10",
		"?maxAmount=10":                             "1 10",
		"?minAmount=2&maxAmount=20":                 "20 10",
		"?from=2026-03-03":                          "30 20",
		"?from=2026-03-03T12:00:00Z":                "30 20",
		"?from=2026-03-03T12:00:01Z":                "30",
		"?to=2026-03-03T12:00:00Z":                  "1 10",
		"?from=2026-03-02&to=2026-03-04":            "20 1",
		"?from=2026-03-02T14:00:00%2B02:00&limit=1": "30",
	} {
		var got []string
		for _, l := range get(query).want(t, 200, "").at("transactions").([]any) {
			got = append(got, l.(map[string]any)["amount"].(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	for query, field := range map[string]string{"?from=yesterday": "from", "?to=2026-13-01": "to", "?type=ALL": "type", "?minAmount=-1": "minAmount",
		"?maxAmount=1250000000000000001": "maxAmount", "?limit=0": "limit", "?limit=101": "limit", "?cursor=x": "cursor"} {
		if a := get(query); a.status != 400 || a.text("field") != field {
			t.Errorf("%s: %s", query, a.raw)
		}
	}
}

func TestD19Transaction(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(500))
	s.entry(ada.gx, 1, "SENT", bob.gx, 7)
	id := s.entry(ada.gx, 2, "SENT", account.TreasuryOf("CH"), 8)
	get := func(p person, id string) answer {
		return s.call("tokenomics", "GET", "/transactions/"+id, p.bearer, nil)
	}
	a := get(ada, id).want(t, 200, "")
	for name, want := range map[string]any{"offTxId": id, "onChainTxId": "tx2", "amount": "8", "direction": "OUT", "counterpartyName": "Treasury of Switzerland", "blockNumber": "2"} {
		if a.at("transaction", name) != want {
			t.Errorf("%s = %v, want %v", name, a.at("transaction", name), want)
		}
	}
	get(bob, id).want(t, 404, "not_found")
	get(ada, uuid.NewString()).want(t, 404, "not_found")
	get(ada, "x").want(t, 400, "off_tx_id_invalid")
}

// A freeze is one thing, whoever it falls on and whichever route asks for it.
func TestFreezeOfAnyAccount(t *testing.T) {
	s := newSystem(t)
	s.open()
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 5)
	s.account("acme", account.Business, "CH", *gx(20))
	ada := s.person("Ada", "CH", gx(5))
	_, boss := s.staff(door.SuperAdmin)
	_, other := s.staff(door.SuperAdmin)
	_, clerk := s.staff(door.Admin)
	post := func(bearer, id, what string) answer {
		return s.call("tokenomics", "POST", "/wallets/"+id+"/"+what, bearer, map[string]any{"reason": "reported as stolen"}, "Idempotency-Key", key())
	}
	set := func(id, status, reason string) {
		t.Helper()
		s.exec(`UPDATE read.accounts SET status = $2, frozen_reason = $3 WHERE account_id = $1`, id, status, reason)
	}
	for _, id := range []string{"acme", ada.gx, ada.profile.String()} {
		done := post(boss, id, "freeze").want(t, 202, "")
		want := id
		if id != "acme" {
			want = ada.gx
		}
		if kind, payload := s.payload(done.text("commandId")); kind != "FREEZE_WALLET" || payload != `{"accountID":"`+want+`","reason":"reported as stolen"}` {
			t.Errorf("%s: %s %s", id, kind, payload)
		}
	}
	if a := post(clerk, "acme", "freeze").want(t, 202, ""); a.text("status") != "PENDING_APPROVAL" {
		t.Errorf("alone: %s", a.raw)
	}
	post(boss, "acme", "unfreeze").want(t, 409, "already_active")
	set("acme", "FROZEN", "reported as stolen")
	post(boss, "acme", "freeze").want(t, 409, "already_frozen")
	if a := post(boss, "acme", "unfreeze").want(t, 202, ""); a.text("status") != "PENDING" {
		t.Errorf("needs no second person: %s", a.raw)
	}
	// What a court has ordered nobody undoes alone, by this route either.
	set("acme", "FROZEN", "COURT_ORDER")
	asked := post(boss, "acme", "unfreeze").want(t, 202, "")
	if asked.text("status") != "PENDING_APPROVAL" {
		t.Errorf("alone: %s", asked.raw)
	}
	s.vote(other, asked.text("approvalId"), "APPROVE").want(t, 200, "")
	set(ada.gx, "CLOSED", "")
	post(boss, ada.gx, "freeze").want(t, 409, "invalid_state")
	set(ada.gx, "SUSPENDED", "")
	post(boss, ada.gx, "unfreeze").want(t, 409, "invalid_state")
	post(boss, account.TreasuryOf("CH"), "freeze").want(t, 422, "not_freezable")
	post(boss, account.GXPool, "freeze").want(t, 422, "not_freezable")
	post(boss, "nobody", "freeze").want(t, 404, "wallet_not_found")
	post(ada.bearer, ada.gx, "freeze").want(t, 401, "token_wrong_audience")
}

// together asks for something that needs a second person, has it approved, and
// returns what was stored for the ledger.
func (s *system) together(t *testing.T, asked answer) (kind, payload string) {
	t.Helper()
	if asked.want(t, 202, "").text("status") != "PENDING_APPROVAL" {
		t.Fatalf("done alone: %s", asked.raw)
	}
	_, owner := s.staff(door.SuperOwner)
	done := s.vote(owner, asked.text("approvalId"), "APPROVE").want(t, 200, "")
	return s.payload(done.text("approval", "executionResult", "commandId"))
}

func TestRepairGenesis(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, newcomer := s.person("Ada", "CH", gx(0)), s.person("Neo", "CH", nil)
	_, boss := s.staff(door.SuperAdmin)
	_, clerk := s.staff(door.Admin)
	repair := func(bearer string, body map[string]any) answer {
		return s.call("tokenomics", "POST", "/genesis", bearer, body, "Idempotency-Key", key())
	}
	is := func(status string) {
		t.Helper()
		s.exec(`UPDATE read.users SET genesis_status = $2 WHERE user_id = $1`, ada.gx, status)
	}
	body := map[string]any{"userId": ada.profile.String(), "userType": "individual", "countryCode": "CH"}
	repair(ada.bearer, body).want(t, 401, "token_wrong_audience")
	repair(clerk, body).want(t, 403, "forbidden")
	repair(boss, body).want(t, 409, "genesis_distributed")
	is("EXHAUSTED")
	repair(boss, body).want(t, 409, "genesis_distributed")
	is("INELIGIBLE_AGE")
	repair(boss, body).want(t, 422, "not_eligible")
	is("PENDING_AGE")
	repair(boss, map[string]any{"userId": ada.gx, "countryCode": "DE"}).want(t, 422, "country_code_invalid")
	repair(boss, map[string]any{"userId": ada.gx, "userType": "business"}).want(t, 400, "user_type_invalid")
	repair(boss, map[string]any{"userId": newcomer.profile.String()}).want(t, 404, "user_not_found")
	repair(boss, map[string]any{"userId": "nobody"}).want(t, 404, "user_not_found")
	if kind, payload := s.together(t, repair(boss, body)); kind != "DISTRIBUTE_GENESIS" || payload != `{"userID":"`+ada.gx+`","nationality":"CH"}` {
		t.Errorf("%s %s", kind, payload)
	}
	s.exec(`UPDATE read.users SET status = 'FROZEN' WHERE user_id = $1`, ada.gx)
	repair(boss, body).want(t, 422, "not_eligible")
	s.exec(`UPDATE read.users SET status = 'ACTIVE' WHERE user_id = $1`, ada.gx)
	s.now.Store(s.clock().AddDate(-30, 0, 0).UnixMicro()) // before she is 13
	_, boss = s.staff(door.SuperAdmin)
	repair(boss, body).want(t, 422, "not_eligible")
}

func TestDisbursement(t *testing.T) {
	s := newSystem(t)
	s.open()
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 5)
	ada := s.person("Ada", "CH", gx(0))
	_, owner := s.staff(door.SuperOwner)
	_, boss := s.staff(door.SuperAdmin)
	disburse := func(bearer, pool, to, amount string) answer {
		return s.call("tokenomics", "POST", "/pools/"+pool+"/disbursements", bearer, map[string]any{"recipientID": to, "amount": amount, "reason": "flood relief, first part"},
			"Idempotency-Key", key())
	}
	disburse(ada.bearer, "CHARITABLE", ada.gx, "1").want(t, 401, "token_wrong_audience")
	disburse(boss, "CHARITABLE", ada.gx, "1").want(t, 403, "forbidden")
	kind, payload := s.together(t, disburse(owner, "CHARITABLE", ada.profile.String(), "1000000"))
	if kind != "DISBURSE_FROM_POOL" || payload != `{"pool":"CHARITABLE","recipientID":"`+ada.gx+`","amount":"1000000","reason":"flood relief, first part"}` {
		t.Errorf("%s %s", kind, payload)
	}
	disburse(owner, "GX", account.TreasuryOf("CH"), "1").want(t, 202, "")
	for _, pool := range []string{"LOAN", "USER_GENESIS", "gx"} {
		disburse(owner, pool, ada.gx, "1").want(t, 404, "pool_not_found")
	}
	disburse(owner, "REDISTRIBUTION", ada.gx, "1").want(t, 422, "insufficient_funds")
	disburse(owner, "GX", ada.gx, "100000000000001").want(t, 422, "amount_invalid")
	s.exec(`INSERT INTO read.parameters VALUES ($1, '2000000', now())`, parameter.PoolDisburseMax)
	disburse(owner, "GX", account.CharitablePool, "1").want(t, 400, "recipient_id_invalid")
	disburse(owner, "GX", "nobody", "1").want(t, 404, "recipient_not_found")
	disburse(owner, "GX", ada.gx, "1.5").want(t, 400, "amount_invalid")
	s.exec(`UPDATE read.accounts SET status = 'CLOSED' WHERE account_id = $1`, ada.gx)
	disburse(owner, "GX", ada.gx, "1").want(t, 422, "recipient_not_active")
}

func TestKF16InternalTransfer(t *testing.T) {
	s := newSystem(t)
	s.open()
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 500)
	ada, bob := s.person("Ada", "CH", gx(5)), s.person("Bob", "CH", gx(5))
	_, owner := s.staff(door.SuperOwner)
	_, boss := s.staff(door.SuperAdmin)
	move := func(bearer, from, to, amount string) answer {
		return s.call("tokenomics", "POST", "/transfers/internal", bearer, map[string]any{"fromID": from, "toID": to, "amount": amount, "type": "SYSTEM_ADJUSTMENT",
			"remark": "correction of a booking"}, "Idempotency-Key", key())
	}
	move(ada.bearer, ada.gx, account.GXPool, "1").want(t, 401, "token_wrong_audience")
	move(boss, ada.gx, account.GXPool, "1").want(t, 403, "forbidden")
	kind, payload := s.together(t, move(owner, account.TreasuryOf("CH"), ada.gx, "500"))
	if kind != "TRANSFER_INTERNAL" || payload != `{"fromID":"treasury_CH","toID":"`+ada.gx+`","amount":"500","type":"SYSTEM_ADJUSTMENT","remark":"correction of a booking"}` {
		t.Errorf("%s %s", kind, payload)
	}
	if a := move(owner, account.TreasuryOf("CH"), ada.gx, "501").want(t, 422, "insufficient_funds"); a.text("available") != "500" {
		t.Errorf("too much: %s", a.raw)
	}
	if a := move(owner, account.GXPool, ada.gx, "100000000000001").want(t, 422, "amount_invalid"); a.text("field") != "amount" {
		t.Errorf("too much at once: %s", a.raw)
	}
	move(owner, account.GXPool, account.CharitablePool, "100000000000001").want(t, 202, "")
	for _, tc := range []struct{ from, to, field string }{
		{ada.gx, bob.gx, "toID"}, // between people a fee is due
		{account.UserGenesisPool, ada.gx, "fromID"},
		{account.GXPool, account.GXPool, "toID"},
	} {
		if a := move(owner, tc.from, tc.to, "1"); a.status != 400 || a.text("field") != tc.field {
			t.Errorf("%v: %s", tc, a.raw)
		}
	}
	if a := move(owner, account.GXPool, "nobody", "1").want(t, 404, "account_not_found"); a.text("field") != "toID" {
		t.Errorf("unknown: %s", a.raw)
	}
}

func TestStatementsOfTheState(t *testing.T) {
	s := newSystem(t)
	s.open()
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 500)
	ada, bob := s.person("Ada", "CH", gx(5)), s.person("Bob", "CH", gx(5))
	s.exec(`INSERT INTO read.treasuries (country_code, account_id, status, org_id) VALUES ('CH', 'treasury_CH', 'ACTIVE', 'swiss-gov')`)
	s.exec(`INSERT INTO read.stakeholders (org_id, user_id, place) VALUES ('swiss-gov', $1, 0)`, ada.gx)
	_, auditor := s.staff(door.Auditor)
	_, moderator := s.staff(door.Moderator)
	s.entry(account.TreasuryOf("CH"), 1, "TAX_COLLECTION", bob.gx, 7)
	s.entry(account.TreasuryOf("CH"), 2, "TAX_COLLECTION", ada.gx, 8)
	s.entry(account.OperationsFund, 2, "FEE_COLLECTION", ada.gx, 9)
	treasury := func(bearer, query string) answer {
		return s.call("tokenomics", "GET", "/treasury/CH/transactions"+query, bearer, nil)
	}
	first := treasury(auditor, "?limit=1").want(t, 200, "")
	if lines := first.at("transactions").([]any); len(lines) != 1 || lines[0].(map[string]any)["amount"] != "8" || first.at("hasMore") != true {
		t.Errorf("first %s", first.raw)
	}
	if rest := treasury(ada.bearer, "?cursor="+first.text("nextCursor")).want(t, 200, ""); len(rest.at("transactions").([]any)) != 1 || rest.at("hasMore") != false {
		t.Errorf("rest %s", rest.raw)
	}
	treasury(bob.bearer, "").want(t, 404, "not_found")
	treasury(moderator, "").want(t, 404, "not_found")
	treasury("", "").want(t, 401, "token_missing")
	s.call("tokenomics", "GET", "/treasury/DE/transactions", auditor, nil).want(t, 404, "treasury_not_found")
	pool := s.call("tokenomics", "GET", "/pools/OPERATIONS/transactions", auditor, nil).want(t, 200, "")
	if lines := pool.at("transactions").([]any); len(lines) != 1 || lines[0].(map[string]any)["counterpartyName"] != "Ada L." {
		t.Errorf("pool %s", pool.raw)
	}
	s.call("tokenomics", "GET", "/pools/NOTHING/transactions", auditor, nil).want(t, 404, "pool_not_found")
	s.call("tokenomics", "GET", "/pools/GX/transactions", moderator, nil).want(t, 403, "forbidden")
}

func TestD40LookupRecipient(t *testing.T) {
	s := newSystem(t, func(d *service.Deps) {
		limits, err := door.DefaultLimits()
		if err != nil {
			t.Fatal(err)
		}
		d.Limits = limits
	})
	s.open()
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 5)
	ada, bob, newcomer := s.person("Ada", "CH", gx(5)), s.person("Bob", "CH", gx(5)), s.person("Neo", "CH", nil)
	s.remote = "203.0.113.9:1" // from where requests are limited
	look := func(address string) answer {
		return s.call("identity", "GET", "/users/lookup?address="+address, ada.bearer, nil)
	}
	for _, address := range []string{bob.gx, bob.profile.String()} {
		a := look(address).want(t, 200, "")
		if a.text("displayName") != "Bob L." || a.text("fabricUserId") != bob.gx || a.text("accountType") != "INDIVIDUAL" ||
			strings.Contains(a.raw, bob.profile.String()) || strings.Contains(a.raw, "Lovelace") || strings.Contains(a.raw, "@") {
			t.Errorf("%s: %s", address, a.raw)
		}
	}
	if a := look(account.TreasuryOf("CH")).want(t, 200, ""); a.text("displayName") != "Treasury of Switzerland" {
		t.Errorf("treasury %s", a.raw)
	}
	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = $1`, bob.gx)
	for _, address := range []string{bob.gx, "nobody", newcomer.profile.String(), "bob@example.org", account.GXPool} {
		look(address).want(t, 404, "recipient_not_found")
	}
	look("").want(t, 400, "address_required")
	for range 30 - 9 {
		look("nobody").want(t, 404, "recipient_not_found")
	}
	look("nobody").want(t, 429, "rate_limited")
}
