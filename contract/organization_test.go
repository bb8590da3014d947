package contract_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
	"gxcoin.money/gx/protocol/status"
)

// proposalOf returns the proposal of an organization of DE by the first of its people.
func proposalOf(orgID string, kind account.Kind, people ...string) *command.ProposeOrganization {
	p := &command.ProposeOrganization{
		ActorID: people[0], OrgID: orgID, OrgName: "The " + orgID, OrgType: kind, Country: "DE", StakeholderIDs: people,
	}
	if kind == account.Government {
		p.ActorID = "ops"
	}
	return p
}

// threshold returns the rule that n of a group agree to a payment above an amount.
func threshold(above qirat.Amount, n int, group ...string) command.AuthRule {
	return command.AuthRule{AmountThreshold: above, RequiredApprovers: n, ApproverGroup: group}
}

// found proposes an organization, gives it rules, has everybody endorse it and
// activates it.
func found(t contracttest.TB, l *contracttest.Ledger, p *command.ProposeOrganization, rules ...command.AuthRule) {
	t.Helper()
	l.Apply(t, p)
	for _, r := range rules {
		l.Apply(t, &command.DefineAuthRule{ActorID: p.StakeholderIDs[0], OrgID: p.OrgID, Rule: r})
	}
	for _, id := range p.StakeholderIDs {
		l.Apply(t, &command.EndorseMembership{ActorID: id, OrgID: p.OrgID})
	}
	l.Apply(t, &command.ActivateOrganization{ActorID: p.StakeholderIDs[0], OrgID: p.OrgID})
}

// orgView is what GetOrganization returns.
type orgView struct {
	contract.Organization
	Status            status.Organization
	FrozenReason      string
	VelocityTaxExempt *bool
}

func orgOf(t contracttest.TB, l *contracttest.Ledger, id string) orgView {
	t.Helper()
	var o orgView
	if err := l.Query(&o, "OrganizationContract:GetOrganization", id); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOrganization(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 3)
	e := l.Apply(t, proposalOf("acme", account.Business, p...))[0].(*event.OrganizationProposed)
	if e.OrgID != "acme" || e.OrgName != "The acme" || e.OrgType != account.Business || e.Country != "DE" || !slices.Equal(e.Stakeholders, p) || e.ProposerID != p[0] {
		t.Errorf("proposed: %+v", e)
	}
	o := orgOf(t, l, "acme")
	if o.Status != status.OrganizationPending || !o.CreatedAt.Equal(l.Now) || o.ActivatedAt != nil || o.Endorsements == nil || o.Rules == nil || o.VelocityTaxExempt == nil {
		t.Errorf("after the proposal: %+v", o)
	}
	if got := l.Balance(t, "acme"); got != 0 {
		t.Errorf("a new organization has %s", got)
	}
	l.Refuse(t, contract.CodeInvalidState, "PENDING_ENDORSEMENT", contracttest.Pay(p[0], "acme", gx))
	for i, id := range []string{p[2], p[0], p[1]} {
		e := l.Apply(t, &command.EndorseMembership{ActorID: id, OrgID: "acme"})[0].(*event.MembershipEndorsed)
		if *e != (event.MembershipEndorsed{OrgID: "acme", EndorserID: id, Remaining: 2 - i}) {
			t.Errorf("endorsed: %+v", e)
		}
	}
	var u contract.User
	if err := l.Query(&u, "IdentityContract:GetUser", p[1]); err != nil || !slices.Equal(u.OrgIDs, []string{"acme"}) {
		t.Errorf("organizations of a stakeholder: %q, %v", u.OrgIDs, err)
	}
	l.Now = l.Now.Add(time.Hour)
	events := l.Apply(t, &command.ActivateOrganization{ActorID: p[1], OrgID: "acme"})
	rule := events[0].(*event.AuthRuleDefined)
	if rule.OrgID != "acme" || rule.AmountThreshold != 0 || rule.RequiredApprovers != 2 || !slices.Equal(rule.ApproverGroup, p) || rule.DefinedBy != p[1] || rule.EndorsementsReset {
		t.Errorf("default rule: %+v", rule)
	}
	if e := events[1].(*event.OrganizationActivated); *e != (event.OrganizationActivated{OrgID: "acme", ActivatedBy: p[1]}) {
		t.Errorf("activated: %+v", e)
	}
	o = orgOf(t, l, "acme")
	if o.Status != status.OrganizationActive || !o.ActivatedAt.Equal(l.Now) || !slices.Equal(o.Endorsements, []string{p[2], p[0], p[1]}) || len(o.Rules) != 1 || o.Rules[0].RuleID != rule.RuleID {
		t.Errorf("after the activation: %+v", o)
	}
	l.Apply(t, contracttest.Pay(p[0], "acme", gx))
	l.Apply(t, &command.FreezeWallet{AccountID: "acme", Reason: "court order"})
	if o := orgOf(t, l, "acme"); o.Status != status.OrganizationLocked || o.FrozenReason != "court order" {
		t.Errorf("after the freeze: %+v", o)
	}
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", contracttest.Pay(p[0], "acme", gx))
	l.Apply(t, &command.UnfreezeWallet{AccountID: "acme"})
	if o := orgOf(t, l, "acme"); o.Status != status.OrganizationActive {
		t.Errorf("after the freeze: %+v", o)
	}
	l.CheckSupply(t)
}

func TestProposeOrganizationRefused(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	p := l.Join(t, "DE", 24)
	l.Apply(t, &command.FreezeWallet{AccountID: p[22], Reason: "x"}, &command.SetUserStatus{UserID: p[23], Status: "SUSPENDED", Reason: "x"})
	stranger := l.Person(t, "DE").UserID
	propose := func(change func(q *command.ProposeOrganization)) *command.ProposeOrganization {
		q := proposalOf("acme", account.Business, p[0], p[1])
		change(q)
		return q
	}
	organizationID := func(country string, kind byte) string {
		id, err := gxid.NewOrganization(strings.NewReader("12345678"), country, time.Date(2020, 2, 2, 0, 0, 0, 0, time.UTC), kind)
		if err != nil {
			t.Fatal(err)
		}
		return id.String()
	}
	for name, c := range map[string]struct {
		code   contract.Code
		text   string
		change func(q *command.ProposeOrganization)
	}{
		"country":       {contract.CodeCountryNotRegistered, "FR", func(q *command.ProposeOrganization) { q.Country = "FR" }},
		"one owner":     {contract.CodeInvalidArgument, "2 to 20", func(q *command.ProposeOrganization) { q.StakeholderIDs = p[:1] }},
		"21 owners":     {contract.CodeInvalidArgument, "2 to 20", func(q *command.ProposeOrganization) { q.StakeholderIDs = p[:21] }},
		"not an owner":  {contract.CodeInvalidArgument, "who proposes", func(q *command.ProposeOrganization) { q.ActorID = p[2] }},
		"stranger":      {contract.CodeNotFound, stranger, func(q *command.ProposeOrganization) { q.StakeholderIDs = []string{p[0], stranger} }},
		"frozen":        {contract.CodeAccountFrozen, p[22], func(q *command.ProposeOrganization) { q.StakeholderIDs = []string{p[0], p[22]} }},
		"suspended":     {contract.CodeInvalidState, p[23], func(q *command.ProposeOrganization) { q.StakeholderIDs = []string{p[0], p[23]} }},
		"other kind":    {contract.CodeInvalidArgument, "orgID", func(q *command.ProposeOrganization) { q.OrgID = organizationID("DE", gxid.NonProfit) }},
		"a government":  {contract.CodeInvalidArgument, "orgID", func(q *command.ProposeOrganization) { q.OrgID = organizationID("DE", gxid.Governmental) }},
		"other country": {contract.CodeInvalidArgument, "orgID", func(q *command.ProposeOrganization) { q.OrgID = organizationID("LK", gxid.Business) }},
	} {
		t.Run(name, func(t *testing.T) { l.Refuse(t, c.code, c.text, propose(c.change)) })
	}
	l.Apply(t, propose(func(q *command.ProposeOrganization) { q.OrgID = organizationID("DE", gxid.Business) }))
	l.Apply(t, propose(func(q *command.ProposeOrganization) { q.OrgID, q.StakeholderIDs = "twenty", p[:20] }))
}

// B-011: nothing can be registered under the id of something else.
func TestB011_OrganizationsHaveIDsOfTheirOwn(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 3)
	l.Apply(t, proposalOf("acme", account.Business, p...))
	before := orgOf(t, l, "acme")
	l.Refuse(t, contract.CodeAlreadyExists, "acme", proposalOf("acme", account.NGO, p[1], p[2]))
	for _, id := range []string{p[2], account.LoanPool, "SYSTEM_MINTER", "treasury_DE", "treasury_", "a", "Acme", "a b", "a\u2028b", strings.Repeat("a", 65), "PROP_x", parameterOfFee} {
		l.Refuse(t, contract.CodeInvalidArgument, "orgID", proposalOf(id, account.Business, p...))
	}
	if after := orgOf(t, l, "acme"); after.OrgType != before.OrgType || !slices.Equal(after.Stakeholders, p) {
		t.Errorf("overwritten: %+v", after)
	}
	if got := l.Balance(t, p[2]); got != 500*gx {
		t.Errorf("the person has %s", got)
	}
}

const parameterOfFee = "fee.p2p.local.low"

func TestGovernmentIsProposedByStaff(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 4)
	call := func(who contract.Caller, actor string) error {
		_, err := l.Invoke(who, "OrganizationContract:ProposeOrganization", actor, "finance", "Finance", "GOVERNMENT", "DE", `["`+p[0]+`","`+p[1]+`"]`)
		return err
	}
	wantError(t, call(backend, p[0]), contract.CodeUnauthorized, "only an administrator")
	wantError(t, call(contract.Caller{ID: "someone", User: p[0]}, p[0]), contract.CodeUnauthorized, "only an administrator")
	l.Apply(t, &command.FreezeWallet{AccountID: p[2], Reason: "x"})
	wantError(t, call(contracttest.As(role.Admin), p[2]), contract.CodeAccountFrozen, p[2])
	if err := call(contracttest.As(role.Admin), p[3]); err != nil { // who has no stake in it
		t.Fatal(err)
	}
	if o := orgOf(t, l, "finance"); o.OrgType != account.Government || len(o.Stakeholders) != 2 {
		t.Errorf("organization %+v", o)
	}
}

func TestEndorseMembershipRefused(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 3)
	l.Apply(t, proposalOf("acme", account.Business, p[0], p[1]))
	endorse := func(i int) *command.EndorseMembership {
		return &command.EndorseMembership{ActorID: p[i], OrgID: "acme"}
	}
	l.Refuse(t, contract.CodeNotFound, "nothing", &command.EndorseMembership{ActorID: p[0], OrgID: "nothing"})
	l.Refuse(t, contract.CodeUnauthorized, "no stake", endorse(2))
	l.Apply(t, endorse(0))
	l.Refuse(t, contract.CodeAlreadyApproved, "already", endorse(0))
	l.Apply(t, endorse(1), &command.ActivateOrganization{ActorID: p[0], OrgID: "acme"})
	l.Refuse(t, contract.CodeInvalidState, "ACTIVE", endorse(0))
}

// B-019: whoever activates has a right to, and everybody has endorsed.
func TestB019_ActivationNeedsEveryone(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 3)
	l.Apply(t, proposalOf("acme", account.Business, p[0], p[1]))
	activate := func(actor string) *command.ActivateOrganization {
		return &command.ActivateOrganization{ActorID: actor, OrgID: "acme"}
	}
	initiate := &command.InitiateMultiSigTx{ActorID: p[0], OrgID: "acme", ToID: p[1], Amount: gx}
	l.Refuse(t, contract.CodeInvalidState, "2 stakeholders", activate(p[0]))
	l.Apply(t, &command.EndorseMembership{ActorID: p[0], OrgID: "acme"})
	l.Refuse(t, contract.CodeInvalidState, "1 stakeholders", activate(p[0]))
	l.Refuse(t, contract.CodeInvalidState, "1 stakeholders", activate("ops"))
	l.Refuse(t, contract.CodeInvalidState, "PENDING_ENDORSEMENT", initiate)
	l.Refuse(t, contract.CodeNotFound, "nothing", &command.ActivateOrganization{ActorID: p[0], OrgID: "nothing"})
	l.Apply(t, &command.EndorseMembership{ActorID: p[1], OrgID: "acme"})
	l.Refuse(t, contract.CodeUnauthorized, "no stake", activate(p[2]))
	_, err := l.Invoke(backend, "OrganizationContract:ActivateOrganization", "ops", "acme")
	wantError(t, err, contract.CodeUnauthorized, "no stake")
	l.Apply(t, activate("ops"))
	l.Refuse(t, contract.CodeInvalidState, "ACTIVE", activate(p[0]))
	l.Apply(t, initiate)
}

// The defaults of what an organization does not say.
func TestDefaultRule(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 3)
	found(t, l, proposalOf("acme", account.Business, p...), threshold(100*gx, 1, p[2]))
	rules := orgOf(t, l, "acme").Rules
	if len(rules) != 2 || rules[0].AmountThreshold != 0 || rules[0].RequiredApprovers != 2 || !slices.Equal(rules[0].ApproverGroup, p) || rules[1].RequiredApprovers != 1 {
		t.Errorf("rules with one for large payments: %+v", rules)
	}
	found(t, l, proposalOf("apex", account.Business, p...), threshold(0, 3, p...))
	if rules := orgOf(t, l, "apex").Rules; len(rules) != 1 || rules[0].RequiredApprovers != 3 {
		t.Errorf("rules with one for all payments: %+v", rules)
	}
	elect(t, l, "orgMinStakeholders", "1")
	one := l.Join(t, "DE", 1)[0]
	found(t, l, proposalOf("solo", account.NGO, one))
	if rules := orgOf(t, l, "solo").Rules; len(rules) != 1 || rules[0].RequiredApprovers != 1 || !slices.Equal(rules[0].ApproverGroup, []string{one}) {
		t.Errorf("rules of one person: %+v", rules)
	}
}

func TestDefineAuthRule(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 4)
	l.Apply(t, proposalOf("acme", account.Business, p[:3]...))
	define := func(actor string, r command.AuthRule) *command.DefineAuthRule {
		return &command.DefineAuthRule{ActorID: actor, OrgID: "acme", Rule: r}
	}
	l.Refuse(t, contract.CodeUnauthorized, "no stake", define(p[3], threshold(0, 1, p[0])))
	l.Refuse(t, contract.CodeInvalidArgument, "approverGroup", define(p[0], threshold(0, 1, p[0], p[3])))
	l.Refuse(t, contract.CodeInvalidArgument, "requiredApprovers", define(p[0], threshold(0, 3, p[0], p[1])))
	l.Refuse(t, contract.CodeInvalidArgument, "approverGroup[1]", define(p[0], threshold(0, 2, p[0], p[0])))
	l.Refuse(t, contract.CodeInvalidArgument, "approverGroup", define(p[0], threshold(0, 1)))

	// A rule that some have not seen takes the endorsements back.
	l.Apply(t, &command.EndorseMembership{ActorID: p[1], OrgID: "acme"}, &command.EndorseMembership{ActorID: p[2], OrgID: "acme"})
	e := l.Apply(t, define(p[0], threshold(50*gx, 2, p[0], p[1])))[0].(*event.AuthRuleDefined)
	if e.OrgID != "acme" || e.AmountThreshold != 50*gx || e.RequiredApprovers != 2 || !slices.Equal(e.ApproverGroup, p[:2]) || e.DefinedBy != p[0] || !e.EndorsementsReset || e.RuleID == "" {
		t.Errorf("defined: %+v", e)
	}
	if o := orgOf(t, l, "acme"); len(o.Endorsements) != 0 || o.Endorsements == nil {
		t.Errorf("endorsements after a new rule: %q", o.Endorsements)
	}
	l.Apply(t, &command.EndorseMembership{ActorID: p[1], OrgID: "acme"})

	// The same threshold replaces; the list is in the order of thresholds.
	l.Apply(t, define(p[1], threshold(0, 1, p[0])), define(p[1], threshold(50*gx, 3, p[:3]...)))
	rules := orgOf(t, l, "acme").Rules
	if len(rules) != 2 || rules[0].AmountThreshold != 0 || rules[1].RequiredApprovers != 3 || rules[1].RuleID == e.RuleID || rules[1].DefinedBy != p[1] {
		t.Errorf("rules: %+v", rules)
	}
	for i := range 18 {
		l.Apply(t, define(p[0], threshold(qirat.Amount(1+i), 1, p[0])))
	}
	l.Refuse(t, contract.CodeLimitExceeded, "20 rules", define(p[0], threshold(999*gx, 1, p[0])))
	l.Apply(t, define(p[0], threshold(50*gx, 1, p[0]))) // replaces
}

// B-017, B-420: the rule with the greatest threshold strictly below the amount
// applies, whatever the order in which the rules were made.
func TestB017_RuleSelection(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 4)
	rules := []command.AuthRule{threshold(0, 2, p...), threshold(1000*gx, 3, p...), threshold(5000*gx, 4, p...)}
	for n, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		id := fmt.Sprintf("acme-%d", n)
		found(t, l, proposalOf(id, account.Business, p...), rules[order[0]], rules[order[1]], rules[order[2]])
		byThreshold := orgOf(t, l, id).Rules
		for amount, want := range map[qirat.Amount]int{
			1: 0, 1000*gx - 1: 0, 1000 * gx: 0, 1000*gx + 1: 1, 5000 * gx: 1, 5000*gx + 1: 2, qirat.MaxSupply: 2,
		} {
			e := l.Apply(t, &command.InitiateMultiSigTx{ActorID: p[0], OrgID: id, ToID: p[1], Amount: amount})[0].(*event.MultiSigTxInitiated)
			if e.RuleID != byThreshold[want].RuleID || e.RequiredApprovals != want+2 {
				t.Errorf("rules made in order %v: %s goes by rule %s with %d approvals", order, amount, e.RuleID, e.RequiredApprovals)
			}
		}
	}
}

// B-019: a rule of an active organization changes only by the signatures of its
// highest rule, and transactions keep the rule that they began with.
func TestB019_RuleChangesAreSigned(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 4)
	found(t, l, proposalOf("acme", account.Business, p...), threshold(0, 1, p[3]), threshold(100*gx, 2, p[0], p[1], p[2]))
	l.Apply(t, contracttest.Pay(p[3], "acme", 400*gx))
	high := orgOf(t, l, "acme").Rules[1]
	payment := initiateTx(t, l, &command.InitiateMultiSigTx{ActorID: p[3], OrgID: "acme", ToID: p[3], Amount: 200 * gx})

	weak := threshold(100*gx, 1, p[3])
	change := &command.DefineAuthRule{ActorID: p[3], OrgID: "acme", Rule: weak}
	l.Refuse(t, contract.CodeInvalidArgument, "approverGroup", &command.DefineAuthRule{ActorID: p[3], OrgID: "acme", Rule: threshold(0, 1, l.Join(t, "DE", 1)[0])})
	e := l.Apply(t, change)[0].(*event.MultiSigTxInitiated)
	if e.Operation != status.OperationRule || e.Approved || e.RuleID != high.RuleID || e.RequiredApprovals != 2 || !slices.Equal(e.ApproverGroup, p[:3]) ||
		e.FromID != "" || e.ToID != "" || e.Amount != 0 || e.Rule == nil || e.Rule.RequiredApprovers != 1 {
		t.Errorf("initiated: %+v", e)
	}
	if got := orgOf(t, l, "acme").Rules; got[1].RequiredApprovers != 2 {
		t.Errorf("rules before the approvals: %+v", got)
	}
	approve := func(actor string) *command.ApproveMultiSigTx {
		return &command.ApproveMultiSigTx{ActorID: actor, PendingTxID: e.PendingTxID, OrgID: "acme"}
	}
	l.Refuse(t, contract.CodeUnauthorized, "no approver", approve(p[3]))
	l.Apply(t, approve(p[0]))
	events := l.Apply(t, approve(p[2]))
	rule := events[1].(*event.AuthRuleDefined)
	if rule.DefinedBy != p[3] || rule.AmountThreshold != 100*gx || rule.RequiredApprovers != 1 || rule.EndorsementsReset {
		t.Errorf("defined: %+v", rule)
	}
	if done := events[2].(*event.MultiSigTxExecuted); *done != (event.MultiSigTxExecuted{PendingTxID: e.PendingTxID, OrgID: "acme", ExecutedBy: p[2]}) {
		t.Errorf("executed: %+v", done)
	}
	o := orgOf(t, l, "acme")
	if len(o.Rules) != 2 || o.Rules[1].RuleID != rule.RuleID || len(o.Endorsements) != 4 || o.Status != status.OrganizationActive {
		t.Errorf("after the change: %+v", o)
	}
	// The older payment still needs two of three.
	l.Refuse(t, contract.CodeUnauthorized, "no approver", &command.ApproveMultiSigTx{ActorID: p[3], PendingTxID: payment})
	l.Apply(t, &command.ApproveMultiSigTx{ActorID: p[0], PendingTxID: payment})
	if x := pendingOf(t, l, payment); x.Status != status.MultiSigPending || x.RequiredApprovals != 2 {
		t.Errorf("the older payment: %+v", x)
	}
	// The new one needs the one who initiates it.
	if x := pendingOf(t, l, initiateTx(t, l, &command.InitiateMultiSigTx{ActorID: p[3], OrgID: "acme", ToID: p[0], Amount: 200 * gx})); x.Status != status.MultiSigExecuted {
		t.Errorf("a new payment: %+v", x)
	}
}
