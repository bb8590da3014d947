package submitter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
)

// verb is what a fakeLedger does in place of what it is asked.
type verb string

const (
	unavailable verb = "unavailable" // endorse, submit: no ledger, no effect
	fault       verb = "fault"       // endorse: an error of no known kind
	hang        verb = "hang"        // endorse, submit, status: no answer
	garbage     verb = "garbage"     // endorse: a result that can't be read
	dropAfter   verb = "drop after"  // submit: commit, but answer with an error
	lose        verb = "lose"        // submit: no effect, but answer that all is well
	twice       verb = "twice"       // submit: order it two times
	conflict    verb = "conflict"    // submit: commit as a read conflict
	void        verb = "void"        // submit: commit as invalid for another reason
)

// call is one call of a fakeLedger.
type ask struct {
	op       string // endorse, submit or status
	tx       string
	commands int    // of the batch
	args     string // of a proposal
}

// fakeLedger is a ledger in memory that does as it is told. Like a real one it
// endorses on committed state, and holds what was read against it at commit.
type fakeLedger struct {
	ledger.Ledger // what the submitter doesn't use

	// fails says what to do about a call; nil does all as asked. It may block.
	fails func(ctx context.Context, a ask) verb

	mu       sync.Mutex
	state    map[string]fakeValue
	endorsed map[string]*fakeTx
	fates    map[string]ledger.Status
	grown    chan struct{}
	asked    []ask
}

type fakeValue struct {
	value   string
	version uint64 // of the block that wrote it
}

type fakeTx struct {
	reads    map[string]uint64
	writes   map[string]string
	commands int
	args     string
}

func newFake() *fakeLedger {
	return &fakeLedger{state: map[string]fakeValue{}, endorsed: map[string]*fakeTx{}, fates: map[string]ledger.Status{}, grown: make(chan struct{})}
}

func (l *fakeLedger) decide(ctx context.Context, a ask) verb {
	l.mu.Lock()
	l.asked = append(l.asked, a)
	fails := l.fails
	l.mu.Unlock()
	if fails == nil {
		return ""
	}
	v := fails(ctx, a)
	if v == hang {
		<-ctx.Done()
	}
	return v
}

// calls counts those of an operation.
func (l *fakeLedger) calls(op string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.asked {
		if a.op == op {
			n++
		}
	}
	return n
}

func (l *fakeLedger) get(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state[key].value
}

// codes counts the recorded transactions by their codes.
func (l *fakeLedger) codes() map[ledger.Code]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[ledger.Code]int{}
	for _, s := range l.fates {
		out[s.Code]++
	}
	return out
}

func (l *fakeLedger) Endorse(ctx context.Context, p ledger.Proposal) (ledger.Transaction, error) {
	items := decodeItems(p.Args)
	v := l.decide(ctx, ask{op: "endorse", commands: len(items), args: p.Args[0]})
	switch v {
	case unavailable:
		return ledger.Transaction{}, fmt.Errorf("%w: as told", ledger.ErrUnavailable)
	case fault:
		return ledger.Transaction{}, errors.New("as told")
	case hang:
		return ledger.Transaction{}, ctx.Err()
	}
	t := &fakeTx{reads: map[string]uint64{}, writes: map[string]string{}, commands: len(items), args: p.Args[0]}
	id := uuid.NewString()
	result, err := chaincode(&fakeStub{l: l, id: id, tx: t}, p.Function, p.Args)
	if err != nil {
		return ledger.Transaction{}, &ledger.ContractError{Message: err.Error()}
	}
	if v == garbage {
		result = []byte(`[{"id":"x","outcome":"APPLIED"}]`)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endorsed[id] = t
	return ledger.Transaction{ID: id, Bytes: []byte(id), Result: result}, nil
}

func (l *fakeLedger) Submit(ctx context.Context, tx ledger.Transaction) error {
	l.mu.Lock()
	t := l.endorsed[string(tx.Bytes)]
	l.mu.Unlock()
	if t == nil || tx.ID != string(tx.Bytes) {
		return fmt.Errorf("ledger: nobody endorsed %q", tx.Bytes)
	}
	switch v := l.decide(ctx, ask{op: "submit", tx: tx.ID, commands: t.commands, args: t.args}); v {
	case unavailable:
		return fmt.Errorf("%w: as told", ledger.ErrUnavailable)
	case hang:
		return ctx.Err()
	case lose:
		return nil
	case dropAfter:
		l.commit(tx.ID, "")
		return errors.New("the answer was dropped, as told")
	case twice:
		l.commit(tx.ID, "")
		l.commit(tx.ID, "")
	case conflict:
		l.commit(tx.ID, ledger.ReadConflict)
	case void:
		l.commit(tx.ID, ledger.Invalid)
	default:
		l.commit(tx.ID, "")
	}
	return nil
}

// commit records a transaction in a block of its own, with its verdict or code.
// The first record stands.
func (l *fakeLedger) commit(id string, code ledger.Code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.fates[id]; ok {
		return
	}
	t := l.endorsed[id]
	block := uint64(len(l.fates) + 1)
	for key, version := range t.reads {
		if code == "" && l.state[key].version != version {
			code = ledger.ReadConflict
		}
	}
	if code == "" {
		code = ledger.Valid
		for key, value := range t.writes {
			l.state[key] = fakeValue{value, block}
		}
	}
	l.fates[id] = ledger.Status{TxID: id, Block: block, Code: code}
	close(l.grown)
	l.grown = make(chan struct{})
}

func (l *fakeLedger) Status(ctx context.Context, txID string) (ledger.Status, error) {
	switch l.decide(ctx, ask{op: "status", tx: txID}) {
	case unavailable:
		return ledger.Status{}, fmt.Errorf("%w: as told", ledger.ErrUnavailable)
	case hang:
		return ledger.Status{}, ctx.Err()
	}
	for {
		l.mu.Lock()
		s, ok := l.fates[txID]
		grown := l.grown
		l.mu.Unlock()
		if ok {
			return s, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ledger.Status{}, ctx.Err()
		}
	}
}

func (l *fakeLedger) Blocks(context.Context, uint64) iter.Seq2[ledger.Block, error] { panic("unused") }

// fakeStub reads committed state and notes what it read.
type fakeStub struct {
	contract.Stub // what the test contract doesn't use
	l             *fakeLedger
	id            string
	tx            *fakeTx
}

func (s *fakeStub) TxID() string { return s.id }

func (s *fakeStub) Get(key string) ([]byte, error) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	v, ok := s.l.state[key]
	if _, read := s.tx.reads[key]; !read {
		s.tx.reads[key] = v.version
	}
	if !ok {
		return nil, nil
	}
	return []byte(v.value), nil
}

func (s *fakeStub) Put(key string, value []byte) error {
	s.tx.writes[key] = string(value)
	return nil
}

// sizes counts the endorsed batches by their number of commands.
func (l *fakeLedger) sizes() map[int]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[int]int{}
	for _, a := range l.asked {
		if a.op == "endorse" {
			out[a.commands]++
		}
	}
	return maps.Clone(out)
}

// always does one thing to every call of an operation.
func always(op string, v verb) func(context.Context, ask) verb {
	return func(_ context.Context, a ask) verb {
		if a.op == op {
			return v
		}
		return ""
	}
}

// set changes what fails.
func (l *fakeLedger) set(fails func(context.Context, ask) verb) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails = fails
}

const moment = 50 * time.Millisecond
