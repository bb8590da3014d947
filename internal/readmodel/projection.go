package readmodel

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/protocol/event"
)

// Notification is the PostgreSQL channel that is notified when a flush wrote
// command results.
const Notification = "gx_projected"

// Projection accumulates the effects of consecutive ledger transactions in
// memory and writes them set-based: a fixed number of statements whatever the
// number of events. It serves one goroutine and one flush. After an error it
// must be thrown away.
type Projection struct {
	Silent bool // nobody is notified

	txs      []string // ids of the transactions
	log      []logged
	commands []Result
	entries  []statementRow
	accounts map[string]*accountChange
	users    map[string]*userChange
	country  countryChanges
	pools    poolChanges
	system   systemChange
	dead     []DeadLetter

	relationships map[string]*relationshipChange
	guardians     map[string]*nomination
	recoveries    map[string]*recoveryChange
	organizations map[string]*organizationChange
	rules         map[ruleKey]*ruleChange
	multisig      map[string]*multiSigChange
	decisions     []MultiSigDecision
	loans         map[string]*loanChange
	proposals     map[string]*proposalChange
	votes         []Vote
	treasuries    []treasuryChange
	admins        map[string]*adminChange
	anchors       []AuditAnchor
	assessments   []assessmentRow
}

// NewProjection returns an empty projection.
func NewProjection() *Projection {
	return &Projection{
		accounts: map[string]*accountChange{}, users: map[string]*userChange{}, country: newCountryChanges(), pools: newPoolChanges(),
		relationships: map[string]*relationshipChange{}, guardians: map[string]*nomination{}, recoveries: map[string]*recoveryChange{},
		organizations: map[string]*organizationChange{}, rules: map[ruleKey]*ruleChange{},
		multisig: map[string]*multiSigChange{}, loans: map[string]*loanChange{}, proposals: map[string]*proposalChange{}, admins: map[string]*adminChange{},
	}
}

// meta is what a handler knows about the event beside its content.
type meta struct {
	txID      string
	block     int64
	txIndex   int
	seq       int
	at        time.Time
	commandID string
}

type logged struct {
	meta
	event.Record
}

// handler turns one event into effects, without I/O.
type handler func(p *Projection, m meta, e event.Event) error

// on adapts a typed handler for the table.
func on[E any, P interface {
	*E
	event.Event
}](h func(*Projection, meta, P) error) (event.Type, handler) {
	return P(new(E)).EventType(), func(p *Projection, m meta, e event.Event) error {
		content, ok := e.(P)
		if !ok {
			return misfit("event %s has content %T", P(new(E)).EventType(), e)
		}
		return h(p, m, content)
	}
}

var handlers = map[event.Type]handler{}

func register(t event.Type, h handler) { handlers[t] = h }

func init() {
	register(on(systemBootstrapped))
	register(on(countryDataInitialized))
	register(on(systemPaused))
	register(on(systemResumed))
	register(on(userCreated))
	register(on(genesisDistributed))
	register(on(treasuryAllocated))
	register(on(transferCompleted))
	register(on(walletFrozen))
	register(on(walletUnfrozen))
	register(on(internalTransfer))
	register(on(poolDisbursed))
	register(on(systemParameterUpdated))
	register(on(adminAppointed))
	register(on(adminRevoked))
	register(on(auditAnchored))
	register(on(treasuryActivated))
	register(on(userStatusChanged))
	register(on(trustScoreUpdated))
	register(on(relationshipRequested))
	register(on(relationshipConfirmed))
	register(on(relationshipRejected))
	register(on(relationshipEnded))
	register(on(guardiansNominated))
	register(on(recoveryInitiated))
	register(on(recoveryVoteCast))
	register(on(recoveryConfirmed))
	register(on(recoveryExecuted))
	register(on(recoveryCancelled))
	register(on(recoveryExpired))
	register(on(organizationProposed))
	register(on(membershipEndorsed))
	register(on(organizationActivated))
	register(on(authRuleDefined))
	register(on(multiSigTxInitiated))
	register(on(multiSigTxApproved))
	register(on(multiSigTxExecuted))
	register(on(multiSigTxExecutionFailed))
	register(on(multiSigTxRejected))
	register(on(multiSigTxCancelled))
	register(on(multiSigTxExpired))
	register(on(loanApplicationReceived))
	register(on(loanApproved))
	register(on(loanRejected))
	register(on(loanCancelled))
	register(on(loanRepaid))
	register(on(loanDefaulted))
	register(on(proposalSubmitted))
	register(on(voteCast))
	register(on(proposalTallied))
	register(on(proposalExecuted))
	register(on(proposalFailed))
	register(on(proposalCancelled))
	register(on(velocityTaxApplied))
	register(on(velocityTaxExemptionChanged))
}

// Add accumulates the effects of the next transaction. Its errors are ErrData.
func (p *Projection) Add(tx Tx) error {
	m := meta{txID: tx.ID, block: int64(tx.Block), txIndex: tx.Index, at: tx.At.UTC()}
	p.txs = append(p.txs, tx.ID)
	for _, c := range tx.Commands {
		p.addCommand(m, c)
	}
	for _, e := range tx.Events {
		h, ok := handlers[e.Type]
		if !ok {
			return misfit("no handler for event %s", e.Type)
		}
		em := m
		em.seq = e.Seq
		if e.Command >= 0 && e.Command < len(tx.Commands) {
			em.commandID = tx.Commands[e.Command].ID
		}
		p.log = append(p.log, logged{em, e.Record})
		if err := h(p, em, e.Content); err != nil {
			return fmt.Errorf("transaction %s, event %d (%s): %w", tx.ID, e.Seq, e.Type, err)
		}
	}
	return nil
}

// Bury records a dead letter with the effects, for an event that is skipped.
func (p *Projection) Bury(d DeadLetter) { p.dead = append(p.dead, d) }

// Flush writes every effect and moves the checkpoint to a position, in the
// caller's transaction, which must hold the checkpoint (LockCheckpoint) and be
// rolled back on error. Errors that come from the events are ErrData.
func (p *Projection) Flush(ctx context.Context, tx pgx.Tx, to Position) error {
	b := &batch{}
	p.flushLog(b) // first: the key of the log is the proof that nothing is applied twice
	p.flushResolved(b)
	p.flushCommands(b)
	p.flushUsers(b)
	p.flushAccounts(b)
	p.flushPools(b)
	p.flushCountries(b)
	p.flushSystem(b)
	p.flushAdmins(b)
	p.flushAnchors(b)
	p.flushTreasuries(b)
	p.flushRelationships(b)
	p.flushGuardians(b)
	p.flushRecoveries(b)
	p.flushOrganizations(b)
	p.flushRules(b)
	p.flushMultiSig(b)
	p.flushLoans(b)
	p.flushProposals(b)
	p.flushAssessments(b)
	p.flushEntries(b)
	for _, d := range p.dead {
		bury(b, d)
	}
	b.exec(1, "checkpoint", `UPDATE read.checkpoint SET block = $1, tx_index = $2, block_hash = $3`, to.Block, to.TxIndex, to.Hash)
	if len(p.commands) > 0 && !p.Silent {
		b.Queue(`SELECT pg_notify($1, '')`, Notification)
	}
	if err := tx.SendBatch(ctx, &b.Batch).Close(); err != nil {
		return fmt.Errorf("flush read model: %w", classified(err))
	}
	return nil
}

func (p *Projection) flushLog(b *batch) {
	if len(p.log) == 0 {
		return
	}
	l := p.log
	b.exec(len(l), "event log", `
		INSERT INTO read.event_log (tx_id, seq, block, tx_index, type, version, command_id, data, at)
		SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::timestamptz[])`,
		column(l, func(e logged) string { return e.txID }),
		column(l, func(e logged) int { return e.seq }),
		column(l, func(e logged) int64 { return e.block }),
		column(l, func(e logged) int { return e.txIndex }),
		column(l, func(e logged) string { return string(e.Type) }),
		column(l, func(e logged) string { return e.Version }),
		column(l, func(e logged) string { return e.commandID }),
		column(l, func(e logged) []byte { return e.Data }),
		column(l, func(e logged) time.Time { return e.at }))
}

// batch is a pipeline of statements that each must touch an exact number of rows.
type batch struct{ pgx.Batch }

func (b *batch) exec(rows int, what, sql string, args ...any) {
	b.Queue(sql, args...).Exec(func(tag pgconn.CommandTag) error {
		if int(tag.RowsAffected()) != rows {
			return misfit("%s: %d rows changed instead of %d", what, tag.RowsAffected(), rows)
		}
		return nil
	})
}

// column returns one attribute of every row, for unnest.
func column[R, T any](rows []R, get func(R) T) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = get(r)
	}
	return out
}

// sorted returns the values of m in key order, so that every flush locks rows
// in one order.
func sorted[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// entry returns the value of a key, made when it is missing.
func entry[K comparable, V any](m map[K]*V, k K, make func() *V) *V {
	v := m[k]
	if v == nil {
		v = make()
		m[k] = v
	}
	return v
}

// filter returns the rows that satisfy a condition.
func filter[R any](rows []R, keep func(R) bool) []R {
	var out []R
	for _, r := range rows {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}
