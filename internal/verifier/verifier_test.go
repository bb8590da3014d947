package verifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
)

// Every type of object that the contracts write is compared, and everything
// agrees after a long and busy life.
func TestVerify(t *testing.T) {
	w := newTown(t)
	w.live()
	r := w.verify()
	for _, v := range r.Violations {
		t.Error(v)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	counted := map[string]Count{}
	for _, c := range r.Compared {
		counted[c.Subject] = c
	}
	for key := range w.ledger.State() {
		if object := split(key)[0]; counted[object].Ledger == 0 {
			t.Errorf("no %s was compared", object)
		}
	}
	for _, k := range kinds {
		if counted[k.object].Ledger == 0 {
			t.Errorf("the ledger has no %s", k.object)
		}
		if k.walk != nil && counted[k.object].Rows == 0 {
			t.Errorf("no row of %s was looked up", k.table)
		}
	}
	if s := r.Supply; s.Ledger == nil || s.Max == 0 || s.Read != s.Max || *s.Ledger != s.Max {
		t.Errorf("supply: %+v", s)
	}
	t.Logf("%d compared in %.2f s: %+v", r.Total(), r.Seconds, r.Compared)
}

// One corrupted row of any table is found, under its name, and nothing else is
// reported.
func TestCorruption(t *testing.T) {
	w := newTown(t)
	p := w.live()
	if err := w.verify().Err(); err != nil {
		t.Fatal(err)
	}
	const some = ` WHERE ctid = (SELECT min(ctid) FROM `
	for _, c := range []struct {
		table, sql     string
		subject, field string
		more           []string // what else is the same corruption, seen from elsewhere
	}{
		{"accounts", `UPDATE read.accounts SET balance = balance + 1 WHERE account_id = '` + p[1] + `'`, "acct", "balance", []string{"supply"}},
		{"accounts", `UPDATE read.accounts SET balance = balance - 1 WHERE account_id = 'SYSTEM_LOAN_POOL'`, "acct", "balance", []string{"supply"}},
		{"accounts", `UPDATE read.accounts SET balance = balance - 1 WHERE account_id = 'treasury_DE'`, "acct", "balance", []string{"supply"}},
		{"accounts", `UPDATE read.accounts SET status = 'ACTIVE' WHERE account_id = '` + p[3] + `'`, "acct", "status", nil},
		{"accounts", `UPDATE read.accounts SET tax_exempt = false WHERE account_id = '` + p[4] + `'`, "acct", "tax_exempt", nil},
		{"accounts", `UPDATE read.accounts SET velocity_timer_start = velocity_timer_start + interval '1s' WHERE account_id = '` + p[1] + `'`, "acct", "velocity_timer_start", nil},
		{"accounts", `DELETE FROM read.accounts WHERE account_id = 'pending-inc'`, "acct", "", nil},
		{"accounts", `INSERT INTO read.accounts SELECT 'ghost', kind, country, status, frozen_reason, frozen_at, 0, NULL, created_at, updated_at, block, tx_index FROM read.accounts WHERE account_id = '` + p[1] + `'`, "acct", "", nil},
		{"pools", `UPDATE read.pools SET received = received + 1 WHERE name = 'LOAN'`, "acct", "received", []string{"supply"}},
		{"treasuries", `UPDATE read.treasuries SET org_id = 'pending-inc' WHERE country_code = 'DE'`, "acct", "owner", nil},
		{"users", `UPDATE read.users SET trust_score = trust_score + 1 WHERE user_id = '` + p[1] + `'`, "user", "trust_score", nil},
		{"users", `UPDATE read.users SET status = 'CLOSED' WHERE user_id = '` + p[1] + `'`, "acct", "person_status", nil},
		{"users", `UPDATE read.users SET loan_banned = true WHERE user_id = '` + p[1] + `'`, "user", "loan_banned", nil},
		{"countries", `UPDATE read.countries SET used[1] = used[1] - 1 WHERE country_code = 'DE'`, "cty", "used[0]", nil},
		{"parameters", `UPDATE read.parameters SET value = '31' WHERE param_id = '` + parameter.VotingPeriodDays + `'`, "param", "value", nil},
		{"system_status", `UPDATE read.system_status SET paused = false`, "sys", "paused", nil},
		{"admins", `UPDATE read.admins SET revoked_at = NULL WHERE revoked_at IS NOT NULL`, "adm", "", nil},
		{"admins", `DELETE FROM read.admins WHERE revoked_at IS NULL`, "adm", "", nil},
		{"audit_anchors", `UPDATE read.audit_anchors SET hash = 'cd'`, "anchor", "hash", nil},
		{"audit_anchors", `DELETE FROM read.audit_anchors`, "anchor", "", nil},
		{"relationships", `UPDATE read.relationships SET reason = 'none' WHERE status = 'REJECTED'`, "rel", "reason", nil},
		{"guardians", `UPDATE read.guardians SET guardian_id = 'nobody'` + some + `read.guardians)`, "grd", "guardians[", nil},
		{"recoveries", `UPDATE read.recoveries SET required = 9 WHERE status = 'PENDING'`, "rec", "required", nil},
		{"recovery_votes", `DELETE FROM read.recovery_votes` + some + `read.recovery_votes)`, "rec", "votes[", nil},
		{"organizations", `UPDATE read.organizations SET name = 'Treasurer' WHERE org_id = 'treasury-dept'`, "org", "name", nil},
		{"stakeholders", `UPDATE read.stakeholders SET endorsed_at = NULL` + some + `read.stakeholders WHERE org_id = 'treasury-dept')`, "org", "endorsements[", nil},
		{"auth_rules", `UPDATE read.auth_rules SET required_approvers = 1` + some + `read.auth_rules)`, "org", "rules[0]", nil},
		{"multisig_transactions", `UPDATE read.multisig_transactions SET amount = amount + 1 WHERE status = 'CANCELLED'`, "ptx", "amount", nil},
		{"multisig_decisions", `UPDATE read.multisig_decisions SET approved = true WHERE NOT approved`, "ptx", "approved[", []string{"ptx"}},
		{"loans", `UPDATE read.loans SET outstanding = outstanding + 1 WHERE status = 'PAID'`, "loan", "outstanding", nil},
		{"loans", `UPDATE read.loans SET outstanding = outstanding + 1 WHERE status = 'DEFAULTED'`, "loan", "outstanding", []string{"user"}},
		{"proposals", `UPDATE read.proposals SET tally_for = 2 WHERE tally_for = 1`, "prop", "tally_for", nil},
		{"votes", `UPDATE read.votes SET at = at + interval '1 day'` + some + `read.votes)`, "vote", "at", nil},
		{"votes", `DELETE FROM read.votes` + some + `read.votes)`, "vote", "", []string{"prop"}},
		{"transactions", `UPDATE read.transactions SET amount = amount + 1 WHERE type = 'RECEIVED' AND account_id = '` + p[1] + `'`, "tx", "lines[0]", nil},
		{"transactions", `UPDATE read.transactions SET remark = 'x' WHERE type = 'GRANT'`, "tx", "lines[0]", nil},
		{"transactions", `UPDATE read.transactions SET amount = amount + 1 WHERE type = 'FEE_COLLECTION' AND ctid = (SELECT max(ctid) FROM read.transactions WHERE type = 'FEE_COLLECTION')`, "tx", "lines[", []string{"bd"}},
		{"transactions", `DELETE FROM read.transactions WHERE type = 'TAX'`, "tx", "", nil},
		{"transactions", `INSERT INTO read.transactions SELECT 'ghost', block, tx_index, seq, entry, transaction_id, tx_id, type, counterparty, amount, fee, remark, balance_after, command_id, at FROM read.transactions WHERE type = 'TAX'`, "tx", "", nil},
		{"command_results", `UPDATE read.command_results SET outcome = 'APPLIED' WHERE outcome = 'REJECTED'`, "idem", "outcome", nil},
		{"command_results", `UPDATE read.command_results SET code = 'NOT_FOUND' WHERE outcome = 'REJECTED'`, "idem", "code", nil},
		{"command_results", `DELETE FROM read.command_results WHERE outcome = 'REJECTED'`, "idem", "", nil},
		{"command_results", `UPDATE read.command_results SET command_id = 'c0' WHERE outcome = 'REJECTED'`, "idem", "", []string{"idem"}},
		{"event_log", `UPDATE read.event_log SET data = '{}' WHERE type = 'SystemPaused'`, "events", "data", nil},
		{"event_log", `DELETE FROM read.event_log WHERE type = 'SystemPaused'`, "events", "", nil},
		{"event_log", `INSERT INTO read.event_log SELECT tx_id, 99, block, tx_index, type, version, command_id, data, at FROM read.event_log WHERE type = 'SystemPaused'`, "events", "", nil},
	} {
		w.exec(`CREATE TABLE public.kept AS TABLE read.` + c.table)
		if n := w.exec(c.sql); n != 1 {
			t.Errorf("%s: %d rows", c.sql, n)
		}
		found := 0
		for _, v := range w.verify().Violations {
			switch {
			case v.Subject == c.subject && (v.Field == c.field || strings.HasSuffix(c.field, "[") && strings.HasPrefix(v.Field, c.field)):
				found++
			case !slices.Contains(c.more, v.Subject):
				t.Errorf("%s: %s", c.sql, v)
			}
		}
		if found != 1 && len(c.more) == 0 || found == 0 {
			t.Errorf("%s: found %d times", c.sql, found)
		}
		w.exec(`TRUNCATE read.` + c.table)
		w.exec(`INSERT INTO read.` + c.table + ` SELECT * FROM public.kept`)
		w.exec(`DROP TABLE public.kept`)
	}
	if err := w.verify().Err(); err != nil {
		t.Errorf("after all repairs: %v", err)
	}
}

// More objects than a page has, and one transaction with more lines than that.
func TestPages(t *testing.T) {
	w := newTown(t)
	w.do(&command.BootstrapSystem{})
	w.do(&command.InitializeCountryData{Countries: []command.CountryWeight{{CountryCode: "DE", WeightE8: 1}}})
	var crowd []command.Payload
	for range 700 {
		crowd = append(crowd, w.ledger.Person(t, "DE"))
	}
	w.do(crowd...)
	w.do(w.ledger.Person(t, "DE"))
	r := w.verify()
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	w.exec(`UPDATE read.transactions SET amount = amount + 1 WHERE seq = 2000 AND entry = 1`)
	w.exec(`DELETE FROM read.users WHERE user_id = (SELECT max(user_id) FROM read.users)`)
	found := map[string]int{}
	for _, v := range w.verify().Violations {
		found[v.Subject]++
	}
	if found["tx"] != 1 || found["user"] != 1 {
		t.Errorf("found %v", found)
	}
}

// Accounts that never stand still are compared all the same, and a Qirat too
// many on them is found.
func TestUnderLoad(t *testing.T) {
	w := newTown(t)
	p := w.live()
	w.do(&command.ResumeSystem{})
	if err := w.verify().Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for ctx.Err() == nil {
			w.do(contracttest.Pay(p[1], p[5], 20_000), contracttest.Pay(p[5], p[1], 10_000), w.ledger.Person(t, "DE"))
			_ = pause(ctx, 2*time.Millisecond)
		}
	})
	for range 5 {
		r := w.verify()
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		if r.Supply.Ledger != nil {
			t.Error("the ledger stood still: there was no load")
		}
	}
	for _, id := range []string{p[5], "SYSTEM_OPERATIONS_FUND"} {
		// Cold accounts are set by the next payment: what is wrong must be wrong for good.
		w.exec(`CREATE OR REPLACE FUNCTION public.one_more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.balance := NEW.balance + 1; RETURN NEW; END'`)
		if id == p[5] {
			w.exec(`CREATE TRIGGER one_more BEFORE UPDATE ON read.accounts FOR EACH ROW WHEN (NEW.account_id = '` + id + `') EXECUTE FUNCTION public.one_more()`)
		} else {
			w.exec(`UPDATE read.accounts SET balance = balance + 1 WHERE account_id = '` + id + `'`)
		}
		found := false
		for _, v := range w.verify().Violations {
			switch {
			case v.Subject == "acct" && v.Key[0] == id && v.Field == "balance":
				found = true
			case v.Subject != "supply" && !(v.Subject == "acct" && v.Key[0] == p[5]):
				t.Error(v)
			}
		}
		if !found {
			t.Errorf("a Qirat too many on %s is not found", id)
		}
	}
}

// A block that does not continue the chain, or that the read model was not
// built from, is named.
func TestChain(t *testing.T) {
	w := newTown(t)
	w.live()
	if err := w.verify().Err(); err != nil {
		t.Fatal(err)
	}
	good := w.Block(40)
	bad := good
	bad.Hash = bytes.Repeat([]byte{7}, 32)
	w.Forge(40, bad)
	if v := w.verify().Violations; len(v) != 1 || v[0].Subject != "blocks" || v[0].Key[0] != "41" || v[0].Field != "previous hash" {
		t.Errorf("a broken chain: %v", v)
	}
	w.Forge(40, good)
	w.exec(`UPDATE read.checkpoint SET block_hash = 'another'`)
	if v := w.verify().Violations; len(v) != 1 || v[0].Table != "read.checkpoint" {
		t.Errorf("another chain: %v", v)
	}
}

// Nothing is said about a read model that does not follow, or a ledger that is
// not there.
func TestNoAnswer(t *testing.T) {
	w := newTown(t)
	w.do(&command.BootstrapSystem{})
	if err := w.verify().Err(); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.do(&command.PauseSystem{Reason: "holiday"})
	o := options
	o.Patience = 100 * time.Millisecond
	if _, err := Verify(t.Context(), w.sees, w, o); !errors.Is(err, ErrBehind) {
		t.Errorf("behind: %v", err)
	}
	w.exec(`UPDATE read.checkpoint SET block = 7`)
	if _, err := Verify(t.Context(), w.sees, w, o); !errors.Is(err, ErrForeign) {
		t.Errorf("another ledger: %v", err)
	}
	w.Fail(fmt.Errorf("%w: gone", ledger.ErrUnavailable))
	if _, err := Verify(t.Context(), w.sees, w, o); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("gone: %v", err)
	}
}
