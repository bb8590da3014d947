package readmodel_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

// town is a ledger that the contracts run on, with its read model.
type town struct {
	*contracttest.Ledger
	t     *testing.T
	pool  *pgxpool.Pool
	block uint64
	seen  map[event.Type]bool
}

const day = 24 * time.Hour

func newTown(t *testing.T) *town {
	w := &town{contracttest.New(), t, pgtest.New(t).Pool(t, "gx_projector"), 0, map[event.Type]bool{}}
	w.Now = readmodeltest.Epoch
	w.do(&command.BootstrapSystem{})
	w.do(&command.InitializeCountryData{Countries: []command.CountryWeight{{CountryCode: "DE", WeightE8: 1}, {CountryCode: "LK", WeightE8: 1}}})
	return w
}

// do runs a command that must take effect and projects its transaction. It
// returns the first event.
func (w *town) do(p command.Payload) event.Event {
	w.t.Helper()
	d, _ := command.Lookup(p.CommandType())
	tx, results, err := w.Batch(contracttest.As(d.Identity(p)), w.Item(w.t, p))
	if err != nil {
		w.t.Fatal(err)
	}
	if r := results[0]; r.Outcome != event.Applied {
		w.t.Fatalf("%s: %s %s", p.CommandType(), r.Code, r.Message)
	}
	env, events, err := tx.Envelope()
	if err != nil {
		w.t.Fatal(err)
	}
	decoded := readmodel.Tx{ID: env.TxID, Block: w.block, At: env.At, Commands: env.Commands}
	for i, e := range events {
		w.seen[e.EventType()] = true
		decoded.Events = append(decoded.Events, readmodel.Event{Record: env.Events[i], Content: e})
	}
	projection := readmodel.NewProjection()
	if err := projection.Add(decoded); err != nil {
		w.t.Fatal(err)
	}
	if err := pgx.BeginFunc(w.t.Context(), w.pool, func(db pgx.Tx) error {
		return projection.Flush(w.t.Context(), db, readmodel.Position{Block: int64(w.block), Hash: []byte{1}})
	}); err != nil {
		w.t.Fatalf("%s: %v", p.CommandType(), err)
	}
	w.block++
	w.Now = w.Now.Add(time.Second)
	if len(events) == 0 {
		return nil
	}
	return events[0]
}

// people registers n people of a country.
func (w *town) people(country string, n int) []string {
	var ids []string
	for range n {
		p := w.Person(w.t, country)
		w.do(p)
		ids = append(ids, p.UserID)
	}
	return ids
}

func (w *town) tie(subject string, r trust.Relation, object string) string {
	id := trust.Relationship{Subject: subject, Relation: r, Object: object}.ID()
	w.do(&command.RequestRelationship{ActorID: subject, ObjectID: object, Relation: r})
	w.do(&command.ConfirmRelationship{ActorID: object, RelationshipID: id})
	return id
}

// query reads an object from the ledger.
func query[T any](w *town, function string, args ...string) T {
	w.t.Helper()
	var v T
	if err := w.Query(&v, function, args...); err != nil {
		w.t.Fatal(err)
	}
	return v
}

// What the contracts say after a long and busy life is what the read model says.
func TestKF09Contracts(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	p := w.people("DE", 6)
	lk := w.people("LK", 2)
	hash := strings.Repeat("ab", 32)

	var relationships []string
	relationships = append(relationships, w.tie(p[0], trust.ChildOf, p[1]), w.tie(p[0], trust.SpouseOf, p[2]), w.tie(p[0], trust.SiblingOf, p[3]), w.tie(p[0], trust.FatherOf, p[4]),
		w.tie(p[0], trust.FriendOf, lk[0]), w.tie(p[0], trust.BusinessPartnerOf, p[1]))
	w.do(&command.EndRelationship{ActorID: lk[0], RelationshipID: relationships[4], Reason: "a quarrel"})
	refused := trust.Relationship{Subject: p[5], Relation: trust.FriendOf, Object: p[0]}.ID()
	w.do(&command.RequestRelationship{ActorID: p[5], ObjectID: p[0], Relation: trust.FriendOf})
	w.do(&command.RejectRelationship{ActorID: p[0], RelationshipID: refused, Reason: "a stranger"})
	relationships = append(relationships, refused)

	var loans []string
	apply := func() string {
		id := w.do(&command.ApplyForLoan{ActorID: p[0], Amount: 200 * qirat.PerGX, CollateralHash: hash, Purpose: "a bakery", TermDays: 30}).(*event.LoanApplicationReceived).LoanID
		loans = append(loans, id)
		return id
	}
	w.do(&command.CancelLoan{ActorID: p[0], LoanID: apply()})
	w.do(&command.RejectLoan{AdminID: "clerk", LoanID: apply(), Reason: "no plan", BorrowerID: p[0]})
	paid, owed := apply(), apply()
	apply()
	w.do(&command.ApproveLoan{ApproverAdminID: "clerk", LoanID: paid, BorrowerID: p[0]})
	w.do(&command.ApproveLoan{ApproverAdminID: "clerk", LoanID: owed})
	w.do(&command.RepayLoan{ActorID: lk[1], LoanID: paid, Amount: 50 * qirat.PerGX, BorrowerID: p[0]})
	w.do(&command.RepayLoan{ActorID: p[0], LoanID: paid, Amount: 150 * qirat.PerGX})

	w.do(&command.ProposeOrganization{ActorID: "clerk", OrgID: "treasury-dept", OrgName: "Treasury", OrgType: account.Government, Country: "DE", StakeholderIDs: p[1:4]})
	w.do(&command.DefineAuthRule{ActorID: p[1], OrgID: "treasury-dept", Rule: command.AuthRule{RequiredApprovers: 2, ApproverGroup: p[1:4]}})
	for _, id := range p[1:4] {
		w.do(&command.EndorseMembership{ActorID: id, OrgID: "treasury-dept"})
	}
	w.do(&command.ActivateOrganization{ActorID: p[1], OrgID: "treasury-dept"})
	w.do(&command.ActivateTreasury{CountryCode: "DE", OrgID: "treasury-dept"})
	w.do(&command.ProposeOrganization{ActorID: p[5], OrgID: "pending-inc", OrgName: "Pending", OrgType: account.Business, Country: "LK", StakeholderIDs: []string{p[5], lk[0]}})
	w.do(&command.EndorseMembership{ActorID: lk[0], OrgID: "pending-inc"})

	var pending []string
	initiate := func(q *command.InitiateMultiSigTx) string {
		q.ActorID, q.OrgID, q.Remark = p[1], "treasury-dept", "rent"
		id := w.do(q).(*event.MultiSigTxInitiated).PendingTxID
		pending = append(pending, id)
		return id
	}
	spent := initiate(&command.InitiateMultiSigTx{FromID: "treasury_DE", ToID: "treasury-dept", Amount: 150 * qirat.PerGX})
	w.do(&command.ApproveMultiSigTx{ActorID: p[2], PendingTxID: spent, OrgID: "treasury-dept", FromID: "treasury_DE", ToID: "treasury-dept"})
	tooMuch := initiate(&command.InitiateMultiSigTx{ToID: lk[0], Amount: 10_000 * qirat.PerGX})
	w.do(&command.ApproveMultiSigTx{ActorID: p[2], PendingTxID: tooMuch})
	small := initiate(&command.InitiateMultiSigTx{ToID: lk[0], Amount: 20 * qirat.PerGX})
	w.do(&command.ApproveMultiSigTx{ActorID: p[3], PendingTxID: small})
	no := initiate(&command.InitiateMultiSigTx{ToID: lk[0], Amount: 1})
	w.do(&command.RejectMultiSigTx{ActorID: p[2], PendingTxID: no, Reason: "no"})
	w.do(&command.RejectMultiSigTx{ActorID: p[3], PendingTxID: no, Reason: "no", OrgID: "treasury-dept"})
	w.do(&command.CancelMultiSigTx{ActorID: p[1], PendingTxID: initiate(&command.InitiateMultiSigTx{ToID: lk[0], Amount: 1})})
	amended := w.do(&command.DefineAuthRule{ActorID: p[1], OrgID: "treasury-dept", Rule: command.AuthRule{AmountThreshold: 5 * qirat.PerGX, RequiredApprovers: 3, ApproverGroup: p[1:4]}}).(*event.MultiSigTxInitiated).PendingTxID
	pending = append(pending, amended)
	w.do(&command.ApproveMultiSigTx{ActorID: p[2], PendingTxID: amended, OrgID: "treasury-dept"})
	expired := initiate(&command.InitiateMultiSigTx{ToID: lk[0], Amount: 2})

	proposals := []string{}
	submit := func(value string) string {
		id := w.do(&command.SubmitProposal{ActorID: p[0], TargetParam: parameter.VotingPeriodDays, NewValue: value, Title: "Time", Description: "to think"}).(*event.ProposalSubmitted).ProposalID
		proposals = append(proposals, id)
		return id
	}
	lost, counted := submit("20"), submit("21")
	w.do(&command.CancelProposal{ActorID: "clerk", ProposalID: submit("22")})
	w.do(&command.CastVote{ActorID: p[0], ProposalID: lost, Support: true})
	w.do(&command.CastVote{ActorID: p[0], ProposalID: counted})
	w.Now = w.Now.Add(15 * day)
	w.do(&command.ExecuteProposal{ProposalID: lost})
	w.do(&command.TallyProposal{ProposalID: counted})
	w.do(&command.ExpireMultiSigTx{PendingTxID: expired, OrgID: "treasury-dept"})

	w.do(&command.EmergencySetParameter{ParamID: parameter.RecoveryEnabled, NewValue: "true", Reason: "reviewed"})
	w.do(&command.NominateGuardians{ActorID: p[5], GuardianIDs: p[1:4]})
	recover := func() string {
		return w.do(&command.InitiateRecovery{ActorID: p[1], LostAccountID: p[5], NewControllerKeyHash: hash}).(*event.RecoveryInitiated).SessionID
	}
	recoveries := []string{recover()}
	w.do(&command.ConfirmRecovery{ActorID: p[2], SessionID: recoveries[0], LostAccountID: p[5]})
	w.Now = w.Now.Add(3 * day)
	w.do(&command.ExecuteRecovery{SessionID: recoveries[0], LostAccountID: p[5]})
	recoveries = append(recoveries, recover())
	w.do(&command.CancelRecovery{ActorID: p[5], SessionID: recoveries[1]})
	recoveries = append(recoveries, recover())
	w.Now = w.Now.Add(8 * day)
	session := w.do(&command.InitiateRecovery{ActorID: p[1], LostAccountID: p[5], NewControllerKeyHash: hash}).(*event.RecoveryExpired)
	if session.SessionID != recoveries[2] {
		t.Errorf("%s expired instead of %s", session.SessionID, recoveries[2])
	}

	w.do(contracttest.Pay(p[4], "treasury-dept", 5*qirat.PerGX))
	w.do(&command.DisburseFromPool{Pool: "CHARITABLE", RecipientID: lk[1], Amount: 7, Reason: "relief"})
	w.do(&command.TransferInternal{FromID: account.GXPool, ToID: p[4], Amount: 9, Type: command.SystemAdjustment, Remark: "correction"})
	w.do(&command.FreezeWallet{AccountID: p[3], Reason: "inquiry"})
	w.do(&command.FreezeWallet{AccountID: "treasury-dept", Reason: "inquiry"})
	w.do(&command.SetUserStatus{UserID: p[2], Status: string(account.Suspended), Reason: "inquiry"})
	w.do(&command.SetUserStatus{UserID: lk[1], Status: string(account.Frozen), Reason: "court order"})
	w.do(&command.AppointAdmin{ActorID: "clerk", NewAdminID: p[1]})
	w.do(&command.AppointAdmin{ActorID: "clerk", NewAdminID: p[0]})
	w.do(&command.RevokeAdmin{AdminID: p[1]})
	w.do(&command.AnchorAudit{Sequence: 7, Hash: strings.Repeat("ab", 32)})
	w.do(&command.SetTaxExempt{AccountID: p[4], Exempt: true, Reason: "court order"})
	w.Now = w.Now.Add(400 * day)
	w.do(&command.MarkLoanDefaulted{AdminID: "scheduler", LoanID: owed, BorrowerID: p[0]})
	w.do(&command.ApplyVelocityTax{AccountID: lk[0], Country: "LK"})
	w.do(&command.ApplyVelocityTax{AccountID: p[3]})
	w.do(&command.SetTaxExempt{AccountID: p[4], Reason: "over"})
	w.do(&command.UnfreezeWallet{AccountID: p[3]})
	w.do(&command.CompactAccount{AccountID: account.OperationsFund, Max: 100})
	w.CheckSupply(t)

	accounts := append(append([]string{"treasury-dept", "pending-inc", "treasury_DE", "treasury_LK"}, p...), lk...)
	for _, pool := range account.Pools {
		accounts = append(accounts, pool.Account)
	}
	for _, id := range accounts {
		if got := must[readmodel.AccountState](t)(readmodel.Account(ctx, w.pool, id)); got.Balance != w.Balance(t, id) {
			t.Errorf("%s has %s, the ledger says %s", id, got.Balance, w.Balance(t, id))
		}
	}
	if s := must[readmodel.SupplyState](t)(readmodel.Supply(ctx, w.pool)); !s.Conserved() {
		t.Errorf("supply: %+v", s)
	}

	type person struct {
		Status, FrozenReason  string
		FrozenAt              *time.Time
		VelocityTaxTimerStart *time.Time
		VelocityTaxLastCheck  *time.Time
		VelocityTaxExempt     bool
		TrustScore            int
		LoanScoreAdj          int
		LoanDefaults          int
		LoanBanned            bool
		OpenLoans             int
		LoanExposure          qirat.Amount
	}
	for _, id := range append(p, lk...) {
		a, tax := must[readmodel.AccountState](t)(readmodel.Account(ctx, w.pool, id)), must[readmodel.TaxState](t)(readmodel.Tax(ctx, w.pool, id))
		s, standing := must[readmodel.TrustState](t)(readmodel.Trust(ctx, w.pool, id)), must[readmodel.StandingState](t)(readmodel.Standing(ctx, w.pool, id))
		same(t, id, query[person](w, "IdentityContract:GetUser", id), person{a.Status, a.FrozenReason, a.FrozenAt, tax.VelocityTimerStart, tax.LastTaxedAt, tax.TaxExempt,
			s.Score.Total, s.Score.Loans, standing.Defaults, standing.Banned, standing.Open, standing.Pending + standing.Outstanding})
	}
	for _, id := range relationships {
		want, got := query[contract.Relationship](w, "IdentityContract:GetRelationship", id), must[readmodel.RelationshipState](t)(readmodel.Relationship(ctx, w.pool, id))
		same(t, id, want, contract.Relationship{RelationshipID: got.RelationshipID, SubjectID: got.SubjectID, ObjectID: got.ObjectID, Relation: got.Relation, Status: got.Status,
			CreatedAt: got.RequestedAt, ConfirmedAt: got.ConfirmedAt, EndedAt: got.ClosedAt, EndedBy: got.ClosedBy, Reason: got.Reason})
	}
	for _, id := range loans {
		want, got := query[contract.Loan](w, "LoanPoolContract:GetLoan", id), must[readmodel.LoanState](t)(readmodel.Loan(ctx, w.pool, id))
		loan := contract.Loan{LoanID: got.LoanID, BorrowerID: got.BorrowerID, Amount: got.Amount, Outstanding: got.Outstanding, RepaidTotal: got.RepaidTotal, Purpose: got.Purpose,
			TermDays: got.TermDays, Status: got.Status, CollateralHash: got.CollateralHash, CollateralStatus: got.CollateralStatus, AppliedAt: got.AppliedAt, DueAt: got.DueAt,
			PaidAt: got.PaidAt, DefaultedAt: got.DefaultedAt, RejectedReason: got.Reason}
		if got.DueAt != nil {
			loan.ApprovedAt, loan.ApprovedBy = got.DecidedAt, got.DecidedBy
		}
		same(t, id, want, loan)
	}
	for _, id := range pending {
		want, got := query[contract.PendingTransaction](w, "OrganizationContract:GetPendingTransaction", id), must[readmodel.MultiSigState](t)(readmodel.MultiSigTx(ctx, w.pool, id))
		x := contract.PendingTransaction{PendingTxID: got.PendingTxID, OrgID: got.OrgID, Operation: got.Operation, Status: got.Status, InitiatorID: got.InitiatorID, FromID: got.FromID,
			ToID: got.ToID, Amount: got.Amount, Remark: got.Remark, Rule: (*command.AuthRule)(got.Rule), RuleID: got.RuleID, RequiredApprovals: got.RequiredApprovals,
			ApproverGroup: got.ApproverGroup, CreatedAt: got.CreatedAt, ExpiresAt: got.ExpiresAt, EndedAt: got.ClosedAt, EndedTx: got.ClosedTx}
		for _, d := range must[[]readmodel.MultiSigDecision](t)(readmodel.MultiSigDecisions(ctx, w.pool, id)) {
			if d.Approved {
				x.Approvals = append(x.Approvals, d.UserID)
			} else {
				x.Rejections = append(x.Rejections, d.UserID)
			}
		}
		if (want.LastFailure == nil) != (got.FailedAt == nil) || want.LastFailure != nil && (string(want.LastFailure.Code) != got.FailureCode || want.LastFailure.Message != got.Failure) {
			t.Errorf("%s failed with %+v, the read model says %q %q", id, want.LastFailure, got.FailureCode, got.Failure)
		}
		want.LastFailure = nil
		same(t, id, want, x)
	}
	for _, id := range proposals {
		want, got := query[contract.Proposal](w, "GovernanceContract:GetProposalDetails", id), must[readmodel.ProposalState](t)(readmodel.Proposal(ctx, w.pool, id))
		x := contract.Proposal{ProposalID: got.ProposalID, TargetParam: got.TargetParam, CurrentValue: got.CurrentValue, NewValue: got.NewValue, Title: got.Title, Description: got.Description,
			ProposerID: got.ProposerID, Status: got.Status, Quorum: got.Quorum, ApprovalPct: got.ApprovalPct, StartTime: got.CreatedAt, EndTime: got.EndTime, EndedAt: got.ClosedAt, FailureReason: got.Reason}
		x.Tally.ForVotes, x.Tally.AgainstVotes, x.Tally.Complete, x.Tally.Bookmark = got.TallyFor, got.TallyAgainst, got.TallyComplete, got.TallyBookmark
		same(t, id, want, x)
	}
	for _, id := range recoveries {
		want, got := query[contract.RecoverySession](w, "IdentityContract:GetRecoverySession", id), must[readmodel.RecoveryState](t)(readmodel.Recovery(ctx, w.pool, id))
		if want.Status != got.Status || len(want.Confirmations) != got.Confirmations || want.Required != got.Required || !want.ExpiresAt.Equal(got.ExpiresAt) || !want.CreatedAt.Equal(got.CreatedAt) ||
			cmp.Diff(want.EndedAt, got.ClosedAt) != "" {
			t.Errorf("recovery: %+v, the read model says %+v", want, got)
		}
	}
	type organization struct {
		OrgID, OrgName, Country string
		OrgType                 account.Kind
		Status                  status.Organization
		Stakeholders            []string
		Endorsements            int
		Rules                   []contract.Rule
	}
	for _, id := range []string{"treasury-dept", "pending-inc"} {
		var want organization
		o := query[contract.Organization](w, "OrganizationContract:GetOrganization", id)
		want = organization{o.OrgID, o.OrgName, o.Country, o.OrgType, query[struct{ Status status.Organization }](w, "OrganizationContract:GetOrganization", id).Status,
			o.Stakeholders, len(o.Endorsements), o.Rules}
		s := must[readmodel.OrganizationState](t)(readmodel.Organization(ctx, w.pool, id))
		got := organization{OrgID: s.OrgID, OrgName: s.Name, Country: s.Country, OrgType: s.Type, Status: s.Status}
		for _, k := range must[[]readmodel.Stakeholder](t)(readmodel.Stakeholders(ctx, w.pool, id)) {
			got.Stakeholders = append(got.Stakeholders, k.UserID)
			if k.EndorsedAt != nil {
				got.Endorsements++
			}
		}
		for _, r := range must[[]readmodel.AuthRule](t)(readmodel.AuthRules(ctx, w.pool, id)) {
			got.Rules = append(got.Rules, contract.Rule{RuleID: r.RuleID, AuthRule: command.AuthRule{AmountThreshold: r.AmountThreshold, RequiredApprovers: r.RequiredApprovers,
				ApproverGroup: r.ApproverGroup}, DefinedBy: r.DefinedBy, DefinedAt: r.DefinedAt})
		}
		same(t, id, want, got)
	}
	for _, v := range must[[]readmodel.Parameter](t)(readmodel.Parameters(ctx, w.pool)) {
		if want := query[contract.SystemParameter](w, "AdminContract:GetSystemParameter", v.ParamID).Value; v.Value != want {
			t.Errorf("%s is %s, the ledger says %s", v.ParamID, v.Value, want)
		}
	}

	// What has not happened here needs a crowd of voters.
	for _, d := range event.All() {
		if !w.seen[d.Type] && d.Type != "ProposalExecuted" && d.Type != "SystemPaused" && d.Type != "SystemResumed" {
			t.Errorf("%s has not happened", d.Type)
		}
	}
}
