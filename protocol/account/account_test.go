package account

import (
	"strings"
	"testing"

	"gxcoin.money/gx/protocol/qirat"
)

// The pools of domain.md 2.2 hold the whole supply, in GX.
func TestPools(t *testing.T) {
	want := map[string]uint64{
		UserGenesisPool: 577_500_000_000, GovtGenesisPool: 152_000_000_000, CharitablePool: 158_000_000_000, LoanPool: 312_500_000_000,
		GXPool: 31_250_000_000, OperationsFund: 18_750_000_000, RedistributionPool: 0,
	}
	var sum qirat.Amount
	names := map[string]bool{}
	for _, p := range Pools {
		gx, listed := want[p.Account]
		if !listed || qirat.Amount(p.Opening) != qirat.Amount(gx)*qirat.PerGX {
			t.Errorf("%s opens with %d", p.Account, p.Opening)
		}
		if names[p.Name] || "SYSTEM_"+p.Name != strings.TrimSuffix(strings.TrimSuffix(p.Account, "_POOL"), "_FUND") {
			t.Errorf("%s is named %s", p.Account, p.Name)
		}
		names[p.Name] = true
		delete(want, p.Account)
		var err error
		if sum, err = sum.Add(qirat.Amount(p.Opening)); err != nil {
			t.Fatal(err)
		}
	}
	if len(want) != 0 || sum != qirat.MaxSupply {
		t.Errorf("missing %v, sum %s", want, sum)
	}
}

func TestNamespaces(t *testing.T) {
	for id, want := range map[string]struct {
		system, treasury bool
		country          string
	}{
		LoanPool:                   {true, false, ""},
		"SYSTEM_MINTER":            {true, false, ""},
		"SYSTEM":                   {},
		"system_loan_pool":         {},
		TreasuryOf("LK"):           {false, true, "LK"},
		"treasury_":                {false, true, ""},
		"treasury":                 {},
		"treasury-LK":              {},
		"Treasury_LK":              {},
		"LK FF3 ABL912 0WLUY 6025": {},
		"":                         {},
	} {
		code, ok := TreasuryCountry(id)
		if IsSystem(id) != want.system || IsTreasury(id) != want.treasury || ok != want.treasury || ok && code != want.country {
			t.Errorf("%q: system %t, treasury %t %q", id, IsSystem(id), IsTreasury(id), code)
		}
		if IsCollective(id) != (want.system || want.treasury) {
			t.Errorf("%q: collective %t", id, IsCollective(id))
		}
	}
}
