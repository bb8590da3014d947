package readmodel

import (
	"context"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/event"
)

// Admin is a person in the ledger's register of administrators.
type Admin struct {
	AdminID     string
	AppointedBy string
	AppointedAt time.Time
	RevokedAt   *time.Time // nil while appointed
}

// Admins returns everyone who is or was in the register, sorted by id.
func Admins(ctx context.Context, db postgres.DB) ([]Admin, error) {
	return many[Admin](ctx, db, "admins", `SELECT admin_id, appointed_by, appointed_at, revoked_at FROM read.admins ORDER BY admin_id`)
}

// adminChange is what a run of events did to one entry of the register.
type adminChange struct {
	id          string
	appointed   *event.AdminAppointed
	appointedAt time.Time
	revokedAt   *time.Time // after the appointment of the run, if any
}

func adminAppointed(p *Projection, m meta, e *event.AdminAppointed) error {
	p.admins[e.AdminID] = &adminChange{id: e.AdminID, appointed: e, appointedAt: m.at}
	return nil
}

func adminRevoked(p *Projection, m meta, e *event.AdminRevoked) error {
	entry(p.admins, e.AdminID, func() *adminChange { return &adminChange{id: e.AdminID} }).revokedAt = &m.at
	return nil
}

func (p *Projection) flushAdmins(b *batch) {
	all := sorted(p.admins)
	if r := filter(all, func(c *adminChange) bool { return c.appointed != nil }); len(r) > 0 {
		b.exec(len(r), "admins", `
			INSERT INTO read.admins (admin_id, appointed_by, appointed_at) SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
			ON CONFLICT (admin_id) DO UPDATE SET appointed_by = excluded.appointed_by, appointed_at = excluded.appointed_at, revoked_at = NULL`,
			column(r, func(c *adminChange) string { return c.id }),
			column(r, func(c *adminChange) string { return c.appointed.AppointedBy }),
			column(r, func(c *adminChange) time.Time { return c.appointedAt }))
	}
	if r := filter(all, func(c *adminChange) bool { return c.revokedAt != nil }); len(r) > 0 {
		b.exec(len(r), "revoked admins", `
			UPDATE read.admins a SET revoked_at = v.at FROM unnest($1::text[], $2::timestamptz[]) AS v (id, at) WHERE a.admin_id = v.id`,
			column(r, func(c *adminChange) string { return c.id }),
			column(r, func(c *adminChange) *time.Time { return c.revokedAt }))
	}
}
