// Package audit keeps the trail of every privileged and every money-moving act.
//
// A record is appended in the transaction of the act, so there is neither an act
// without its record nor a record without its act; commands leave theirs by a
// trigger of the database, whoever enqueues them. Nothing but the sealer can
// take a record from where it was appended, and only into the chain: a table to
// which rows are only ever added, each with the hash of the one before. Sealing
// happens in the background and costs an act nothing.
//
// A record names people by their ids alone.
package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/postgres"
)

// Action says what was done, for example STAFF_LOGIN.
type Action string

// Record is one act.
type Record struct {
	At           time.Time
	Actor        string // principal, for example "staff:<id>"
	Role         string // of staff
	Session      *uuid.UUID
	Action       Action
	ResourceType string
	ResourceID   string
	Approval     *uuid.UUID
	RequestID    string
	Address      string         // of staff
	UserAgent    string         // of staff
	Detail       jsontext.Value // an object; nil for none
}

// Append stores a record in db, the transaction of the act.
func Append(ctx context.Context, db postgres.DB, r Record) error {
	detail := []byte("{}")
	if r.Detail != nil {
		detail = r.Detail
	}
	_, err := db.Exec(ctx, `
		INSERT INTO app.audit_pending (at, actor, role, session_id, action, resource_type, resource_id, approval_id, request_id, address, user_agent, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		r.At, r.Actor, r.Role, r.Session, r.Action, r.ResourceType, r.ResourceID, r.Approval, r.RequestID, r.Address, r.UserAgent, detail)
	if err != nil {
		return fmt.Errorf("audit: append %s: %w", r.Action, err)
	}
	return nil
}

// Detail encodes the particulars of an act.
func Detail(v any) (jsontext.Value, error) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("audit: encode detail: %w", err)
	}
	return b, nil
}
