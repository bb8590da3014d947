package readmodel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
)

// WholeTx is the Seq of a dead letter that stands for a whole transaction.
const WholeTx = -1

// ResolutionSkip is the operator's decision to go on without a dead letter.
const ResolutionSkip = "SKIP"

// DeadLetter is an event, or a whole transaction, that could not be applied.
type DeadLetter struct {
	TxID       string
	Seq        int // position in the envelope, or WholeTx
	Block      uint64
	TxIndex    int
	EventName  string // name of the ledger event
	Type       string // type of the event in the envelope, empty for WholeTx
	Reason     string
	Payload    []byte // as the ledger holds it
	RecordedAt time.Time
	Resolution string // empty until an operator decides
}

// Bury stores a dead letter. One that is already there stays as it is.
func Bury(ctx context.Context, tx pgx.Tx, d DeadLetter) error {
	b := &batch{}
	bury(b, d)
	if err := tx.SendBatch(ctx, &b.Batch).Close(); err != nil {
		return fmt.Errorf("store dead letter: %w", err)
	}
	return nil
}

func bury(b *batch, d DeadLetter) {
	b.Queue(`
		INSERT INTO read.event_dlq (tx_id, seq, block, tx_index, event_name, type, reason, payload, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (tx_id, seq) DO NOTHING`,
		clean(d.TxID), d.Seq, d.Block, d.TxIndex, clean(d.EventName), clean(d.Type), clean(d.Reason), append([]byte{}, d.Payload...), d.RecordedAt)
}

// clean makes hostile text storable: PostgreSQL takes neither NUL nor invalid
// UTF-8 in text.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Resolution returns the operator's decision on a dead letter, empty while
// there is none, or ErrNotFound when there is no such letter.
func Resolution(ctx context.Context, db postgres.DB, txID string, seq int) (string, error) {
	type row struct{ Resolution string }
	r, err := one[row](ctx, db, "dead letter", `SELECT resolution FROM read.event_dlq WHERE tx_id = $1 AND seq = $2`, clean(txID), seq)
	return r.Resolution, err
}

// DeadLetters returns the dead letters without a resolution, oldest first.
func DeadLetters(ctx context.Context, db postgres.DB) ([]DeadLetter, error) {
	return many[DeadLetter](ctx, db, "dead letters", `
		SELECT tx_id, seq, block, tx_index, event_name, type, reason, payload, recorded_at, resolution
		FROM read.event_dlq WHERE resolution = '' ORDER BY block, tx_index, seq`)
}
