package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
)

// CheckpointState is how far the read model has come, as the projector last
// reported it.
type CheckpointState struct {
	Block        int64 // last block with an applied transaction, -1 before the first
	TxIndex      int
	BlockHash    []byte
	State        string // projector.State
	Reason       string // why the projector is halted or waiting
	LedgerHeight uint64
	LagSeconds   float64       // age of the oldest block that is not applied; 0 on an idle ledger
	HeartbeatAge time.Duration // since the projector's last report, by the database's clock
	Violation    string        // why the read model is not what the ledger says, as the verifier found; empty: nothing is known
}

// ErrCondemned reports a read model that is not what the ledger says.
var ErrCondemned = errors.New("readmodel: the read model is not what the ledger says")

// LagBlocks returns the number of blocks on the ledger that are not applied.
func (c CheckpointState) LagBlocks() uint64 {
	if next := uint64(c.Block + 1); c.LedgerHeight > next {
		return c.LedgerHeight - next
	}
	return 0
}

// Checkpoint returns how far the read model has come.
func Checkpoint(ctx context.Context, db postgres.DB) (CheckpointState, error) {
	return one[CheckpointState](ctx, db, "checkpoint", `
		SELECT block, tx_index, block_hash, state, reason, ledger_height, lag_seconds,
		       greatest(now() - heartbeat_at, interval '0') AS heartbeat_age, violation
		FROM read.checkpoint`)
}

// LockCheckpoint returns the stored position and keeps every other writer out
// until the transaction ends. Of a condemned read model it returns ErrCondemned
// with the position.
func LockCheckpoint(ctx context.Context, tx pgx.Tx) (Position, error) {
	type row struct {
		Position
		Violation string
	}
	r, err := one[row](ctx, tx, "checkpoint", `SELECT block, tx_index, block_hash AS hash, violation FROM read.checkpoint FOR UPDATE`)
	if err == nil && r.Violation != "" {
		err = fmt.Errorf("%w: %s", ErrCondemned, r.Violation)
	}
	return r.Position, err
}

// Condemn stores why the read model is not what the ledger says. The first
// reason stays.
func Condemn(ctx context.Context, db postgres.DB, violation string) error {
	_, err := db.Exec(ctx, `UPDATE read.checkpoint SET violation = $1 WHERE violation = ''`, clean(violation))
	if err != nil {
		return fmt.Errorf("condemn the read model: %w", err)
	}
	return nil
}

// Acquit takes back what Condemn has stored, and tells whether there was
// something.
func Acquit(ctx context.Context, db postgres.DB) (bool, error) {
	tag, err := db.Exec(ctx, `UPDATE read.checkpoint SET violation = '' WHERE violation <> ''`)
	if err != nil {
		return false, fmt.Errorf("acquit the read model: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

// Heartbeat is a projector's report on itself.
type Heartbeat struct {
	State        string
	Reason       string
	LedgerHeight uint64
	LagSeconds   float64
}

// Verdict is what others say of a read model.
type Verdict struct {
	Violation string // why it is condemned; empty when it is not
	Letters   int    // dead letters that wait for a decision or for their turn
}

// Report stores a heartbeat and returns what the projector has to know.
func Report(ctx context.Context, tx pgx.Tx, h Heartbeat) (v Verdict, err error) {
	err = tx.QueryRow(ctx, `
		UPDATE read.checkpoint SET state = $1, reason = $2, ledger_height = $3, lag_seconds = $4, heartbeat_at = now()
		RETURNING violation, (SELECT count(*) FROM read.event_dlq WHERE resolution IN ('', 'RETRY'))`,
		h.State, clean(h.Reason), h.LedgerHeight, h.LagSeconds).Scan(&v.Violation, &v.Letters)
	if err != nil {
		return Verdict{}, fmt.Errorf("store heartbeat: %w", err)
	}
	return v, nil
}
