package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"gxcoin.money/gx/db/migrations"
)

// ErrSchemaBehind reports a database whose schema is older than this binary.
var ErrSchemaBehind = errors.New("postgres: the database schema is older than this binary; run gx migrate")

// Migrate brings the schema to this binary's version and returns how many
// migrations it applied. Concurrent calls wait for each other. It needs the
// rights of the owner.
func Migrate(ctx context.Context, dsn string) (applied int, err error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return 0, parseError(err)
	}
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return 0, fmt.Errorf("postgres: migrate: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, fmt.Errorf("postgres: migrate: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return len(results), fmt.Errorf("postgres: migrate: %w", err)
	}
	return len(results), nil
}

// Current returns nil when the schema has everything this binary knows of,
// and ErrSchemaBehind when it has not. A newer schema is fine: it is migrated
// before the last old process of a rolling upgrade has gone.
func Current(ctx context.Context, db DB) error {
	want, err := Latest()
	if err != nil {
		return err
	}
	have, err := Version(ctx, db)
	if err != nil {
		return err
	}
	if have < want {
		return fmt.Errorf("%w (version %d, needed %d)", ErrSchemaBehind, have, want)
	}
	return nil
}

// Version returns the version of the database's schema, 0 when nothing was ever
// migrated.
func Version(ctx context.Context, db DB) (v int64, err error) {
	err = db.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM public.goose_db_version WHERE is_applied").Scan(&v)
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "42P01" {
		return 0, nil // no such table
	}
	if err != nil {
		return 0, fmt.Errorf("postgres: read the schema version: %w", err)
	}
	return v, nil
}

// Latest returns the schema version of this binary.
func Latest() (int64, error) { return latest() }

var latest = sync.OnceValues(func() (int64, error) {
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		return 0, err
	}
	var last int64
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("postgres: migration %s: %w", name, err)
		}
		last = max(last, v)
	}
	return last, nil
})
