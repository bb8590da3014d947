package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/command"
)

// Resolution is what an operator decided about a dead command.
type Resolution string

const (
	Requeued  Resolution = "REQUEUED"
	Discarded Resolution = "DISCARDED"
)

// DeadCommand is one death of a command. The command itself may have gone on
// since, and died again.
type DeadCommand struct {
	CommandID  uuid.UUID
	Type       command.Type
	Actor      string
	ErrorClass Class
	ErrorCode  string
	Error      string
	Counters
	CreatedAt  time.Time // of the command
	MovedAt    time.Time
	Resolution Resolution // empty while nothing is decided
	ResolvedBy string
	Reason     string
	ResolvedAt *time.Time
}

const deadSelect = `
	SELECT d.command_id, c.type, c.actor, d.error_class, d.error_code, d.error, d.attempts, d.conflicts, c.created_at,
	       d.moved_at, d.resolution, d.resolved_by, d.reason, d.resolved_at
	FROM app.dead_commands d JOIN app.commands c ON c.id = d.command_id `

func deadCommands(ctx context.Context, db postgres.DB, where string, args ...any) ([]DeadCommand, error) {
	rows, err := db.Query(ctx, deadSelect+where, args...)
	if err != nil {
		return nil, fmt.Errorf("outbox: list dead commands: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d DeadCommand, err error) {
		err = row.Scan(&d.CommandID, &d.Type, &d.Actor, &d.ErrorClass, &d.ErrorCode, &d.Error, &d.Attempts, &d.Conflicts, &d.CreatedAt,
			&d.MovedAt, &d.Resolution, &d.ResolvedBy, &d.Reason, &d.ResolvedAt)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("outbox: list dead commands: %w", err)
	}
	return list, nil
}

// ListDead returns up to limit deaths, the first ones first: of commands that wait
// for a decision, or all; of one class, or with class "" of every class.
func ListDead(ctx context.Context, db postgres.DB, all bool, class Class, limit int) ([]DeadCommand, error) {
	return deadCommands(ctx, db, `WHERE ($1 OR d.resolution = '') AND ($2 = '' OR d.error_class = $2) ORDER BY d.id LIMIT $3`, all, class, limit)
}

// Deaths returns every death of one command, the last one first, or ErrNotFound.
func Deaths(ctx context.Context, db postgres.DB, id uuid.UUID) ([]DeadCommand, error) {
	list, err := deadCommands(ctx, db, `WHERE d.command_id = $1 ORDER BY d.id DESC`, id)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	return list, err
}

// Payload returns what a command was accepted with, or ErrNotFound.
func Payload(ctx context.Context, db postgres.DB, id uuid.UUID) (payload []byte, err error) {
	err = db.QueryRow(ctx, `SELECT payload FROM app.commands WHERE id = $1`, id).Scan(&payload)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("outbox: read the payload of %s: %w", id, err)
	}
	return payload, nil
}

// Decision is an operator's word on dead commands. Everything is required, and
// it is kept with them.
type Decision struct {
	Resolution Resolution
	By         string
	Reason     string
	Commands   []uuid.UUID
}

// Resolve applies a decision and returns the commands that it changed: a
// requeued one starts afresh under its id, a discarded one is Cancelled for
// good. Others are left alone: those that are not dead, or that the ledger has
// recorded after all. So a repetition changes nothing. Call Wake afterwards.
func Resolve(ctx context.Context, db postgres.DB, now clock.Clock, d Decision) ([]uuid.UUID, error) {
	if d.Resolution != Requeued && d.Resolution != Discarded || d.By == "" || d.Reason == "" {
		return nil, errors.New("outbox: a decision needs a resolution, a name and a reason")
	}
	rows, err := db.Query(ctx, `SELECT app.resolve_dead_commands($1, $2, $3, $4, $5)`, d.Commands, d.Resolution, d.By, d.Reason, now())
	if err != nil {
		return nil, fmt.Errorf("outbox: resolve dead commands: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("outbox: resolve dead commands: %w", err)
	}
	return ids, nil
}
