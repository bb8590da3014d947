package readmodel

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// MultiSigState is what an organization does when enough of its approvers agree.
type MultiSigState struct {
	PendingTxID       string
	OrgID             string
	Operation         status.Operation
	InitiatorID       string
	FromID            string // the organization or a treasury; empty without a payment
	ToID              string
	Amount            qirat.Amount
	Remark            string
	Rule              *event.Rule // nil unless the operation is one
	RuleID            string      // that the approvals follow
	RequiredApprovals int
	ApproverGroup     []string
	Status            status.MultiSig
	Approvals         int
	ExpiresAt         time.Time
	CreatedAt         time.Time
	ClosedAt          *time.Time
	ClosedBy          string // who executed, rejected or cancelled it
	ClosedTx          string // ledger transaction
	FailureCode       string // of the last attempt to execute it, when it is not executed
	Failure           string
	FailedAt          *time.Time
	Cursor            Cursor `db:"-"`
}

type multiSigRow struct {
	MultiSigState
	Cursor
}

func (r multiSigRow) state() MultiSigState {
	r.MultiSigState.Cursor = r.Cursor
	return r.MultiSigState
}

const multiSigSelect = `
	SELECT pending_tx_id, org_id, operation, initiator_id, from_id, to_id, amount, remark, new_rule AS rule, rule_id, required_approvals, approver_group,
	       status, approvals, expires_at, created_at, closed_at, closed_by, closed_tx, failure_code, failure, failed_at,
	       block, tx_index, seq, 0 AS entry
	FROM read.multisig_transactions m`

// MultiSigTx returns a transaction of an organization, or ErrNotFound.
func MultiSigTx(ctx context.Context, db postgres.DB, pendingTxID string) (MultiSigState, error) {
	r, err := one[multiSigRow](ctx, db, "multi-signature transaction", multiSigSelect+` WHERE pending_tx_id = $1`, pendingTxID)
	return r.state(), err
}

// MultiSigTxs returns the transactions of an organization, all or those in some
// statuses.
func MultiSigTxs(ctx context.Context, db postgres.DB, orgID string, in []status.MultiSig, w Window) (List[MultiSigState], error) {
	var q query
	q.add("org_id = $%d", orgID)
	oneOf(&q, "status", in)
	return multiSigTxs(ctx, db, q, w)
}

// AwaitingApproval returns the pending transactions of all organizations on
// which a person has still to decide.
func AwaitingApproval(ctx context.Context, db postgres.DB, userID string, w Window) (List[MultiSigState], error) {
	var q query
	q.add("status = 'PENDING' AND approver_group @> ARRAY[$%d]", userID)
	q.add("NOT EXISTS (SELECT 1 FROM read.multisig_decisions d WHERE d.pending_tx_id = m.pending_tx_id AND d.user_id = $%d)", userID)
	return multiSigTxs(ctx, db, q, w)
}

func multiSigTxs(ctx context.Context, db postgres.DB, q query, w Window) (List[MultiSigState], error) {
	return list(ctx, db, "multi-signature transactions", multiSigSelect, q, w, multiSigRow.state, func(r multiSigRow) Cursor { return r.Cursor })
}

// ExpiredMultiSigTxs returns up to limit pending transactions whose time was
// over at a moment, the longest over first, after a place in that order.
func ExpiredMultiSigTxs(ctx context.Context, db postgres.DB, until time.Time, after Due, limit int) ([]MultiSigState, error) {
	var q query
	q.add("status = 'PENDING'")
	rows, err := due[multiSigRow](ctx, db, "expired multi-signature transactions", multiSigSelect, "pending_tx_id", "expires_at", q, until, after, limit)
	return column(rows, multiSigRow.state), err
}

// MultiSigDecision is what an approver said.
type MultiSigDecision struct {
	PendingTxID string
	UserID      string
	Approved    bool
	Reason      string // of a refusal
	At          time.Time
}

// MultiSigDecisions returns what the approvers of some transactions said, in order.
func MultiSigDecisions(ctx context.Context, db postgres.DB, pendingTxIDs ...string) ([]MultiSigDecision, error) {
	return many[MultiSigDecision](ctx, db, "decisions", `
		SELECT pending_tx_id, user_id, approved, reason, at FROM read.multisig_decisions WHERE pending_tx_id = ANY($1) ORDER BY at, user_id`, pendingTxIDs)
}

// multiSigChange is what a run of events did to one transaction.
type multiSigChange struct {
	id        string
	initiated *event.MultiSigTxInitiated
	made      meta
	newRule   string          // JSON of an event.Rule, or empty
	approvals *int            // nil: unchanged
	status    status.MultiSig // empty: unchanged
	closedAt  *time.Time
	closedBy  string
	closedTx  string
	failure   *event.MultiSigTxExecutionFailed // nil: unchanged; empty: there is none
	failedAt  *time.Time
}

func (p *Projection) multiSigChange(id string) *multiSigChange {
	return entry(p.multisig, id, func() *multiSigChange { return &multiSigChange{id: id} })
}

func (p *Projection) decide(m meta, id, userID string, approved bool, reason string) {
	p.decisions = append(p.decisions, MultiSigDecision{id, userID, approved, reason, m.at})
}

func multiSigTxInitiated(p *Projection, m meta, e *event.MultiSigTxInitiated) error {
	c := p.multiSigChange(e.PendingTxID)
	if c.initiated != nil {
		return misfit("transaction %s is initiated twice", e.PendingTxID)
	}
	if (e.Operation == status.OperationRule) != (e.Rule != nil) {
		return misfit("transaction %s is a %s with the rule %v", e.PendingTxID, e.Operation, e.Rule)
	}
	c.initiated, c.made = e, m
	if e.Rule != nil {
		rule, err := json.Marshal(e.Rule)
		if err != nil {
			return misfit("rule of transaction %s: %v", e.PendingTxID, err)
		}
		c.newRule = string(rule)
	}
	if e.Approved {
		p.decide(m, e.PendingTxID, e.InitiatorID, true, "")
	}
	return nil
}

func multiSigTxApproved(p *Projection, m meta, e *event.MultiSigTxApproved) error {
	p.multiSigChange(e.PendingTxID).approvals = &e.Approvals
	p.decide(m, e.PendingTxID, e.ApproverID, true, "")
	return nil
}

func multiSigTxRejected(p *Projection, m meta, e *event.MultiSigTxRejected) error {
	c := p.multiSigChange(e.PendingTxID)
	if e.Status == status.MultiSigRejected {
		c.close(m, e.Status, e.RejectedBy)
	}
	p.decide(m, e.PendingTxID, e.RejectedBy, false, e.Reason)
	return nil
}

func multiSigTxExecuted(p *Projection, m meta, e *event.MultiSigTxExecuted) error {
	c := p.multiSigChange(e.PendingTxID)
	c.close(m, status.MultiSigExecuted, e.ExecutedBy)
	c.failure, c.failedAt = &event.MultiSigTxExecutionFailed{}, nil
	return nil
}

func multiSigTxExecutionFailed(p *Projection, m meta, e *event.MultiSigTxExecutionFailed) error {
	c := p.multiSigChange(e.PendingTxID)
	c.failure, c.failedAt = e, &m.at
	return nil
}

func multiSigTxCancelled(p *Projection, m meta, e *event.MultiSigTxCancelled) error {
	p.multiSigChange(e.PendingTxID).close(m, status.MultiSigCancelled, e.CancelledBy)
	return nil
}

func multiSigTxExpired(p *Projection, m meta, e *event.MultiSigTxExpired) error {
	p.multiSigChange(e.PendingTxID).close(m, status.MultiSigExpired, "")
	return nil
}

func (c *multiSigChange) close(m meta, s status.MultiSig, by string) {
	c.status, c.closedAt, c.closedBy, c.closedTx = s, &m.at, by, m.txID
}

func (p *Projection) flushMultiSig(b *batch) {
	all := sorted(p.multisig)
	if len(all) == 0 {
		return
	}
	if r := filter(all, func(c *multiSigChange) bool { return c.initiated != nil }); len(r) > 0 {
		b.exec(len(r), "multi-signature transactions", `
			INSERT INTO read.multisig_transactions (pending_tx_id, org_id, operation, initiator_id, from_id, to_id, amount, remark, new_rule, rule_id,
			                                        required_approvals, approver_group, status, approvals, expires_at, created_at, block, tx_index, seq)
			SELECT id, org, operation, initiator, from_id, to_id, amount, remark, nullif(new_rule, '')::jsonb, rule, required, string_to_array(people, ','), $1,
			       approved::int, expires_at, at, block, tx_index, seq
			FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::text[], $11::text[],
			            $12::int[], $13::text[], $14::boolean[], $15::timestamptz[], $16::timestamptz[], $17::bigint[], $18::int[], $19::int[])
			  AS v (id, org, operation, initiator, from_id, to_id, amount, remark, new_rule, rule, required, people, approved, expires_at, at, block, tx_index, seq)`,
			string(status.MultiSigPending),
			column(r, func(c *multiSigChange) string { return c.id }),
			column(r, func(c *multiSigChange) string { return c.initiated.OrgID }),
			column(r, func(c *multiSigChange) string { return string(c.initiated.Operation) }),
			column(r, func(c *multiSigChange) string { return c.initiated.InitiatorID }),
			column(r, func(c *multiSigChange) string { return c.initiated.FromID }),
			column(r, func(c *multiSigChange) string { return c.initiated.ToID }),
			column(r, func(c *multiSigChange) int64 { return int64(c.initiated.Amount) }),
			column(r, func(c *multiSigChange) string { return c.initiated.Remark }),
			column(r, func(c *multiSigChange) string { return c.newRule }),
			column(r, func(c *multiSigChange) string { return c.initiated.RuleID }),
			column(r, func(c *multiSigChange) int { return c.initiated.RequiredApprovals }),
			column(r, func(c *multiSigChange) string { return group(c.initiated.ApproverGroup) }),
			column(r, func(c *multiSigChange) bool { return c.initiated.Approved }),
			column(r, func(c *multiSigChange) time.Time { return c.initiated.ExpiresAt }),
			column(r, func(c *multiSigChange) time.Time { return c.made.at }),
			column(r, func(c *multiSigChange) int64 { return c.made.block }),
			column(r, func(c *multiSigChange) int { return c.made.txIndex }),
			column(r, func(c *multiSigChange) int { return c.made.seq }))
	}
	failure := func(get func(*event.MultiSigTxExecutionFailed) *string) []*string {
		return column(all, func(c *multiSigChange) *string {
			if c.failure == nil {
				return nil
			}
			return get(c.failure)
		})
	}
	b.exec(len(all), "status of multi-signature transactions", `
		UPDATE read.multisig_transactions m
		SET approvals = coalesce(v.approvals, m.approvals), status = coalesce(nullif(v.status, ''), m.status),
		    closed_at = coalesce(v.closed_at, m.closed_at), closed_by = coalesce(nullif(v.closed_by, ''), m.closed_by),
		    closed_tx = coalesce(nullif(v.closed_tx, ''), m.closed_tx), failure_code = coalesce(v.failure_code, m.failure_code),
		    failure = coalesce(v.failure, m.failure), failed_at = CASE WHEN v.failure IS NULL THEN m.failed_at ELSE v.failed_at END
		FROM unnest($1::text[], $2::int[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[])
		  AS v (id, approvals, status, closed_at, closed_by, closed_tx, failure_code, failure, failed_at)
		WHERE m.pending_tx_id = v.id`,
		column(all, func(c *multiSigChange) string { return c.id }),
		column(all, func(c *multiSigChange) *int { return c.approvals }),
		column(all, func(c *multiSigChange) string { return string(c.status) }),
		column(all, func(c *multiSigChange) *time.Time { return c.closedAt }),
		column(all, func(c *multiSigChange) string { return c.closedBy }),
		column(all, func(c *multiSigChange) string { return c.closedTx }),
		failure(func(e *event.MultiSigTxExecutionFailed) *string { return &e.Code }),
		failure(func(e *event.MultiSigTxExecutionFailed) *string { return &e.Message }),
		column(all, func(c *multiSigChange) *time.Time { return c.failedAt }))
	if d := p.decisions; len(d) > 0 {
		b.exec(len(d), "decisions", `
			INSERT INTO read.multisig_decisions (pending_tx_id, user_id, approved, reason, at)
			SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[], $4::text[], $5::timestamptz[])`,
			column(d, func(d MultiSigDecision) string { return d.PendingTxID }),
			column(d, func(d MultiSigDecision) string { return d.UserID }),
			column(d, func(d MultiSigDecision) bool { return d.Approved }),
			column(d, func(d MultiSigDecision) string { return d.Reason }),
			column(d, func(d MultiSigDecision) time.Time { return d.At }))
	}
}
