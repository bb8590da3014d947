package service_test

import (
	"encoding/hex"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"gxcoin.money/gx/db/migrations"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/sealed"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
)

// What only the person concerned and their reviewer may ever see.
var canaries = map[string]string{
	"fname": "Canaryfirst", "lname": "Canarylast", "email": "canary.mail@example.org", "phone": "+41791112233", "dateOfBirth": "1987-06-05",
	"document": "CANARY7712345", "notes": "canary of a note", "reason": "canary of a denial",
}

// dump returns everything that the database holds, bytes as they are and in hex.
func (s *system) dump() string {
	s.t.Helper()
	rows, err := s.owner.Query(s.t.Context(), `SELECT format('SELECT coalesce(string_agg(t::text, E''\n''), '''') FROM %I.%I t', schemaname, tablename)
		FROM pg_tables WHERE schemaname IN ('app', 'read', 'ledger')`)
	if err != nil {
		s.t.Fatal(err)
	}
	queries, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	var all strings.Builder
	for _, sql := range queries {
		var text string
		s.scan(sql, nil, &text)
		all.WriteString(text)
	}
	return all.String()
}

// leaks names the canaries that can be read in a text.
func leaks(text string) (found []string) {
	text = strings.ToLower(text)
	for name, value := range canaries {
		value = strings.ToLower(value)
		if strings.Contains(text, value) || strings.Contains(text, hex.EncodeToString([]byte(value))) {
			found = append(found, name)
		}
	}
	return found
}

// TestD45PersonalDataIsNowhereReadable takes people through every route that knows
// them and then looks for what is theirs in the database and the logs.
func TestD45PersonalDataIsNowhereReadable(t *testing.T) {
	s := newSystem(t)
	s.open()
	_, staff := s.staff(door.SuperAdmin)
	register := func(email, phone string) (profile, bearer string) {
		r := s.call("identity", "POST", "/auth/register", "", registration("fname", canaries["fname"], "lname", canaries["lname"], "email", email,
			"phone", phone, "dateOfBirth", canaries["dateOfBirth"])).want(t, 201, "")
		return r.text("user", "profileId"), r.text("accessToken")
	}
	approved, bearer := register(canaries["email"], canaries["phone"])
	s.call("identity", "POST", "/auth/register", "", registration("email", strings.ToUpper(canaries["email"]))).want(t, 409, "EMAIL_ALREADY_EXISTS")
	s.call("identity", "POST", "/auth/register", "", registration("phone", canaries["phone"])).want(t, 409, "PHONE_ALREADY_EXISTS")
	s.call("identity", "POST", "/users/me/kyc", bearer, evidence(canaries["document"])).want(t, 201, "")
	s.call("admin", "POST", "/admin/users/"+approved+"/approve", staff, map[string]any{"notes": canaries["notes"]}).want(t, 200, "")
	s.call("admin", "POST", "/admin/users/batch-register-onchain", staff, map[string]any{"userIds": []string{approved}}, "Idempotency-Key", key()).want(t, 202, "")

	denied, other := register("x."+canaries["email"], "+41791112234")
	s.call("identity", "POST", "/users/me/kyc", other, evidence("1"+canaries["document"])).want(t, 201, "")
	s.call("admin", "POST", "/admin/users/"+denied+"/deny", staff, map[string]any{"reason": canaries["reason"]}).want(t, 200, "")
	for _, search := range []string{canaries["email"], canaries["phone"], canaries["fname"] + " " + canaries["lname"]} {
		s.call("admin", "GET", "/admin/users?search="+url.QueryEscape(search), staff, nil).want(t, 200, "")
	}
	login := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": canaries["email"], "password": secret}).want(t, 200, "")
	export := s.call("identity", "GET", "/users/me/export", login.text("accessToken"), nil).want(t, 200, "")
	if missing := len(canaries) - 2 - len(leaks(export.raw)); missing != 0 { // all but the number, of which a hash is kept, and the other's denial
		t.Errorf("an export lacks %d of what is known: %s", missing, export.raw)
	}
	if me := s.call("identity", "GET", "/users/me", other, nil).want(t, 200, ""); me.text("user", "denialReason") != canaries["reason"] {
		t.Errorf("the denied see %s", me.raw)
	}

	if found := leaks(s.dump()); found != nil {
		t.Errorf("the database tells %v", found)
	}
	if found := leaks(s.log.String()); found != nil {
		t.Errorf("the logs tell %v", found)
	}
	if s.log.String() == "" {
		t.Error("nothing was logged at all")
	}
}

// TestUpgradeSealsWhatWasReadable migrates a database from before personal data
// was sealed, and nothing of it is lost.
func TestUpgradeSealsWhatWasReadable(t *testing.T) {
	db := pgtest.New(t)
	cfg, err := pgx.ParseConfig(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	conn := stdlib.OpenDB(*cfg)
	defer conn.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, conn, migrations.FS, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	owner := db.Pool(t, "")
	exec := func(sql string) {
		t.Helper()
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO app.people (profile_id, email, phone, password_hash, first_name, last_name, date_of_birth, gender, nationality, status, denial_reason, created_at, updated_at)
		SELECT gen_random_uuid(), CASE n WHEN 1 THEN 'Canary.Mail@example.org' ELSE n || '@example.org' END, CASE n WHEN 1 THEN '+41791112233' END, 'x',
		       'Canaryfirst', 'O''Neil "Q" Canarylast', '1987-06-05', 'FEMALE', 'CH', 'DENIED', CASE n WHEN 1 THEN 'canary of a denial' ELSE '' END, now(), now()
		FROM generate_series(1, 1100) n`)
	exec(`INSERT INTO app.kyc_records (kyc_id, profile_id, status, evidence_hash, evidence_size, evidence_mime, document_type, notes, created_at, updated_at)
		SELECT gen_random_uuid(), profile_id, 'REJECTED', 'ab', 1, 'image/png', 'NATIONAL_ID', 'canary of a note', now(), now() FROM app.people`)
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	ring, err1 := sealed.NewRing(sealed.NewKey())
	index, err2 := sealed.NewIndex(make([]byte, 32))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	pool := db.Pool(t, "gx_service")
	if n, err := people.SealPlain(t.Context(), pool, ring, index); err != nil || n != 1100 {
		t.Fatalf("sealed %d, %v", n, err)
	}
	if n, err := people.SealPlain(t.Context(), pool, ring, index); err != nil || n != 0 {
		t.Fatalf("sealed %d again, %v", n, err)
	}
	s := &system{t: t, owner: owner}
	if found := leaks(s.dump()); found != nil {
		t.Errorf("the database tells %v", found)
	}
	var id string
	s.scan(`SELECT profile_id::text FROM app.people WHERE email_hash = $1 AND phone_hash = $2 AND name_hashes @> $3`,
		[]any{people.EmailHash(index, "canary.mail@example.org"), people.PhoneHash(index, "+41791112233"), people.NameHashes(index, "canarylast")}, &id)
	p, err := people.Find(t.Context(), pool, id)
	if err != nil {
		t.Fatal(err)
	}
	own, err := p.Open(ring)
	born := time.Date(1987, 6, 5, 0, 0, 0, 0, time.UTC)
	if err != nil || own.Email != "Canary.Mail@example.org" || own.LastName != `O'Neil "Q" Canarylast` || !own.DateOfBirth.Equal(born) ||
		own.Gender != "FEMALE" || own.Phone != "+41791112233" || own.DenialReason != "canary of a denial" {
		t.Errorf("%+v, %v", own, err)
	}
	if n := s.count(`SELECT count(*) FROM app.kyc_records WHERE notes IS NOT NULL`); n != 1100 {
		t.Errorf("%d of 1100 notes are kept", n)
	}
}

// TestKeysOfPersonalDataRotate replaces a key in the steps that gx key reseal
// names, with readers at every one of them.
func TestKeysOfPersonalDataRotate(t *testing.T) {
	old, next := sealed.NewKey(), sealed.NewKey()
	ring := func(keys ...string) *sealed.Ring {
		r, err := sealed.NewRing(strings.Join(keys, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	s := newSystem(t, func(d *service.Deps) { d.Fields = ring(old) })
	r := s.call("identity", "POST", "/auth/register", "", registration("phone", "+41791112233")).want(t, 201, "")
	bearer := r.text("accessToken")
	check := func(step string, keys ...string) {
		t.Helper()
		s.deps.Fields, s.deps.Registerer = ring(keys...), nil
		h, err := service.New("identity", s.deps)
		if err != nil {
			t.Fatal(err)
		}
		s.doors["identity"] = h.(*door.Handler)
		me := s.call("identity", "GET", "/users/me", bearer, nil).want(t, 200, "")
		if me.text("user", "email") != "ada@example.org" || me.text("user", "phoneNum") != "+41791112233" {
			t.Errorf("%s: %s", step, me.raw)
		}
		s.call("identity", "GET", "/auth/sessions", bearer, nil).want(t, 200, "")
		s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	}
	check("the new key is known", old, next)
	check("the new key seals", next, old)
	n, err := people.Reseal(t.Context(), s.deps.Pool, ring(next, old))
	if err != nil || n < 6 {
		t.Fatalf("sealed %d fields again, %v", n, err)
	}
	if n, err := people.Reseal(t.Context(), s.deps.Pool, ring(next, old)); err != nil || n != 0 {
		t.Fatalf("sealed %d fields again, %v", n, err)
	}
	check("the old key is gone", next)
	s.deps.Fields = ring(sealed.NewKey())
	if _, err := people.Reseal(t.Context(), s.deps.Pool, s.deps.Fields); err == nil {
		t.Error("a field was sealed again without its key")
	}
}

func TestErasure(t *testing.T) {
	s := newSystem(t)
	s.open()
	erase := func(bearer, password string) answer {
		return s.call("identity", "POST", "/users/me/erasure", bearer, map[string]any{"password": password}, "Idempotency-Key", key())
	}
	// Who never was on the ledger is forgotten at once.
	r := s.call("identity", "POST", "/auth/register", "", registration("phone", "+41791112233")).want(t, 201, "")
	s.call("identity", "POST", "/users/me/kyc", r.text("accessToken"), evidence("756.1234-5678 97")).want(t, 201, "")
	erase(r.text("accessToken"), "Wrong horse 1").want(t, 401, "INVALID_CREDENTIALS")
	erase(r.text("accessToken"), secret).want(t, 202, "")
	s.call("identity", "GET", "/users/me", r.text("accessToken"), nil).want(t, 401, "token_revoked")
	s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 401, "invalid_credentials")
	if n := s.count(`SELECT count(*) FROM app.people WHERE erased_at IS NOT NULL AND status = 'CLOSED' AND biometric_hash IS NULL
		AND num_nonnulls(email, phone, first_name, last_name, date_of_birth, gender, email_hash, phone_hash, nationality) = 0 AND name_hashes = '{}'`); n != 1 {
		t.Error("something is left")
	}
	if n := s.count(`SELECT count(*) FROM app.sessions WHERE user_agent <> '' OR address IS NOT NULL`); n != 0 {
		t.Error("it is still known where somebody logged in")
	}
	s.call("identity", "POST", "/auth/register", "", registration("phone", "+41791112233")).want(t, 201, "") // the address is free again

	// Whose account is on the ledger is forgotten once that is closed.
	bob := s.person("Bob", "CH", gx(5))
	refused := erase(bob.bearer, secret).want(t, 409, "account_not_empty")
	if refused.text("balance") != "5000000" && refused.at("balance") == nil {
		t.Errorf("what is in the way: %s", refused.raw)
	}
	s.exec(`UPDATE read.accounts SET balance = 0 WHERE account_id = $1`, bob.gx)
	a := erase(bob.bearer, secret).want(t, 202, "")
	if !strings.Contains(a.text("message"), "GX id") {
		t.Errorf("what is kept is not said: %s", a.raw)
	}
	var payload string
	s.scan(`SELECT convert_from(payload, 'UTF8') FROM app.commands WHERE id = $1`, []any{a.text("commandId")}, &payload)
	if !strings.Contains(payload, `"status":"CLOSED"`) || strings.Contains(a.raw+payload, secret) {
		t.Errorf("command %s", payload)
	}
	maintain := func() {
		t.Helper()
		if err := service.Maintain(t.Context(), s.deps.Pool, s.clock); err != nil {
			t.Fatal(err)
		}
	}
	erased := func() int {
		return s.count(`SELECT count(*) FROM app.people WHERE profile_id = $1 AND erased_at IS NOT NULL`, bob.profile)
	}
	if maintain(); erased() != 0 {
		t.Error("erased before the account is closed")
	}
	s.exec(`UPDATE read.accounts SET status = 'CLOSED' WHERE account_id = $1`, bob.gx)
	if maintain(); erased() != 1 || s.count(`SELECT count(*) FROM app.people WHERE gx_id = $1 AND email IS NULL AND first_name IS NULL`, bob.gx) != 1 {
		t.Error("not erased, or without the GX id")
	}
}
