package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

var collateral = strings.Repeat("c", 64)

// trusted sets the trust score of a person.
func (s *system) trusted(p person, score int) {
	s.t.Helper()
	s.exec(`UPDATE read.users SET trust_score = $2 WHERE user_id = $1`, p.gx, score)
}

// loan stores a loan of a person of 1000 GX.
func (s *system) loan(p person, in status.Loan) string {
	s.t.Helper()
	id := "LOAN_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	outstanding, decided, due := int64(0), (*time.Time)(nil), (*time.Time)(nil)
	if in == status.LoanActive || in == status.LoanDefaulted {
		at, end := s.clock(), s.clock().AddDate(0, 0, 100)
		outstanding, decided, due = 1_000_000_000, &at, &end
	}
	s.exec(`INSERT INTO read.loans (loan_id, borrower_id, amount, purpose, collateral_hash, term_days, status, outstanding, applied_at, decided_by, decided_at, due_at,
			block, tx_index, seq)
		VALUES ($1, $2, 1000000000, 'a sewing machine', $3, 100, $4, $5, $6, 'somebody', $7, $8, (SELECT count(*) FROM read.loans), 0, 0)`,
		id, p.gx, collateral, string(in), outstanding, s.clock(), decided, due)
	return id
}

func application(change ...any) map[string]any {
	m := map[string]any{"amount": "1000000000", "collateralHash": collateral, "purpose": "a sewing machine", "termDays": 180}
	for i := 0; i < len(change); i += 2 {
		m[change[i].(string)] = change[i+1]
	}
	return m
}

// payload returns what was stored for the ledger.
func (s *system) payload(commandID string) (kind, payload string) {
	s.t.Helper()
	s.scan(`SELECT type, convert_from(payload, 'UTF8') FROM app.commands WHERE id = $1`, []any{commandID}, &kind, &payload)
	return kind, payload
}

func TestApplyForLoan(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, newcomer := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0)), s.person("Neo", "CH", nil)
	s.trusted(ada, 75)
	apply := func(p person, k string, body map[string]any) answer {
		return s.call("loanpool", "POST", "/loans", p.bearer, body, "Idempotency-Key", k)
	}
	k := key()
	first := apply(ada, k, application("borrowerId", ada.profile.String())).want(t, 202, "")
	kind, payload := s.payload(first.text("commandId"))
	if kind != "APPLY_FOR_LOAN" || payload != `{"actorID":"`+ada.gx+`","amount":"1000000000","collateralHash":"`+collateral+`","purpose":"a sewing machine","termDays":180}` {
		t.Errorf("%s %s", kind, payload)
	}
	s.trusted(ada, 10) // a repetition is the first answer, whatever has become of the borrower
	if a := apply(ada, k, application()).want(t, 202, ""); a.raw != first.raw || a.header.Get("Idempotency-Hit") != "true" {
		t.Errorf("again %s", a.raw)
	}
	for field, value := range map[string]any{"amount": "2000000000", "collateralHash": strings.Repeat("d", 64), "purpose": "a boat", "termDays": 90} {
		if a := apply(ada, k, application(field, value)).want(t, 422, "idempotency_key_reused"); a.text("field") != field {
			t.Errorf("%s differs, the problem names %q", field, a.text("field"))
		}
	}

	if a := apply(ada, key(), application()).want(t, 422, "trust_too_low"); a.text("trustScore") != "10" || a.text("required") != "75" {
		t.Errorf("refused %s", a.raw)
	}
	s.trusted(ada, 80)
	for name, tc := range map[string]struct {
		body        map[string]any
		status      int
		code, field string
	}{
		"fraction":        {application("amount", "1.5"), 400, "amount_invalid", "amount"},
		"number":          {application("amount", 1000000000), 400, "amount_invalid", "amount"},
		"too little":      {application("amount", "99999999"), 422, "amount_invalid", "amount"},
		"too much":        {application("amount", "1000000000001"), 422, "amount_invalid", "amount"},
		"no day":          {application("termDays", 0), 400, "term_days_invalid", "termDays"},
		"too long":        {application("termDays", 366), 422, "term_days_invalid", "termDays"},
		"no hash":         {application("collateralHash", "abc"), 400, "collateral_hash_invalid", "collateralHash"},
		"no purpose":      {application("purpose", ""), 400, "purpose_invalid", "purpose"},
		"control":         {application("purpose", "a\x00b"), 400, "purpose_invalid", "purpose"},
		"unknown":         {application("interest", "1"), 400, "unknown_field", "interest"},
		"somebody else's": {application("borrowerId", bob.profile.String()), 403, "borrower_id_forbidden", "borrowerId"},
	} {
		if a := apply(ada, key(), tc.body).want(t, tc.status, tc.code); a.text("field") != tc.field {
			t.Errorf("%s: field %q", name, a.text("field"))
		}
	}
	s.call("loanpool", "POST", "/loans", ada.bearer, application()).want(t, 400, "idempotency_key_required")
	apply(newcomer, key(), application()).want(t, 422, "account_not_active")
	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = $1`, ada.gx)
	apply(ada, key(), application()).want(t, 423, "account_frozen")
	s.exec(`UPDATE read.accounts SET status = 'ACTIVE' WHERE account_id = $1`, ada.gx)
	if n := s.count(`SELECT count(*) FROM app.commands`); n != 1 {
		t.Errorf("%d commands", n)
	}
}

// Limits and bans are those of the ledger, and what is said of them is what is done.
func TestLoanStanding(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, newcomer := s.person("Ada", "CH", gx(500)), s.person("Neo", "CH", nil)
	_, auditor := s.staff(door.Auditor)
	standing := func() answer {
		return s.call("loanpool", "GET", "/users/me/loans/standing", ada.bearer, nil).want(t, 200, "")
	}
	apply := func(amount string) answer {
		return s.call("loanpool", "POST", "/loans", ada.bearer, application("amount", amount), "Idempotency-Key", key())
	}
	check := func(eligible bool, reason, available string) {
		t.Helper()
		a := standing()
		if a.at("standing", "eligible") != eligible || a.text("standing", "reason") != reason || a.text("standing", "available") != available {
			t.Errorf("standing %s, want %t %q %s", a.raw, eligible, reason, available)
		}
		if !eligible {
			apply("1000000000").want(t, 422, reason)
			return
		}
		apply(available).want(t, 202, "")
		s.exec(`DELETE FROM app.commands`)
	}
	check(false, "trust_too_low", "0")
	s.trusted(ada, 80)
	check(true, "", "1000000000000")
	s.exec(`INSERT INTO read.parameters VALUES ($1, '2500000000', now()), ($2, '3', now())`, parameter.LoanMaxOutstanding, parameter.LoanMaxConcurrent)
	s.advance(2 * time.Second)
	check(true, "", "2500000000")
	s.loan(ada, status.LoanActive)
	s.loan(ada, status.LoanPaid)
	check(true, "", "1500000000")
	apply("1500000001").want(t, 422, "loan_limit_exceeded")
	waiting := s.loan(ada, status.LoanPending)
	check(true, "", "500000000")
	a := standing()
	for name, want := range map[string]any{
		"userId": ada.gx, "trustScore": float64(80), "minTrustScore": float64(75), "openLoans": float64(2), "maxOpenLoans": float64(3), "pending": "1000000000",
		"outstanding": "1000000000", "outstandingGx": "1000", "maxOutstanding": "2500000000", "minAmount": "100000000", "maxAmount": "1000000000000",
		"maxTermDays": float64(365), "defaults": float64(0), "banned": false,
	} {
		if a.at("standing", name) != want {
			t.Errorf("%s = %v, want %v", name, a.at("standing", name), want)
		}
	}
	s.exec(`UPDATE read.loans SET amount = 1500000000 WHERE loan_id = $1`, waiting)
	check(false, "loan_limit_exceeded", "0")
	s.exec(`UPDATE read.loans SET amount = 1000000000 WHERE loan_id = $1`, waiting)
	s.exec(`UPDATE read.parameters SET value = '2' WHERE param_id = $1`, parameter.LoanMaxConcurrent)
	s.advance(2 * time.Second)
	check(false, "too_many_loans", "0")
	s.exec(`UPDATE read.users SET loan_defaults = 2, loan_banned = true WHERE user_id = $1`, ada.gx)
	check(false, "loan_banned", "0")

	s.call("loanpool", "GET", "/users/"+ada.gx+"/loans/standing", auditor, nil).want(t, 200, "")
	s.call("loanpool", "GET", "/users/"+ada.profile.String()+"/loans/standing", newcomer.bearer, nil).want(t, 404, "not_found")
	s.call("loanpool", "GET", "/users/me/loans/standing", newcomer.bearer, nil).want(t, 404, "wallet_not_found")
}

func TestLoans(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, newcomer := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0)), s.person("Neo", "CH", nil)
	_, clerk := s.staff(door.Moderator)
	paid, active, waiting := s.loan(ada, status.LoanPaid), s.loan(ada, status.LoanActive), s.loan(bob, status.LoanPending)
	ids := func(a answer, member string) (out []string) {
		for _, l := range a.want(t, 200, "").at(member).([]any) {
			out = append(out, l.(map[string]any)["loanId"].(string))
		}
		return out
	}
	list := func(bearer, query string) string {
		return strings.Join(ids(s.call("loanpool", "GET", "/loans"+query, bearer, nil), "data"), " ")
	}
	for _, tc := range []struct{ bearer, query, want string }{
		{ada.bearer, "", active + " " + paid},
		{ada.bearer, "?status=ACTIVE", active},
		{ada.bearer, "?status=REJECTED", ""},
		{ada.bearer, "?borrowerId=" + ada.profile.String(), active + " " + paid},
		{ada.bearer, "?borrowerId=" + ada.gx, active + " " + paid},
		{bob.bearer, "", waiting},
		{newcomer.bearer, "", ""},
		{clerk, "", waiting + " " + active + " " + paid},
		{clerk, "?status=PENDING_APPROVAL", waiting},
		{clerk, "?borrowerId=" + ada.profile.String() + "&status=PAID", paid},
		{clerk, "?borrowerId=" + newcomer.profile.String(), ""},
	} {
		if got := list(tc.bearer, tc.query); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.query, got, tc.want)
		}
	}
	s.call("loanpool", "GET", "/loans?borrowerId="+bob.gx, ada.bearer, nil).want(t, 404, "not_found")
	s.call("loanpool", "GET", "/loans?status=PendingApproval", clerk, nil).want(t, 400, "status_invalid")
	first := s.call("loanpool", "GET", "/loans?limit=2", clerk, nil).want(t, 200, "")
	if first.at("hasMore") != true || list(clerk, "?limit=2&cursor="+first.text("nextCursor")) != paid {
		t.Errorf("first page %s", first.raw)
	}

	of := func(bearer, id string) answer { return s.call("loanpool", "GET", "/users/"+id+"/loans", bearer, nil) }
	if got := ids(of(ada.bearer, "me"), "loans"); len(got) != 2 || got[0] != active {
		t.Errorf("of ada %v", got)
	}
	if got := ids(of(clerk, bob.gx), "loans"); len(got) != 1 {
		t.Errorf("of bob %v", got)
	}
	if got := ids(of(newcomer.bearer, "me"), "loans"); len(got) != 0 {
		t.Errorf("of nobody %v", got)
	}
	of(bob.bearer, ada.profile.String()).want(t, 404, "not_found")

	one := func(bearer, id string) answer { return s.call("loanpool", "GET", "/loans/"+id, bearer, nil) }
	a := one(ada.bearer, active).want(t, 200, "")
	for name, want := range map[string]any{
		"loanId": active, "borrowerId": ada.gx, "amount": "1000000000", "amountGx": "1000", "status": "ACTIVE", "outstanding": "1000000000",
		"repaidTotal": "0", "termDays": float64(100), "collateralHash": collateral, "decidedBy": nil, "approvedAt": "2026-03-01T12:00:00.000Z",
		"dueAt": "2026-06-09T12:00:00.000Z", "rejectedReason": nil,
	} {
		if a.at("loan", name) != want {
			t.Errorf("%s = %v, want %v", name, a.at("loan", name), want)
		}
	}
	if a := one(clerk, active).want(t, 200, ""); a.text("loan", "decidedBy") != "somebody" {
		t.Errorf("for staff %s", a.raw)
	}
	one(bob.bearer, active).want(t, 404, "not_found")
	one(clerk, "LOAN_nothing").want(t, 404, "loan_not_found")
}

func TestLoanDecisions(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	s.trusted(ada, 80)
	_, clerk := s.staff(door.Admin)
	bossID, boss := s.staff(door.SuperAdmin)
	post := func(bearer, path string, body any) answer {
		return s.call("loanpool", "POST", "/loans/"+path, bearer, body, "Idempotency-Key", key())
	}
	waiting := s.loan(ada, status.LoanPending)
	reason := map[string]any{"reason": "The collateral is not enough."}
	for path, body := range map[string]any{"/approve": nil, "/reject": reason, "/default": nil} {
		post(ada.bearer, waiting+path, body).want(t, 401, "token_wrong_audience")
		post(boss, "LOAN_nothing"+path, body).want(t, 404, "loan_not_found")
	}
	done := post(boss, waiting+"/approve", map[string]any{"notes": "seen"}).want(t, 202, "")
	kind, payload := s.payload(done.text("commandId"))
	if want := `{"approverAdminID":"` + bossID.String() + `","loanID":"` + waiting + `","borrowerID":"` + ada.gx + `"}`; kind != "APPROVE_LOAN" || payload != want || done.text("aggregateId") != waiting {
		t.Errorf("%s %s, want %s", kind, payload, want)
	}
	post(boss, waiting+"/approve", nil).want(t, 202, "")
	// One who may do it with a second person only asks.
	asked := post(clerk, waiting+"/approve", nil).want(t, 202, "")
	if asked.text("status") != "PENDING_APPROVAL" || asked.text("commandId") != "" {
		t.Errorf("asked %s", asked.raw)
	}
	s.vote(boss, asked.text("approvalId"), "APPROVE").want(t, 200, "")
	if got := s.commands(); got != "APPROVE_LOAN APPROVE_LOAN APPROVE_LOAN" {
		t.Errorf("commands %s", got)
	}
	post(boss, waiting+"/reject", reason).want(t, 202, "")
	post(boss, waiting+"/reject", map[string]any{"reason": "no"}).want(t, 400, "reason_invalid")

	s.trusted(ada, 10)
	post(boss, waiting+"/approve", nil).want(t, 422, "trust_too_low")
	s.trusted(ada, 80)
	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = $1`, ada.gx)
	post(boss, waiting+"/approve", nil).want(t, 422, "borrower_not_active")
	s.exec(`UPDATE read.accounts SET status = 'ACTIVE' WHERE account_id = $1`, ada.gx)
	s.exec(`UPDATE read.accounts SET balance = 999999999 WHERE account_id = $1`, account.LoanPool)
	if a := post(boss, waiting+"/approve", nil).want(t, 422, "insufficient_funds"); a.text("available") != "999999999" {
		t.Errorf("refused %s", a.raw)
	}

	active := s.loan(ada, status.LoanActive)
	post(boss, active+"/approve", nil).want(t, 409, "invalid_state")
	post(boss, active+"/reject", reason).want(t, 409, "invalid_state")
	post(ada.bearer, active+"/cancel", nil).want(t, 409, "invalid_state")
	post(boss, waiting+"/default", nil).want(t, 409, "invalid_state")
	s.exec(`UPDATE read.loans SET due_at = $2 WHERE loan_id = $1`, active, s.clock().AddDate(0, 0, -90))
	post(boss, active+"/default", nil).want(t, 409, "not_overdue")
	s.advance(time.Second)
	post(boss, active+"/default", nil).want(t, 202, "")
	post(bob.bearer, waiting+"/cancel", nil).want(t, 404, "not_found")
	post(ada.bearer, waiting+"/cancel", nil).want(t, 202, "")
}

func TestRepayments(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(800))
	loan := s.loan(ada, status.LoanActive)
	for i, payer := range []person{ada, bob} {
		s.exec(`INSERT INTO read.transactions (account_id, block, tx_index, seq, entry, transaction_id, tx_id, type, counterparty, amount, remark, command_id, at)
			VALUES ($1, $2, 0, 0, 1, gen_random_uuid(), 'tx', 'LOAN_COLLECTION', $3, 1000000, $4, 'command', $5)`, account.LoanPool, i, payer.gx, loan, s.clock())
	}
	list := func(bearer, query string) answer {
		return s.call("loanpool", "GET", "/loans/"+loan+"/repayments"+query, bearer, nil)
	}
	a := list(ada.bearer, "?limit=1").want(t, 200, "")
	first := a.at("data").([]any)[0].(map[string]any)
	if first["payerId"] != bob.gx || first["amount"] != "1000000" || first["amountGx"] != "1" || a.at("hasMore") != true {
		t.Errorf("first %s", a.raw)
	}
	if a := list(ada.bearer, "?cursor="+a.text("nextCursor")).want(t, 200, ""); len(a.at("data").([]any)) != 1 || a.at("hasMore") != false || !strings.Contains(a.raw, ada.gx) {
		t.Errorf("second %s", a.raw)
	}
	list(bob.bearer, "").want(t, 404, "not_found") // who pays for others does not see who else did
	_, clerk := s.staff(door.Moderator)
	list(clerk, "").want(t, 200, "")
}

// Anybody may pay back a loan; what a repayment will take is held.
func TestRepayLoan(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(800))
	loan := s.loan(ada, status.LoanActive)
	repay := func(p person, k, id, amount string) answer {
		return s.call("loanpool", "POST", "/loans/"+id+"/repayments", p.bearer, map[string]any{"amount": amount}, "Idempotency-Key", k)
	}
	k := key()
	first := repay(ada, k, loan, "300000000").want(t, 202, "")
	kind, payload := s.payload(first.text("commandId"))
	if kind != "REPAY_LOAN" || payload != `{"actorID":"`+ada.gx+`","loanID":"`+loan+`","amount":"300000000","borrowerID":"`+ada.gx+`"}` {
		t.Errorf("%s %s", kind, payload)
	}
	if first.text("fee") != "0" || first.text("total") != "300000000" || first.text("totalGx") != "300" {
		t.Errorf("receipt %s", first.raw)
	}
	if a := repay(ada, key(), loan, "200000001").want(t, 422, "insufficient_funds"); a.text("available") != "200000000" {
		t.Errorf("what is under way is not held: %s", a.raw)
	}
	s.exec(`UPDATE read.loans SET status = 'PAID' WHERE loan_id = $1`, loan)
	if a := repay(ada, k, loan, "300000000").want(t, 202, ""); a.raw != first.raw {
		t.Errorf("again %s", a.raw)
	}
	if a := repay(ada, k, s.loan(ada, status.LoanActive), "300000000").want(t, 422, "idempotency_key_reused"); a.text("field") != "loanId" {
		t.Errorf("another loan %s", a.raw)
	}
	repay(ada, key(), loan, "1").want(t, 409, "invalid_state")
	s.exec(`UPDATE read.loans SET status = 'DEFAULTED' WHERE loan_id = $1`, loan)
	other := repay(bob, key(), loan, "700000000").want(t, 202, "")
	if _, payload := s.payload(other.text("commandId")); !strings.Contains(payload, `"actorID":"`+bob.gx+`"`) || !strings.Contains(payload, `"borrowerID":"`+ada.gx+`"`) {
		t.Errorf("somebody else pays: %s", payload)
	}
	if a := repay(bob, key(), loan, qirat.Amount(1_000_000_001).String()).want(t, 422, "amount_invalid"); a.text("field") != "amount" || strings.Contains(a.raw, "1000000000") {
		t.Errorf("too much: %s", a.raw)
	}
	repay(bob, key(), loan, "0").want(t, 400, "amount_invalid")
	repay(bob, key(), "LOAN_nothing", "1").want(t, 404, "loan_not_found")
	s.exec(`UPDATE read.system_status SET paused = true`)
	repay(bob, key(), loan, "1").want(t, 503, "system_paused")
}
