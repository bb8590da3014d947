package readmodel

import (
	"context"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// TreasuryState is the national treasury of a country.
type TreasuryState struct {
	CountryCode string
	AccountID   string
	Status      string // TreasuryLocked or TreasuryActive; credits arrive in both
	OrgID       *string
	ActivatedAt *time.Time
	Balance     qirat.Amount
	UpdatedAt   time.Time
}

// Status of a treasury.
const (
	TreasuryLocked = string(status.TreasuryLocked)
	TreasuryActive = string(status.TreasuryActive)
)

const treasurySelect = `
	SELECT t.country_code, t.account_id, t.status, t.org_id, t.activated_at, a.balance, a.updated_at
	FROM read.treasuries t JOIN read.accounts a USING (account_id)`

// Treasury returns the treasury of a country, or ErrNotFound.
func Treasury(ctx context.Context, db postgres.DB, countryCode string) (TreasuryState, error) {
	return one[TreasuryState](ctx, db, "treasury", treasurySelect+` WHERE t.country_code = $1`, countryCode)
}

// Treasuries returns every treasury, sorted by country.
func Treasuries(ctx context.Context, db postgres.DB) ([]TreasuryState, error) {
	return many[TreasuryState](ctx, db, "treasuries", treasurySelect+` ORDER BY t.country_code`)
}

type treasuryChange struct {
	*event.TreasuryActivated
	at time.Time
}

func treasuryActivated(p *Projection, m meta, e *event.TreasuryActivated) error {
	p.treasuries = append(p.treasuries, treasuryChange{e, m.at})
	return nil
}

func (p *Projection) flushTreasuries(b *batch) {
	t := p.treasuries
	if len(t) == 0 {
		return
	}
	b.exec(len(t), "treasuries", `
		UPDATE read.treasuries t SET status = $1, org_id = v.org_id, activated_at = v.at
		FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS v (code, org_id, at)
		WHERE t.country_code = v.code`,
		TreasuryActive,
		column(t, func(c treasuryChange) string { return c.CountryCode }),
		column(t, func(c treasuryChange) string { return c.OrgID }),
		column(t, func(c treasuryChange) time.Time { return c.at }))
}
