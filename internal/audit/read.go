package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
)

// Entry is a record with its place in the chain.
type Entry struct {
	Record
	Sequence int64 // 0 while it waits to be sealed
	Previous Hash
	Hash     Hash
}

// Filter selects records. Zero values select all.
type Filter struct {
	Actor        string
	Action       Action
	ResourceType string
	ResourceID   string
	From, To     time.Time // To is not included
	Before       int64     // sequences below this one
	Limit        int
}

// ErrNotFound reports that there is no such record.
var ErrNotFound = errors.New("audit: no such record")

const sealedSelect = `SELECT ` + columns + `, sequence, prev_hash, hash FROM app.audit `

func scanSealed(row pgx.CollectableRow) (Entry, error) {
	var e entry
	var out Entry
	var previous, hash []byte
	if err := row.Scan(append(e.targets(), &out.Sequence, &previous, &hash)...); err != nil {
		return out, err
	}
	out.Record = e.Record
	if len(previous) == len(out.Previous) && len(hash) == len(out.Hash) {
		out.Previous, out.Hash = Hash(previous), Hash(hash)
	}
	return out, nil
}

// List returns sealed records, the newest first.
func List(ctx context.Context, db postgres.DB, f Filter) ([]Entry, error) {
	optional := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	rows, err := db.Query(ctx, sealedSelect+`
		WHERE ($1 = '' OR actor = $1) AND ($2 = '' OR action = $2) AND ($3 = '' OR resource_type = $3) AND ($4 = '' OR resource_id = $4)
		  AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6) AND ($7 = 0 OR sequence < $7)
		ORDER BY sequence DESC LIMIT $8`,
		f.Actor, f.Action, f.ResourceType, f.ResourceID, optional(f.From), optional(f.To), f.Before, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("audit: list: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanSealed)
	if err != nil {
		return nil, fmt.Errorf("audit: list: %w", err)
	}
	return list, nil
}

// Get returns a sealed record, or ErrNotFound.
func Get(ctx context.Context, db postgres.DB, sequence int64) (Entry, error) {
	rows, err := db.Query(ctx, sealedSelect+`WHERE sequence = $1`, sequence)
	if err != nil {
		return Entry{}, fmt.Errorf("audit: read: %w", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanSealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return Entry{}, ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("audit: read: %w", err)
	}
	return e, nil
}

// OfApproval returns the records of an approval, sealed or not, the oldest first.
func OfApproval(ctx context.Context, db postgres.DB, approval uuid.UUID) ([]Entry, error) {
	rows, err := db.Query(ctx, `SELECT * FROM (
			`+sealedSelect+`WHERE approval_id = $1
			UNION ALL SELECT `+columns+`, 0, '', '' FROM app.audit_pending WHERE approval_id = $1) r
		ORDER BY position`, approval)
	if err != nil {
		return nil, fmt.Errorf("audit: read approval: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanSealed)
	if err != nil {
		return nil, fmt.Errorf("audit: read approval: %w", err)
	}
	return list, nil
}
