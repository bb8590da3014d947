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

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"pgregory.net/rapid"

	"gxcoin.money/gx/db/migrations"
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

func TestKF29MigrateAndCurrent(t *testing.T) {
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

// catalog describes everything that migrations make.
func catalog(t *testing.T, db postgres.DB) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `
		WITH ours AS (SELECT oid, nspname AS schema FROM pg_namespace WHERE nspname IN ('app', 'read', 'ledger'))
		SELECT format('column %s.%s %s %s %s %s', table_schema, table_name, column_name, data_type, is_nullable, coalesce(column_default, identity_generation))
		FROM information_schema.columns WHERE table_schema IN (SELECT schema FROM ours) UNION ALL
		SELECT format('constraint %s: %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace IN (SELECT oid FROM ours) UNION ALL
		SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname IN (SELECT schema FROM ours) UNION ALL
		SELECT format('grant %s on %s %s: %s', privilege_type, table_schema, table_name, grantee) FROM information_schema.role_table_grants
		WHERE table_schema IN (SELECT schema FROM ours) UNION ALL
		SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal UNION ALL
		SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ours) ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// at makes an empty database, with every migration up to a version.
func at(t *testing.T, version int64) pgtest.Database {
	t.Helper()
	db := pgtest.New(t)
	ctx := t.Context()
	if _, err := db.Pool(t, "").Exec(ctx, `DROP SCHEMA app, read, ledger CASCADE; DROP TABLE public.goose_db_version`); err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	server := stdlib.OpenDB(*cfg)
	defer server.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, server, migrations.FS, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		t.Fatal(err)
	}
	return db
}

// Whatever release a database is of, and wherever the last migration of it was
// killed, it becomes what a new one is, and keeps what it holds (F-29).
func TestKF29EveryReleaseIsMigrated(t *testing.T) {
	latest, err := postgres.Latest()
	if err != nil {
		t.Fatal(err)
	}
	want := catalog(t, pgtest.New(t).Pool(t, ""))
	if len(want) < 500 {
		t.Fatalf("the catalogue is not looked at: %d entries", len(want))
	}
	for v := int64(1); v < latest; v++ {
		t.Run(fmt.Sprint("from ", v), func(t *testing.T) {
			t.Parallel()
			db := at(t, v)
			pool := db.Pool(t, "")
			ctx := t.Context()
			if err := postgres.Current(ctx, pool); !errors.Is(err, postgres.ErrSchemaBehind) {
				t.Errorf("a service is content with it: %v", err)
			}
			if _, err := pool.Exec(ctx, `INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, next_at, created_at)
				VALUES (gen_random_uuid(), 'TRANSFER_TOKENS', '{}', 'customer:1', 'POST /transfers', 'key', now(), now())`); err != nil {
				t.Fatal(err)
			}
			if _, err := postgres.Migrate(ctx, db.DSN); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, catalog(t, pool)); diff != "" {
				t.Error(diff)
			}
			var n int
			if err := pool.QueryRow(ctx, `SELECT count(*) FROM app.commands WHERE idempotency_key = 'key'`).Scan(&n); err != nil || n != 1 {
				t.Errorf("%d commands are left, %v", n, err)
			}
		})
	}
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		db := at(t, 1)
		pool := db.Pool(t, "")
		ctx := t.Context()
		tx, err := pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		// In the way of some migration, in its middle.
		if _, err := tx.Exec(ctx, `LOCK TABLE app.commands, app.people, app.sessions, read.checkpoint, read.event_dlq IN ACCESS EXCLUSIVE MODE`); err != nil {
			t.Fatal(err)
		}
		died := make(chan error, 1)
		go func() { _, err := postgres.Migrate(ctx, db.DSN); died <- err }()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for killed := false; !killed; {
			select {
			case <-tick.C:
			case err := <-died:
				t.Fatalf("nothing was in the way of the migration: %v", err)
			}
			err := pool.QueryRow(ctx, `SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'relation'`).Scan(&killed)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := <-died; err == nil {
			t.Error("a killed migration reports success")
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
		if err := postgres.Current(ctx, pool); !errors.Is(err, postgres.ErrSchemaBehind) {
			t.Errorf("after half of it: %v", err)
		}
		if _, err := postgres.Migrate(ctx, db.DSN); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, catalog(t, pool)); diff != "" {
			t.Error(diff)
		}
	})
}

// A password may hold anything that can be printed (F-29).
func TestKF29AnyPassword(t *testing.T) {
	var all strings.Builder
	for c := ' '; c <= '~'; c++ {
		all.WriteRune(c)
	}
	server, err := url.Parse(pgtest.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		password := rapid.StringOfN(rapid.RuneFrom([]rune(all.String()+"é€")), 1, 40, -1).Draw(rt, "password")
		u := *server
		u.User = url.UserPassword(server.User.Username(), password)
		pool, err := postgres.Open(t.Context(), u.String(), postgres.Options{MaxConns: 1})
		if err != nil {
			rt.Fatalf("%q: %v", password, err)
		}
		defer pool.Close()
		if got := pool.Config().ConnConfig.Password; got != password {
			rt.Errorf("password %q is sent as %q", password, got)
		}
	})
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
