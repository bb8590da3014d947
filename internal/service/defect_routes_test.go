package service_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
)

// operation returns what the document of a door says of a route, nil for a hidden one.
func (s *system) operation(documents map[string]answer, name string, r door.Route) map[string]any {
	s.t.Helper()
	if _, ok := documents[name]; !ok {
		documents[name] = s.call(name, "GET", "//openapi.json", "", nil)
	}
	op, _ := documents[name].at("paths", r.URL(), strings.ToLower(r.Method)).(map[string]any)
	return op
}

// Every route wants a token that we have signed, with our algorithm and for its
// audience (F-15).
func TestD06KF15ForgedTokens(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	things := s.things(c.ada)
	stranger, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	forger, err := token.NewSigner(stranger, s.clock)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(subject uuid.UUID, audience token.Audience) map[string]string {
		session, real := s.openSession(audience, subject)
		foreign, err := forger.Sign(subject, session, audience)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(real, ".")
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
		changed := strings.Replace(parts[1], parts[1][:4], "eyJ4", 1)
		return map[string]string{
			"of another key": foreign, "unsigned": none + "." + parts[1] + ".", "with the signature left": none + "." + parts[1] + "." + parts[2],
			"changed": parts[0] + "." + changed + "x." + parts[2], "cut": parts[0] + "." + parts[1], "empty": "..",
		}
	}
	customer, staff := forge(c.ada.profile, token.Customers), forge(c.ownerID, token.Staff)
	for name, routes := range s.routes() {
		for _, r := range routes {
			if r.Policy.Public {
				continue
			}
			forged := customer
			if c.bearer(r) == c.owner {
				forged = staff
			}
			for kind, raw := range forged {
				if a := s.call(name, r.Method, things.Replace(r.Path), raw, nil, "Idempotency-Key", key()); a.status != 401 || a.code() != "token_malformed" {
					t.Fatalf("%s %s takes a token %s: %s", r.Method, r.URL(), kind, a.raw)
				}
			}
		}
	}
}

// secrets are names of what could be a secret or made of one.
var secrets = regexp.MustCompile(`(?i)password|secret|hash|totp|pepper|seed|private|token|backup|recovery`)

// shown are the members that are named so and may be seen, with the reason.
var shown = map[string]string{
	"Tokens.accessToken": "the caller's", "Tokens.refreshToken": "the caller's", "Tokens.tokenType": "no secret",
	"SessionResponse.accessToken": "the caller's", "SessionResponse.refreshToken": "the caller's", "SessionResponse.tokenType": "no secret",
	"LoginResponse.accessToken": "the caller's", "LoginResponse.refreshToken": "the caller's", "LoginResponse.tokenType": "no secret", "LoginResponse.mfaToken": "the caller's",
	"SetupResponse.secret": "shown once, to who enrols it", "CodesResponse.backupCodes": "shown once, to who enrols them",
	"KYCRecord.evidenceHash": "of a document that its owner has", "LatestKYC.evidenceHash": "of a document that its owner has",
	"KYC.evidenceHash": "to compare with the document", "ExportedKYC.evidenceHash": "of a document that its owner has",
	"Loan.collateralHash": "of a document that the borrower has", "AuditEntry.eventHash": "of the chain", "AuditEntry.previousHash": "of the chain",
	"StaffProfile.passwordChangedAt": "a time", "GuardiansResponse.recoveryEnabled": "of the ledger", "Recovery.recoveryId": "of an attempt",
	"RecoveryResponse.recovery": "an attempt",
}

// No answer has a member that could hold a secret or the hash of one.
func TestD22NoSecretsInAnswers(t *testing.T) {
	s := newSystem(t)
	found, all := map[string]bool{}, map[string]bool{}
	for _, d := range service.Doors {
		doc := s.call(d.Name, "GET", "//openapi.json", "", nil)
		schemas := doc.at("components", "schemas").(map[string]any)
		seen := map[string]bool{}
		var visit func(name string, v any)
		visit = func(name string, v any) {
			switch v := v.(type) {
			case []any:
				for _, e := range v {
					visit(name, e)
				}
			case map[string]any:
				if ref, ok := v["$ref"].(string); ok {
					name := strings.TrimPrefix(ref, "#/components/schemas/")
					if !seen[name] {
						seen[name] = true
						visit(name, schemas[name])
					}
					return
				}
				if p, ok := v["properties"].(map[string]any); ok {
					for member := range p {
						if secrets.MatchString(member) {
							found[name+"."+member] = true
						}
					}
				}
				for _, e := range v {
					visit(name, e)
				}
			}
		}
		for _, path := range doc.at("paths").(map[string]any) {
			for method, op := range path.(map[string]any) {
				if op, ok := op.(map[string]any); ok && method == "get" {
					visit("", op["responses"])
				}
			}
		}
		// Answers to GET are compressed, which tells the length of what is in them.
		for name := range found {
			if why := shown[name]; why == "the caller's" || strings.HasPrefix(why, "shown once") {
				t.Errorf("a GET answers with %s", name)
			}
		}
		for _, path := range doc.at("paths").(map[string]any) {
			for _, op := range path.(map[string]any) {
				if op, ok := op.(map[string]any); ok {
					visit("", op["responses"])
				}
			}
		}
		maps.Copy(all, found)
		clear(found)
	}
	found = all
	if len(found) < 5 {
		t.Fatalf("the documents were not read: %v", found)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if shown[name] == "" {
			t.Errorf("%s", name)
		}
	}
}

// What is refused is refused in one form, and with the status that says why.
func TestD32ErrorsOfEveryRoute(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	things, documents := s.things(c.ada), map[string]answer{}
	for name, routes := range s.routes() {
		for _, r := range routes {
			path := things.Replace(r.Path)
			if !r.Policy.Public {
				if a := s.call(name, r.Method, path, "", nil, "Idempotency-Key", key()).want(t, 401, "token_missing"); !strings.HasPrefix(a.header.Get("Www-Authenticate"), "Bearer ") {
					t.Errorf("%s %s: headers %v", r.Method, r.URL(), a.header)
				}
			}
			if op := s.operation(documents, name, r); op["requestBody"] != nil {
				a := s.call(name, r.Method, path, c.bearer(r), `{"a`, "Idempotency-Key", key(), "Content-Type", "application/json")
				if a.status != 400 || !strings.Contains(a.raw, `"body_malformed"`) {
					t.Errorf("%s %s, broken: %d %s", r.Method, r.URL(), a.status, a.raw)
				}
			}
			if !strings.HasPrefix(path, "//") {
				s.call(name, "TRACE", path, c.bearer(r), nil).want(t, 405, "method_not_allowed")
			}
		}
		s.call(name, "GET", "/no/such/path", c.ada.bearer, nil).want(t, 404, "not_found")
	}
}

// A member that a request does not have is refused, and never set.
func TestD56UnknownMembersAreRefused(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	things, documents := s.things(c.ada), map[string]answer{}
	tried := 0
	for name, routes := range s.routes() {
		for _, r := range routes {
			if op := s.operation(documents, name, r); op["requestBody"] == nil {
				continue
			}
			tried++
			a := s.call(name, r.Method, things.Replace(r.Path), c.bearer(r), `{"isAdmin":true}`, "Idempotency-Key", key(), "Content-Type", "application/json")
			fields, _ := a.at("errors").([]any)
			if a.status != 400 || !slices.ContainsFunc(fields, func(f any) bool {
				return f.(map[string]any)["field"] == "isAdmin" && f.(map[string]any)["code"] == "unknown_field"
			}) {
				t.Errorf("%s %s: %d %s", r.Method, r.URL(), a.status, a.raw)
			}
		}
	}
	if tried < 40 {
		t.Errorf("only %d routes were tried", tried)
	}
}

// Lists have bounds: a window that makes no sense is refused by every one of them.
func TestD48PaginationBounds(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	things, documents := s.things(c.ada), map[string]answer{}
	bad := map[string][]string{
		"limit": {"0", "-1", "101", "1000000000", "99999999999999999999", "NaN", "1.5", "ten", "1e1"}, "pageSize": {"0", "-1", "1000000", "NaN"},
		"page": {"0", "-1", "NaN"}, "cursor": {"x", "....", strings.Repeat("1", 101), "-1.0.0.0"},
	}
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 0)
	s.exec(`INSERT INTO read.treasuries (country_code, account_id, status) VALUES ('CH', $1, 'LOCKED')`, account.TreasuryOf("CH"))
	lists := 0
	for name, routes := range s.routes() {
		for _, r := range routes {
			parameters, _ := s.operation(documents, name, r)["parameters"].([]any)
			for _, p := range parameters {
				param, _ := p.(map[string]any)["name"].(string)
				if param == "limit" || param == "pageSize" {
					lists++
				}
				if param == "cursor" && r.ID == "listVelocityTaxExemptions" {
					continue // an account id: any text is a place in this list
				}
				for _, value := range bad[param] {
					if a := s.call(name, r.Method, things.Replace(r.Path)+"?"+param+"="+value, c.bearer(r), nil); a.status != 400 || a.text("field") != param {
						t.Errorf("%s?%s=%s: %d %s", r.URL(), param, value, a.status, a.raw)
					}
				}
			}
		}
	}
	if lists < 15 {
		t.Errorf("only %d lists were tried", lists)
	}
}

// Nobody else keeps what is somebody's, and nobody keeps what changes something.
func TestD60CacheHeaders(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	things := s.things(c.ada)
	public := 0
	for name, routes := range s.routes() {
		for _, r := range routes {
			if strings.HasPrefix(r.Cache, "public") && !r.Policy.Public || r.Cache != "" && r.Method != http.MethodGet {
				t.Errorf("%s %s may be kept: %s", r.Method, r.URL(), r.Cache)
			}
			if r.Method != http.MethodGet {
				continue
			}
			a := s.call(name, r.Method, things.Replace(r.Path), c.bearer(r), nil)
			got := a.header.Get("Cache-Control")
			want := r.Cache
			if want == "" || a.status >= 400 {
				want = "no-store"
			}
			if got != want {
				t.Errorf("%s: %d %q, want %q", r.URL(), a.status, got, want)
			}
			if strings.HasPrefix(got, "public") {
				public++
			}
		}
	}
	if public < 8 {
		t.Errorf("only %d public answers", public)
	}
}

// A body that is too large is not read to its end, by any route.
func TestD61LargeBodies(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	things, documents := s.things(c.ada), map[string]answer{}
	tried := 0
	for name, routes := range s.routes() {
		for _, r := range routes {
			if op := s.operation(documents, name, r); op["requestBody"] == nil {
				continue
			}
			tried++
			body := fmt.Sprintf(`{"x":"%s"}`, strings.Repeat("x", int(r.MaxBody)))
			path := strings.NewReplacer("{approvalId}", uuid.NewString(), "{adminId}", uuid.NewString()).Replace(things.Replace(r.Path))
			a := s.call(name, r.Method, path, c.bearer(r), body, "Idempotency-Key", key(), "Content-Type", "application/json")
			if a.status != 413 || a.code() != "body_too_large" {
				t.Errorf("%s %s: %d %.200s", r.Method, r.URL(), a.status, a.raw)
			}
		}
	}
	if tried < 40 {
		t.Errorf("only %d routes were tried", tried)
	}
}

// amounts are the members of a body that take an amount of money, each with a body
// that has a value in its place.
func amounts(document answer, schema any, path string, body func(value any) any) map[string]func(any) any {
	out := map[string]func(any) any{}
	v, _ := schema.(map[string]any)
	if ref, ok := v["$ref"].(string); ok {
		v, _ = document.at("components", "schemas", strings.TrimPrefix(ref, "#/components/schemas/")).(map[string]any)
	}
	properties, _ := v["properties"].(map[string]any)
	for name, p := range properties {
		with := func(value any) any { return body(map[string]any{name: value}) }
		if pattern, _ := p.(map[string]any)["pattern"].(string); strings.HasSuffix(pattern, "[1-9][0-9]{0,18}$") || strings.HasSuffix(pattern, "[1-9][0-9]{0,18})$") {
			out[path+name] = with
		}
		maps.Copy(out, amounts(document, p, path+name+".", with))
	}
	return out
}

// An amount is a whole number of Qirat in decimal digits, as a text, wherever money
// is named; whatever else it could be taken for is refused (F-13).
func TestD09KF13AmountGrammar(t *testing.T) {
	s := newSystem(t)
	s.open()
	c := s.cast()
	things, documents := s.things(c.ada), map[string]answer{}
	bad := []any{"1.5", "1.0", "-1", "+1", "01", "1e9", "0x10", "1_000", "1,000", "", " 1", "1 ", "NaN", "Infinity", "\u0661\u0662", "\uff11", strings.Repeat("9", 40),
		10, 1.5, -1, 1e3, true, nil, []any{"1"}, map[string]any{"amount": "1"}}
	var tried []string
	for name, routes := range s.routes() {
		for _, r := range routes {
			op := s.operation(documents, name, r)
			request, _ := op["requestBody"].(map[string]any)
			content, _ := request["content"].(map[string]any)
			media, _ := content["application/json"].(map[string]any)
			for field, with := range amounts(documents[name], media["schema"], "", func(v any) any { return v }) {
				tried = append(tried, r.ID)
				code := problem.InvalidCode(field)
				for _, value := range bad {
					a := s.call(name, r.Method, things.Replace(r.Path), c.bearer(r), with(value), "Idempotency-Key", key())
					fields, _ := a.at("errors").([]any)
					if a.status != 400 || !slices.ContainsFunc(fields, func(f any) bool {
						return f.(map[string]any)["field"] == field && f.(map[string]any)["code"] == code
					}) {
						t.Errorf("%s %s takes %v for %s: %d %s", r.Method, r.URL(), value, field, a.status, a.raw)
					}
				}
			}
		}
	}
	for _, id := range []string{"createTransfer", "initiateMultiSig", "defineAuthRule", "calculateFee", "applyForLoan"} {
		if !slices.Contains(tried, id) {
			t.Errorf("%s is not tried: %v", id, tried)
		}
	}
	if n := s.count(`SELECT count(*) FROM app.commands`); n != 1 { // that of the things
		t.Errorf("%d commands", n)
	}
}
