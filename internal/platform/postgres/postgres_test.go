package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/postgres"
)

func TestOpenSetsUpEveryConnection(t *testing.T) {
	db := pgtest.New(t)
	pool, err := postgres.Open(t.Context(), db.DSN, postgres.Options{
		Role: "gx_projector", AppName: "projector", MaxConns: 2, NoSync: true, Indexed: true,
		StatementTimeout: 30 * time.Second, LockTimeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var conns []*pgxpool.Conn
	for range 2 {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		for name, want := range map[string]string{
			"role": "gx_projector", "application_name": "projector", "timezone": "UTC", "synchronous_commit": "off", "enable_seqscan": "off", "enable_hashjoin": "off", "enable_sort": "off", "jit": "off",
			"statement_timeout": "30s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s",
		} {
			var got string
			if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q, expected %q, error %v", name, got, want, err)
			}
		}
	}
	for _, conn := range conns {
		conn.Release()
	}
	if n := pool.Config().MaxConns; n != 2 {
		t.Errorf("MaxConns is %d", n)
	}
	if err := postgres.Current(t.Context(), pool); err != nil {
		t.Errorf("a role can't tell the schema's version: %v", err)
	}
	_, err = pool.Exec(t.Context(), "INSERT INTO app.countries VALUES ('AA', 'a', 'b')")
	if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("the projector writes what is not its own: %v", err)
	}
}

func TestErrorsKeepThePassword(t *testing.T) {
	const password = "hunter2"
	server, err := url.Parse(pgtest.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	server.User = url.UserPassword("nobody_of_this_name", password)
	dsns := []string{
		server.String(),
		"postgres://gx:" + password + "@localhost:port/gx",
		"postgres://gx:" + password + "/with@slash@localhost/gx",
		"postgres://gx:%zz" + password + "@localhost/gx",
		"postgres://gx:" + password + "@localhost/gx?sslrootcert=/nonexistent/ca.pem&sslmode=verify-full",
		"host=localhost password='" + password,
		"host=/nonexistent password=" + password,
		"host=/nonexistent pool_max_conns=x password=" + password,
	}
	for _, dsn := range dsns {
		pool, err := postgres.Open(ctx, dsn, postgres.Options{})
		if err == nil {
			pool.Close()
			t.Errorf("opened %s", dsn)
			continue
		}
		_, merr := postgres.Migrate(ctx, dsn)
		if merr == nil {
			t.Errorf("migrated %s", dsn)
		}
		for _, err := range []error{err, merr} {
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, password) {
				t.Errorf("password in %q", text)
			}
		}
	}
}

func TestRoleThatDoesNotExist(t *testing.T) {
	_, err := postgres.Open(t.Context(), pgtest.New(t).DSN, postgres.Options{Role: "gx_nobody"})
	if err == nil || !strings.Contains(err.Error(), "gx_nobody") {
		t.Errorf("error %v", err)
	}
}

func TestMigrateAndCurrent(t *testing.T) {
	db := pgtest.New(t)
	ctx := t.Context()
	if n, err := postgres.Migrate(ctx, db.DSN); n != 0 || err != nil {
		t.Errorf("a current database got %d migrations, error %v", n, err)
	}
	pool := db.Pool(t, "")
	empty, err := url.Parse(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(empty.Path, "/") + "_empty"
	if _, err := pool.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), db.DSN)
		if err == nil {
			_, err = conn.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
			err = errors.Join(err, conn.Close(context.Background()))
		}
		if err != nil {
			t.Error(err)
		}
	})
	empty.Path = "/" + name
	fresh, err := postgres.Open(ctx, empty.String(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if err := postgres.Current(ctx, fresh); !errors.Is(err, postgres.ErrSchemaBehind) {
		t.Errorf("an empty database: %v", err)
	}
	applied := make([]int, 3)
	var wg sync.WaitGroup
	for i := range applied {
		wg.Go(func() {
			n, err := postgres.Migrate(ctx, empty.String())
			if err != nil {
				t.Error(err)
			}
			applied[i] = n
		})
	}
	wg.Wait()
	if sum := applied[0] + applied[1] + applied[2]; sum == 0 || sum != max(applied[0], applied[1], applied[2]) {
		t.Errorf("concurrent migrations applied %v", applied)
	}
	if err := postgres.Current(ctx, fresh); err != nil {
		t.Error(err)
	}
	if _, err := fresh.Exec(ctx, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)"); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Current(ctx, fresh); err != nil {
		t.Errorf("a newer schema: %v", err)
	}
}

func TestErrorClasses(t *testing.T) {
	pool := pgtest.New(t).Pool(t, "")
	ctx := t.Context()
	sql := func(q string) error {
		_, err := pool.Exec(ctx, q)
		return err
	}
	terminated := func() error {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	}
	closed := func() error {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		_ = conn.Conn().Close(ctx)
		_, err = conn.Exec(ctx, "SELECT 1")
		return err
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, cancelledErr := pool.Exec(cancelled, "SELECT 1")
	late, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, lateErr := pool.Exec(late, "SELECT pg_sleep(60)")
	_, refused := postgres.Open(ctx, "postgres://gx@/gx?host=/nonexistent", postgres.Options{})
	_, unknown := postgres.Open(ctx, "postgres://gx@127.0.0.1:1/gx", postgres.Options{})

	for _, c := range []struct {
		name            string
		err             error
		data, transient bool
	}{
		{"nil", nil, false, false},
		{"other", errors.New("x"), false, false},
		{"out of range", sql("SELECT 2147483647::int + 1"), true, false},
		{"constraint", sql("INSERT INTO read.accounts VALUES ('a', 'USER', 'AA', 'ACTIVE', '', NULL, -1, NULL, now(), now(), 0, 0)"), true, false},
		{"syntax", sql("SELEC"), false, false},
		{"terminated", terminated(), false, true},
		{"closed", closed(), false, true},
		{"cancelled", cancelledErr, false, false},
		{"late", lateErr, false, false},
		{"no socket", refused, false, true},
		{"no listener", unknown, false, true},
		{"end of file", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), false, true},
		{"serialization", &pgconn.PgError{Code: "40001"}, false, true},
		{"deadlock", &pgconn.PgError{Code: "40P01"}, false, true},
		{"starting", &pgconn.PgError{Code: "57P03"}, false, true},
		{"a standby now", &pgconn.PgError{Code: "25006"}, false, true},
		{"too many connections", &pgconn.PgError{Code: "53300"}, false, true},
		{"statement timeout", &pgconn.PgError{Code: "57014"}, false, false},
		{"wrong password", &pgconn.PgError{Code: "28P01"}, false, false},
	} {
		if c.err == nil && c.name != "nil" {
			t.Errorf("%s: no error", c.name)
		}
		if got := postgres.IsDataError(c.err); got != c.data {
			t.Errorf("%s: IsDataError(%v) = %t", c.name, c.err, got)
		}
		if got := postgres.IsTransient(c.err); got != c.transient {
			t.Errorf("%s: IsTransient(%v) = %t", c.name, c.err, got)
		}
	}
}
