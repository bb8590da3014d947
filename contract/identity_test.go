package contract_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/genesis"
	"gxcoin.money/gx/protocol/gxid"
)

// B-008: the envelope of a registration has three events.
func TestB008_CreateUser(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	p := l.Person(t, "DE")
	events := l.Apply(t, p)
	if len(events) != 3 {
		t.Fatalf("%d events", len(events))
	}
	created, given, allocated := events[0].(*event.UserCreated), events[1].(*event.GenesisDistributed), events[2].(*event.TreasuryAllocated)
	if created.UserID != p.UserID || created.Status != "ACTIVE" || created.TrustScore != 10 || created.GenesisStatus != "DISTRIBUTED" || !created.At.Equal(l.Now) {
		t.Errorf("%+v", created)
	}
	if given.Phase != 1 || given.Amount != 500*gx || given.BalanceAfter != 500*gx || !given.Eligible || given.Age != 30 || !given.VelocityTimerStart.Equal(l.Now) {
		t.Errorf("%+v", given)
	}
	if allocated.TreasuryID != "treasury_DE" || allocated.Amount != 50*gx || allocated.UserID != p.UserID {
		t.Errorf("%+v", allocated)
	}
	if s := supplyOf(t, l); s.CirculatingSupply != 550*gx || s.Pools["USER_GENESIS"].Distributed != "500000000" || s.Pools["GOVT_GENESIS"].Distributed != "50000000" {
		t.Errorf("supply %+v", s)
	}
	l.CheckSupply(t)

	// B-029, B-035: lists and booleans are there, times that are not set are not.
	tx, err := l.Simulate(contract.Caller{}, "IdentityContract:GetUser", p.UserID)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"orgIDs":[]`, `"guardians":[]`, `"velocityTaxExempt":false`, `"genesisMinted":true`, `"status":"ACTIVE"`, `"velocityTaxTimerStart":"2026-06-15T12:00:00Z"`} {
		if !strings.Contains(string(tx.Result), want) {
			t.Errorf("%s lacks %s", tx.Result, want)
		}
	}
	if strings.Contains(string(tx.Result), "0001-01-01") || strings.Contains(string(tx.Result), "null") || strings.Contains(string(tx.Result), "velocityTaxLastCheck") {
		t.Errorf("%s has values that are not set", tx.Result)
	}
	var exists bool
	if err := l.Query(&exists, "IdentityContract:UserExists", p.UserID); err != nil || !exists {
		t.Errorf("exists: %v, %v", exists, err)
	}
	if err := l.Query(&exists, "IdentityContract:UserExists", "nobody"); err != nil || exists {
		t.Errorf("nobody exists: %v, %v", exists, err)
	}
	var score int
	if err := l.Query(&score, "IdentityContract:GetTrustScore", p.UserID); err != nil || score != 10 {
		t.Errorf("trust %d, %v", score, err)
	}
}

func TestB026_CreateUserRefused(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Person(t, "DE")
	l.Apply(t, p)
	organization, err := gxid.NewOrganization(strings.NewReader("12345678"), "DE", time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC), gxid.Business)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*command.CreateUser)) *command.CreateUser {
		u := l.Person(t, "DE")
		f(u)
		return u
	}
	for _, c := range []struct {
		code contract.Code
		text string
		user *command.CreateUser
	}{
		{contract.CodeAlreadyExists, "the user " + p.UserID + " already exists", change(func(u *command.CreateUser) { u.UserID = p.UserID })},
		{contract.CodeAlreadyExists, "biometricHash", change(func(u *command.CreateUser) { u.BiometricHash = p.BiometricHash })}, // B-026
		{contract.CodeInvalidArgument, "must be 64 characters (SHA-256 hex)", change(func(u *command.CreateUser) { u.BiometricHash = strings.Repeat("G", 64) })},
		{contract.CodeInvalidArgument, "userID cannot be empty", change(func(u *command.CreateUser) { u.UserID = "" })},
		{contract.CodeInvalidArgument, "is not a GX id", change(func(u *command.CreateUser) { u.UserID = account.LoanPool })}, // B-011
		{contract.CodeInvalidArgument, "is not the id of a person", change(func(u *command.CreateUser) { u.UserID = organization.String() })},
		{contract.CodeInvalidArgument, "must be 2-letter ISO country code", change(func(u *command.CreateUser) { u.Nationality = "de" })},
		{contract.CodeCountryNotRegistered, "country XX is not registered in the system", change(func(u *command.CreateUser) { u.Nationality = "XX" })},
		{contract.CodeInvalidArgument, "age", change(func(u *command.CreateUser) { u.Age += 2 })},
		{contract.CodeInvalidArgument, "age", change(func(u *command.CreateUser) { u.Age -= 2 })},
		{contract.CodeInvalidArgument, "future", l.PersonBorn(t, "DE", l.Now.AddDate(0, 0, 1))},
	} {
		l.Refuse(t, c.code, c.text, c.user)
	}
	l.Apply(t, change(func(u *command.CreateUser) { u.Age++ }), change(func(u *command.CreateUser) { u.Age-- }))
	l.CheckSupply(t)
}

// A batch of registrations takes effect as a whole or not at all.
func TestCreateUsersBatch(t *testing.T) {
	l := contracttest.Open(t, "DE")
	a, b, c := l.Person(t, "DE"), l.Person(t, "DE"), l.Person(t, "DE")
	b.BiometricHash = a.BiometricHash
	before := len(l.State())
	l.Refuse(t, contract.CodeAlreadyExists, "biometricHash", &command.CreateUsersBatch{Users: []command.CreateUser{*a, *b, *c}})
	if got := len(l.State()); got != before+1 {
		t.Errorf("the rejected batch left %d keys", got-before)
	}
	l.Refuse(t, contract.CodeInvalidArgument, "; and 290 more", &command.CreateUsersBatch{Users: make([]command.CreateUser, 100)})
	events := l.Apply(t, &command.CreateUsersBatch{Users: []command.CreateUser{*a, *c}})
	if len(events) != 6 {
		t.Errorf("%d events", len(events))
	}
	l.CheckSupply(t)
}

// B-025: the age is that of the birth date in the id, on the day of the transaction.
func TestB025_GenesisAge(t *testing.T) {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 12, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		at, born time.Time
		want     genesis.Status
	}{
		{day(2026, 6, 15), day(2013, 6, 16), genesis.PendingAge}, // 12 years, 364 days
		{day(2026, 6, 15), day(2013, 6, 15), genesis.Distributed},
		{day(2026, 6, 15), day(1952, 6, 16), genesis.Distributed}, // 73 years, 364 days
		{day(2026, 6, 15), day(1952, 6, 15), genesis.IneligibleAge},
		{day(2029, 2, 28), day(2016, 2, 29), genesis.PendingAge}, // born on 29 February
		{day(2029, 3, 1), day(2016, 2, 29), genesis.Distributed},
		{day(2026, 2, 28), day(1952, 2, 29), genesis.Distributed},
		{day(2026, 3, 1), day(1952, 2, 29), genesis.IneligibleAge},
	} {
		l := contracttest.Open(t, "DE")
		l.Now = c.at
		p := l.PersonBorn(t, "DE", c.born)
		events := l.Apply(t, p)
		given := events[1].(*event.GenesisDistributed)
		if given.Status != string(c.want) || given.Eligible != (c.want == genesis.Distributed) || (given.Amount > 0) != given.Eligible || (len(events) == 3) != given.Eligible {
			t.Errorf("born %s, on %s: %+v, want %s", c.born.Format(time.DateOnly), c.at.Format(time.DateOnly), given, c.want)
		}
		if got := l.Balance(t, p.UserID); got != given.Amount {
			t.Errorf("balance %s, event %s", got, given.Amount)
		}
		claim := &command.DistributeGenesis{UserID: p.UserID, Nationality: "DE"}
		switch c.want {
		case genesis.Distributed:
			l.Refuse(t, contract.CodeGenesisDistributed, "already received genesis mint", claim)
		case genesis.IneligibleAge:
			l.Refuse(t, contract.CodeNotEligible, "older", claim)
		case genesis.PendingAge:
			l.Refuse(t, contract.CodeNotEligible, "younger", claim)
			l.Now = l.Now.AddDate(0, 0, 1)
			if got := l.Apply(t, claim)[0].(*event.GenesisDistributed); got.Phase != 1 || got.BalanceAfter != 500*gx {
				t.Errorf("a day later: %+v", got)
			}
			l.Refuse(t, contract.CodeGenesisDistributed, "already received genesis mint", claim)
		}
		l.CheckSupply(t)
	}
}

// The slots of a country are taken phase by phase; who comes after the last one
// is registered without coins.
func TestGenesisPhases(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	var sixth string
	for phase := range 7 {
		c := contract.Country{CountryCode: "DE", WeightE8: 1000, Slots: [6]uint64{9, 9, 9, 9, 9, 9}}
		for i := range phase {
			c.Used[i] = 9
		}
		if phase < 6 {
			c.Used[phase] = 8 // one is left
		}
		put(t, l, "\x00cty\x00DE\x00", encode(t, c))
		p := l.Person(t, "DE")
		events := l.Apply(t, p)
		given := events[1].(*event.GenesisDistributed)
		if phase == 6 {
			if given.Phase != 0 || given.Amount != 0 || given.Status != "EXHAUSTED" || !given.Eligible || len(events) != 2 {
				t.Errorf("after the last slot: %+v", given)
			}
			l.Refuse(t, contract.CodeGenesisDistributed, "already received genesis mint", &command.DistributeGenesis{UserID: p.UserID, Nationality: "DE"})
			break
		}
		want := genesis.Phases[phase]
		if given.Phase != phase+1 || given.Amount != want.User || events[2].(*event.TreasuryAllocated).Amount != want.Government {
			t.Errorf("phase %d: %+v", phase+1, given)
		}
		if (given.VelocityTimerStart != nil) != (want.User >= 100*gx) {
			t.Errorf("phase %d: timer %v", phase+1, given.VelocityTimerStart)
		}
		sixth = p.UserID
	}
	if got := l.Balance(t, sixth); got != 50*gx {
		t.Errorf("phase 6 gave %s", got)
	}
	if e := l.Apply(t, l.Person(t, "LK"))[1].(*event.GenesisDistributed); e.Phase != 1 {
		t.Errorf("another country is in phase %d", e.Phase)
	}
	l.CheckSupply(t)
}

func TestDistributeGenesisRefused(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	child := l.PersonBorn(t, "DE", l.Now.AddDate(-13, 0, 1))
	l.Apply(t, child)
	l.Now = l.Now.AddDate(0, 0, 2)
	claim := &command.DistributeGenesis{UserID: child.UserID, Nationality: "DE"}
	l.Refuse(t, contract.CodeNotFound, "does not exist", &command.DistributeGenesis{UserID: l.Person(t, "DE").UserID, Nationality: "DE"})
	l.Refuse(t, contract.CodeInvalidArgument, "nationality", &command.DistributeGenesis{UserID: child.UserID, Nationality: "LK"})
	l.Apply(t, &command.FreezeWallet{AccountID: child.UserID, Reason: "x"})
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", claim)
	l.Apply(t, &command.UnfreezeWallet{AccountID: child.UserID})
	l.Apply(t, claim)
}

func TestSetUserStatus(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 3)
	set := func(id, to string) *command.SetUserStatus {
		return &command.SetUserStatus{UserID: id, Status: to, Reason: "court"}
	}
	for _, step := range []struct {
		to string
		ok bool
	}{
		{"ACTIVE", false}, {"SUSPENDED", true}, {"FROZEN", false}, {"ACTIVE", true}, {"LOCKED", true}, {"SUSPENDED", false}, {"ACTIVE", true},
		{"CLOSED", false}, {"DECEASED", true}, {"ACTIVE", false}, {"CLOSED", false}, {"DECEASED", false},
	} {
		if !step.ok {
			l.Refuse(t, contract.CodeInvalidState, "", set(ids[0], step.to))
			continue
		}
		e := l.Apply(t, set(ids[0], step.to))[0].(*event.UserStatusChanged)
		if want := strings.ReplaceAll(step.to, "LOCKED", "FROZEN"); string(e.NewStatus) != want || e.Reason != "court" {
			t.Errorf("to %s: %+v", step.to, e)
		}
	}
	l.Refuse(t, contract.CodeNotFound, "does not exist", set(l.Person(t, "DE").UserID, "FROZEN"))

	// An account is closed when it is empty and owes nothing, and stays so.
	balance := l.Balance(t, ids[1])
	l.Apply(t, &command.TransferInternal{FromID: ids[1], ToID: account.GXPool, Amount: balance, Type: command.SystemAdjustment})
	score(t, l, 75, ids[1])
	loan := apply(t, l, application(ids[1], 100*gx))
	l.Refuse(t, contract.CodeInvalidState, "1 open loans", set(ids[1], "CLOSED"))
	l.Apply(t, &command.CancelLoan{ActorID: ids[1], LoanID: loan})
	l.Apply(t, set(ids[1], "CLOSED"))
	l.Refuse(t, contract.CodeInvalidState, "CLOSED", contracttest.Pay(ids[2], ids[1], 1*gx))
	l.Refuse(t, contract.CodeInvalidState, "CLOSED", &command.TransferInternal{FromID: account.GXPool, ToID: ids[1], Amount: 1, Type: command.SystemAdjustment})
	l.CheckSupply(t)
}

// What a status forbids: B-033.
func TestStatusOfParties(t *testing.T) {
	for _, c := range []struct {
		status           string
		sends, receives  contract.Code
		sender, receiver string
	}{
		{"FROZEN", contract.CodeAccountFrozen, contract.CodeAccountFrozen, "sender wallet is frozen", "receiver wallet is frozen"},
		{"SUSPENDED", contract.CodeInvalidState, "", "SUSPENDED", ""},
		{"DECEASED", contract.CodeInvalidState, contract.CodeInvalidState, "DECEASED", "DECEASED"},
	} {
		l := contracttest.Open(t, "DE")
		ids := l.Join(t, "DE", 2)
		l.Apply(t, &command.SetUserStatus{UserID: ids[0], Status: c.status, Reason: "x"})
		l.Refuse(t, c.sends, c.sender, contracttest.Pay(ids[0], ids[1], 1*gx))
		if c.receives == "" {
			l.Apply(t, contracttest.Pay(ids[1], ids[0], 1*gx))
		} else {
			l.Refuse(t, c.receives, c.receiver, contracttest.Pay(ids[1], ids[0], 1*gx))
		}
	}
}

func ExampleFunctions() {
	for _, f := range contract.Functions() {
		if f.Name == "IdentityContract:CreateUser" {
			fmt.Println(f.Kind, f.Args, f.Roles, f.Events)
		}
	}
	// Output: COMMAND [userID biometricHash nationality age] [gx_partner_api gx_admin] [UserCreated GenesisDistributed TreasuryAllocated]
}
