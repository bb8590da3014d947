package verifier

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// options for tests: nothing there needs long.
var options = Options{Patience: 20 * time.Second, Confirm: time.Millisecond}

// town is a ledger in memory that the contracts run on, with its projector.
type town struct {
	*readmodeltest.Chain
	t    testing.TB
	db   pgtest.Database
	pool *pgxpool.Pool // of the owner
	sees *pgxpool.Pool // with the rights of gx_verifier
	stop func()        // ends the projector

	mu     sync.Mutex
	ledger *contracttest.Ledger
}

func newTown(t testing.TB) *town {
	w := &town{Chain: readmodeltest.NewChain(), t: t, db: pgtest.New(t), ledger: contracttest.New()}
	w.pool, w.sees = w.db.Pool(t, ""), w.db.Pool(t, "gx_verifier")
	w.ledger.Now = readmodeltest.Epoch.Add(123456 * time.Microsecond)
	w.stop = w.project()
	return w
}

// project runs a projector until the test or the returned function ends it.
func (w *town) project(change ...func(*projector.Options)) (stop func()) {
	o := projector.Options{LeaseRetry: 10 * time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	p := projector.New(w.db.Pool(w.t, "gx_projector"), w, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			w.t.Errorf("projector: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// Evaluate implements ledger.Ledger.
func (w *town) Evaluate(_ context.Context, p ledger.Proposal) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tx, err := w.ledger.Simulate(contracttest.As(p.Identity), p.Function, p.Args...)
	if err != nil {
		return nil, &ledger.ContractError{Message: err.Error()}
	}
	return tx.Result, nil
}

// do runs commands in one block and returns the first event. They must take
// effect.
func (w *town) do(payloads ...command.Payload) event.Event {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	items := make([]contract.BatchItem, len(payloads))
	for i, p := range payloads {
		items[i] = w.ledger.Item(w.t, p)
	}
	d, _ := command.Lookup(payloads[0].CommandType())
	tx, results, err := w.ledger.Batch(contracttest.As(d.Identity(payloads[0])), items...)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, r := range results {
		if r.Outcome != event.Applied {
			w.t.Fatalf("%s: %s %s", payloads[i].CommandType(), r.Code, r.Message)
		}
	}
	_, events, err := tx.Envelope()
	if err != nil {
		w.t.Fatal(err)
	}
	w.append(tx)
	if len(events) == 0 {
		return nil
	}
	return events[0]
}

func (w *town) append(tx *contracttest.Tx) {
	w.Append(ledger.BlockTx{ID: tx.ID, Code: ledger.Valid, Time: w.ledger.Now, Event: &ledger.Event{Name: event.EnvelopeName, Payload: tx.Event}})
	w.ledger.Now = w.ledger.Now.Add(time.Second)
}

// refuse runs a command that a rule refuses.
func (w *town) refuse(p command.Payload) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	d, _ := command.Lookup(p.CommandType())
	tx, results, err := w.ledger.Batch(contracttest.As(d.Identity(p)), w.ledger.Item(w.t, p))
	if err != nil || results[0].Outcome != event.Rejected {
		w.t.Fatalf("%s: %v, %v", p.CommandType(), results, err)
	}
	w.append(tx)
}

// later moves the clock.
func (w *town) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ledger.Now = w.ledger.Now.Add(d)
}

// people registers n people of a country.
func (w *town) people(country string, n int) (ids []string) {
	for range n {
		p := w.ledger.Person(w.t, country)
		w.do(p)
		ids = append(ids, p.UserID)
	}
	return ids
}

// live fills the ledger with every type of object.
func (w *town) live() (people []string) {
	w.do(&command.BootstrapSystem{})
	w.do(&command.InitializeCountryData{Countries: []command.CountryWeight{{CountryCode: "DE", WeightE8: 1}, {CountryCode: "LK", WeightE8: 1}}})
	p := w.people("DE", 6)
	lk := w.people("LK", 2)
	hash := strings.Repeat("ab", 32)
	tie := func(subject string, r trust.Relation, object string) string {
		w.do(&command.RequestRelationship{ActorID: subject, ObjectID: object, Relation: r})
		return trust.Relationship{Subject: subject, Relation: r, Object: object}.ID()
	}
	w.do(&command.ConfirmRelationship{ActorID: p[1], RelationshipID: tie(p[0], trust.ChildOf, p[1])})
	w.do(&command.RejectRelationship{ActorID: p[0], RelationshipID: tie(p[5], trust.FriendOf, p[0]), Reason: "a stranger"})
	ended := tie(p[2], trust.FriendOf, p[3])
	w.do(&command.ConfirmRelationship{ActorID: p[3], RelationshipID: ended})
	w.do(&command.EndRelationship{ActorID: p[3], RelationshipID: ended, Reason: "a quarrel"})

	// Ties until the score is enough for a loan.
	for i, r := range []trust.Relation{trust.SpouseOf, trust.SiblingOf, trust.FatherOf, trust.BusinessPartnerOf} {
		other := []string{p[2], p[3], p[4], p[1]}[i]
		w.do(&command.ConfirmRelationship{ActorID: other, RelationshipID: tie(p[0], r, other)})
	}
	apply := func() string {
		return w.do(&command.ApplyForLoan{ActorID: p[0], Amount: 200 * qirat.PerGX, CollateralHash: hash, Purpose: "a bakery", TermDays: 30}).(*event.LoanApplicationReceived).LoanID
	}
	w.do(&command.RejectLoan{AdminID: "clerk", LoanID: apply(), Reason: "no plan", BorrowerID: p[0]})
	w.do(&command.CancelLoan{ActorID: p[0], LoanID: apply()})
	paid, owed := apply(), apply()
	apply()
	w.do(&command.ApproveLoan{ApproverAdminID: "clerk", LoanID: paid, BorrowerID: p[0]})
	w.do(&command.ApproveLoan{ApproverAdminID: "clerk", LoanID: owed})
	w.do(&command.RepayLoan{ActorID: lk[1], LoanID: paid, Amount: 200 * qirat.PerGX, BorrowerID: p[0]})

	const org = "treasury-dept"
	w.do(&command.ProposeOrganization{ActorID: "clerk", OrgID: org, OrgName: "Treasury", OrgType: account.Government, Country: "DE", StakeholderIDs: p[1:4]})
	for _, id := range p[1:4] {
		w.do(&command.EndorseMembership{ActorID: id, OrgID: org})
	}
	w.do(&command.ActivateOrganization{ActorID: p[1], OrgID: org})
	w.do(&command.ActivateTreasury{CountryCode: "DE", OrgID: org})
	w.do(&command.ProposeOrganization{ActorID: p[5], OrgID: "pending-inc", OrgName: "Pending", OrgType: account.Business, Country: "LK", StakeholderIDs: []string{p[5], lk[0]}})
	initiate := func(q *command.InitiateMultiSigTx) string {
		q.ActorID, q.OrgID, q.Remark = p[1], org, "rent"
		return w.do(q).(*event.MultiSigTxInitiated).PendingTxID
	}
	spent := initiate(&command.InitiateMultiSigTx{FromID: "treasury_DE", ToID: org, Amount: 150 * qirat.PerGX})
	w.do(&command.ApproveMultiSigTx{ActorID: p[2], PendingTxID: spent, OrgID: org, FromID: "treasury_DE", ToID: org})
	w.do(&command.ApproveMultiSigTx{ActorID: p[3], PendingTxID: initiate(&command.InitiateMultiSigTx{ToID: lk[0], Amount: 20 * qirat.PerGX})})
	w.do(&command.ApproveMultiSigTx{ActorID: p[2], PendingTxID: initiate(&command.InitiateMultiSigTx{ToID: lk[0], Amount: 10_000 * qirat.PerGX})}) // fails
	w.do(&command.CancelMultiSigTx{ActorID: p[1], PendingTxID: initiate(&command.InitiateMultiSigTx{ToID: lk[0], Amount: 1})})
	w.do(&command.RejectMultiSigTx{ActorID: p[2], PendingTxID: initiate(&command.InitiateMultiSigTx{ToID: lk[0], Amount: 1}), Reason: "no"})
	amended := w.do(&command.DefineAuthRule{ActorID: p[1], OrgID: org, Rule: command.AuthRule{AmountThreshold: 5 * qirat.PerGX, RequiredApprovers: 3, ApproverGroup: p[1:4]}}).(*event.MultiSigTxInitiated).PendingTxID
	w.do(&command.ApproveMultiSigTx{ActorID: p[2], PendingTxID: amended, OrgID: org})

	propose := func(value string) string {
		return w.do(&command.SubmitProposal{ActorID: p[0], TargetParam: parameter.VotingPeriodDays, NewValue: value, Title: "Time", Description: "to think"}).(*event.ProposalSubmitted).ProposalID
	}
	lost := propose("20")
	w.do(&command.CancelProposal{ActorID: "clerk", ProposalID: propose("21")})
	w.do(&command.CastVote{ActorID: p[0], ProposalID: lost, Support: true})
	w.later(15 * day)
	w.do(&command.ExecuteProposal{ProposalID: lost})
	w.do(&command.CastVote{ActorID: p[0], ProposalID: propose("22")})

	w.do(&command.EmergencySetParameter{ParamID: parameter.RecoveryEnabled, NewValue: "true", Reason: "reviewed"})
	w.do(&command.NominateGuardians{ActorID: p[5], GuardianIDs: p[1:4]})
	recover := &command.InitiateRecovery{ActorID: p[1], LostAccountID: p[5], NewControllerKeyHash: hash}
	session := w.do(recover).(*event.RecoveryInitiated).SessionID
	w.do(&command.ConfirmRecovery{ActorID: p[2], SessionID: session, LostAccountID: p[5]})
	w.later(3 * day)
	w.do(&command.ExecuteRecovery{SessionID: session, LostAccountID: p[5]})
	w.do(recover)

	w.do(contracttest.Pay(p[4], org, 5*qirat.PerGX), contracttest.Pay(p[4], p[1], 3*qirat.PerGX), contracttest.Pay(p[4], lk[1], 40*qirat.PerGX))
	w.refuse(contracttest.Pay(p[4], p[1], 1_000_000*qirat.PerGX))
	w.do(&command.DisburseFromPool{Pool: "CHARITABLE", RecipientID: lk[1], Amount: 7, Reason: "relief"})
	w.do(&command.TransferInternal{FromID: account.GXPool, ToID: p[4], Amount: 9, Type: command.SystemAdjustment, Remark: "correction"})
	w.do(&command.TransferInternal{FromID: account.OperationsFund, ToID: p[4], Amount: 2, Type: command.FeeRedistribution, Remark: "a share"})
	w.do(&command.FreezeWallet{AccountID: p[3], Reason: "inquiry"})
	w.do(&command.SetUserStatus{UserID: p[2], Status: string(account.Suspended), Reason: "inquiry"})
	w.do(&command.AppointAdmin{ActorID: "clerk", NewAdminID: p[1]}, &command.AppointAdmin{ActorID: "clerk", NewAdminID: p[0]})
	w.do(&command.RevokeAdmin{AdminID: p[1]})
	w.do(&command.AnchorAudit{Sequence: 7, Hash: strings.Repeat("ab", 32)})
	w.do(&command.SetTaxExempt{AccountID: p[4], Exempt: true, Reason: "court order"})
	w.later(400 * day)
	w.do(&command.MarkLoanDefaulted{AdminID: "scheduler", LoanID: owed, BorrowerID: p[0]})
	w.do(&command.ApplyVelocityTax{AccountID: lk[0], Country: "LK"})
	w.do(&command.CompactAccount{AccountID: account.UserGenesisPool, Max: 3})
	w.do(&command.PauseSystem{Reason: "holiday"})
	return append(p, lk...)
}

// verify verifies once.
func (w *town) verify() *Report {
	w.t.Helper()
	r, err := Verify(w.t.Context(), w.sees, w, options)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// split returns the object type and the attributes of a key.
func split(key string) []string { return strings.Split(strings.Trim(key, "\x00"), "\x00") }

// exec runs SQL as the owner and returns the number of rows.
func (w *town) exec(sql string) int64 {
	w.t.Helper()
	tag, err := w.pool.Exec(w.t.Context(), sql)
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return tag.RowsAffected()
}
