package service_test

import (
	"slices"
	"testing"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
)

// multiSig returns a transaction of an organization as a person sees it.
func (s *story) multiSig(c *demo.Customer, org, id string) client.MultiSig {
	s.t.Helper()
	return must[client.TransactionResponse](s.t)(c.Client.GetMultiSig(s.t.Context(), org, id)).Transaction
}

// initiated returns the id of a payment that an organization is asked for.
func (s *story) initiated(c *demo.Customer, org string, p client.InitiateRequest) string {
	s.t.Helper()
	id, _ := s.done(c.Client.InitiateMultiSig(s.t.Context(), org, p, wait))["pendingTxID"].(string)
	return id
}

// funds returns the money of an organization.
func (s *story) funds(c *demo.Customer, org string) string {
	s.t.Helper()
	return must[client.OrganizationBalanceResponse](s.t)(c.Client.GetOrganizationBalance(s.t.Context(), org)).Balance.BalanceGX
}

// founded takes an organization of people with the same aim into being.
func (s *story) founded(by *client.Client, p client.ProposeRequest, people ...*demo.Customer) {
	s.t.Helper()
	ctx := s.t.Context()
	for _, c := range people {
		p.StakeholderIds = append(p.StakeholderIds, c.Profile)
	}
	s.done(by.ProposeOrganization(ctx, p, wait))
	for _, c := range people {
		s.done(c.Client.EndorseOrganization(ctx, p.OrgID, wait))
	}
	s.done(by.ActivateOrganization(ctx, p.OrgID, wait))
}

// A bakery of three, from its foundation to its rules, its payments and what
// becomes of those that cannot be made. The ids that commands result in can be read (D-36).
func TestD36OrganizationStory(t *testing.T) {
	s := begin(t, ringtest.Start(t), 4)
	ctx := t.Context()
	ada, bob, carol, eve := s.people[0], s.people[1], s.people[2], s.people[3]
	const bakery = "alpine-bakery"

	// What one has written one can read, also where it decides who may.
	proposed := must[client.Receipt](t)(ada.Client.ProposeOrganization(ctx, client.ProposeRequest{
		OrgID: bakery, OrgName: "Alpine Bakery", OrgType: client.ProposeRequestOrgTypeBUSINESS, StakeholderIds: []string{ada.Profile, bob.Account, carol.Profile},
	}))
	people := must[client.ListStakeholder](t)(ada.Client.ListStakeholders(ctx, bakery, client.After(proposed.CommandID)))
	if len(people.Data) != 3 || people.Data[1].UserID != bob.Account || !people.Data[1].EndorsedAt.IsZero() {
		t.Errorf("stakeholders %+v", people.Data)
	}
	refused[client.ListStakeholder](t, "not_found")(eve.Client.ListStakeholders(ctx, bakery))
	for _, c := range []*demo.Customer{ada, bob} {
		s.done(c.Client.EndorseOrganization(ctx, bakery, wait))
	}
	refused[client.Receipt](t, "endorsements_missing")(ada.Client.ActivateOrganization(ctx, bakery))
	// A rule before the activation makes everybody endorse again.
	large := client.RuleTerms{AmountThreshold: "100000000", RequiredApprovers: 3, ApproverGroup: []string{ada.Account, bob.Account, carol.Account}}
	s.done(ada.Client.DefineAuthRule(ctx, bakery, client.RuleRequest{Rule: large}, wait))
	for _, c := range []*demo.Customer{ada, bob, carol} {
		s.done(c.Client.EndorseOrganization(ctx, bakery, wait))
	}
	s.done(carol.Client.ActivateOrganization(ctx, bakery, wait))
	o := must[client.OrganizationResponse](t)(bob.Client.GetOrganization(ctx, bakery)).Organization
	if o.Status != "ACTIVE" || o.Country != ada.Country || len(o.Rules) != 2 || o.Rules[0].RequiredApprovers != 2 || o.Rules[1].AmountThresholdGX != "100" {
		t.Errorf("organization %+v", o)
	}
	if o := must[client.OrganizationResponse](t)(eve.Client.GetOrganization(ctx, bakery)).Organization; o.OrgName != "Alpine Bakery" || o.Rules != nil || o.Stakeholders != nil {
		t.Errorf("what everybody sees: %+v", o)
	}

	// Two of three pay a small amount; the money comes from the organization.
	s.done(ada.Client.CreateTransfer(ctx, client.Payment{ToID: bakery, Amount: "200000000"}, wait))
	rent := client.InitiateRequest{ToID: eve.Account, Amount: "2000000", Remark: "rent"}
	id := s.initiated(ada, bakery, rent)
	awaiting := must[client.ListMultiSig](t)(bob.Client.ListAwaitingApproval(ctx, client.ListAwaitingApprovalParams{}))
	if len(awaiting.Data) != 1 || awaiting.Data[0].PendingTxID != id || awaiting.Data[0].ApprovalCount != 1 {
		t.Errorf("awaiting %+v", awaiting.Data)
	}
	refused[client.Receipt](t, "already_approved")(ada.Client.ApproveMultiSig(ctx, bakery, id))
	s.done(bob.Client.ApproveMultiSigByID(ctx, id, wait))
	if x := s.multiSig(carol, bakery, id); x.Status != "EXECUTED" || x.ClosedBy != bob.Account || x.OnChainTxID == "" || len(x.Decisions) != 2 {
		t.Errorf("executed %+v", x)
	}
	refused[client.Receipt](t, "invalid_state")(carol.Client.ApproveMultiSig(ctx, bakery, id))
	if got := s.funds(bob, bakery); got != "197.997" {
		t.Errorf("the bakery has %s GX", got)
	}
	lines := must[client.Statement](t)(carol.Client.ListOrganizationTransactions(ctx, bakery, client.ListOrganizationTransactionsParams{}))
	if l := lines.Transactions; len(l) != 3 || l[0].Type != "FEE" || l[1].Remark != "rent" || l[1].CounterpartyName != eve.First+" "+string([]rune(eve.Last)[:1])+"." {
		t.Errorf("statement %+v", l)
	}
	if b := must[client.Statement](t)(ada.Client.ListTransactions(ctx, "me", client.ListTransactionsParams{})); !slices.ContainsFunc(b.Transactions, func(x client.Transaction) bool { return x.CounterpartyName == "Alpine Bakery" }) {
		t.Error("a person's statement does not name the organization")
	}

	// One is enough against it when all are needed; and who asked may withdraw.
	oven := client.InitiateRequest{ToID: eve.Account, Amount: "150000000", Remark: "oven"}
	id = s.initiated(ada, bakery, oven)
	s.done(carol.Client.RejectMultiSig(ctx, bakery, id, client.OrganizationRejectRequest{Reason: "the old one is good"}, wait))
	if x := s.multiSig(ada, bakery, id); x.Status != "REJECTED" || x.Decisions[1].Reason != "the old one is good" {
		t.Errorf("rejected %+v", x)
	}
	id = s.initiated(ada, bakery, oven)
	refused[client.Receipt](t, "not_the_initiator")(bob.Client.CancelMultiSig(ctx, bakery, id))
	s.done(ada.Client.CancelMultiSig(ctx, bakery, id, wait))
	if x := s.multiSig(bob, bakery, id); x.Status != "CANCELLED" {
		t.Errorf("cancelled %+v", x)
	}

	// What cannot be paid is kept, and paid when it can.
	id = s.initiated(bob, bakery, client.InitiateRequest{ToID: eve.Account, Amount: "300000000", Remark: "shop"})
	s.done(ada.Client.ApproveMultiSig(ctx, bakery, id, wait))
	refused[client.Receipt](t, "approvals_missing")(ada.Client.ExecuteMultiSig(ctx, bakery, id))
	s.done(carol.Client.ApproveMultiSig(ctx, bakery, id, wait))
	if x := s.multiSig(ada, bakery, id); x.Status != "PENDING" || x.LastFailure.Code != "INSUFFICIENT_FUNDS" {
		t.Errorf("not executable %+v", x)
	}
	s.done(bob.Client.CreateTransfer(ctx, client.Payment{ToID: bakery, Amount: "200000000"}, wait))
	s.done(carol.Client.ExecuteMultiSig(ctx, bakery, id, wait))
	if x := s.multiSig(ada, bakery, id); x.Status != "EXECUTED" || x.LastFailure.Code != "" {
		t.Errorf("executed at last %+v", x)
	}

	// A rule of an active organization is approved like its largest payments.
	large.RequiredApprovers = 1
	id, _ = s.done(ada.Client.DefineAuthRule(ctx, bakery, client.RuleRequest{Rule: large}, wait))["pendingTxID"].(string)
	if x := s.multiSig(bob, bakery, id); x.Operation != "DEFINE_AUTH_RULE" || x.Rule.RequiredApprovers != 1 || x.RequiredApprovals != 3 {
		t.Errorf("rule %+v", x)
	}
	s.done(bob.Client.ApproveMultiSig(ctx, bakery, id, wait))
	s.done(carol.Client.ApproveMultiSig(ctx, bakery, id, wait))
	if rules := must[client.RulesResponse](t)(bob.Client.ListAuthRules(ctx, bakery)).Rules; len(rules) != 2 || rules[1].RequiredApprovers != 1 {
		t.Errorf("rules %+v", rules)
	}

	// Locked, it does nothing.
	s.done(s.staff.LockOrganization(ctx, bakery, client.LockRequest{Reason: "an order of the court"}, wait))
	refused[client.Receipt](t, "organization_locked")(ada.Client.InitiateMultiSig(ctx, bakery, rent))
	s.done(s.staff.UnlockOrganization(ctx, bakery, wait))
	s.initiated(ada, bakery, rent)
}

// A government spends the money of the treasury that it was given.
func TestTreasuryStory(t *testing.T) {
	s := begin(t, ringtest.Start(t), 3)
	ctx := t.Context()
	ada, bob, eve := s.people[0], s.people[1], s.people[2]
	ministry := client.ProposeRequest{OrgID: "ministry", OrgName: "Ministry of Finance", OrgType: client.ProposeRequestOrgTypeGOVERNMENT, Country: ada.Country}
	refused[client.Receipt](t, "org_type_forbidden")(ada.Client.ProposeOrganization(ctx, client.ProposeRequest{
		OrgID: "ministry", OrgName: "Ministry of Finance", OrgType: client.ProposeRequestOrgTypeGOVERNMENT, StakeholderIds: []string{ada.Profile, bob.Profile}}))
	s.founded(s.staff, ministry, ada, bob)

	treasury := account.TreasuryOf(ada.Country)
	road := client.InitiateRequest{FromID: treasury, ToID: eve.Account, Amount: "1000000", Remark: "a road"}
	refused[client.Receipt](t, "treasury_not_controlled")(ada.Client.InitiateMultiSig(ctx, "ministry", road))
	asked, err := s.staff.ActivateTreasury(ctx, client.TreasuryRequest{CountryCode: ada.Country, OrgID: "ministry"})
	s.approved(ctx, s.colleague(), asked, err)

	balance := func() qirat.Amount {
		t.Helper()
		b := must[client.TreasuryResponse](t)(eve.Client.GetTreasury(ctx, ada.Country)).Balance
		n, err := qirat.Parse(b.Balance)
		if err != nil || b.Status != "ACTIVE" {
			t.Fatalf("treasury %+v: %v", b, err)
		}
		return n
	}
	before := balance()
	id := s.initiated(ada, "ministry", road)
	s.done(bob.Client.ApproveMultiSig(ctx, "ministry", id, wait))
	x := s.multiSig(ada, "ministry", id)
	if x.Status != "EXECUTED" || x.FromID != treasury {
		t.Errorf("road %+v", x)
	}
	if spent := before - balance(); spent != qirat.PerGX {
		t.Errorf("the treasury has spent %s Qirat", spent)
	}
	if got := s.funds(ada, "ministry"); got != "0" {
		t.Errorf("the ministry has %s GX of its own", got)
	}
}
