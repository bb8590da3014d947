package contract_test

import (
	"bytes"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/trust"
)

// town is a ledger on which something of every kind has begun.
type town struct {
	*contracttest.Ledger
	p, lk []string // people of DE and of LK
	child string   // of LK, too young for genesis; old enough a year later

	orgs  []string // active: de-gov, lk-gov, acme and shop, of p[1:5] and lk, in this order
	ready string   // endorsed by p[6] and lk[3]
	young string   // endorsed by nobody, of p[7] and lk[2]

	loans                    []string // of p[0]: pending, active; of p[5]: pending, active, pending
	acme, shop, spend, stuck string   // payments: of p[3], p[4], p[1] from a treasury, and one of p[3] that failed and could now be executed
	open, idle               string   // proposals of p[0]
	asked                    []string // relationships: lk[0] of lk[1], p[2] of p[3]
	session                  string   // of p[6] for p[9], whose guardians are p[6:9]; those of lk[3] are p[1:4]
}

func newTown(t testing.TB) *town {
	t.Helper()
	l := contracttest.Open(t, "DE", "LK")
	w := &town{Ledger: l, p: l.Join(t, "DE", 10), lk: l.Join(t, "LK", 4), orgs: []string{"de-gov", "lk-gov", "acme", "shop"}, ready: "ready", young: "young"}
	p, lk := w.p, w.lk
	child := l.PersonBorn(t, "LK", l.Now.AddDate(-13, 0, 100))
	w.child = child.UserID
	l.Apply(t, child)
	trusted(t, l, p[0], p[1:5])
	trusted(t, l, p[5], p[6:10])
	l.Apply(t, &command.EmergencySetParameter{ParamID: parameter.RecoveryEnabled, NewValue: "true", Reason: "x"})

	propose := func(id string, kind account.Kind, country string, people ...string) *command.ProposeOrganization {
		q := proposalOf(id, kind, people...)
		q.Country = country
		return q
	}
	for i, q := range []*command.ProposeOrganization{
		propose("de-gov", account.Government, "DE", p[1], lk[0]), propose("lk-gov", account.Government, "LK", p[2], lk[1]),
		propose("acme", account.Business, "DE", p[3], lk[2]), propose("shop", account.Business, "LK", p[4], lk[3]),
		propose(w.ready, account.Business, "DE", p[6], lk[3]), propose(w.young, account.NGO, "LK", p[7], lk[2]),
	} {
		if i < len(w.orgs) {
			found(t, l, q)
			continue
		}
		l.Apply(t, q)
	}
	l.Apply(t, &command.EndorseMembership{ActorID: p[6], OrgID: w.ready}, &command.EndorseMembership{ActorID: lk[3], OrgID: w.ready})
	l.Apply(t, &command.ActivateTreasury{CountryCode: "DE", OrgID: "de-gov"})
	l.Apply(t, contracttest.Pay(p[8], "acme", 50*gx), contracttest.Pay(p[9], "shop", 50*gx), contracttest.Pay(p[8], "de-gov", 50*gx))

	for _, borrower := range []string{p[0], p[0], p[5], p[5], p[5]} {
		w.loans = append(w.loans, apply(t, l, application(borrower, 100*gx)))
	}
	l.Apply(t, &command.ApproveLoan{ApproverAdminID: "clerk", LoanID: w.loans[1], BorrowerID: p[0]}, &command.ApproveLoan{ApproverAdminID: "clerk", LoanID: w.loans[3], BorrowerID: p[5]})

	pay := func(org, actor, from, to string) string {
		return initiateTx(t, l, &command.InitiateMultiSigTx{ActorID: actor, OrgID: org, FromID: from, ToID: to, Amount: 5 * gx})
	}
	w.acme, w.shop, w.spend = pay("acme", p[3], "", lk[1]), pay("shop", p[4], "", p[6]), pay("de-gov", p[1], "treasury_DE", lk[1])
	w.stuck = initiateTx(t, l, payment(p[3], lk[1], 200*gx))
	l.Apply(t, approve(lk[2], w.stuck)) // fails for want of funds
	l.Apply(t, &command.DisburseFromPool{Pool: "GX", RecipientID: "acme", Amount: 300 * gx, Reason: "funds"})

	w.open, w.idle = submit(t, l, p[0], parameter.VotingPeriodDays, "20"), submit(t, l, p[0], parameter.VotingPeriodDays, "21")
	for _, q := range []*command.RequestRelationship{claim(lk[0], trust.FriendOf, lk[1]), claim(p[2], trust.FriendOf, p[3])} {
		l.Apply(t, q)
		w.asked = append(w.asked, relationshipID(q))
	}
	l.Apply(t, &command.NominateGuardians{ActorID: p[9], GuardianIDs: p[6:9]}, &command.NominateGuardians{ActorID: lk[3], GuardianIDs: p[1:4]})
	w.session = initiate(t, l, p[6], p[9])
	l.Apply(t, &command.AppointAdmin{ActorID: "clerk", NewAdminID: p[6]})
	l.Now = l.Now.Add(time.Minute)
	return w
}

// specimen is a command that takes effect on a ledger.
type specimen struct {
	command.Payload
	ledger *contracttest.Ledger // to be cloned
}

// specimens returns one of each type, in the order of the types.
func specimens(t testing.TB) []specimen {
	t.Helper()
	w := newTown(t)
	p, lk := w.p, w.lk
	empty, bare := contracttest.New(), contracttest.Open(t)
	after := func(wait time.Duration, done ...command.Payload) *contracttest.Ledger {
		l := w.Clone()
		for _, c := range done {
			l.Apply(t, c)
		}
		l.Now = l.Now.Add(wait)
		return l
	}
	now, later := w.Ledger, after(400*day)
	known := map[command.Type]specimen{}
	for _, s := range []specimen{
		{&command.BootstrapSystem{}, empty}, {&command.InitializeCountryData{Countries: []command.CountryWeight{{CountryCode: "DE", WeightE8: 1}}}, bare},
		{&command.PauseSystem{Reason: "x"}, now}, {&command.ResumeSystem{}, after(0, &command.PauseSystem{Reason: "x"})},
		{&command.EmergencySetParameter{ParamID: parameter.PoolDisburseMax, NewValue: "1000000", Reason: "x"}, now},
		{&command.AppointAdmin{ActorID: "clerk", NewAdminID: p[4]}, now}, {&command.RevokeAdmin{AdminID: p[6]}, now},
		{&command.AnchorAudit{Sequence: 1, Hash: strings.Repeat("ab", 32)}, now},
		{&command.ActivateTreasury{CountryCode: "LK", OrgID: "lk-gov"}, now},
		{&command.DisburseFromPool{Pool: "CHARITABLE", RecipientID: p[1], Amount: 5, Reason: "x"}, now},

		{now.Person(t, "DE"), now}, {&command.CreateUsersBatch{Users: []command.CreateUser{*now.Person(t, "LK"), *now.Person(t, "LK")}}, now},
		{&command.SetUserStatus{UserID: lk[2], Status: "SUSPENDED", Reason: "x"}, now},
		{claim(p[1], trust.FriendOf, p[2]), now}, {&command.ConfirmRelationship{ActorID: lk[1], RelationshipID: w.asked[0]}, now},
		{&command.RejectRelationship{ActorID: p[3], RelationshipID: w.asked[1], Reason: "x"}, now},
		{&command.EndRelationship{ActorID: p[0], RelationshipID: relationshipID(claim(p[0], trust.SpouseOf, p[2])), Reason: "x"}, now},
		{&command.NominateGuardians{ActorID: p[8], GuardianIDs: []string{p[1], p[2], lk[0]}}, now},
		{&command.InitiateRecovery{ActorID: p[1], LostAccountID: lk[3], NewControllerKeyHash: newKey}, now},
		{&command.ConfirmRecovery{ActorID: p[7], SessionID: w.session, LostAccountID: p[9]}, now},
		{&command.ExecuteRecovery{SessionID: w.session, LostAccountID: p[9]}, after(3*day, &command.ConfirmRecovery{ActorID: p[7], SessionID: w.session})},
		{&command.CancelRecovery{ActorID: p[9], SessionID: w.session}, now},

		{&command.DistributeGenesis{UserID: w.child, Nationality: "LK"}, later}, {contracttest.Pay(p[2], p[3], 5*gx), now},
		{&command.TransferInternal{FromID: account.GXPool, ToID: p[8], Amount: 5, Type: command.SystemAdjustment}, now},
		{&command.FreezeWallet{AccountID: p[3], Reason: "x"}, now}, {&command.UnfreezeWallet{AccountID: p[3]}, after(0, &command.FreezeWallet{AccountID: p[3], Reason: "x"})},
		{&command.CompactAccount{AccountID: account.OperationsFund, Max: 5}, now},

		{proposalOf("new-one", account.Business, p[8], p[9]), now}, {&command.EndorseMembership{ActorID: p[7], OrgID: w.young}, now},
		{&command.ActivateOrganization{ActorID: p[6], OrgID: w.ready}, now},
		{&command.DefineAuthRule{ActorID: p[4], OrgID: "shop", Rule: threshold(5, 1, p[4])}, now},
		{&command.InitiateMultiSigTx{ActorID: p[3], OrgID: "acme", ToID: p[7], Amount: 5}, now},
		{&command.ApproveMultiSigTx{ActorID: lk[2], PendingTxID: w.acme, OrgID: "acme", FromID: "acme", ToID: lk[1]}, now},
		{&command.RejectMultiSigTx{ActorID: lk[2], PendingTxID: w.acme, Reason: "x", OrgID: "acme"}, now},
		{&command.CancelMultiSigTx{ActorID: p[3], PendingTxID: w.acme, OrgID: "acme"}, now},
		{&command.ExecuteMultiSigTx{ActorID: p[3], PendingTxID: w.stuck, OrgID: "acme", FromID: "acme", ToID: lk[1]}, now},
		{&command.ExpireMultiSigTx{PendingTxID: w.acme, OrgID: "acme"}, later},

		{application(p[0], 100*gx), now}, {&command.ApproveLoan{ApproverAdminID: "clerk", LoanID: w.loans[0], BorrowerID: p[0]}, now},
		{&command.RejectLoan{AdminID: "clerk", LoanID: w.loans[0], Reason: "x", BorrowerID: p[0]}, now}, {&command.CancelLoan{ActorID: p[0], LoanID: w.loans[0]}, now},
		{&command.RepayLoan{ActorID: p[8], LoanID: w.loans[1], Amount: gx, BorrowerID: p[0]}, now},
		{&command.MarkLoanDefaulted{AdminID: "clerk", LoanID: w.loans[1], BorrowerID: p[0]}, later},

		{submission(p[0], parameter.VotingPeriodDays, "22"), now}, {&command.CastVote{ActorID: p[0], ProposalID: w.open, Support: true}, now},
		{&command.CancelProposal{ActorID: "clerk", ProposalID: w.idle}, now}, {&command.TallyProposal{ProposalID: w.open}, later}, {&command.ExecuteProposal{ProposalID: w.open}, later},
		{&command.ApplyVelocityTax{AccountID: lk[0], Country: "LK"}, later}, {&command.SetTaxExempt{AccountID: p[2], Exempt: true, Reason: "x"}, now},
	} {
		known[s.CommandType()] = s
	}
	var list []specimen
	for _, d := range command.All() {
		s, ok := known[d.Type]
		if !ok {
			t.Fatalf("there is no specimen of %s", d.Type)
		}
		list = append(list, s)
	}
	return list
}

// arguments returns a payload as those of a direct call.
func arguments(t testing.TB, p command.Payload) []string {
	t.Helper()
	data, err := command.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]jsontext.Value
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	d, _ := command.Lookup(p.CommandType())
	var args []string
	for _, name := range d.Args() {
		arg := string(fields[name])
		if fields[name].Kind() == '"' {
			if err := json.Unmarshal(fields[name], &arg); err != nil {
				t.Fatal(err)
			}
		}
		args = append(args, arg)
	}
	return args
}

// Every command takes effect, and comes to the same by its function and in a
// batch: what it writes, what it returns, what it causes.
func TestKF23EveryCommandAlone(t *testing.T) {
	for _, s := range specimens(t) {
		d, _ := command.Lookup(s.CommandType())
		t.Run(d.Name(), func(t *testing.T) {
			direct, batch := s.ledger.Clone(), s.ledger.Clone()
			item := batch.Item(t, s.Payload)
			who := contracttest.As(d.Identity(s.Payload))
			inBatch, results, err := batch.Batch(who, item)
			if err != nil || results[0].Outcome != event.Applied {
				t.Fatalf("in a batch: %+v, %v", results, err)
			}
			alone, err := direct.Invoke(who, d.Name(), append(arguments(t, s.Payload), item.ID)...)
			if err != nil {
				t.Fatal(err)
			}
			if !maps.EqualFunc(alone.Writes, inBatch.Writes, bytes.Equal) {
				t.Errorf("alone it writes %q, in a batch %q", alone.Writes, inBatch.Writes)
			}
			a, _, err1 := alone.Envelope()
			b, _, err2 := inBatch.Envelope()
			a.Function = b.Function
			if diff := cmp.Diff(b, a); err1 != nil || err2 != nil || diff != "" {
				t.Fatalf("envelopes: %v, %v, %s", err1, err2, diff)
			}
			if string(alone.Result) != string(b.Commands[0].Result) {
				t.Errorf("alone it returns %s, in a batch %s", alone.Result, b.Commands[0].Result)
			}
			// Whichever way it went, it has happened then.
			again, err := batch.Invoke(who, d.Name(), append(arguments(t, s.Payload), item.ID)...)
			if err != nil || len(again.Writes) > 0 || again.Event != nil || string(again.Result) != string(alone.Result) {
				t.Errorf("a repetition: %+v, %v", again, err)
			}
		})
	}
}

// Every command says all that it does in the one event of its transaction: it names
// each object that it writes, but for receipts and the state of the system, and
// what an account has then. Whoever reads events alone misses nothing (F-09).
func TestKF09EventsSayAll(t *testing.T) {
	for _, s := range specimens(t) {
		d, _ := command.Lookup(s.CommandType())
		if d.Type == command.TypeCompactAccount {
			continue // it adds up what an account has, and changes nothing
		}
		t.Run(d.Name(), func(t *testing.T) {
			l := s.ledger.Clone()
			before := l.State()
			tx, results, err := l.Batch(contracttest.As(d.Identity(s.Payload)), l.Item(t, s.Payload))
			if err != nil || results[0].Outcome != event.Applied {
				t.Fatalf("%+v, %v", results, err)
			}
			env, _, err := tx.Envelope()
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for _, r := range env.Events {
				said.Write(r.Data)
			}
			for key, value := range tx.Writes {
				parts := strings.Split(strings.Trim(key, "\x00"), "\x00")
				if object := parts[0]; object == "idem" || object == "sys" || value == nil {
					continue
				}
				if id := strings.TrimPrefix(parts[1], "treasury_"); !strings.Contains(said.String(), id) { // the country's
					t.Errorf("no event names %q, which is now %s", parts, value)
				}
				if parts[0] != "acct" {
					continue
				}
				var had, has struct{ Balance string }
				if before[key] != nil {
					if err := json.Unmarshal(before[key], &had, json.MatchCaseInsensitiveNames(true)); err != nil {
						t.Fatal(err)
					}
				}
				if err := json.Unmarshal(value, &has, json.MatchCaseInsensitiveNames(true)); err != nil {
					t.Fatal(err)
				}
				if has.Balance != had.Balance && has.Balance != "0" && !strings.Contains(said.String(), strconv.Quote(has.Balance)) {
					t.Errorf("no event tells that %s has %s", parts[1], has.Balance)
				}
			}
		})
	}
}

// queries returns arguments for each query.
func (w *town) queries() map[string][]string {
	p := w.p
	return map[string][]string{
		"AdminContract:ExportAccount": {p[0]}, "AdminContract:ExportFirst": {`[["acct"]]`}, "AdminContract:ExportKeys": {`[["user","` + p[0] + `"]]`},
		"AdminContract:ExportState": {`["acct"]`, "100", ""}, "AdminContract:GetCountryStats": {"DE"}, "AdminContract:GetGlobalCounters": nil,
		"AdminContract:GetSystemParameter": {parameter.VotingPeriodDays}, "AdminContract:GetSystemStatus": nil, "AdminContract:ListAllCountries": {"100", ""},
		"GovernanceContract:GetProposalDetails": {w.open}, "GovernanceContract:ListActiveProposals": {"100", ""},
		"IdentityContract:GetGuardians": {p[9]}, "IdentityContract:GetMyProfile": {p[0]}, "IdentityContract:GetRecoverySession": {w.session},
		"IdentityContract:GetRelationship": {w.asked[0]}, "IdentityContract:GetTrustScore": {p[0]}, "IdentityContract:GetUser": {p[0]}, "IdentityContract:UserExists": {p[0]},
		"LoanPoolContract:GetLoan": {w.loans[0]}, "LoanPoolContract:GetMyLoans": {p[0], "100", ""},
		"OrganizationContract:GetOrganization": {"acme"}, "OrganizationContract:GetPendingTransaction": {w.acme}, "OrganizationContract:ListPendingTransactions": {"acme", "100", ""},
		"TaxAndFeeContract:CalculateTransactionFee": {p[0], p[1], "5000000", ""}, "TaxAndFeeContract:CalculateVelocityTax": {p[0]}, "TaxAndFeeContract:CheckVelocityTaxEligibility": {p[0]},
		"TokenomicsContract:GetBalance": {p[0]}, "TokenomicsContract:GetPoolStatus": {"LOAN"}, "TokenomicsContract:GetSupplyStatus": nil,
		"TokenomicsContract:GetTransactionHistory": {p[0], "100", ""},
	}
}

// Every query answers anybody, during a pause as well, and writes nothing. No
// list in an answer is null (B-029).
func TestB029_EveryQueryAnswers(t *testing.T) {
	w := newTown(t)
	running := w.Clone()
	w.Apply(t, &command.PauseSystem{Reason: "x"})
	queries := w.queries()
	for _, f := range functions(contract.KindQuery) {
		args, ok := queries[f.Name]
		if !ok {
			t.Errorf("%s is not asked", f.Name)
			continue
		}
		for _, l := range []*contracttest.Ledger{running, w.Ledger} {
			tx, err := l.Simulate(contract.Caller{ID: "anyone"}, f.Name, args...)
			if err != nil || len(tx.Writes) > 0 || tx.Event != nil || len(tx.Result) == 0 || bytes.Contains(tx.Result, []byte(":null")) && f.Name != "AdminContract:GetSystemStatus" {
				t.Errorf("%s: %+v, %v", f.Name, tx, err)
			}
		}
	}
}
