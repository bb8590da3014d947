package outbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/lease"
)

// claim returns the ids of claimed commands in the order of their positions.
func (r *rig) claim(l *Leader, n int) []uuid.UUID {
	r.t.Helper()
	list, err := l.Claim(r.t.Context(), n)
	r.ok(err)
	slices.SortFunc(list, func(a, b Waiting) int { return int(a.Position - b.Position) })
	return ids(list)
}

func TestClaim(t *testing.T) {
	r := newRig(t)
	l := r.leader(uuid.New())
	if ok, err := l.Pending(t.Context()); ok || err != nil {
		t.Errorf("pending: %v %v", ok, err)
	}
	want := r.accept(5)
	if ok, err := l.Pending(t.Context()); !ok || err != nil {
		t.Errorf("pending: %v %v", ok, err)
	}
	list, err := l.Claim(t.Context(), 1)
	r.ok(err)
	if len(list) != 1 || list[0].ID != want[0] || list[0].Type != "TRANSFER_TOKENS" || !strings.Contains(string(list[0].Payload), bob) || list[0].Counters != (Counters{}) {
		t.Errorf("claimed %+v", list)
	}
	// What another transaction holds is left to it, without waiting.
	other := r.begin(r.owner)
	if _, err := other.Exec(t.Context(), "SELECT FROM app.commands WHERE id = $1 FOR UPDATE", want[2]); err != nil {
		t.Fatal(err)
	}
	if got := r.claim(l, 3); !slices.Equal(got, []uuid.UUID{want[1], want[3], want[4]}) {
		t.Errorf("claimed %v of %v", got, want)
	}
	r.ok(other.Rollback(t.Context()))
	if got := r.claim(l, 3); !slices.Equal(got, want[2:3]) {
		t.Errorf("claimed %v, want %v", got, want[2:3])
	}
	if got := r.claim(l, 3); len(got) != 0 {
		t.Errorf("claimed twice: %v", got)
	}
}

// A transaction that took its position first but commits last is not forgotten.
func TestClaimInCommitOrder(t *testing.T) {
	r := newRig(t)
	l := r.leader(uuid.New())
	slow := r.begin(r.service)
	early := r.enqueue(slow, request()).ID
	late := r.accept(3)
	if got := r.claim(l, 10); !slices.Equal(got, late) {
		t.Fatalf("claimed %v, want %v", got, late)
	}
	r.ok(slow.Commit(t.Context()))
	list, err := l.Claim(t.Context(), 10)
	r.ok(err)
	if len(list) != 1 || list[0].ID != early || list[0].Position != 1 {
		t.Errorf("claimed %+v, want %s at 1", list, early)
	}
}

func TestBatch(t *testing.T) {
	r := newRig(t)
	l := r.leader(uuid.New())
	all := r.accept(6)
	r.claim(l, 6)
	// In an order of its own, one of them from RETRY.
	order := []uuid.UUID{all[3], all[0], all[5], all[1], all[2], all[4]}
	for i, id := range all {
		r.exec("UPDATE app.commands SET payload = $2 WHERE id = $1", id, []byte{byte(i)})
	}
	r.exec("UPDATE app.commands SET state = 'RETRY' WHERE id = $1", all[5])
	b := Batch{ID: uuid.New(), Identity: "gx_admin", Commands: order, Retrying: []uuid.UUID{all[5]}}
	r.exec("UPDATE app.commands SET traceparent = '00-t' WHERE id = $1", all[0])
	prepared, err := l.Prepare(t.Context(), b)
	r.ok(err)
	if diff := cmp.Diff([]Prepared{{[]byte{3}, ""}, {[]byte{0}, "00-t"}, {[]byte{5}, ""}, {[]byte{1}, ""}, {[]byte{2}, ""}, {[]byte{4}, ""}}, prepared); diff != "" {
		t.Error(diff)
	}
	r.ok(l.Store(t.Context(), b.ID, tx(1)))
	if err := l.Store(t.Context(), b.ID, tx(2)); !errors.Is(err, ErrSurprise) {
		t.Errorf("stored twice: %v", err)
	}
	r.at(epoch.Add(time.Hour))
	retry := epoch.Add(2 * time.Hour)
	r.ok(l.Settle(t.Context(), Settlement{Batch: b.ID, Code: "VALID", Block: 9, Fates: []Fate{
		{ID: all[0], State: Committed, Counters: Counters{1, 0}, TxID: "tx1"},
		{ID: all[1], State: Committed, Counters: Counters{1, 0}},
		{ID: all[2], State: Rejected, Counters: Counters{1, 2}, TxID: "tx1", Code: "NO", Error: "no\x00"},
		{ID: all[3], State: Retry, Counters: Counters{1, 3}, NextAt: retry, Class: Deferred, Code: "PAUSED"},
		{ID: all[4], State: Dead, Counters: Counters{5, 1}, Class: Fault, Code: "X", Error: "why"},
		{ID: all[5], State: Committed, Counters: Counters{1, 0}, TxID: "tx1"},
	}}))
	end := r.clock()
	for i, want := range []Command{
		{State: Committed, Attempts: 1, TxID: "tx1", CompletedAt: &end},
		{State: Committed, Attempts: 1, CompletedAt: &end},
		{State: Rejected, Attempts: 1, TxID: "tx1", ErrorCode: "NO", Error: "no\uFFFD", CompletedAt: &end},
		{State: Retry, Attempts: 1, ErrorClass: Deferred, ErrorCode: "PAUSED"},
		{State: Dead, Attempts: 5, ErrorClass: Fault, ErrorCode: "X", Error: "why", CompletedAt: &end},
		{State: Committed, Attempts: 1, TxID: "tx1", CompletedAt: &end},
	} {
		want.ID, want.Type, want.CreatedAt = all[i], "TRANSFER_TOKENS", epoch
		if diff := cmp.Diff(want, r.find(all[i])); diff != "" {
			t.Errorf("command %d: %s", i, diff)
		}
	}
	if n := r.count("SELECT count(*) FROM app.commands WHERE id = $1 AND next_at = $2 AND conflicts = 3", all[3], retry); n != 1 {
		t.Error("a retry has lost its time")
	}
	if n := r.count("SELECT count(*) FROM app.batches WHERE state = 'SETTLED' AND code = 'VALID' AND block = 9 AND settled_at = $1 AND tx_id = 'tx1' AND tx_bytes = '' AND cardinality(command_ids) = 6", end); n != 1 {
		t.Error("the batch is not settled")
	}
	if n := r.count("SELECT count(*) FROM app.dead_commands WHERE command_id = $1 AND error_class = 'FAULT' AND error_code = 'X' AND error = 'why' AND attempts = 5 AND conflicts = 1 AND moved_at = $2", all[4], end); n != 1 {
		t.Error("the dead command is not before the operator")
	}
	if n := r.count("SELECT count(*) FROM app.dead_commands"); n != 1 {
		t.Errorf("%d dead commands", n)
	}
	// A batch that was not submitted leaves nothing.
	again := r.batch(l, func() []uuid.UUID { r.accept(1); return r.claim(l, 1) }()...)
	r.ok(l.Settle(t.Context(), Settlement{Batch: again}))
	if n := r.count("SELECT count(*) FROM app.batches"); n != 1 {
		t.Errorf("%d batches", n)
	}
}

// Steps that go together are one transaction: what fails one of them undoes all.
func TestStepsTogether(t *testing.T) {
	r := newRig(t)
	l := r.leader(uuid.New())
	known := r.accept(2)
	attempt := func(id uuid.UUID) step {
		return step{queue: func(q *pgx.Batch) {
			q.Queue("UPDATE app.commands SET attempts = attempts + 1 WHERE id = $1", id).Exec(changes(1, "command"))
		}}
	}
	var lazy bool
	look := step{lazy: true, queue: func(q *pgx.Batch) {
		q.Queue("SELECT source = 'session' FROM pg_settings WHERE name = 'synchronous_commit'").QueryRow(func(row pgx.Row) error { return row.Scan(&lazy) })
	}}
	run := func(steps ...step) error {
		_, err := l.run(t.Context(), steps)
		return err
	}
	r.ok(run(attempt(known[0]), attempt(known[1]), look))
	if n := r.count("SELECT count(DISTINCT xmin::text) FROM app.commands WHERE attempts = 1"); n != 1 || lazy {
		t.Errorf("%d transactions, lazy: %v", n, lazy)
	}
	if r.ok(run(look, look)); !lazy {
		t.Error("what is lazy waits for the disk")
	}
	before := r.everything()
	if err := run(attempt(known[0]), attempt(uuid.New()), attempt(known[1])); !errors.Is(err, ErrSurprise) {
		t.Errorf("a surprise among them: %v", err)
	}
	r.leader(uuid.New())
	if err := run(attempt(known[0])); !errors.Is(err, lease.ErrLost) {
		t.Errorf("after the term: %v", err)
	}
	if after := r.everything(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

// Whoever gives up has nothing, whatever becomes of the step.
func TestGivenUp(t *testing.T) {
	r := newRig(t)
	l := r.leader(uuid.New())
	r.accept(1)
	other := r.begin(r.owner)
	if _, err := other.Exec(t.Context(), "SELECT FROM app.leases FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	type claimed struct {
		list []Waiting
		err  error
	}
	done := make(chan claimed)
	go func() {
		list, err := l.Claim(ctx, 1)
		done <- claimed{list, err}
	}()
	for r.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 0 {
	}
	cancel()
	if got := <-done; got.list != nil || !errors.Is(got.err, context.Canceled) {
		t.Errorf("given up: %+v", got)
	}
	r.ok(other.Rollback(t.Context()))
	if got := r.claim(l, 1); len(got) != 0 { // after the step before it
		t.Errorf("claimed twice: %v", got)
	}
	r.ok(l.Withdraw(t.Context()))
	if got := r.claim(l, 1); len(got) != 1 {
		t.Error("what was given up is lost")
	}
}

// Commands change state along the arrows only: whatever is not LOCKED, or in
// RETRY when it is prepared, is a surprise that changes nothing.
func TestStateMachine(t *testing.T) {
	r := newRig(t)
	l := r.leader(uuid.New())
	good := r.accept(1)
	id := r.accept(1)[0]
	r.claim(l, 2)
	for _, from := range []State{Pending, Locked, Retry, Committed, Rejected, Dead, Cancelled} {
		r.exec("UPDATE app.commands SET state = $2, completed_at = NULL WHERE id = $1", id, string(from))
		for _, to := range []State{Committed, Rejected, Retry, Dead} {
			before := r.everything()
			err := l.Settle(t.Context(), Settlement{Fates: []Fate{{ID: good[0], State: Retry, NextAt: epoch}, {ID: id, State: to}}})
			if allowed := from == Locked; allowed != (err == nil) || !allowed && !errors.Is(err, ErrSurprise) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if err != nil && before != r.everything() {
				t.Errorf("%s to %s was refused, but not wholly", from, to)
			}
			r.exec("UPDATE app.commands SET state = 'LOCKED' WHERE id = $1", good[0])
			r.exec("UPDATE app.commands SET state = $2 WHERE id = $1", id, string(from))
			r.exec("TRUNCATE app.dead_commands")
		}
		for _, retrying := range []bool{false, true} {
			b := Batch{ID: uuid.New(), Identity: "gx_admin", Commands: []uuid.UUID{good[0], id}}
			if retrying {
				b.Retrying = []uuid.UUID{id}
			}
			before := r.everything()
			_, err := l.Prepare(t.Context(), b)
			if allowed := from == Locked || retrying && from == Retry; allowed != (err == nil) || !allowed && !errors.Is(err, ErrSurprise) {
				t.Errorf("prepare from %s: %v", from, err)
			}
			if err != nil && before != r.everything() {
				t.Errorf("a batch of %s was refused, but not wholly", from)
			}
			r.exec("DELETE FROM app.batches")
			r.exec("UPDATE app.commands SET state = $2 WHERE id = $1", id, string(from))
		}
	}
	// Only what is prepared can be stored or withdrawn, only what is stored settled.
	r.exec("UPDATE app.commands SET state = 'LOCKED' WHERE id = $1", id)
	b := r.batch(l, id)
	for _, s := range []Settlement{{Batch: b, Code: "VALID"}, {Batch: uuid.New()}} {
		if err := l.Settle(t.Context(), s); !errors.Is(err, ErrSurprise) {
			t.Errorf("settled: %v", err)
		}
	}
	r.ok(l.Store(t.Context(), b, tx(1)))
	if err := l.Settle(t.Context(), Settlement{Batch: b}); !errors.Is(err, ErrSurprise) {
		t.Errorf("a stored batch was thrown away: %v", err)
	}
}

// Once another term has begun, nothing that a leader does has an effect.
func TestFence(t *testing.T) {
	r := newRig(t)
	old := r.leader(uuid.New())
	r.accept(3)
	claimed := r.claim(old, 2)
	prepared, stored := r.batch(old, claimed[0]), r.batch(old, claimed[1])
	r.ok(old.Store(t.Context(), stored, tx(1)))
	r.leader(uuid.New())
	before := r.everything()
	for name, f := range map[string]func(ctx context.Context) error{
		"recover":  func(ctx context.Context) error { _, err := old.Recover(ctx); return err },
		"withdraw": old.Withdraw,
		"claim":    func(ctx context.Context) error { _, err := old.Claim(ctx, 1); return err },
		"prepare": func(ctx context.Context) error {
			_, err := old.Prepare(ctx, Batch{ID: uuid.New(), Identity: "x", Commands: claimed[:1]})
			return err
		},
		"store": func(ctx context.Context) error { return old.Store(ctx, prepared, tx(2)) },
		"settle": func(ctx context.Context) error {
			return old.Settle(ctx, Settlement{Batch: stored, Code: "VALID", Fates: []Fate{{ID: claimed[1], State: Committed}}})
		},
		"sweep": func(ctx context.Context) error { _, err := old.Sweep(ctx, time.Hour); return err },
		"do": func(ctx context.Context) error {
			return old.Do(ctx, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, "DELETE FROM app.batches"); return err })
		},
	} {
		if err := f(t.Context()); !errors.Is(err, lease.ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
		if before != r.everything() {
			t.Fatalf("%s had an effect", name)
		}
	}
}

// A new leader undoes claims, suspects attempts of workers that did not live to
// store them, and takes over what is stored.
func TestRecover(t *testing.T) {
	r := newRig(t)
	me, other := uuid.New(), uuid.New()
	dead := r.leader(other)
	all := r.accept(8)
	r.claim(dead, 8)
	retry := func(id uuid.UUID, n Counters, at time.Time) {
		r.ok(dead.Settle(t.Context(), Settlement{Fates: []Fate{{ID: id, State: Retry, Counters: n, NextAt: at, Class: Conflict}}}))
	}
	retry(all[1], Counters{4, 0}, epoch)
	retry(all[2], Counters{0, 3}, epoch.Add(time.Second))
	retry(all[3], Counters{}, epoch.Add(3*time.Hour)) // by a clock that is ahead
	again := Batch{ID: uuid.New(), Identity: "gx_admin", Commands: []uuid.UUID{all[0], all[1]}, Retrying: all[1:2]}
	if _, err := dead.Prepare(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	stored := r.batch(dead, all[4], all[5])
	r.ok(dead.Store(t.Context(), stored, tx(1)))
	mine := r.leader(me)
	r.batch(mine, all[6])

	mine = r.leader(me)
	got, err := mine.Recover(t.Context())
	r.ok(err)
	for i, want := range []State{Retry, Dead, Retry, Retry, Locked, Locked, Pending, Pending} {
		if s := r.state(all[i]); s != want {
			t.Errorf("command %d is %s, want %s", i, s, want)
		}
	}
	if c := r.find(all[0]); c.Attempts != 1 || c.ErrorClass != Fault {
		t.Errorf("suspect: %+v", c)
	}
	if c := r.find(all[1]); c.Attempts != 5 {
		t.Errorf("died: %+v", c)
	}
	if c := r.find(all[6]); c.Attempts != 0 {
		t.Errorf("my own: %+v", c)
	}
	if n := r.count("SELECT count(*) FROM app.dead_commands WHERE command_id = $1 AND resolution = ''", all[1]); n != 1 {
		t.Error("who died is not before the operator")
	}
	retrying := map[uuid.UUID]time.Time{}
	for _, w := range got.Retrying {
		retrying[w.ID] = w.NextAt.UTC()
	}
	if diff := cmp.Diff(map[uuid.UUID]time.Time{all[0]: epoch.Add(time.Second), all[2]: epoch.Add(time.Second), all[3]: epoch.Add(72 * time.Second)}, retrying); diff != "" {
		t.Error(diff)
	}
	if len(got.Batches) != 1 || got.Batches[0].ID != stored || !slices.Equal(ids(got.Batches[0].Commands), all[4:6]) ||
		cmp.Diff(tx(1), got.Batches[0].Transaction) != "" || got.Batches[0].Identity != "gx_partner_api" {
		t.Errorf("batches: %+v", got.Batches)
	}
	if n := r.count("SELECT count(*) FROM app.batches"); n != 1 {
		t.Errorf("%d batches", n)
	}
	// Once more changes nothing.
	before := r.everything()
	if again, err := mine.Recover(t.Context()); err != nil || cmp.Diff(got.Batches, again.Batches) != "" || before != r.everything() {
		t.Errorf("again: %+v %v", again, err)
	}
	// Nor can a broken batch be taken over.
	r.exec("UPDATE app.commands SET state = 'COMMITTED' WHERE id = $1", all[4])
	if _, err := mine.Recover(t.Context()); !errors.Is(err, ErrSurprise) {
		t.Errorf("broken: %v", err)
	}
}

// The statements that run all the time go to their rows by an index, whatever the
// planner thinks of the table.
func TestPlans(t *testing.T) {
	r := newRig(t)
	const empty, unknown, known = "empty", "full, not analyzed", "full, analyzed"
	fill := `INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, state, next_at, created_at, completed_at)
		SELECT gen_random_uuid(), 'T', '', 'p', 'r', i::text, CASE WHEN i % 5 = 0 THEN 'PENDING' WHEN i % 5 = 1 THEN 'LOCKED' ELSE 'COMMITTED' END, now(), now(),
		       CASE WHEN i % 5 > 1 THEN now() END
		FROM generate_series(1, 5000) i`
	for _, table := range []string{empty, unknown, known} {
		r.exec(map[string]string{empty: "VACUUM ANALYZE app.commands", unknown: fill, known: "ANALYZE app.commands"}[table])
		for query, index := range map[string]string{claimQuery: "commands_pending", payloadsQuery: "commands_open_pkey", applyQuery: "commands_open_pkey"} {
			for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
				tx, err := r.leaders.Begin(t.Context())
				r.ok(err)
				plan := explain(t, tx, mode, query)
				r.ok(tx.Rollback(t.Context()))
				if strings.Contains(plan, "Seq Scan on commands") || strings.Contains(plan, "commands_actor_open") || strings.Contains(plan, "commands_other") || strings.Contains(plan, "commands_claimed") || !strings.Contains(plan, index) {
					t.Errorf("table %s, %s:\n%s\n%s", table, mode, query, plan)
				}
			}
		}
	}
}

func explain(t *testing.T, tx pgx.Tx, mode, query string) string {
	t.Helper()
	if _, err := tx.Exec(t.Context(), "SET LOCAL plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	name := "plan_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := tx.Exec(t.Context(), "PREPARE "+name+" AS "+query); err != nil {
		t.Fatal(err)
	}
	args := "('{}')"
	switch query {
	case claimQuery:
		args = "(1000)"
	case applyQuery:
		args = "('{}','{}','{}','{}','{}','{}','{}','{}','{}',now())"
	}
	rows, err := tx.Query(t.Context(), "EXPLAIN EXECUTE "+name+args)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// A submitter changes nothing but the outbox, a service only adds to it.
func TestRights(t *testing.T) {
	r := newRig(t)
	r.accept(1)
	for _, sql := range []string{
		"INSERT INTO read.command_results (command_id, type, outcome, tx_id, block, at) VALUES ('x', 'T', 'APPLIED', 't', 1, now())",
		"UPDATE read.accounts SET balance = 1", "DELETE FROM read.transactions", "UPDATE app.people SET status = 'CLOSED'", "DELETE FROM ledger.state",
	} {
		if _, err := r.leaders.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("submitter: %s: %v", sql, err)
		}
	}
	for _, sql := range []string{"UPDATE app.commands SET state = 'COMMITTED'", "DELETE FROM app.commands", "DELETE FROM app.batches", "UPDATE app.dead_commands SET reason = ''"} {
		if _, err := r.service.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("service: %s: %v", sql, err)
		}
	}
}
