package tokenomics

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/pgtest"
)

// What every payment asks goes to its rows by index, even when it was planned
// while the tables were empty: a plan may be kept as they grow.
func TestPlanOfParties(t *testing.T) {
	db := pgtest.New(t)
	owner := db.Pool(t, "")
	for _, table := range []string{"app.commands", "app.keys", "app.keys_before", "app.people", "read.accounts"} {
		if _, err := owner.Exec(t.Context(), "VACUUM ANALYZE "+table); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.Pool(t, "gx_service").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	for _, sql := range []string{"SET LOCAL plan_cache_mode = force_generic_plan", "PREPARE parties AS " + partiesSQL} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := tx.Query(t.Context(), "EXPLAIN (VERBOSE) EXECUTE parties('{}','{}','{}','{}','{}','{}')")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	for _, table := range []string{"app.commands", "app.keys", "app.keys_before", "app.people", "read.accounts"} {
		if strings.Contains(plan, "Seq Scan on "+table) {
			t.Errorf("%s is read whole", table)
		}
	}
	if strings.Contains(plan, "Hash") || strings.Contains(plan, "hashed") || strings.Contains(plan, "Merge") {
		t.Error("tables are hashed or merged")
	}
	if t.Failed() {
		t.Log(plan)
	}
}
