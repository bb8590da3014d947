package readmodel

import (
	"context"
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
}

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
		       greatest(now() - heartbeat_at, interval '0') AS heartbeat_age
		FROM read.checkpoint`)
}

// LockCheckpoint returns the stored position and keeps every other writer out
// until the transaction ends.
func LockCheckpoint(ctx context.Context, tx pgx.Tx) (Position, error) {
	return one[Position](ctx, tx, "checkpoint", `SELECT block, tx_index, block_hash AS hash FROM read.checkpoint FOR UPDATE`)
}

// Heartbeat is a projector's report on itself.
type Heartbeat struct {
	State        string
	Reason       string
	LedgerHeight uint64
	LagSeconds   float64
}

// Report stores a heartbeat.
func Report(ctx context.Context, tx pgx.Tx, h Heartbeat) error {
	_, err := tx.Exec(ctx, `
		UPDATE read.checkpoint SET state = $1, reason = $2, ledger_height = $3, lag_seconds = $4, heartbeat_at = now()`,
		h.State, clean(h.Reason), h.LedgerHeight, h.LagSeconds)
	if err != nil {
		return fmt.Errorf("store heartbeat: %w", err)
	}
	return nil
}
