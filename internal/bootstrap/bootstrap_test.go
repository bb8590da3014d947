package bootstrap_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/bootstrap"
	"gxcoin.money/gx/internal/ledger/embedded"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/submitter"
	"gxcoin.money/gx/protocol/country"
	"gxcoin.money/gx/protocol/qirat"
)

func scan[V any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (v V) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCountries(t *testing.T) {
	db := pgtest.New(t)
	pool := db.Pool(t, "gx_service")
	if err := bootstrap.Countries(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	// A release may rename a country.
	if _, err := pool.Exec(t.Context(), "UPDATE app.countries SET name = 'Old' WHERE country_code = 'DE'"); err != nil {
		t.Fatal(err)
	}
	if err := bootstrap.Countries(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if n := scan[int](t, pool, "SELECT count(*) FROM app.countries"); n != len(country.All()) {
		t.Errorf("%d countries", n)
	}
	if name := scan[string](t, pool, "SELECT name FROM app.countries WHERE country_code = 'DE'"); name == "Old" {
		t.Error("the old name stays")
	}
}

func TestStaff(t *testing.T) {
	pool := pgtest.New(t).Pool(t, "gx_service")
	hasher := password.New(password.Options{MemoryKiB: 64, Passes: 1})
	var kept []string
	failing := errors.New("disk full")
	for _, step := range []struct {
		name    string
		keep    error
		created bool
		members int
	}{
		{"the password can't be kept", failing, false, 0},
		{"the first time", nil, true, 1},
		{"again", nil, false, 1},
	} {
		created, err := bootstrap.Staff(t.Context(), pool, hasher, "owner", func(secret string) error {
			kept = append(kept, secret)
			return step.keep
		})
		if created != step.created || !errors.Is(err, step.keep) {
			t.Errorf("%s: %v, %v", step.name, created, err)
		}
		if n := scan[int](t, pool, "SELECT count(*) FROM app.staff"); n != step.members {
			t.Errorf("%s: %d members of staff", step.name, n)
		}
	}
	if len(kept) != 2 || kept[0] == kept[1] {
		t.Errorf("kept %d passwords", len(kept))
	}
	ok, err := hasher.Verify(t.Context(), scan[string](t, pool, "SELECT password_hash FROM app.staff WHERE role = 'SUPER_OWNER'"), kept[1])
	if !ok || err != nil {
		t.Errorf("the password that was kept is not that of the account: %v", err)
	}
}

// ring runs everything behind the outbox until the test ends.
func ring(t *testing.T, db pgtest.Database) {
	l := embedded.New(db.Pool(t, "gx_ledger"), contract.Invoke, embedded.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return l.Run(ctx) })
	g.Go(func() error { return submitter.New(db.Pool(t, "gx_submitter"), l, submitter.Options{}).Run(ctx) })
	g.Go(func() error { return projector.New(db.Pool(t, "gx_projector"), l, projector.Options{}).Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestLedger(t *testing.T) {
	db := pgtest.New(t)
	pool := db.Pool(t, "gx_service")
	ring(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	// Three processes at once, as three copies of a deployment would.
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			_, err := bootstrap.Ledger(ctx, pool, outbox.New(outbox.Options{}))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := scan[int](t, pool, "SELECT count(*) FROM app.commands"); n != 2 {
		t.Errorf("%d commands", n)
	}
	supply, err := readmodel.Supply(ctx, pool)
	if err != nil || supply.MaxSupply != qirat.MaxSupply {
		t.Errorf("supply %v: %v", supply.MaxSupply, err)
	}
	if countries, err := readmodel.Countries(ctx, pool); err != nil || len(countries) != len(country.All()) {
		t.Errorf("%d countries: %v", len(countries), err)
	}
	if opened, err := bootstrap.Ledger(ctx, pool, outbox.New(outbox.Options{})); opened || err != nil {
		t.Errorf("again: %v, %v", opened, err)
	}
}

func TestLedgerSaysWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		sql  string // what becomes of the opening
		want []string
	}{
		"nobody takes it": {"SELECT", []string{"BOOTSTRAP_SYSTEM is PENDING", "deadline exceeded"}},
		"dead": {"UPDATE app.commands SET state = 'DEAD', error = 'no such function' WHERE type = 'BOOTSTRAP_SYSTEM'",
			[]string{"BOOTSTRAP_SYSTEM is DEAD: no such function"}},
		"refused": {`INSERT INTO read.command_results (command_id, type, outcome, code, message, tx_id, block, at)
			SELECT id::text, type, 'REJECTED', 'UNAUTHORIZED', 'not you', 'tx', 1, now() FROM app.commands WHERE type = 'BOOTSTRAP_SYSTEM'`,
			[]string{"the ledger refused BOOTSTRAP_SYSTEM: UNAUTHORIZED: not you"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			pool := db.Pool(t, "gx_service")
			box := outbox.New(outbox.Options{})
			// The first call leaves the commands behind, as a process does that ends meanwhile.
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, first := bootstrap.Ledger(ctx, pool, box)
			if _, err := db.Pool(t, "").Exec(t.Context(), tc.sql); err != nil {
				t.Fatal(err)
			}
			ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := bootstrap.Ledger(ctx, pool, box)
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q (first call: %v)", err, want, first)
				}
			}
		})
	}
}
