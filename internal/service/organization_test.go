package service_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/status"
)

// organization stores an organization of people, who have endorsed it unless it is
// new, with the rule that two of them, or the one, approve.
func (s *system) organization(id string, kind account.Kind, st status.Organization, stakeholders ...person) string {
	s.t.Helper()
	var ids []string
	for _, p := range stakeholders {
		ids = append(ids, p.gx)
	}
	pending := st == status.OrganizationPending
	accountStatus := string(st)
	if st == status.OrganizationLocked {
		accountStatus = string(account.Frozen)
	}
	s.exec(`INSERT INTO read.accounts (account_id, kind, country, status, balance, created_at, updated_at, block, tx_index) VALUES ($1, $2, 'CH', $3, 0, $4, $4, 1, 0)`,
		id, kind, accountStatus, s.clock())
	s.exec(`INSERT INTO read.organizations (org_id, name, type, country, proposer_id, created_at, block, tx_index, seq)
		VALUES ($1, initcap($1), $2, 'CH', $3, $4, 1, (SELECT count(*) FROM read.organizations), 0)`, id, kind, ids[0], s.clock())
	s.exec(`INSERT INTO read.stakeholders (org_id, user_id, place, endorsed_at)
		SELECT $1, user_id, n, CASE WHEN $3 THEN NULL ELSE $4::timestamptz END FROM unnest($2::text[]) WITH ORDINALITY AS v (user_id, n)`, id, ids, pending, s.clock())
	if !pending {
		s.exec(`INSERT INTO read.auth_rules VALUES ($1, 0, 'RULE_1', $2, $3, $4, $5)`, id, min(2, len(ids)), ids, ids[0], s.clock())
	}
	return id
}

// newest returns the payload of the newest command.
func (s *system) newest(t *testing.T, want command.Type) command.Payload {
	t.Helper()
	var kind command.Type
	var raw []byte
	s.scan(`SELECT type, payload FROM app.commands ORDER BY position DESC LIMIT 1`, nil, &kind, &raw)
	if kind != want {
		t.Fatalf("the command is %s, want %s", kind, want)
	}
	p, err := command.Decode(kind, raw)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *system) org(method, path, bearer string, body any) answer {
	s.t.Helper()
	return s.call("organization", method, path, bearer, body, "Idempotency-Key", key())
}

func TestProposeOrganization(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, neo := s.person("Ada", "CH", gx(500)), s.person("Bob", "DE", gx(0)), s.person("Neo", "CH", nil)
	_, admin := s.staff(door.Admin)
	_, moderator := s.staff(door.Moderator)
	body := func(change ...any) map[string]any {
		m := map[string]any{"orgId": "bakery", "orgName": "Alpine Bakery", "orgType": "BUSINESS", "stakeholderIds": []string{ada.profile.String(), bob.gx}}
		for i := 0; i < len(change); i += 2 {
			m[change[i].(string)] = change[i+1]
		}
		return m
	}
	k := key()
	first := s.call("organization", "POST", "/organizations", ada.bearer, body(), "Idempotency-Key", k).want(t, 202, "")
	if first.text("aggregateId") != "bakery" || first.header.Get("Location") != first.text("statusUrl") {
		t.Errorf("receipt %s", first.raw)
	}
	p := s.newest(t, command.TypeProposeOrganization).(*command.ProposeOrganization)
	if p.ActorID != ada.gx || p.OrgType != account.Business || p.Country != "CH" || !slices.Equal(p.StakeholderIDs, []string{ada.gx, bob.gx}) {
		t.Errorf("payload %+v", p)
	}
	s.org("POST", "/organizations", bob.bearer, body("orgId", "shelter", "orgType", "nonprofit", "country", "FR")).want(t, 202, "")
	if p := s.newest(t, command.TypeProposeOrganization).(*command.ProposeOrganization); p.OrgType != account.NGO || p.Country != "FR" {
		t.Errorf("payload %+v", p)
	}
	ministry := body("orgId", "ministry", "orgType", "GOVERNMENT", "country", "CH")
	s.org("POST", "/organizations", admin, ministry).want(t, 202, "")
	if p := s.newest(t, command.TypeProposeOrganization).(*command.ProposeOrganization); p.OrgType != account.Government || p.Actor() != "" {
		t.Errorf("payload %+v", p)
	}
	s.org("POST", "/organizations", moderator, ministry).want(t, 403, "forbidden")
	s.org("POST", "/organizations", admin, body()).want(t, 403, "org_type_forbidden")
	s.org("POST", "/organizations", admin, body("orgId", "ministry", "orgType", "government")).want(t, 400, "COUNTRY_REQUIRED")

	s.organization("taken", account.Business, status.OrganizationActive, bob)
	many := make([]string, 21)
	for i := range many {
		many[i] = s.person("Founder"+string(rune('a'+i)), "CH", gx(0)).gx
	}
	before := s.count(`SELECT count(*) FROM app.commands`)
	for name, tc := range map[string]struct {
		bearer      string
		body        any
		status      int
		code, field string
	}{
		"government":        {ada.bearer, body("orgType", "GOVERNMENT"), 403, "org_type_forbidden", "orgType"},
		"bank":              {ada.bearer, body("orgType", "BANK"), 400, "org_type_invalid", "orgType"},
		"form of id":        {ada.bearer, body("orgId", "Bakery!"), 400, "org_id_invalid", "orgId"},
		"short id":          {ada.bearer, body("orgId", "ab"), 400, "org_id_invalid", "orgId"},
		"short name":        {ada.bearer, body("orgName", "ab"), 400, "org_name_invalid", "orgName"},
		"long name":         {ada.bearer, body("orgName", strings.Repeat("語", 100)), 400, "org_name_invalid", "orgName"},
		"no such land":      {ada.bearer, body("country", "XX"), 400, "COUNTRY_NOT_FOUND", "country"},
		"alone":             {ada.bearer, body("stakeholderIds", []string{ada.gx}), 422, "stakeholder_ids_invalid", "stakeholderIds"},
		"too many":          {ada.bearer, body("stakeholderIds", append(many[:20:20], ada.gx)), 422, "stakeholder_ids_invalid", "stakeholderIds"},
		"nobody":            {ada.bearer, body("stakeholderIds", []string{}), 400, "stakeholder_ids_invalid", "stakeholderIds"},
		"twice":             {ada.bearer, body("stakeholderIds", []string{ada.gx, ada.profile.String()}), 400, "stakeholder_ids_invalid", "stakeholderIds"},
		"unknown":           {ada.bearer, body("stakeholderIds", []string{ada.gx, uuid.NewString()}), 422, "stakeholder_ids_unknown", "stakeholderIds"},
		"not on ledger":     {ada.bearer, body("stakeholderIds", []string{ada.gx, neo.profile.String()}), 422, "stakeholder_ids_unknown", "stakeholderIds"},
		"organizations":     {ada.bearer, body("stakeholderIds", []string{ada.gx, "taken"}), 422, "stakeholder_ids_unknown", "stakeholderIds"},
		"other people's":    {ada.bearer, body("stakeholderIds", []string{bob.gx, many[0]}), 403, "not_a_stakeholder", ""},
		"taken":             {ada.bearer, body("orgId", "taken"), 409, "org_id_taken", "orgId"},
		"unknown member":    {ada.bearer, body("motto", "bread"), 400, "unknown_field", "motto"},
		"not on ledger yet": {neo.bearer, body("stakeholderIds", []string{ada.gx, neo.profile.String()}), 422, "account_not_active", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			a := s.org("POST", "/organizations", tc.bearer, tc.body).want(t, tc.status, tc.code)
			if a.text("field") != tc.field {
				t.Errorf("field %q, want %q", a.text("field"), tc.field)
			}
			for _, id := range []string{neo.profile.String(), bob.gx} {
				if strings.Contains(a.raw, id) {
					t.Errorf("tells who is unknown: %s", a.raw)
				}
			}
		})
	}
	s.t = t
	s.call("organization", "POST", "/organizations", ada.bearer, body()).want(t, 400, "idempotency_key_required")
	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = $1`, ada.gx)
	s.org("POST", "/organizations", ada.bearer, body()).want(t, 423, "account_frozen")
	s.exec(`UPDATE read.system_status SET paused = true`)
	s.org("POST", "/organizations", ada.bearer, body()).want(t, 503, "system_paused")
	if n := s.count(`SELECT count(*) FROM app.commands`); n != before {
		t.Errorf("%d commands of refused requests", n-before)
	}
	// A repetition gets its answer, though much has changed since.
	s.exec(`UPDATE read.accounts SET account_id = 'bakery' WHERE account_id = 'taken'`)
	if a := s.call("organization", "POST", "/organizations", ada.bearer, body(), "Idempotency-Key", k).want(t, 202, ""); a.raw != first.raw || a.header.Get("Idempotency-Hit") != "true" {
		t.Errorf("replay %v %s", a.header, a.raw)
	}
	if a := s.call("organization", "POST", "/organizations", ada.bearer, body("orgName", "Lowland Bakery"), "Idempotency-Key", k).want(t, 422, "idempotency_key_reused"); a.text("field") != "orgName" {
		t.Errorf("field %q", a.text("field"))
	}
}

func TestEndorseAndActivate(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, eve := s.person("Ada", "CH", gx(500)), s.person("Bob", "DE", gx(0)), s.person("Eve", "CH", gx(0))
	adminID, admin := s.staff(door.Admin)
	s.organization("acme", account.Business, status.OrganizationPending, ada, bob)

	s.org("POST", "/organizations/acme/endorse", eve.bearer, nil).want(t, 404, "not_found")
	s.org("POST", "/organizations/acme/endorse", admin, nil).want(t, 401, "token_wrong_audience")
	k := key()
	first := s.call("organization", "POST", "/organizations/acme/endorse", ada.bearer, nil, "Idempotency-Key", k).want(t, 202, "")
	if p := s.newest(t, command.TypeEndorseMembership).(*command.EndorseMembership); *p != (command.EndorseMembership{ActorID: ada.gx, OrgID: "acme"}) {
		t.Errorf("payload %+v", p)
	}
	s.exec(`UPDATE read.stakeholders SET endorsed_at = now() WHERE user_id = $1`, ada.gx)
	s.org("POST", "/organizations/acme/endorse", ada.bearer, nil).want(t, 409, "already_endorsed")
	if a := s.call("organization", "POST", "/organizations/acme/endorse", ada.bearer, nil, "Idempotency-Key", k).want(t, 202, ""); a.raw != first.raw {
		t.Errorf("replay %s", a.raw)
	}

	activate := func(bearer string) answer { return s.org("POST", "/organizations/acme/activate", bearer, nil) }
	activate(ada.bearer).want(t, 409, "endorsements_missing")
	activate(admin).want(t, 409, "endorsements_missing")
	activate(eve.bearer).want(t, 404, "not_found")
	s.exec(`UPDATE read.stakeholders SET endorsed_at = now()`)
	activate(bob.bearer).want(t, 202, "")
	if p := s.newest(t, command.TypeActivateOrganization).(*command.ActivateOrganization); p.ActorID != bob.gx || p.OrgID != "acme" {
		t.Errorf("payload %+v", p)
	}
	activate(admin).want(t, 202, "")
	if p := s.newest(t, command.TypeActivateOrganization).(*command.ActivateOrganization); p.ActorID != adminID.String() {
		t.Errorf("payload %+v", p)
	}
	s.exec(`UPDATE read.accounts SET status = 'ACTIVE' WHERE account_id = 'acme'`)
	activate(bob.bearer).want(t, 409, "invalid_state")
	s.org("POST", "/organizations/acme/endorse", bob.bearer, nil).want(t, 409, "invalid_state")
	s.org("POST", "/organizations/nothing/activate", admin, nil).want(t, 404, "organization_not_found")
}

func TestLockOrganization(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada := s.person("Ada", "CH", gx(500))
	_, deputy := s.staff(door.SuperAdmin)
	_, admin := s.staff(door.Admin)
	s.organization("acme", account.Business, status.OrganizationActive, ada)
	reason := map[string]any{"reason": "an order of the court"}
	s.org("POST", "/organizations/acme/lock", ada.bearer, reason).want(t, 401, "token_wrong_audience")
	s.org("POST", "/organizations/acme/lock", deputy, map[string]any{"reason": "why"}).want(t, 400, "reason_invalid")
	s.org("POST", "/organizations/"+ada.gx+"/lock", deputy, reason).want(t, 404, "organization_not_found")
	s.org("POST", "/organizations/acme/unlock", deputy, nil).want(t, 409, "invalid_state")
	if a := s.org("POST", "/organizations/acme/lock", admin, reason).want(t, 202, ""); a.text("status") != "PENDING_APPROVAL" || s.count(`SELECT count(*) FROM app.commands`) != 0 {
		t.Errorf("an administrator alone: %s", a.raw)
	}
	s.org("POST", "/organizations/acme/lock", deputy, reason).want(t, 202, "")
	if p := s.newest(t, command.TypeFreezeWallet).(*command.FreezeWallet); p.AccountID != "acme" || p.Reason != "an order of the court" {
		t.Errorf("payload %+v", p)
	}
	s.exec(`UPDATE read.accounts SET status = 'FROZEN', frozen_reason = 'an order of the court' WHERE account_id = 'acme'`)
	s.org("POST", "/organizations/acme/lock", deputy, reason).want(t, 409, "invalid_state")
	if a := s.org("GET", "/organizations/acme", ada.bearer, nil); a.text("organization", "status") != "LOCKED" || a.text("organization", "frozenReason") == "" {
		t.Errorf("locked %s", a.raw)
	}
	s.org("POST", "/organizations/acme/transactions", ada.bearer, map[string]any{"toId": ada.gx, "amount": "1"}).want(t, 423, "organization_locked")
	s.org("POST", "/organizations/acme/rules", ada.bearer, map[string]any{"rule": map[string]any{"amountThreshold": "0", "requiredApprovers": 1, "approverGroup": []string{ada.gx}}}).
		want(t, 423, "organization_locked")
	s.org("POST", "/organizations/acme/unlock", deputy, nil).want(t, 202, "")
	s.newest(t, command.TypeUnfreezeWallet)
}

func TestReadOrganization(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, neo := s.person("Ada", "CH", gx(500)), s.person("Bob", "DE", gx(0)), s.person("Neo", "CH", nil)
	_, auditor := s.staff(door.Auditor)
	_, developer := s.staff(door.Developer)
	for _, id := range []string{"one", "two", "three"} {
		s.organization(id, account.Business, status.OrganizationActive, ada, bob)
	}
	s.organization("shelter", account.NGO, status.OrganizationPending, bob)

	full := s.org("GET", "/organizations/one", ada.bearer, nil).want(t, 200, "")
	if full.text("organization", "orgName") != "One" || full.text("organization", "accountType") != "BUSINESS" || full.text("organization", "status") != "ACTIVE" ||
		len(full.at("organization", "stakeholders").([]any)) != 2 || full.at("organization", "endorsements", bob.gx) != true || len(full.at("organization", "rules").([]any)) != 1 {
		t.Errorf("full %s", full.raw)
	}
	if full.header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("headers %v", full.header)
	}
	if a := s.org("GET", "/organizations/one", auditor, nil).want(t, 200, ""); a.raw != full.raw {
		t.Errorf("staff %s", a.raw)
	}
	s.org("GET", "/organizations/one", developer, nil).want(t, 403, "forbidden")
	s.org("GET", "/organizations/nothing", ada.bearer, nil).want(t, 404, "organization_not_found")

	names := func(a answer) string {
		t.Helper()
		var out []string
		for _, o := range a.want(t, 200, "").at("data").([]any) {
			out = append(out, o.(map[string]any)["orgId"].(string))
		}
		return strings.Join(out, " ")
	}
	list := func(query, bearer string) answer { return s.org("GET", "/organizations"+query, bearer, nil) }
	for _, tc := range []struct{ query, bearer, want string }{
		{"", ada.bearer, "three two one"},
		{"", bob.bearer, "shelter three two one"},
		{"", neo.bearer, ""},
		{"", auditor, "shelter three two one"},
		{"?type=NGO", auditor, "shelter"},
		{"?status=PENDING_ENDORSEMENT", bob.bearer, "shelter"},
		{"?country=DE", auditor, ""},
	} {
		if got := names(list(tc.query, tc.bearer)); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.query, got, tc.want)
		}
	}
	page := list("?limit=2", ada.bearer)
	if names(page) != "three two" || page.at("hasMore") != true || names(list("?limit=2&cursor="+page.text("nextCursor"), ada.bearer)) != "one" {
		t.Errorf("pages %s", page.raw)
	}
	list("?cursor=x", ada.bearer).want(t, 400, "cursor_invalid")
	list("?status=Verified", ada.bearer).want(t, 400, "status_invalid")

	people := s.org("GET", "/organizations/shelter/stakeholders", bob.bearer, nil).want(t, 200, "").at("data").([]any)
	if len(people) != 1 || people[0].(map[string]any)["displayName"] != "Bob L." || people[0].(map[string]any)["endorsedAt"] != nil {
		t.Errorf("stakeholders %v", people)
	}
	s.org("GET", "/organizations/shelter/stakeholders", ada.bearer, nil).want(t, 404, "not_found")
	s.org("GET", "/organizations/nothing/stakeholders", auditor, nil).want(t, 404, "organization_not_found")
}

// Its people see what an organization has, nobody else does.
func TestOrganizationWallet(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, eve := s.person("Ada", "CH", gx(500)), s.person("Eve", "CH", gx(0))
	_, auditor := s.staff(door.Auditor)
	s.organization("acme", account.Business, status.OrganizationActive, ada)
	s.organization("supplier", account.Business, status.OrganizationActive, eve)
	s.exec(`UPDATE read.accounts SET balance = 1500000 WHERE account_id = 'acme'`)
	s.exec(`INSERT INTO read.transactions (account_id, transaction_id, tx_id, type, counterparty, amount, fee, remark, balance_after, command_id, at, block, tx_index, seq, entry)
		SELECT 'acme', gen_random_uuid(), 'tx', 'SENT', who, 100, 0, '', 1500000, '', now(), n, 0, 0, 0
		FROM unnest(ARRAY['supplier', 'SYSTEM_LOAN_POOL', $1]) WITH ORDINALITY AS v (who, n)`, eve.gx)
	for _, bearer := range []string{ada.bearer, auditor} {
		b := s.org("GET", "/organizations/acme/wallet/balance", bearer, nil).want(t, 200, "")
		if b.text("balance", "balance") != "1500000" || b.text("balance", "balanceGx") != "1.5" || b.text("balance", "walletId") != "acme" {
			t.Errorf("balance %s", b.raw)
		}
		var names []string
		for _, l := range s.org("GET", "/organizations/acme/wallet/transactions", bearer, nil).want(t, 200, "").at("transactions").([]any) {
			names = append(names, l.(map[string]any)["counterpartyName"].(string))
		}
		if got := strings.Join(names, ", "); got != "Eve L., Loan pool, Supplier" {
			t.Errorf("statement of %s", got)
		}
	}
	page := s.org("GET", "/organizations/acme/wallet/transactions?limit=2", ada.bearer, nil).want(t, 200, "")
	if rest := s.org("GET", "/organizations/acme/wallet/transactions?cursor="+page.text("nextCursor"), ada.bearer, nil); len(rest.at("transactions").([]any)) != 1 {
		t.Errorf("rest %s", rest.raw)
	}
	for _, path := range []string{"balance", "transactions"} {
		s.org("GET", "/organizations/acme/wallet/"+path, eve.bearer, nil).want(t, 404, "not_found")
		s.org("GET", "/organizations/nothing/wallet/"+path, auditor, nil).want(t, 404, "organization_not_found")
	}
}

func TestAuthRules(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, eve := s.person("Ada", "CH", gx(500)), s.person("Bob", "DE", gx(0)), s.person("Eve", "CH", gx(0))
	s.organization("acme", account.Business, status.OrganizationActive, ada, bob)
	define := func(bearer string, threshold any, required int, group ...string) answer {
		return s.org("POST", "/organizations/acme/rules", bearer,
			map[string]any{"rule": map[string]any{"amountThreshold": threshold, "requiredApprovers": required, "approverGroup": group}})
	}
	define(ada.bearer, "1000000", 1, bob.profile.String(), ada.gx).want(t, 202, "")
	p := s.newest(t, command.TypeDefineAuthRule).(*command.DefineAuthRule)
	if p.ActorID != ada.gx || p.OrgID != "acme" || p.Rule.AmountThreshold != 1000000 || p.Rule.RequiredApprovers != 1 || !slices.Equal(p.Rule.ApproverGroup, []string{bob.gx, ada.gx}) {
		t.Errorf("payload %+v", p)
	}
	define(ada.bearer, "1.5", 1, ada.gx).want(t, 400, "amount_threshold_invalid")
	define(ada.bearer, "0", 0, ada.gx).want(t, 400, "required_approvers_invalid")
	if a := define(ada.bearer, "0", 2, ada.gx).want(t, 400, "required_approvers_invalid"); a.text("field") != "rule.requiredApprovers" {
		t.Errorf("field %q", a.text("field"))
	}
	define(ada.bearer, "0", 1, ada.gx, ada.profile.String()).want(t, 400, "approver_group_invalid")
	if a := define(ada.bearer, "0", 1, ada.gx, eve.gx).want(t, 422, "approver_unknown"); a.text("field") != "rule.approverGroup[1]" {
		t.Errorf("field %q", a.text("field"))
	}
	define(eve.bearer, "0", 1, eve.gx).want(t, 404, "not_found")
	rules := s.org("GET", "/organizations/acme/rules", bob.bearer, nil).want(t, 200, "").at("rules").([]any)
	if r := rules[0].(map[string]any); len(rules) != 1 || r["ruleId"] != "RULE_1" || r["amountThreshold"] != "0" || r["requiredApprovers"] != 2.0 || len(r["approverGroup"].([]any)) != 2 {
		t.Errorf("rules %v", rules)
	}
}
