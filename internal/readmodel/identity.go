package readmodel

import (
	"context"
	"strings"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/trust"
)

// UserState is a person as the ledger knows them.
type UserState struct {
	UserID      string // GX id, also the id of the person's account
	Nationality string
	Status      string // upper case: ACTIVE, FROZEN, ...
	TrustScore  int
	Genesis     GenesisState `db:"-"`
	CreatedAt   time.Time
}

// GenesisState is what became of a person's genesis allocation.
type GenesisState struct {
	Status string       // genesis.Status
	Phase  int          // 1..6, 0 when nothing was given
	Amount qirat.Amount // given to the person
	At     *time.Time   // nil before the first decision
}

type userRow struct {
	UserState
	GenesisStatus string
	GenesisPhase  int
	GenesisAmount qirat.Amount
	GenesisAt     *time.Time
}

// User returns a person by GX id, or ErrNotFound.
func User(ctx context.Context, db postgres.DB, userID string) (UserState, error) {
	r, err := one[userRow](ctx, db, "user", `
		SELECT user_id, nationality, status, trust_score, genesis_status, genesis_phase, genesis_amount, genesis_at, created_at
		FROM read.users WHERE user_id = $1`, userID)
	r.Genesis = GenesisState{r.GenesisStatus, r.GenesisPhase, r.GenesisAmount, r.GenesisAt}
	return r.UserState, err
}

// GenesisStatus returns a person's genesis allocation, or ErrNotFound.
func GenesisStatus(ctx context.Context, db postgres.DB, userID string) (GenesisState, error) {
	u, err := User(ctx, db, userID)
	return u.Genesis, err
}

// TrustState is a person's trust score with its parts.
type TrustState struct {
	UserID    string
	Score     trust.Score `db:"-"`
	UpdatedAt *time.Time  // nil until the first change
}

// Trust returns the trust score of a person, or ErrNotFound.
func Trust(ctx context.Context, db postgres.DB, userID string) (TrustState, error) {
	type row struct {
		TrustState
		trust.Score
	}
	r, err := one[row](ctx, db, "trust score", `
		SELECT user_id, trust_family AS family, trust_business AS business, trust_friends AS friends, trust_loans AS loans,
		       trust_score AS total, trust_at AS updated_at
		FROM read.users WHERE user_id = $1`, userID)
	r.TrustState.Score = r.Score
	return r.TrustState, err
}

// userChange is what a run of events did to one person.
type userChange struct {
	id      string
	created *event.UserCreated
	genesis *event.GenesisDistributed
	at      time.Time // of the genesis decision

	trust     *event.TrustScoreUpdated
	trustAt   time.Time
	defaulted *event.LoanDefaulted
	recovered *event.RecoveryExecuted
}

func (p *Projection) userChange(id string) *userChange {
	c := p.users[id]
	if c == nil {
		c = &userChange{id: id}
		p.users[id] = c
	}
	return c
}

func userCreated(p *Projection, m meta, e *event.UserCreated) error {
	c := p.userChange(e.UserID)
	if c.created != nil {
		return misfit("user %s is created twice", e.UserID)
	}
	c.created = e
	p.setBalance(m, e.UserID, account.Individual, e.Nationality, 0, nil)
	return nil
}

func genesisDistributed(p *Projection, m meta, e *event.GenesisDistributed) error {
	c := p.userChange(e.UserID)
	c.genesis, c.at = e, m.at
	p.setBalance(m, e.UserID, account.Individual, e.Nationality, e.BalanceAfter, e.VelocityTimerStart)
	if err := p.country.genesis(e.Nationality, e.Phase, e.Status); err != nil {
		return err
	}
	if e.Amount == 0 {
		return nil
	}
	p.addEntry(m, 0, Entry{AccountID: e.UserID, Type: Genesis, Counterparty: e.PoolSource, Amount: e.Amount, BalanceAfter: &e.BalanceAfter})
	p.addEntry(m, 1, Entry{AccountID: e.PoolSource, Type: PoolDisbursement, Counterparty: e.UserID, Amount: e.Amount})
	return p.debit(m, e.PoolSource, e.Amount)
}

func userStatusChanged(p *Projection, m meta, e *event.UserStatusChanged) error {
	if e.NewStatus == account.Frozen {
		p.setStatus(m, e.UserID, StatusFrozen, e.Reason, &m.at)
	} else {
		p.setStatus(m, e.UserID, string(e.NewStatus), "", nil)
	}
	return nil
}

func trustScoreUpdated(p *Projection, m meta, e *event.TrustScoreUpdated) error {
	c := p.userChange(e.UserID)
	c.trust, c.trustAt = e, m.at
	return nil
}

func (p *Projection) flushUsers(b *batch) {
	var created, genesis, trusted, defaulted, recovered []*userChange
	for _, c := range sorted(p.users) {
		if c.created != nil {
			created = append(created, c)
		}
		if c.genesis != nil {
			genesis = append(genesis, c)
		}
		if c.trust != nil {
			trusted = append(trusted, c)
		}
		if c.defaulted != nil {
			defaulted = append(defaulted, c)
		}
		if c.recovered != nil {
			recovered = append(recovered, c)
		}
	}
	if len(created) > 0 {
		b.exec(len(created), "users", `
			INSERT INTO read.users (user_id, nationality, status, trust_score, genesis_status, created_at)
			SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::timestamptz[])`,
			column(created, func(c *userChange) string { return c.id }),
			column(created, func(c *userChange) string { return c.created.Nationality }),
			column(created, func(c *userChange) string { return strings.ToUpper(c.created.Status) }),
			column(created, func(c *userChange) int { return c.created.TrustScore }),
			column(created, func(c *userChange) string { return c.created.GenesisStatus }),
			column(created, func(c *userChange) time.Time { return c.created.At }))
	}
	if len(genesis) > 0 {
		b.exec(len(genesis), "genesis of users", `
			UPDATE read.users u SET genesis_status = v.status, genesis_phase = v.phase, genesis_amount = v.amount, genesis_at = v.at
			FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::timestamptz[]) AS v (id, status, phase, amount, at)
			WHERE u.user_id = v.id`,
			column(genesis, func(c *userChange) string { return c.id }),
			column(genesis, func(c *userChange) string { return c.genesis.Status }),
			column(genesis, func(c *userChange) int { return c.genesis.Phase }),
			column(genesis, func(c *userChange) int64 { return int64(c.genesis.Amount) }),
			column(genesis, func(c *userChange) time.Time { return c.at }))
	}
	if len(trusted) > 0 {
		b.exec(len(trusted), "trust scores", `
			UPDATE read.users u
			SET trust_score = v.score, trust_family = v.family, trust_business = v.business, trust_friends = v.friends, trust_loans = v.loans, trust_at = v.at
			FROM unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::timestamptz[])
			  AS v (id, score, family, business, friends, loans, at)
			WHERE u.user_id = v.id`,
			column(trusted, func(c *userChange) string { return c.id }),
			column(trusted, func(c *userChange) int { return c.trust.Score }),
			column(trusted, func(c *userChange) int { return c.trust.Family }),
			column(trusted, func(c *userChange) int { return c.trust.Business }),
			column(trusted, func(c *userChange) int { return c.trust.Friends }),
			column(trusted, func(c *userChange) int { return c.trust.Loans }),
			column(trusted, func(c *userChange) time.Time { return c.trustAt }))
	}
	if len(defaulted) > 0 {
		b.exec(len(defaulted), "defaults", `
			UPDATE read.users u SET loan_defaults = v.defaults, loan_banned = v.banned
			FROM unnest($1::text[], $2::int[], $3::boolean[]) AS v (id, defaults, banned)
			WHERE u.user_id = v.id`,
			column(defaulted, func(c *userChange) string { return c.id }),
			column(defaulted, func(c *userChange) int { return c.defaulted.Defaults }),
			column(defaulted, func(c *userChange) bool { return c.defaulted.Banned }))
	}
	if len(recovered) > 0 {
		b.exec(len(recovered), "recovered people", `
			UPDATE read.users u SET recovery_epoch = v.epoch, controller_key_hash = v.key
			FROM unnest($1::text[], $2::int[], $3::text[]) AS v (id, epoch, key)
			WHERE u.user_id = v.id`,
			column(recovered, func(c *userChange) string { return c.id }),
			column(recovered, func(c *userChange) int { return c.recovered.RecoveryEpoch }),
			column(recovered, func(c *userChange) string { return c.recovered.ControllerKeyHash }))
	}
}
