package contract_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/role"
)

var backend = contracttest.As(role.PartnerAPI)

func TestBatch(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 3)
	items := []contract.BatchItem{
		l.Item(t, contracttest.Pay(ids[0], ids[1], 400*gx)),
		l.Item(t, contracttest.Pay(ids[0], ids[1], 400*gx)), // more than is left
		l.Item(t, contracttest.Pay(ids[1], ids[2], 800*gx)), // more than there was before the batch
		{ID: "bad", Type: command.TypeTransferTokens, Payload: []byte(`{"fromID":"x"}`)},
		{ID: "odd", Type: "STEAL", Payload: []byte(`[]`)},
	}
	tx, results, err := l.Batch(backend, items...)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		outcome event.Outcome
		code    contract.Code
		text    string
	}{
		{event.Applied, "", ""},
		{event.Rejected, contract.CodeInsufficientFunds, "insufficient funds"},
		{event.Applied, "", ""},
		{event.Rejected, contract.CodeInvalidArgument, "fromID"},
		{event.Rejected, contract.CodeInvalidArgument, "STEAL"},
	}
	env, events, err := tx.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		r, end := results[i], env.Commands[i]
		if r.ID != items[i].ID || r.Outcome != w.outcome || r.Code != string(w.code) || !strings.Contains(r.Message, w.text) || r.Replayed {
			t.Errorf("command %d: %+v, want %+v", i, r, w)
		}
		if end.ID != r.ID || end.Outcome != r.Outcome || end.Code != r.Code || end.Message != r.Message || r.Result != nil {
			t.Errorf("command %d: the envelope says %+v, the result %+v", i, end, r)
		}
		if (len(end.Result) == 0) != (r.Outcome == event.Rejected) {
			t.Errorf("command %d: the envelope says that it returned %s", i, end.Result)
		}
	}
	if len(events) != 2 || env.Events[0].Command != 0 || env.Events[1].Command != 2 || env.Events[1].Seq != 1 {
		t.Errorf("events %+v", env.Events)
	}
	l.CheckSupply(t)

	// The same commands again, with one that is new.
	fresh := l.Item(t, contracttest.Pay(ids[2], ids[0], 1*gx))
	tx, again, err := l.Batch(backend, append(items, fresh)...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range again[:len(items)] {
		if !r.Replayed || r.Outcome != results[i].Outcome || r.Code != results[i].Code || !bytes.Equal(r.Result, env.Commands[i].Result) {
			t.Errorf("repetition of command %d: %+v, first %+v", i, r, results[i])
		}
	}
	if env, _, err = tx.Envelope(); err != nil || len(env.Commands) != 1 || env.Commands[0].ID != fresh.ID || env.Events[0].Command != 0 {
		t.Errorf("envelope of the repetition: %+v, %v", env, err)
	}

	// Nothing but repetitions: the transaction leaves no trace.
	tx, _, err = l.Batch(backend, append(items, fresh, items[0])...)
	if err != nil || len(tx.Writes) > 0 || tx.Event != nil {
		t.Errorf("a batch of repetitions writes %v with event %s, %v", tx.Writes, tx.Event, err)
	}

	// An id with another payload keeps its first end.
	other := items[0]
	other.Payload = l.Item(t, contracttest.Pay(ids[0], ids[1], 1*gx)).Payload
	tx, conflict, err := l.Batch(backend, other)
	if err != nil || conflict[0].Outcome != event.Rejected || conflict[0].Code != string(contract.CodeIdempotencyConflict) || len(tx.Writes) > 0 || tx.Event != nil {
		t.Errorf("conflict: %+v, writes %v, %v", conflict, tx.Writes, err)
	}
	// The layout of the payload does not matter.
	other.Payload = append([]byte("  "), items[0].Payload...)
	if _, same, err := l.Batch(backend, other); err != nil || !same[0].Replayed {
		t.Errorf("the same payload with white space: %+v, %v", same, err)
	}
}

// A command twice in one batch happens once.
func TestRepetitionInBatch(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	item := l.Item(t, contracttest.Pay(ids[0], ids[1], 1*gx))
	tx, results, err := l.Batch(backend, item, item)
	if err != nil || results[0].Replayed || !results[1].Replayed || results[1].Outcome != event.Applied {
		t.Fatalf("%+v, %v", results, err)
	}
	if _, events, err := tx.Envelope(); err != nil || len(events) != 1 {
		t.Errorf("%d events, %v", len(events), err)
	}
	if got := l.Balance(t, ids[1]); got != 501*gx {
		t.Errorf("receiver has %s", got)
	}
}

// A direct call and a command of a batch are the same command.
func TestBatchAndDirectCall(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	item := l.Item(t, contracttest.Pay(ids[0], ids[1], 7*gx))
	refused := l.Item(t, contracttest.Pay(ids[0], ids[1], 7000*gx))
	batch, _, err := l.Batch(backend, item, refused)
	if err != nil {
		t.Fatal(err)
	}
	env, _, err := batch.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	tx, err := l.Invoke(backend, "TokenomicsContract:TransferWithFees", ids[0], ids[1], "7000000", "", "", item.ID)
	if err != nil || !bytes.Equal(tx.Result, env.Commands[0].Result) || len(tx.Writes) > 0 {
		t.Errorf("the direct call returns %s, the batch %s, %v", tx.Result, env.Commands[0].Result, err)
	}
	_, err = l.Invoke(backend, "TokenomicsContract:TransferWithFees", ids[0], ids[1], "7000000000", "", "", refused.ID)
	wantError(t, err, contract.CodeInsufficientFunds, "insufficient funds")
}

func TestBatchForm(t *testing.T) {
	l := contracttest.Open(t, "DE")
	pay := func(id string) string {
		return fmt.Sprintf(`{"id":%q,"type":"TRANSFER_TOKENS","payload":{}}`, id)
	}
	for _, args := range [][]string{
		{}, {"[]", "[]"}, {""}, {"null"}, {"{}"}, {"[]"}, {"[{}]"}, {"[1]"}, {"[" + pay("a") + "]x"}, {"[" + pay("") + "]"},
		{"[" + pay(strings.Repeat("i", 129)) + "]"}, {`[{"id":"a\u0000b","type":"TRANSFER_TOKENS","payload":{}}]`},
		{`[{"id":"a","type":"TRANSFER_TOKENS","payload":{},"more":1}]`}, {`[{"id":"a","id":"b","type":"TRANSFER_TOKENS","payload":{}}]`},
		{"[" + strings.Repeat(pay("a")+",", contract.MaxBatch) + pay("a") + "]"},
	} {
		_, err := l.Simulate(backend, contract.BatchFunction, args...)
		wantError(t, err, contract.CodeInvalidArgument, "")
	}
	_, err := l.Simulate(contract.Caller{ID: "stranger"}, contract.BatchFunction, `[{"id":"a","type":"STEAL","payload":{}}]`)
	wantError(t, err, contract.CodeUnauthorized, "does not have the required role")
}

// A rejected command leaves its receipt and nothing else: the rest of the
// batch is what it would be without it.
func TestRejectionLeavesItsReceipt(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	ids := l.Join(t, "DE", 3)
	taken := l.Person(t, "DE")
	l.Apply(t, taken)
	late := &command.CreateUsersBatch{Users: []command.CreateUser{*l.Person(t, "LK"), *l.Person(t, "LK"), *taken}}
	for i := range late.Users {
		late.Users[i].Nationality = "LK" // the last one exists, after two that do not
	}
	good := []contract.BatchItem{l.Item(t, contracttest.Pay(ids[0], ids[1], 5*gx)), l.Item(t, contracttest.Pay(ids[1], ids[2], 5*gx))}
	bad := []contract.BatchItem{l.Item(t, late), l.Item(t, contracttest.Pay(ids[2], ids[0], 505*gx))}

	alone := l.Clone()
	mixed, results, err := l.Batch(backend, good[0], bad[0], good[1], bad[1])
	if err != nil {
		t.Fatal(err)
	}
	without, _, err := alone.Batch(backend, good...)
	if err != nil {
		t.Fatal(err)
	}
	extra := maps.Clone(mixed.Writes)
	for key, value := range without.Writes {
		if !bytes.Equal(extra[key], value) {
			t.Errorf("%q is %s, and %s without the rejected commands", key, extra[key], value)
		}
		delete(extra, key)
	}
	if keys := slices.Sorted(maps.Keys(extra)); len(keys) != 2 || !strings.Contains(keys[0]+keys[1], "CreateUsersBatch") || !strings.Contains(keys[0]+keys[1], bad[1].ID) {
		t.Errorf("the rejected commands left %q", keys)
	}
	if results[1].Outcome != event.Rejected || results[3].Outcome != event.Rejected {
		t.Errorf("%+v", results)
	}
	a, _, err := mixed.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := without.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Events {
		b.Events[i].Command *= 2
	}
	if x, y := encode(t, a.Events), encode(t, b.Events); x != y {
		t.Errorf("events %s\nwithout the rejected commands %s", x, y)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// FuzzBatch feeds arbitrary text to the batch function: it never panics, and
// what it accepts conserves the supply.
func FuzzBatch(f *testing.F) {
	l := contracttest.Open(f, "DE")
	ids := l.Join(f, "DE", 2)
	args, err := contract.EncodeBatch([]contract.BatchItem{
		l.Item(f, contracttest.Pay(ids[0], ids[1], 5*gx)), l.Item(f, l.Person(f, "DE")), {ID: "x", Type: "STEAL", Payload: []byte("{}")},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(args[0])
	f.Add(strings.Replace(args[0], "5000000", "1250000000000000000", 1))
	f.Add(strings.Replace(args[0], ids[1], "treasury_DE", 1))
	f.Add(`[{"id":"a","type":"TRANSFER_TOKENS","payload":{"fromID":null}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		l := l.Clone()
		if _, err := l.Invoke(backend, contract.BatchFunction, text); err == nil {
			l.CheckSupply(t)
		}
	})
}
