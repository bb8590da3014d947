package service_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
)

func registration(change ...string) map[string]any {
	m := map[string]any{"fname": "Ada", "lname": "Lovelace", "email": "ada@example.org", "password": "Correct horse 1",
		"dateOfBirth": "1990-12-10", "gender": "female", "country": "CH"}
	for i := 0; i < len(change); i += 2 {
		m[change[i]] = change[i+1]
	}
	return m
}

func evidence(number string) map[string]any {
	return map[string]any{"evidenceHash": strings.Repeat("ab", 32), "evidenceSize": 1000, "evidenceMime": "image/png",
		"documentType": "NATIONAL_ID", "documentNumber": number}
}

// A person registers, submits evidence, is approved and put on the ledger.
func TestOnboarding(t *testing.T) {
	s := newSystem(t)
	s.open()
	_, staff := s.staff(door.Admin)
	r := s.call("identity", "POST", "/auth/register", "", registration("phone", "+41 79 123-45-67")).want(t, 201, "")
	bearer, profile := r.text("accessToken"), r.text("user", "profileId")
	if r.text("user", "status") != "REGISTERED" || r.text("user", "gender") != "FEMALE" || r.text("user", "phoneNum") != "+41791234567" ||
		r.text("user", "nationalityCountryName") == "" || r.text("user", "onchainStatus") != "NOT_REGISTERED" {
		t.Errorf("registered %s", r.raw)
	}
	s.call("tokenomics", "GET", "/wallets/me/balance", bearer, nil).want(t, 404, "wallet_not_found")
	s.call("tokenomics", "GET", "/wallets/me/genesis", bearer, nil).want(t, 404, "wallet_not_found")
	if k := s.call("identity", "GET", "/users/me/kyc", bearer, nil).want(t, 200, ""); k.at("kycStatus") != nil {
		t.Errorf("kyc %s", k.raw)
	}
	s.call("admin", "POST", "/admin/users/"+profile+"/approve", staff, nil).want(t, 409, "invalid_state")

	s.call("identity", "POST", "/users/"+profile+"/kyc", bearer, evidence("?")).want(t, 400, "document_number_invalid")
	k := s.call("identity", "POST", "/users/"+profile+"/kyc", bearer, evidence("756.1234-5678 97")).want(t, 201, "")
	if k.text("kycRecord", "status") != "PENDING" {
		t.Errorf("kyc %s", k.raw)
	}
	s.call("identity", "POST", "/users/"+profile+"/kyc", bearer, evidence("756.1234-5678 97")).want(t, 409, "kyc_not_possible")
	if n := s.count(`SELECT count(*) FROM app.people p, app.kyc_records k WHERE p::text || k::text LIKE '%75612345678%'`); n != 0 {
		t.Error("the number of the document is stored")
	}

	list := s.call("admin", "GET", "/admin/users?status=PENDING&search=ADA%40example.org", staff, nil).want(t, 200, "")
	if list.at("total") != float64(1) || strings.Contains(list.raw, "ada@example.org") || !strings.Contains(list.raw, "a***@example.org") || strings.Contains(list.raw, "argon2") {
		t.Errorf("list %s", list.raw)
	}
	for search, found := range map[string]float64{"lovelace": 1, "LOVELACE ada": 1, "%2B41791234567": 1, "lace": 0, "ada@": 0, "ada babbage": 0} {
		if a := s.call("admin", "GET", "/admin/users?search="+search, staff, nil).want(t, 200, ""); a.at("total") != found {
			t.Errorf("search for %s: %s", search, a.raw)
		}
	}
	if a := s.call("admin", "GET", "/admin/users?search=%25", staff, nil).want(t, 200, ""); a.at("total") != float64(0) {
		t.Errorf("a wildcard is a wildcard: %s", a.raw)
	}
	view := s.call("admin", "GET", "/admin/users/"+profile, staff, nil).want(t, 200, "")
	if len(view.at("kycVerifications").([]any)) != 1 || strings.Contains(view.raw, "argon2") || strings.Contains(view.raw, "biometric") {
		t.Errorf("view %s", view.raw)
	}
	s.call("admin", "POST", "/admin/users/"+profile+"/deny", staff, map[string]any{"reason": "  short   "}).want(t, 422, "reason_too_short")
	s.call("admin", "POST", "/admin/users/batch-register-onchain", staff, map[string]any{"userIds": []string{profile}}, "Idempotency-Key", key()).want(t, 422, "user_not_eligible")

	ok := s.call("admin", "POST", "/admin/users/"+profile+"/approve", staff, map[string]any{"notes": "fine"}).want(t, 200, "")
	gx := ok.text("fabricUserId")
	if id, err := gxid.Parse(gx); err != nil || id.Country != "CH" || id.Gender != gxid.Female || !id.Born.Equal(time.Date(1990, 12, 10, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("GX id %q: %+v, %v", gx, id, err)
	}
	s.call("admin", "POST", "/admin/users/"+profile+"/approve", staff, nil).want(t, 409, "invalid_state")
	if n := s.count(`SELECT count(*) FROM app.kyc_records WHERE status = 'APPROVED' AND verified_by IS NOT NULL AND notes IS NOT NULL AND plain_notes = ''`); n != 1 {
		t.Error("the evidence is not approved with the person")
	}

	register := func(ids ...string) answer {
		return s.call("admin", "POST", "/admin/users/batch-register-onchain", staff, map[string]any{"userIds": ids}, "Idempotency-Key", key())
	}
	if a := register(profile, gx).want(t, 422, "user_not_eligible"); a.text("field") != "userIds[1]" {
		t.Errorf("listed twice: %s", a.raw)
	}
	register().want(t, 400, "user_ids_invalid")
	first := register(profile).want(t, 202, "")
	id := first.at("commands").([]any)[0].(map[string]any)["commandId"].(string)
	if again := register(gx).want(t, 202, ""); again.raw != first.raw {
		t.Errorf("registered twice: %s\n%s", first.raw, again.raw)
	}
	var payload []byte
	var state string
	s.scan(`SELECT payload, state FROM app.commands WHERE id = $1 AND idempotency_key = 'create-user:' || $2`, []any{id, gx}, &payload, &state)
	p, err := command.Decode(command.TypeCreateUser, payload)
	if err != nil {
		t.Fatal(err)
	}
	if u := p.(*command.CreateUser); u.UserID != gx || u.Nationality != "CH" || u.Age != 35 || len(u.BiometricHash) != 64 {
		t.Errorf("payload %+v", u)
	}
	// Only a failed registration makes room for another.
	s.exec(`UPDATE app.commands SET state = 'DEAD' WHERE id = $1`, id)
	retry := register(gx).want(t, 202, "")
	if retry.raw == first.raw {
		t.Error("a failed registration cannot be repeated")
	}
	// It is no longer kept, but its key is known.
	s.exec(`DELETE FROM app.commands`)
	if third := register(gx).want(t, 202, ""); third.raw == first.raw || third.raw == retry.raw {
		t.Error("a registration that failed long ago cannot be repeated")
	}
	if a := s.call("identity", "GET", "/users/me", bearer, nil); a.text("user", "status") != "APPROVED_PENDING_ONCHAIN" || a.text("user", "fabricUserId") != gx {
		t.Errorf("before the ledger: %s", a.raw)
	}

	// The ledger answers.
	s.exec(`INSERT INTO read.users (user_id, nationality, status, trust_score, genesis_status, genesis_phase, genesis_amount, created_at)
		VALUES ($1, 'CH', 'ACTIVE', 10, 'DISTRIBUTED', 1, 500000000, $2)`, gx, s.clock())
	s.account(gx, account.Individual, "CH", 500_000_000)
	if a := s.call("identity", "GET", "/users/"+gx, bearer, nil); a.text("user", "status") != "ACTIVE" || a.text("user", "onchainStatus") != "ACTIVE" {
		t.Errorf("on the ledger: %s", a.raw)
	}
	if g := s.call("tokenomics", "GET", "/wallets/"+profile+"/genesis", bearer, nil).want(t, 200, ""); g.text("genesis", "amountGx") != "500" {
		t.Errorf("genesis %s", g.raw)
	}
	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = $1`, gx)
	if a := s.call("admin", "GET", "/admin/users?status=FROZEN", staff, nil); a.at("total") != float64(1) || s.call("identity", "GET", "/users/me", bearer, nil).at("user", "isLocked") != true {
		t.Errorf("frozen: %s", a.raw)
	}
}

func TestD50RegistrationRules(t *testing.T) {
	s := newSystem(t)
	for name, tc := range map[string]struct{ field, value, code string }{
		"no at":            {"email", "ada.example.org", "EMAIL_INVALID_FORMAT"},
		"no domain":        {"email", "ada@localhost", "EMAIL_INVALID_FORMAT"},
		"display name":     {"email", "Ada <ada@example.org>", "EMAIL_INVALID_FORMAT"},
		"empty e-mail":     {"email", " ", "EMAIL_REQUIRED"},
		"short password":   {"password", "Aa1", "PASSWORD_TOO_SHORT"},
		"long password":    {"password", "Aa1" + strings.Repeat("x", 200), "PASSWORD_TOO_LONG"},
		"no digit":         {"password", "Correct horse", "PASSWORD_MISSING_NUMBER"},
		"digits in a name": {"fname", "R2D2", "NAME_INVALID_CHARS"},
		"empty name":       {"lname", "", "NAME_REQUIRED"},
		"long name":        {"lname", strings.Repeat("x", 101), "NAME_TOO_LONG"},
		"no date":          {"dateOfBirth", "2023-02-30", "DOB_INVALID_FORMAT"},
		"future":           {"dateOfBirth", "2030-01-01", "DOB_FUTURE_DATE"},
		"child":            {"dateOfBirth", "2015-01-01", "DOB_MIN_AGE"},
		"too old":          {"dateOfBirth", "1900-01-01", "DOB_MAX_AGE"},
		"gender":           {"gender", "x", "GENDER_INVALID"},
		"phone":            {"phone", "0791234567", "PHONE_INVALID_FORMAT"},
		"country":          {"country", "XX", "COUNTRY_NOT_FOUND"},
		"country form":     {"country", "ch", "COUNTRY_INVALID_FORMAT"},
	} {
		a := s.call("identity", "POST", "/auth/register", "", registration(tc.field, tc.value))
		if a.status != 400 || a.code() != tc.code || a.text("field") != tc.field {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	a := s.call("identity", "POST", "/auth/register", "", registration("email", "x", "gender", "x")).want(t, 400, "validation_failed")
	if len(a.at("errors").([]any)) != 2 {
		t.Errorf("not every field is named: %s", a.raw)
	}
	for i, name := range []string{"Þórdís", "Nguyễn", "D’Arcy-O'Neil", "李", "Mary Ann", "محمد"} {
		m := registration("fname", name, "email", fmt.Sprintf("person%d@example.org", i))
		s.call("identity", "POST", "/auth/register", "", m).want(t, 201, "")
	}
	s.call("identity", "POST", "/auth/register", "", registration("phone", "+41791234567")).want(t, 201, "")
	s.call("identity", "POST", "/auth/register", "", registration("email", "ADA@example.org")).want(t, 409, "EMAIL_ALREADY_EXISTS")
	s.call("identity", "POST", "/auth/register", "", registration("email", "b@example.org", "phone", "+41 79 1234567")).want(t, 409, "PHONE_ALREADY_EXISTS")
}

func TestDenial(t *testing.T) {
	s := newSystem(t)
	_, staff := s.staff(door.Moderator)
	ada, bob := s.person("Ada", "CH", nil), s.person("Bob", "CH", nil)
	s.call("identity", "POST", "/users/me/kyc", ada.bearer, evidence("A1234567")).want(t, 201, "")
	s.call("identity", "POST", "/users/me/kyc", bob.bearer, evidence("a123-4567")).want(t, 409, "document_number_taken")
	s.call("admin", "POST", "/admin/users/"+ada.profile.String()+"/deny", staff, map[string]any{"reason": "The picture is not readable."}).want(t, 200, "")
	if a := s.call("identity", "GET", "/users/me", ada.bearer, nil); a.text("user", "status") != "DENIED" || a.text("user", "denialReason") == "" {
		t.Errorf("denied: %s", a.raw)
	}
	s.call("identity", "POST", "/users/me/kyc", ada.bearer, evidence("A1234567")).want(t, 409, "kyc_too_early")
	s.advance(25 * time.Hour)
	fresh := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "").text("accessToken")
	s.call("identity", "POST", "/users/me/kyc", fresh, evidence("A1234567")).want(t, 201, "")
	if k := s.call("identity", "GET", "/users/me/kyc", fresh, nil); k.text("kycStatus", "status") != "PENDING" {
		t.Errorf("kyc %s", k.raw)
	}
	if n := s.count(`SELECT count(*) FROM app.kyc_records WHERE status = 'REJECTED'`); n != 1 {
		t.Errorf("%d rejected records", n)
	}
}

func TestBootstrap(t *testing.T) {
	s := newSystem(t)
	_, owner := s.staff(door.SuperOwner)
	_, deputy := s.staff(door.SuperAdmin)
	s.call("admin", "POST", "/admin/bootstrap", deputy, nil, "Idempotency-Key", key()).want(t, 403, "forbidden")
	k := key()
	first := s.call("admin", "POST", "/admin/bootstrap", owner, nil, "Idempotency-Key", k).want(t, 202, "")
	var types []string
	s.scan(`SELECT array_agg(type ORDER BY position) FROM app.commands`, nil, &types)
	if strings.Join(types, " ") != "BOOTSTRAP_SYSTEM INITIALIZE_COUNTRY_DATA" {
		t.Errorf("commands %v", types)
	}
	s.open()
	if again := s.call("admin", "POST", "/admin/bootstrap", owner, nil, "Idempotency-Key", k).want(t, 202, ""); again.raw != first.raw {
		t.Errorf("replay %s", again.raw)
	}
	s.call("admin", "POST", "/admin/bootstrap", owner, nil, "Idempotency-Key", key()).want(t, 409, "already_bootstrapped")
	if a := s.call("admin", "GET", "/admin/system/status", deputy, nil); a.at("status", "bootstrapped") != true || a.text("status", "paramValue") != "ACTIVE" {
		t.Errorf("status %s", a.raw)
	}
	if a := s.call("admin", "GET", "/admin/parameters/fee.b2b.local", deputy, nil).want(t, 200, ""); a.text("parameter", "value") != "20" {
		t.Errorf("parameter %s", a.raw)
	}
	s.call("admin", "GET", "/admin/parameters/nothing", deputy, nil).want(t, 404, "parameter_not_found")
	s.call("admin", "GET", "/admin/countries/CH/stats", deputy, nil).want(t, 404, "country_not_found")
	if a := s.call("admin", "GET", "/admin/counters", deputy, nil).want(t, 200, ""); a.text("counters", "totalSupply") != "1250000000000000000" {
		t.Errorf("counters %s", a.raw)
	}
	if a := s.call("tokenomics", "GET", "/supply", "", nil).want(t, 200, ""); a.at("conserved") != true || a.text("circulating") != "0" || len(a.at("pools").([]any)) != 7 {
		t.Errorf("supply %s", a.raw)
	}
}

func TestFreeze(t *testing.T) {
	s := newSystem(t)
	s.open()
	_, owner := s.staff(door.SuperOwner)
	_, clerk := s.staff(door.Admin)
	ada := s.person("Ada", "CH", gx(1))
	path := "/wallets/" + ada.profile.String() + "/freeze"
	reason := map[string]any{"reason": "reported as stolen"}
	if a := s.call("tokenomics", "POST", path, clerk, reason, "Idempotency-Key", key()).want(t, 202, ""); a.text("status") != "PENDING_APPROVAL" || a.text("commandId") != "" {
		t.Errorf("asked %s", a.raw)
	}
	s.call("tokenomics", "POST", path, owner, map[string]any{"reason": "x"}, "Idempotency-Key", key()).want(t, 400, "reason_invalid")
	k := key()
	first := s.call("tokenomics", "POST", path, owner, reason, "Idempotency-Key", k).want(t, 202, "")
	s.call("tokenomics", "POST", path, owner, map[string]any{"reason": "another good reason"}, "Idempotency-Key", k).want(t, 422, "idempotency_key_reused")
	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = $1`, ada.gx)
	if again := s.call("tokenomics", "POST", "/wallets/"+ada.gx+"/freeze", owner, reason, "Idempotency-Key", k).want(t, 202, ""); again.raw != first.raw {
		t.Errorf("replay %s", again.raw)
	}
	s.call("tokenomics", "POST", path, owner, reason, "Idempotency-Key", key()).want(t, 409, "already_frozen")
	s.call("tokenomics", "POST", "/wallets/"+ada.gx+"/unfreeze", owner, nil, "Idempotency-Key", key()).want(t, 202, "")
	s.call("tokenomics", "POST", "/wallets/nobody/unfreeze", owner, nil, "Idempotency-Key", key()).want(t, 404, "wallet_not_found")
	s.call("tokenomics", "GET", "/commands/"+first.text("commandId"), clerk, nil).want(t, 200, "") // audit:view
	_, developer := s.staff(door.Developer)
	s.call("tokenomics", "GET", "/commands/"+first.text("commandId"), developer, nil).want(t, 404, "not_found")
}

func TestStatement(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(10)), s.person("Bob", "CH", gx(0))
	for i := range 3 {
		s.exec(`INSERT INTO read.transactions (account_id, block, tx_index, seq, entry, transaction_id, tx_id, type, counterparty, amount, remark, balance_after, at)
			VALUES ($1, 9007199254740993, $2, 0, 0, gen_random_uuid(), 'tx', 'SENT', $3, 1500000, 'hi', 7, $4)`, ada.gx, i, bob.gx, s.clock())
	}
	s.exec(`INSERT INTO read.transactions (account_id, block, tx_index, seq, entry, transaction_id, tx_id, type, counterparty, amount, at)
		VALUES ($1, 1, 0, 0, 0, gen_random_uuid(), 'tx', 'GENESIS', $2, 500000000, $3)`, ada.gx, account.UserGenesisPool, s.clock())
	a := s.call("tokenomics", "GET", "/wallets/me/transactions?limit=2", ada.bearer, nil).want(t, 200, "")
	first := a.at("transactions").([]any)[0].(map[string]any)
	want := map[string]any{"type": "SENT", "direction": "OUT", "counterparty": bob.gx, "counterpartyName": "Bob L.", "amount": "1500000", "amountGx": "1.5",
		"fee": "0", "remark": "hi", "balanceAfter": "7", "blockNumber": "9007199254740993", "timestamp": "2026-03-01T12:00:00.000Z", "onChainTxId": "tx"}
	for name, value := range maps.All(want) {
		if first[name] != value {
			t.Errorf("%s = %v, want %v", name, first[name], value)
		}
	}
	b := s.call("tokenomics", "GET", "/wallets/me/transactions?limit=2&cursor="+a.text("nextCursor"), ada.bearer, nil).want(t, 200, "")
	rest := b.at("transactions").([]any)
	if len(rest) != 2 || b.at("hasMore") != false || rest[1].(map[string]any)["counterpartyName"] != "User genesis pool" || rest[1].(map[string]any)["direction"] != "IN" {
		t.Errorf("rest %s", b.raw)
	}
	for query, code := range map[string]string{"limit=0": "limit_invalid", "limit=101": "limit_invalid", "limit=x": "limit_invalid", "cursor=x": "cursor_invalid", "page=1": "unknown_parameter"} {
		s.call("tokenomics", "GET", "/wallets/me/transactions?"+query, ada.bearer, nil).want(t, 400, code)
	}
	s.call("tokenomics", "GET", "/wallets/"+bob.gx+"/transactions", ada.bearer, nil).want(t, 404, "not_found")
	s.call("tokenomics", "GET", "/treasury/CH/balance", "", nil).want(t, 404, "treasury_not_found")
	s.call("tokenomics", "GET", "/treasury/ch/balance", "", nil).want(t, 400, "country_code_invalid")
}

func TestOperationalRoutes(t *testing.T) {
	s := newSystem(t)
	for _, d := range service.Doors {
		doc := s.call(d.Name, "GET", "//openapi.json", "", nil).want(t, 200, "")
		if !strings.HasPrefix(doc.text("openapi"), "3.1") || strings.Contains(doc.raw, "$schema") || strings.Contains(doc.raw, "unpkg") {
			t.Errorf("%s: document %.200s", d.Name, doc.raw)
		}
		paths := doc.at("paths").(map[string]any)
		for _, r := range s.doors[d.Name].Routes {
			if op, _ := paths[r.URL()].(map[string]any); !r.Hidden && op[strings.ToLower(r.Method)] == nil {
				t.Errorf("%s: the document lacks %s %s", d.Name, r.Method, r.URL())
			}
		}
		if a := s.call(d.Name, "GET", "//health", "", nil); a.text("service") != d.Name || a.text("version") != "test" {
			t.Errorf("health %s", a.raw)
		}
		s.call(d.Name, "GET", "//livez", "", nil).want(t, 200, "")
		if a := s.call(d.Name, "GET", "//docs", "", nil).want(t, 200, ""); strings.Contains(a.raw, "https:") {
			t.Errorf("%s: the page of the documents comes from elsewhere: %s", d.Name, a.raw)
		}
	}
	a := s.call("tax", "GET", "//readyz", "", nil).want(t, 200, "")
	if a.text("status") != "ready" || a.text("checks", "database") != "ok" || a.text("checks", "migrations") != "ok" {
		t.Errorf("ready %s", a.raw)
	}
	s.exec(`UPDATE read.checkpoint SET lag_seconds = 3600, ledger_height = 100, heartbeat_at = now() - interval '1 day'`)
	if a := s.call("tax", "GET", "//readyz", "", nil).want(t, 200, ""); a.text("projectionLag", "status") != "stale" || a.at("projectionLag", "blocks") != float64(100) {
		t.Errorf("lag %s", a.raw)
	}
	s.exec(`UPDATE read.checkpoint SET lag_seconds = 0, heartbeat_at = now() + interval '1 hour', violation = 'money is missing'`)
	if a := s.call("tax", "GET", "//readyz", "", nil).want(t, 200, ""); a.text("projectionLag", "status") != "stale" {
		t.Errorf("a condemned read model: %s", a.raw)
	}
	if a := s.call("tokenomics", "GET", "/supply", "", nil).want(t, 200, ""); a.header.Get("GX-Stale") != "true" {
		t.Errorf("the supply of a condemned read model: %v", a.header)
	}
	s.exec(`UPDATE read.checkpoint SET violation = ''`)
	s.advance(time.Minute)
	if a := s.call("tokenomics", "GET", "/supply", "", nil).want(t, 200, ""); a.header.Get("GX-Stale") != "" {
		t.Errorf("the supply of an acquitted read model: %v", a.header)
	}
	s.drain.Store(true)
	if a := s.call("tax", "GET", "//readyz", "", nil); a.status != 503 || a.text("status") != "not_ready" {
		t.Errorf("draining %s", a.raw)
	}
	jwks := s.call("identity", "GET", "//.well-known/jwks.json", "", nil).want(t, 200, "")
	var keys struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(jwks.raw), &keys); err != nil || len(keys.Keys) != 1 || keys.Keys[0]["crv"] != "Ed25519" || keys.Keys[0]["d"] != "" {
		t.Errorf("jwks %s", jwks.raw)
	}
	if c := s.call("identity", "GET", "/countries", "", nil).want(t, 200, ""); len(c.at("countries").([]any)) != 234 || !strings.HasPrefix(c.header.Get("Cache-Control"), "public") {
		t.Errorf("countries %.100s", c.raw)
	}
}

// Everybody sees whether the system is open; staff see the treasuries.
func TestStatusAndTreasuries(t *testing.T) {
	s := newSystem(t)
	open := func() any { return s.call("admin", "GET", "/status", "", nil).want(t, 200, "").at("open") }
	if open() != false {
		t.Error("open before it has begun")
	}
	s.open()
	if open() != true {
		t.Error("not open")
	}
	s.exec(`UPDATE read.system_status SET paused = true`)
	if open() != false {
		t.Error("open while it is paused")
	}
	_, auditor := s.staff(door.Auditor)
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 7*qirat.PerGX)
	s.exec(`INSERT INTO read.treasuries (country_code, account_id, status) VALUES ('CH', $1, 'LOCKED')`, account.TreasuryOf("CH"))
	a := s.admin("GET", "/treasury", auditor, nil).want(t, 200, "")
	if data := a.at("data").([]any); len(data) != 1 || data[0].(map[string]any)["balance"] != "7000000" || data[0].(map[string]any)["status"] != "LOCKED" {
		t.Errorf("treasuries %s", a.raw)
	}
}

func TestServiceNeeds(t *testing.T) {
	s := newSystem(t)
	for name, change := range map[string]func(*service.Deps){
		"identity":   func(d *service.Deps) { d.Pepper = nil },
		"admin":      func(d *service.Deps) { d.Signer = nil },
		"tokenomics": func(d *service.Deps) { d.Pool = nil },
		"nothing":    func(*service.Deps) {},
	} {
		d := s.deps
		change(&d)
		if _, err := service.New(name, d); err == nil {
			t.Errorf("%s starts without what it needs", name)
		}
	}
}
