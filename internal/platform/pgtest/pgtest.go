// Package pgtest gives each test a PostgreSQL database of its own, freshly
// migrated, in about a tenth of a second.
//
// The databases are clones of a migrated template in one server that all test
// processes of a user share. The first test that needs it re-executes its own
// test binary as the server's keeper, in a session of its own. Every test
// process holds a shared lock on a file for as long as it lives; a minute after
// the last lock is gone the keeper stops the server, removes its directory and
// ends. The server's name contains a hash of the migrations, so that checkouts
// with different ones do not meet.
//
// GX_TEST_DATABASE_URL names a server to use instead; its user must be a
// superuser. Where PostgreSQL is not installed tests are skipped, or fail when
// GX_REQUIRE_POSTGRES=1, as "make test" sets it.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/postgres"
)

// patience bounds everything that New waits for, the first start included.
const patience = 3 * time.Minute

// Database is a migrated database that belongs to one test.
type Database struct {
	DSN string // as the owner, a superuser
}

// New returns a new database, dropped when the test has ended, connections and
// all.
func New(t testing.TB) Database {
	t.Helper()
	return create(t, "")
}

// Clone returns a new database with the content of d, to which nobody may be
// connected.
func (d Database) Clone(t testing.TB) Database {
	t.Helper()
	u, err := url.Parse(d.DSN)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return create(t, strings.TrimPrefix(u.Path, "/"))
}

// create makes a database from a template; the migrated one when it is empty.
func create(t testing.TB, from string) Database {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	admin, template, err := server(ctx)
	if errors.Is(err, errUnavailable) && os.Getenv("GX_REQUIRE_POSTGRES") != "1" {
		t.Skipf("SKIPPED: this test needs PostgreSQL: %v", err)
	}
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if from != "" {
		template = from
	}
	var random [8]byte
	rand.Read(random[:])
	name := "gx_test_" + hex.EncodeToString(random[:])
	if err := run(ctx, admin, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s STRATEGY wal_log", name, template)); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := run(ctx, admin, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	dsn, err := withDatabase(admin, name)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return Database{DSN: dsn}
}

// Pool returns a pool that acts as role and plans as in production, or as the
// owner when role is empty. It is closed when the test ends.
func (d Database) Pool(t testing.TB, role string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), d.DSN, postgres.Options{Role: role, AppName: "pgtest", Indexed: role != ""})
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// run executes one statement on a connection of its own, so that no pool's
// goroutines are seen by a test that looks for leaks.
func run(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

func withDatabase(dsn, name string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("the server's DSN is not a URL")
	}
	u.Path = "/" + name
	return u.String(), nil
}
