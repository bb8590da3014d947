package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
	"gxcoin.money/gx/protocol/trust"
)

const (
	alice = "LK FF3 ABL912 0WLUY 6025"
	bob   = "CH 6B5 AUM641 0ABCD 0123"
	carol = "CH 6B5 AUM641 0CCCC 0003"
	dave  = "CH 6B5 AUM641 0DDDD 0004"
)

var hash = strings.Repeat("0a", 32)

// samples returns a valid payload of every type with every field set.
func samples() []Payload {
	user := CreateUser{alice, hash, "LK", 22}
	return []Payload{
		&BootstrapSystem{},
		&InitializeCountryData{[]CountryWeight{{"AD", 1181}, {"LK", 280000}}},
		&PauseSystem{"upgrade"},
		&ResumeSystem{},
		&user,
		&CreateUsersBatch{[]CreateUser{user, {bob, strings.Repeat("0b", 32), "LK", 36}}},
		&TransferTokens{alice, bob, 1_500_000, "P2P", "tea, \"green\""},
		&DistributeGenesis{alice, "LK"},
		&FreezeWallet{alice, "court order"},
		&UnfreezeWallet{alice},
		&TransferInternal{account.OperationsFund, alice, 5, SystemAdjustment, "refund"},
		&CompactAccount{account.OperationsFund, 500},
		&SetUserStatus{alice, "SUSPENDED", "inquiry"},
		&RequestRelationship{alice, bob, trust.SpouseOf},
		&ConfirmRelationship{bob, alice + ":SPOUSE_OF:" + bob},
		&RejectRelationship{bob, alice + ":FATHER_OF:" + bob, "a stranger"},
		&EndRelationship{alice, alice + ":SPOUSE_OF:" + bob, "divorce"},
		&NominateGuardians{alice, []string{bob, carol, dave}},
		&InitiateRecovery{bob, alice, hash},
		&ConfirmRecovery{carol, "RECOVERY_1", alice},
		&ExecuteRecovery{"RECOVERY_1", alice},
		&CancelRecovery{alice, "RECOVERY_1"},
		&ProposeOrganization{alice, "acme", "Acme Ltd", account.Business, "LK", []string{alice, bob}},
		&EndorseMembership{bob, "acme"},
		&ActivateOrganization{alice, "acme"},
		&DefineAuthRule{alice, "acme", AuthRule{1_000_000, 2, []string{alice, bob}}},
		&InitiateMultiSigTx{alice, "acme", carol, 7, "rent", account.TreasuryOf("LK")},
		&ApproveMultiSigTx{bob, "PENDING_TX_1", "acme", "acme", carol},
		&RejectMultiSigTx{bob, "PENDING_TX_1", "too much", "acme"},
		&CancelMultiSigTx{alice, "PENDING_TX_1", "acme"},
		&ExecuteMultiSigTx{bob, "PENDING_TX_1", "acme", account.TreasuryOf("LK"), carol},
		&ExpireMultiSigTx{"PENDING_TX_1", "acme"},
		&ApplyForLoan{alice, 100_000_000, hash, "a shop", 90},
		&ApproveLoan{"clerk", "LOAN_1", alice},
		&RejectLoan{"clerk", "LOAN_1", "no collateral", alice},
		&CancelLoan{alice, "LOAN_1"},
		&RepayLoan{bob, "LOAN_1", 5, alice},
		&MarkLoanDefaulted{"scheduler", "LOAN_1", alice},
		&SubmitProposal{alice, "votingPeriodDays", "21", "Vote longer", "Three weeks."},
		&CastVote{bob, "PROP_1", true},
		&ExecuteProposal{"PROP_1"},
		&TallyProposal{"PROP_1", bob},
		&CancelProposal{"clerk", "PROP_1"},
		&EmergencySetParameter{"recoveryEnabled", "true", "reviewed"},
		&AppointAdmin{"clerk", alice},
		&RevokeAdmin{alice},
		&AnchorAudit{7, strings.Repeat("ab", 32)},
		&ActivateTreasury{"LK", "ministry-of-finance"},
		&DisburseFromPool{"CHARITABLE", alice, 5, "flood relief"},
		&ApplyVelocityTax{alice, "LK"},
		&SetTaxExempt{alice, true, "court order"},
	}
}

// The registry is the table of domain.md 5.2: who runs each function, and what
// it takes. Arguments behind the bar may be left out.
func TestRegistry(t *testing.T) {
	want := strings.Split(strings.TrimSpace(`
ACTIVATE_ORGANIZATION PA AD OrganizationContract:ActivateOrganization actorID orgID
ACTIVATE_TREASURY SA AdminContract:ActivateTreasuryAccount countryCode orgID
ANCHOR_AUDIT SA AdminContract:AnchorAudit sequence hash
APPLY_FOR_LOAN PA LoanPoolContract:ApplyForLoan actorID amount collateralHash purpose termDays
APPLY_VELOCITY_TAX AD TaxAndFeeContract:ApplyVelocityTax accountID | country
APPOINT_ADMIN SA AdminContract:AppointAdmin actorID newAdminID
APPROVE_LOAN AD LoanPoolContract:ApproveLoan approverAdminID loanID | borrowerID
APPROVE_MULTISIG_TX PA OrganizationContract:ApproveMultiSigTx actorID pendingTxID | orgID fromID toID
BOOTSTRAP_SYSTEM SA AdminContract:BootstrapSystem
CANCEL_LOAN PA LoanPoolContract:CancelLoan actorID loanID
CANCEL_MULTISIG_TX PA OrganizationContract:CancelMultiSigTx actorID pendingTxID | orgID
CANCEL_PROPOSAL AD GovernanceContract:CancelProposal actorID proposalID
CANCEL_RECOVERY PA IdentityContract:CancelRecovery actorID sessionID
CAST_VOTE PA GovernanceContract:VoteOnProposal actorID proposalID support
COMPACT_ACCOUNT AD TokenomicsContract:CompactAccount accountID max
CONFIRM_RECOVERY PA IdentityContract:ConfirmRecovery actorID sessionID | lostAccountID
CONFIRM_RELATIONSHIP PA IdentityContract:ConfirmRelationship actorID relationshipID
CREATE_USER PA AD IdentityContract:CreateUser userID biometricHash nationality age
CREATE_USERS_BATCH PA IdentityContract:CreateUsersBatch users
DEFINE_AUTH_RULE PA OrganizationContract:DefineAuthRule actorID orgID rule
DISBURSE_FROM_POOL SA AdminContract:DisburseFromPool pool recipientID amount reason
DISTRIBUTE_GENESIS AD TokenomicsContract:DistributeGenesis userID nationality
EMERGENCY_SET_PARAMETER SA AdminContract:EmergencySetParameter paramID newValue reason
ENDORSE_MEMBERSHIP PA OrganizationContract:EndorseMembership actorID orgID
END_RELATIONSHIP PA IdentityContract:EndRelationship actorID relationshipID reason
EXECUTE_MULTISIG_TX PA OrganizationContract:ExecuteMultiSigTx actorID pendingTxID | orgID fromID toID
EXECUTE_PROPOSAL AD GovernanceContract:ExecuteProposal proposalID
EXECUTE_RECOVERY AD IdentityContract:ExecuteRecovery sessionID | lostAccountID
EXPIRE_MULTISIG_TX AD OrganizationContract:ExpireMultiSigTx pendingTxID | orgID
FREEZE_WALLET SA TokenomicsContract:FreezeWallet accountID reason
INITIALIZE_COUNTRY_DATA SA AdminContract:InitializeCountryData countries
INITIATE_MULTISIG_TX PA OrganizationContract:InitiateMultiSigTx actorID orgID toID amount remark | fromID
INITIATE_RECOVERY PA IdentityContract:InitiateRecovery actorID lostAccountID newControllerKeyHash
MARK_LOAN_DEFAULTED AD LoanPoolContract:MarkLoanDefaulted adminID loanID | borrowerID
NOMINATE_GUARDIANS PA IdentityContract:NominateGuardians actorID guardianIDs
PAUSE_SYSTEM SA AdminContract:PauseSystem reason
PROPOSE_ORGANIZATION PA AD OrganizationContract:ProposeOrganization actorID orgID orgName orgType country stakeholderIDs
REJECT_LOAN AD LoanPoolContract:RejectLoan adminID loanID reason | borrowerID
REJECT_MULTISIG_TX PA OrganizationContract:RejectMultiSigTx actorID pendingTxID reason | orgID
REJECT_RELATIONSHIP PA IdentityContract:RejectRelationship actorID relationshipID reason
REPAY_LOAN PA LoanPoolContract:RepayLoan actorID loanID amount | borrowerID
REQUEST_RELATIONSHIP PA IdentityContract:RequestRelationship actorID objectID type
RESUME_SYSTEM SA AdminContract:ResumeSystem
REVOKE_ADMIN SA AdminContract:RevokeAdmin adminID
SET_TAX_EXEMPT SA TaxAndFeeContract:SetVelocityTaxExempt accountID exempt reason
SET_USER_STATUS SA IdentityContract:SetUserStatus userID status reason
SUBMIT_PROPOSAL AD GovernanceContract:SubmitProposal actorID targetParam newValue title description
TALLY_PROPOSAL AD GovernanceContract:TallyProposal proposalID bookmark
TRANSFER_INTERNAL AD TokenomicsContract:TransferInternal fromID toID amount type remark
TRANSFER_TOKENS PA AD TokenomicsContract:TransferWithFees fromID toID amount typeHint remark
UNFREEZE_WALLET SA TokenomicsContract:UnfreezeWallet accountID
`), "\n")
	short := map[role.Role]string{role.SuperAdmin: "SA", role.Admin: "AD", role.PartnerAPI: "PA"}
	var got []string
	functions := map[string]bool{}
	for _, d := range All() {
		words := []string{string(d.Type)}
		for _, r := range d.Roles {
			words = append(words, short[r])
		}
		words = append(words, d.Name())
		for i, arg := range d.Args() {
			if i == d.Required() {
				words = append(words, "|")
			}
			words = append(words, arg)
		}
		got = append(got, strings.Join(words, " "))
		if p := d.New(); p.CommandType() != d.Type {
			t.Errorf("%s makes a %s", d.Type, p.CommandType())
		}
		if same, ok := Lookup(d.Type); !ok || same.Name() != d.Name() {
			t.Errorf("%s: looked up %+v", d.Type, same)
		}
		if functions[d.Name()] {
			t.Errorf("%s serves two commands", d.Name())
		}
		functions[d.Name()] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, ok := Lookup("MINT_COINS"); ok {
		t.Error("MINT_COINS is registered")
	}
}

// The first role signs, but for two commands whose payload decides.
func TestIdentity(t *testing.T) {
	for _, p := range samples() {
		d := definition(t, p.CommandType())
		if got := d.Identity(p); got != d.Roles[0] {
			t.Errorf("%s: %s", d.Type, got)
		}
	}
	for _, p := range []Payload{&ProposeOrganization{ActorID: "clerk", OrgType: account.Government}, &ProposeOrganization{ActorID: alice, OrgType: account.Government}, &ActivateOrganization{ActorID: "clerk"}} {
		d := definition(t, p.CommandType())
		if got := d.Identity(p); got != role.Admin || !slices.Contains(d.Roles, got) {
			t.Errorf("%+v: %s", p, got)
		}
	}
}

func TestEncodeDecode(t *testing.T) {
	seen := map[Type]bool{}
	for _, p := range samples() {
		seen[p.CommandType()] = true
		data, err := Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(p.CommandType(), data)
		if err != nil {
			t.Errorf("%s: %v", data, err)
			continue
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("%s: %s", p.CommandType(), diff)
		}
	}
	if len(seen) != len(All()) {
		t.Errorf("samples of %d types out of %d", len(seen), len(All()))
	}
}

func TestDecodeErrors(t *testing.T) {
	transfer := func(member string) string {
		return fmt.Sprintf(`{"fromID":%q,"toID":%q,%s}`, alice, bob, member)
	}
	for _, c := range []struct {
		typ  Type
		data string
		want string // the error's text
	}{
		{TypeTransferTokens, ``, "payload: is not valid JSON"},
		{TypeTransferTokens, `{`, "payload: is not valid JSON"},
		{TypeTransferTokens, `"x"`, "payload: must be an object"},
		{TypeTransferTokens, `[]`, "payload: must be an object"},
		{TypeTransferTokens, transfer(`"amount":"1"`) + `{}`, "payload: is not valid JSON"},
		{TypeTransferTokens, transfer(`"amount":"1.5"`), "amount: an amount is a string of decimal digits without sign, fraction, exponent or leading zero"},
		{TypeTransferTokens, transfer(`"amount":"-1"`), "amount: an amount is a string of decimal digits without sign, fraction, exponent or leading zero"},
		{TypeTransferTokens, transfer(`"amount":"01"`), "amount: an amount is a string of decimal digits without sign, fraction, exponent or leading zero"},
		{TypeTransferTokens, transfer(`"amount":"1e9"`), "amount: an amount is a string of decimal digits without sign, fraction, exponent or leading zero"},
		{TypeTransferTokens, transfer(`"amount":"` + strings.Repeat("9", 40) + `"`), "amount: amount is above the maximum supply"},
		{TypeTransferTokens, transfer(`"amount":10`), "amount: must be a string"},
		{TypeTransferTokens, transfer(`"amount":{}`), "amount: must be a string"},
		{TypeTransferTokens, transfer(`"amount":"0"`), "amount: must be greater than 0"},
		{TypeTransferTokens, transfer(`"remark":""`), "amount: must be greater than 0"},
		{TypeTransferTokens, transfer(`"amount":null`), "amount: must be greater than 0"},
		{TypeTransferTokens, transfer(`"amount":"1","fee":"0"`), "fee: is not a known field"},
		{TypeTransferTokens, transfer(`"Amount":"1"`), "Amount: is not a known field"},
		{TypeTransferTokens, transfer(`"amount":"1","amount":"2"`), "amount: is given twice"},
		{TypeTransferTokens, transfer(`"amount":"1","remark":7`), "remark: must be a string"},
		{TypeTransferTokens, transfer(`"amount":"1","` + strings.Repeat("x", 1000) + `":1`), strings.Repeat("x", 64) + "...: is not a known field"},
		{TypeTransferTokens, transfer(`"amount":"1","remark":"` + "\xff" + `"`), "remark: is not valid JSON"},
		{TypeCreateUser, `{"userID":"` + alice + `","biometricHash":"` + hash + `","nationality":"LK","age":"22"}`, "age: must be an integer within its range"},
		{TypeCreateUser, `{"userID":"` + alice + `","biometricHash":"` + hash + `","nationality":"LK","age":1.5}`, "age: must be an integer within its range"},
		{TypeCreateUser, `{"userID":"` + alice + `","biometricHash":"` + hash + `","nationality":"LK","age":1e30}`, "age: must be an integer within its range"},
		{TypeCreateUsersBatch, `{"users":[{},{"userID":1}]}`, "users[1].userID: must be a string"},
		{TypeCreateUsersBatch, `{"users":[[]]}`, "users[0]: must be an object"},
		{TypeCreateUsersBatch, `{"users":{}}`, "users: must be a list"},
		{TypeCreateUsersBatch, `{"users":[{"role":"admin"}]}`, "users[0].role: is not a known field"},
		{TypeInitializeCountryData, `{"countries":[{"countryCode":"LK","weightE8":-1}]}`, "countries[0].weightE8: must be an integer within its range"},
		{TypeBootstrapSystem, `{"force":true}`, "force: is not a known field"},
	} {
		p, err := Decode(c.typ, []byte(c.data))
		if err == nil || p != nil || err.Error() != c.want || Fields(err) == nil {
			t.Errorf("%s %.150s\n got %v, %v\nwant %s", c.typ, c.data, p, err, c.want)
		}
	}
	if _, err := Decode("MINT_COINS", []byte(`{}`)); !errors.Is(err, ErrUnknown) || Fields(err) != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	transfer := func(change func(*TransferTokens)) *TransferTokens {
		p := &TransferTokens{FromID: alice, ToID: bob, Amount: 1}
		change(p)
		return p
	}
	user := func(change func(*CreateUser)) *CreateUser {
		p := &CreateUser{alice, hash, "LK", 22}
		change(p)
		return p
	}
	batch := func(n int, change func([]CreateUser)) *CreateUsersBatch {
		p := &CreateUsersBatch{make([]CreateUser, n)}
		for i := range p.Users {
			p.Users[i] = *user(func(*CreateUser) {})
		}
		change(p.Users)
		return p
	}
	checkFields(t, map[string]fieldCase{
		"no countries":            {&InitializeCountryData{}, "countries"},
		"country in small print":  {&InitializeCountryData{[]CountryWeight{{"lk", 1}}}, "countries[0].countryCode"},
		"country without weight":  {&InitializeCountryData{[]CountryWeight{{"AD", 1}, {"LK", 0}}}, "countries[1].weightE8"},
		"weight above its bound":  {&InitializeCountryData{[]CountryWeight{{"LK", 1_000_000_001}}}, "countries[0].weightE8"},
		"country listed twice":    {&InitializeCountryData{[]CountryWeight{{"LK", 1}, {"LK", 2}}}, "countries[1].countryCode"},
		"pause without a reason":  {&PauseSystem{}, "reason"},
		"control character":       {&PauseSystem{"a\nb"}, "reason"},
		"long reason":             {&PauseSystem{strings.Repeat("x", MaxReasonBytes+1)}, "reason"},
		"longest reason":          {&PauseSystem{strings.Repeat("x", MaxReasonBytes)}, ""},
		"empty user":              {&CreateUser{}, "userID biometricHash nationality"},
		"wrong checksum":          {user(func(p *CreateUser) { p.UserID = "LK FF4 ABL912 0WLUY 6025" }), "userID"},
		"short hash":              {user(func(p *CreateUser) { p.BiometricHash = hash[1:] }), "biometricHash"},
		"hash in capitals":        {user(func(p *CreateUser) { p.BiometricHash = strings.ToUpper(hash) }), "biometricHash"},
		"hash with a newline":     {user(func(p *CreateUser) { p.BiometricHash = hash + "\n" }), "biometricHash"},
		"three-letter country":    {user(func(p *CreateUser) { p.Nationality = "LKA" }), "nationality"},
		"country with a newline":  {user(func(p *CreateUser) { p.Nationality = "LK\n" }), "nationality"},
		"negative age":            {user(func(p *CreateUser) { p.Age = -1 }), "age"},
		"age of 151":              {user(func(p *CreateUser) { p.Age = 151 }), "age"},
		"empty batch":             {&CreateUsersBatch{}, "users"},
		"full batch":              {batch(MaxUsersInBatch, func([]CreateUser) {}), ""},
		"batch of 101":            {batch(MaxUsersInBatch+1, func([]CreateUser) {}), "users"},
		"batch of two countries":  {batch(3, func(u []CreateUser) { u[2].Nationality = "CH" }), "users[2].nationality"},
		"one bad user":            {batch(3, func(u []CreateUser) { u[1].UserID, u[1].Age = "x", 200 }), "users[1].userID users[1].age"},
		"empty transfer":          {&TransferTokens{}, "fromID toID amount"},
		"to a pool":               {transfer(func(p *TransferTokens) { p.ToID = account.CharitablePool }), ""},
		"to a treasury":           {transfer(func(p *TransferTokens) { p.ToID = account.TreasuryOf("LK") }), ""},
		"to an organization":      {transfer(func(p *TransferTokens) { p.ToID = "acme-ltd" }), ""},
		"to an unknown pool":      {transfer(func(p *TransferTokens) { p.ToID = "SYSTEM_MINTER" }), "toID"},
		"to a malformed treasury": {transfer(func(p *TransferTokens) { p.ToID = "treasury_lk" }), "toID"},
		"to an unknown form":      {transfer(func(p *TransferTokens) { p.ToID = "Acme Ltd" }), "toID"},
		"to oneself":              {transfer(func(p *TransferTokens) { p.ToID = alice }), "toID"},
		"of nothing":              {transfer(func(p *TransferTokens) { p.Amount = 0 }), "amount"},
		"of everything":           {transfer(func(p *TransferTokens) { p.Amount = qirat.MaxSupply }), ""},
		"unknown hint":            {transfer(func(p *TransferTokens) { p.TypeHint = "p2p" }), "typeHint"},
		"long remark":             {transfer(func(p *TransferTokens) { p.Remark = strings.Repeat("é", MaxRemarkBytes/2) + "x" }), "remark"},
		"longest remark":          {transfer(func(p *TransferTokens) { p.Remark = strings.Repeat("é", MaxRemarkBytes/2) }), ""},
		"remark not UTF-8":        {transfer(func(p *TransferTokens) { p.Remark = "\xff" }), "remark"},
		"remark with NUL":         {transfer(func(p *TransferTokens) { p.Remark = "\x00" }), "remark"},
		"genesis of nobody":       {&DistributeGenesis{}, "userID nationality"},
		"freeze of nothing":       {&FreezeWallet{}, "accountID reason"},
		"unfreeze of nothing":     {&UnfreezeWallet{}, "accountID"},
	})
}

func TestActor(t *testing.T) {
	for _, c := range []struct {
		payload Payload
		want    string
	}{
		{&CreateUser{UserID: alice}, ""},
		{&TransferTokens{FromID: alice, ToID: bob}, alice},
		{&RepayLoan{ActorID: bob, BorrowerID: alice}, bob},
		{&ApproveLoan{ApproverAdminID: "clerk", BorrowerID: alice}, ""},
		{&ApproveLoan{ApproverAdminID: bob, BorrowerID: alice}, bob},
		{&ActivateOrganization{ActorID: "clerk"}, ""},
	} {
		if got := c.payload.Actor(); got != c.want {
			t.Errorf("%+v: %q", c.payload, got)
		}
	}
	// Whoever acts comes first, and nobody's actor is left out.
	for _, p := range samples() {
		args := definition(t, p.CommandType()).Args()
		if named := len(args) > 0 && args[0] == "actorID"; named && p.Actor() == "" && !slices.Contains([]Type{TypeCancelProposal, TypeAppointAdmin}, p.CommandType()) {
			t.Errorf("%s has no actor", p.CommandType())
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	data, err := Encode(&TransferTokens{alice, bob, 1_500_000, "", "tea"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(TypeTransferTokens, data); err != nil {
			b.Fatal(err)
		}
	}
}
