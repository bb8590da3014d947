package contract_test

import (
	"fmt"
	"slices"
	"testing"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/genesis"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
)

// FuzzAuthRule feeds arbitrary text as a rule: what is accepted is a rule that
// the organization can follow, and decides on the amounts above its threshold.
func FuzzAuthRule(f *testing.F) {
	l := contracttest.Open(f, "DE")
	p := l.Join(f, "DE", 3)
	l.Apply(f, proposalOf("acme", account.Business, p...))
	rule := func(threshold, required, group string) string {
		return fmt.Sprintf(`{"amountThreshold":%s,"requiredApprovers":%s,"approverGroup":%s}`, threshold, required, group)
	}
	for _, seed := range []string{
		rule(`"0"`, "2", fmt.Sprintf(`[%q,%q]`, p[0], p[1])), rule(`"1250000000000000000"`, "1", fmt.Sprintf(`[%q]`, p[2])), rule(`"01"`, "1", fmt.Sprintf(`[%q]`, p[2])),
		rule("5", "1", fmt.Sprintf(`[%q]`, p[0])), rule(`"5"`, "2", fmt.Sprintf(`[%q]`, p[0])), rule(`"5"`, "1", fmt.Sprintf(`[%q,%q]`, p[0], p[0])),
		rule(`"5"`, "-1", "[]"), rule(`"5"`, "1e0", "null"), "{}", "null", "[]", `{"ruleID":"x"}`, rule(`"5"`, "1", `["`+l.Person(f, "DE").UserID+`"]`),
	} {
		f.Add(seed, uint64(6))
	}
	f.Fuzz(func(t *testing.T, text string, amount uint64) {
		l := l.Clone()
		tx, err := l.Invoke(backend, "OrganizationContract:DefineAuthRule", p[0], "acme", text)
		if err != nil {
			wantRefusal(t, err)
			return
		}
		_, events, err := tx.Envelope()
		if err != nil {
			t.Fatal(err)
		}
		r := events[0].(*event.AuthRuleDefined)
		group := slices.Sorted(slices.Values(r.ApproverGroup))
		if r.RequiredApprovers < 1 || r.RequiredApprovers > len(group) || len(slices.Compact(group)) != len(r.ApproverGroup) ||
			slices.ContainsFunc(group, func(id string) bool { return !slices.Contains(p, id) }) || r.AmountThreshold > qirat.MaxSupply {
			t.Fatalf("%q is %+v", text, r)
		}
		for _, id := range p {
			l.Apply(t, &command.EndorseMembership{ActorID: id, OrgID: "acme"})
		}
		l.Apply(t, &command.ActivateOrganization{ActorID: p[0], OrgID: "acme"})
		n := qirat.Amount(1 + amount%uint64(qirat.MaxSupply))
		x := l.Apply(t, &command.InitiateMultiSigTx{ActorID: p[0], OrgID: "acme", ToID: p[1], Amount: n})[0].(*event.MultiSigTxInitiated)
		if follows := x.RuleID == r.RuleID; follows != (n > r.AmountThreshold) {
			t.Fatalf("a payment of %s follows %s, the rule is %+v", n, x.RuleID, r)
		}
	})
}

// FuzzCountries feeds arbitrary text as country data: what is accepted shares
// out every slot of every phase.
func FuzzCountries(f *testing.F) {
	l := contracttest.Open(f)
	for _, seed := range []string{
		`[{"countryCode":"DE","weightE8":1}]`, `[{"countryCode":"DE","weightE8":1},{"countryCode":"LK","weightE8":1000000000}]`, `[{"countryCode":"DE","weightE8":"1"}]`,
		`[{"countryCode":"DE","weightE8":0}]`, `[{"countryCode":"de","weightE8":1}]`, `[{"countryCode":"DE","weightE8":1},{"countryCode":"DE","weightE8":2}]`,
		`[{"countryCode":"DE","percentage":0.5}]`, `[{"countryCode":"DE","weightE8":18446744073709551615}]`, "[]", "null", "{}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := l.Clone()
		tx, err := l.Invoke(contracttest.As(role.SuperAdmin), "AdminContract:InitializeCountryData", text)
		if err != nil {
			wantRefusal(t, err)
			return
		}
		_, events, err := tx.Envelope()
		if err != nil {
			t.Fatal(err)
		}
		var sums [6]uint64
		for _, c := range events[0].(*event.CountryDataInitialized).Countries {
			for i, n := range c.Slots {
				sums[i] += n
			}
		}
		for i, phase := range genesis.Phases {
			if sums[i] != phase.Slots {
				t.Fatalf("%q: phase %d has %d slots", text, i+1, sums[i])
			}
		}
	})
}

// wantRefusal fails the test unless an error is the refusal of a rule, which is
// the same on every peer.
func wantRefusal(t *testing.T, err error) {
	t.Helper()
	refused, ok := err.(*contract.Error)
	if !ok || refused.Code != contract.CodeInvalidArgument {
		t.Fatalf("%T %v", err, err)
	}
}
