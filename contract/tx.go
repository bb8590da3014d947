package contract

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/protocol/event"
)

// tx is the unit of work of one transaction. Handlers read their own writes
// through it, everything reaches the stub at the end in key order, and the
// events leave in one envelope.
type tx struct {
	stub     Stub
	now      time.Time // whole seconds, UTC
	read     map[string][]byte
	writes   map[string][]byte // nil deletes
	deltas   map[string]flow   // of collective accounts, one row each at the end
	rows     map[string]flow   // sums of delta rows, of the accounts looked at
	memo     map[string]any    // what was made of the value of a key
	undo     []change          // since the outermost try began
	depth    int               // of nested tries
	commands []event.CommandResult
	records  []event.Record
	entries  int // of histories
	ids      int
}

// change is what a write replaced.
type change struct {
	key     string
	value   []byte
	present bool
	delta   bool // of deltas[key], not of writes[key]
	flow    flow
}

func newTx(stub Stub) *tx {
	return &tx{
		stub:   stub,
		now:    stub.Time().UTC().Truncate(time.Second),
		read:   map[string][]byte{},
		writes: map[string][]byte{},
		deltas: map[string]flow{},
		rows:   map[string]flow{},
		memo:   map[string]any{},
	}
}

// prefetch reads keys in one round trip.
func (t *tx) prefetch(keys []string) error {
	missing := make([]string, 0, len(keys))
	for _, key := range keys {
		if _, ok := t.read[key]; !ok {
			t.read[key] = nil
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	values, err := t.stub.GetMany(missing)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	for i, key := range missing {
		t.read[key] = values[i]
	}
	return nil
}

// get returns the value of a key as this transaction sees it, nil when absent.
func (t *tx) get(key string) ([]byte, error) {
	if value, ok := t.writes[key]; ok {
		return value, nil
	}
	if value, ok := t.read[key]; ok {
		return value, nil
	}
	value, err := t.stub.Get(key)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	t.read[key] = value
	return value, nil
}

func (t *tx) put(key string, value []byte) {
	if t.depth > 0 {
		old, present := t.writes[key]
		t.undo = append(t.undo, change{key: key, value: old, present: present})
	}
	t.writes[key] = value
	delete(t.memo, key)
}

func (t *tx) delete(key string) { t.put(key, nil) }

// scan calls yield for every key of [start, end) in order, as this transaction
// sees them, until it returns false.
func (t *tx) scan(start, end string, yield func(key string, value []byte) bool) error {
	var own []string
	for key := range t.writes {
		if start <= key && key < end {
			own = append(own, key)
		}
	}
	slices.Sort(own)
	more := true
	before := func(limit string) { // yields own keys below limit
		for more && len(own) > 0 && own[0] < limit {
			if value := t.writes[own[0]]; value != nil {
				more = yield(own[0], value)
			}
			own = own[1:]
		}
	}
	err := t.stub.Scan(start, end, 0, func(key string, value []byte) bool {
		if before(key); more && (len(own) == 0 || own[0] != key) {
			more = yield(key, value)
		}
		return more
	})
	if err != nil {
		return fmt.Errorf("scan state: %w", err)
	}
	before(end)
	return nil
}

// scanPrefix scans every key that extends a composite key by more attributes.
func (t *tx) scanPrefix(prefix string, yield func(key string, value []byte) bool) error {
	return t.scan(prefix, prefix+endOfKeys, yield)
}

// try runs a nested unit of work: when it fails, nothing of it remains.
func (t *tx) try(run func() error) error {
	undo, records, entries, ids := len(t.undo), len(t.records), t.entries, t.ids
	t.depth++
	err := run()
	if t.depth--; err == nil {
		if t.depth == 0 {
			t.undo = t.undo[:0]
		}
		return nil
	}
	for i := len(t.undo) - 1; i >= undo; i-- {
		c := t.undo[i]
		delete(t.memo, c.key)
		switch {
		case c.delta:
			t.deltas[c.key] = c.flow
		case c.present:
			t.writes[c.key] = c.value
		default:
			delete(t.writes, c.key)
		}
	}
	t.undo, t.records, t.entries, t.ids = t.undo[:undo], t.records[:records], entries, ids
	clear(t.rows)
	return err
}

// emit adds an event of the command that runs.
func (t *tx) emit(e event.Event) error {
	r, err := event.NewRecord(len(t.records), len(t.commands), e)
	if err != nil {
		return err
	}
	t.records = append(t.records, r)
	return nil
}

// newID returns an identifier that no other transaction makes: a prefix, such as
// command.LoanPrefix, and the transaction, with a number from its second one on.
func (t *tx) newID(prefix string) string {
	id := prefix + t.stub.TxID()
	if t.ids > 0 {
		id += "_" + strconv.Itoa(t.ids)
	}
	t.ids++
	return id
}

func (t *tx) callerHash() string { return hashText(t.stub.Caller().ID) }

// hashText returns the SHA-256 of a text in hex.
func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// commit hands the writes and the envelope to the stub. A transaction in which
// no command came to its end writes nothing.
func (t *tx) commit(function string) error {
	if len(t.commands) == 0 {
		return nil
	}
	if err := t.writeDeltas(); err != nil {
		return err
	}
	keys := make([]string, 0, len(t.writes))
	for key := range t.writes {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		var err error
		if value := t.writes[key]; value == nil {
			err = t.stub.Delete(key)
		} else {
			err = t.stub.Put(key, value)
		}
		if err != nil {
			return fmt.Errorf("write state: %w", err)
		}
	}
	var payload bytes.Buffer
	payload.Grow(t.envelopeSize())
	if err := json.MarshalWrite(&payload, &event.Envelope{
		Version: 1, TxID: t.stub.TxID(), At: t.now, Channel: t.stub.Channel(), Function: function,
		CallerHash: t.callerHash(), Commands: t.commands, Events: t.records,
	}, encoding); err != nil {
		return fmt.Errorf("encode envelope: %w", err)
	}
	if err := t.stub.SetEvent(event.EnvelopeName, payload.Bytes()); err != nil {
		return fmt.Errorf("set event: %w", err)
	}
	return nil
}

// envelopeSize is a little more than the bytes of the envelope: to grow a large
// buffer step by step costs more than to fill it.
func (t *tx) envelopeSize() int {
	n := 1024
	for _, c := range t.commands {
		n += 256 + len(c.Message) + len(c.Result)
	}
	for _, r := range t.records {
		n += 128 + len(r.Data)
	}
	return n * 5 / 4
}
