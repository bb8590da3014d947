package readmodel

import (
	"context"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// LoanState is a loan, from its application on.
type LoanState struct {
	LoanID           string
	BorrowerID       string
	Amount           qirat.Amount
	Purpose          string
	CollateralHash   string
	CollateralStatus status.Collateral // empty before the approval
	TermDays         int
	Status           status.Loan
	Outstanding      qirat.Amount
	RepaidTotal      qirat.Amount
	AppliedAt        time.Time
	DecidedBy        string     // who approved, rejected or cancelled it
	DecidedAt        *time.Time // nil while it waits
	Reason           string     // of the rejection
	DueAt            *time.Time // nil before the approval
	PaidAt           *time.Time
	DefaultedAt      *time.Time
	Cursor           Cursor `db:"-"`
}

type loanRow struct {
	LoanState
	Cursor
}

func (r loanRow) state() LoanState {
	r.LoanState.Cursor = r.Cursor
	return r.LoanState
}

const loanSelect = `
	SELECT loan_id, borrower_id, amount, purpose, collateral_hash, collateral_status, term_days, status, outstanding, repaid_total, applied_at,
	       decided_by, decided_at, reason, due_at, paid_at, defaulted_at, block, tx_index, seq, 0 AS entry
	FROM read.loans`

// Loan returns a loan, or ErrNotFound.
func Loan(ctx context.Context, db postgres.DB, loanID string) (LoanState, error) {
	r, err := one[loanRow](ctx, db, "loan", loanSelect+` WHERE loan_id = $1`, loanID)
	return r.state(), err
}

// Loans returns the loans of a borrower, or of everyone when there is none, all
// or those in some statuses.
func Loans(ctx context.Context, db postgres.DB, borrowerID string, in []status.Loan, w Window) (List[LoanState], error) {
	var q query
	if borrowerID != "" {
		q.add("borrower_id = $%d", borrowerID)
	}
	oneOf(&q, "status", in)
	return list(ctx, db, "loans", loanSelect, q, w, loanRow.state, func(r loanRow) Cursor { return r.Cursor })
}

// Repayment is a part of a loan that was paid back.
type Repayment struct {
	PayerID   string
	Amount    qirat.Amount
	TxID      string // ledger transaction
	CommandID string
	At        time.Time
	Cursor    Cursor `db:"-"`
}

type repaymentRow struct {
	Repayment
	Cursor
}

func (r repaymentRow) state() Repayment {
	r.Repayment.Cursor = r.Cursor
	return r.Repayment
}

// Repayments returns what was paid back of a loan.
func Repayments(ctx context.Context, db postgres.DB, loanID string, w Window) (List[Repayment], error) {
	var q query
	q.add("type = 'LOAN_COLLECTION'")
	q.add("remark = $%d", loanID)
	return list(ctx, db, "repayments", `
		SELECT counterparty AS payer_id, amount, tx_id, command_id, at, block, tx_index, seq, 0 AS entry FROM read.transactions`,
		q, w, repaymentRow.state, func(r repaymentRow) Cursor { return r.Cursor })
}

// OverdueLoans returns up to limit active loans that were due up to a moment,
// the longest overdue first, after a place in that order.
func OverdueLoans(ctx context.Context, db postgres.DB, until time.Time, after Due, limit int) ([]LoanState, error) {
	var q query
	q.add("status = 'ACTIVE'")
	rows, err := due[loanRow](ctx, db, "overdue loans", loanSelect, "loan_id", "due_at", q, until, after, limit)
	return column(rows, loanRow.state), err
}

// StandingState is what counts for a new loan of a person.
type StandingState struct {
	TrustScore  int
	Open        int          // loans that wait for a decision, run or are in default
	Pending     qirat.Amount // applied for
	Outstanding qirat.Amount // owed, on defaulted loans too
	Defaults    int
	Banned      bool
}

// Standing returns a person's standing with the loan pool, or ErrNotFound.
func Standing(ctx context.Context, db postgres.DB, userID string) (StandingState, error) {
	return one[StandingState](ctx, db, "standing", `
		SELECT u.trust_score, u.loan_defaults AS defaults, u.loan_banned AS banned,
		       count(l.loan_id) AS open,
		       coalesce(sum(l.amount) FILTER (WHERE l.status = 'PENDING_APPROVAL'), 0)::bigint AS pending,
		       coalesce(sum(l.outstanding), 0)::bigint AS outstanding
		FROM read.users u LEFT JOIN read.loans l ON l.borrower_id = u.user_id AND l.status IN ('PENDING_APPROVAL', 'ACTIVE', 'DEFAULTED')
		WHERE u.user_id = $1 GROUP BY u.user_id`, userID)
}

// loanChange is what a run of events did to one loan.
type loanChange struct {
	id          string
	applied     *event.LoanApplicationReceived
	made        meta
	status      status.Loan // empty is unchanged, here and below
	collateral  status.Collateral
	outstanding *qirat.Amount
	repaid      *qirat.Amount
	decidedBy   string
	decidedAt   *time.Time
	reason      string
	dueAt       *time.Time
	paidAt      *time.Time
	defaultedAt *time.Time
}

func (p *Projection) loanChange(id string) *loanChange {
	return entry(p.loans, id, func() *loanChange { return &loanChange{id: id} })
}

func loanApplicationReceived(p *Projection, m meta, e *event.LoanApplicationReceived) error {
	c := p.loanChange(e.LoanID)
	if c.applied != nil {
		return misfit("loan %s is applied for twice", e.LoanID)
	}
	c.applied, c.made = e, m
	return nil
}

func loanApproved(p *Projection, m meta, e *event.LoanApproved) error {
	c := p.loanChange(e.LoanID)
	c.status, c.collateral, c.outstanding = status.LoanActive, status.CollateralPledged, &e.Amount
	c.decidedBy, c.decidedAt, c.dueAt = e.ApprovedBy, &m.at, &e.DueAt
	p.addEntry(m, 0, Entry{AccountID: e.BorrowerID, Type: LoanDisbursement, Counterparty: e.PoolSource, Amount: e.Amount, Remark: e.LoanID, BalanceAfter: &e.BorrowerBalanceAfter})
	p.addEntry(m, 1, Entry{AccountID: e.PoolSource, Type: PoolDisbursement, Counterparty: e.BorrowerID, Amount: e.Amount, Remark: e.LoanID})
	if err := p.debit(m, e.PoolSource, e.Amount); err != nil {
		return err
	}
	return p.stateBalance(m, e.BorrowerID, e.BorrowerBalanceAfter, e.BorrowerVelocityTimerStart)
}

func loanRejected(p *Projection, m meta, e *event.LoanRejected) error {
	c := p.loanChange(e.LoanID)
	c.status, c.decidedBy, c.decidedAt, c.reason = status.LoanRejected, e.RejectedBy, &m.at, e.Reason
	return nil
}

func loanCancelled(p *Projection, m meta, e *event.LoanCancelled) error {
	c := p.loanChange(e.LoanID)
	c.status, c.decidedBy, c.decidedAt = status.LoanCancelled, e.BorrowerID, &m.at
	return nil
}

func loanRepaid(p *Projection, m meta, e *event.LoanRepaid) error {
	c := p.loanChange(e.LoanID)
	c.status, c.outstanding, c.repaid = e.Status, &e.Outstanding, &e.RepaidTotal
	if (e.Status == status.LoanPaid) != (e.Outstanding == 0) {
		return misfit("loan %s is %s with %s outstanding", e.LoanID, e.Status, e.Outstanding)
	}
	if e.Status == status.LoanPaid {
		c.collateral, c.paidAt = status.CollateralReleased, &m.at
	}
	p.addEntry(m, 0, Entry{AccountID: e.PayerID, Type: LoanRepayment, Counterparty: e.PoolID, Amount: e.Amount, Remark: e.LoanID, BalanceAfter: &e.PayerBalanceAfter})
	p.addEntry(m, 1, Entry{AccountID: e.PoolID, Type: LoanCollection, Counterparty: e.PayerID, Amount: e.Amount, Remark: e.LoanID})
	if err := p.credit(m, e.PoolID, e.Amount); err != nil {
		return err
	}
	return p.stateBalance(m, e.PayerID, e.PayerBalanceAfter, e.PayerVelocityTimerStart)
}

func loanDefaulted(p *Projection, m meta, e *event.LoanDefaulted) error {
	c := p.loanChange(e.LoanID)
	c.status, c.collateral, c.outstanding, c.defaultedAt = status.LoanDefaulted, status.CollateralSeized, &e.Outstanding, &m.at
	p.userChange(e.BorrowerID).defaulted = e
	return nil
}

func (p *Projection) flushLoans(b *batch) {
	all := sorted(p.loans)
	if len(all) == 0 {
		return
	}
	if r := filter(all, func(c *loanChange) bool { return c.applied != nil }); len(r) > 0 {
		b.exec(len(r), "loans", `
			INSERT INTO read.loans (loan_id, borrower_id, amount, purpose, collateral_hash, term_days, status, applied_at, block, tx_index, seq)
			SELECT id, borrower, amount, purpose, collateral, term, $1, at, block, tx_index, seq
			FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::timestamptz[], $9::bigint[], $10::int[], $11::int[])
			  AS v (id, borrower, amount, purpose, collateral, term, at, block, tx_index, seq)`,
			string(status.LoanPending),
			column(r, func(c *loanChange) string { return c.id }),
			column(r, func(c *loanChange) string { return c.applied.BorrowerID }),
			column(r, func(c *loanChange) int64 { return int64(c.applied.Amount) }),
			column(r, func(c *loanChange) string { return c.applied.Purpose }),
			column(r, func(c *loanChange) string { return c.applied.CollateralHash }),
			column(r, func(c *loanChange) int { return c.applied.TermDays }),
			column(r, func(c *loanChange) time.Time { return c.applied.AppliedAt }),
			column(r, func(c *loanChange) int64 { return c.made.block }),
			column(r, func(c *loanChange) int { return c.made.txIndex }),
			column(r, func(c *loanChange) int { return c.made.seq }))
	}
	b.exec(len(all), "status of loans", `
		UPDATE read.loans l
		SET status = coalesce(nullif(v.status, ''), l.status), collateral_status = coalesce(nullif(v.collateral, ''), l.collateral_status),
		    outstanding = coalesce(v.outstanding, l.outstanding), repaid_total = coalesce(v.repaid, l.repaid_total),
		    decided_by = coalesce(nullif(v.decided_by, ''), l.decided_by), decided_at = coalesce(v.decided_at, l.decided_at),
		    reason = coalesce(nullif(v.reason, ''), l.reason), due_at = coalesce(v.due_at, l.due_at), paid_at = coalesce(v.paid_at, l.paid_at),
		    defaulted_at = coalesce(v.defaulted_at, l.defaulted_at)
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::timestamptz[], $8::text[],
		            $9::timestamptz[], $10::timestamptz[], $11::timestamptz[])
		  AS v (id, status, collateral, outstanding, repaid, decided_by, decided_at, reason, due_at, paid_at, defaulted_at)
		WHERE l.loan_id = v.id`,
		column(all, func(c *loanChange) string { return c.id }),
		column(all, func(c *loanChange) string { return string(c.status) }),
		column(all, func(c *loanChange) string { return string(c.collateral) }),
		column(all, func(c *loanChange) *int64 { return signed(c.outstanding) }),
		column(all, func(c *loanChange) *int64 { return signed(c.repaid) }),
		column(all, func(c *loanChange) string { return c.decidedBy }),
		column(all, func(c *loanChange) *time.Time { return c.decidedAt }),
		column(all, func(c *loanChange) string { return c.reason }),
		column(all, func(c *loanChange) *time.Time { return c.dueAt }),
		column(all, func(c *loanChange) *time.Time { return c.paidAt }),
		column(all, func(c *loanChange) *time.Time { return c.defaultedAt }))
}
