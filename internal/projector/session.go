package projector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/readmodel"
)

// errArrived reports that all that was to be applied is.
var errArrived = errors.New("projector: arrived")

// errSurprise reports a stored checkpoint that is not where this leader left it.
var errSurprise = errors.New("projector: the checkpoint was moved by another")

// errSilent reports a stream that does not bring what the ledger has.
var errSilent = errors.New("read blocks: the stream is silent, but the ledger has more")

// ahead is how many decoded blocks wait for the writer: decoding overlaps with
// the database and a busy writer finds a batch ready.
const ahead = 32

// session is one lease term of a leader.
type session struct {
	*Projector
	term lease.Term

	at    readmodel.Position       // applied and committed, as this leader believes
	until *readmodel.Position      // where to end with errArrived; nil: nowhere
	moved func(readmodel.Position) // told where at is; may be nil

	lag lag

	following sync.Mutex
	interrupt context.CancelCauseFunc // ends follow; nil while it does not run
}

// follow applies blocks from the stored checkpoint until an error.
func (s *session) follow(ctx context.Context) (err error) {
	ctx, interrupt := context.WithCancelCause(ctx)
	s.setInterrupt(interrupt)
	defer func() {
		s.setInterrupt(nil)
		if cause := context.Cause(ctx); errors.Is(cause, readmodel.ErrCondemned) || errors.Is(cause, errSilent) {
			err = cause
		}
		interrupt(nil)
	}()
	if err := s.start(ctx); err != nil {
		return err
	}
	started := s.at
	blocks := make(chan *block, ahead)
	failed := make(chan error, 1)
	go func() {
		defer close(blocks)
		failed <- s.read(ctx, started, blocks)
	}()
	defer func() {
		interrupt(nil)
		for range blocks { // until the reader has gone
		}
	}()

	s.settle(started)
	for b := range blocks {
		s.lag.arrived(b.number, b.at)
		batch := s.gather(b, blocks)
		begin := time.Now()
		if err := s.apply(ctx, batch); err != nil {
			return err
		}
		s.metrics.duration.Observe(time.Since(begin).Seconds())
		s.lag.applied(batch[len(batch)-1].number)
		s.settle(started)
	}
	return <-failed
}

func (s *session) setInterrupt(f context.CancelCauseFunc) {
	s.following.Lock()
	defer s.following.Unlock()
	s.interrupt = f
}

// gather takes more blocks that are ready, up to the size of a batch.
func (s *session) gather(b *block, blocks <-chan *block) []*block {
	batch := []*block{b}
	for size := b.size(); size < s.o.BatchSize; size += b.size() {
		var ok bool
		select {
		case b, ok = <-blocks:
		default:
		}
		if !ok {
			break
		}
		batch = append(batch, b)
	}
	return batch
}

// settle enters the state that the lag tells. Trouble is over only when there is
// nothing left to apply or something was applied.
func (s *session) settle(started readmodel.Position) {
	switch {
	case s.lag.none():
		s.enter(Live, "")
	case !same(s.at, started):
		s.enter(CatchingUp, "")
	}
}

func same(a, b readmodel.Position) bool {
	return a.Block == b.Block && a.TxIndex == b.TxIndex && bytes.Equal(a.Hash, b.Hash)
}

// start reads the stored checkpoint, which is the only truth.
func (s *session) start(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := s.prove(ctx, tx); err != nil {
			return err
		}
		at, err := readmodel.LockCheckpoint(ctx, tx)
		s.at = at
		return err
	})
	if err != nil {
		return err
	}
	height, err := s.ledger.Height(ctx)
	if err != nil {
		return fmt.Errorf("read ledger height: %w", err)
	}
	s.lag.start(s.at.Block, height)
	if s.moved != nil {
		s.moved(s.at)
	}
	if s.until != nil && (s.at.Block > s.until.Block || s.at.Block == s.until.Block && s.at.TxIndex >= s.until.TxIndex) {
		return errArrived
	}
	if s.at.Block >= 0 && height <= uint64(s.at.Block) {
		return fmt.Errorf("the ledger has %d blocks, but block %d was applied", height, s.at.Block)
	}
	return nil
}

// read streams blocks from a position, checks that they are one chain, decodes
// them and sends them on.
func (s *session) read(ctx context.Context, from readmodel.Position, to chan<- *block) error {
	c, resumed := chain{from}, from.Block >= 0
	for b, err := range s.ledger.Blocks(ctx, uint64(max(from.Block, 0))) {
		if err != nil {
			return fmt.Errorf("read blocks: %w", err)
		}
		if err := c.next(b, resumed); err != nil {
			return err
		}
		skip := -1
		if resumed {
			skip = from.TxIndex
		}
		resumed = false
		d, err := decode(b, skip, s.o.Clock())
		if err != nil {
			return err
		}
		last := s.until != nil && d.number == uint64(s.until.Block)
		if last {
			d.cut(s.until.TxIndex)
		}
		select {
		case to <- d:
		case <-ctx.Done():
			return ctx.Err()
		}
		if last {
			return errArrived
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.New("read blocks: the stream ended")
}

// apply writes blocks. What precedes a poisonous transaction is applied; what
// follows is not, until it is resolved.
func (s *session) apply(ctx context.Context, blocks []*block) error {
	w := &work{at: s.at}
	for _, b := range blocks {
		for i := range b.txs {
			t := &b.txs[i]
			if t.halting() != nil {
				if err := s.commit(ctx, w); err != nil {
					return err
				}
				w = &work{at: s.at}
				if err := s.resolve(ctx, t); err != nil {
					return err
				}
			}
			w.add(t, readmodel.Position{Block: int64(b.number), TxIndex: t.Index, Hash: b.hash})
		}
		w.at = b.end()
	}
	return s.commit(ctx, w)
}

// resolve returns an error while one of the halting letters of t waits for an
// operator.
func (s *session) resolve(ctx context.Context, t *tx) error {
	var open error
	for _, l := range t.halting() {
		if err := s.decision(ctx, l.DeadLetter); err != nil && open == nil {
			open = err
		}
	}
	return open
}

// decision returns nil when an operator has decided to skip a dead letter. One
// that is new is recorded; until the decision it is a PoisonError.
func (s *session) decision(ctx context.Context, d readmodel.DeadLetter) error {
	switch known, err := readmodel.Letter(ctx, s.db, d.TxID, d.Seq); {
	case errors.Is(err, readmodel.ErrNotFound), err == nil && known.Resolution == readmodel.Applied:
		if err := s.leading(ctx, func(tx pgx.Tx) error { return readmodel.Bury(ctx, tx, d) }); err != nil {
			return err
		}
		s.metrics.event(d.Type, "halted")
	case err != nil:
		return err
	case known.Resolution == readmodel.Skipped:
		return nil
	}
	return &PoisonError{d}
}

// leading runs f in a transaction that proves the term and finds the checkpoint
// where it should be.
func (s *session) leading(ctx context.Context, f func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := s.prove(ctx, tx); err != nil {
			return err
		}
		stored, err := readmodel.LockCheckpoint(ctx, tx)
		if err != nil {
			return err
		}
		if !same(stored, s.at) {
			return fmt.Errorf("%w: at (%d, %d) instead of (%d, %d)", errSurprise, stored.Block, stored.TxIndex, s.at.Block, s.at.TxIndex)
		}
		return f(tx)
	})
}

// prove proves the term in tx. A session without one writes what nobody else sees.
func (s *session) prove(ctx context.Context, tx pgx.Tx) error {
	if s.term == (lease.Term{}) {
		return nil
	}
	return s.term.Assert(ctx, tx)
}

// work is what one database transaction will apply.
type work struct {
	txs []*tx
	ats []readmodel.Position // of each transaction
	at  readmodel.Position   // the checkpoint afterwards
}

func (w *work) add(t *tx, at readmodel.Position) {
	w.txs, w.ats, w.at = append(w.txs, t), append(w.ats, at), at
}

// commit applies work in one database transaction. When its data is refused,
// the transactions are applied one by one to find the one that is to blame.
func (s *session) commit(ctx context.Context, w *work) error {
	err := s.commitOnce(ctx, w, false)
	if !errors.Is(err, readmodel.ErrData) {
		return err
	}
	for i, t := range w.txs {
		one := &work{txs: []*tx{t}, ats: w.ats[i : i+1], at: w.ats[i]}
		if err := s.commitOnce(ctx, one, false); err == nil {
			continue
		} else if !errors.Is(err, readmodel.ErrData) {
			return err
		} else if err := s.refuse(ctx, one, err); err != nil {
			return err
		}
	}
	return s.commitOnce(ctx, &work{at: w.at}, false)
}

// refuse deals with a transaction that the read model refuses: without money in
// it, it is recorded and skipped; with money, that is the operator's decision.
func (s *session) refuse(ctx context.Context, w *work, cause error) error {
	t := w.txs[0]
	d := t.refused(cause, s.o.Clock())
	if t.money() {
		if err := s.decision(ctx, d); err != nil {
			return err
		}
	}
	t.letters = append(t.letters, letter{d, false})
	return s.commitOnce(ctx, w, true)
}

// commitOnce applies work, or with empty set only moves past it.
func (s *session) commitOnce(ctx context.Context, w *work, empty bool) error {
	if len(w.txs) == 0 && same(w.at, s.at) {
		return nil
	}
	p := readmodel.NewProjection()
	p.Silent = s.o.Schema != readmodel.Live
	for _, t := range w.txs {
		if !empty {
			if err := p.Add(t.Tx); err != nil {
				return err
			}
		}
		for _, l := range t.letters {
			if !l.halts {
				p.Bury(l.DeadLetter)
			}
		}
	}
	if err := s.leading(ctx, func(tx pgx.Tx) error { return p.Flush(ctx, tx, w.at) }); err != nil {
		return err
	}
	s.at = w.at
	if s.moved != nil {
		s.moved(s.at)
	}
	s.metrics.checkpoints.Inc()
	for _, t := range w.txs {
		for _, e := range t.Events {
			s.metrics.event(string(e.Type), outcome(empty))
		}
		for _, l := range t.letters {
			s.metrics.event(l.Type, outcome(true))
		}
	}
	s.told(ctx, w)
	return nil
}

func outcome(skipped bool) string {
	if skipped {
		return "skipped"
	}
	return "applied"
}

// heartbeats reports state and lag, also while the ledger is idle, until ctx ends.
func (s *session) heartbeats(ctx context.Context) {
	tick := time.NewTicker(s.o.Heartbeat)
	defer tick.Stop()
	for {
		if err := s.beat(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Debug("projector heartbeat", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.changed:
		}
	}
}

func (s *session) beat(ctx context.Context) error {
	// A ledger that does not answer must not silence the heartbeat.
	asking, cancel := context.WithTimeout(ctx, s.o.Heartbeat)
	height, err := s.ledger.Height(asking)
	cancel()
	if err == nil {
		s.lag.seen(height, s.o.Clock())
		if s.lag.silence() > s.o.Patience {
			s.stop(errSilent)
		}
	}
	h := readmodel.Heartbeat{}
	var blocks uint64
	h.LedgerHeight, blocks, h.LagSeconds = s.lag.report(s.o.Clock())
	state, reason := s.State()
	h.State, h.Reason = string(state), reason
	s.metrics.height.Set(float64(h.LedgerHeight))
	s.metrics.lagBlocks.Set(float64(blocks))
	s.metrics.lagSeconds.Set(h.LagSeconds)
	var v readmodel.Verdict
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := s.term.Assert(ctx, tx); err != nil {
			return err
		}
		v, err = readmodel.Report(ctx, tx, h)
		return err
	})
	if err != nil {
		return err
	}
	s.metrics.letters.Set(float64(v.Letters))
	if v.Violation != "" {
		s.stop(fmt.Errorf("%w: %s", readmodel.ErrCondemned, v.Violation))
	}
	return nil
}

// condemn condemns the read model of this term.
func (s *session) condemn(ctx context.Context, violation string) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := s.term.Assert(ctx, tx); err != nil {
			return err
		}
		return readmodel.Condemn(ctx, tx, violation)
	})
}

// stop ends follow with an error, also while there is nothing to apply.
func (s *session) stop(cause error) {
	s.following.Lock()
	defer s.following.Unlock()
	if s.interrupt != nil {
		s.interrupt(cause)
	}
}
