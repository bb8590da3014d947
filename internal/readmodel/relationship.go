package readmodel

import (
	"context"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

// RelationshipState is a relationship between two people: the subject, who
// asked for it, is Relation of the object.
type RelationshipState struct {
	RelationshipID string
	SubjectID      string
	ObjectID       string
	Relation       trust.Relation
	Status         status.Relationship
	RequestedAt    time.Time
	ConfirmedAt    *time.Time
	ClosedAt       *time.Time // rejected or ended
	ClosedBy       string
	Reason         string // why it was closed
	Cursor         Cursor `db:"-"`
}

type relationshipRow struct {
	RelationshipState
	Cursor
}

func (r relationshipRow) state() RelationshipState {
	r.RelationshipState.Cursor = r.Cursor
	return r.RelationshipState
}

const relationshipSelect = `
	SELECT relationship_id, subject_id, object_id, relation, status, requested_at, confirmed_at, closed_at, closed_by, reason,
	       block, tx_index, seq, 0 AS entry
	FROM read.relationships`

// Relationship returns a relationship, or ErrNotFound.
func Relationship(ctx context.Context, db postgres.DB, relationshipID string) (RelationshipState, error) {
	r, err := one[relationshipRow](ctx, db, "relationship", relationshipSelect+` WHERE relationship_id = $1`, relationshipID)
	return r.state(), err
}

// Relationships returns the relationships of a person on either side, all or
// those in some statuses.
func Relationships(ctx context.Context, db postgres.DB, userID string, in []status.Relationship, w Window) (List[RelationshipState], error) {
	var q query
	q.add("(subject_id = $%d OR object_id = $%d)", userID, userID)
	oneOf(&q, "status", in)
	return list(ctx, db, "relationships", relationshipSelect, q, w, relationshipRow.state, func(r relationshipRow) Cursor { return r.Cursor })
}

// Invitations returns the relationships that wait for a person's answer.
func Invitations(ctx context.Context, db postgres.DB, userID string, w Window) (List[RelationshipState], error) {
	var q query
	q.add("object_id = $%d", userID)
	q.add("status = $%d", string(status.RelationshipPending))
	return list(ctx, db, "invitations", relationshipSelect, q, w, relationshipRow.state, func(r relationshipRow) Cursor { return r.Cursor })
}

// relationshipChange is what a run of events did to one relationship.
type relationshipChange struct {
	id          string
	requested   *event.RelationshipRequested
	made        meta // of the request
	status      status.Relationship
	confirmedAt *time.Time
	closedAt    *time.Time
	closedBy    string
	reason      string
}

func relationshipRequested(p *Projection, m meta, e *event.RelationshipRequested) error {
	p.relationships[e.RelationshipID] = &relationshipChange{id: e.RelationshipID, requested: e, made: m}
	return nil
}

func (p *Projection) relationshipChange(id string) *relationshipChange {
	return entry(p.relationships, id, func() *relationshipChange { return &relationshipChange{id: id} })
}

func relationshipConfirmed(p *Projection, m meta, e *event.RelationshipConfirmed) error {
	c := p.relationshipChange(e.RelationshipID)
	c.status, c.confirmedAt = status.RelationshipConfirmed, &m.at
	return nil
}

func relationshipRejected(p *Projection, m meta, e *event.RelationshipRejected) error {
	c := p.relationshipChange(e.RelationshipID)
	c.status, c.closedAt, c.closedBy, c.reason = status.RelationshipRejected, &m.at, e.ObjectID, e.Reason
	return nil
}

func relationshipEnded(p *Projection, m meta, e *event.RelationshipEnded) error {
	c := p.relationshipChange(e.RelationshipID)
	c.status, c.closedAt, c.closedBy, c.reason = status.RelationshipEnded, &m.at, e.EndedBy, e.Reason
	return nil
}

func (p *Projection) flushRelationships(b *batch) {
	all := sorted(p.relationships)
	if r := filter(all, func(c *relationshipChange) bool { return c.requested != nil }); len(r) > 0 {
		b.exec(len(r), "relationships", `
			INSERT INTO read.relationships (relationship_id, subject_id, object_id, relation, status, requested_at, block, tx_index, seq)
			SELECT id, subject, object, relation, $1, at, block, tx_index, seq
			FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[], $8::int[], $9::int[])
			  AS v (id, subject, object, relation, at, block, tx_index, seq)
			ON CONFLICT (relationship_id) DO UPDATE
			SET status = excluded.status, requested_at = excluded.requested_at, confirmed_at = NULL, closed_at = NULL, closed_by = '', reason = '',
			    block = excluded.block, tx_index = excluded.tx_index, seq = excluded.seq`,
			string(status.RelationshipPending),
			column(r, func(c *relationshipChange) string { return c.id }),
			column(r, func(c *relationshipChange) string { return c.requested.SubjectID }),
			column(r, func(c *relationshipChange) string { return c.requested.ObjectID }),
			column(r, func(c *relationshipChange) string { return string(c.requested.Relation) }),
			column(r, func(c *relationshipChange) time.Time { return c.made.at }),
			column(r, func(c *relationshipChange) int64 { return c.made.block }),
			column(r, func(c *relationshipChange) int { return c.made.txIndex }),
			column(r, func(c *relationshipChange) int { return c.made.seq }))
	}
	if r := filter(all, func(c *relationshipChange) bool { return c.status != "" }); len(r) > 0 {
		b.exec(len(r), "status of relationships", `
			UPDATE read.relationships r
			SET status = v.status, confirmed_at = coalesce(v.confirmed_at, r.confirmed_at),
			    closed_at = v.closed_at, closed_by = v.closed_by, reason = v.reason
			FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[])
			  AS v (id, status, confirmed_at, closed_at, closed_by, reason)
			WHERE r.relationship_id = v.id`,
			column(r, func(c *relationshipChange) string { return c.id }),
			column(r, func(c *relationshipChange) string { return string(c.status) }),
			column(r, func(c *relationshipChange) *time.Time { return c.confirmedAt }),
			column(r, func(c *relationshipChange) *time.Time { return c.closedAt }),
			column(r, func(c *relationshipChange) string { return c.closedBy }),
			column(r, func(c *relationshipChange) string { return c.reason }))
	}
}
