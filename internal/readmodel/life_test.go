package readmodel_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

// life makes up transactions of every kind. Its names are few, so that the
// events of one run meet each other.
type life struct {
	*readmodeltest.Economy
	rand   *rand.Rand
	at     time.Time
	serial int

	relationships map[trust.Relationship]status.Relationship
	recoveries    map[string][]string // open, with who has not voted
	orgs          []string
	pending       map[string][]string // open multi-signature transactions, with who has not decided
	loans         map[string]*loan
	proposals     map[string]map[string]bool // active, with who has voted
	activated     bool
	anchored      int64
	seen          map[event.Type]bool
}

type loan struct {
	borrower       string
	amount, repaid qirat.Amount
	active         bool
}

var people = []string{"alice", "bob", "carol", "dave"}

// newLife returns a life after its opening, with the transactions of that.
func newLife(seed uint64) (*life, []readmodel.Tx) {
	l := &life{
		Economy: readmodeltest.NewEconomy(), rand: rand.New(rand.NewPCG(seed, 0)), relationships: map[trust.Relationship]status.Relationship{},
		recoveries: map[string][]string{}, pending: map[string][]string{}, loans: map[string]*loan{}, proposals: map[string]map[string]bool{}, seen: map[event.Type]bool{},
	}
	commands := []readmodeltest.Command{l.Bootstrap(), l.AddCountries("AE", "US")}
	for i, id := range people {
		commands = append(commands, l.CreateUser(id, []string{"AE", "US"}[i%2], readmodeltest.Epoch))
	}
	return l, []readmodel.Tx{l.tx(0, commands...)}
}

func (l *life) tx(block uint64, commands ...readmodeltest.Command) readmodel.Tx {
	for _, c := range commands {
		for _, e := range c.Events {
			l.seen[e.EventType()] = true
		}
	}
	return l.Decoded(block, 0, commands...)
}

// transactions returns n more, each of one to three commands.
func (l *life) transactions(n int) []readmodel.Tx {
	var out []readmodel.Tx
	for block := uint64(1); len(out) < n; block++ {
		l.at = readmodeltest.Epoch.Add(time.Duration(block) * time.Second)
		var commands []readmodeltest.Command
		for range 1 + l.rand.IntN(3) {
			if events := l.act(); events != nil {
				commands = append(commands, readmodeltest.Command{Type: "ANY", Events: events})
			}
		}
		if len(commands) > 0 {
			out = append(out, l.tx(block, commands...))
		}
	}
	return out
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (l *life) id(prefix string) string {
	l.serial++
	return fmt.Sprint(prefix, l.serial)
}

// some returns a key of m.
func some[V any](l *life, m map[string]V) (string, bool) {
	if len(m) == 0 {
		return "", false
	}
	keys := make([]string, 0, len(m))
	for i := range l.serial + 1 { // in the order of their making, whatever the map's
		for _, prefix := range []string{"RECOVERY_", "PENDING_TX_", "LOAN_", "PROP_"} {
			if k := fmt.Sprint(prefix, i); m != nil {
				if _, ok := m[k]; ok {
					keys = append(keys, k)
				}
			}
		}
	}
	return pick(l.rand, keys), true
}

// act returns the events of one random command, nil when it is not possible.
func (l *life) act() []event.Event {
	return pick(l.rand, []func() []event.Event{
		l.relate, l.relate, l.guard, l.recover, l.organize, l.multiSig, l.multiSig, l.multiSig, l.lend, l.lend, l.vote, l.vote, l.money, l.money, l.house,
	})()
}

func (l *life) relate() []event.Event {
	r := trust.Relationship{Subject: pick(l.rand, people), Relation: pick(l.rand, trust.Relations), Object: pick(l.rand, people)}
	if r.Subject == r.Object {
		return nil
	}
	score := &event.TrustScoreUpdated{UserID: r.Subject, Score: l.rand.IntN(100), Family: l.rand.IntN(80), Friends: l.rand.IntN(10), Business: l.rand.IntN(10), Loans: l.rand.IntN(10)}
	switch s := l.relationships[r]; {
	case s == status.RelationshipPending && l.rand.IntN(2) == 0:
		l.relationships[r] = status.RelationshipRejected
		return []event.Event{&event.RelationshipRejected{RelationshipID: r.ID(), SubjectID: r.Subject, ObjectID: r.Object, Relation: r.Relation, Reason: "no"}}
	case s == status.RelationshipPending:
		l.relationships[r] = status.RelationshipConfirmed
		return []event.Event{&event.RelationshipConfirmed{RelationshipID: r.ID(), SubjectID: r.Subject, ObjectID: r.Object, Relation: r.Relation}, score}
	case s == status.RelationshipConfirmed:
		l.relationships[r] = status.RelationshipEnded
		return []event.Event{&event.RelationshipEnded{RelationshipID: r.ID(), SubjectID: r.Subject, ObjectID: r.Object, Relation: r.Relation, EndedBy: r.Subject, Reason: "over"}, score}
	}
	l.relationships[r] = status.RelationshipPending
	return []event.Event{&event.RelationshipRequested{RelationshipID: r.ID(), SubjectID: r.Subject, ObjectID: r.Object, Relation: r.Relation}}
}

func (l *life) guard() []event.Event {
	guardians := [][]string{{"bob", "carol", "dave"}, {"carol", "dave"}, {"bob"}}
	return []event.Event{&event.GuardiansNominated{UserID: "alice", GuardianIDs: pick(l.rand, guardians)}}
}

func (l *life) recover() []event.Event {
	id, ok := some(l, l.recoveries)
	if !ok || l.rand.IntN(3) == 0 {
		id = l.id("RECOVERY_")
		l.recoveries[id] = []string{"carol", "dave"}
		return []event.Event{&event.RecoveryInitiated{SessionID: id, LostAccountID: "alice", InitiatorID: "bob", NewControllerKeyHash: "key", Required: 2, ExpiresAt: l.at.Add(time.Hour)}}
	}
	left := l.recoveries[id]
	switch end := l.rand.IntN(4); {
	case len(left) > 0 && end > 0:
		l.recoveries[id] = left[1:]
		return []event.Event{
			&event.RecoveryVoteCast{SessionID: id, LostAccountID: "alice", GuardianID: left[0], Confirmations: 4 - len(left), Required: 2},
			&event.RecoveryConfirmed{SessionID: id, LostAccountID: "alice", ExecutableAt: l.at.Add(48 * time.Hour)},
			&event.WalletFrozen{AccountID: "alice", Reason: "recovery", FrozenAt: l.at},
		}
	case end == 0:
		delete(l.recoveries, id)
		return []event.Event{&event.RecoveryExpired{SessionID: id, LostAccountID: "alice"}}
	case end == 1:
		delete(l.recoveries, id)
		return []event.Event{&event.RecoveryCancelled{SessionID: id, LostAccountID: "alice"}, &event.WalletUnfrozen{AccountID: "alice", UnfrozenAt: l.at}}
	}
	delete(l.recoveries, id)
	return []event.Event{&event.RecoveryExecuted{SessionID: id, LostAccountID: "alice", ControllerKeyHash: "key of " + id, RecoveryEpoch: l.serial}, &event.WalletUnfrozen{AccountID: "alice", UnfrozenAt: l.at}}
}

func (l *life) organize() []event.Event {
	if len(l.orgs) < 3 {
		id := l.id("org-")
		l.orgs = append(l.orgs, id)
		return append(l.ProposeOrganization(id, account.Government, "AE", people[:3]...).Events, l.rule(id, true))
	}
	org := pick(l.rand, l.orgs)
	switch l.rand.IntN(5) {
	case 0:
		return []event.Event{l.rule(org, true)}
	case 1:
		return []event.Event{&event.OrganizationActivated{OrgID: org, ActivatedBy: "alice"}}
	case 2:
		return []event.Event{&event.WalletFrozen{AccountID: org, Reason: "inquiry", FrozenAt: l.at}}
	case 3:
		return []event.Event{&event.WalletUnfrozen{AccountID: org, UnfrozenAt: l.at}}
	}
	return []event.Event{&event.MembershipEndorsed{OrgID: org, EndorserID: pick(l.rand, people[:3]), Remaining: 1}}
}

func (l *life) rule(org string, reset bool) *event.AuthRuleDefined {
	return &event.AuthRuleDefined{OrgID: org, RuleID: l.id("RULE_"), AmountThreshold: qirat.Amount(l.rand.IntN(3)), RequiredApprovers: 1, ApproverGroup: people[:1+l.rand.IntN(3)],
		DefinedBy: "alice", EndorsementsReset: reset}
}

func (l *life) multiSig() []event.Event {
	id, ok := some(l, l.pending)
	if !ok || l.rand.IntN(4) == 0 {
		if len(l.orgs) == 0 {
			return nil
		}
		id = l.id("PENDING_TX_")
		i := &event.MultiSigTxInitiated{PendingTxID: id, OrgID: pick(l.rand, l.orgs), Operation: status.OperationTransfer, InitiatorID: "alice", FromID: l.orgs[0], ToID: "dave", Amount: 5,
			RuleID: "RULE_1", RequiredApprovals: 3, ApproverGroup: people[:3], Approved: l.rand.IntN(2) == 0, ExpiresAt: l.at.Add(time.Hour)}
		if l.rand.IntN(3) == 0 {
			i.Operation, i.FromID, i.ToID, i.Amount = status.OperationRule, "", "", 0
			i.Rule = &event.Rule{AmountThreshold: 7, RequiredApprovers: 1, ApproverGroup: people[:2]}
		}
		l.pending[id] = people[1:3]
		return []event.Event{i}
	}
	left := l.pending[id]
	switch n := l.rand.IntN(7); {
	case n == 0:
		delete(l.pending, id)
		return []event.Event{&event.MultiSigTxCancelled{PendingTxID: id, CancelledBy: "alice"}}
	case n == 1:
		delete(l.pending, id)
		return []event.Event{&event.MultiSigTxExpired{PendingTxID: id}}
	case n == 2:
		return []event.Event{&event.MultiSigTxExecutionFailed{PendingTxID: id, Code: "INSUFFICIENT_FUNDS", Message: l.id("only ")}}
	case len(left) == 0 && n == 3:
		delete(l.pending, id)
		return []event.Event{&event.MultiSigTxRejected{PendingTxID: id, RejectedBy: "dave", Reason: "no", Status: status.MultiSigRejected}}
	case len(left) == 0:
		delete(l.pending, id)
		return []event.Event{l.rule(l.orgs[0], false), &event.MultiSigTxExecuted{PendingTxID: id, ExecutedBy: "carol"}}
	case n == 3:
		l.pending[id] = left[1:]
		return []event.Event{&event.MultiSigTxRejected{PendingTxID: id, RejectedBy: left[0], Reason: "not yet", Status: status.MultiSigPending}}
	}
	l.pending[id] = left[1:]
	return []event.Event{&event.MultiSigTxApproved{PendingTxID: id, ApproverID: left[0], Approvals: 3 - len(left), RequiredApprovals: 3}}
}

func (l *life) lend() []event.Event {
	id, ok := some(l, l.loans)
	if !ok || l.rand.IntN(3) == 0 {
		id = l.id("LOAN_")
		l.loans[id] = &loan{borrower: pick(l.rand, people), amount: 100}
		return []event.Event{&event.LoanApplicationReceived{LoanID: id, BorrowerID: l.loans[id].borrower, Amount: 100, Purpose: "a shop", CollateralHash: "00", TermDays: 30, AppliedAt: l.at}}
	}
	n := l.loans[id]
	switch k := l.rand.IntN(5); {
	case n.active && k == 0:
		return []event.Event{&event.LoanDefaulted{LoanID: id, BorrowerID: n.borrower, MarkedBy: "scheduler", Outstanding: n.amount - n.repaid, Defaults: l.serial, Banned: l.serial > 100}}
	case n.active:
		payer := pick(l.rand, people)
		amount := min(n.amount-n.repaid, 40, l.Balances[payer])
		if amount == 0 {
			return nil
		}
		out := l.Repay(id, n.borrower, payer, n.amount, n.repaid, amount, l.at).Events
		if n.repaid += amount; n.repaid == n.amount {
			delete(l.loans, id)
		}
		return out
	case k == 0:
		delete(l.loans, id)
		return []event.Event{&event.LoanRejected{LoanID: id, BorrowerID: n.borrower, RejectedBy: "clerk", Reason: "no"}}
	case k == 1:
		delete(l.loans, id)
		return []event.Event{&event.LoanCancelled{LoanID: id, BorrowerID: n.borrower}}
	}
	n.active = true
	return l.Lend(id, n.borrower, n.amount, l.at.Add(time.Hour), l.at).Events
}

func (l *life) vote() []event.Event {
	id, ok := some(l, l.proposals)
	if !ok || l.rand.IntN(6) == 0 {
		id = l.id("PROP_")
		l.proposals[id] = map[string]bool{}
		return []event.Event{&event.ProposalSubmitted{ProposalID: id, TargetParam: "votingPeriodDays", CurrentValue: "14", NewValue: "21", ProposerID: "alice", Title: "Longer", Description: "votes",
			Quorum: 100, ApprovalPct: 60, EndTime: l.at.Add(time.Hour)}}
	}
	voted := l.proposals[id]
	switch l.rand.IntN(8) {
	case 0:
		delete(l.proposals, id)
		return []event.Event{&event.ProposalTallied{ProposalID: id, ForVotes: 1, AgainstVotes: 2, Bookmark: "carol", Complete: true},
			&event.ProposalFailed{ProposalID: id, ForVotes: 1, AgainstVotes: 2, Status: status.ProposalFailed, Reason: "too few"}}
	case 1:
		delete(l.proposals, id)
		return []event.Event{
			&event.SystemParameterUpdated{ParamID: "votingPeriodDays", OldValue: "14", NewValue: fmt.Sprint(l.serial), Source: status.SourceProposal, Cause: id},
			&event.ProposalExecuted{ProposalID: id, TargetParam: "votingPeriodDays", NewValue: "21", ForVotes: 3, AgainstVotes: 1},
		}
	case 2:
		delete(l.proposals, id)
		return []event.Event{&event.ProposalCancelled{ProposalID: id, CancelledBy: "clerk"}}
	case 3:
		return []event.Event{&event.ProposalTallied{ProposalID: id, ForVotes: uint64(l.serial), AgainstVotes: 1, Bookmark: pick(l.rand, people)}}
	}
	voter := pick(l.rand, people)
	if voted[voter] {
		return nil
	}
	voted[voter] = true
	return []event.Event{&event.VoteCast{ProposalID: id, VoterID: voter, Support: l.rand.IntN(2) == 0}}
}

func (l *life) money() []event.Event {
	pools := []string{account.CharitablePool, account.OperationsFund, account.GXPool}
	to := pick(l.rand, append([]string{"treasury_AE", "treasury_US"}, people...))
	from := pick(l.rand, people)
	switch l.rand.IntN(6) {
	case 0:
		return l.Disburse(pick(l.rand, pools), to, 1000, l.at).Events
	case 1:
		return l.Adjust(pick(l.rand, pools), to, 500, pick(l.rand, []command.InternalType{command.SystemAdjustment, command.FeeRedistribution}), l.at).Events
	case 2:
		return l.Adjust(from, pick(l.rand, pools), min(300, l.Balances[from]), command.FeeCollection, l.at).Events
	case 3:
		return l.Tax(from, account.Individual, l.at.Add(-time.Hour), l.at).Events
	case 4:
		started := l.at
		e := &event.VelocityTaxExemptionChanged{AccountID: from, Exempt: l.rand.IntN(2) == 0, Reason: l.id("order ")}
		if !e.Exempt {
			e.VelocityTimerStart = &started
		}
		return []event.Event{e}
	}
	if to == from {
		return nil
	}
	return l.Transfer(from, to, min(700, l.Balances[from]/2), 1, "").Events
}

func (l *life) house() []event.Event {
	id := pick(l.rand, people)
	switch l.rand.IntN(7) {
	case 6:
		l.anchored++
		return []event.Event{&event.AuditAnchored{Sequence: l.anchored, Hash: "ab"}}
	case 0:
		return []event.Event{&event.AdminAppointed{AdminID: "alice", AppointedBy: l.id("clerk ")}}
	case 1:
		if !l.seen["AdminAppointed"] {
			return nil
		}
		return []event.Event{&event.AdminRevoked{AdminID: "alice"}}
	case 2:
		if l.activated {
			return nil
		}
		l.activated = true
		return []event.Event{&event.TreasuryActivated{TreasuryID: "treasury_AE", CountryCode: "AE", OrgID: "org-1"}}
	case 3:
		return []event.Event{&event.SystemPaused{Reason: l.id("upgrade ")}, &event.SystemResumed{}}
	}
	return []event.Event{&event.UserStatusChanged{UserID: id, OldStatus: account.Active, NewStatus: pick(l.rand, []account.Status{account.Active, account.Suspended, account.Frozen}), Reason: "inquiry"}}
}

// The read model does not depend on how many transactions one flush writes,
// every balance comes out, and no Qirat is made or lost.
func TestRebuild(t *testing.T) {
	seen := map[event.Type]bool{}
	for seed := range uint64(3) {
		l, txs := newLife(seed)
		txs = append(txs, l.transactions(400)...)
		whole := func([]readmodel.Tx) int { return len(txs) }
		single := func([]readmodel.Tx) int { return 1 }
		some := func(rest []readmodel.Tx) int { return 1 + l.rand.IntN(min(20, len(rest))) }
		want := build(t, txs, single)
		for name, size := range map[string]func([]readmodel.Tx) int{"at once": whole, "in pieces": some} {
			if diff := cmp.Diff(readmodeltest.Dump(t, want), readmodeltest.Dump(t, build(t, txs, size))); diff != "" {
				t.Errorf("seed %d, %s: %s", seed, name, diff)
			}
		}
		w := &world{l.Economy, t, want, 0}
		w.checkBalances()
		w.checkStatements()
		for table, rows := range readmodeltest.Dump(t, want) {
			if len(rows) == 0 && table != "event_dlq" {
				t.Errorf("seed %d: nothing is in %s", seed, table)
			}
		}
		for typ := range l.seen {
			seen[typ] = true
		}
	}
	for _, d := range event.All() {
		if !seen[d.Type] {
			t.Errorf("%s has not happened", d.Type)
		}
	}
}

// checkStatements adds every statement up to the balance of its account.
func (w *world) checkStatements() {
	w.t.Helper()
	opening := map[string]qirat.Amount{}
	for _, p := range account.Pools {
		opening[p.Account] = qirat.Amount(p.Opening)
	}
	for id, want := range w.Balances {
		var f readmodel.Filter
		sum := opening[id]
		for {
			page := must[readmodel.Page](w.t)(readmodel.Statement(w.t.Context(), w.pool, id, f))
			for _, e := range page.Entries {
				if e.Type.Credit() {
					sum += e.Amount
				} else {
					sum -= e.Amount // may wrap for a moment: entries come newest first
				}
				if (e.BalanceAfter == nil) != account.IsCollective(id) {
					w.t.Errorf("%s: %s of %s states the balance %v", id, e.Type, e.Amount, e.BalanceAfter)
				}
			}
			if f.Before = page.Next; f.Before == nil {
				break
			}
		}
		if sum != want {
			w.t.Errorf("the statement of %s adds up to %s, want %s", id, sum, want)
		}
	}
}

// build applies transactions to an empty read model, size of what is left at a time.
func build(t *testing.T, txs []readmodel.Tx, size func([]readmodel.Tx) int) *pgxpool.Pool {
	t.Helper()
	pool := pgtest.New(t).Pool(t, "gx_projector")
	for rest := txs; len(rest) > 0; {
		n := size(rest)
		p := readmodel.NewProjection()
		for _, tx := range rest[:n] {
			if err := p.Add(tx); err != nil {
				t.Fatal(err)
			}
		}
		last := rest[n-1]
		err := pgx.BeginFunc(t.Context(), pool, func(db pgx.Tx) error {
			return p.Flush(t.Context(), db, readmodel.Position{Block: int64(last.Block), TxIndex: last.Index, Hash: []byte{1}})
		})
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	return pool
}
