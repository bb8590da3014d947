package readmodel

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
)

// Status of an account, and of a person on the ledger.
const (
	StatusActive = "ACTIVE"
	StatusFrozen = "FROZEN"
)

// AccountState is an account of any kind as of transaction (Block, TxIndex).
type AccountState struct {
	AccountID          string
	Kind               account.Kind
	Country            string // empty for system pools
	Status             string
	FrozenReason       string
	FrozenAt           *time.Time
	Balance            qirat.Amount
	VelocityTimerStart *time.Time // nil when the hoarding clock is not running
	CreatedAt          time.Time
	UpdatedAt          time.Time
	Block              uint64
	TxIndex            int
}

// Account returns one account, or ErrNotFound.
func Account(ctx context.Context, db postgres.DB, accountID string) (AccountState, error) {
	return one[AccountState](ctx, db, "account", `
		SELECT account_id, kind, country, status, frozen_reason, frozen_at, balance, velocity_timer_start, created_at, updated_at, block, tx_index
		FROM read.accounts WHERE account_id = $1`, accountID)
}

// one reads a single row by column name.
func one[T any](ctx context.Context, db postgres.DB, what, sql string, args ...any) (T, error) {
	var zero T
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return zero, fmt.Errorf("read %s: %w", what, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return zero, ErrNotFound
	}
	if err != nil {
		return zero, fmt.Errorf("read %s: %w", what, err)
	}
	return v, nil
}

// many reads all rows by column name.
func many[T any](ctx context.Context, db postgres.DB, what, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return out, nil
}

// accountChange is what a run of events did to one account. A cold account is
// set to the balance that the last event states; a collective one moves by the
// sum of its deltas.
type accountChange struct {
	id      string
	kind    account.Kind // empty: no event of the run would create the account
	country string
	set     bool
	moved   bool
	balance int64 // absolute when set, else a delta
	timer   *time.Time
	tax     *taxChange
	status  string // empty: unchanged
	reason  string
	frozen  *time.Time
	first   meta
	last    meta
}

func (p *Projection) accountChange(m meta, id string) *accountChange {
	c := p.accounts[id]
	if c == nil {
		c = &accountChange{id: id, first: m}
		p.accounts[id] = c
	}
	c.last = m
	return c
}

// setBalance sets the balance of a cold account, and creates an account that
// is not known yet: an unknown counterparty is not an error.
func (p *Projection) setBalance(m meta, id string, kind account.Kind, country string, balance qirat.Amount, timer *time.Time) {
	c := p.accountChange(m, id)
	c.kind, c.country, c.set, c.balance, c.timer = kind, country, true, int64(balance), timer
}

// stateBalance sets the balance of a cold account that is known.
func (p *Projection) stateBalance(m meta, id string, balance qirat.Amount, timer *time.Time) error {
	if account.IsCollective(id) {
		return misfit("account %s is collective: its balance cannot be stated", id)
	}
	c := p.accountChange(m, id)
	c.set, c.balance, c.timer = true, int64(balance), timer
	return nil
}

// payer and payee change either side of a payment between known accounts: a
// collective one by the amount, another one to the balance that the event states.
func (p *Projection) payer(m meta, id string, amount qirat.Amount, after *qirat.Amount, timer *time.Time) error {
	switch {
	case account.IsCollective(id):
		return p.debit(m, id, amount)
	case after == nil:
		return misfit("the balance of %s is not stated", id)
	}
	return p.stateBalance(m, id, *after, timer)
}

func (p *Projection) payee(m meta, id string, amount qirat.Amount, after *qirat.Amount, timer *time.Time) error {
	switch {
	case account.IsCollective(id):
		return p.credit(m, id, amount)
	case after == nil:
		return misfit("the balance of %s is not stated", id)
	}
	return p.stateBalance(m, id, *after, timer)
}

// credit and debit move the balance of a collective account.
func (p *Projection) credit(m meta, id string, amount qirat.Amount) error {
	p.pools.received(id, amount)
	return p.move(m, id, int64(amount))
}

func (p *Projection) debit(m meta, id string, amount qirat.Amount) error {
	p.pools.distributed(id, amount)
	return p.move(m, id, -int64(amount))
}

func (p *Projection) move(m meta, id string, delta int64) error {
	if !account.IsCollective(id) {
		return misfit("account %s is not collective: its balance must be stated", id)
	}
	c := p.accountChange(m, id)
	sum, ok := add(c.balance, delta)
	if !ok {
		return misfit("account %s: the sum of its movements is out of range", id)
	}
	c.moved, c.balance = true, sum
	return nil
}

// add returns a + b, and false when the sum overflows.
func add(a, b int64) (int64, bool) {
	sum, _ := bits.Add64(uint64(a), uint64(b), 0)
	s := int64(sum)
	return s, (a < 0) != (b < 0) || (s < 0) == (a < 0)
}

// setStatus sets the status of an account, and of a frozen one since when and why.
func (p *Projection) setStatus(m meta, id, status, reason string, since *time.Time) {
	c := p.accountChange(m, id)
	c.status, c.reason, c.frozen = status, reason, since
}

func walletFrozen(p *Projection, m meta, e *event.WalletFrozen) error {
	p.setStatus(m, e.AccountID, StatusFrozen, e.Reason, &e.FrozenAt)
	return nil
}

func walletUnfrozen(p *Projection, m meta, e *event.WalletUnfrozen) error {
	p.setStatus(m, e.AccountID, StatusActive, "", nil)
	return nil
}

func (p *Projection) flushAccounts(b *batch) {
	var set, stated, moved, status, tax []*accountChange
	for _, c := range sorted(p.accounts) {
		switch {
		case c.set && c.kind != "":
			set = append(set, c)
		case c.set:
			stated = append(stated, c)
		case c.moved:
			moved = append(moved, c)
		}
		if c.status != "" {
			status = append(status, c)
		}
		if c.tax != nil {
			tax = append(tax, c)
		}
	}
	if len(set) > 0 {
		b.exec(len(set), "balances", `
			INSERT INTO read.accounts AS a (account_id, kind, country, status, balance, velocity_timer_start, created_at, updated_at, block, tx_index)
			SELECT id, kind, country, $1, balance, timer, first_at, at, block, tx_index
			FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::bigint[], $10::int[])
			  AS v (id, kind, country, balance, timer, first_at, at, block, tx_index)
			ON CONFLICT (account_id) DO UPDATE
			SET balance = excluded.balance, velocity_timer_start = excluded.velocity_timer_start,
			    updated_at = excluded.updated_at, block = excluded.block, tx_index = excluded.tx_index
			WHERE (a.block, a.tx_index) < (excluded.block, excluded.tx_index)`,
			StatusActive,
			column(set, func(c *accountChange) string { return c.id }),
			column(set, func(c *accountChange) string { return string(c.kind) }),
			column(set, func(c *accountChange) string { return c.country }),
			column(set, func(c *accountChange) int64 { return c.balance }),
			column(set, func(c *accountChange) *time.Time { return c.timer }),
			column(set, func(c *accountChange) time.Time { return c.first.at }),
			column(set, func(c *accountChange) time.Time { return c.last.at }),
			column(set, func(c *accountChange) int64 { return c.last.block }),
			column(set, func(c *accountChange) int { return c.last.txIndex }))
	}
	if len(stated) > 0 {
		b.exec(len(stated), "stated balances", `
			UPDATE read.accounts a
			SET balance = v.balance, velocity_timer_start = v.timer, updated_at = v.at, block = v.block, tx_index = v.tx_index
			FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::int[]) AS v (id, balance, timer, at, block, tx_index)
			WHERE a.account_id = v.id AND (a.block, a.tx_index) < (v.block, v.tx_index)`,
			column(stated, func(c *accountChange) string { return c.id }),
			column(stated, func(c *accountChange) int64 { return c.balance }),
			column(stated, func(c *accountChange) *time.Time { return c.timer }),
			column(stated, func(c *accountChange) time.Time { return c.last.at }),
			column(stated, func(c *accountChange) int64 { return c.last.block }),
			column(stated, func(c *accountChange) int { return c.last.txIndex }))
	}
	if len(moved) > 0 {
		b.exec(len(moved), "collective balances", `
			UPDATE read.accounts a
			SET balance = a.balance + v.delta, updated_at = v.at, block = v.block, tx_index = v.tx_index
			FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::int[]) AS v (id, delta, at, block, tx_index)
			WHERE a.account_id = v.id AND (a.block, a.tx_index) < (v.block, v.tx_index)`,
			column(moved, func(c *accountChange) string { return c.id }),
			column(moved, func(c *accountChange) int64 { return c.balance }),
			column(moved, func(c *accountChange) time.Time { return c.last.at }),
			column(moved, func(c *accountChange) int64 { return c.last.block }),
			column(moved, func(c *accountChange) int { return c.last.txIndex }))
	}
	if len(status) > 0 {
		ids := column(status, func(c *accountChange) string { return c.id })
		states := column(status, func(c *accountChange) string { return c.status })
		b.exec(len(status), "account status", `
			UPDATE read.accounts a
			SET status = v.status, frozen_reason = v.reason, frozen_at = v.frozen_at, updated_at = v.at, block = v.block, tx_index = v.tx_index
			FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], $7::int[])
			  AS v (id, status, reason, frozen_at, at, block, tx_index)
			WHERE a.account_id = v.id AND (a.block, a.tx_index) <= (v.block, v.tx_index)`,
			ids, states,
			column(status, func(c *accountChange) string { return c.reason }),
			column(status, func(c *accountChange) *time.Time { return c.frozen }),
			column(status, func(c *accountChange) time.Time { return c.last.at }),
			column(status, func(c *accountChange) int64 { return c.last.block }),
			column(status, func(c *accountChange) int { return c.last.txIndex }))
		// An account of a person carries the person's status.
		b.Queue(`
			UPDATE read.users u SET status = v.status
			FROM unnest($1::text[], $2::text[]) AS v (id, status)
			WHERE u.user_id = v.id`, ids, states)
	}
	if len(tax) > 0 {
		p.flushTaxState(b, tax)
	}
}
