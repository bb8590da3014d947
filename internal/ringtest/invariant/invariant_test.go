package invariant_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/internal/ringtest/invariant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each invariant is missed when it is broken by hand, by its name.
func TestViolations(t *testing.T) {
	r := ringtest.Start(t)
	if _, err := demo.Run(t.Context(), demo.Options{Client: r.Client, Username: r.Username, Password: r.Password, People: 4}); err != nil {
		t.Fatal(err)
	}
	owner := r.Database.Pool(t, "")
	exec := func(sql string) {
		t.Helper()
		if tag, err := owner.Exec(t.Context(), sql); err != nil || tag.RowsAffected() != 1 {
			t.Fatalf("%s: %v, %v", sql, tag, err)
		}
	}
	const someone = `account_id = (SELECT min(user_id) FROM read.users)`
	const transfer = `id = (SELECT min(id::text)::uuid FROM app.commands WHERE type = 'TRANSFER_TOKENS' AND state = 'COMMITTED')`
	for _, c := range []struct{ name, break_, mend string }{
		{"INV1", `UPDATE read.accounts SET balance = balance + 1 WHERE ` + someone, `UPDATE read.accounts SET balance = balance - 1 WHERE ` + someone},
		{"INV2", `UPDATE read.accounts SET status = 'FROZEN' WHERE ` + someone, `UPDATE read.accounts SET status = 'ACTIVE' WHERE ` + someone},
		{"INV3", `UPDATE app.commands SET state = 'REJECTED' WHERE ` + transfer,
			`UPDATE app.commands SET state = 'COMMITTED' WHERE id = (SELECT min(id::text)::uuid FROM app.commands WHERE type = 'TRANSFER_TOKENS' AND state = 'REJECTED' AND error_code = '')`},
		{"not stored before", `UPDATE app.batches SET tx_id = 'x' || tx_id WHERE id = (SELECT min(id::text)::uuid FROM app.batches)`,
			`UPDATE app.batches SET tx_id = substr(tx_id, 2) WHERE tx_id LIKE 'x%'`},
		{"but on the ledger by", `UPDATE app.commands SET tx_id = 'x' || tx_id WHERE ` + transfer, `UPDATE app.commands SET tx_id = substr(tx_id, 2) WHERE tx_id LIKE 'x%'`},
		{"INV4", `UPDATE read.event_log SET seq = seq + 1000 WHERE (tx_id, seq) = (SELECT tx_id, seq FROM read.event_log ORDER BY block DESC, seq DESC LIMIT 1)`,
			`UPDATE read.event_log SET seq = seq - 1000 WHERE seq >= 1000`},
		{"INV4", `INSERT INTO read.event_dlq (tx_id, seq, block, tx_index, event_name, reason, payload, recorded_at) VALUES ('x', 0, 0, 0, 'x', 'x', '', now())`,
			`DELETE FROM read.event_dlq WHERE tx_id = 'x'`},
		{"INV6", `INSERT INTO app.batches (id, fence, worker, identity, command_ids, state, created_at) VALUES ('00000000-0000-0000-0000-000000000001', 1000, gen_random_uuid(), 'gx_admin', '{}', 'SETTLED', now())`,
			`DELETE FROM app.batches WHERE fence = 1000`},
		{"INV7", `INSERT INTO app.leases VALUES ('other', 'nobody', 1, now() + interval '1 hour')`, `DELETE FROM app.leases WHERE name = 'other'`},
		{"INV7", `INSERT INTO app.batches (id, fence, worker, identity, command_ids, created_at) VALUES ('00000000-0000-0000-0000-000000000001', 0, gen_random_uuid(), 'gx_admin', '{}', now())`,
			`DELETE FROM app.batches WHERE fence = 0`},
	} {
		exec(c.break_)
		found := false
		for _, err := range invariant.Violations(t.Context(), invariant.System{DSN: r.Database.DSN}) {
			found = found || strings.Contains(err.Error(), c.name)
		}
		if !found {
			t.Errorf("%s: nothing was found after %s", c.name, c.break_)
		}
		exec(c.mend)
	}

	// What is open leaves a record of itself.
	exec(`INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, state, next_at, created_at) VALUES (gen_random_uuid(), 'X', '', 'p', 'r', 'k', 'CANCELLED', now(), now())`)
	if found := invariant.Violations(t.Context(), invariant.System{DSN: r.Database.DSN}); len(found) != 1 || !strings.Contains(found[0].Error(), "INV9") {
		t.Errorf("a command without a record: %v", found)
	}
	exec(`DELETE FROM app.commands WHERE type = 'X'`)

	logged := invariant.System{DSN: r.Database.DSN, Secrets: []string{r.Password}, Logs: []string{"all is well\nlogin with " + r.Password + " failed\n"}}
	if found := invariant.Violations(t.Context(), logged); len(found) != 1 || !strings.Contains(found[0].Error(), "INV8") || strings.Contains(found[0].Error(), r.Password) {
		t.Errorf("a secret in a log: %v", found)
	}
}
