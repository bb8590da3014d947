package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
)

// rowsOfTable bounds the rows of a table whose differences are named.
const rowsOfTable = 100

// errSession reports a database that is no pool, from which a session can be taken.
var errSession = errors.New("verifier: a replay needs a pool")

// replay makes the read model again, in tables that this session alone sees and
// that end with it, and compares every value of every row. Nothing that comes
// from the ledger escapes it, also what the ledger's state does not tell.
func (p *pass) replay(ctx context.Context) error {
	pool, ok := p.db.(*pgxpool.Pool)
	if !ok {
		return errSession
	}
	c, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	// The connection must not go back to the pool: its tables would go with it.
	conn := c.Hijack()
	defer conn.Close(context.WithoutCancel(ctx))
	schema, err := readmodel.CreateTemporary(ctx, conn)
	if err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	// All but the last blocks in many transactions: one of that length would keep
	// the vacuum from everything else.
	at, err := readmodel.Checkpoint(ctx, conn)
	if err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	count := func(keys, rows int) { _ = p.count(ctx, "replay", keys, rows) } // when ctx has ended the replay does too
	if err := projector.Replay(ctx, conn, schema, p.ledger, position(at), replayed(count)); err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		at, err := readmodel.Checkpoint(ctx, tx)
		if err != nil {
			return err
		}
		if err := readmodel.CarryOver(ctx, tx, schema); err != nil {
			return err
		}
		add := func(keys, rows int) { p.add("replay", keys, rows) } // a transaction must not idle
		if err := projector.Replay(ctx, tx, schema, p.ledger, position(at), replayed(add)); err != nil {
			return err
		}
		return readmodel.Compare(ctx, tx, schema, rowsOfTable, func(rows int) { add(rows, rows) }, p.differs)
	})
	if err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	return p.count(ctx, "replay", 0, 0)
}

func position(c readmodel.CheckpointState) readmodel.Position {
	return readmodel.Position{Block: c.Block, TxIndex: c.TxIndex, Hash: c.BlockHash}
}

// differs takes down a difference that was not found otherwise.
func (p *pass) differs(d readmodel.Difference) {
	at := Place{"replay", d.Key, "read." + d.Table}
	known := slices.ContainsFunc(p.report.Violations, func(v Violation) bool {
		return v.Table == at.Table && v.Field == d.Column && slices.Equal(v.Key, d.Key)
	})
	if !known {
		p.violation(Violation{at, d.Column, d.Other, d.Live})
	}
}

// replayed counts blocks.
func replayed(count func(keys, rows int)) func(readmodel.Position) {
	last := int64(-1)
	return func(at readmodel.Position) {
		count(int(max(0, at.Block-last)), 0)
		last = max(last, at.Block)
	}
}
