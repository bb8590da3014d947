package contract_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
)

var errEngine = errors.New("the engine fails")

// failing is an engine that fails at one of its calls.
type failing struct {
	*idle
	at    int // the call that fails; -1: none
	calls int // so far
	gets  int
	many  int
}

func (e *failing) call() error {
	e.calls++
	if e.calls-1 == e.at {
		return errEngine
	}
	return nil
}

func (e *failing) Get(key string) ([]byte, error) {
	e.gets++
	return e.state[key], e.call()
}

func (e *failing) GetMany(keys []string) ([][]byte, error) {
	e.many++
	values, _ := e.idle.GetMany(keys)
	return values, e.call()
}

func (e *failing) Scan(start, end string, limit int, yield func(string, []byte) bool) error {
	if err := e.call(); err != nil {
		return err
	}
	return e.idle.Scan(start, end, limit, yield)
}

func (e *failing) Put(string, []byte) error      { return e.call() }
func (e *failing) Delete(string) error           { return e.call() }
func (e *failing) SetEvent(string, []byte) error { return e.call() }

// When the engine fails, at whichever call, the transaction fails with it: that
// is never the end of a command, nor the refusal of a rule. A batch reads all keys
// in one call.
func TestEngineFailures(t *testing.T) {
	for _, s := range specimens(t) {
		d, _ := command.Lookup(s.CommandType())
		t.Run(d.Name(), func(t *testing.T) {
			batch, err := contract.EncodeBatch([]contract.BatchItem{s.ledger.Clone().Item(t, s.Payload)})
			if err != nil {
				t.Fatal(err)
			}
			engine := newIdle(s.ledger, d.Identity(s.Payload))
			direct := arguments(t, s.Payload)
			for _, call := range []struct {
				function string
				args     []string
			}{{contract.BatchFunction, batch}, {d.Name(), direct}, {d.Name(), direct[:d.Required()]}} {
				function, args := call.function, call.args
				whole := &failing{idle: engine, at: -1}
				if _, err := contract.Invoke(whole, function, args); err != nil {
					t.Fatal(err)
				}
				if function == contract.BatchFunction && (whole.gets > 0 || whole.many != 1) {
					t.Errorf("keys are read one by one %d times, together %d times", whole.gets, whole.many)
				}
				for at := range whole.calls {
					result, err := contract.Invoke(&failing{idle: engine, at: at}, function, args)
					if refused := (*contract.Error)(nil); !errors.Is(err, errEngine) || errors.As(err, &refused) || result != nil {
						t.Errorf("%s: call %d of %d fails, and it returns %s, %v", function, at, whole.calls, result, err)
					}
				}
			}
		})
	}
}

// On a corrupt object nothing is decided: the transaction fails, unless what the
// object says is of no importance.
func TestCorruptObjects(t *testing.T) {
	for _, s := range specimens(t) {
		d, _ := command.Lookup(s.CommandType())
		t.Run(d.Name(), func(t *testing.T) {
			who, state := contracttest.As(d.Identity(s.Payload)), s.ledger.State()
			batch, err := contract.EncodeBatch([]contract.BatchItem{s.ledger.Clone().Item(t, s.Payload)})
			if err != nil {
				t.Fatal(err)
			}
			with := func(key string, value []byte) (*contracttest.Tx, error) {
				l := s.ledger.Clone()
				if err := l.Set(key, value); err != nil {
					t.Fatal(err)
				}
				return l.Simulate(who, contract.BatchFunction, batch...)
			}
			for _, key := range reads(t, s.ledger, who, batch) {
				if state[key] == nil {
					continue
				}
				whole, err := with(key, state[key])
				if err != nil {
					t.Fatal(err)
				}
				tx, err := with(key, []byte(`{"corrupt":`))
				if refused := (*contract.Error)(nil); errors.As(err, &refused) || err == nil && !maps.EqualFunc(tx.Writes, whole.Writes, bytes.Equal) {
					t.Errorf("with %q corrupt: %v, %q", key, err, slices.Sorted(maps.Keys(tx.Writes)))
				}
			}
		})
	}
}

// reads returns the keys that a batch reads.
func reads(t *testing.T, l *contracttest.Ledger, who contract.Caller, batch []string) []string {
	t.Helper()
	tx, err := l.Clone().Simulate(who, contract.BatchFunction, batch...)
	if err != nil {
		t.Fatal(err)
	}
	return tx.Reads()
}
