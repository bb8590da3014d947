package readmodel

import (
	"context"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
)

// PoolState is a system pool: Balance = Opening - Distributed + Received.
type PoolState struct {
	AccountID   string
	Name        string // as in account.Pools, for example USER_GENESIS
	Opening     qirat.Amount
	Distributed qirat.Amount
	Received    qirat.Amount
	Balance     qirat.Amount
}

// SupplyState is where all the money is.
type SupplyState struct {
	MaxSupply   qirat.Amount // 0 before the bootstrap
	Circulating qirat.Amount // MaxSupply less the balances of all system pools
	Total       qirat.Amount // sum over all accounts: equals MaxSupply, or money was made or lost
	Pools       []PoolState  // sorted by account id
	Block       int64        // as of this block, -1 before the first
}

// Conserved reports whether every Qirat is accounted for.
func (s SupplyState) Conserved() bool { return s.Total == s.MaxSupply }

// Supply reads pools, totals and the block they belong to from one snapshot.
// It sums every account: cache the answer of a public route.
func Supply(ctx context.Context, db postgres.DB) (SupplyState, error) {
	type row struct {
		PoolState
		MaxSupply, Total qirat.Amount
		Block            int64
	}
	rows, err := many[row](ctx, db, "supply", `
		SELECT coalesce(p.account_id, '') AS account_id, coalesce(p.name, '') AS name, coalesce(p.opening, 0) AS opening,
		       coalesce(p.distributed, 0) AS distributed, coalesce(p.received, 0) AS received, coalesce(a.balance, 0) AS balance,
		       s.max_supply, (SELECT coalesce(sum(balance), 0)::bigint FROM read.accounts) AS total, c.block
		FROM read.system_status s CROSS JOIN read.checkpoint c
		LEFT JOIN read.pools p ON true
		LEFT JOIN read.accounts a ON a.account_id = p.account_id
		ORDER BY p.account_id`)
	if err != nil {
		return SupplyState{}, err
	}
	var s SupplyState
	for _, r := range rows {
		s.MaxSupply, s.Total, s.Block = r.MaxSupply, r.Total, r.Block
		s.Circulating = r.MaxSupply
		if r.AccountID != "" {
			s.Pools = append(s.Pools, r.PoolState)
		}
	}
	for _, p := range s.Pools {
		// A deficit would be a broken invariant, which Conserved tells; it must not break the answer.
		s.Circulating -= min(p.Balance, s.Circulating)
	}
	return s, nil
}

// poolChanges sums the movements of each system pool.
type poolChanges struct {
	opened []PoolState
	moved  map[string]*poolMove
}

type poolMove struct {
	id               string
	distributed, got int64
}

func newPoolChanges() poolChanges { return poolChanges{moved: map[string]*poolMove{}} }

func (c poolChanges) move(id string) *poolMove {
	m := c.moved[id]
	if m == nil {
		m = &poolMove{id: id}
		c.moved[id] = m
	}
	return m
}

func (c poolChanges) distributed(id string, amount qirat.Amount) {
	if account.IsSystem(id) {
		c.move(id).distributed += int64(amount)
	}
}

func (c poolChanges) received(id string, amount qirat.Amount) {
	if account.IsSystem(id) {
		c.move(id).got += int64(amount)
	}
}

func poolDisbursed(p *Projection, m meta, e *event.PoolDisbursed) error {
	p.addEntry(m, 0, Entry{AccountID: e.PoolID, Type: PoolDisbursement, Counterparty: e.RecipientID, Amount: e.Amount, Remark: e.Reason})
	p.addEntry(m, 1, Entry{AccountID: e.RecipientID, Type: Grant, Counterparty: e.PoolID, Amount: e.Amount, Remark: e.Reason, BalanceAfter: e.RecipientBalanceAfter})
	if err := p.debit(m, e.PoolID, e.Amount); err != nil {
		return err
	}
	return p.payee(m, e.RecipientID, e.Amount, e.RecipientBalanceAfter, e.RecipientVelocityTimerStart)
}

func (p *Projection) flushPools(b *batch) {
	if o := p.pools.opened; len(o) > 0 {
		b.exec(len(o), "pools", `
			INSERT INTO read.pools (account_id, name, opening) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])`,
			column(o, func(s PoolState) string { return s.AccountID }),
			column(o, func(s PoolState) string { return s.Name }),
			column(o, func(s PoolState) int64 { return int64(s.Opening) }))
	}
	if m := sorted(p.pools.moved); len(m) > 0 {
		b.exec(len(m), "pool totals", `
			UPDATE read.pools p SET distributed = p.distributed + v.distributed, received = p.received + v.received
			FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS v (id, distributed, received)
			WHERE p.account_id = v.id`,
			column(m, func(s *poolMove) string { return s.id }),
			column(m, func(s *poolMove) int64 { return s.distributed }),
			column(m, func(s *poolMove) int64 { return s.got }))
	}
}
