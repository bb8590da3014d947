package service_test

import (
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
)

// hoards lets the money of an account rest since some days ago.
func (s *system) hoards(id string, days int) {
	s.t.Helper()
	s.exec(`UPDATE read.accounts SET velocity_timer_start = $2 WHERE account_id = $1`, id, s.clock().AddDate(0, 0, -days))
}

func TestVelocityTaxEligibility(t *testing.T) {
	s := newSystem(t)
	s.open()
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 5)
	ada, bob, newcomer := s.person("Ada", "CH", gx(1500)), s.person("Bob", "CH", gx(99)), s.person("Neo", "CH", nil)
	s.account("acme", account.Business, "CH", *gx(20_000))
	s.exec(`INSERT INTO read.stakeholders (org_id, user_id, place) VALUES ('acme', $1, 0)`, ada.gx)
	_, auditor := s.staff(door.Auditor)
	_, developer := s.staff(door.Developer)
	get := func(bearer, id string) answer {
		return s.call("tax", "GET", "/velocity-tax/eligibility/"+id, bearer, nil)
	}
	check := func(id string, eligible bool, reason string) answer {
		t.Helper()
		a := get(auditor, id).want(t, 200, "")
		if a.at("eligible") != eligible || a.text("reason") != reason {
			t.Errorf("%s: %s, want %t %q", id, a.raw, eligible, reason)
		}
		return a
	}
	check(ada.gx, false, "TIMER_STOPPED")
	check(bob.gx, false, "BELOW_THRESHOLD")
	check(account.TreasuryOf("CH"), false, "NEVER_TAXED")
	check(account.GXPool, false, "NEVER_TAXED")
	s.hoards(ada.gx, 354)
	check(ada.gx, false, "NOT_DUE")
	s.hoards(ada.gx, 355)
	a := check(ada.profile.String(), true, "")
	for name, want := range map[string]any{
		"accountType": "INDIVIDUAL", "currentBalance": "1500000000", "balanceInCoins": "1500", "minimumBalance": "100000000", "minimumInCoins": "100",
		"requiredDays": float64(355), "daysSinceTimerStart": float64(355), "daysRemaining": float64(0), "dueAt": "2026-03-01T12:00:00.000Z",
		"timerStartDate": "2025-03-11T12:00:00.000Z", "exempt": false, "rateBps": float64(300), "tax": "45000000", "taxGx": "45",
		"govtShare": "22500000", "redistributionShare": "22500000",
	} {
		if got := a.at("details", name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	// The rules are those in force.
	s.exec(`INSERT INTO read.parameters VALUES ('velocityTaxPeriodDays', '400', now()), ('velocityTaxBand.3.bps', '100', now())`)
	s.advance(2 * time.Second)
	if a := check(ada.gx, false, "NOT_DUE"); a.at("details", "daysRemaining") != float64(45) || a.text("details", "tax") != "15000000" {
		t.Errorf("by other rules: %s", a.raw)
	}
	s.hoards(ada.gx, 400)
	check(ada.gx, true, "")
	s.exec(`UPDATE read.accounts SET tax_exempt = true WHERE account_id = $1`, ada.gx)
	check(ada.gx, false, "EXEMPT")
	s.exec(`UPDATE read.accounts SET tax_exempt = false, status = 'CLOSED' WHERE account_id = $1`, bob.gx)
	check(bob.gx, false, "NOT_OPEN")

	for _, id := range []string{"me", ada.gx, ada.profile.String(), "acme"} {
		get(ada.bearer, id).want(t, 200, "")
	}
	if a := get(ada.bearer, "acme"); a.text("accountId") != "acme" || a.text("details", "accountType") != "BUSINESS" {
		t.Errorf("of the organization: %s", a.raw)
	}
	for _, id := range []string{bob.gx, bob.profile.String(), account.TreasuryOf("CH"), "nobody"} {
		get(ada.bearer, id).want(t, 404, "not_found")
	}
	get(newcomer.bearer, "acme").want(t, 404, "not_found")
	get(newcomer.bearer, "me").want(t, 404, "account_not_found")
	get(developer, ada.gx).want(t, 404, "not_found")
	get(auditor, "nobody").want(t, 404, "account_not_found")
	get("", ada.gx).want(t, 401, "token_missing")
}

func TestVelocityTaxSchedule(t *testing.T) {
	s := newSystem(t)
	s.open()
	a := s.call("tax", "GET", "/velocity-tax/schedule", "", nil).want(t, 200, "")
	bands := a.at("bands").([]any)
	if a.text("threshold") != "100000000" || a.at("periodDays") != float64(355) || len(bands) != 7 || bands[6].(map[string]any)["bps"] != float64(600) {
		t.Errorf("schedule %s", a.raw)
	}
	for balance, tax := range map[string]string{"0": "0", "99999999": "0", "100000000": "2500000", "999999999": "24999999", "1000000000": "30000000", "1250000000000000000": "75000000000000000"} {
		if a := s.call("tax", "GET", "/velocity-tax/preview?balance="+balance, "", nil).want(t, 200, ""); a.text("tax") != tax {
			t.Errorf("%s: %s, want %s", balance, a.raw, tax)
		}
	}
	for _, balance := range []string{"", "-1", "1.5", "01", "1e9", "1250000000000000001"} {
		if a := s.call("tax", "GET", "/velocity-tax/preview?balance="+balance, "", nil); a.status != 400 || a.text("field") != "balance" {
			t.Errorf("%q: %s", balance, a.raw)
		}
	}
}

// A tax is charged at the rate of the balance, when it is due, by staff, together.
func TestD05ApplyVelocityTax(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada := s.person("Ada", "CH", gx(1500))
	_, owner := s.staff(door.SuperOwner)
	_, boss := s.staff(door.SuperAdmin)
	_, clerk := s.staff(door.Admin)
	apply := func(bearer, k string, body map[string]any) answer {
		return s.call("tax", "POST", "/velocity-tax/apply", bearer, body, "Idempotency-Key", k)
	}
	body := map[string]any{"accountId": ada.gx, "taxRateBps": 300}
	apply(ada.bearer, key(), body).want(t, 401, "token_wrong_audience")
	apply(clerk, key(), body).want(t, 403, "forbidden")
	if a := apply(boss, key(), body).want(t, 409, "not_eligible"); a.text("reason") != "TIMER_STOPPED" {
		t.Errorf("refused %s", a.raw)
	}
	apply(boss, key(), map[string]any{"accountId": "nobody"}).want(t, 404, "account_not_found")
	s.hoards(ada.gx, 355)
	if a := apply(boss, key(), map[string]any{"accountId": ada.gx, "taxRateBps": 301}).want(t, 422, "tax_rate_bps_invalid"); a.text("field") != "taxRateBps" {
		t.Errorf("refused %s", a.raw)
	}
	k := key()
	asked := apply(boss, k, body).want(t, 202, "")
	if asked.text("status") != "PENDING_APPROVAL" || s.commands() != "" {
		t.Fatalf("done without a second person: %s", asked.raw)
	}
	if a := apply(boss, k, map[string]any{"accountId": ada.profile.String(), "taxRateBps": 300}).want(t, 202, ""); a.raw != asked.raw {
		t.Errorf("again %s", a.raw)
	}
	s.vote(owner, asked.text("approvalId"), "APPROVE").want(t, 200, "")
	var payload string
	s.scan(`SELECT convert_from(payload, 'UTF8') FROM app.commands`, nil, &payload)
	if s.commands() != "APPLY_VELOCITY_TAX" || payload != `{"accountID":"`+ada.gx+`","country":"CH"}` {
		t.Errorf("%s %s", s.commands(), payload)
	}
	s.hoards(ada.gx, 0)
	apply(boss, k, body).want(t, 202, "") // whatever has become of it
}

func TestVelocityTaxExemptions(t *testing.T) {
	s := newSystem(t)
	s.open()
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 5)
	ada, bob := s.person("Ada", "CH", gx(1500)), s.person("Bob", "CH", gx(1500))
	_, owner := s.staff(door.SuperOwner)
	_, boss := s.staff(door.SuperAdmin)
	_, auditor := s.staff(door.Auditor)
	set := func(bearer, id string, exempt bool) answer {
		return s.call("tax", "POST", "/velocity-tax/exemptions", bearer, map[string]any{"accountId": id, "exempt": exempt, "reason": "by order of the court"}, "Idempotency-Key", key())
	}
	set(ada.bearer, ada.gx, true).want(t, 401, "token_wrong_audience")
	set(auditor, ada.gx, true).want(t, 403, "forbidden")
	set(boss, ada.gx, false).want(t, 409, "exemption_unchanged")
	set(boss, account.TreasuryOf("CH"), true).want(t, 400, "account_id_invalid")
	set(boss, "nobody", true).want(t, 404, "account_not_found")
	asked := set(boss, ada.profile.String(), true).want(t, 202, "")
	s.vote(owner, asked.text("approvalId"), "APPROVE").want(t, 200, "")
	var payload string
	s.scan(`SELECT convert_from(payload, 'UTF8') FROM app.commands`, nil, &payload)
	if payload != `{"accountID":"`+ada.gx+`","exempt":true,"reason":"by order of the court"}` {
		t.Errorf("payload %s", payload)
	}
	s.exec(`UPDATE read.accounts SET tax_exempt = true, tax_exempt_reason = 'by order of the court' WHERE kind = 'INDIVIDUAL'`)
	list := func(query string) answer {
		return s.call("tax", "GET", "/velocity-tax/exemptions"+query, auditor, nil).want(t, 200, "")
	}
	first := list("?limit=1")
	second := list("?limit=1&cursor=" + strings.ReplaceAll(first.text("nextCursor"), " ", "%20"))
	all := list("")
	if len(all.at("data").([]any)) != 2 || first.at("hasMore") != true || second.at("hasMore") != false || !strings.Contains(first.raw+second.raw, ada.gx) ||
		!strings.Contains(first.raw+second.raw, bob.gx) || !strings.Contains(all.raw, `"reason":"by order of the court"`) {
		t.Errorf("%s\n%s\n%s", all.raw, first.raw, second.raw)
	}
	set(boss, ada.gx, false).want(t, 202, "")
	s.exec(`UPDATE read.accounts SET status = 'CLOSED' WHERE account_id = $1`, bob.gx)
	set(boss, bob.gx, false).want(t, 409, "invalid_state")
}

func TestVelocityTaxHistory(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(1500)), s.person("Bob", "CH", gx(1500))
	for i := range 3 {
		s.exec(`INSERT INTO read.tax_assessments (account_id, kind, balance, rate_bps, tax, treasury_id, govt_share, redistribution_share, timer_start, tx_id, at, block, tx_index, seq)
			VALUES ($1, 'INDIVIDUAL', 1500000000, 300, 45000001, 'treasury_CH', 22500000, 22500001, $2, $3, $2, $4, 0, 0)`, ada.gx, s.clock(), strings.Repeat("x", i+1), i)
	}
	list := func(p person, query string) answer {
		return s.call("tax", "GET", "/velocity-tax/history/"+ada.gx+query, p.bearer, nil)
	}
	a := list(ada, "?limit=2").want(t, 200, "")
	newest := a.at("data").([]any)[0].(map[string]any)
	for name, want := range map[string]any{"balance": "1500000000", "rateBps": float64(300), "tax": "45000001", "taxGx": "45.000001", "govtShare": "22500000",
		"redistributionShare": "22500001", "treasuryId": "treasury_CH", "transactionId": "xxx"} {
		if newest[name] != want {
			t.Errorf("%s = %v, want %v", name, newest[name], want)
		}
	}
	if rest := list(ada, "?cursor="+a.text("nextCursor")).want(t, 200, ""); len(rest.at("data").([]any)) != 1 || rest.at("hasMore") != false {
		t.Errorf("rest %s", rest.raw)
	}
	list(bob, "").want(t, 404, "not_found")
	list(ada, "?cursor=x").want(t, 400, "cursor_invalid")
}
