package command

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/protocol/account"
)

// spell writes lanes as sorted text, the shared ones with a tilde.
func spell(lanes []Lane) []string {
	var out []string
	for _, l := range lanes {
		if l.Shared {
			out = append(out, "~"+l.Key)
		} else {
			out = append(out, l.Key)
		}
	}
	slices.Sort(out)
	return out
}

func TestLanes(t *testing.T) {
	user := func(id, biometric string) CreateUser { return CreateUser{id, biometric, "LK", 22} }
	genesis := []string{"~account:SYSTEM_USER_GENESIS_POOL", "~account:SYSTEM_GOVT_GENESIS_POOL", "~account:treasury_LK"}
	created := user(alice, "h1")
	for name, c := range map[string]struct {
		payload Payload
		want    []string
	}{
		"bootstrap": {&BootstrapSystem{}, []string{"system"}},
		"countries": {&InitializeCountryData{}, []string{"system"}},
		"pause":     {&PauseSystem{}, []string{"system"}},
		"resume":    {&ResumeSystem{}, []string{"system"}},
		"user":      {&created, append([]string{"~system", "account:" + alice, "biometric:h1", "country:LK"}, genesis...)},
		"users": {&CreateUsersBatch{[]CreateUser{user(alice, "h1"), user(carol, "h2")}}, append(append(
			[]string{"~system", "account:" + alice, "biometric:h1", "country:LK"}, genesis...), "account:"+carol, "biometric:h2")},
		"payment":              {&TransferTokens{FromID: alice, ToID: bob}, []string{"~system", "account:" + alice, "account:" + bob, "~account:SYSTEM_OPERATIONS_FUND"}},
		"payment to a pool":    {&TransferTokens{FromID: alice, ToID: account.CharitablePool}, []string{"~system", "account:" + alice, "~account:SYSTEM_CHARITABLE_POOL", "~account:SYSTEM_OPERATIONS_FUND"}},
		"payment to the fund":  {&TransferTokens{FromID: alice, ToID: account.OperationsFund}, []string{"~system", "account:" + alice, "~account:SYSTEM_OPERATIONS_FUND"}},
		"payment to treasury":  {&TransferTokens{FromID: alice, ToID: "treasury_LK"}, []string{"~system", "account:" + alice, "~account:treasury_LK", "~account:SYSTEM_OPERATIONS_FUND"}},
		"genesis":              {&DistributeGenesis{alice, "LK"}, append([]string{"~system", "account:" + alice, "country:LK"}, genesis...)},
		"freeze":               {&FreezeWallet{AccountID: alice}, []string{"~system", "account:" + alice}},
		"freeze of a treasury": {&FreezeWallet{AccountID: "treasury_LK"}, []string{"~system", "account:treasury_LK"}},
		"unfreeze":             {&UnfreezeWallet{AccountID: alice}, []string{"~system", "account:" + alice}},
		"status":               {&SetUserStatus{UserID: alice}, []string{"~system", "account:" + alice}},

		"claim":               {&RequestRelationship{ActorID: alice, ObjectID: bob}, []string{"~system", "account:" + alice, "account:" + bob}},
		"confirmation":        {&ConfirmRelationship{bob, alice + ":SPOUSE_OF:" + bob}, []string{"~system", "account:" + alice, "account:" + bob}},
		"a stranger's":        {&EndRelationship{carol, alice + ":SPOUSE_OF:" + bob, ""}, []string{"~system", "account:" + alice, "account:" + bob, "account:" + carol}},
		"guardians":           {&NominateGuardians{alice, []string{bob, carol}}, []string{"~system", "account:" + alice, "account:" + bob, "account:" + carol}},
		"recovery":            {&ConfirmRecovery{bob, "RECOVERY_1", alice}, []string{"~system", "account:" + alice, "account:" + bob}},
		"recovery of someone": {&ConfirmRecovery{bob, "RECOVERY_1", ""}, []string{"system"}},
		"handover":            {&ExecuteRecovery{"RECOVERY_1", alice}, []string{"~system", "account:" + alice}},
		"handover of someone": {&ExecuteRecovery{"RECOVERY_1", ""}, []string{"system"}},
		"objection":           {&CancelRecovery{alice, "RECOVERY_1"}, []string{"~system", "account:" + alice}},

		"organization": {&ProposeOrganization{alice, "acme", "", "", "LK", []string{bob, alice}},
			[]string{"~system", "~country:LK", "account:acme", "account:" + alice, "account:" + bob}},
		"government by a clerk": {&ProposeOrganization{"clerk", "acme", "", "", "LK", []string{bob}}, []string{"~system", "~country:LK", "account:acme", "account:" + bob}},
		"activation by a clerk": {&ActivateOrganization{"clerk", "acme"}, []string{"~system", "account:acme"}},
		"payment of an organization": {&InitiateMultiSigTx{ActorID: alice, OrgID: "acme", ToID: bob},
			[]string{"~system", "account:" + alice, "account:acme", "account:" + bob, "~account:SYSTEM_OPERATIONS_FUND"}},
		"payment of a treasury": {&InitiateMultiSigTx{ActorID: alice, OrgID: "acme", ToID: bob, FromID: "treasury_LK"},
			[]string{"~system", "account:" + alice, "account:acme", "account:treasury_LK", "account:" + bob, "~account:SYSTEM_OPERATIONS_FUND"}},
		"approval": {&ApproveMultiSigTx{alice, "PENDING_TX_1", "acme", "acme", bob},
			[]string{"~system", "account:" + alice, "account:acme", "account:" + bob, "~account:SYSTEM_OPERATIONS_FUND"}},
		"approval of something":  {&ApproveMultiSigTx{ActorID: alice, PendingTxID: "PENDING_TX_1"}, []string{"system"}},
		"execution of something": {&ExecuteMultiSigTx{ActorID: alice, PendingTxID: "PENDING_TX_1"}, []string{"system"}},
		"refusal":                {&RejectMultiSigTx{alice, "PENDING_TX_1", "", "acme"}, []string{"~system", "account:" + alice, "account:acme"}},
		"withdrawal":             {&CancelMultiSigTx{alice, "PENDING_TX_1", "acme"}, []string{"~system", "account:" + alice, "account:acme"}},
		"expiry":                 {&ExpireMultiSigTx{"PENDING_TX_1", "acme"}, []string{"~system", "account:acme"}},

		"application":            {&ApplyForLoan{ActorID: alice}, []string{"~system", "account:" + alice}},
		"loan":                   {&ApproveLoan{"clerk", "LOAN_1", alice}, []string{"~system", "account:" + alice, "account:SYSTEM_LOAN_POOL"}},
		"loan to someone":        {&ApproveLoan{"clerk", "LOAN_1", ""}, []string{"system"}},
		"repayment by another":   {&RepayLoan{bob, "LOAN_1", 1, alice}, []string{"~system", "account:" + alice, "account:" + bob, "~account:SYSTEM_LOAN_POOL"}},
		"repayment of something": {&RepayLoan{bob, "LOAN_1", 1, ""}, []string{"system"}},
		"default":                {&MarkLoanDefaulted{"scheduler", "LOAN_1", alice}, []string{"~system", "account:" + alice}},

		"proposal":    {&SubmitProposal{ActorID: alice}, []string{"~system", "account:" + alice, "proposals"}},
		"vote":        {&CastVote{alice, "PROP_1", true}, []string{"~system", "account:" + alice, "~proposal:PROP_1"}},
		"tally":       {&TallyProposal{"PROP_1", ""}, []string{"~system", "proposal:PROP_1"}},
		"execution":   {&ExecuteProposal{"PROP_1"}, []string{"system"}},
		"no proposal": {&CancelProposal{"clerk", "PROP_1"}, []string{"~system", "proposals", "proposal:PROP_1"}},

		"emergency":      {&EmergencySetParameter{}, []string{"system"}},
		"admin":          {&AppointAdmin{"clerk", bob}, []string{"~system", "account:" + bob}},
		"anchor":         {&AnchorAudit{Sequence: 7}, []string{"~system", "audit:7"}},
		"treasury":       {&ActivateTreasury{"LK", "acme"}, []string{"~system", "account:treasury_LK", "account:acme"}},
		"disbursement":   {&DisburseFromPool{Pool: "GX", RecipientID: alice}, []string{"~system", "account:SYSTEM_GX_POOL", "account:" + alice}},
		"adjustment":     {&TransferInternal{FromID: account.GXPool, ToID: "treasury_LK"}, []string{"~system", "account:SYSTEM_GX_POOL", "~account:treasury_LK"}},
		"compaction":     {&CompactAccount{AccountID: account.GXPool}, []string{"~system", "account:SYSTEM_GX_POOL"}},
		"tax":            {&ApplyVelocityTax{alice, "LK"}, []string{"~system", "account:" + alice, "~account:treasury_LK", "~account:SYSTEM_REDISTRIBUTION_POOL"}},
		"tax of someone": {&ApplyVelocityTax{alice, ""}, []string{"system"}},
		"exemption":      {&SetTaxExempt{AccountID: alice}, []string{"~system", "account:" + alice}},
	} {
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, spell(c.payload.Lanes())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// conflict reports whether two commands must not be in flight together.
func conflict(a, b Payload) bool {
	for _, x := range a.Lanes() {
		for _, y := range b.Lanes() {
			if x.Key == y.Key && !(x.Shared && y.Shared) {
				return true
			}
		}
	}
	return false
}

func TestConflicts(t *testing.T) {
	pay := func(from, to string) Payload { return &TransferTokens{FromID: from, ToID: to} }
	person := func(id, biometric, country string) Payload { return &CreateUser{id, biometric, country, 22} }
	for name, c := range map[string]struct {
		a, b Payload
		want bool
	}{
		"payments of strangers":                {pay(alice, bob), pay(carol, dave), false},
		"payments to one pool":                 {pay(alice, account.CharitablePool), pay(bob, account.CharitablePool), false},
		"payments to one payee":                {pay(alice, carol), pay(bob, carol), true},
		"a payment received and one made":      {pay(alice, bob), pay(bob, carol), true},
		"people of two countries":              {person(alice, "h1", "LK"), person(bob, "h2", "CH"), false},
		"people of one country":                {person(alice, "h1", "LK"), person(bob, "h2", "LK"), true},
		"one person under two ids":             {person(alice, "h1", "LK"), person(bob, "h1", "CH"), true},
		"a payment to a person being created":  {person(alice, "h1", "LK"), pay(bob, alice), true},
		"a payment and genesis":                {person(alice, "h1", "LK"), pay(bob, carol), false},
		"a payment to a treasury, and genesis": {person(alice, "h1", "LK"), pay(bob, account.TreasuryOf("LK")), false},
		"a freeze and a payment":               {&FreezeWallet{AccountID: alice}, pay(bob, alice), true},
		"a freeze of a treasury and its money": {&FreezeWallet{AccountID: "treasury_LK"}, person(alice, "h1", "LK"), true},
		"a pause and anything":                 {&PauseSystem{}, pay(alice, bob), true},
		"votes of two":                         {&CastVote{alice, "PROP_1", true}, &CastVote{bob, "PROP_1", true}, false},
		"two votes of one":                     {&CastVote{alice, "PROP_1", true}, &CastVote{alice, "PROP_1", false}, true},
		"a vote and the tally":                 {&CastVote{alice, "PROP_1", true}, &TallyProposal{"PROP_1", ""}, true},
		"a vote and another tally":             {&CastVote{alice, "PROP_1", true}, &TallyProposal{"PROP_2", ""}, false},
		"a fee and an adjustment of the fund":  {pay(alice, bob), &TransferInternal{FromID: account.OperationsFund, ToID: carol}, true},
		"loans of two":                         {&ApproveLoan{"clerk", "LOAN_1", alice}, &ApproveLoan{"clerk", "LOAN_2", bob}, true},
		"repayments of two":                    {&RepayLoan{alice, "LOAN_1", 1, alice}, &RepayLoan{bob, "LOAN_2", 1, bob}, false},
		"taxes of two of a country":            {&ApplyVelocityTax{alice, "LK"}, &ApplyVelocityTax{bob, "LK"}, false},
		"a parameter and anything":             {&EmergencySetParameter{}, pay(alice, bob), true},
		"two pauses":                           {&PauseSystem{}, &ResumeSystem{}, true},
	} {
		if conflict(c.a, c.b) != c.want || conflict(c.b, c.a) != c.want {
			t.Errorf("%s: %t, want %t", name, !c.want, c.want)
		}
	}
}

// No command waits for itself, and every one sees a pause.
func TestLaneRules(t *testing.T) {
	for _, p := range samples() {
		seen := map[string]bool{}
		for _, l := range p.Lanes() {
			if seen[l.Key] {
				t.Errorf("%s takes %s twice", p.CommandType(), l.Key)
			}
			seen[l.Key] = true
			if id, ok := strings.CutPrefix(l.Key, "account:"); ok && l.Shared && !account.IsCollective(id) {
				t.Errorf("%s shares %s", p.CommandType(), l.Key)
			}
		}
		if !seen["system"] {
			t.Errorf("%s does not see a pause", p.CommandType())
		}
	}
}
