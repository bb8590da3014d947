package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// rowBytes is the size of what each of the two rows holds: together about as
// much as a command with its request and its answer.
const rowBytes = 300

// baselineName is the application name of the baseline's connections.
const baselineName = "gx bench baseline"

// baseline is a database beside that of GX, on the same server, and connections to it.
type baseline struct {
	admin *pgx.Conn
	name  string
	conns []*pgx.Conn
}

func newBaseline(ctx context.Context, dsn string, clients int) (_ *baseline, err error) {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	b := &baseline{name: "gx_bench_" + hex.EncodeToString(random[:])}
	if b.admin, err = pgx.Connect(ctx, dsn); err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close(ctx))
		}
	}()
	if _, err := b.admin.Exec(ctx, "CREATE DATABASE "+b.name); err != nil {
		return nil, fmt.Errorf("make the database of the baseline: %w", err)
	}
	config := b.admin.Config().Copy()
	config.Database = b.name
	config.RuntimeParams["application_name"] = baselineName
	for range clients {
		c, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return nil, fmt.Errorf("connect to the database of the baseline: %w", err)
		}
		b.conns = append(b.conns, c)
	}
	for _, table := range []string{"business", "outbox"} {
		if _, err := b.conns[0].Exec(ctx, "CREATE TABLE "+table+" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload bytea NOT NULL, created_at timestamptz NOT NULL DEFAULT now())"); err != nil {
			return nil, fmt.Errorf("make the tables of the baseline: %w", err)
		}
	}
	return b, nil
}

// close drops what newBaseline made.
func (b *baseline) close(ctx context.Context) error {
	var errs []error
	for _, c := range b.conns {
		errs = append(errs, c.Close(ctx))
	}
	_, err := b.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+b.name+" WITH (FORCE)")
	return errors.Join(append(errs, err, b.admin.Close(ctx))...)
}

// run repeats the two inserts for a while and returns how many transactions that
// were, and how long it took.
func (b *baseline) run(ctx context.Context, d time.Duration) (int, time.Duration, error) {
	payload := make([]byte, rowBytes)
	_, _ = rand.Read(payload) // never fails
	var done atomic.Int64
	begin := time.Now()
	end := begin.Add(d)
	errs := make([]error, len(b.conns))
	var wg sync.WaitGroup
	for i, c := range b.conns {
		wg.Go(func() {
			for time.Now().Before(end) {
				for _, statement := range []string{"BEGIN", "INSERT INTO business (payload) VALUES ($1)", "INSERT INTO outbox (payload) VALUES ($1)", "COMMIT"} {
					var args []any
					if statement[0] == 'I' {
						args = []any{payload}
					}
					if _, err := c.Exec(ctx, statement, args...); err != nil {
						errs[i] = fmt.Errorf("baseline: %w", err)
						return
					}
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return int(done.Load()), time.Since(begin), errors.Join(errs...)
}
