// Package lease elects one leader among processes that share a database, for
// one term at a time.
//
// A term is a name and a fence, a number that the database raises with every
// new term. It rests on three things, each sufficient when those before fail:
//
//   - Renewal. The leader renews at a third of the TTL. The database's clock
//     alone decides whether a term has expired.
//   - Trust. The leader believes in its term for nine tenths of the TTL,
//     counted on its own clock from the moment before it sent the last request
//     that succeeded; the database's term began later and is longer, so it
//     outlasts that belief. When the time is up without a renewal, for whatever
//     reason, the leader steps down.
//   - The fence. A leader that was paused does not know that it is one no
//     longer. So every transaction of a leader begins with Term.Assert, which
//     fails once another term has begun, and otherwise holds up the next term
//     until that transaction has ended.
//
// A leader that stops resigns its exact term, and a waiting candidate is
// notified. Expiry is the last net.
package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrLost reports that another term has begun.
var ErrLost = errors.New("lease: the term is over, another has begun")

// Term is one period of leadership.
type Term struct {
	Name  string
	Fence int64 // grows with every term of the name
}

// Assert proves in tx that the term is the latest, and keeps it so until tx
// ends. A leader calls it first in every transaction. It returns ErrLost when
// another term has begun, or a serialization failure (which is transient) in
// place of it when tx is stricter than read committed.
func (t Term) Assert(ctx context.Context, tx pgx.Tx) error {
	return proved(tx.QueryRow(ctx, proof, t.Name, t.Fence))
}

// Queue adds the proof of Assert to the statements of a batch, which then fails
// as Assert does.
func (t Term) Queue(b *pgx.Batch) { b.Queue(proof, t.Name, t.Fence).QueryRow(proved) }

// proof conflicts with a change of the key (name, fence), not with a renewal.
const proof = `SELECT 1 FROM app.leases WHERE name = $1 AND fence = $2 FOR KEY SHARE`

func proved(row pgx.Row) error {
	var one int
	err := row.Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrLost
	}
	if err != nil {
		return fmt.Errorf("lease: assert the term: %w", err)
	}
	return nil
}

// channel carries the name of a lease whose leader has resigned.
const channel = "gx_leases"

// begin takes the lease when it is free; ok tells whether it was.
func begin(ctx context.Context, conn *pgx.Conn, name, holder string, ttl time.Duration) (t Term, ok bool, err error) {
	t.Name = name
	// Look first: an attempt to change the key of a held lease would wait for
	// the leader's transactions, and make them wait.
	var expired bool
	err = conn.QueryRow(ctx, `SELECT fence, expires_at <= now() FROM app.leases WHERE name = $1`, name).Scan(&t.Fence, &expired)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = conn.QueryRow(ctx, `
			INSERT INTO app.leases (name, holder, fence, expires_at) VALUES ($1, $2, 1, now() + $3)
			ON CONFLICT DO NOTHING RETURNING fence`,
			name, holder, ttl).Scan(&t.Fence)
	case err != nil, !expired:
		return t, false, err
	default:
		err = conn.QueryRow(ctx, `
			UPDATE app.leases SET holder = $2, fence = fence + 1, expires_at = now() + $3
			WHERE name = $1 AND fence = $4 AND expires_at <= now() RETURNING fence`,
			name, holder, ttl, t.Fence).Scan(&t.Fence)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return t, false, nil // somebody was faster
	}
	return t, err == nil, err
}

// renew extends the term; ErrLost when it has expired or another has begun.
func (t Term) renew(ctx context.Context, conn *pgx.Conn, ttl time.Duration) error {
	tag, err := conn.Exec(ctx, `
		UPDATE app.leases SET expires_at = now() + $3
		WHERE name = $1 AND fence = $2 AND expires_at > now()`,
		t.Name, t.Fence, ttl)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrLost
	}
	return err
}

// resign ends this very term and tells the candidates.
func (t Term) resign(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `
		WITH ended AS (
			UPDATE app.leases SET expires_at = now()
			WHERE name = $1 AND fence = $2 AND expires_at > now() RETURNING name)
		SELECT pg_notify('`+channel+`', name) FROM ended`,
		t.Name, t.Fence)
	return err
}

// Depose ends, in tx, whatever term of a name there is: until tx ends nobody
// proves that term and nobody begins another; afterwards candidates are notified.
func Depose(ctx context.Context, tx pgx.Tx, name string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO app.leases AS l (name, holder, fence, expires_at) VALUES ($1, '', 1, now())
		ON CONFLICT (name) DO UPDATE SET holder = '', fence = l.fence + 1, expires_at = now()`, name)
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT pg_notify('`+channel+`', $1)`, name)
	}
	if err != nil {
		return fmt.Errorf("lease: depose the leader: %w", err)
	}
	return nil
}
