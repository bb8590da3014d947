package readmodel

import (
	"context"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
)

// TaxState is what the velocity tax of an account depends on.
type TaxState struct {
	AccountID          string
	Kind               account.Kind
	Country            string
	Status             string
	Balance            qirat.Amount
	VelocityTimerStart *time.Time // nil when the timer is not running
	TaxExempt          bool
	TaxExemptReason    string
	LastTaxedAt        *time.Time
}

const taxSelect = `
	SELECT account_id, kind, country, status, balance, velocity_timer_start, tax_exempt, tax_exempt_reason, last_taxed_at FROM read.accounts`

// Tax returns the tax state of an account, or ErrNotFound.
func Tax(ctx context.Context, db postgres.DB, accountID string) (TaxState, error) {
	return one[TaxState](ctx, db, "tax state", taxSelect+` WHERE account_id = $1`, accountID)
}

// Taxable returns up to limit accounts whose timer has run since a moment or
// longer, the longest first, after a place in that order.
func Taxable(ctx context.Context, db postgres.DB, since time.Time, after Due, limit int) ([]TaxState, error) {
	var q query
	q.add("velocity_timer_start IS NOT NULL AND NOT tax_exempt")
	q.add("status NOT IN ($%d, $%d)", string(account.Closed), string(account.Deceased))
	return due[TaxState](ctx, db, "taxable accounts", taxSelect, "account_id", "velocity_timer_start", q, since, after, limit)
}

// Exempt returns up to limit accounts that the tax spares, sorted by id, after one.
func Exempt(ctx context.Context, db postgres.DB, after string, limit int) ([]TaxState, error) {
	return many[TaxState](ctx, db, "exempt accounts", taxSelect+` WHERE tax_exempt AND account_id > $1 ORDER BY account_id LIMIT $2`, after, limit)
}

// Assessment is a velocity tax that an account has paid.
type Assessment struct {
	AccountID           string
	Kind                account.Kind
	Balance             qirat.Amount // before it
	RateBps             uint64
	Tax                 qirat.Amount
	TreasuryID          string
	GovtShare           qirat.Amount // to the treasury
	RedistributionShare qirat.Amount
	TimerStart          time.Time // when the timer started that led to it
	TxID                string
	At                  time.Time
	Cursor              Cursor `db:"-"`
}

type assessmentRow struct {
	Assessment
	Cursor
}

func (r assessmentRow) state() Assessment {
	r.Assessment.Cursor = r.Cursor
	return r.Assessment
}

// Assessments returns the velocity taxes that an account has paid.
func Assessments(ctx context.Context, db postgres.DB, accountID string, w Window) (List[Assessment], error) {
	var q query
	q.add("account_id = $%d", accountID)
	return list(ctx, db, "assessments", `
		SELECT account_id, kind, balance, rate_bps, tax, treasury_id, govt_share, redistribution_share, timer_start, tx_id, at,
		       block, tx_index, seq, 0 AS entry
		FROM read.tax_assessments`, q, w, assessmentRow.state, func(r assessmentRow) Cursor { return r.Cursor })
}

// taxChange is what a run of events did to the tax state of one account; nil
// and the rest unchanged.
type taxChange struct {
	exempt *bool
	reason string
	taxed  *time.Time
}

func (c *accountChange) taxChange() *taxChange {
	if c.tax == nil {
		c.tax = &taxChange{}
	}
	return c.tax
}

func velocityTaxApplied(p *Projection, m meta, e *event.VelocityTaxApplied) error {
	shares, err := e.GovtShare.Add(e.RedistributionShare)
	if err != nil || shares != e.TaxAmount || e.TaxAmount > e.Balance || e.BalanceAfter != e.Balance-e.TaxAmount {
		return misfit("tax %s of %s leaves %s and is split into %s and %s", e.TaxAmount, e.Balance, e.BalanceAfter, e.GovtShare, e.RedistributionShare)
	}
	if err := p.stateBalance(m, e.AccountID, e.BalanceAfter, e.VelocityTimerStart); err != nil {
		return err
	}
	p.accountChange(m, e.AccountID).taxChange().taxed = &m.at
	p.assessments = append(p.assessments, assessmentRow{Assessment{AccountID: e.AccountID, Kind: e.AccountType, Balance: e.Balance, RateBps: e.TaxRateBps,
		Tax: e.TaxAmount, TreasuryID: e.TreasuryID, GovtShare: e.GovtShare, RedistributionShare: e.RedistributionShare,
		TimerStart: e.PreviousTimerStart, TxID: m.txID, At: m.at}, m.cursor()})
	if e.TaxAmount == 0 {
		return nil
	}
	p.addEntry(m, 0, Entry{AccountID: e.AccountID, Type: VelocityTax, Counterparty: e.TreasuryID, Amount: e.TaxAmount, BalanceAfter: &e.BalanceAfter})
	for i, share := range []struct {
		id     string
		amount qirat.Amount
	}{{e.TreasuryID, e.GovtShare}, {e.RedistributionID, e.RedistributionShare}} {
		if share.amount == 0 {
			continue
		}
		p.addEntry(m, i+1, Entry{AccountID: share.id, Type: TaxCollection, Counterparty: e.AccountID, Amount: share.amount})
		if err := p.credit(m, share.id, share.amount); err != nil {
			return err
		}
	}
	return nil
}

func velocityTaxExemptionChanged(p *Projection, m meta, e *event.VelocityTaxExemptionChanged) error {
	c := p.accountChange(m, e.AccountID)
	c.timer = e.VelocityTimerStart
	t := c.taxChange()
	t.exempt, t.reason = &e.Exempt, e.Reason
	return nil
}

// flushTaxState writes the tax state of accounts. The timer is that of the last
// event of the run, whatever changed it.
func (p *Projection) flushTaxState(b *batch, r []*accountChange) {
	b.exec(len(r), "tax state", `
		UPDATE read.accounts a
		SET tax_exempt = coalesce(v.exempt, a.tax_exempt), tax_exempt_reason = CASE WHEN v.exempt IS NULL THEN a.tax_exempt_reason ELSE v.reason END,
		    last_taxed_at = coalesce(v.taxed, a.last_taxed_at), velocity_timer_start = v.timer, updated_at = v.at, block = v.block, tx_index = v.tx_index
		FROM unnest($1::text[], $2::boolean[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::bigint[], $8::int[])
		  AS v (id, exempt, reason, taxed, timer, at, block, tx_index)
		WHERE a.account_id = v.id AND (a.block, a.tx_index) <= (v.block, v.tx_index)`,
		column(r, func(c *accountChange) string { return c.id }),
		column(r, func(c *accountChange) *bool { return c.tax.exempt }),
		column(r, func(c *accountChange) string { return c.tax.reason }),
		column(r, func(c *accountChange) *time.Time { return c.tax.taxed }),
		column(r, func(c *accountChange) *time.Time { return c.timer }),
		column(r, func(c *accountChange) time.Time { return c.last.at }),
		column(r, func(c *accountChange) int64 { return c.last.block }),
		column(r, func(c *accountChange) int { return c.last.txIndex }))
}

func (p *Projection) flushAssessments(b *batch) {
	r := p.assessments
	if len(r) == 0 {
		return
	}
	b.exec(len(r), "tax assessments", `
		INSERT INTO read.tax_assessments (account_id, block, tx_index, seq, kind, balance, rate_bps, tax, treasury_id, govt_share, redistribution_share,
		                                  timer_start, tx_id, at)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::int[], $5::text[], $6::bigint[], $7::int[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[],
		                     $12::timestamptz[], $13::text[], $14::timestamptz[])`,
		column(r, func(a assessmentRow) string { return a.AccountID }),
		column(r, func(a assessmentRow) int64 { return a.Cursor.Block }),
		column(r, func(a assessmentRow) int { return a.Cursor.TxIndex }),
		column(r, func(a assessmentRow) int { return a.Cursor.Seq }),
		column(r, func(a assessmentRow) string { return string(a.Kind) }),
		column(r, func(a assessmentRow) int64 { return int64(a.Balance) }),
		column(r, func(a assessmentRow) uint64 { return a.RateBps }),
		column(r, func(a assessmentRow) int64 { return int64(a.Tax) }),
		column(r, func(a assessmentRow) string { return a.TreasuryID }),
		column(r, func(a assessmentRow) int64 { return int64(a.GovtShare) }),
		column(r, func(a assessmentRow) int64 { return int64(a.RedistributionShare) }),
		column(r, func(a assessmentRow) time.Time { return a.TimerStart }),
		column(r, func(a assessmentRow) string { return a.TxID }),
		column(r, func(a assessmentRow) time.Time { return a.At }))
}
