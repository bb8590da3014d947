package pgtest_test

import (
	"testing"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/postgres"
)

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	a, b := pgtest.New(t), pgtest.New(t)
	if a.DSN == b.DSN {
		t.Fatalf("both databases are %s", a.DSN)
	}
	ctx := t.Context()
	pool := a.Pool(t, "")
	if err := postgres.Current(ctx, pool); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, "INSERT INTO app.countries VALUES ('AA', 'a', 'b')"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := b.Pool(t, "gx_service").QueryRow(ctx, "SELECT count(*) FROM app.countries").Scan(&n); err != nil || n != 0 {
		t.Errorf("the other database holds %d rows, error %v", n, err)
	}
}
