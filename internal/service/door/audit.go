package door

import (
	"context"
	"strings"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/token"
)

// Audit appends a record of what the caller does to db, the transaction in
// which it is done. What the record does not say itself is that of the request.
func (d *Door) Audit(ctx context.Context, db postgres.DB, r audit.Record) error {
	c := callOf(ctx)
	r.At, r.RequestID = d.Clock(), httpkit.From(ctx).RequestID
	if r.Actor == "" {
		r.Actor = c.who.String()
	}
	if c.who.Kind != "" && r.Actor == c.who.String() {
		r.Role, r.Session = string(c.who.Role), &c.who.Session
	}
	// Where a customer is, is nobody's business for ever.
	if strings.HasPrefix(r.Actor, prefixes[token.Staff]) {
		r.UserAgent = c.userAgent
		if c.client.IsValid() {
			r.Address = c.client.String()
		}
	}
	return audit.Append(ctx, db, r)
}
