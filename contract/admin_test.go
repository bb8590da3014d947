package contract_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
	"gxcoin.money/gx/protocol/status"
)

// supply is what GetSupplyStatus returns.
type supply struct {
	MaxSupply, TotalMinted, AvailableToMint, CirculatingSupply qirat.Amount
	Pools                                                      map[string]pool
}

type pool struct {
	AccountID             string
	Cap, Minted, Balance  qirat.Amount
	Received, Distributed string
}

func supplyOf(t *testing.T, l *contracttest.Ledger) supply {
	t.Helper()
	var s supply
	if err := l.Query(&s, "TokenomicsContract:GetSupplyStatus"); err != nil {
		t.Fatal(err)
	}
	return s
}

// B-007: the pools hold the supply right after the bootstrap. B-012: once.
func TestB007_B012_Bootstrap(t *testing.T) {
	l := contracttest.New()
	if err := l.Query(new(any), "TokenomicsContract:GetSupplyStatus"); err == nil {
		t.Error("there is a supply before the bootstrap")
	}
	for _, p := range []command.Payload{&command.PauseSystem{Reason: "early"}, &command.InitializeCountryData{Countries: []command.CountryWeight{{CountryCode: "DE", WeightE8: 1}}}} {
		l.Refuse(t, contract.CodeInvalidState, "not bootstrapped", p)
	}
	e := l.Apply(t, &command.BootstrapSystem{})[0].(*event.SystemBootstrapped)
	l.CheckSupply(t)
	s := supplyOf(t, l)
	if s.MaxSupply != qirat.MaxSupply || s.TotalMinted != qirat.MaxSupply || s.AvailableToMint != 0 || s.CirculatingSupply != 0 || len(s.Pools) != len(account.Pools) {
		t.Errorf("supply %+v", s)
	}
	for i, p := range account.Pools {
		if got := s.Pools[p.Name]; got.Balance != qirat.Amount(p.Opening) || got.AccountID != p.Account || e.Pools[i].Opening != got.Minted {
			t.Errorf("pool %s: %+v, event %+v", p.Name, got, e.Pools[i])
		}
	}
	if len(e.Parameters) != len(parameter.All()) {
		t.Errorf("the event lists %d parameters", len(e.Parameters))
	}
	before := l.State()
	l.Refuse(t, contract.CodeAlreadyExists, "bootstrapped already", &command.BootstrapSystem{})
	if after := l.State(); len(after) != len(before)+1 {
		t.Errorf("a second bootstrap changed %d keys", len(after)-len(before))
	}
	_, err := contracttest.New().Simulate(contracttest.As(role.Admin), "AdminContract:BootstrapSystem")
	wantError(t, err, contract.CodeUnauthorized, "does not have the required role")
}

// The ledger hides from a transaction what it has itself written, and knows no call
// from one contract to another. Still the opening holds what it says, the first
// people's genesis included, in one transaction for each who signs (F-17).
func TestKF17OwnWritesAreHidden(t *testing.T) {
	l := contracttest.New()
	countries := &command.InitializeCountryData{Countries: []command.CountryWeight{{CountryCode: "DE", WeightE8: 1}, {CountryCode: "LK", WeightE8: 1}}}
	opening := l.Apply(t, &command.BootstrapSystem{}, countries)
	if len(opening) != 2 || len(opening[0].(*event.SystemBootstrapped).Pools) != len(account.Pools) || len(opening[1].(*event.CountryDataInitialized).Countries) != 2 {
		t.Errorf("events %+v", opening)
	}
	people := []command.Payload{l.Person(t, "DE"), l.Person(t, "DE"), l.Person(t, "LK"), l.Person(t, "DE")}
	paid := map[string]qirat.Amount{} // by pool
	for _, e := range l.Apply(t, people...) {
		switch e := e.(type) {
		case *event.GenesisDistributed:
			paid[e.PoolSource] += e.Amount
			if got := l.Balance(t, e.UserID); got != e.Amount || got == 0 {
				t.Errorf("%s has %s, the event says %s", e.UserID, got, e.Amount)
			}
		case *event.TreasuryAllocated:
			paid[e.PoolSource] += e.Amount
		}
	}
	if paid[account.UserGenesisPool] == 0 {
		t.Fatalf("paid %v", paid)
	}
	for _, p := range account.Pools {
		if got, want := l.Balance(t, p.Account), qirat.Amount(p.Opening)-paid[p.Account]; got != want {
			t.Errorf("%s has %s, want %s", p.Account, got, want)
		}
	}
	var got struct {
		Countries  int
		PhaseUsers [6]uint64
	}
	if err := l.Query(&got, "AdminContract:GetGlobalCounters"); err != nil || got.Countries != 2 || got.PhaseUsers != [6]uint64{4} {
		t.Errorf("%+v, %v", got, err)
	}
	l.CheckSupply(t)
}

// B-006: the slots of every country are those of the golden file.
func TestCountries(t *testing.T) {
	golden, err := os.ReadFile("../protocol/genesis/testdata/country_slots.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(golden)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	p := command.AllCountries()
	l := contracttest.Open(t)
	e := l.Apply(t, p)[0].(*event.CountryDataInitialized)
	if len(e.Countries) != len(rows)-1 {
		t.Fatalf("%d countries, want %d", len(e.Countries), len(rows)-1)
	}
	for i, row := range rows[1:] {
		for phase, want := range row[1:7] {
			if got := strconv.FormatUint(e.Countries[i].Slots[phase], 10); e.Countries[i].CountryCode != row[0] || got != want {
				t.Errorf("%s has %s slots in phase %d, want %s", e.Countries[i].CountryCode, got, phase+1, want)
			}
		}
	}
	l.Refuse(t, contract.CodeAlreadyExists, "initialised already", p)
	if got := l.Balance(t, "treasury_VA"); got != 0 {
		t.Errorf("a new treasury has %s", got)
	}

	// B-036: the list comes in pages.
	var codes []string
	for bookmark := ""; ; {
		var page struct {
			Items []struct {
				contract.Country
				CurrentPhase int
			}
			Bookmark string
		}
		if err := l.Query(&page, "AdminContract:ListAllCountries", "100", bookmark); err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Items {
			if c.CurrentPhase != 1 {
				t.Errorf("%s is in phase %d", c.CountryCode, c.CurrentPhase)
			}
			codes = append(codes, c.CountryCode)
		}
		if bookmark = page.Bookmark; bookmark == "" {
			break
		}
	}
	if len(codes) != len(e.Countries) || codes[0] != "AD" || codes[len(codes)-1] != e.Countries[len(codes)-1].CountryCode {
		t.Errorf("listed %d countries", len(codes))
	}
	for _, size := range []string{"0", "101", "", "1.5", "+5", "05"} {
		err := l.Query(new(any), "AdminContract:ListAllCountries", size, "")
		wantError(t, err, contract.CodeInvalidArgument, "pageSize")
	}
	for _, bookmark := range []string{"*", "A", "_w"} {
		err := l.Query(new(any), "AdminContract:ListAllCountries", "10", bookmark)
		wantError(t, err, contract.CodeInvalidArgument, "bookmark")
	}
	wantError(t, l.Query(new(any), "AdminContract:GetCountryStats", "XX"), contract.CodeCountryNotRegistered, "country XX is not registered in the system")
}

func TestGlobalCounters(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	l.Join(t, "DE", 3)
	l.Join(t, "LK", 2)
	l.Apply(t, l.PersonBorn(t, "DE", l.Now.AddDate(-5, 0, 0)))
	var got struct {
		Countries                                   int
		TotalUsers, IneligibleUsers, ExhaustedUsers uint64
		PhaseUsers                                  [6]uint64
	}
	if err := l.Query(&got, "AdminContract:GetGlobalCounters"); err != nil {
		t.Fatal(err)
	}
	if got.Countries != 2 || got.TotalUsers != 6 || got.PhaseUsers != [6]uint64{5} || got.IneligibleUsers != 1 || got.ExhaustedUsers != 0 {
		t.Errorf("%+v", got)
	}
}

// B-022: what may change is in the catalogue, and an emergency reaches only
// what no vote can change.
func TestParameters(t *testing.T) {
	l := contracttest.Open(t)
	var got struct {
		Value, Min, Max, UpdatedBy string
		Governable, Emergency      bool
	}
	for _, p := range parameter.All() {
		if err := l.Query(&got, "AdminContract:GetSystemParameter", p.ID); err != nil || got.Value != p.Format(p.Default) || got.Governable != p.Governable {
			t.Errorf("%s: %+v, %v", p.ID, got, err)
		}
		if !p.Emergency {
			l.Refuse(t, contract.CodeInvalidArgument, "cannot be set in an emergency",
				&command.EmergencySetParameter{ParamID: p.ID, NewValue: p.Format(p.Min), Reason: "none"})
		}
	}
	wantError(t, l.Query(new(any), "AdminContract:GetSystemParameter", "sys"), contract.CodeNotFound, "is not a system parameter")
	e := l.Apply(t, &command.EmergencySetParameter{ParamID: parameter.PoolDisburseMax, NewValue: "5000000", Reason: "attack"})[0].(*event.SystemParameterUpdated)
	want := event.SystemParameterUpdated{ParamID: parameter.PoolDisburseMax, OldValue: "100000000000000", NewValue: "5000000", Source: status.SourceEmergency, Cause: "attack"}
	if *e != want {
		t.Errorf("event %+v", e)
	}
	if err := l.Query(&got, "AdminContract:GetSystemParameter", parameter.PoolDisburseMax); err != nil || got.Value != "5000000" || len(got.UpdatedBy) != 64 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAdmins(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 3)
	appoint := func(actor, id string) *command.AppointAdmin {
		return &command.AppointAdmin{ActorID: actor, NewAdminID: id}
	}
	l.Apply(t, appoint("ops", ids[0]), appoint(ids[0], ids[1]))
	l.Refuse(t, contract.CodeInvalidArgument, "must differ", appoint(ids[2], ids[2])) // B-027: nobody appoints themselves
	l.Refuse(t, contract.CodeAlreadyExists, "administrator already", appoint(ids[0], ids[1]))
	l.Refuse(t, contract.CodeNotFound, "does not exist", appoint(ids[0], l.Person(t, "DE").UserID))
	l.Apply(t, &command.FreezeWallet{AccountID: ids[2], Reason: "x"})
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", appoint("ops", ids[2]))
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", appoint(ids[2], ids[0]))
	l.Apply(t, &command.RevokeAdmin{AdminID: ids[1]})
	l.Refuse(t, contract.CodeNotFound, "not an administrator", &command.RevokeAdmin{AdminID: ids[1]})
	l.Apply(t, appoint("ops", ids[1]))
}

// B-027: a disbursement is capped and reaches accounts that exist.
func TestDisburse(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	pay := func(pool, to string, amount qirat.Amount) *command.DisburseFromPool {
		return &command.DisburseFromPool{Pool: pool, RecipientID: to, Amount: amount, Reason: "aid"}
	}
	e := l.Apply(t, pay("CHARITABLE", ids[0], 1000*gx), pay("CHARITABLE", "treasury_DE", 5*gx))
	if d := e[0].(*event.PoolDisbursed); *d.RecipientBalanceAfter != 1500*gx || d.PoolID != account.CharitablePool {
		t.Errorf("event %+v", d)
	}
	if d := e[1].(*event.PoolDisbursed); d.RecipientBalanceAfter != nil {
		t.Errorf("event of a treasury %+v", d)
	}
	l.Refuse(t, contract.CodeLimitExceeded, "leave a pool at once", pay("GX", ids[0], 100_000_000*gx+1))
	l.Refuse(t, contract.CodeInsufficientFunds, "insufficient funds", pay("REDISTRIBUTION", ids[0], 1))
	l.Refuse(t, contract.CodeNotFound, "does not exist", pay("GX", l.Person(t, "DE").UserID, 1))
	for _, p := range []*command.DisburseFromPool{pay("LOAN", ids[0], 1), pay("USER_GENESIS", ids[0], 1), pay("GX", account.LoanPool, 1)} {
		l.Refuse(t, contract.CodeInvalidArgument, "must", p)
	}
	l.Apply(t, &command.FreezeWallet{AccountID: ids[1], Reason: "x"})
	l.Refuse(t, contract.CodeAccountFrozen, "receiver wallet is frozen", pay("GX", ids[1], 1))
	l.CheckSupply(t)

	// Until the pool is empty, in one batch and across batches.
	var all []command.Payload
	for range 188 { // x 100 million GX > 18.75 billion
		all = append(all, pay("OPERATIONS", ids[0], 100_000_000*gx))
	}
	results, _ := l.Run(t, all...)
	if results[186].Outcome != event.Applied || results[187].Code != string(contract.CodeInsufficientFunds) {
		t.Errorf("the last disbursements: %+v", results[186:])
	}
	l.Apply(t, pay("OPERATIONS", ids[0], 50_000_000*gx))
	l.Refuse(t, contract.CodeInsufficientFunds, "insufficient funds", pay("OPERATIONS", ids[0], 1))
	p := supplyOf(t, l).Pools["OPERATIONS"]
	if p.Balance != 0 || p.Distributed != "18750000000000000" || p.Received != "0" {
		t.Errorf("the empty pool: %+v", p)
	}
	l.CheckSupply(t)
}

// B-032, B-038: nobody spends from a treasury without an organization, and
// only a government organization of the country can have it.
func TestTreasury(t *testing.T) {
	l := contracttest.Open(t, "DE")
	id := l.Join(t, "DE", 1)[0]
	l.Refuse(t, contract.CodeNotFound, "does not exist", &command.ActivateTreasury{CountryCode: "DE", OrgID: "finance"})
	l.Refuse(t, contract.CodeNotFound, "treasury_LK", &command.ActivateTreasury{CountryCode: "LK", OrgID: "finance"})
	l.Refuse(t, contract.CodeInvalidState, "not activated", contracttest.Pay("treasury_DE", id, 1*gx))
	l.Refuse(t, contract.CodeNotEligible, "not a person", contracttest.Pay(account.GXPool, id, 1*gx))
	for org, code := range map[string]contract.Code{
		`{"accountID":"finance","kind":"GOVERNMENT","country":"LK","status":"ACTIVE","balance":"0"}`:              contract.CodeNotEligible,
		`{"accountID":"finance","kind":"BUSINESS","country":"DE","status":"ACTIVE","balance":"0"}`:                contract.CodeNotEligible,
		`{"accountID":"finance","kind":"GOVERNMENT","country":"DE","status":"PENDING_ENDORSEMENT","balance":"0"}`: contract.CodeInvalidState,
	} {
		put(t, l, "\x00acct\x00finance\x00", org)
		l.Refuse(t, code, "finance", &command.ActivateTreasury{CountryCode: "DE", OrgID: "finance"})
	}
	put(t, l, "\x00acct\x00finance\x00", `{"accountID":"finance","kind":"GOVERNMENT","country":"DE","status":"ACTIVE","balance":"0"}`)
	e := l.Apply(t, &command.ActivateTreasury{CountryCode: "DE", OrgID: "finance"})[0].(*event.TreasuryActivated)
	if *e != (event.TreasuryActivated{TreasuryID: "treasury_DE", CountryCode: "DE", OrgID: "finance"}) {
		t.Errorf("event %+v", e)
	}
	l.Refuse(t, contract.CodeInvalidState, "is active", &command.ActivateTreasury{CountryCode: "DE", OrgID: "finance"})
	if got := l.Balance(t, "treasury_DE"); got != 50*gx {
		t.Errorf("the treasury has %s", got)
	}
}

func put(t *testing.T, l *contracttest.Ledger, key, value string) {
	t.Helper()
	if err := l.Set(key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// A corrupt state is a failure, not a refusal: nothing may be decided on it.
func TestCorruptState(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	key := "\x00acct\x00" + ids[0] + "\x00"
	whole := string(l.State()[key])
	for _, value := range []string{
		"x", "{}x", strings.Replace(whole, `"balance":`, `"balances":`, 1), strings.Replace(whole, `"500000000"`, "500000000", 1),
		strings.Replace(whole, `"500000000"`, `"-5"`, 1), strings.Replace(whole, `{`, `{"balance":"1",`, 1),
	} {
		put(t, l, key, value)
		_, _, err := l.Batch(backend, l.Item(t, contracttest.Pay(ids[0], ids[1], 1*gx)))
		if err == nil || !strings.Contains(err.Error(), "corrupt") {
			t.Errorf("state %s: %v", value, err)
		}
	}
}
