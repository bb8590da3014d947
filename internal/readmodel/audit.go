package readmodel

import (
	"context"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/event"
)

// AuditAnchor is a head of the audit trail that the ledger holds.
type AuditAnchor struct {
	Sequence int64
	Hash     string // hex
	At       time.Time
}

// AuditAnchors returns every anchor, the oldest first.
func AuditAnchors(ctx context.Context, db postgres.DB) ([]AuditAnchor, error) {
	return many[AuditAnchor](ctx, db, "audit anchors", `SELECT sequence, hash, at FROM read.audit_anchors ORDER BY sequence`)
}

func auditAnchored(p *Projection, m meta, e *event.AuditAnchored) error {
	p.anchors = append(p.anchors, AuditAnchor{Sequence: e.Sequence, Hash: e.Hash, At: m.at})
	return nil
}

func (p *Projection) flushAnchors(b *batch) {
	r := p.anchors
	if len(r) == 0 {
		return
	}
	b.exec(len(r), "audit anchors", `INSERT INTO read.audit_anchors (sequence, hash, at) SELECT * FROM unnest($1::bigint[], $2::text[], $3::timestamptz[])`,
		column(r, func(a AuditAnchor) int64 { return a.Sequence }),
		column(r, func(a AuditAnchor) string { return a.Hash }),
		column(r, func(a AuditAnchor) time.Time { return a.At }))
}
