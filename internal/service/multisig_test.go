package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// multiSig stores a payment that the first approver of an organization has asked
// for, and returns its id.
func (s *system) multiSig(org, to string) string {
	s.t.Helper()
	id := command.MultiSigPrefix + org + strings.ReplaceAll(uuid.NewString(), "-", "")
	s.exec(`INSERT INTO read.multisig_transactions (pending_tx_id, org_id, operation, initiator_id, from_id, to_id, amount, remark, rule_id, required_approvals,
			approver_group, status, approvals, expires_at, created_at, block, tx_index, seq)
		SELECT $1, org_id, 'TRANSFER', approver_group[1], org_id, $3, 5000000, 'rent', rule_id, required_approvers, approver_group, 'PENDING', 1, $4::timestamptz + interval '7 days', $4,
			2, (SELECT count(*) FROM read.multisig_transactions), 0
		FROM read.auth_rules WHERE org_id = $2`, id, org, to, s.clock())
	s.exec(`INSERT INTO read.multisig_decisions SELECT pending_tx_id, initiator_id, true, '', created_at FROM read.multisig_transactions WHERE pending_tx_id = $1`, id)
	return id
}

func TestMultiSigTransactions(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, carol, eve := s.person("Ada", "CH", gx(500)), s.person("Bob", "DE", gx(0)), s.person("Carol", "CH", gx(0)), s.person("Eve", "CH", gx(0))
	_, auditor := s.staff(door.Auditor)
	s.organization("acme", account.Business, status.OrganizationActive, ada, bob, carol)
	s.organization("ministry", account.Government, status.OrganizationActive, ada, bob)
	s.organization("young", account.Business, status.OrganizationPending, ada, bob)
	pay := func(bearer, org string, change ...any) answer {
		m := map[string]any{"toId": eve.gx, "amount": "50000000", "remark": "rent"}
		for i := 0; i < len(change); i += 2 {
			m[change[i].(string)] = change[i+1]
		}
		return s.org("POST", "/organizations/"+org+"/transactions", bearer, m)
	}
	if a := pay(ada.bearer, "acme").want(t, 202, ""); a.text("fee") == "" || a.text("total") != "" || a.text("aggregateId") != "acme" {
		t.Errorf("receipt %s", a.raw)
	}
	if p := s.newest(t, command.TypeInitiateMultiSigTx).(*command.InitiateMultiSigTx); *p != (command.InitiateMultiSigTx{ActorID: ada.gx, OrgID: "acme", ToID: eve.gx, Amount: 50000000, Remark: "rent"}) {
		t.Errorf("payload %+v", p)
	}
	if n := s.count(`SELECT coalesce(sum(holds), 0) FROM app.commands`); n != 0 {
		t.Errorf("%d Qirat of a person are held for the organization", n)
	}
	pay(ada.bearer, "young").want(t, 409, "invalid_state")
	pay(eve.bearer, "acme").want(t, 404, "not_found")
	pay(ada.bearer, "acme", "toUserId", eve.gx).want(t, 400, "to_id_invalid")
	pay(ada.bearer, "acme", "toId", "acme").want(t, 400, "to_id_invalid")
	pay(ada.bearer, "acme", "toId", uuid.NewString()).want(t, 404, "recipient_not_found")
	pay(ada.bearer, "acme", "amount", "0").want(t, 400, "amount_invalid")
	pay(ada.bearer, "acme", "amount", 5).want(t, 400, "amount_invalid")
	pay(ada.bearer, "acme", "remark", "a\nb").want(t, 400, "remark_invalid")
	pay(ada.bearer, "acme", "fromId", "supplier").want(t, 400, "from_id_invalid")

	// A treasury pays for the government that controls it, and for no other.
	s.account(account.TreasuryOf("CH"), account.Treasury, "CH", 9*qirat.PerGX)
	s.exec(`INSERT INTO read.treasuries (country_code, account_id, status) VALUES ('CH', $1, 'LOCKED')`, account.TreasuryOf("CH"))
	pay(ada.bearer, "ministry", "fromId", account.TreasuryOf("CH")).want(t, 403, "treasury_not_controlled")
	s.exec(`UPDATE read.treasuries SET status = 'ACTIVE', org_id = 'ministry'`)
	pay(ada.bearer, "acme", "fromId", account.TreasuryOf("CH")).want(t, 403, "treasury_not_controlled")
	pay(ada.bearer, "ministry", "fromId", account.TreasuryOf("FR")).want(t, 403, "treasury_not_controlled")
	pay(ada.bearer, "ministry", "fromId", account.TreasuryOf("CH")).want(t, 202, "")
	if p := s.newest(t, command.TypeInitiateMultiSigTx).(*command.InitiateMultiSigTx); p.FromID != account.TreasuryOf("CH") || p.OrgID != "ministry" {
		t.Errorf("payload %+v", p)
	}

	id := s.multiSig("acme", eve.gx)
	at := func(id, what string) string { return "/organizations/acme/transactions/" + id + what }
	view := s.org("GET", at(id, ""), bob.bearer, nil).want(t, 200, "")
	if view.text("transaction", "status") != "PENDING" || view.text("transaction", "amount") != "5000000" || view.text("transaction", "toId") != eve.gx ||
		view.at("transaction", "approvals", ada.gx) != true || view.at("transaction", "approvalCount") != 1.0 || view.text("transaction", "txId") != id {
		t.Errorf("transaction %s", view.raw)
	}
	s.org("GET", at(id, ""), auditor, nil).want(t, 200, "")
	s.org("GET", at(id, ""), eve.bearer, nil).want(t, 404, "not_found")
	s.org("GET", at("PENDING_TX_x", ""), bob.bearer, nil).want(t, 404, "transaction_not_found")
	s.org("GET", "/organizations/ministry/transactions/"+id, bob.bearer, nil).want(t, 404, "transaction_not_found")

	s.org("POST", at(id, "/approve"), ada.bearer, nil).want(t, 409, "already_approved")
	s.org("POST", at(id, "/approve"), eve.bearer, nil).want(t, 404, "not_found")
	s.org("POST", "/organizations/ministry/transactions/"+id+"/approve", bob.bearer, nil).want(t, 404, "transaction_not_found")
	want := command.ApproveMultiSigTx{ActorID: bob.gx, PendingTxID: id, OrgID: "acme", FromID: "acme", ToID: eve.gx}
	for _, path := range []string{at(id, "/approve"), "/transactions/" + id + "/approve"} {
		s.org("POST", path, bob.bearer, nil).want(t, 202, "")
		if p := s.newest(t, command.TypeApproveMultiSigTx).(*command.ApproveMultiSigTx); *p != want {
			t.Errorf("payload %+v", p)
		}
		s.org("POST", "/transactions/"+id+"/approve", eve.bearer, nil).want(t, 404, "not_found")
	}
	s.org("POST", at(id, "/reject"), bob.bearer, map[string]any{"reason": "too dear"}).want(t, 400, "reason_invalid")
	s.org("POST", at(id, "/reject"), bob.bearer, map[string]any{"reason": "it is too dear"}).want(t, 202, "")
	if p := s.newest(t, command.TypeRejectMultiSigTx).(*command.RejectMultiSigTx); *p != (command.RejectMultiSigTx{ActorID: bob.gx, PendingTxID: id, Reason: "it is too dear", OrgID: "acme"}) {
		t.Errorf("payload %+v", p)
	}
	s.exec(`INSERT INTO read.multisig_decisions VALUES ($1, $2, false, 'it is too dear', now())`, id, carol.gx)
	s.org("POST", at(id, "/approve"), carol.bearer, nil).want(t, 409, "already_rejected")
	s.org("POST", at(id, "/cancel"), bob.bearer, nil).want(t, 403, "not_the_initiator")
	s.org("POST", at(id, "/cancel"), ada.bearer, nil).want(t, 202, "")
	s.newest(t, command.TypeCancelMultiSigTx)
	s.org("POST", at(id, "/execute"), ada.bearer, nil).want(t, 409, "approvals_missing")
	s.exec(`UPDATE read.multisig_transactions SET approvals = 2, failure_code = 'INSUFFICIENT_FUNDS', failure = 'nothing there', failed_at = now() WHERE pending_tx_id = $1`, id)
	if a := s.org("GET", at(id, ""), ada.bearer, nil); a.text("transaction", "lastFailure", "code") != "INSUFFICIENT_FUNDS" {
		t.Errorf("failure %s", a.raw)
	}
	s.org("POST", at(id, "/execute"), carol.bearer, nil).want(t, 202, "")
	if p := s.newest(t, command.TypeExecuteMultiSigTx).(*command.ExecuteMultiSigTx); *p != (command.ExecuteMultiSigTx{ActorID: carol.gx, PendingTxID: id, OrgID: "acme", FromID: "acme", ToID: eve.gx}) {
		t.Errorf("payload %+v", p)
	}
	small := s.multiSig("acme", eve.gx)
	s.exec(`UPDATE read.multisig_transactions SET approver_group = ARRAY[initiator_id] WHERE pending_tx_id = $1`, small)
	s.org("POST", at(small, "/approve"), bob.bearer, nil).want(t, 403, "not_an_approver")
	s.exec(`UPDATE read.accounts SET status = 'FROZEN' WHERE account_id = 'acme'`)
	waiting := s.multiSig("acme", eve.gx)
	s.org("POST", at(waiting, "/approve"), bob.bearer, nil).want(t, 423, "organization_locked")
	s.org("POST", at(id, "/execute"), bob.bearer, nil).want(t, 423, "organization_locked")
	s.org("POST", at(waiting, "/reject"), bob.bearer, map[string]any{"reason": "it is too dear"}).want(t, 202, "")

	// What has come to its end, or whose time is over, is left alone.
	ended := s.multiSig("acme", eve.gx)
	s.exec(`UPDATE read.multisig_transactions SET status = 'EXECUTED', closed_at = now(), closed_by = $2, closed_tx = 'tx9' WHERE pending_tx_id = $1`, ended, bob.gx)
	body := func(what string) any {
		if what == "/reject" {
			return map[string]any{"reason": "it is too dear"}
		}
		return nil
	}
	for _, what := range []string{"/approve", "/reject", "/cancel", "/execute"} {
		s.org("POST", at(ended, what), ada.bearer, body(what)).want(t, 409, "invalid_state")
	}
	s.advance(7 * 24 * time.Hour)
	late := person{bearer: s.session("gx-api", bob.profile)}
	for _, what := range []string{"/approve", "/reject", "/cancel", "/execute"} {
		s.org("POST", at(waiting, what), late.bearer, body(what)).want(t, 409, "transaction_expired")
	}
}

func TestMultiSigLists(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob, eve := s.person("Ada", "CH", gx(500)), s.person("Bob", "DE", gx(0)), s.person("Eve", "CH", gx(0))
	s.organization("acme", account.Business, status.OrganizationActive, ada, bob)
	s.organization("other", account.Business, status.OrganizationActive, eve, bob)
	one, two, three := s.multiSig("acme", eve.gx), s.multiSig("acme", eve.gx), s.multiSig("other", ada.gx)
	s.exec(`UPDATE read.multisig_transactions SET status = 'REJECTED' WHERE pending_tx_id = $1`, two)
	ids := func(a answer, member string) string {
		t.Helper()
		var out []string
		for _, x := range a.want(t, 200, "").at(member).([]any) {
			out = append(out, x.(map[string]any)["pendingTxId"].(string))
			if len(x.(map[string]any)["decisions"].([]any)) != 1 {
				t.Errorf("decisions %v", x)
			}
		}
		return strings.Join(out, " ")
	}
	for _, tc := range []struct{ bearer, path, member, want string }{
		{ada.bearer, "/organizations/acme/transactions", "data", two + " " + one},
		{ada.bearer, "/organizations/acme/transactions?status=REJECTED", "data", two},
		{ada.bearer, "/organizations/acme/transactions?limit=1", "data", two},
		{ada.bearer, "/organizations/acme/transactions/pending", "pendingTransactions", one},
		{bob.bearer, "/transactions/awaiting-approval", "data", three + " " + one},
		{bob.bearer, "/transactions/awaiting-approval?limit=1", "data", three},
		{ada.bearer, "/transactions/awaiting-approval", "data", ""},
	} {
		if got := ids(s.org("GET", tc.path, tc.bearer, nil), tc.member); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.path, got, tc.want)
		}
	}
	page := s.org("GET", "/organizations/acme/transactions?limit=1", ada.bearer, nil)
	if got := ids(s.org("GET", "/organizations/acme/transactions?cursor="+page.text("nextCursor"), ada.bearer, nil), "data"); got != one {
		t.Errorf("second page %s", got)
	}
	s.org("GET", "/organizations/acme/transactions?status=Pending", ada.bearer, nil).want(t, 400, "status_invalid")
	s.org("GET", "/organizations/other/transactions/pending", ada.bearer, nil).want(t, 404, "not_found")
}
