package contract_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/role"
)

func (w *world) clone() *world {
	c := *w
	c.Ledger, c.books, c.lost, c.parties = w.Ledger.Clone(), maps.Clone(w.books), maps.Clone(w.lost), maps.Clone(w.parties)
	for _, list := range []*[]string{&c.people, &c.orgs, &c.loans, &c.payments, &c.proposals, &c.relations, &c.sessions} {
		*list = slices.Clone(*list)
	}
	return &c
}

// Random histories of all commands by random callers: the supply is constant
// (I1), no balance is negative (I2), slots are not exceeded (I3), fees and taxes
// are where they belong (I5, I6), the events tell every balance, timer and status
// (I9), a command ends once, whatever part of the history is sent again (I10),
// and two peers, whose maps are in different orders, agree to the byte (I12).
func TestB027_Histories(t *testing.T) {
	for _, d := range command.All() {
		if draws[d.Type] == nil {
			t.Errorf("%s is not part of the histories", d.Type)
		}
	}
	opened := newWorld(t)
	declared := map[command.Type][]event.Type{}
	for _, f := range contract.Functions() {
		declared[f.Command] = f.Events
	}
	rapid.Check(t, func(t *rapid.T) {
		w := opened.clone()
		ended := map[string]contract.BatchResult{}
		var sent []sending
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			w.wait(t)
			caller := contracttest.As(rapid.SampledFrom(role.All).Draw(t, "role"))
			var items []contract.BatchItem
			for range rapid.IntRange(1, 8).Draw(t, "size") {
				items = append(items, w.Item(t, w.command(t, caller.Role)))
			}
			if len(sent) > 0 && rapid.IntRange(0, 4).Draw(t, "repeat") == 0 {
				for _, item := range rapid.SampledFrom(sent).Draw(t, "old").items {
					if d, _ := command.Lookup(item.Type); slices.Contains(d.Roles, caller.Role) {
						items = slices.Insert(items, rapid.IntRange(0, len(items)).Draw(t, "at"), item)
					}
				}
			}
			sent = append(sent, sending{caller, items})
			w.step(t, caller, items, ended, declared)
			if rapid.IntRange(0, 9).Draw(t, "replay") == 0 {
				w.replay(t, sent[:rapid.IntRange(1, len(sent)).Draw(t, "prefix")], ended)
			}
		}
		w.invariants(t)
		w.replay(t, sent, ended)
	})
}

// sending is a batch that was sent.
type sending struct {
	caller contract.Caller
	items  []contract.BatchItem
}

// step runs a batch on two peers and compares what each command came to.
func (w *world) step(t *rapid.T, caller contract.Caller, items []contract.BatchItem, ended map[string]contract.BatchResult, declared map[command.Type][]event.Type) {
	before, other := w.Clone(), w.Clone()
	args, err := contract.EncodeBatch(items)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := w.Simulate(caller, contract.BatchFunction, args...)
	twin, twinErr := other.Simulate(caller, contract.BatchFunction, args...)
	if err != nil {
		if twinErr == nil || twinErr.Error() != err.Error() || !strings.Contains(err.Error(), "system is paused") {
			t.Fatalf("%v, and on another peer %v", err, twinErr)
		}
		return
	}
	if twinErr != nil || !maps.EqualFunc(tx.Writes, twin.Writes, bytes.Equal) || !bytes.Equal(tx.Event, twin.Event) || !bytes.Equal(tx.Result, twin.Result) ||
		!slices.Equal(tx.Reads(), twin.Reads()) {
		t.Fatalf("two peers differ: %v", twinErr)
	}
	results, err := contract.DecodeBatch(tx.Result)
	if err != nil {
		t.Fatal(err)
	}
	env, events, err := tx.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	published := 0
	for i, r := range results {
		first, again := ended[r.ID]
		switch {
		case r.Outcome == contract.Deferred:
		case again:
			if !r.Replayed || r.Outcome != first.Outcome || r.Code != first.Code || r.Message != first.Message || !bytes.Equal(r.Result, first.Result) {
				t.Fatalf("a repetition of %s: %+v, first %+v", items[i].Type, r, first)
			}
		default:
			end := env.Commands[published]
			if r.Replayed || r.Result != nil || end.ID != r.ID || end.Outcome != r.Outcome || end.Type != items[i].Type {
				t.Fatalf("%+v is published as %+v", r, end)
			}
			r.Result = end.Result
			ended[r.ID] = r
			published++
		}
	}
	if published != len(env.Commands) || (published == 0) != (len(tx.Writes) == 0) || (published == 0) != (tx.Event == nil) {
		t.Fatalf("%d commands ended, %d are published, with %d writes", published, len(env.Commands), len(tx.Writes))
	}
	for i, e := range events {
		cause := env.Commands[env.Events[i].Command]
		if cause.Outcome != event.Applied || !slices.Contains(declared[cause.Type], e.EventType()) || env.Events[i].Seq != i {
			t.Fatalf("%s %s caused %s as event %d", cause.Outcome, cause.Type, e.EventType(), env.Events[i].Seq)
		}
		w.books.apply(t, e)
		w.learn(e)
	}
	withoutRejected(t, before, caller, items, results, tx)
	if err := w.Commit(tx); err != nil {
		t.Fatal(err)
	}
}

// withoutRejected checks that the rejected commands of a batch left their
// receipts alone: the others come to the same without them.
func withoutRejected(t *rapid.T, before *contracttest.Ledger, caller contract.Caller, items []contract.BatchItem, results []contract.BatchResult, tx *contracttest.Tx) {
	var applied []contract.BatchItem
	want := maps.Clone(tx.Writes)
	for i, r := range results {
		if r.Outcome == event.Applied && !r.Replayed {
			applied = append(applied, items[i])
		} else if r.Outcome == event.Rejected && !r.Replayed {
			d, _ := command.Lookup(items[i].Type)
			delete(want, "\x00idem\x00"+d.Name()+"\x00"+r.ID+"\x00")
		}
	}
	if len(applied) == 0 {
		if len(want) > 0 {
			t.Fatalf("rejected commands wrote %q", slices.Sorted(maps.Keys(want)))
		}
		return
	}
	args, err := contract.EncodeBatch(applied)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := before.Simulate(caller, contract.BatchFunction, args...)
	if err != nil || !maps.EqualFunc(alone.Writes, want, bytes.Equal) {
		t.Fatalf("the applied commands alone write something else: %v", err)
	}
}

// replay sends what has ended again: nothing happens.
func (w *world) replay(t *rapid.T, sent []sending, ended map[string]contract.BatchResult) {
	for _, s := range sent {
		items := slices.DeleteFunc(slices.Clone(s.items), func(i contract.BatchItem) bool { return ended[i.ID].ID == "" })
		if len(items) == 0 {
			continue
		}
		tx, _, err := w.Batch(s.caller, items...)
		if err != nil && !strings.Contains(err.Error(), "system is paused") {
			t.Fatal(err)
		}
		if err == nil && (len(tx.Writes) > 0 || tx.Event != nil) {
			t.Fatalf("a repetition writes %q", slices.Sorted(maps.Keys(tx.Writes)))
		}
	}
}

func (w *world) invariants(t *rapid.T) {
	w.CheckSupply(t)
	w.books.compare(t, w.Ledger)
	for _, code := range countries[:2] {
		var c contract.Country
		if err := w.Query(&c, "AdminContract:GetCountryStats", code); err != nil {
			t.Fatal(err)
		}
		for i := range c.Used {
			if c.Used[i] > c.Slots[i] {
				t.Fatalf("phase %d of %s: %d of %d slots are used", i+1, code, c.Used[i], c.Slots[i])
			}
		}
	}
}

// B-005, B-009: a hundred runs of one batch write the same bytes.
func TestB005_B009_Repeatable(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	ids := l.Join(t, "DE", 20)
	items := []contract.BatchItem{l.Item(t, l.Person(t, "LK")), l.Item(t, l.Person(t, "DE"))}
	for i := range 10 {
		items = append(items, l.Item(t, contracttest.Pay(ids[2*i], ids[2*i+1], 5*gx)), l.Item(t, contracttest.Pay(ids[2*i], "treasury_LK", 5*gx)))
	}
	args, err := contract.EncodeBatch(items)
	if err != nil {
		t.Fatal(err)
	}
	var first *contracttest.Tx
	for range 100 {
		tx, err := l.Clone().Simulate(backend, contract.BatchFunction, args...)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = tx
		}
		if !maps.EqualFunc(tx.Writes, first.Writes, bytes.Equal) || !bytes.Equal(tx.Event, first.Event) || !bytes.Equal(tx.Result, first.Result) {
			t.Fatal("two runs differ")
		}
	}
}
