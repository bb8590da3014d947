// Package postgres opens PostgreSQL with the rights of one role, migrates the
// schema and sorts errors by what the caller can do about them.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// idleInTransaction bounds how long a process that stands still may hold locks and
// the vacuum horizon. A leader that does so holds up the next one, which must take
// over within 15 s.
const idleInTransaction = 10 * time.Second

// Options of a pool. The zero value keeps the login role and PostgreSQL's own
// timeouts.
type Options struct {
	Role     string // SET ROLE on each connection; empty keeps the login role
	AppName  string // application_name, seen in pg_stat_activity
	MaxConns int32  // 0: the DSN's pool_max_conns, else 4 or the number of CPUs
	NoSync   bool   // synchronous_commit=off: commits may be lost, never torn
	Indexed  bool   // plan for indexes, row by row: a plan that suits a small table is kept as it grows

	StatementTimeout time.Duration // 0: none
	LockTimeout      time.Duration // 0: none
}

// DB runs SQL. It is satisfied by *pgxpool.Pool and by pgx.Tx, so that a
// function can join its caller's transaction.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	Begin(ctx context.Context) (pgx.Tx, error)
}

var (
	_ DB = (*pgxpool.Pool)(nil)
	_ DB = (pgx.Tx)(nil)
)

// Open returns a pool whose connections all act as o.Role, in UTC, and checks
// that one of them works. Its errors never hold the password.
func Open(ctx context.Context, dsn string, o Options) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, parseError(err)
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	if o.MaxConns > 0 {
		cfg.MaxConns = o.MaxConns
	}
	cfg.AfterConnect = o.configure
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: open: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: open: %w", err)
	}
	return pool, nil
}

// configure runs after connecting, since connection poolers refuse unknown
// startup parameters. The role comes last: it may not change all of the rest.
func (o Options) configure(ctx context.Context, conn *pgx.Conn) error {
	var calls []string
	var args [][]byte
	set := func(name, value string) {
		args = append(args, []byte(name), []byte(value))
		calls = append(calls, fmt.Sprintf("set_config($%d, $%d, false)", len(args)-1, len(args)))
	}
	set("timezone", "UTC")
	set("idle_in_transaction_session_timeout", milliseconds(idleInTransaction))
	if o.AppName != "" {
		set("application_name", o.AppName)
	}
	if o.StatementTimeout > 0 {
		set("statement_timeout", milliseconds(o.StatementTimeout))
	}
	if o.LockTimeout > 0 {
		set("lock_timeout", milliseconds(o.LockTimeout))
	}
	if o.NoSync {
		set("synchronous_commit", "off")
	}
	if o.Indexed {
		for _, way := range []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_sort"} {
			set(way, "off")
		}
		set("jit", "off") // which costs that are put up would call for
	}
	if o.Role != "" {
		set("role", o.Role)
	}
	_, err := conn.PgConn().ExecParams(ctx, "SELECT "+strings.Join(calls, ", "), args, nil, nil, nil).Close()
	if err != nil {
		return fmt.Errorf("configure the connection: %w", err)
	}
	return nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// parseError drops the driver's text: in a malformed connection string it
// can't tell for sure what is the password.
func parseError(err error) error {
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return fmt.Errorf("postgres: the connection string names a file that can't be read: %w", file)
	}
	return errors.New("postgres: the connection string is malformed; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS with special characters percent-encoded, or KEY=VALUE pairs")
}
