package readmodel

import (
	"context"
	"regexp"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/platform/postgres"
)

// The schemas of the live read model, of the one that is being built beside it
// and of the one that was live before.
const (
	Live     = "read"
	Next     = "read_next"
	Previous = "read_prev"
)

// In returns db with the tables of another schema in place of the live ones: what
// runs on it reads and writes a read model of its own.
func In(db postgres.DB, schema string) postgres.DB {
	if schema == Live {
		return db
	}
	return &elsewhere{db, &renaming{schema: schema}}
}

// renaming puts a schema in place of Live in SQL. It keeps what it has done: our
// statements are few and never made of data.
type renaming struct {
	schema string
	done   sync.Map
}

var liveTable = regexp.MustCompile(`\b` + Live + `\.`)

func (r *renaming) sql(s string) string {
	if v, ok := r.done.Load(s); ok {
		return v.(string)
	}
	v := liveTable.ReplaceAllLiteralString(s, pgx.Identifier{r.schema}.Sanitize()+".")
	r.done.Store(s, v)
	return v
}

func (r *renaming) batch(b *pgx.Batch) *pgx.Batch {
	for _, q := range b.QueuedQueries {
		q.SQL = r.sql(q.SQL)
	}
	return b
}

type elsewhere struct {
	postgres.DB
	*renaming
}

func (e *elsewhere) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return e.DB.Exec(ctx, e.sql(sql), args...)
}

func (e *elsewhere) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return e.DB.Query(ctx, e.sql(sql), args...)
}

func (e *elsewhere) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return e.DB.QueryRow(ctx, e.sql(sql), args...)
}

func (e *elsewhere) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return e.DB.SendBatch(ctx, e.batch(b))
}

func (e *elsewhere) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := e.DB.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &elsewhereTx{tx, e.renaming}, nil
}

type elsewhereTx struct {
	pgx.Tx
	*renaming
}

func (e *elsewhereTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return e.Tx.Exec(ctx, e.sql(sql), args...)
}

func (e *elsewhereTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return e.Tx.Query(ctx, e.sql(sql), args...)
}

func (e *elsewhereTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return e.Tx.QueryRow(ctx, e.sql(sql), args...)
}

func (e *elsewhereTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return e.Tx.SendBatch(ctx, e.batch(b))
}

func (e *elsewhereTx) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := e.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &elsewhereTx{tx, e.renaming}, nil
}
