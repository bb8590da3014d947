package readmodel

import (
	"context"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
)

// Guardian is a person who can recover another one's account.
type Guardian struct {
	UserID      string // whose account it is
	GuardianID  string
	NominatedAt time.Time
}

// Guardians returns the guardians of a person, sorted by id.
func Guardians(ctx context.Context, db postgres.DB, userID string) ([]Guardian, error) {
	return many[Guardian](ctx, db, "guardians", `
		SELECT user_id, guardian_id, nominated_at FROM read.guardians WHERE user_id = $1 ORDER BY guardian_id`, userID)
}

// Wards returns whose guardian a person is, sorted by id.
func Wards(ctx context.Context, db postgres.DB, guardianID string) ([]Guardian, error) {
	return many[Guardian](ctx, db, "wards", `
		SELECT user_id, guardian_id, nominated_at FROM read.guardians WHERE guardian_id = $1 ORDER BY user_id`, guardianID)
}

// RecoveryState is the recovery of a lost account by its guardians.
type RecoveryState struct {
	SessionID            string
	LostAccountID        string
	InitiatorID          string
	NewControllerKeyHash string
	Status               status.Recovery // PENDING also when the time is over and nobody has said so
	Required             int             // confirmations
	Confirmations        int
	ExpiresAt            time.Time
	ExecutableAt         *time.Time // nil until confirmed
	CreatedAt            time.Time
	ClosedAt             *time.Time
	Cursor               Cursor `db:"-"`
}

type recoveryRow struct {
	RecoveryState
	Cursor
}

func (r recoveryRow) state() RecoveryState {
	r.RecoveryState.Cursor = r.Cursor
	return r.RecoveryState
}

const recoverySelect = `
	SELECT session_id, lost_account_id, initiator_id, new_controller_key_hash, status, required, confirmations,
	       expires_at, executable_at, created_at, closed_at, block, tx_index, seq, 0 AS entry
	FROM read.recoveries`

// Recovery returns a recovery, or ErrNotFound.
func Recovery(ctx context.Context, db postgres.DB, sessionID string) (RecoveryState, error) {
	r, err := one[recoveryRow](ctx, db, "recovery", recoverySelect+` WHERE session_id = $1`, sessionID)
	return r.state(), err
}

// Recoveries returns the recoveries of an account.
func Recoveries(ctx context.Context, db postgres.DB, lostAccountID string, w Window) (List[RecoveryState], error) {
	var q query
	q.add("lost_account_id = $%d", lostAccountID)
	return list(ctx, db, "recoveries", recoverySelect, q, w, recoveryRow.state, func(r recoveryRow) Cursor { return r.Cursor })
}

// RecoveryVote is the confirmation of a guardian.
type RecoveryVote struct {
	SessionID  string
	GuardianID string
	At         time.Time
}

// RecoveryVotes returns the confirmations of a recovery in their order.
func RecoveryVotes(ctx context.Context, db postgres.DB, sessionID string) ([]RecoveryVote, error) {
	return many[RecoveryVote](ctx, db, "recovery votes", `
		SELECT session_id, guardian_id, at FROM read.recovery_votes WHERE session_id = $1 ORDER BY at, guardian_id`, sessionID)
}

// nomination is the last that a person did about guardians.
type nomination struct {
	*event.GuardiansNominated
	at time.Time
}

func guardiansNominated(p *Projection, m meta, e *event.GuardiansNominated) error {
	p.guardians[e.UserID] = &nomination{e, m.at}
	return nil
}

func (p *Projection) flushGuardians(b *batch) {
	n := sorted(p.guardians)
	if len(n) == 0 {
		return
	}
	b.Queue(`DELETE FROM read.guardians WHERE user_id = ANY($1)`, column(n, func(n *nomination) string { return n.UserID }))
	var rows []Guardian
	for _, n := range n {
		for _, id := range n.GuardianIDs {
			rows = append(rows, Guardian{n.UserID, id, n.at})
		}
	}
	b.exec(len(rows), "guardians", `
		INSERT INTO read.guardians (user_id, guardian_id, nominated_at) SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])`,
		column(rows, func(g Guardian) string { return g.UserID }),
		column(rows, func(g Guardian) string { return g.GuardianID }),
		column(rows, func(g Guardian) time.Time { return g.NominatedAt }))
}

// recoveryChange is what a run of events did to one recovery.
type recoveryChange struct {
	id            string
	initiated     *event.RecoveryInitiated
	made          meta
	votes         []RecoveryVote
	confirmations int             // 0: unchanged
	status        status.Recovery // empty: unchanged
	executableAt  *time.Time
	closedAt      *time.Time
}

func (p *Projection) recoveryChange(id string) *recoveryChange {
	return entry(p.recoveries, id, func() *recoveryChange { return &recoveryChange{id: id} })
}

func recoveryInitiated(p *Projection, m meta, e *event.RecoveryInitiated) error {
	c := p.recoveryChange(e.SessionID)
	if c.initiated != nil {
		return misfit("recovery %s is initiated twice", e.SessionID)
	}
	c.initiated, c.made = e, m
	c.votes = append(c.votes, RecoveryVote{e.SessionID, e.InitiatorID, m.at})
	return nil
}

func recoveryVoteCast(p *Projection, m meta, e *event.RecoveryVoteCast) error {
	c := p.recoveryChange(e.SessionID)
	c.votes = append(c.votes, RecoveryVote{e.SessionID, e.GuardianID, m.at})
	c.confirmations = e.Confirmations
	return nil
}

func recoveryConfirmed(p *Projection, _ meta, e *event.RecoveryConfirmed) error {
	c := p.recoveryChange(e.SessionID)
	c.status, c.executableAt = status.RecoveryConfirmed, &e.ExecutableAt
	return nil
}

func recoveryExecuted(p *Projection, m meta, e *event.RecoveryExecuted) error {
	p.closeRecovery(m, e.SessionID, status.RecoveryExecuted)
	p.userChange(e.LostAccountID).recovered = e
	return nil
}

func recoveryCancelled(p *Projection, m meta, e *event.RecoveryCancelled) error {
	p.closeRecovery(m, e.SessionID, status.RecoveryCancelled)
	return nil
}

func recoveryExpired(p *Projection, m meta, e *event.RecoveryExpired) error {
	p.closeRecovery(m, e.SessionID, status.RecoveryExpired)
	return nil
}

func (p *Projection) closeRecovery(m meta, id string, s status.Recovery) {
	c := p.recoveryChange(id)
	c.status, c.closedAt = s, &m.at
}

func (p *Projection) flushRecoveries(b *batch) {
	all := sorted(p.recoveries)
	if len(all) == 0 {
		return
	}
	if r := filter(all, func(c *recoveryChange) bool { return c.initiated != nil }); len(r) > 0 {
		b.exec(len(r), "recoveries", `
			INSERT INTO read.recoveries (session_id, lost_account_id, initiator_id, new_controller_key_hash, status, required, confirmations,
			                             expires_at, created_at, block, tx_index, seq)
			SELECT id, lost, initiator, key, $1, required, 1, expires_at, at, block, tx_index, seq
			FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[], $8::timestamptz[], $9::bigint[], $10::int[], $11::int[])
			  AS v (id, lost, initiator, key, required, expires_at, at, block, tx_index, seq)`,
			string(status.RecoveryPending),
			column(r, func(c *recoveryChange) string { return c.id }),
			column(r, func(c *recoveryChange) string { return c.initiated.LostAccountID }),
			column(r, func(c *recoveryChange) string { return c.initiated.InitiatorID }),
			column(r, func(c *recoveryChange) string { return c.initiated.NewControllerKeyHash }),
			column(r, func(c *recoveryChange) int { return c.initiated.Required }),
			column(r, func(c *recoveryChange) time.Time { return c.initiated.ExpiresAt }),
			column(r, func(c *recoveryChange) time.Time { return c.made.at }),
			column(r, func(c *recoveryChange) int64 { return c.made.block }),
			column(r, func(c *recoveryChange) int { return c.made.txIndex }),
			column(r, func(c *recoveryChange) int { return c.made.seq }))
	}
	b.exec(len(all), "status of recoveries", `
		UPDATE read.recoveries r
		SET status = coalesce(nullif(v.status, ''), r.status), confirmations = coalesce(nullif(v.confirmations, 0), r.confirmations),
		    executable_at = coalesce(v.executable_at, r.executable_at), closed_at = coalesce(v.closed_at, r.closed_at)
		FROM unnest($1::text[], $2::text[], $3::int[], $4::timestamptz[], $5::timestamptz[]) AS v (id, status, confirmations, executable_at, closed_at)
		WHERE r.session_id = v.id`,
		column(all, func(c *recoveryChange) string { return c.id }),
		column(all, func(c *recoveryChange) string { return string(c.status) }),
		column(all, func(c *recoveryChange) int { return c.confirmations }),
		column(all, func(c *recoveryChange) *time.Time { return c.executableAt }),
		column(all, func(c *recoveryChange) *time.Time { return c.closedAt }))
	var votes []RecoveryVote
	for _, c := range all {
		votes = append(votes, c.votes...)
	}
	if len(votes) > 0 {
		b.exec(len(votes), "recovery votes", `
			INSERT INTO read.recovery_votes (session_id, guardian_id, at) SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])`,
			column(votes, func(v RecoveryVote) string { return v.SessionID }),
			column(votes, func(v RecoveryVote) string { return v.GuardianID }),
			column(votes, func(v RecoveryVote) time.Time { return v.At }))
	}
}
