// Package contracttest runs the contracts on a ledger in memory that keeps
// Fabric's rules: a transaction is simulated on committed state and its reads
// are checked again when it commits.
package contracttest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/role"
)

// Channel is the name of the ledger.
const Channel = "gxchannel"

// ErrConflict reports a transaction that read what has changed since.
var ErrConflict = errors.New("contracttest: a key or range that was read has changed")

// Ledger is a ledger in memory. It is not safe for concurrent use.
type Ledger struct {
	Now time.Time // timestamp of the next transaction

	state    map[string]entry
	keys     []string // of state, sorted
	txs      int
	commands int
	people   uint64
}

type entry struct {
	value   []byte
	version int
}

// New returns an empty ledger, on 15 June 2026.
func New() *Ledger {
	return &Ledger{Now: time.Date(2026, time.June, 15, 12, 0, 0, 0, time.UTC), state: map[string]entry{}}
}

// Clone returns an independent copy.
func (l *Ledger) Clone() *Ledger {
	c := *l
	c.state, c.keys = maps.Clone(l.state), slices.Clone(l.keys)
	return &c
}

// As returns a caller with a role.
func As(r role.Role) contract.Caller {
	return contract.Caller{MSP: "Org1MSP", Role: r, ID: "x509::CN=" + string(r) + "::CN=ca"}
}

// Tx is a simulated transaction.
type Tx struct {
	ID     string
	Result []byte
	Writes map[string][]byte // nil deletes
	Event  []byte            // the envelope, nil without one

	reads  map[string]int // version, 0 when absent
	ranges []keyRange
}

type keyRange struct {
	start, end string
	versions   []int
}

// Envelope returns the transaction's event, decoded, and its records. Both are
// empty when it has none.
func (tx *Tx) Envelope() (event.Envelope, []event.Event, error) {
	if tx.Event == nil {
		return event.Envelope{}, nil, nil
	}
	env, err := event.DecodeEnvelope(tx.Event)
	if err != nil {
		return env, nil, err
	}
	events := make([]event.Event, len(env.Events))
	for i, r := range env.Events {
		if events[i], err = event.Decode(r); err != nil {
			return env, nil, err
		}
	}
	return env, events, nil
}

// Reads returns every key that was read by itself, sorted.
func (tx *Tx) Reads() []string { return slices.Sorted(maps.Keys(tx.reads)) }

// Simulate runs a function on the committed state. Nothing changes.
func (l *Ledger) Simulate(caller contract.Caller, function string, args ...string) (*Tx, error) {
	l.txs++
	return l.simulate(fmt.Sprintf("tx%06d", l.txs), caller, function, args)
}

func (l *Ledger) simulate(id string, caller contract.Caller, function string, args []string) (*Tx, error) {
	tx := &Tx{ID: id, Writes: map[string][]byte{}, reads: map[string]int{}}
	result, err := contract.Invoke(&stub{l, tx, caller}, function, args)
	if err != nil {
		return nil, err
	}
	tx.Result = result
	return tx, nil
}

// Commit applies a simulated transaction, or returns ErrConflict.
func (l *Ledger) Commit(tx *Tx) error {
	for key, version := range tx.reads {
		if l.state[key].version != version {
			return ErrConflict
		}
	}
	for _, r := range tx.ranges {
		var now []int
		for _, key := range l.between(r.start, r.end) {
			now = append(now, l.state[key].version)
		}
		if !slices.Equal(now, r.versions) {
			return ErrConflict
		}
	}
	l.txs++ // versions only grow
	for key, value := range tx.Writes {
		i, found := slices.BinarySearch(l.keys, key)
		switch {
		case value == nil && found:
			l.keys = slices.Delete(l.keys, i, i+1)
			delete(l.state, key)
		case value != nil:
			if !found {
				l.keys = slices.Insert(l.keys, i, key)
			}
			l.state[key] = entry{value, l.txs}
		}
	}
	return nil
}

// Invoke simulates a call and commits it.
func (l *Ledger) Invoke(caller contract.Caller, function string, args ...string) (*Tx, error) {
	tx, err := l.Simulate(caller, function, args...)
	if err != nil {
		return nil, err
	}
	return tx, l.Commit(tx)
}

// Batch simulates a batch and commits it.
func (l *Ledger) Batch(caller contract.Caller, items ...contract.BatchItem) (*Tx, []contract.BatchResult, error) {
	args, err := contract.EncodeBatch(items)
	if err != nil {
		return nil, nil, err
	}
	tx, err := l.Invoke(caller, contract.BatchFunction, args...)
	if err != nil {
		return nil, nil, err
	}
	results, err := contract.DecodeBatch(tx.Result)
	return tx, results, err
}

// Query evaluates a function and reads its result into v, whatever the case of
// its member names. It fails when the function writes.
func (l *Ledger) Query(v any, function string, args ...string) error {
	tx, err := l.Simulate(contract.Caller{ID: "anyone"}, function, args...)
	if err != nil {
		return err
	}
	if len(tx.Writes) > 0 || tx.Event != nil {
		return fmt.Errorf("contracttest: query %s writes", function)
	}
	return json.Unmarshal(tx.Result, v, json.MatchCaseInsensitiveNames(true))
}

// State returns a copy of every key and its value.
func (l *Ledger) State() map[string][]byte {
	out := make(map[string][]byte, len(l.state))
	for key, e := range l.state {
		out[key] = slices.Clone(e.value)
	}
	return out
}

// Set writes a key past the contracts.
func (l *Ledger) Set(key string, value []byte) error {
	return l.Commit(&Tx{Writes: map[string][]byte{key: value}})
}

func (l *Ledger) between(start, end string) []string {
	from, _ := slices.BinarySearch(l.keys, start)
	to, _ := slices.BinarySearch(l.keys, end)
	return l.keys[from:max(from, to)]
}
