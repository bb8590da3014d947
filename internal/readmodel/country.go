package readmodel

import (
	"context"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/genesis"
)

// CountryState is a country's name, which is ours, and its genesis slots, which
// are the ledger's.
type CountryState struct {
	CountryCode     string
	Name            string // empty when app.countries does not list the country
	Region          string
	WeightE8        uint64
	Slots           [6]uint64 // of phases 1..6
	Used            [6]uint64
	IneligibleUsers uint64
	ExhaustedUsers  uint64
}

// Phase returns the phase that the next person gets, 7 when all slots are used.
func (c CountryState) Phase() int { return genesis.CurrentPhase(c.Slots, c.Used) }

type countryRow struct {
	CountryCode, Name, Region       string
	WeightE8                        uint64
	Slots, Used                     []uint64
	IneligibleUsers, ExhaustedUsers uint64
}

func (r countryRow) state() CountryState {
	c := CountryState{CountryCode: r.CountryCode, Name: r.Name, Region: r.Region, WeightE8: r.WeightE8,
		IneligibleUsers: r.IneligibleUsers, ExhaustedUsers: r.ExhaustedUsers}
	copy(c.Slots[:], r.Slots)
	copy(c.Used[:], r.Used)
	return c
}

const countrySelect = `
	SELECT c.country_code, coalesce(n.name, '') AS name, coalesce(n.region, '') AS region, c.weight_e8 AS weight_e8,
	       c.slots, c.used, c.ineligible_users, c.exhausted_users
	FROM read.countries c LEFT JOIN app.countries n ON n.country_code = c.country_code::char(2)`

// Country returns a country that the ledger knows, or ErrNotFound.
func Country(ctx context.Context, db postgres.DB, countryCode string) (CountryState, error) {
	r, err := one[countryRow](ctx, db, "country", countrySelect+` WHERE c.country_code = $1`, countryCode)
	return r.state(), err
}

// Countries returns every country on the ledger, sorted by code.
func Countries(ctx context.Context, db postgres.DB) ([]CountryState, error) {
	rows, err := many[countryRow](ctx, db, "countries", countrySelect+` ORDER BY c.country_code`)
	if err != nil {
		return nil, err
	}
	return column(rows, countryRow.state), nil
}

// countryChanges counts the genesis decisions of each country.
type countryChanges struct {
	created []event.CountrySlots
	counts  map[string]*countryCount
}

type countryCount struct {
	code                  string
	used                  [6]int64
	ineligible, exhausted int64
}

func newCountryChanges() countryChanges { return countryChanges{counts: map[string]*countryCount{}} }

func (c countryChanges) genesis(code string, phase int, status string) error {
	n := c.counts[code]
	if n == nil {
		n = &countryCount{code: code}
		c.counts[code] = n
	}
	switch {
	case phase >= 1 && phase <= len(n.used):
		n.used[phase-1]++
	case phase == 0 && status == string(genesis.Exhausted):
		n.exhausted++
	case phase == 0:
		n.ineligible++
	default:
		return misfit("genesis phase %d", phase)
	}
	return nil
}

func countryDataInitialized(p *Projection, m meta, e *event.CountryDataInitialized) error {
	p.country.created = append(p.country.created, e.Countries...)
	for _, c := range e.Countries {
		p.setBalance(m, account.TreasuryOf(c.CountryCode), account.Treasury, c.CountryCode, 0, nil)
	}
	return nil
}

func treasuryAllocated(p *Projection, m meta, e *event.TreasuryAllocated) error {
	if e.Amount == 0 {
		return nil
	}
	p.addEntry(m, 0, Entry{AccountID: e.TreasuryID, Type: GovtGenesis, Counterparty: e.PoolSource, Amount: e.Amount})
	p.addEntry(m, 1, Entry{AccountID: e.PoolSource, Type: PoolDisbursement, Counterparty: e.TreasuryID, Amount: e.Amount})
	if err := p.debit(m, e.PoolSource, e.Amount); err != nil {
		return err
	}
	return p.credit(m, e.TreasuryID, e.Amount)
}

func (p *Projection) flushCountries(b *batch) {
	if c := p.country.created; len(c) > 0 {
		codes := column(c, func(s event.CountrySlots) string { return s.CountryCode })
		b.exec(len(c), "countries", `
			INSERT INTO read.countries (country_code, weight_e8, slots, used)
			SELECT code, weight, ARRAY[s1, s2, s3, s4, s5, s6], '{0,0,0,0,0,0}'
			FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
			  AS v (code, weight, s1, s2, s3, s4, s5, s6)`,
			codes, column(c, func(s event.CountrySlots) uint64 { return s.WeightE8 }),
			column(c, func(s event.CountrySlots) uint64 { return s.Slots[0] }), column(c, func(s event.CountrySlots) uint64 { return s.Slots[1] }),
			column(c, func(s event.CountrySlots) uint64 { return s.Slots[2] }), column(c, func(s event.CountrySlots) uint64 { return s.Slots[3] }),
			column(c, func(s event.CountrySlots) uint64 { return s.Slots[4] }), column(c, func(s event.CountrySlots) uint64 { return s.Slots[5] }))
		b.exec(len(c), "treasuries", `
			INSERT INTO read.treasuries (country_code, account_id, status) SELECT code, account, $3 FROM unnest($1::text[], $2::text[]) AS v (code, account)`,
			codes, column(codes, account.TreasuryOf), TreasuryLocked)
	}
	if n := sorted(p.country.counts); len(n) > 0 {
		b.exec(len(n), "genesis counters", `
			UPDATE read.countries c
			SET used = ARRAY[used[1] + u1, used[2] + u2, used[3] + u3, used[4] + u4, used[5] + u5, used[6] + u6],
			    ineligible_users = ineligible_users + ineligible, exhausted_users = exhausted_users + exhausted
			FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
			  AS v (code, u1, u2, u3, u4, u5, u6, ineligible, exhausted)
			WHERE c.country_code = v.code`,
			column(n, func(c *countryCount) string { return c.code }),
			column(n, func(c *countryCount) int64 { return c.used[0] }), column(n, func(c *countryCount) int64 { return c.used[1] }),
			column(n, func(c *countryCount) int64 { return c.used[2] }), column(n, func(c *countryCount) int64 { return c.used[3] }),
			column(n, func(c *countryCount) int64 { return c.used[4] }), column(n, func(c *countryCount) int64 { return c.used[5] }),
			column(n, func(c *countryCount) int64 { return c.ineligible }),
			column(n, func(c *countryCount) int64 { return c.exhausted }))
	}
}
