package outbox

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"gxcoin.money/gx/db/migrations"
)

// TestUpgradeMovesRows migrates an outbox with rows to partitions and back: nothing
// of it is lost, what ended is in the partition of its day, the order goes on, and
// repetitions are known.
func TestUpgradeMovesRows(t *testing.T) {
	r := newRig(t)
	cfg, err := pgx.ParseConfig(r.db.DSN)
	r.ok(err)
	conn := stdlib.OpenDB(*cfg)
	defer conn.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, conn, migrations.FS, goose.WithDisableGlobalRegistry(true))
	r.ok(err)
	_, err = provider.DownTo(t.Context(), 10)
	r.ok(err)

	const day1, day2, stray = "019ca000-0000-7000-8000-000000000001", "019ca800-0000-7000-8000-000000000002", "22222222-2222-4222-8222-222222222222"
	const row = `INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, request, response, state, next_at, created_at, completed_at, error) VALUES `
	for i, v := range []string{
		`('` + day1 + `', 'T', 'one', 'p', 'r', '1', '{"a":1}', '{"b":1}', 'COMMITTED', $1, $1, $1, '')`,
		`('` + day2 + `', 'T', 'two', 'p', 'r', '2', '{"a":2}', '{"b":2}', 'REJECTED', $1, $1, $1, 'no')`,
		`('` + stray + `', 'T', 'three', 'p', 'r', '3', '{"a":3}', '{"b":3}', 'CANCELLED', $1, $1, $1, '')`,
		`('019ca800-0000-7000-8000-000000000004', 'T', 'four', 'p', 'r', '4', '{"a":4}', '{"b":4}', 'DEAD', $1, $1, $1, 'x')`,
		`('019ca800-0000-7000-8000-000000000005', 'T', 'five', 'p', 'r', '5', '{"a":5}', '{"b":5}', 'PENDING', $1, $1, NULL, '')`,
	} {
		if _, err := r.owner.Exec(t.Context(), row+v, epoch); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	r.exec(`INSERT INTO app.dead_commands (command_id, error_class, error_code, error, attempts, conflicts, moved_at) SELECT id, 'FAULT', '', 'x', 1, 0, now() FROM app.commands WHERE state = 'DEAD'`)
	r.exec(`INSERT INTO app.batches (id, fence, worker, identity, command_ids, state, tx_id, tx_bytes, created_at) VALUES
		('` + day1 + `', 1, gen_random_uuid(), 'gx_admin', ARRAY['` + day1 + `'::uuid], 'SETTLED', 'tx1', '', now()),
		('` + day2 + `', 1, gen_random_uuid(), 'gx_admin', '{}', 'ENDORSED', 'tx2', 'x', now())`)
	// Columns by name: they may stand in another order.
	all := func() (out []string) {
		for _, sql := range []string{
			`SELECT (to_jsonb(c) - 'request' - 'response')::text FROM app.commands c ORDER BY position`,
			`SELECT to_jsonb(b)::text FROM app.batches b ORDER BY id`,
			`SELECT to_jsonb(d)::text FROM app.dead_commands d ORDER BY id`,
		} {
			rows, err := r.owner.Query(t.Context(), sql)
			r.ok(err)
			list, err := pgx.CollectRows(rows, pgx.RowTo[string])
			r.ok(err)
			out = append(out, list...)
		}
		return out
	}
	before, audited := all(), r.count(`SELECT count(*) FROM app.audit_pending`)
	_, err = provider.Up(t.Context())
	r.ok(err)
	if diff := cmp.Diff(before, all()); diff != "" {
		t.Errorf("other rows:\n%s", diff)
	}
	if n := r.count(`SELECT count(*) FROM app.audit_pending`); n != audited {
		t.Errorf("the upgrade is %d records in the trail", n-audited)
	}
	var places []string
	rows, err := r.owner.Query(t.Context(), `SELECT tableoid::regclass::text FROM app.commands ORDER BY position`)
	r.ok(err)
	places, err = pgx.CollectRows(rows, pgx.RowTo[string])
	r.ok(err)
	if diff := cmp.Diff([]string{"app.commands_20260227", "app.commands_20260301", "app.commands_other", "app.commands_open", "app.commands_open"}, places); diff != "" {
		t.Error(diff)
	}
	again := request()
	again.Principal, again.Route, again.Key, again.Body = "p", "r", "1", []byte(`{"a":1}`)
	if a := r.enqueue(r.service, again); !a.Replayed || a.ID.String() != day1 || string(a.Response) != `{"b":1}` {
		t.Errorf("the first one again: %+v", a)
	}
	r.accept(1)
	if n := r.count(`SELECT max(position) FROM app.commands`); n < 6 || n > 7 || r.count(`SELECT count(DISTINCT position) FROM app.commands`) != 6 {
		t.Errorf("the next position is %d", n)
	}
	l := r.leader(uuid.New())
	claimed := r.claim(l, 10)
	if len(claimed) != 2 {
		t.Fatalf("claimed %v", claimed)
	}
	r.ok(l.Settle(t.Context(), Settlement{Fates: []Fate{{ID: claimed[0], State: Committed}, {ID: claimed[1], State: Dead}}}))
	if n := r.count(`SELECT count(*) FROM app.audit_pending`); n != audited+1 {
		t.Errorf("a command is accepted in %d records", n-audited)
	}

	before = all()
	_, err = provider.DownTo(t.Context(), 10)
	r.ok(err)
	if diff := cmp.Diff(before, all()); diff != "" {
		t.Errorf("other rows after the way back:\n%s", diff)
	}
	if n := r.count(`SELECT count(*) FROM app.commands WHERE request = '{"a":1}' AND response = '{"b":1}' AND id = '` + day1 + `'`); n != 1 {
		t.Error("what was asked is lost on the way back")
	}
	_, err = provider.Up(t.Context())
	r.ok(err)
	if diff := cmp.Diff(before, all()); diff != "" {
		t.Errorf("other rows after the way there again:\n%s", diff)
	}
}

// Only who sweeps may add and drop partitions, and nobody any other table.
func TestPartitionRights(t *testing.T) {
	r := newRig(t)
	r.ok(r.leader(uuid.New()).Extend(t.Context()))
	for _, sql := range []string{
		"SELECT app.add_partition('2026-01-01', '2026-01-01')", "SELECT app.drop_partition('infinity')", "SELECT app.turn_keys(now(), '1 day')",
		"DELETE FROM app.keys", "TRUNCATE app.keys_before", "DROP TABLE app.commands_20260301", "UPDATE app.keys SET response = ''",
	} {
		if _, err := r.service.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") && !strings.Contains(err.Error(), "must be owner") {
			t.Errorf("service: %s: %v", sql, err)
		}
	}
	for _, sql := range []string{"DROP TABLE app.commands_20260301", "DELETE FROM app.commands", "DELETE FROM app.keys", "TRUNCATE app.commands_other", "DELETE FROM app.commands_20260301",
		"SELECT app.add_partition('2026-01-01', '2027-01-01')"} {
		if _, err := r.leaders.Exec(t.Context(), sql); err == nil {
			t.Errorf("submitter: %s is done", sql)
		}
	}
}
