package contract_test

import (
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/role"
)

// idle is an engine that costs nothing: a fixed state, and writes go nowhere.
type idle struct {
	state  map[string][]byte
	caller contract.Caller
	now    time.Time
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

func (e *idle) Scan(string, string, int, func(string, []byte) bool) error { return nil }

// BenchmarkTransfer is one transfer between two of 200 people inside a batch of 100.
func BenchmarkTransfer(b *testing.B) {
	const size = 100
	l := contracttest.Open(b, "DE")
	ids := l.Join(b, "DE", 2*size)
	items := make([]contract.BatchItem, size)
	for i := range items {
		items[i] = l.Item(b, contracttest.Pay(ids[2*i], ids[2*i+1], 5*gx))
	}
	args, err := contract.EncodeBatch(items)
	if err != nil {
		b.Fatal(err)
	}
	engine := &idle{l.State(), contracttest.As(role.PartnerAPI), l.Now}
	b.ReportAllocs()
	for n := 0; n < b.N; n += size {
		if _, err := contract.Invoke(engine, contract.BatchFunction, args); err != nil {
			b.Fatal(err)
		}
	}
}
