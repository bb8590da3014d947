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

// Resolution is what became of a dead letter; empty while nobody has decided.
type Resolution string

const (
	Skipped Resolution = "SKIP"    // an operator's decision to go on without it
	Retried Resolution = "RETRY"   // an operator's decision to try it again, when its turn comes
	Applied Resolution = "APPLIED" // it was applied after all
)

// DeadLetter is an event, or a whole transaction, that could not be applied.
type DeadLetter struct {
	TxID             string
	Seq              int // position in the envelope, or WholeTx
	Block            uint64
	TxIndex          int
	EventName        string // name of the ledger event
	Type             string // type of the event in the envelope, empty for WholeTx
	Reason           string
	Payload          []byte // as the ledger holds it
	RecordedAt       time.Time
	Resolution       Resolution
	ResolvedBy       string
	ResolutionReason string
	ResolvedAt       *time.Time
}

const deadLetterSelect = `
	SELECT tx_id, seq, block, tx_index, event_name, type, reason, payload, recorded_at, resolution, resolved_by, resolution_reason, resolved_at
	FROM read.event_dlq `

// Bury stores a dead letter. One that is already there stays as it is, unless it
// was applied once.
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
		INSERT INTO read.event_dlq AS l (tx_id, seq, block, tx_index, event_name, type, reason, payload, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (tx_id, seq) DO UPDATE SET reason = excluded.reason, resolution = '', resolved_by = '', resolution_reason = '', resolved_at = NULL
		WHERE l.resolution = 'APPLIED'`,
		clean(d.TxID), d.Seq, d.Block, d.TxIndex, clean(d.EventName), clean(d.Type), clean(d.Reason), append([]byte{}, d.Payload...), d.RecordedAt)
}

// flushResolved ends the dead letters of what is applied after all.
func (p *Projection) flushResolved(b *batch) {
	if len(p.txs) == 0 {
		return
	}
	b.Queue(`
		UPDATE read.event_dlq d SET resolution = 'APPLIED', resolved_at = now()
		WHERE tx_id = ANY ($1) AND resolution IN ('', 'RETRY')
		  AND (seq = -1 OR EXISTS (SELECT FROM read.event_log l WHERE l.tx_id = d.tx_id AND l.seq = d.seq))`, p.txs)
}

// clean makes hostile text storable: PostgreSQL takes neither NUL nor invalid
// UTF-8 in text.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Letter returns one dead letter, or ErrNotFound.
func Letter(ctx context.Context, db postgres.DB, txID string, seq int) (DeadLetter, error) {
	return one[DeadLetter](ctx, db, "dead letter", deadLetterSelect+`WHERE tx_id = $1 AND seq = $2`, clean(txID), seq)
}

// DeadLetters returns up to limit dead letters in the order of the ledger, without
// their payloads: those that wait for a decision or for their turn, or all.
func DeadLetters(ctx context.Context, db postgres.DB, all bool, limit int) ([]DeadLetter, error) {
	return many[DeadLetter](ctx, db, "dead letters", strings.Replace(deadLetterSelect, "payload", "''::bytea AS payload", 1)+`
		WHERE $1 OR resolution IN ('', 'RETRY') ORDER BY block, tx_index, seq LIMIT $2`, all, limit)
}

// Resolve stores an operator's decision on a dead letter and tells whether it
// changed anything: what was applied needs none.
func Resolve(ctx context.Context, tx pgx.Tx, d DeadLetter, r Resolution, by, reason string, at time.Time) (bool, error) {
	tag, err := tx.Exec(ctx, `
		UPDATE read.event_dlq SET resolution = $3, resolved_by = $4, resolution_reason = $5, resolved_at = $6
		WHERE tx_id = $1 AND seq = $2 AND resolution NOT IN ('APPLIED', $3)`, clean(d.TxID), d.Seq, r, clean(by), clean(reason), at)
	if err != nil {
		return false, fmt.Errorf("resolve dead letter: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}
