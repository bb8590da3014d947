package readmodel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
)

// TableDigest stands for the rows of a table, in any order.
type TableDigest struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	Sum   string `json:"sum"`
}

// Digest stands for everything that a read model has from the ledger.
type Digest []TableDigest

// String returns one hash of all.
func (d Digest) String() string {
	h := sha256.New()
	for _, t := range d {
		fmt.Fprintf(h, "%s %d %s\n", t.Table, t.Rows, t.Sum)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Differ returns the names of the tables in which two digests differ.
func (d Digest) Differ(other Digest) []string {
	have := map[string]TableDigest{}
	for _, t := range d {
		have[t.Table] = t
	}
	var names []string
	for _, t := range other {
		if have[t.Table] != t {
			names = append(names, t.Table)
		}
		delete(have, t.Table)
	}
	for name := range have {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// clockwork are the columns that are not the ledger's: the projector's and the
// operators'. Nil stands for the whole table.
var clockwork = map[string][]string{
	"checkpoint":      {"state", "reason", "ledger_height", "lag_seconds", "heartbeat_at", "violation"},
	"command_results": {"projected_at"},
	"event_dlq":       nil,
}

// ReadDigest reads the digest of the read model in a schema. In a transaction of
// one snapshot it is that of one checkpoint.
func ReadDigest(ctx context.Context, db postgres.DB, schema string) (Digest, error) {
	names, err := tables(ctx, db, schema)
	if err != nil {
		return nil, err
	}
	var d Digest
	for _, name := range names {
		without, some := clockwork[name]
		if some && without == nil {
			continue
		}
		t := TableDigest{Table: name}
		var columns []string
		err := db.QueryRow(ctx, `
			SELECT array_agg(quote_ident(column_name) ORDER BY column_name) FROM information_schema.columns
			WHERE table_schema = $1 AND table_name = $2 AND column_name <> ALL ($3)`, schema, name, append([]string{}, without...)).Scan(&columns)
		if err != nil {
			return nil, fmt.Errorf("digest of %s.%s: %w", schema, name, err)
		}
		err = db.QueryRow(ctx, `
			SELECT count(*), concat(coalesce(sum(hash_record_extended(r, 0)::numeric), 0), '.', coalesce(sum(hash_record_extended(r, 1)::numeric), 0))
			FROM (SELECT `+strings.Join(columns, ", ")+` FROM `+pgx.Identifier{schema, name}.Sanitize()+`) r`).Scan(&t.Rows, &t.Sum)
		if err != nil {
			return nil, fmt.Errorf("digest of %s.%s: %w", schema, name, err)
		}
		d = append(d, t)
	}
	return d, nil
}
