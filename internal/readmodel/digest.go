package readmodel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
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

// derived returns the columns of a table that come from the ledger, sorted; none
// when nothing of it does.
func derived(ctx context.Context, db postgres.DB, table string) (columns []string, err error) {
	without, some := clockwork[table]
	if some && without == nil {
		return nil, nil
	}
	err = db.QueryRow(ctx, `
		SELECT array_agg(column_name::text ORDER BY column_name) FROM information_schema.columns
		WHERE table_schema = $1 AND table_name = $2 AND column_name <> ALL ($3)`, Live, table, append([]string{}, without...)).Scan(&columns)
	if err != nil {
		return nil, fmt.Errorf("columns of %s: %w", table, err)
	}
	return columns, nil
}

func columnList(columns []string) string {
	return strings.Join(column(columns, func(c string) string { return pgx.Identifier{c}.Sanitize() }), ", ")
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
		columns, err := derived(ctx, db, name)
		if err != nil {
			return nil, err
		}
		if len(columns) == 0 {
			continue
		}
		t := TableDigest{Table: name}
		err = db.QueryRow(ctx, `
			SELECT count(*), concat(coalesce(sum(hash_record_extended(r, 0)::numeric), 0), '.', coalesce(sum(hash_record_extended(r, 1)::numeric), 0))
			FROM (SELECT `+columnList(columns)+` FROM `+pgx.Identifier{schema, name}.Sanitize()+`) r`).Scan(&t.Rows, &t.Sum)
		if err != nil {
			return nil, fmt.Errorf("digest of %s.%s: %w", schema, name, err)
		}
		d = append(d, t)
	}
	return d, nil
}

// Difference is a value in which the live read model and another differ.
type Difference struct {
	Table  string   // of the live one
	Key    []string // values of its primary key
	Column string   // empty: one side has no such row
	Live   string   // in JSON; nothing: there is no such row
	Other  string   // the same
}

// Compare calls differ for each value from the ledger in which the live read model
// and that of a schema differ, for up to limit rows of a table, and counted with the
// number of rows of each table. db is a transaction of one snapshot, in which both
// have the same checkpoint.
func Compare(ctx context.Context, db postgres.DB, schema string, limit int, counted func(rows int), differ func(Difference)) error {
	names, err := tables(ctx, db, Live)
	if err != nil {
		return err
	}
	for _, name := range names {
		columns, err := derived(ctx, db, name)
		if err != nil {
			return err
		}
		if len(columns) == 0 {
			continue
		}
		n, err := compareTable(ctx, db, schema, name, columns, limit, differ)
		if err != nil {
			return fmt.Errorf("compare %s.%s: %w", schema, name, err)
		}
		counted(n)
	}
	return nil
}

func compareTable(ctx context.Context, db postgres.DB, schema, name string, columns []string, limit int, differ func(Difference)) (n int, err error) {
	live, other := pgx.Identifier{Live, name}.Sanitize(), pgx.Identifier{schema, name}.Sanitize()
	if err := db.QueryRow(ctx, `SELECT count(*) FROM `+live).Scan(&n); err != nil {
		return 0, err
	}
	var key []string
	if err := db.QueryRow(ctx, `
		SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int[], a.attnum::int))
		FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = $1::regclass AND i.indisprimary`,
		live).Scan(&key); err != nil {
		return 0, err
	}
	rows, err := db.Query(ctx, `
		SELECT to_jsonb(l) AS live, to_jsonb(o) AS other
		FROM (SELECT `+columnList(columns)+` FROM `+live+`) l FULL JOIN (SELECT `+columnList(columns)+` FROM `+other+`) o USING (`+columnList(key)+`)
		WHERE l IS DISTINCT FROM o ORDER BY `+columnList(key)+` LIMIT $1`, limit)
	if err != nil {
		return 0, err
	}
	var a, b map[string]jsontext.Value
	_, err = pgx.ForEachRow(rows, []any{&a, &b}, func() error {
		d := Difference{Table: name, Live: "nothing", Other: "nothing"}
		of := a
		if of == nil {
			of = b
		}
		for _, k := range key {
			d.Key = append(d.Key, unquoted(of[k]))
		}
		if a == nil || b == nil {
			if a != nil {
				d.Live = "a row"
			} else {
				d.Other = "a row"
			}
			differ(d)
		} else {
			for _, c := range columns {
				if !bytes.Equal(a[c], b[c]) {
					d.Column, d.Live, d.Other = c, string(a[c]), string(b[c])
					differ(d)
				}
			}
		}
		a, b = nil, nil
		return nil
	})
	return n, err
}

// unquoted returns a value as text.
func unquoted(v jsontext.Value) string {
	if s, err := jsontext.AppendUnquote(nil, v); err == nil && v.Kind() == '"' {
		return string(s)
	}
	return string(v)
}
