package command

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/trust"
)

const (
	acmeID   = "LK 804 BOD829 1AAAA 0000" // a business
	schoolID = "LK 804 BOD829 3AAAA 0000" // of a type that cannot be an organization here
)

// fields returns the names of the fields that err complains about, in order.
func fields(t *testing.T, err error) []string {
	t.Helper()
	var out []string
	for _, f := range Fields(err) {
		out = append(out, f.Field)
		if f.Message == "" {
			t.Errorf("%s has no message", f.Field)
		}
	}
	if (err == nil) != (len(out) == 0) {
		t.Errorf("%v names no field", err)
	}
	return out
}

// Every field of every payload refuses something, under its own name.
func TestEveryFieldIsChecked(t *testing.T) {
	wrong := func(v reflect.Value) []reflect.Value {
		of := func(values ...any) []reflect.Value {
			var out []reflect.Value
			for _, x := range values {
				out = append(out, reflect.ValueOf(x).Convert(v.Type()))
			}
			return out
		}
		switch v.Kind() {
		case reflect.String:
			return of("", "\x00", "no such thing")
		case reflect.Int:
			return of(-1, 1<<40)
		case reflect.Uint64:
			return of(0, uint64(1)<<63)
		default:
			return []reflect.Value{reflect.Zero(v.Type())}
		}
	}
	for _, p := range samples() {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", p.CommandType(), err)
		}
		v := reflect.ValueOf(p).Elem()
		names := definition(t, p.CommandType()).Args()
		for i, name := range names {
			if v.Field(i).Kind() == reflect.Bool {
				continue
			}
			var refused bool
			for _, bad := range wrong(v.Field(i)) {
				changed := reflect.New(v.Type())
				changed.Elem().Set(v)
				changed.Elem().Field(i).Set(bad)
				for _, f := range fields(t, changed.Interface().(Payload).Validate()) {
					refused = refused || f == name || strings.HasPrefix(f, name+"[") || strings.HasPrefix(f, name+".")
				}
			}
			if !refused {
				t.Errorf("%s takes anything for %s", p.CommandType(), name)
			}
		}
	}
}

// What one may leave out may be empty, and a payload is as good without it.
func TestOptionalFields(t *testing.T) {
	for _, p := range samples() {
		d := definition(t, p.CommandType())
		v := reflect.ValueOf(p).Elem()
		for i := d.Required(); i < v.NumField(); i++ {
			v.Field(i).SetZero()
		}
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", d.Type, err)
		}
		given := args(t, p)
		for n := d.Required(); n <= len(given); n++ {
			if got, err := FromArgs(d, given[:n]); err != nil || !reflect.DeepEqual(got, p) {
				t.Errorf("%s %q: %+v, %v", d.Type, given[:n], got, err)
			}
		}
	}
}

func TestValidateOrganizations(t *testing.T) {
	propose := func(change func(*ProposeOrganization)) Payload {
		p := &ProposeOrganization{alice, "acme", "Acme Ltd", account.Business, "LK", []string{alice, bob}}
		change(p)
		return p
	}
	rule := func(r AuthRule) Payload { return &DefineAuthRule{alice, "acme", r} }
	pay := func(change func(*InitiateMultiSigTx)) Payload {
		p := &InitiateMultiSigTx{ActorID: alice, OrgID: "acme", ToID: bob, Amount: 1}
		change(p)
		return p
	}
	approve := func(orgID, fromID, toID string) Payload {
		return &ApproveMultiSigTx{alice, "PENDING_TX_1", orgID, fromID, toID}
	}
	lk := account.TreasuryOf("LK")
	checkFields(t, map[string]fieldCase{
		"a slug of three":                 {propose(func(p *ProposeOrganization) { p.OrgID = "a-1" }), ""},
		"a slug of two":                   {propose(func(p *ProposeOrganization) { p.OrgID = "ab" }), "orgID"},
		"a slug in capitals":              {propose(func(p *ProposeOrganization) { p.OrgID = "Acme" }), "orgID"},
		"a slug of a pool":                {propose(func(p *ProposeOrganization) { p.OrgID = account.LoanPool }), "orgID"},
		"a slug of a treasury":            {propose(func(p *ProposeOrganization) { p.OrgID = lk }), "orgID"},
		"the GX id of a business":         {propose(func(p *ProposeOrganization) { p.OrgID = acmeID }), ""},
		"the GX id of a person":           {propose(func(p *ProposeOrganization) { p.OrgID = bob }), "orgID"},
		"the GX id of a school":           {propose(func(p *ProposeOrganization) { p.OrgID = schoolID }), "orgID"},
		"a business by a clerk":           {propose(func(p *ProposeOrganization) { p.ActorID = "clerk" }), "actorID"},
		"a government by a clerk":         {propose(func(p *ProposeOrganization) { p.ActorID, p.OrgType = "clerk", account.Government }), ""},
		"a treasury for an organization":  {propose(func(p *ProposeOrganization) { p.OrgType = account.Treasury }), "orgType"},
		"no stakeholders":                 {propose(func(p *ProposeOrganization) { p.StakeholderIDs = nil }), "stakeholderIDs"},
		"a stakeholder twice":             {propose(func(p *ProposeOrganization) { p.StakeholderIDs = []string{alice, bob, alice} }), "stakeholderIDs[2]"},
		"a stakeholder without a GX id":   {propose(func(p *ProposeOrganization) { p.StakeholderIDs = []string{"acme"} }), "stakeholderIDs[0]"},
		"too many stakeholders":           {propose(func(p *ProposeOrganization) { p.StakeholderIDs = slices.Repeat([]string{alice}, MaxStakeholders+1) }), "stakeholderIDs"},
		"a rule for everything":           {rule(AuthRule{0, 1, []string{alice}}), ""},
		"a rule of nobody":                {rule(AuthRule{0, 1, nil}), "rule.approverGroup rule.requiredApprovers"},
		"a rule without approvals":        {rule(AuthRule{0, 0, []string{alice}}), "rule.requiredApprovers"},
		"a rule of more than all":         {rule(AuthRule{0, 2, []string{alice}}), "rule.requiredApprovers"},
		"an approver twice":               {rule(AuthRule{0, 1, []string{alice, alice}}), "rule.approverGroup[1]"},
		"a payment":                       {pay(func(*InitiateMultiSigTx) {}), ""},
		"a payment of nothing":            {pay(func(p *InitiateMultiSigTx) { p.Amount = 0 }), "amount"},
		"a payment to itself":             {pay(func(p *InitiateMultiSigTx) { p.ToID = "acme" }), "toID"},
		"its own money":                   {pay(func(p *InitiateMultiSigTx) { p.FromID = "acme" }), ""},
		"its own money to itself":         {pay(func(p *InitiateMultiSigTx) { p.FromID, p.ToID = "acme", "acme" }), "toID"},
		"a treasury's money":              {pay(func(p *InitiateMultiSigTx) { p.FromID = lk }), ""},
		"a treasury's money to itself":    {pay(func(p *InitiateMultiSigTx) { p.FromID, p.ToID = lk, "acme" }), ""},
		"a treasury's money to it":        {pay(func(p *InitiateMultiSigTx) { p.FromID, p.ToID = lk, lk }), "toID"},
		"someone else's money":            {pay(func(p *InitiateMultiSigTx) { p.FromID = carol }), "fromID"},
		"a pool's money":                  {pay(func(p *InitiateMultiSigTx) { p.FromID = account.LoanPool }), "fromID"},
		"an approval":                     {approve("", "", ""), ""},
		"an approval of a rule":           {approve("acme", "", ""), ""},
		"an approval of a payment":        {approve("acme", "acme", bob), ""},
		"an approval without the org":     {approve("", "acme", bob), "orgID"},
		"an approval without the payer":   {approve("acme", "", bob), "fromID"},
		"an approval without a recipient": {approve("acme", "acme", ""), "toID"},
		"an approval of another id":       {&ApproveMultiSigTx{ActorID: alice, PendingTxID: "LOAN_1"}, "pendingTxID"},
		"an approval of an odd id":        {&ApproveMultiSigTx{ActorID: alice, PendingTxID: "PENDING_TX_1/2"}, "pendingTxID"},
		"an approval of a bare prefix":    {&ApproveMultiSigTx{ActorID: alice, PendingTxID: "PENDING_TX_"}, "pendingTxID"},
	})
}

func TestValidatePeople(t *testing.T) {
	guardians := func(ids ...string) Payload { return &NominateGuardians{alice, ids} }
	eleven := []string{alice, bob, carol, dave, alice, bob, carol, dave, alice, bob, carol}
	checkFields(t, map[string]fieldCase{
		"a friend":                      {&RequestRelationship{alice, bob, trust.FriendOf}, ""},
		"a friend of oneself":           {&RequestRelationship{alice, alice, trust.FriendOf}, "objectID"},
		"an unknown relation":           {&RequestRelationship{alice, bob, "UNCLE_OF"}, "type"},
		"nobody's friend":               {&RequestRelationship{}, "actorID objectID type"},
		"a malformed relationship":      {&ConfirmRelationship{alice, "friends"}, "relationshipID"},
		"an end without a reason":       {&EndRelationship{alice, alice + ":FRIEND_OF:" + bob, ""}, "reason"},
		"two guardians":                 {guardians(bob, carol), "guardianIDs"},
		"three guardians":               {guardians(bob, carol, dave), ""},
		"one's own guardian":            {guardians(bob, carol, alice), "guardianIDs[2]"},
		"a guardian twice":              {guardians(bob, carol, bob), "guardianIDs[2]"},
		"eleven guardians":              {guardians(eleven...), "guardianIDs guardianIDs[0] guardianIDs[4] guardianIDs[8]"},
		"a recovery of oneself":         {&InitiateRecovery{alice, alice, hash}, "lostAccountID"},
		"a recovery without a key":      {&InitiateRecovery{alice, bob, "key"}, "newControllerKeyHash"},
		"another word for frozen":       {&SetUserStatus{alice, "LOCKED", "x"}, ""},
		"a status of another layer":     {&SetUserStatus{alice, "Frozen", "x"}, "status"},
		"a loan of a term":              {&ApplyForLoan{alice, 1, hash, "shop", MaxTermDays}, ""},
		"a loan of no term":             {&ApplyForLoan{alice, 1, hash, "shop", 0}, "termDays"},
		"a loan for ever":               {&ApplyForLoan{alice, 1, hash, "shop", MaxTermDays + 1}, "termDays"},
		"a loan for nothing":            {&ApplyForLoan{}, "actorID amount collateralHash purpose termDays"},
		"a loan approved by a person":   {&ApproveLoan{bob, "LOAN_1", alice}, ""},
		"a loan approved by a sentence": {&ApproveLoan{"the clerk", "LOAN_1", alice}, "approverAdminID"},
		"a loan of an organization":     {&ApproveLoan{"clerk", "LOAN_1", "acme"}, "borrowerID"},
		"a repayment of nothing":        {&RepayLoan{alice, "LOAN_1", 0, ""}, "amount"},
		"a vote on another id":          {&CastVote{alice, "LOAN_1", true}, "proposalID"},
		"a vote of an organization":     {&CastVote{"acme", "PROP_1", true}, "actorID"},
		"a first page":                  {&TallyProposal{"PROP_1", ""}, ""},
		"a page after nobody":           {&TallyProposal{"PROP_1", "x"}, "bookmark"},
	})
}

func TestValidateHouse(t *testing.T) {
	move := func(from, to string) Payload { return &TransferInternal{from, to, 1, FeeRedistribution, ""} }
	propose := func(param, value string) Payload { return &SubmitProposal{alice, param, value, "T", ""} }
	emergency := func(param, value string) Payload { return &EmergencySetParameter{param, value, "x"} }
	pool := func(name, to string) Payload { return &DisburseFromPool{name, to, 1, "x"} }
	checkFields(t, map[string]fieldCase{
		"from a pool":                         {move(account.RedistributionPool, alice), ""},
		"to a treasury":                       {move("acme", account.TreasuryOf("LK")), ""},
		"between people":                      {move(alice, bob), "toID"},
		"from the user genesis pool":          {move(account.UserGenesisPool, alice), "fromID"},
		"from the government genesis pool":    {move(account.GovtGenesisPool, alice), "fromID"},
		"to a genesis pool":                   {move(alice, account.UserGenesisPool), ""},
		"from a pool to itself":               {move(account.LoanPool, account.LoanPool), "toID"},
		"a mint":                              {&TransferInternal{account.LoanPool, alice, 1, "GENESIS_MINT", ""}, "type"},
		"a compaction of a person":            {&CompactAccount{alice, 1}, "accountID"},
		"a compaction of nothing":             {&CompactAccount{account.LoanPool, 0}, "max"},
		"the largest compaction":              {&CompactAccount{account.LoanPool, MaxCompaction}, ""},
		"a vote on a period":                  {propose(parameter.VotingPeriodDays, "60"), ""},
		"a vote on too long a period":         {propose(parameter.VotingPeriodDays, "61"), "newValue"},
		"a vote on an odd spelling":           {propose(parameter.VotingPeriodDays, "07"), "newValue"},
		"a vote on interest":                  {propose(parameter.LoanInterestRateBps, "0"), "targetParam"},
		"a vote on an emergency":              {propose(parameter.RecoveryEnabled, "true"), "targetParam"},
		"a vote on the maximum supply":        {propose("maxSupply", "1"), "targetParam"},
		"an emergency":                        {emergency(parameter.RecoveryEnabled, "true"), ""},
		"an emergency of a wrong value":       {emergency(parameter.RecoveryEnabled, "1"), "newValue"},
		"an emergency instead of a vote":      {emergency(parameter.VotingPeriodDays, "7"), "paramID"},
		"an emergency of interest":            {emergency(parameter.LoanInterestRateBps, "0"), "paramID"},
		"oneself as admin":                    {&AppointAdmin{alice, alice}, "newAdminID"},
		"a clerk as admin":                    {&AppointAdmin{alice, "clerk"}, "newAdminID"},
		"an anchor before the first record":   {&AnchorAudit{0, strings.Repeat("ab", 32)}, "sequence"},
		"an anchor without a hash":            {&AnchorAudit{1, "ab"}, "hash"},
		"a treasury for a person":             {&ActivateTreasury{"LK", bob}, "orgID"},
		"charity":                             {pool("CHARITABLE", alice), ""},
		"charity for a treasury":              {pool("CHARITABLE", account.TreasuryOf("LK")), ""},
		"charity for a pool":                  {pool("CHARITABLE", account.LoanPool), "recipientID"},
		"the genesis pool":                    {pool("USER_GENESIS", alice), "pool"},
		"the loan pool":                       {pool("LOAN", alice), "pool"},
		"the loan pool by account":            {pool(account.LoanPool, alice), "pool"},
		"everything of a pool":                {&DisburseFromPool{"GX", alice, qirat.MaxSupply, "x"}, ""},
		"an exemption of a treasury":          {&SetTaxExempt{account.TreasuryOf("LK"), true, "x"}, "accountID"},
		"an exemption of an organization":     {&SetTaxExempt{"acme", true, "x"}, ""},
		"a tax on a country in small letters": {&ApplyVelocityTax{alice, "lk"}, "country"},
	})
}

type fieldCase struct {
	payload Payload
	fields  string // of the errors, in order
}

func checkFields(t *testing.T, cases map[string]fieldCase) {
	t.Helper()
	for name, c := range cases {
		err := c.payload.Validate()
		if got := strings.Join(fields(t, err), " "); got != c.fields {
			t.Errorf("%s: %q, want %q (%v)", name, got, c.fields, err)
		}
	}
}
