package projector

import (
	"bytes"
	"fmt"
	"time"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/event"
)

// BrokenChainError reports blocks that do not continue what was applied: the
// ledger is not the one that the read model was built from, or part of it is
// missing. Nothing of the block is applied.
type BrokenChainError struct {
	Block  uint64
	Reason string
}

func (e *BrokenChainError) Error() string { return fmt.Sprintf("block %d: %s", e.Block, e.Reason) }

// PoisonError reports a transaction that cannot be applied. It is in the dead
// letters, and so is every event of it that could not be read.
type PoisonError struct {
	Letter readmodel.DeadLetter
}

func (e *PoisonError) Error() string {
	return fmt.Sprintf("block %d, transaction %s: %s", e.Letter.Block, e.Letter.TxID, e.Letter.Reason)
}

// block is a ledger block with its events decoded: what remains is to write it.
type block struct {
	number uint64
	hash   []byte
	at     time.Time
	last   int // index of the last transaction, -1 when empty
	txs    []tx
}

// tx is a valid transaction that carries an envelope.
type tx struct {
	readmodel.Tx
	event   ledger.Event // as the ledger holds it
	letters []letter     // what could not be applied
}

type letter struct {
	readmodel.DeadLetter
	halts bool // money: only an operator may skip it
}

func (b *block) end() readmodel.Position {
	return readmodel.Position{Block: int64(b.number), TxIndex: b.last, Hash: b.hash}
}

// cut leaves out what follows a transaction.
func (b *block) cut(index int) {
	b.last = min(b.last, index)
	for len(b.txs) > 0 && b.txs[len(b.txs)-1].Index > index {
		b.txs = b.txs[:len(b.txs)-1]
	}
}

// size estimates what the block costs to write: rows, and one for the block.
func (b *block) size() int {
	n := 1
	for _, t := range b.txs {
		n += len(t.Commands) + len(t.Events)
	}
	return n
}

// chain checks that blocks follow each other, starting at a checkpoint.
type chain struct{ at readmodel.Position }

// next accepts the successor of the block before or, when resumed, only the
// block of the checkpoint itself.
func (c *chain) next(b ledger.Block, resumed bool) error {
	switch {
	case resumed && int64(b.Number) != c.at.Block, !resumed && int64(b.Number) != c.at.Block+1:
		return &BrokenChainError{b.Number, fmt.Sprintf("arrived after block %d", c.at.Block)}
	case resumed && !bytes.Equal(b.Hash, c.at.Hash):
		return &BrokenChainError{b.Number, fmt.Sprintf("hash is %x, but %x was applied", b.Hash, c.at.Hash)}
	case !resumed && c.at.Block >= 0 && !bytes.Equal(b.PrevHash, c.at.Hash):
		return &BrokenChainError{b.Number, fmt.Sprintf("previous hash is %x, but block %d has %x", b.PrevHash, c.at.Block, c.at.Hash)}
	}
	c.at = readmodel.Position{Block: int64(b.Number), TxIndex: -1, Hash: b.Hash}
	return nil
}

// decode reads every envelope of a block after the transaction index skip.
func decode(b ledger.Block, skip int, now time.Time) (*block, error) {
	out := &block{number: b.Number, hash: b.Hash, at: b.Time, last: -1}
	for _, t := range b.Txs {
		if t.Index <= out.last {
			return nil, &BrokenChainError{b.Number, fmt.Sprintf("transaction index %d after %d", t.Index, out.last)}
		}
		out.last = t.Index
		if t.Index <= skip || t.Code != ledger.Valid || t.Event == nil {
			continue
		}
		out.txs = append(out.txs, decodeTx(b.Number, t, now))
	}
	return out, nil
}

func decodeTx(number uint64, t ledger.BlockTx, now time.Time) tx {
	out := tx{Tx: readmodel.Tx{ID: t.ID, Block: number, Index: t.Index, At: t.Time}, event: *t.Event}
	dead := func(seq int, typ event.Type, payload []byte, halts bool, err error) {
		out.letters = append(out.letters, letter{readmodel.DeadLetter{
			TxID: t.ID, Seq: seq, Block: number, TxIndex: t.Index, EventName: t.Event.Name, Type: string(typ),
			Reason: brief(err), Payload: payload, RecordedAt: now,
		}, halts})
	}
	env, err := envelope(t)
	if err != nil {
		dead(readmodel.WholeTx, "", t.Event.Payload, true, err)
		return out
	}
	out.Commands = env.Commands
	for _, r := range env.Events {
		content, err := event.Decode(r)
		if err != nil {
			// Of a type that is not known here nobody can say that it is not about money.
			d, known := event.Lookup(r.Type)
			dead(r.Seq, r.Type, r.Data, !known || d.Money, err)
			continue
		}
		out.Events = append(out.Events, readmodel.Event{Record: r, Content: content})
	}
	return out
}

// envelope decodes the envelope of a transaction and checks what its types do
// not say.
func envelope(t ledger.BlockTx) (event.Envelope, error) {
	// An event of another name may be a newer envelope: it is not ours to ignore.
	if t.Event.Name != event.EnvelopeName {
		return event.Envelope{}, fmt.Errorf("%w: ledger event %q", event.ErrUnknown, t.Event.Name)
	}
	env, err := event.DecodeEnvelope(t.Event.Payload)
	if err != nil {
		return env, err
	}
	if env.TxID != t.ID {
		return env, fmt.Errorf("envelope is of transaction %q", env.TxID)
	}
	for i, r := range env.Events {
		if r.Seq != i {
			return env, fmt.Errorf("event %d has seq %d", i, r.Seq)
		}
		if r.Command < 0 || r.Command >= len(env.Commands) {
			return env, fmt.Errorf("event %d belongs to command %d of %d", i, r.Command, len(env.Commands))
		}
	}
	for i, c := range env.Commands {
		if c.Outcome != event.Applied && c.Outcome != event.Rejected {
			return env, fmt.Errorf("command %d has outcome %q", i, c.Outcome)
		}
	}
	return env, nil
}

// halting returns the letters of t that only an operator may skip.
func (t *tx) halting() []letter {
	var out []letter
	for _, l := range t.letters {
		if l.halts {
			out = append(out, l)
		}
	}
	return out
}

// money reports whether t moves any.
func (t *tx) money() bool {
	for _, e := range t.Events {
		if d, ok := event.Lookup(e.Type); !ok || d.Money {
			return true
		}
	}
	return false
}

// refused is the letter of a transaction that the read model does not take.
func (t *tx) refused(cause error, now time.Time) readmodel.DeadLetter {
	return readmodel.DeadLetter{TxID: t.ID, Seq: readmodel.WholeTx, Block: t.Block, TxIndex: t.Index, EventName: t.event.Name,
		Reason: brief(cause), Payload: t.event.Payload, RecordedAt: now}
}

// brief cuts an error that quotes hostile data at length.
func brief(err error) string {
	const most = 500
	s := err.Error()
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}
