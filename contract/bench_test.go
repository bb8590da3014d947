package contract_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/role"
)

// idle is an engine that costs next to nothing: a fixed state, and writes go nowhere.
type idle struct {
	state  map[string][]byte
	keys   []string // sorted
	caller contract.Caller
	now    time.Time
}

func newIdle(l *contracttest.Ledger, r role.Role) *idle {
	state := l.State()
	return &idle{state, slices.Sorted(maps.Keys(state)), contracttest.As(r), l.Now}
}

func (e *idle) TxID() string                   { return "tx" }
func (e *idle) Time() time.Time                { return e.now }
func (e *idle) Channel() string                { return contracttest.Channel }
func (e *idle) Caller() contract.Caller        { return e.caller }
func (e *idle) Get(key string) ([]byte, error) { return e.state[key], nil }
func (e *idle) Put(string, []byte) error       { return nil }
func (e *idle) Delete(string) error            { return nil }
func (e *idle) SetEvent(string, []byte) error  { return nil }

func (e *idle) GetMany(keys []string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = e.state[key]
	}
	return values, nil
}

func (e *idle) Scan(start, end string, limit int, yield func(key string, value []byte) bool) error {
	i, _ := slices.BinarySearch(e.keys, start)
	for n := 0; i < len(e.keys) && e.keys[i] < end && (limit <= 0 || n < limit); n++ {
		if !yield(e.keys[i], e.state[e.keys[i]]) {
			break
		}
		i++
	}
	return nil
}

// measure invokes a function again and again on the same state. An operation is
// one of size.
func (e *idle) measure(b *testing.B, size int, function string, args []string) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += size {
		if _, err := contract.Invoke(e, function, args); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFunction is each function, called alone.
func BenchmarkFunction(b *testing.B) {
	for _, s := range specimens(b) {
		d, _ := command.Lookup(s.CommandType())
		b.Run(d.Name(), func(b *testing.B) {
			newIdle(s.ledger, d.Identity(s.Payload)).measure(b, 1, d.Name(), arguments(b, s.Payload))
		})
	}
	w := newTown(b)
	queries := w.queries()
	for _, f := range functions(contract.KindQuery) {
		b.Run(f.Name, func(b *testing.B) { newIdle(w.Ledger, "").measure(b, 1, f.Name, queries[f.Name]) })
	}
}

// transfers returns arguments of a batch of transfers, each between two of the people.
func transfers(t contracttest.TB, n int) (*idle, []string) {
	t.Helper()
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2*n)
	items := make([]contract.BatchItem, n)
	for i := range items {
		items[i] = l.Item(t, contracttest.Pay(ids[2*i], ids[2*i+1], 5*gx))
	}
	args, err := contract.EncodeBatch(items)
	if err != nil {
		t.Fatal(err)
	}
	return newIdle(l, role.PartnerAPI), args
}

// BenchmarkTransfer is one transfer between two of 200 people inside a batch of 100.
func BenchmarkTransfer(b *testing.B) {
	engine, args := transfers(b, 100)
	engine.measure(b, 100, contract.BatchFunction, args)
}

// raced says whether the race detector is at work.
var raced bool

// A transfer inside a batch takes no more than 60 allocations.
func TestTransferAllocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates for itself")
	}
	const size = 100
	engine, args := transfers(t, size)
	n := testing.AllocsPerRun(10, func() {
		if _, err := contract.Invoke(engine, contract.BatchFunction, args); err != nil {
			t.Fatal(err)
		}
	})
	if n > 60*size {
		t.Errorf("%.0f allocations for %d transfers", n, size)
	}
}

// BenchmarkTally counts a page of 5000 votes.
func BenchmarkTally(b *testing.B) {
	l := contracttest.Open(b, "DE")
	id := submit(b, l, l.Join(b, "DE", 1)[0], parameter.LoanMaxConcurrent, "6")
	ballots := map[string][]byte{}
	for range 5_000 {
		ballots["\x00vote\x00"+id+"\x00"+l.Person(b, "DE").UserID+"\x00"] = []byte(`{"support":true,"txID":"t","at":"2026-06-16T00:00:00Z"}`)
	}
	if err := l.Commit(&contracttest.Tx{Writes: ballots}); err != nil {
		b.Fatal(err)
	}
	l.Now = l.Now.AddDate(0, 0, 14)
	newIdle(l, role.Admin).measure(b, 1, "GovernanceContract:TallyProposal", []string{id, ""})
}
