package readmodel_test

import (
	"testing"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

func TestOrganizations(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx := t.Context()
	proposed := w.at(w.block)
	w.commit(w.ProposeOrganization("acme", account.Business, "AE", "bob", "alice"))
	endorsed := w.happen(&event.MembershipEndorsed{OrgID: "acme", EndorserID: "alice", Remaining: 1})
	same(t, "stakeholders", []readmodel.Stakeholder{{UserID: "bob"}, {UserID: "alice", EndorsedAt: &endorsed}}, must[[]readmodel.Stakeholder](t)(readmodel.Stakeholders(ctx, w.pool, "acme")))
	rule := func(id string, threshold qirat.Amount, reset bool, group ...string) *event.AuthRuleDefined {
		return &event.AuthRuleDefined{OrgID: "acme", RuleID: id, AmountThreshold: threshold, RequiredApprovers: len(group), ApproverGroup: group, DefinedBy: "bob", EndorsementsReset: reset}
	}
	w.happen(rule("RULE_1", 0, true, "bob"))
	defined := w.happen(rule("RULE_2", 100, true, "bob", "alice"), rule("RULE_3", 0, true, "alice"))
	same(t, "endorsements after a rule", []readmodel.Stakeholder{{UserID: "bob"}, {UserID: "alice"}}, must[[]readmodel.Stakeholder](t)(readmodel.Stakeholders(ctx, w.pool, "acme")))
	same(t, "rules", []readmodel.AuthRule{
		{RuleID: "RULE_3", AmountThreshold: 0, RequiredApprovers: 1, ApproverGroup: []string{"alice"}, DefinedBy: "bob", DefinedAt: defined},
		{RuleID: "RULE_2", AmountThreshold: 100, RequiredApprovers: 2, ApproverGroup: []string{"bob", "alice"}, DefinedBy: "bob", DefinedAt: defined},
	}, must[[]readmodel.AuthRule](t)(readmodel.AuthRules(ctx, w.pool, "acme")))
	want := readmodel.OrganizationState{OrgID: "acme", Name: "The acme", Type: account.Business, Country: "AE", Status: status.OrganizationPending, ProposerID: "bob", CreatedAt: proposed}
	same(t, "pending", want, must[readmodel.OrganizationState](t)(readmodel.Organization(ctx, w.pool, "acme")))
	activated := w.happen(&event.MembershipEndorsed{OrgID: "acme", EndorserID: "bob"}, &event.MembershipEndorsed{OrgID: "acme", EndorserID: "alice"},
		&event.OrganizationActivated{OrgID: "acme", ActivatedBy: "alice"})
	want.Status, want.ActivatedBy, want.ActivatedAt = status.OrganizationActive, "alice", &activated
	same(t, "active", want, must[readmodel.OrganizationState](t)(readmodel.Organization(ctx, w.pool, "acme")))
	w.commit(w.Freeze("acme", "inquiry", w.at(w.block)))
	want.Status = status.OrganizationLocked
	same(t, "locked", want, must[readmodel.OrganizationState](t)(readmodel.Organization(ctx, w.pool, "acme")))
	w.commit(w.Unfreeze("acme", w.at(w.block)), w.Transfer("alice", "acme", 500, 0, ""))
	want.Status = status.OrganizationActive
	same(t, "unlocked", want, must[readmodel.OrganizationState](t)(readmodel.Organization(ctx, w.pool, "acme")))
	if a := must[readmodel.AccountState](t)(readmodel.Account(ctx, w.pool, "acme")); a.Kind != account.Business || a.Country != "AE" {
		t.Errorf("account: %+v", a)
	}
	w.checkBalances()

	w.commit(w.ProposeOrganization("aid", account.NGO, "US", "alice"))
	w.commit(w.ProposeOrganization("ministry", account.Government, "AE", "bob"))
	for name, c := range map[string]struct {
		f    readmodel.OrganizationFilter
		want []string
	}{
		"all":           {readmodel.OrganizationFilter{}, []string{"ministry", "aid", "acme"}},
		"of alice":      {readmodel.OrganizationFilter{Stakeholder: "alice"}, []string{"aid", "acme"}},
		"of AE":         {readmodel.OrganizationFilter{Country: "AE"}, []string{"ministry", "acme"}},
		"governments":   {readmodel.OrganizationFilter{Type: account.Government}, []string{"ministry"}},
		"pending":       {readmodel.OrganizationFilter{Statuses: []status.Organization{status.OrganizationPending}}, []string{"ministry", "aid"}},
		"of bob, in US": {readmodel.OrganizationFilter{Stakeholder: "bob", Country: "US"}, nil},
	} {
		var got []string
		for _, o := range walk(t, name, func(v readmodel.Window) (readmodel.List[readmodel.OrganizationState], error) {
			return readmodel.Organizations(ctx, w.pool, c.f, v)
		}) {
			got = append(got, o.OrgID)
		}
		same(t, name, c.want, got)
	}
}
