package verifier

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// corruptions change a value of each type of PostgreSQL, also one that is not there.
var corruptions = map[string]string{
	"text":        `coalesce(%[1]s, '') || 'x'`,
	"int8":        `coalesce(%[1]s, 0) + 1`,
	"int4":        `coalesce(%[1]s, 0) + 1`,
	"bool":        `NOT %[1]s`,
	"timestamptz": `coalesce(%[1]s, '2020-01-01') + interval '1 day'`,
	"bytea":       `%[1]s || '\x20'`,
	"uuid":        `gen_random_uuid()`,
	"jsonb":       `'{}'`,
	"_int8":       `array_prepend(%[1]s[1] + 1, %[1]s[2:])`,
	"_text":       `array_append(%[1]s, 'x')`,
}

// operational are the columns that the ledger has no word on: the projector's
// reports on itself, and what operators have decided.
var operational = map[string]bool{
	"checkpoint.singleton": true, "checkpoint.state": true, "checkpoint.reason": true, "checkpoint.ledger_height": true, "checkpoint.lag_seconds": true,
	"checkpoint.heartbeat_at": true, "checkpoint.violation": true, "checkpoint.block": true, "checkpoint.tx_index": true,
	"command_results.projected_at": true, "system_status.singleton": true,
}

// One value of any column that was changed is found, under its name. To save time
// one column of every table is changed at once.
func TestColumns(t *testing.T) {
	w := newTown(t)
	w.live()
	verify := func() *Report {
		t.Helper()
		o := options
		o.Replay = true
		r, err := Verify(t.Context(), w.sees, w, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if err := verify().Err(); err != nil {
		t.Fatal(err)
	}
	rows, err := w.pool.Query(t.Context(), `
		SELECT table_name::text, column_name::text, udt_name::text FROM information_schema.columns
		WHERE table_schema = 'read' AND table_name <> 'event_dlq' ORDER BY table_name, ordinal_position`)
	if err != nil {
		t.Fatal(err)
	}
	type column struct{ Table, Name, Type string }
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string][]column{}
	for _, c := range all {
		switch {
		case operational[c.Table+"."+c.Name]:
		case corruptions[c.Type] == "":
			t.Errorf("%+v: of a type that this test doesn't know", c)
		default:
			tables[c.Table] = append(tables[c.Table], c)
		}
	}
	n := 0
	for name := range tables {
		w.exec(`CREATE TABLE public.` + name + ` AS TABLE read.` + name)
	}
	for round := 0; len(tables) > 0; round++ {
		var changed []column
		for name, columns := range tables {
			if round == len(columns) {
				delete(tables, name)
				continue
			}
			c := columns[round]
			changed = append(changed, c)
			if rows := w.exec(fmt.Sprintf(`UPDATE read.%[2]s SET %[1]s = `+corruptions[c.Type]+`
				WHERE ctid = (SELECT ctid FROM read.%[2]s ORDER BY %[1]s IS NULL, %[1]s DESC, ctid LIMIT 1)`, c.Name, c.Table)); rows != 1 {
				t.Errorf("%+v: %d rows", c, rows)
			}
		}
		found := verify().Violations
		for _, c := range changed {
			n++
			if !slices.ContainsFunc(found, func(v Violation) bool { return v.Table == "read."+c.Table && (v.Field == c.Name || v.Field == "") }) {
				t.Errorf("%s.%s: not found", c.Table, c.Name)
			}
			w.exec(`TRUNCATE read.` + c.Table)
			w.exec(`INSERT INTO read.` + c.Table + ` SELECT * FROM public.` + c.Table)
		}
	}
	if err := verify().Err(); err != nil {
		t.Errorf("after all repairs: %v", err)
	}
	t.Logf("%d columns", n)
}
