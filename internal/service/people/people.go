// Package people is the profiles of persons (table app.people), as the identity
// and admin doors share them. Whether a person is active or frozen is the
// ledger's to say, so their status is read together with the read model.
package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/gxid"
)

// Status is how far a person has come (api.md 4.1).
type Status string

const (
	Registered      Status = "REGISTERED"
	PendingApproval Status = "PENDING_ADMIN_APPROVAL"
	PendingOnchain  Status = "APPROVED_PENDING_ONCHAIN"
	Denied          Status = "DENIED"
	Active          Status = "ACTIVE"
	Frozen          Status = "FROZEN"
	Suspended       Status = "SUSPENDED"
	Closed          Status = "CLOSED"
)

// ErrNotFound reports that there is no such person.
var ErrNotFound = errors.New("people: not found")

// Person is a profile with its status on the ledger.
type Person struct {
	ProfileID uuid.UUID
	Sealed
	Nationality  *string
	Status       Status
	GXID         *string `db:"gx_id"`
	ReviewedBy   *uuid.UUID
	ReviewedAt   *time.Time
	OnchainAt    *time.Time
	FrozenReason string
	FrozenAt     *time.Time
	ErasedAt     *time.Time
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Version      int64 // of what the person and staff have changed
}

// Columns selects a Person from From.
const Columns = `p.profile_id, p.email, p.phone, p.first_name, p.last_name, p.date_of_birth, p.gender, p.nationality,
	` + EffectiveStatus + ` AS status, p.gx_id, p.denial_reason, p.reviewed_by, p.reviewed_at, u.created_at AS onchain_at,
	coalesce(a.frozen_reason, '') AS frozen_reason, a.frozen_at, p.erased_at, p.created_at, p.updated_at, p.version`

// EffectiveStatus is the status of p with what the ledger knows.
const EffectiveStatus = `CASE WHEN p.status <> 'APPROVED_PENDING_ONCHAIN' OR u.user_id IS NULL THEN p.status
	WHEN a.status = 'DECEASED' THEN 'CLOSED' ELSE a.status END`

// From is the tables behind Columns.
const From = ` FROM app.people p LEFT JOIN read.users u ON u.user_id = p.gx_id LEFT JOIN read.accounts a ON a.account_id = p.gx_id`

// Find returns a person by profile id or GX id. Errors: ErrNotFound.
func Find(ctx context.Context, db postgres.DB, id string) (Person, error) {
	where, arg := ` WHERE p.gx_id = $1`, any(gxid.Canonical(id))
	if parsed, err := uuid.Parse(id); err == nil {
		where, arg = ` WHERE p.profile_id = $1`, parsed
	}
	rows, err := db.Query(ctx, `SELECT `+Columns+From+where, arg)
	if err != nil {
		return Person{}, fmt.Errorf("read person: %w", err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Person])
	if errors.Is(err, pgx.ErrNoRows) {
		return Person{}, ErrNotFound
	}
	if err != nil {
		return Person{}, fmt.Errorf("read person: %w", err)
	}
	return p, nil
}

// DisplayName is the name that a counterparty may see: "Ada L.".
func DisplayName(first, last string) string {
	if last == "" {
		return first
	}
	return first + " " + string([]rune(last)[:1]) + "."
}
