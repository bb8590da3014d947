package audit_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/lease"
)

func TestSealAndVerify(t *testing.T) {
	f := newFixture(t)
	if r := f.verify(t); r != (audit.Report{}) {
		t.Errorf("an empty chain: %+v", r)
	}
	f.append(t, 5)
	if r := f.verify(t); r.Head != (audit.Head{}) || r.Pending != 5 || r.Break != nil {
		t.Errorf("before sealing: %+v", r)
	}
	if n := f.seal(t); n != 5 {
		t.Errorf("%d records sealed", n)
	}
	first := f.verify(t)
	if first.Head.Sequence != 5 || first.Pending != 0 || first.Break != nil {
		t.Errorf("sealed: %+v", first)
	}
	f.append(t, 3)
	f.seal(t)
	if n := f.seal(t); n != 0 {
		t.Errorf("%d records sealed twice", n)
	}
	parsed, err := audit.ParseHead(first.Head.String())
	if err != nil || parsed != first.Head {
		t.Fatalf("%v, %v", parsed, err)
	}
	if r := f.verify(t, parsed); r.Head.Sequence != 8 || r.Break != nil {
		t.Errorf("with the head of the first report: %+v", r)
	}
	parsed.Hash[0] ^= 1
	if r := f.verify(t, parsed); r.Break == nil || r.Break.Sequence != 5 {
		t.Errorf("with another head: %+v", r)
	}
}

// An act that is rolled back leaves no record, and one that is recorded late is
// sealed late.
func TestRecordsBelongToTheirTransactions(t *testing.T) {
	f := newFixture(t)
	late, err := f.service.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := audit.Append(t.Context(), late, record(1)); err != nil {
		t.Fatal(err)
	}
	undone := errors.New("undone")
	err = pgx.BeginFunc(t.Context(), f.service, func(tx pgx.Tx) error {
		return errors.Join(audit.Append(t.Context(), tx, record(2)), undone)
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	f.append(t, 1)
	if n := f.seal(t); n != 1 {
		t.Errorf("%d records sealed, want the committed one", n)
	}
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.seal(t); n != 1 {
		t.Errorf("%d records sealed, want the late one", n)
	}
	if r := f.verify(t); r.Head.Sequence != 2 || r.Break != nil {
		t.Errorf("%+v", r)
	}
}

// The database itself refuses to change what is recorded, whoever asks.
func TestAppendOnly(t *testing.T) {
	f := newFixture(t)
	f.append(t, 2)
	f.seal(t)
	f.append(t, 1)
	for name, tc := range map[string]struct {
		pool interface {
			Begin(ctx ctx) (pgx.Tx, error)
		}
		sql string
	}{
		"service updates pending":  {f.service, `UPDATE app.audit_pending SET actor = 'x'`},
		"service deletes pending":  {f.service, `DELETE FROM app.audit_pending`},
		"service updates":          {f.service, `UPDATE app.audit SET actor = 'x'`},
		"service deletes":          {f.service, `DELETE FROM app.audit`},
		"service inserts":          {f.service, `INSERT INTO app.audit SELECT * FROM app.audit`},
		"service moves the head":   {f.service, `UPDATE app.audit_head SET sequence = 0`},
		"sealer updates":           {f.sealing, `UPDATE app.audit SET actor = 'x'`},
		"sealer updates pending":   {f.sealing, `UPDATE app.audit_pending SET actor = 'x'`},
		"sealer deletes":           {f.sealing, `DELETE FROM app.audit`},
		"sealer drops a pending":   {f.sealing, `DELETE FROM app.audit_pending`},
		"owner updates":            {f.owner, `UPDATE app.audit SET actor = 'x'`},
		"owner deletes":            {f.owner, `DELETE FROM app.audit`},
		"owner truncates":          {f.owner, `TRUNCATE app.audit`},
		"owner updates pending":    {f.owner, `UPDATE app.audit_pending SET actor = 'x'`},
		"owner deletes pending":    {f.owner, `DELETE FROM app.audit_pending`},
		"owner truncates pending":  {f.owner, `TRUNCATE app.audit_pending`},
		"sealer changes as it may": {f.sealing, changedMove},
	} {
		err := pgx.BeginFunc(t.Context(), tc.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), tc.sql)
			return err
		})
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r := f.verify(t); r.Head.Sequence != 2 || r.Pending != 1 || r.Break != nil {
		t.Errorf("%+v", r)
	}
}

// changedMove is what the sealer does, with another actor.
const changedMove = `WITH gone AS (DELETE FROM app.audit_pending RETURNING *)
	INSERT INTO app.audit SELECT 3, position, at, 'x', role, session_id, action, resource_type, resource_id, approval_id, request_id, address, user_agent, detail,
		'\x01', '\x02' FROM gone`

// Whoever changes the chain all the same is found, and where.
func TestD44Tampering(t *testing.T) {
	for name, tc := range map[string]struct {
		sql  []string
		want int64
	}{
		"a changed actor":      {[]string{`UPDATE app.audit SET actor = 'x' WHERE sequence = 3`}, 3},
		"a changed time":       {[]string{`UPDATE app.audit SET at = at + interval '1 microsecond' WHERE sequence = 1`}, 1},
		"a changed detail":     {[]string{`UPDATE app.audit SET detail = '{"n": 1}' WHERE sequence = 5`}, 5},
		"a changed session":    {[]string{`UPDATE app.audit SET session_id = NULL WHERE sequence = 2`}, 2},
		"a flipped bit":        {[]string{`UPDATE app.audit SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE sequence = 4`}, 4},
		"shifted fields":       {[]string{`UPDATE app.audit SET actor = actor || 'A', role = substr(role, 2) WHERE sequence = 3`}, 3},
		"a deleted record":     {[]string{`DELETE FROM app.audit WHERE sequence = 3`}, 3},
		"a deleted beginning":  {[]string{`DELETE FROM app.audit WHERE sequence <= 2`}, 1},
		"a cut end":            {[]string{`DELETE FROM app.audit WHERE sequence > 4`}, 5},
		"everything is gone":   {[]string{`DELETE FROM app.audit`}, 1},
		"two records swapped":  {[]string{`UPDATE app.audit SET sequence = sequence + 100 WHERE sequence IN (2, 3)`, `UPDATE app.audit SET sequence = 3 WHERE sequence = 102`, `UPDATE app.audit SET sequence = 2 WHERE sequence = 103`}, 2},
		"an added record":      {[]string{addedRecord}, 6},
		"an end moved back":    {[]string{`DELETE FROM app.audit WHERE sequence > 4`, `UPDATE app.audit_head SET sequence = 4, hash = (SELECT hash FROM app.audit WHERE sequence = 4)`}, 5},
		"an end moved forward": {[]string{`UPDATE app.audit_head SET sequence = 9`}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.append(t, 5)
			f.seal(t)
			kept := f.verify(t).Head
			f.tamper(t, tc.sql...)
			r := f.verify(t, kept)
			if r.Break == nil || r.Break.Sequence != tc.want {
				t.Errorf("%+v, want a break at %d", r.Break, tc.want)
			}
		})
	}
}

const addedRecord = `INSERT INTO app.audit
	SELECT 6, position + 100, at, actor, role, session_id, action, resource_type, resource_id, approval_id, request_id, address, user_agent, detail, hash, prev_hash
	FROM app.audit WHERE sequence = 5`

// TestRewrittenChain rewrites the whole chain so that it is one again: only what
// the ledger holds of the first tells.
func TestRewrittenChain(t *testing.T) {
	f := newFixture(t)
	f.append(t, 5)
	f.seal(t)
	head := f.verify(t).Head
	f.exec(t, `INSERT INTO read.audit_anchors (sequence, hash, at) SELECT sequence, encode(hash, 'hex'), at FROM app.audit WHERE sequence IN (2, 4)`)
	if r := f.verify(t, head); r.Break != nil || r.Anchored != 4 {
		t.Fatalf("%+v", r)
	}
	f.tamper(t, `TRUNCATE app.audit`, `UPDATE app.audit_head SET sequence = 0, hash = decode(repeat('00', 32), 'hex')`)
	f.append(t, 6)
	f.seal(t)
	if r := f.verify(t); r.Break == nil || r.Break.Sequence != 2 {
		t.Errorf("rewritten: %+v", r)
	}
	f.exec(t, `DELETE FROM read.audit_anchors`)
	if r := f.verify(t); r.Break != nil {
		t.Fatalf("the rewritten chain is not one: %+v", r)
	}
}

// Sealers that lead at the same time, which leases prevent, do not fork the chain.
func TestNoForks(t *testing.T) {
	f := newFixture(t)
	f.append(t, 50)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, _ = f.sealer.Seal(t.Context(), f.term) // all but one may fail
		})
	}
	wg.Wait()
	for f.seal(t) > 0 {
	}
	if r := f.verify(t); r.Head.Sequence != 50 || r.Pending != 0 || r.Break != nil {
		t.Errorf("%+v", r)
	}
	// A leader whose term is over seals nothing.
	f.append(t, 1)
	if _, err := f.sealer.Seal(t.Context(), lease.Term{Name: audit.Lease, Fence: 0}); !errors.Is(err, lease.ErrLost) {
		t.Errorf("an earlier term: %v", err)
	}
}

// A command leaves its record whoever enqueues it, and so does what an operator
// decides about a dead one.
func TestCommands(t *testing.T) {
	f := newFixture(t)
	id := uuid.New()
	for _, role := range []string{"gx_service", "gx_submitter"} {
		err := pgx.BeginFunc(t.Context(), f.owner, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `SET LOCAL ROLE `+role)
			if err == nil {
				_, err = tx.Exec(t.Context(), `INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, correlation_id, next_at, created_at)
					VALUES ($1, 'TRANSFER_TOKENS', '{"amount":"1"}', 'customer:1', 'r', $2, 'req-1', $3, $3)`, uuid.NewSHA1(id, []byte(role)), role, noon)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
	}
	dead := uuid.NewSHA1(id, []byte("gx_service"))
	f.exec(t, `INSERT INTO app.dead_commands (command_id, error_class, error_code, error, attempts, conflicts, moved_at) VALUES ($1, 'FAULT', '', '', 1, 0, now())`, dead)
	f.exec(t, `UPDATE app.dead_commands SET resolution = 'REQUEUED', resolved_by = 'ops', reason = 'the ledger is back', resolved_at = now()`)
	if n := f.seal(t); n != 3 {
		t.Fatalf("%d records", n)
	}
	var actions, details []string
	if err := f.owner.QueryRow(t.Context(), `SELECT array_agg(action ORDER BY sequence), array_agg(convert_from(detail, 'UTF8') ORDER BY sequence)
		FROM app.audit WHERE resource_type = 'command' AND (resource_id = $1 OR action = 'COMMAND_ACCEPTED')`, dead.String()).Scan(&actions, &details); err != nil {
		t.Fatal(err)
	}
	if strings.Join(actions, " ") != "COMMAND_ACCEPTED COMMAND_ACCEPTED COMMAND_REQUEUED" ||
		!strings.Contains(details[0], "TRANSFER_TOKENS") || strings.Contains(details[0], "amount") || !strings.Contains(details[2], "the ledger is back") {
		t.Errorf("%v %v", actions, details)
	}
}

func TestParseHead(t *testing.T) {
	for _, bad := range []string{"", "1", "1:", "x:" + strings.Repeat("0", 64), "1:" + strings.Repeat("0", 62), "-1:" + strings.Repeat("0", 64)} {
		if h, err := audit.ParseHead(bad); err == nil {
			t.Errorf("%q is %v", bad, h)
		}
	}
}
