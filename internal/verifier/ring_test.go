package verifier_test

import (
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ledger/embedded"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/internal/verifier"
)

// On the real ring everything agrees, down to the end of every command, and
// what was not told the truth about is found.
func TestRing(t *testing.T) {
	r := ringtest.Start(t)
	if _, err := demo.Run(t.Context(), demo.Options{Client: r.Client, Username: r.Username, Password: r.Password, People: 6}); err != nil {
		t.Fatal(err)
	}
	pool := r.Database.Pool(t, "gx_verifier")
	l := embedded.New(pool, contract.Invoke, embedded.Options{})
	verify := func() *verifier.Report {
		t.Helper()
		report, err := verifier.Verify(t.Context(), pool, l, verifier.Options{Confirm: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	report := verify()
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	commands := uint64(0)
	for _, c := range report.Compared {
		if c.Subject == "commands" {
			commands = c.Rows
		}
	}
	if commands < 20 || report.Supply.Ledger == nil {
		t.Errorf("%d commands, supply %+v", commands, report.Supply)
	}

	owner := r.Database.Pool(t, "")
	for _, c := range []struct{ corrupt, restore, subject string }{
		{`UPDATE app.commands SET state = 'REJECTED', error_code = 'NOT_FOUND' WHERE position = 1`, `UPDATE app.commands SET state = 'COMMITTED', error_code = '' WHERE position = 1`, "commands"},
		{`UPDATE app.commands SET state = 'CANCELLED' WHERE position = 1`, `UPDATE app.commands SET state = 'COMMITTED' WHERE position = 1`, "commands"},
		{`UPDATE ledger.transactions SET event = event || ' ' WHERE block = 3`, `UPDATE ledger.transactions SET event = substr(event, 1, length(event) - 1) WHERE block = 3`, "blocks"},
		{`UPDATE ledger.state SET value = replace(convert_from(value, 'UTF8'), '"ACTIVE"', '"FROZEN"')::bytea WHERE position('\x00'::bytea || 'acct'::bytea || '\x00'::bytea || 'treasury_DE'::bytea IN key) = 1`,
			`UPDATE ledger.state SET value = replace(convert_from(value, 'UTF8'), '"FROZEN"', '"ACTIVE"')::bytea WHERE position('\x00'::bytea || 'acct'::bytea || '\x00'::bytea || 'treasury_DE'::bytea IN key) = 1`, "acct"},
	} {
		if tag, err := owner.Exec(t.Context(), c.corrupt); err != nil || tag.RowsAffected() != 1 {
			t.Fatalf("%s: %v, %v", c.corrupt, tag, err)
		}
		found := verify().Violations
		if len(found) == 0 || found[0].Subject != c.subject {
			t.Errorf("%s: %v", c.corrupt, found)
		}
		if _, err := owner.Exec(t.Context(), c.restore); err != nil {
			t.Fatal(err)
		}
	}
	if err := verify().Err(); err != nil {
		t.Errorf("after all repairs: %v", err)
	}
}
