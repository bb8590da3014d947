package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/readmodel"
)

// Break is the first place where the chain is not what was sealed.
type Break struct {
	Sequence int64
	Reason   string
}

// Report is the outcome of a verification.
type Report struct {
	Head       Head      // the last record that is proved
	Anchored   int64     // the last record whose head the ledger holds, 0 for none
	AnchoredAt time.Time // when the ledger was told
	Pending    int       // records that wait to be sealed
	Break      *Break    // nil when the chain is whole
}

// Verify recomputes the chain from its beginning, on a pool that may read it
// (gx_verifier, gx_service). It must run through every head that the ledger
// holds. Give it the heads of earlier reports, kept out of the database's reach:
// whoever can rewrite the chain behind the last anchor is found by them alone.
func Verify(ctx context.Context, pool *pgxpool.Pool, kept ...Head) (Report, error) {
	var r Report
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var end Head
		var hash []byte
		if err := tx.QueryRow(ctx, `SELECT sequence, hash, (SELECT count(*) FROM app.audit_pending) FROM app.audit_head`).
			Scan(&end.Sequence, &hash, &r.Pending); err != nil {
			return err
		}
		end.Hash = Hash(hash)
		anchors, err := readmodel.AuditAnchors(ctx, tx)
		if err != nil {
			return err
		}
		for _, a := range anchors {
			h, err := ParseHead(fmt.Sprintf("%d:%s", a.Sequence, a.Hash))
			if err != nil {
				return err
			}
			kept, r.Anchored, r.AnchoredAt = append(kept, h), a.Sequence, a.At
		}
		return r.walk(ctx, tx, append(kept, end))
	})
	if err != nil {
		return Report{}, fmt.Errorf("audit: verify: %w", err)
	}
	return r, nil
}

// walk follows the chain and checks that it runs through the known heads.
func (r *Report) walk(ctx context.Context, tx pgx.Tx, known []Head) error {
	at := map[int64]Hash{}
	for _, h := range known {
		if other, ok := at[h.Sequence]; ok && other != h.Hash {
			r.Break = &Break{h.Sequence, "two known heads contradict each other"}
			return nil
		}
		at[h.Sequence] = h.Hash
	}
	rows, err := tx.Query(ctx, `SELECT `+columns+`, sequence, prev_hash, hash FROM app.audit ORDER BY sequence`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var e entry
	var sequence int64
	var prev, hash []byte
	targets := append(e.targets(), &sequence, &prev, &hash)
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		next := r.Head.follow(&e)
		reason := ""
		switch {
		case sequence != next.Sequence:
			sequence, reason = next.Sequence, "the record is missing"
		case string(prev) != string(r.Head.Hash[:]):
			reason = "the record does not follow the one before"
		case string(hash) != string(next.Hash[:]):
			reason = "the record was changed"
		default:
			if want, ok := at[sequence]; ok && want != next.Hash {
				reason = "the chain was rewritten: it does not run through a known head"
			}
		}
		if reason != "" {
			r.Break = &Break{sequence, reason}
			return nil
		}
		r.Head = next
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, h := range known {
		if h.Sequence > r.Head.Sequence {
			r.Break = &Break{r.Head.Sequence + 1, "the record is missing: the chain was cut off"}
			return nil
		}
		if h.Sequence == 0 && h.Hash != (Hash{}) {
			r.Break = &Break{0, "a known head has a hash before the first record"}
			return nil
		}
	}
	// What was added behind the end is no part of what was sealed.
	if end := known[len(known)-1]; end.Sequence < r.Head.Sequence {
		r.Head, r.Break = end, &Break{end.Sequence + 1, "the record was added behind the end of the chain"}
	}
	return nil
}
