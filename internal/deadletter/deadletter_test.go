package deadletter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/deadletter"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/internal/rebuild"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
)

// bench is a database with the pools of those who decide.
type bench struct {
	t     *testing.T
	owner *pgxpool.Pool
	deadletter.Decider
}

func newBench(t *testing.T, db pgtest.Database) bench {
	return bench{t, db.Pool(t, ""), deadletter.Decider{Commands: db.Pool(t, "gx_submitter"), Events: db.Pool(t, "gx_projector"), Clock: clock.System}}
}

func (b bench) until(what string, holds func() bool) {
	b.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			b.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// decide decides on one letter and checks whether that changed it.
func (b bench) decide(v deadletter.Verdict, id string, changed bool) string {
	b.t.Helper()
	out, err := b.Decide(b.t.Context(), deadletter.Decision{Verdict: v, By: "operator:ada", Reason: "the cause is gone", IDs: []string{id}})
	if err != nil || len(out) != 1 || out[0].ID != id || out[0].Changed != changed {
		b.t.Fatalf("%s of %s: %+v, %v", v, id, out, err)
	}
	return out[0].Note
}

func (b bench) list(f deadletter.Filter) []deadletter.Letter {
	b.t.Helper()
	letters, err := deadletter.List(b.t.Context(), b.Commands, f)
	if err != nil {
		b.t.Fatal(err)
	}
	return letters
}

func (b bench) find(id string) deadletter.Letter {
	b.t.Helper()
	letters, err := deadletter.Find(b.t.Context(), b.Commands, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return letters[0]
}

// audited returns the actions that the audit trail has of a resource, by whom and why.
func (b bench) audited(resource string) []string {
	b.t.Helper()
	rows, err := b.owner.Query(b.t.Context(), `
		SELECT action || ' ' || actor || ' ' || (convert_from(detail, 'UTF8')::jsonb ->> 'reason')
		FROM app.audit_pending WHERE resource_id = $1 AND action <> 'COMMAND_ACCEPTED' ORDER BY position`, resource)
	if err != nil {
		b.t.Fatal(err)
	}
	actions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		b.t.Fatal(err)
	}
	return actions
}

// Poisonous commands die at once, hold up nobody, and are run when they are
// retried after their cause is gone.
func TestCommands(t *testing.T) {
	r := ringtest.Start(t)
	b := newBench(t, r.Database)
	good := func(on bool) []byte {
		return fmt.Appendf(nil, `{"newValue":"%t","paramID":%q,"reason":"reviewed"}`, on, parameter.RecoveryEnabled)
	}
	const emergency = "EMERGENCY_SET_PARAMETER"
	cases := []struct {
		name, typ string
		payload   []byte
	}{
		{"malformed", emergency, []byte(`{`)},
		{"unknown version", emergency, []byte(`{"newValue":"true","paramID":"recoveryEnabled","reason":"reviewed","version":"9.0"}`)},
		{"NUL byte", emergency, []byte("\x00\xff")},
		{"1 MB", emergency, bytes.Repeat([]byte("x"), 1<<20)},
		{"unknown type", "EMERGENCY_SET_PARAMETER_V9", good(true)},
		{"payload of another type", emergency, []byte(`{"reason":"holiday"}`)},
	}
	ids := make([]uuid.UUID, len(cases))
	for i, c := range cases {
		ids[i] = uuid.New()
		if _, err := b.owner.Exec(t.Context(), `
			INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, next_at, created_at)
			VALUES ($1, $2, $3, 'test', 'test', $4, now(), now())`, ids[i], c.typ, c.payload, c.name); err != nil {
			t.Fatal(err)
		}
	}
	state := func(id uuid.UUID) outbox.State {
		c, err := outbox.Find(t.Context(), b.Commands, id)
		if err != nil {
			t.Fatal(err)
		}
		return c.State
	}
	b.until("all are dead", func() bool { return len(b.list(deadletter.Filter{})) == len(cases) })
	if l := b.list(deadletter.Filter{Class: outbox.Fault}); len(l) != 0 {
		t.Errorf("faults: %+v", l)
	}
	if l := b.list(deadletter.Filter{Kind: deadletter.Event}); len(l) != 0 {
		t.Errorf("events: %+v", l)
	}
	for i, c := range cases {
		id := ids[i].String()
		l := b.find(id)
		if l.Kind != deadletter.Command || l.Class != string(outbox.Poison) || l.Attempts != 1 || l.Error == "" || !bytes.Equal(l.Payload, c.payload) || l.Resolution != "" {
			t.Errorf("%s: %.500v", c.name, l)
		}
		// While the cause is there it dies again.
		if i == 0 {
			b.decide(deadletter.Retry, id, true)
			b.until("dead again", func() bool { letters, _ := deadletter.Find(t.Context(), b.Commands, id); return len(letters) == 2 })
		}
		if _, err := b.owner.Exec(t.Context(), `UPDATE app.commands SET type = $2, payload = $3 WHERE id = $1`, id, emergency, good(i%2 == 0)); err != nil {
			t.Fatal(err)
		}
		b.decide(deadletter.Retry, id, true)
		b.until(c.name+" is committed", func() bool { return state(ids[i]) == outbox.Committed })
		b.until(c.name+" is projected", func() bool {
			v, err := readmodel.ParameterValue(t.Context(), b.Commands, parameter.RecoveryEnabled)
			return err == nil && v == uint64(1-i%2)
		})
		if note := b.decide(deadletter.Retry, id, false); !strings.Contains(note, "APPLIED") {
			t.Errorf("%s, retried again: %s", c.name, note)
		}
		want := []string{"COMMAND_REQUEUED operator:ada the cause is gone"}
		if i == 0 {
			want = append(want, want[0])
		}
		if got := b.audited(id); !cmp.Equal(got, want) {
			t.Errorf("%s: audited %q", c.name, got)
		}
		if l := b.find(id); l.Resolution != "REQUEUED" || l.ResolvedBy != "operator:ada" || l.Reason != "the cause is gone" || l.ResolvedAt == nil {
			t.Errorf("%s: %.500v", c.name, l)
		}
	}
	if l := b.list(deadletter.Filter{}); len(l) != 0 {
		t.Errorf("left: %+v", l)
	}
	if l := b.list(deadletter.Filter{All: true}); len(l) != len(cases)+1 {
		t.Errorf("%d letters in all", len(l))
	}

	id := uuid.New()
	if _, err := b.owner.Exec(t.Context(), `
		INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, next_at, created_at)
		VALUES ($1, 'X', '', 'test', 'test', 'discarded', now(), now())`, id); err != nil {
		t.Fatal(err)
	}
	b.until("dead", func() bool { return state(id) == outbox.Dead })
	b.decide(deadletter.Discard, id.String(), true)
	if note := b.decide(deadletter.Retry, id.String(), false); state(id) != outbox.Cancelled || !strings.Contains(note, "CANCELLED") {
		t.Errorf("discarded: %s, %s", state(id), note)
	}
	if got := b.audited(id.String()); !cmp.Equal(got, []string{"COMMAND_DISCARDED operator:ada the cause is gone"}) {
		t.Errorf("audited %q", got)
	}
}

// chained is a bench with a ledger in memory and its projector.
type chained struct {
	bench
	*readmodeltest.Economy
	chain *readmodeltest.Chain
}

func newChained(t *testing.T) chained {
	db := pgtest.New(t)
	c := chained{newBench(t, db), readmodeltest.NewEconomy(), readmodeltest.NewChain()}
	p := projector.New(db.Pool(t, "gx_projector"), c.chain, projector.Options{
		Holder: t.Name(), LeaseRetry: 10 * time.Millisecond, Heartbeat: 10 * time.Millisecond, HaltRetry: 10 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	c.chain.Append(c.Tx(c.Bootstrap()))
	c.chain.Append(c.Tx(c.AddCountries("AE", "US")))
	c.chain.Append(c.Tx(c.CreateUser("alice", "AE", readmodeltest.Epoch)), c.Tx(c.CreateUser("bob", "US", readmodeltest.Epoch)))
	return c
}

func (c chained) checkpoint() readmodel.CheckpointState {
	c.t.Helper()
	at, err := readmodel.Checkpoint(c.t.Context(), c.Events)
	if err != nil {
		c.t.Fatal(err)
	}
	return at
}

func (c chained) applied(b ledger.Block) {
	c.t.Helper()
	c.until(fmt.Sprintf("block %d", b.Number), func() bool {
		at := c.checkpoint()
		return at.Block == int64(b.Number) && at.TxIndex == len(b.Txs)-1
	})
}

// bent returns tx with its envelope changed.
func bent(t *testing.T, tx ledger.BlockTx, change func(*event.Envelope)) ledger.BlockTx {
	env, err := event.DecodeEnvelope(tx.Event.Payload)
	if err != nil {
		t.Fatal(err)
	}
	change(&env)
	payload, err := json.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	tx.Event = &ledger.Event{Name: tx.Event.Name, Payload: payload}
	return tx
}

// repair gives a transaction of a block the event that it should have had.
func (c chained) repair(b ledger.Block, index int, good *ledger.Event) {
	whole := b
	whole.Txs = append([]ledger.BlockTx{}, b.Txs...)
	whole.Txs[index].Event = good
	c.chain.Forge(b.Number, whole)
}

// Poisonous events with money halt the projector; retried after the cause is gone
// they are applied, discarded they are left out.
func TestEvents(t *testing.T) {
	raw := func(payload []byte) func(*testing.T, ledger.BlockTx) ledger.BlockTx {
		return func(_ *testing.T, tx ledger.BlockTx) ledger.BlockTx {
			tx.Event = &ledger.Event{Name: tx.Event.Name, Payload: payload}
			return tx
		}
	}
	bend := func(change func(*event.Envelope)) func(*testing.T, ledger.BlockTx) ledger.BlockTx {
		return func(t *testing.T, tx ledger.BlockTx) ledger.BlockTx { return bent(t, tx, change) }
	}
	for name, poison := range map[string]func(*testing.T, ledger.BlockTx) ledger.BlockTx{
		"malformed":       raw([]byte("{")),
		"NUL byte":        raw([]byte("\x00\xff")),
		"1 MB":            raw(bytes.Repeat([]byte("x"), 1<<20)),
		"unknown version": bend(func(e *event.Envelope) { e.Events[0].Version = "9.0" }),
		"unknown type":    bend(func(e *event.Envelope) { e.Events[0].Type = "Minted" }),
		"wrong type": bend(func(e *event.Envelope) {
			e.Events[0].Data = bytes.Replace(e.Events[0].Data, []byte(`"amount":"9"`), []byte(`"amount":9`), 1)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChained(t)
			good := c.Tx(c.Transfer("alice", "bob", 9, 1, ""))
			bad := poison(t, good)
			b := c.chain.Append(c.Tx(c.Transfer("alice", "bob", 1, 1, "")), bad, c.Tx(c.Transfer("alice", "bob", 2, 1, "")))
			c.until("halted", func() bool {
				return c.checkpoint().State == string(projector.Halted) && len(c.list(deadletter.Filter{})) == 1
			})
			l := c.list(deadletter.Filter{})[0]
			if l.Kind != deadletter.Event || !strings.HasPrefix(l.ID, bad.ID) || l.Block != b.Number || !l.Halts || len(l.Payload) > 0 {
				t.Errorf("%+v", l)
			}
			if whole := c.find(l.ID); len(whole.Payload) == 0 || !whole.Halts {
				t.Errorf("%.500v", whole)
			}
			if note := c.decide(deadletter.Retry, l.ID, true); !strings.Contains(note, "by the projector") {
				t.Errorf("retried: %s", note)
			}
			c.decide(deadletter.Retry, l.ID, false)
			if at := c.checkpoint(); at.Block >= int64(b.Number) && at.TxIndex > 0 {
				t.Errorf("the projector went on: %+v", at)
			}
			c.repair(b, 1, good.Event)
			c.applied(b)
			for id, want := range c.Balances {
				if a, err := readmodel.Account(t.Context(), c.Events, id); err != nil || a.Balance != want {
					t.Errorf("%s has %s (%v), want %s", id, a.Balance, err, want)
				}
			}
			if l := c.find(l.ID); l.Resolution != string(readmodel.Applied) || l.ResolvedBy != "operator:ada" || l.Halts {
				t.Errorf("%+v", l)
			}
			if note := c.decide(deadletter.Discard, l.ID, false); !strings.Contains(note, "applied") {
				t.Errorf("discarded after it was applied: %s", note)
			}
			if got := c.audited(l.ID); !cmp.Equal(got, []string{"EVENT_RETRIED operator:ada the cause is gone"}) {
				t.Errorf("audited %q", got)
			}

			// Another one, which is left out.
			bad = poison(t, c.Tx(c.Transfer("alice", "bob", 9, 1, "")))
			b = c.chain.Append(bad, c.Tx(c.Transfer("alice", "bob", 2, 1, "")))
			c.until("halted", func() bool { return len(c.list(deadletter.Filter{})) == 1 })
			l = c.list(deadletter.Filter{})[0]
			c.decide(deadletter.Discard, l.ID, true)
			c.applied(b)
			if l := c.find(l.ID); l.Resolution != string(readmodel.Skipped) || l.Reason != "the cause is gone" || l.Halts {
				t.Errorf("%+v", l)
			}
			if left, all := c.list(deadletter.Filter{}), c.list(deadletter.Filter{All: true}); len(left) != 0 || len(all) != 2 {
				t.Errorf("left %v of %v", left, all)
			}
		})
	}
}

// An event that was skipped is applied in its place when the read model is made
// anew after the cause is gone.
func TestSkipped(t *testing.T) {
	c := newChained(t)
	good := c.Tx(c.Pause("a holiday"))
	bad := bent(t, good, func(e *event.Envelope) { e.Events[0].Version = "9.0" })
	b := c.chain.Append(bad, c.Tx(c.Transfer("alice", "bob", 2, 1, "")))
	c.applied(b)
	letters := c.list(deadletter.Filter{})
	if len(letters) != 1 || letters[0].ID != bad.ID+"/0" || letters[0].Halts {
		t.Fatalf("%+v", letters)
	}
	id := letters[0].ID
	c.decide(deadletter.Discard, id, true)
	if note := c.decide(deadletter.Retry, id, true); !strings.Contains(note, "next gx rebuild") {
		t.Errorf("retried: %s", note)
	}
	if got := c.audited(id); !cmp.Equal(got, []string{"EVENT_SKIPPED operator:ada the cause is gone", "EVENT_RETRIED operator:ada the cause is gone"}) {
		t.Errorf("audited %q", got)
	}
	o := rebuild.Options{By: "operator:ada", Reason: "a test"}
	if _, err := rebuild.Run(t.Context(), c.owner, c.chain, o); err != nil {
		t.Fatal(err)
	}
	if l := c.find(id); l.Resolution != string(readmodel.Retried) {
		t.Errorf("the cause is there: %+v", l)
	}
	c.repair(b, 0, good.Event)
	var halted *projector.PoisonError
	if _, err := rebuild.Run(t.Context(), c.owner, unverified{c.chain}, o); errors.As(err, &halted) || err == nil {
		t.Fatalf("a read model that differs was not verified: %v", err)
	}
	at, err := readmodel.SystemStatus(t.Context(), readmodel.In(c.owner, readmodel.Next))
	if err != nil || !at.Paused {
		t.Errorf("the new read model: %+v, %v", at, err)
	}
	l, err := readmodel.Letter(t.Context(), readmodel.In(c.owner, readmodel.Next), bad.ID, 0)
	if err != nil || l.Resolution != readmodel.Applied {
		t.Errorf("%+v, %v", l, err)
	}
}

// unverified is a chain without contracts: no key of it can be verified.
type unverified struct{ *readmodeltest.Chain }

func (unverified) Evaluate(context.Context, ledger.Proposal) ([]byte, error) {
	return nil, &ledger.ContractError{Message: "NOT_FOUND: no contracts"}
}

// A decision needs all that the audit trail has to say, and something that is there.
func TestRefused(t *testing.T) {
	b := newBench(t, pgtest.New(t))
	whole := deadletter.Decision{Verdict: deadletter.Retry, By: "ada", Reason: "x", IDs: []string{"tx1"}}
	for name, change := range map[string]func(*deadletter.Decision){
		"no verdict": func(d *deadletter.Decision) { d.Verdict = "" },
		"no name":    func(d *deadletter.Decision) { d.By = " " },
		"no reason":  func(d *deadletter.Decision) { d.Reason = "" },
		"nothing":    func(d *deadletter.Decision) { d.IDs = nil },
		"no number":  func(d *deadletter.Decision) { d.IDs = []string{"tx1/x"} },
		"no id":      func(d *deadletter.Decision) { d.IDs = []string{"/1"} },
	} {
		d := whole
		change(&d)
		if out, err := b.Decide(t.Context(), d); err == nil {
			t.Errorf("%s: %+v", name, out)
		}
	}
	for _, id := range []string{"tx1", "tx1/0", uuid.NewString()} {
		whole.IDs = []string{id}
		if out, err := b.Decide(t.Context(), whole); err != nil || out[0].Changed || !strings.Contains(out[0].Note, "no such dead letter") {
			t.Errorf("%s: %+v, %v", id, out, err)
		}
		if _, err := deadletter.Find(t.Context(), b.Commands, id); !errors.Is(err, deadletter.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
}
