package ledgertest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"pgregory.net/rapid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
)

// transfers moves money between few accounts from many goroutines, each of
// which repeats what conflicted.
func (s *suite) transfers() {
	const accounts, workers, each = 4, 6, 10
	var names, puts []string
	for i := range accounts {
		names = append(names, s.key(strconv.Itoa(i)))
		puts = append(puts, names[i], "100")
	}
	s.invoke("Put", puts...)
	var moved [accounts]atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				from, to := (w+i)%accounts, (w+2*i+1)%accounts
				if from == to {
					continue
				}
				for st := (ledger.Status{Code: ledger.ReadConflict}); st.Code.Conflict(); {
					tx, err := s.ledger.Endorse(s.ctx, proposal("Transfer", []string{names[from], names[to], "1"}))
					if err == nil {
						err = s.ledger.Submit(s.ctx, tx)
					}
					if errors.Is(err, ledger.ErrUnavailable) && s.ctx.Err() == nil {
						continue // nothing happened
					}
					if err == nil {
						st, err = s.ledger.Status(s.ctx, tx.ID)
					}
					if err != nil {
						s.Errorf("transfer: %v", err)
						return
					}
				}
				moved[from].Add(-1)
				moved[to].Add(1)
			}
		})
	}
	wg.Wait()
	for i, name := range names {
		s.wantValue(name, strconv.FormatInt(100+moved[i].Load(), 10))
	}
}

// call is a function call of a random history.
type call struct {
	function string
	args     []string

	tx     ledger.Transaction
	status ledger.Status
	err    error
}

// serial plays random concurrent histories. Replaying the valid transactions
// one by one, in the order of the blocks, must lead to the same results, events
// and state.
func (s *suite) serial() {
	run := 0
	rapid.Check(s.T, func(t *rapid.T) {
		run++
		s.history(t, s.key(strconv.Itoa(run)+"/"))
	})
}

func (s *suite) history(t *rapid.T, prefix string) {
	key := rapid.Custom(func(t *rapid.T) string {
		return prefix + rapid.SampledFrom([]string{"a", "b", "b\x00x", "c", "d"}).Draw(t, "key")
	})
	calls := rapid.Custom(func(t *rapid.T) *call {
		switch rapid.SampledFrom([]string{"Put", "Delete", "Add", "Digest", "Digest"}).Draw(t, "function") {
		case "Put":
			return &call{function: "Put", args: []string{key.Draw(t, "to"), strconv.Itoa(rapid.IntRange(0, 99).Draw(t, "value"))}}
		case "Delete":
			return &call{function: "Delete", args: []string{key.Draw(t, "of")}}
		case "Add": // on numbers of its own
			return &call{function: "Add", args: []string{prefix + rapid.SampledFrom([]string{"n", "o"}).Draw(t, "key"), "1"}}
		default:
			args := append([]string{key.Draw(t, "to"), key.Draw(t, "start"), key.Draw(t, "end")}, rapid.SliceOfN(key, 0, 2).Draw(t, "keys")...)
			return &call{function: "Digest", args: args}
		}
	})
	rounds := rapid.SliceOfN(rapid.SliceOfN(calls, 1, 5), 1, 6).Draw(t, "rounds")

	from := s.height()
	var all []*call
	var open sync.WaitGroup
	for i, round := range rounds {
		// Endorsed on one state, so that some conflict; submitted while earlier rounds
		// may still be on their way.
		var endorsed sync.WaitGroup
		for _, c := range round {
			endorsed.Go(func() { c.tx, c.err = s.ledger.Endorse(s.ctx, proposal(c.function, c.args)) })
		}
		endorsed.Wait()
		for _, c := range round {
			open.Go(func() {
				if c.err == nil {
					c.err = s.ledger.Submit(s.ctx, c.tx)
				}
				if c.err == nil {
					c.status, c.err = s.ledger.Status(s.ctx, c.tx.ID)
				}
			})
		}
		all = append(all, round...)
		if i%2 == 1 {
			open.Wait()
		}
	}
	open.Wait()
	last := &call{function: "Add", args: []string{prefix + "n", "1"}}
	last.tx = s.endorse(last.function, last.args...)
	last.status = s.commit(last.tx)[0]
	if last.status.Code != ledger.Valid {
		t.Fatalf("a transaction without rival is %s", last.status.Code)
	}
	all = append(all, last)

	recorded := make(map[string]ledger.BlockTx)
	for _, b := range s.read(from, last.status.Block+1) {
		for _, tx := range b.Txs {
			recorded[tx.ID] = tx
		}
	}
	slices.SortFunc(all, func(a, b *call) int {
		return cmp.Or(cmp.Compare(a.status.Block, b.status.Block), cmp.Compare(a.status.Index, b.status.Index))
	})
	replay := make(memory)
	for _, c := range all {
		if c.err != nil {
			t.Fatalf("%s: %v", c.function, c.err)
		}
		got := recorded[c.tx.ID]
		if got.Code != c.status.Code {
			t.Fatalf("%s: the block says %s, the status %s", c.function, got.Code, c.status.Code)
		}
		if c.status.Code != ledger.Valid {
			if !c.status.Code.Conflict() || got.Event != nil {
				t.Fatalf("%s: %s with event %v", c.function, c.status.Code, got.Event)
			}
			continue
		}
		result, event, err := replay.invoke("Test:"+c.function, c.args)
		if err != nil {
			t.Fatalf("replay of %s: %v", c.function, err)
		}
		if string(result) != string(c.tx.Result) {
			t.Fatalf("%s %q returned %q, one by one it returns %q", c.function, c.args, c.tx.Result, result)
		}
		if fmt.Sprintf("%q", event) != fmt.Sprintf("%q", got.Event) {
			t.Fatalf("%s %q sent %q, one by one it sends %q", c.function, c.args, got.Event, event)
		}
	}
	var want []string
	for _, k := range slices.Sorted(maps.Keys(replay)) {
		want = append(want, k+"="+string(replay[k]))
	}
	if got := s.evaluate("Scan", prefix, prefix+"\U0010ffff", "0"); got != strings.Join(want, "\n") {
		t.Fatalf("the state is\n%q\none by one it is\n%q", got, want)
	}
}

// memory is a ledger's state that runs one transaction at a time.
type memory map[string][]byte

func (m memory) invoke(function string, args []string) ([]byte, *ledger.Event, error) {
	s := &memoryStub{state: m, writes: make(memory)}
	result, err := chaincode(s, function, args)
	if err != nil {
		return nil, nil, err
	}
	for k, v := range s.writes {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return result, s.event, nil
}

// memoryStub has what the functions of a history use.
type memoryStub struct {
	contract.Stub
	state, writes memory
	event         *ledger.Event
}

func (s *memoryStub) Get(key string) ([]byte, error) { return s.state[key], nil }

func (s *memoryStub) GetMany(keys []string) (values [][]byte, err error) {
	for _, k := range keys {
		values = append(values, s.state[k])
	}
	return values, nil
}

func (s *memoryStub) Scan(start, end string, limit int, yield func(string, []byte) bool) error {
	if limit > 0 {
		return errors.New("limited")
	}
	for _, k := range slices.Sorted(maps.Keys(s.state)) {
		if k >= start && k < end && !yield(k, s.state[k]) {
			break
		}
	}
	return nil
}

func (s *memoryStub) Put(key string, value []byte) error {
	s.writes[key] = value
	return nil
}

func (s *memoryStub) Delete(key string) error {
	s.writes[key] = nil
	return nil
}

func (s *memoryStub) SetEvent(name string, payload []byte) error {
	s.event = &ledger.Event{Name: name, Payload: payload}
	return nil
}
