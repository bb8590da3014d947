package contract_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
	"gxcoin.money/gx/protocol/trust"
)

// world is what a random history draws from: a town and what becomes of it.
type world struct {
	*contracttest.Ledger
	people                                          []string // most of them are registered
	orgs                                            []string
	loans, payments, proposals, relations, sessions []string
	lost                                            map[string]string   // account of a recovery session
	parties                                         map[string][]string // who has a say, by what it is in; guardians by whom they guard
	books                                           books
}

var countries = []string{"DE", "LK", "XX"} // the last one is not registered

// newWorld opens a town with few genesis slots left, where anybody may borrow and
// vote.
func newWorld(t *testing.T) *world {
	o := newTown(t)
	w := &world{
		Ledger: o.Ledger, people: append(append([]string{o.child}, o.p...), o.lk...), orgs: append([]string{o.ready, o.young}, o.orgs...), loans: o.loans,
		payments: []string{o.acme, o.shop, o.spend, o.stuck}, proposals: []string{o.open, o.idle}, sessions: []string{o.session}, lost: map[string]string{o.session: o.p[9]},
		relations: append([]string{relationshipID(claim(o.p[0], trust.SpouseOf, o.p[2])), relationshipID(claim(o.p[5], trust.ChildOf, o.p[6]))}, o.asked...),
	}
	for _, code := range countries[:2] {
		edit(t, w.Ledger, func(c *contract.Country) { c.Slots = [6]uint64{c.Used[0] + 3, 2, 1, 1, 2, 1} }, "\x00cty\x00"+code+"\x00")
	}
	for _, id := range []string{parameter.MinTrustScoreForLoan, parameter.MinTrustScoreForVote} {
		put(t, w.Ledger, "\x00param\x00"+id+"\x00", `{"paramID":"`+id+`","value":"0","updatedAt":"2026-01-01T00:00:00Z","updatedBy":"PROP_1"}`)
	}
	w.parties = map[string][]string{o.p[9]: o.p[6:9], o.lk[3]: o.p[1:4]}
	for _, id := range w.orgs {
		w.parties[id] = orgOf(t, w.Ledger, id).Stakeholders
	}
	for _, id := range w.payments {
		w.parties[id] = pendingOf(t, w.Ledger, id).ApproverGroup
	}
	for _, id := range w.loans {
		w.parties[id] = []string{loanOf(t, w.Ledger, id).BorrowerID}
	}
	w.books = openBooks(t, w.Ledger, append(w.people, w.orgs...), countries[:2]...)
	return w
}

// learn takes note of what there is from now on.
func (w *world) learn(e event.Event) {
	switch e := e.(type) {
	case *event.OrganizationProposed:
		w.orgs, w.parties[e.OrgID] = append(w.orgs, e.OrgID), e.Stakeholders
	case *event.LoanApplicationReceived:
		w.loans, w.parties[e.LoanID] = append(w.loans, e.LoanID), []string{e.BorrowerID}
	case *event.MultiSigTxInitiated:
		w.payments, w.parties[e.PendingTxID] = append(w.payments, e.PendingTxID), append([]string{e.InitiatorID}, e.ApproverGroup...)
	case *event.ProposalSubmitted:
		w.proposals = append(w.proposals, e.ProposalID)
	case *event.RelationshipRequested:
		w.relations = append(w.relations, e.RelationshipID)
	case *event.GuardiansNominated:
		w.parties[e.UserID] = e.GuardianIDs
	case *event.RecoveryInitiated:
		w.sessions = append(w.sessions, e.SessionID)
		w.lost[e.SessionID] = e.LostAccountID
	}
}

// one draws one of what there is, of what came last more often than of the rest.
func one(t *rapid.T, what string, list []string) string {
	if len(list) > 3 && rapid.Bool().Draw(t, what+" of late") {
		list = list[len(list)-3:]
	}
	return rapid.SampledFrom(list).Draw(t, what)
}

func (w *world) user(t *rapid.T) string { return one(t, "user", w.people) }

// party draws who acts on something: mostly one who has a say in it.
func (w *world) party(t *rapid.T, id string) string {
	if list := w.parties[id]; len(list) > 0 && rapid.IntRange(0, 4).Draw(t, "entitled") > 0 {
		return rapid.SampledFrom(list).Draw(t, "party")
	}
	return w.user(t)
}

// users draws different people.
func (w *world) users(t *rapid.T, most int) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(w.people), 1, most, rapid.ID).Draw(t, "users")
}

func (w *world) account(t *rapid.T) string {
	switch rapid.IntRange(0, 5).Draw(t, "account of") {
	case 0:
		return one(t, "organization", w.orgs)
	case 1:
		ids := []string{"nobody-inc", "treasury_DE", "treasury_LK", "treasury_XX"}
		for _, p := range account.Pools {
			ids = append(ids, p.Account)
		}
		return rapid.SampledFrom(ids).Draw(t, "account")
	}
	return w.user(t)
}

func (w *world) amount(t *rapid.T) qirat.Amount {
	return qirat.Amount(rapid.OneOf(
		rapid.Uint64Range(1, uint64(120*gx)), rapid.Uint64Range(1, uint64(120*gx)), rapid.Uint64Range(1, uint64(qirat.MaxSupply)),
		rapid.SampledFrom([]uint64{1, uint64(3 * gx), uint64(100 * gx), uint64(500 * gx), uint64(100_000_000 * gx), uint64(qirat.MaxSupply)}),
	).Draw(t, "amount"))
}

// registration is that of a new person, or sometimes of one who is known.
func (w *world) registration(t *rapid.T, code string) command.CreateUser {
	p := *w.PersonBorn(t, code, w.Now.AddDate(-rapid.IntRange(0, 90).Draw(t, "age"), 0, -1))
	if rapid.IntRange(0, 5).Draw(t, "again") == 0 {
		p.UserID = w.user(t)
	} else {
		w.people = append(w.people, p.UserID)
	}
	return p
}

// hint draws whether a command says what it is going to touch.
func hint(t *rapid.T, id string) string {
	if rapid.Bool().Draw(t, "hint") {
		return id
	}
	return ""
}

// draws are the commands of each type.
var draws = map[command.Type]func(w *world, t *rapid.T) command.Payload{
	command.TypeBootstrapSystem: func(*world, *rapid.T) command.Payload { return &command.BootstrapSystem{} },
	command.TypeInitializeCountryData: func(*world, *rapid.T) command.Payload {
		return &command.InitializeCountryData{Countries: []command.CountryWeight{{CountryCode: "XX", WeightE8: 1}}}
	},
	command.TypePauseSystem:  func(*world, *rapid.T) command.Payload { return &command.PauseSystem{Reason: "x"} },
	command.TypeResumeSystem: func(*world, *rapid.T) command.Payload { return &command.ResumeSystem{} },
	command.TypeEmergencySetParameter: func(_ *world, t *rapid.T) command.Payload {
		return rapid.SampledFrom([]command.Payload{
			&command.EmergencySetParameter{ParamID: parameter.PoolDisburseMax, NewValue: "1000000", Reason: "x"},
			&command.EmergencySetParameter{ParamID: parameter.PoolDisburseMax, NewValue: "100000000000000", Reason: "x"},
			&command.EmergencySetParameter{ParamID: parameter.RecoveryEnabled, NewValue: "false", Reason: "x"},
			&command.EmergencySetParameter{ParamID: parameter.RecoveryEnabled, NewValue: "true", Reason: "x"},
		}).Draw(t, "emergency")
	},
	command.TypeAppointAdmin: func(w *world, t *rapid.T) command.Payload {
		return &command.AppointAdmin{ActorID: rapid.SampledFrom([]string{"ops", w.user(t)}).Draw(t, "by"), NewAdminID: w.user(t)}
	},
	command.TypeRevokeAdmin: func(w *world, t *rapid.T) command.Payload { return &command.RevokeAdmin{AdminID: w.user(t)} },
	command.TypeAnchorAudit: func(_ *world, t *rapid.T) command.Payload {
		return &command.AnchorAudit{Sequence: rapid.Int64Range(1, 5).Draw(t, "sequence"), Hash: strings.Repeat("ab", 32)}
	},
	command.TypeActivateTreasury: func(w *world, t *rapid.T) command.Payload {
		return &command.ActivateTreasury{CountryCode: rapid.SampledFrom(countries).Draw(t, "country"), OrgID: one(t, "organization", w.orgs)}
	},
	command.TypeDisburseFromPool: func(w *world, t *rapid.T) command.Payload {
		name := rapid.SampledFrom([]string{"CHARITABLE", "GX", "OPERATIONS", "REDISTRIBUTION"}).Draw(t, "pool")
		return &command.DisburseFromPool{Pool: name, RecipientID: w.account(t), Amount: w.amount(t), Reason: "x"}
	},

	command.TypeCreateUser: func(w *world, t *rapid.T) command.Payload {
		p := w.registration(t, rapid.SampledFrom(countries).Draw(t, "country"))
		return &p
	},
	command.TypeCreateUsersBatch: func(w *world, t *rapid.T) command.Payload {
		p, code := &command.CreateUsersBatch{}, rapid.SampledFrom(countries).Draw(t, "country")
		for range rapid.IntRange(1, 4).Draw(t, "people") {
			p.Users = append(p.Users, w.registration(t, code))
		}
		return p
	},
	command.TypeSetUserStatus: func(w *world, t *rapid.T) command.Payload {
		to := rapid.SampledFrom([]string{"ACTIVE", "ACTIVE", "FROZEN", "SUSPENDED", "CLOSED", "DECEASED"}).Draw(t, "status")
		return &command.SetUserStatus{UserID: w.user(t), Status: to, Reason: "x"}
	},
	command.TypeRequestRelationship: func(w *world, t *rapid.T) command.Payload {
		return claim(w.user(t), rapid.SampledFrom(trust.Relations).Draw(t, "relation"), w.user(t))
	},
	command.TypeConfirmRelationship: func(w *world, t *rapid.T) command.Payload {
		id, object := w.relation(t)
		return &command.ConfirmRelationship{ActorID: object, RelationshipID: id}
	},
	command.TypeRejectRelationship: func(w *world, t *rapid.T) command.Payload {
		id, object := w.relation(t)
		return &command.RejectRelationship{ActorID: object, RelationshipID: id, Reason: "x"}
	},
	command.TypeEndRelationship: func(w *world, t *rapid.T) command.Payload {
		id, object := w.relation(t)
		return &command.EndRelationship{ActorID: object, RelationshipID: id, Reason: "x"}
	},
	command.TypeNominateGuardians: func(w *world, t *rapid.T) command.Payload {
		return &command.NominateGuardians{ActorID: w.user(t), GuardianIDs: rapid.SliceOfNDistinct(rapid.SampledFrom(w.people), 3, 5, rapid.ID).Draw(t, "guardians")}
	},
	command.TypeInitiateRecovery: func(w *world, t *rapid.T) command.Payload {
		lost := rapid.SampledFrom(append(slices.Sorted(maps.Values(w.lost)), w.people[len(w.people)-1], w.user(t))).Draw(t, "lost")
		return &command.InitiateRecovery{ActorID: w.party(t, lost), LostAccountID: lost, NewControllerKeyHash: newKey}
	},
	command.TypeConfirmRecovery: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "session", w.sessions)
		return &command.ConfirmRecovery{ActorID: w.party(t, w.lost[id]), SessionID: id, LostAccountID: hint(t, w.lost[id])}
	},
	command.TypeExecuteRecovery: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "session", w.sessions)
		return &command.ExecuteRecovery{SessionID: id, LostAccountID: hint(t, w.lost[id])}
	},
	command.TypeCancelRecovery: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "session", w.sessions)
		return &command.CancelRecovery{ActorID: rapid.SampledFrom([]string{w.lost[id], w.user(t)}).Draw(t, "owner"), SessionID: id}
	},

	command.TypeDistributeGenesis: func(w *world, t *rapid.T) command.Payload {
		id := w.user(t)
		return &command.DistributeGenesis{UserID: id, Nationality: rapid.SampledFrom([]string{id[:2], id[:2], "DE"}).Draw(t, "nationality")}
	},
	command.TypeTransferTokens: func(w *world, t *rapid.T) command.Payload {
		return contracttest.Pay(w.user(t), w.account(t), w.amount(t))
	},
	command.TypeTransferInternal: func(w *world, t *rapid.T) command.Payload {
		p := &command.TransferInternal{FromID: w.account(t), ToID: w.account(t), Amount: w.amount(t), Type: command.SystemAdjustment}
		if rapid.Bool().Draw(t, "to a treasury") {
			p.ToID, p.Type = "treasury_DE", command.FeeCollection
		}
		return p
	},
	command.TypeFreezeWallet: func(w *world, t *rapid.T) command.Payload {
		return &command.FreezeWallet{AccountID: w.account(t), Reason: "x"}
	},
	command.TypeUnfreezeWallet: func(w *world, t *rapid.T) command.Payload { return &command.UnfreezeWallet{AccountID: w.account(t)} },
	command.TypeCompactAccount: func(_ *world, t *rapid.T) command.Payload {
		id := rapid.SampledFrom([]string{account.OperationsFund, "treasury_DE", account.UserGenesisPool, account.LoanPool}).Draw(t, "account")
		return &command.CompactAccount{AccountID: id, Max: rapid.IntRange(1, 5).Draw(t, "max")}
	},

	command.TypeProposeOrganization: func(w *world, t *rapid.T) command.Payload {
		kind := rapid.SampledFrom([]account.Kind{account.Business, account.NGO, account.Government}).Draw(t, "kind")
		id := rapid.StringMatching(`org-[0-9]{2}`).Draw(t, "new organization")
		return proposalOf(id, kind, w.users(t, 4)...)
	},
	command.TypeEndorseMembership: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "organization", w.orgs)
		return &command.EndorseMembership{ActorID: w.party(t, id), OrgID: id}
	},
	command.TypeActivateOrganization: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "organization", w.orgs)
		return &command.ActivateOrganization{ActorID: w.party(t, id), OrgID: id}
	},
	command.TypeDefineAuthRule: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "organization", w.orgs)
		group := rapid.SampledFrom([][]string{w.parties[id], w.parties[id], w.users(t, 3)}).Draw(t, "group")
		above := rapid.SampledFrom([]qirat.Amount{0, 0, 5 * gx, 100 * gx}).Draw(t, "threshold")
		return &command.DefineAuthRule{ActorID: w.party(t, id), OrgID: id, Rule: threshold(above, rapid.IntRange(1, len(group)).Draw(t, "required"), group...)}
	},
	command.TypeInitiateMultiSigTx: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "organization", w.orgs)
		p := &command.InitiateMultiSigTx{ActorID: w.party(t, id), OrgID: id, ToID: w.account(t), Amount: w.amount(t)}
		p.FromID = rapid.SampledFrom([]string{"", "", "treasury_DE", "treasury_LK"}).Draw(t, "from")
		return p
	},
	command.TypeApproveMultiSigTx: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "payment", w.payments)
		return approve(w.party(t, id), id)
	},
	command.TypeRejectMultiSigTx: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "payment", w.payments)
		return reject(w.party(t, id), id)
	},
	command.TypeCancelMultiSigTx: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "payment", w.payments)
		return &command.CancelMultiSigTx{ActorID: w.party(t, id), PendingTxID: id}
	},
	command.TypeExecuteMultiSigTx: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "payment", w.payments)
		return retry(w.party(t, id), id)
	},
	command.TypeExpireMultiSigTx: func(w *world, t *rapid.T) command.Payload {
		return &command.ExpireMultiSigTx{PendingTxID: one(t, "payment", w.payments)}
	},

	command.TypeApplyForLoan: func(w *world, t *rapid.T) command.Payload {
		return application(w.user(t), rapid.SampledFrom([]qirat.Amount{100 * gx, 100 * gx, 1_000_000 * gx, gx}).Draw(t, "loan of"))
	},
	command.TypeApproveLoan: func(w *world, t *rapid.T) command.Payload {
		return &command.ApproveLoan{ApproverAdminID: rapid.SampledFrom([]string{"ops", w.user(t)}).Draw(t, "by"), LoanID: one(t, "loan", w.loans)}
	},
	command.TypeRejectLoan: func(w *world, t *rapid.T) command.Payload {
		return &command.RejectLoan{AdminID: "ops", LoanID: one(t, "loan", w.loans), Reason: "x"}
	},
	command.TypeCancelLoan: func(w *world, t *rapid.T) command.Payload {
		id := one(t, "loan", w.loans)
		return &command.CancelLoan{ActorID: w.party(t, id), LoanID: id}
	},
	command.TypeRepayLoan: func(w *world, t *rapid.T) command.Payload {
		amount := qirat.Amount(rapid.SampledFrom([]uint64{uint64(100 * gx), uint64(50 * gx), rapid.Uint64Range(1, uint64(110*gx)).Draw(t, "part")}).Draw(t, "instalment"))
		return &command.RepayLoan{ActorID: w.user(t), LoanID: one(t, "loan", w.loans), Amount: amount}
	},
	command.TypeMarkLoanDefaulted: func(w *world, t *rapid.T) command.Payload {
		return &command.MarkLoanDefaulted{AdminID: "ops", LoanID: one(t, "loan", w.loans)}
	},

	command.TypeSubmitProposal: func(w *world, t *rapid.T) command.Payload {
		return submission(w.user(t), parameter.LoanMaxConcurrent, rapid.SampledFrom([]string{"5", "6", "7"}).Draw(t, "value"))
	},
	command.TypeCastVote: func(w *world, t *rapid.T) command.Payload {
		return &command.CastVote{ActorID: w.user(t), ProposalID: one(t, "proposal", w.proposals), Support: rapid.Bool().Draw(t, "support")}
	},
	command.TypeTallyProposal: func(w *world, t *rapid.T) command.Payload {
		return &command.TallyProposal{ProposalID: one(t, "proposal", w.proposals)}
	},
	command.TypeExecuteProposal: func(w *world, t *rapid.T) command.Payload {
		return &command.ExecuteProposal{ProposalID: one(t, "proposal", w.proposals)}
	},
	command.TypeCancelProposal: func(w *world, t *rapid.T) command.Payload {
		return &command.CancelProposal{ActorID: "ops", ProposalID: one(t, "proposal", w.proposals)}
	},

	command.TypeApplyVelocityTax: func(w *world, t *rapid.T) command.Payload { return &command.ApplyVelocityTax{AccountID: w.account(t)} },
	command.TypeSetTaxExempt: func(w *world, t *rapid.T) command.Payload {
		return &command.SetTaxExempt{AccountID: w.account(t), Exempt: rapid.Bool().Draw(t, "exempt"), Reason: "x"}
	},
}

// relation draws a relationship and one who may have a say in it.
func (w *world) relation(t *rapid.T) (id, object string) {
	id = one(t, "relationship", w.relations)
	ends := strings.Split(id, ":")
	return id, rapid.SampledFrom([]string{ends[2], ends[2], ends[0], w.user(t)}).Draw(t, "end")
}

// often are the types that are drawn more than once as often as the others.
var often = map[role.Role][]command.Type{
	role.PartnerAPI: {command.TypeTransferTokens, command.TypeTransferTokens, command.TypeTransferTokens, command.TypeRepayLoan, command.TypeApproveMultiSigTx, command.TypeCreateUser},
	role.Admin:      {command.TypeTransferTokens, command.TypeApproveLoan, command.TypeApplyVelocityTax},
	role.SuperAdmin: {command.TypeResumeSystem, command.TypeResumeSystem, command.TypeResumeSystem, command.TypeResumeSystem, command.TypeUnfreezeWallet, command.TypeUnfreezeWallet},
}

// command draws a command that a role may send. It may break what can be seen
// without a ledger: then it is what somebody else would have sent.
func (w *world) command(t *rapid.T, r role.Role) command.Payload {
	types := often[r]
	for _, f := range functions(contract.KindCommand) {
		for _, allowed := range f.Roles {
			if allowed == r {
				types = append(types, f.Command)
			}
		}
	}
	return draws[rapid.SampledFrom(types).Draw(t, "type")](w, t)
}

// wait lets time pass: mostly some hours, sometimes until something is due.
func (w *world) wait(t *rapid.T) {
	hours := rapid.OneOf(rapid.IntRange(0, 30), rapid.SampledFrom([]int{2 * 24, 7 * 24, 14 * 24, 120 * 24, 355 * 24})).Draw(t, "hours")
	w.Now = w.Now.Add(time.Duration(hours) * time.Hour)
}
