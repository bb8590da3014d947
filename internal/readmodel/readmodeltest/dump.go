package readmodeltest

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
)

// Dump returns every row of the read model as text, table by table, without
// the columns that are not the ledger's (heartbeat and projection time).
func Dump(t testing.TB, db postgres.DB) map[string][]string {
	t.Helper()
	const clockless = `- 'projected_at' - 'recorded_at' - 'heartbeat_at' - 'state' - 'reason' - 'ledger_height' - 'lag_seconds'`
	rows, err := db.Query(t.Context(), `SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'read' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, table := range tables {
		minus := clockless
		if table == "system_status" {
			minus = ""
		}
		rows, err := db.Query(t.Context(), fmt.Sprintf(`SELECT (to_jsonb(r) %s)::text FROM %s r ORDER BY 1`, minus, pgx.Identifier{"read", table}.Sanitize()))
		if err != nil {
			t.Fatal(err)
		}
		if out[table], err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
