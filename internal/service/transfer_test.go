package service_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"gxcoin.money/gx/protocol/account"
)

func TestTransfer(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "DE", gx(0))
	k := key()
	body := map[string]any{"toID": bob.gx, "amount": "50000000", "reason": "lunch"}
	first := s.call("tokenomics", "POST", "/transfers", ada.bearer, body, "Idempotency-Key", k, "X-Request-Id", "req-1",
		"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").want(t, 202, "")
	id := first.text("commandId")
	for name, want := range map[string]string{
		"status": "PENDING", "statusUrl": "/api/v1/commands/" + id, "aggregateId": ada.profile.String(),
		"fee": "75000", "feeGx": "0.075", "total": "50075000", "totalGx": "50.075",
	} {
		if got := first.text(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if first.header.Get("Location") != "/api/v1/commands/"+id || first.header.Get("Retry-After") != "1" || first.header.Get("Idempotency-Hit") != "" {
		t.Errorf("headers %v", first.header)
	}
	var payload, correlation, trace, actor string
	s.scan(`SELECT convert_from(payload, 'UTF8'), correlation_id, traceparent, actor FROM app.commands WHERE id = $1`, []any{id}, &payload, &correlation, &trace, &actor)
	if correlation != "req-1" || !strings.HasPrefix(trace, "00-0af7651916cd43dd8448eb211c80319c-") || actor != ada.gx ||
		!strings.Contains(payload, `"amount":"50000000"`) || !strings.Contains(payload, `"remark":"lunch"`) {
		t.Errorf("stored %s %s %s %s", payload, correlation, trace, actor)
	}

	if log := s.log.String(); !strings.Contains(log, `"commandId":"`+id+`"`) || !strings.Contains(log, `"requestId":"req-1"`) {
		t.Errorf("the log does not join request and command: %s", log)
	}

	// The same request, under any of its names, is the same command.
	for _, again := range []any{body, map[string]any{"toUserId": bob.gx, "fromUserId": ada.profile.String(), "amount": "50000000", "remark": "lunch"}} {
		a := s.call("tokenomics", "POST", "/transfers", ada.bearer, again, "X-Idempotency-Key", k).want(t, 202, "")
		if a.raw != first.raw || a.header.Get("Idempotency-Hit") != "true" {
			t.Errorf("replay %v %s\nfirst %s", a.header, a.raw, first.raw)
		}
	}
	for field, change := range map[string]string{"amount": "50000001", "toID": account.TreasuryOf("CH"), "reason": "dinner"} {
		if field == "toID" {
			s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 0)
		}
		changed := map[string]any{"toID": bob.gx, "amount": "50000000", "reason": "lunch"}
		changed[field] = change
		a := s.call("tokenomics", "POST", "/transfers", ada.bearer, changed, "Idempotency-Key", k).want(t, 422, "idempotency_key_reused")
		if a.text("field") != field {
			t.Errorf("%s differs, the problem names %q", field, a.text("field"))
		}
	}
	if n := s.count(`SELECT count(*) FROM app.commands`); n != 1 {
		t.Errorf("%d commands", n)
	}
	// A key belongs to its caller.
	s.exec(`UPDATE read.accounts SET balance = 100000000 WHERE account_id = $1`, bob.gx)
	s.call("tokenomics", "POST", "/transfers", bob.bearer, map[string]any{"toID": ada.gx, "amount": "1"}, "Idempotency-Key", k).want(t, 202, "")
	// After the money is gone a repetition is still the first answer.
	s.exec(`UPDATE read.accounts SET balance = 0 WHERE account_id = $1`, ada.gx)
	s.call("tokenomics", "POST", "/transfers", ada.bearer, body, "Idempotency-Key", k).want(t, 202, "")
}

// What is wrong is named and changes nothing.
func TestTransferRefusals(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, newcomer := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0)), s.person("Neo", "CH", nil)
	wrongChecksum := bob.gx[:3] + "ZZZ" + bob.gx[6:]
	ok := func(change ...any) map[string]any {
		m := map[string]any{"toID": bob.gx, "amount": "1000000", "reason": "x"}
		for i := 0; i < len(change); i += 2 {
			if change[i+1] == nil {
				delete(m, change[i].(string))
			} else {
				m[change[i].(string)] = change[i+1]
			}
		}
		return m
	}
	for name, tc := range map[string]struct {
		body        any
		status      int
		code, field string
	}{
		"fraction":          {ok("amount", "1.5"), 400, "amount_invalid", "amount"},
		"negative":          {ok("amount", "-1"), 400, "amount_invalid", "amount"},
		"plus":              {ok("amount", "+1"), 400, "amount_invalid", "amount"},
		"leading zero":      {ok("amount", "01"), 400, "amount_invalid", "amount"},
		"exponent":          {ok("amount", "1e9"), 400, "amount_invalid", "amount"},
		"number":            {ok("amount", 10), 400, "amount_invalid", "amount"},
		"zero":              {ok("amount", "0"), 400, "amount_invalid", "amount"},
		"empty":             {ok("amount", ""), 400, "amount_invalid", "amount"},
		"spaces":            {ok("amount", " 1 "), 400, "amount_invalid", "amount"},
		"other digits":      {ok("amount", "١٢"), 400, "amount_invalid", "amount"},
		"40 digits":         {ok("amount", strings.Repeat("9", 40)), 400, "amount_invalid", "amount"},
		"above supply":      {ok("amount", "1250000000000000001"), 400, "amount_invalid", "amount"},
		"no amount":         {ok("amount", nil), 400, "amount_required", "amount"},
		"null amount":       {`{"toID":"` + bob.gx + `","amount":null}`, 400, "amount_invalid", "amount"},
		"unknown":           {ok("tip", "1"), 400, "unknown_field", "tip"},
		"twice":             {`{"toID":"` + bob.gx + `","amount":"1","amount":"2"}`, 400, "duplicate_field", "amount"},
		"trailing":          {`{"toID":"` + bob.gx + `","amount":"1"}x`, 400, "body_malformed", "body"},
		"no payee":          {ok("toID", nil), 400, "to_id_required", "toID"},
		"two payees":        {ok("toUserId", bob.gx), 400, "to_user_id_invalid", "toUserId"},
		"wrong checksum":    {ok("toID", wrongChecksum), 400, "to_id_invalid", "toID"},
		"no such form":      {ok("toID", "Bob!"), 400, "to_id_invalid", "toID"},
		"reserved":          {ok("toID", "SYSTEM_NOTHING"), 400, "to_id_invalid", "toID"},
		"self":              {ok("toID", ada.gx), 400, "to_id_invalid", "toID"},
		"self by profile":   {ok("toID", ada.profile.String()), 400, "to_id_invalid", "toID"},
		"unknown payee":     {ok("toID", "LK FF3 ABL912 0WLUY 6025"), 404, "recipient_not_found", ""},
		"unknown profile":   {ok("toID", uuid.NewString()), 404, "recipient_not_found", ""},
		"not on the ledger": {ok("toID", newcomer.profile.String()), 404, "recipient_not_found", ""},
		"somebody else's":   {ok("fromUserId", bob.profile.String()), 403, "from_user_id_forbidden", "fromUserId"},
		"long reason":       {ok("reason", strings.Repeat("x", 141)), 400, "reason_invalid", "reason"},
		"control character": {ok("reason", "a\nb"), 400, "reason_invalid", "reason"},
		"long in bytes":     {ok("reason", strings.Repeat("語", 140)), 400, "reason_invalid", "reason"},
		"too much":          {ok("amount", "500000000"), 422, "insufficient_funds", ""},
		"large body":        {ok("reason", strings.Repeat("x", 70_000)), 413, "body_too_large", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			a := s.call("tokenomics", "POST", "/transfers", ada.bearer, tc.body, "Idempotency-Key", key()).want(t, tc.status, tc.code)
			if a.text("field") != tc.field {
				t.Errorf("field %q, want %q", a.text("field"), tc.field)
			}
			if tc.code == "insufficient_funds" && (a.text("available") != "500000000" || a.text("required") != "500500000") {
				t.Errorf("figures: %s", a.raw)
			}
		})
	}
	s.t = t
	for name, header := range map[string][]string{"idempotency_key_required": nil, "idempotency_key_invalid": {"Idempotency-Key", "short"}} {
		s.call("tokenomics", "POST", "/transfers", ada.bearer, ok(), header...).want(t, 400, name)
	}
	s.call("tokenomics", "POST", "/transfers", newcomer.bearer, ok(), "Idempotency-Key", key()).want(t, 422, "account_not_active")
	if n := s.count(`SELECT count(*) FROM app.commands`); n != 0 {
		t.Errorf("%d commands were stored", n)
	}

	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = $1`, bob.gx)
	s.call("tokenomics", "POST", "/transfers", ada.bearer, ok(), "Idempotency-Key", key()).want(t, 422, "recipient_not_active")
	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = $1`, ada.gx)
	s.call("tokenomics", "POST", "/transfers", ada.bearer, ok(), "Idempotency-Key", key()).want(t, 423, "account_frozen")
	s.exec(`UPDATE read.system_status SET paused = true`)
	if a := s.call("tokenomics", "POST", "/transfers", ada.bearer, ok(), "Idempotency-Key", key()).want(t, 503, "system_paused"); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestPendingPaymentsAreReserved(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(10)), s.person("Bob", "CH", gx(0))
	pay := func(amount string) answer {
		return s.call("tokenomics", "POST", "/transfers", ada.bearer, map[string]any{"toID": bob.profile.String(), "amount": amount}, "Idempotency-Key", key())
	}
	first := pay("6000000").want(t, 202, "")
	if a := pay("6000000").want(t, 422, "insufficient_funds"); a.text("available") != "3997000" {
		t.Errorf("available %q", a.text("available"))
	}
	b := s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil).want(t, 200, "")
	for name, want := range map[string]string{
		"walletId": ada.gx, "profileId": ada.profile.String(), "balance": "10000000", "balanceGx": "10", "pendingOut": "6003000",
		"availableBalance": "3997000", "availableBalanceGx": "3.997", "currency": "GXC", "status": "ACTIVE", "asOfBlock": "-1", "frozenAmount": "0",
	} {
		if got := b.text("balance", name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	// Once it is projected it is in the balance, though the outbox doesn't know yet.
	s.exec(`UPDATE app.commands SET state = 'LOCKED' WHERE id = $1`, first.text("commandId"))
	if b := s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil); b.text("balance", "pendingOut") != "6003000" {
		t.Errorf("pending while it is at work: %q", b.text("balance", "pendingOut"))
	}
	s.exec(`INSERT INTO read.command_results (command_id, type, outcome, tx_id, block, at) VALUES ($1, 'TRANSFER_TOKENS', 'APPLIED', 'tx', 2, now())`, first.text("commandId"))
	if b := s.call("tokenomics", "GET", "/wallets/"+ada.gx+"/balance", ada.bearer, nil); b.text("balance", "pendingOut") != "0" {
		t.Errorf("pending %q", b.text("balance", "pendingOut"))
	}
}

func TestTransferInFlight(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	k := key()
	var wg sync.WaitGroup
	answers := make([]answer, 16)
	for i := range answers {
		wg.Go(func() {
			answers[i] = s.call("tokenomics", "POST", "/transfers", ada.bearer, map[string]any{"toID": bob.gx, "amount": "1000000"}, "Idempotency-Key", k)
		})
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, a := range answers {
		switch {
		case a.status == 202:
			ids[a.text("commandId")] = true
		case a.status == 409 && a.code() == "idempotency_in_progress" && a.header.Get("Retry-After") == "1":
		default:
			t.Errorf("%d %s", a.status, a.raw)
		}
	}
	if n := s.count(`SELECT count(*) FROM app.commands`); n != 1 || len(ids) != 1 {
		t.Errorf("%d commands, %d ids", n, len(ids))
	}
	// A transaction that holds the key is waited for or reported, never doubled.
	k = key()
	tx, err := s.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `INSERT INTO app.keys (principal, route, idempotency_key, command_id, request, response)
		VALUES ($1, 'POST /transfers', $2, gen_random_uuid(), '{}', '{}')`, "customer:"+ada.profile.String(), k); err != nil {
		t.Fatal(err)
	}
	a := s.call("tokenomics", "POST", "/transfers", ada.bearer, map[string]any{"toID": bob.gx, "amount": "1000000"}, "Idempotency-Key", k).want(t, 409, "idempotency_in_progress")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("headers %v", a.header)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestCommandStatus(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	pay := func(header ...string) answer {
		return s.call("tokenomics", "POST", "/transfers", ada.bearer, map[string]any{"toID": bob.gx, "amount": "1000000"},
			append([]string{"Idempotency-Key", key()}, header...)...)
	}
	id := pay().want(t, 202, "").text("commandId")
	status := func(bearer string, header ...string) answer {
		return s.call("tokenomics", "GET", "/commands/"+id, bearer, nil, header...)
	}
	if a := status(ada.bearer).want(t, 200, ""); a.text("status") != "PENDING" || a.at("projected") != false {
		t.Errorf("new: %s", a.raw)
	}
	status(bob.bearer).want(t, 404, "not_found")
	s.call("tax", "GET", "/commands/"+uuid.NewString(), ada.bearer, nil).want(t, 404, "not_found")
	s.call("tax", "GET", "/commands/x", ada.bearer, nil).want(t, 404, "not_found")
	s.exec(`UPDATE app.commands SET state = 'LOCKED', attempts = 1 WHERE id = $1`, id)
	if a := status(ada.bearer); a.text("status") != "PROCESSING" {
		t.Errorf("locked: %s", a.raw)
	}
	s.exec(`UPDATE app.commands SET state = 'DEAD', error = 'dial tcp 10.0.0.1' WHERE id = $1`, id)
	if a := status(ada.bearer, "Prefer", "wait=5"); a.text("status") != "FAILED" || a.text("errorCode") != "NOT_COMPLETED" || strings.Contains(a.raw, "10.0.0.1") {
		t.Errorf("dead: %s", a.raw)
	}
	s.exec(`UPDATE app.commands SET state = 'PENDING', error = '' WHERE id = $1`, id)

	// Waiting ends with the projection, not with the time.
	done := make(chan answer)
	go func() { done <- status(ada.bearer, "Prefer", "wait=10") }()
	s.project(id, "APPLIED", "")
	a := <-done
	if a.text("status") != "CONFIRMED" || a.at("projected") != true || a.text("result", "transactionId") != "tx1" || a.text("result", "blockNumber") != "7" ||
		a.header.Get("Preference-Applied") != "wait=10" {
		t.Errorf("projected: %v %s", a.header, a.raw)
	}
	if a := s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil, "GX-After", id); a.status != 200 {
		t.Errorf("after: %s", a.raw)
	}
	s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil, "GX-After", "x").want(t, 400, "gx_after_invalid")

	// A payment that waits gets its end; one that does not come to an end is accepted as ever.
	go func() { done <- pay("Prefer", "wait=10") }()
	var second string
	for second == "" {
		_ = s.owner.QueryRow(t.Context(), `SELECT id::text FROM app.commands WHERE state = 'PENDING'`).Scan(&second)
	}
	s.project(second, "REJECTED", "INSUFFICIENT_FUNDS")
	if a := <-done; a.status != 200 || a.text("status") != "FAILED" || a.text("command", "errorCode") != "INSUFFICIENT_FUNDS" {
		t.Errorf("rejected: %d %s", a.status, a.raw)
	}
	third := pay("Prefer", "wait=1").want(t, 202, "")
	s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil, "GX-After", third.text("commandId")).want(t, 503, "not_yet_visible")

	list := s.call("tokenomics", "GET", "/commands?limit=2", ada.bearer, nil).want(t, 200, "")
	if data := list.at("data").([]any); len(data) != 2 || list.at("hasMore") != true {
		t.Errorf("list: %s", list.raw)
	}
	rest := s.call("tokenomics", "GET", "/commands?limit=2&cursor="+list.text("nextCursor"), ada.bearer, nil).want(t, 200, "")
	if data := rest.at("data").([]any); len(data) != 1 || data[0].(map[string]any)["commandId"] != id {
		t.Errorf("rest: %s", rest.raw)
	}
	if a := s.call("tokenomics", "GET", "/commands?status=FAILED", ada.bearer, nil); !strings.Contains(a.raw, second) || strings.Contains(a.raw, id) {
		t.Errorf("failed: %s", a.raw)
	}
	s.call("tokenomics", "GET", "/commands?cursor=zzz", ada.bearer, nil).want(t, 400, "cursor_invalid")
}

func TestQuoteAndFees(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "DE", gx(0))
	q := s.call("tokenomics", "POST", "/transfers/quote", ada.bearer, map[string]any{"toID": bob.gx, "amount": "50000000"}).want(t, 200, "")
	if q.text("fee") != "75000" || q.text("total") != "50075000" || q.text("scope") != "CROSS_BORDER" || q.text("recipient", "displayName") != "Bob L." {
		t.Errorf("quote %s", q.raw)
	}
	f := s.call("tax", "POST", "/fees/calculate", "", map[string]any{"amount": "500000000", "type": "MERCHANT", "scope": "CROSS_BORDER"}).want(t, 200, "")
	if f.text("fee") != "1500000" || f.text("feeGx") != "1.5" || f.text("total") != "501500000" {
		t.Errorf("fee %s", f.raw)
	}
	if a := s.call("tax", "GET", "/fees/quote?amount=2000000", "", nil).want(t, 200, ""); a.text("fee") != "0" || a.text("type") != "P2P" {
		t.Errorf("fee %s", a.raw)
	}
	s.call("tax", "GET", "/fees/quote?amount=1e9", "", nil).want(t, 400, "amount_invalid")
	s.call("tax", "GET", "/fees/quote", "", nil).want(t, 400, "amount_required")
	s.call("tax", "POST", "/fees/calculate", "", map[string]any{"amount": 5}).want(t, 400, "amount_invalid")
	// The parameters of the ledger are the ones that count.
	s.exec(`UPDATE read.parameters SET value = '50' WHERE param_id = 'fee.merchant.cross_border'`)
	s.advance(2e9)
	if a := s.call("tax", "POST", "/fees/calculate", "", map[string]any{"amount": "500000000", "type": "MERCHANT", "scope": "CROSS_BORDER"}); a.text("fee") != "2500000" {
		t.Errorf("fee %s", a.raw)
	}
	if a := s.call("tax", "GET", "/fees/schedule", "", nil).want(t, 200, ""); len(a.at("parameters").([]any)) != 10 && len(a.at("parameters").([]any)) != 11 {
		t.Errorf("schedule %s", a.raw)
	}
}
