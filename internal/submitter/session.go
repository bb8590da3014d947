package submitter

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/sony/gobreaker/v2"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/role"
)

// session is one lease term of a leader. Its fields belong to the goroutine of
// loop; batches are worked on by goroutines of their own.
type session struct {
	*Submitter
	outbox *outbox.Leader

	line    *line
	working int  // batches
	suspect bool // one of them holds a suspect
	outages int  // calls in a row that found no ledger
	more    bool // there may be commands that are not claimed

	ctx   context.Context // of the work
	done  chan *batch
	early atomic.Int32  // batches that are not stored yet
	quiet chan struct{} // signalled when there is none
	tasks sync.WaitGroup
}

// itemOverhead is what a command adds to its payload in a batch.
const itemOverhead = 100

// maxKnown bounds the commands that a leader knows, some 300 bytes each.
const maxKnown = 1 << 20

// lead runs one lease term: it returns when the term is over or in doubt, when
// the database fails, or drained when stopping is closed.
func (s *Submitter) lead(ctx context.Context, stopping <-chan struct{}, term lease.Term) error {
	work, cancel := context.WithCancel(ctx)
	l := &session{
		Submitter: s, line: newLine(s.o.Policy.Longest()), more: true, ctx: work, done: make(chan *batch), quiet: make(chan struct{}, 1),
		outbox: &outbox.Leader{Pool: s.pool, Term: term, Worker: s.worker, Clock: s.o.Clock, Random: s.o.Random, Policy: s.o.Policy},
	}
	defer func() {
		cancel()
		for l.working > 0 {
			<-l.done
			l.working--
		}
		l.tasks.Wait()
		s.metrics.leading.Set(0)
	}()
	if err := l.start(); err != nil {
		return err
	}
	s.set(func() { s.trouble = nil })
	s.metrics.leading.Set(1)
	err := l.loop(stopping)
	if err == nil {
		err = l.drain(ctx, cancel)
	}
	if ctx.Err() != nil || errors.Is(err, lease.ErrLost) {
		s.metrics.lost.Inc()
	}
	return err
}

// start takes over what the last leader left.
func (s *session) start() error {
	r, err := s.outbox.Recover(s.ctx)
	if err != nil {
		return err
	}
	if err := s.outbox.Extend(s.ctx); err != nil {
		s.o.Log.Error("there may be no partitions for what ends", "error", err)
	}
	for _, stored := range r.Batches {
		b := &batch{id: stored.ID, identity: role.Role(stored.Identity), stored: true,
			tx: ledger.Transaction{ID: stored.Transaction.ID, Bytes: stored.Transaction.Bytes, Result: stored.Transaction.Result}}
		for _, w := range stored.Commands {
			e, err := read(w)
			if err != nil {
				return fmt.Errorf("submitter: stored batch %s: command %s: %w", stored.ID, w.ID, err)
			}
			s.line.knows(e)
			s.line.hold(e)
			b.entries = append(b.entries, e)
		}
		s.begin(b)
	}
	if err := s.take(r.Retrying, true); err != nil {
		return err
	}
	s.tasks.Go(func() { _ = s.o.Outbox.Listen(s.ctx, s.pool) })
	s.tasks.Go(s.runTasks)
	return nil
}

// loop runs until stopping is closed or an error.
func (s *session) loop(stopping <-chan struct{}) error {
	tick := time.NewTicker(s.o.Poll)
	defer tick.Stop()
	for ticked := false; ; {
		s.set(func() { s.beat = time.Now() })
		select {
		case <-stopping:
			return nil
		default:
		}
		if err := s.dispatch(ticked); err != nil {
			return err
		}
		ticked = false
		select {
		case <-stopping:
			return nil
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case b := <-s.done:
			if err := s.finish(b); err != nil {
				return err
			}
		case <-s.quiet:
		case <-s.o.Outbox.Woken():
			s.more = true
		case <-tick.C:
			ticked = true
			if !s.more { // look for commands that nobody told of
				var err error
				if s.more, err = s.outbox.Pending(s.ctx); err != nil {
					return err
				}
			}
		}
	}
}

// slots is how many more batches may be at work. While the breaker is not
// closed nothing is claimed; when it is half open, one batch is its probe.
func (s *session) slots() int {
	if s.suspect && s.early.Load() > 0 {
		return 0
	}
	switch s.breaker.State() {
	case gobreaker.StateOpen:
		return 0
	case gobreaker.StateHalfOpen:
		return 1 - s.working
	}
	return s.o.Pipeline - s.working
}

// dispatch sends to work whatever may run. It reads ahead, so that a batch that
// ends is followed by a full one at once, and further when it is told to or when
// all that is known is held up.
func (s *session) dispatch(further bool) error {
	for s.slots() > 0 {
		now := s.o.Clock()
		if s.more && (further || s.line.ready(now) < s.ahead()) {
			if err := s.claim(); err != nil {
				return err
			}
		}
		for s.slots() > 0 {
			entries := s.line.pack(now, bounds{s.o.MaxBatch, s.o.MaxBytes}, s.early.Load() == 0)
			if entries == nil {
				break
			}
			s.begin(&batch{id: uuid.Must(uuid.NewV7()), identity: entries[0].identity, entries: entries, outages: s.outages})
		}
		if !s.more || s.working > 0 {
			return nil
		}
		further = true
	}
	return nil
}

// ahead is how many commands are to be at hand.
func (s *session) ahead() int { return 2 * max(s.o.MaxBatch, s.o.Pipeline) }

// claim takes the next commands off the outbox.
func (s *session) claim() error {
	n := min(s.ahead(), maxKnown-len(s.line.known))
	if n <= 0 {
		s.more = false // until the next poll
		return nil
	}
	list, err := s.outbox.Claim(s.ctx, n)
	if err != nil {
		return err
	}
	s.more = len(list) == n
	return s.take(list, false)
}

// take brings commands into line. Those that can't be read die here.
func (s *session) take(list []outbox.Waiting, retrying bool) error {
	entries := make([]*entry, 0, len(list))
	var poison []outbox.Fate
	for _, w := range list {
		e, err := read(w)
		if err != nil {
			e = &entry{id: w.ID, typ: w.Type, claimed: time.Now(), Counters: w.Counters}
			f := s.failure(e, outbox.Poison, "", err.Error(), 0, 0)
			poison = append(poison, f)
			s.count(e, f)
			continue
		}
		e.claimed = time.Now()
		e.blame(s.o.Policy, s.o.MaxBatch)
		if retrying {
			e.retrying, e.due = true, w.NextAt
		}
		if s.line.knows(e) {
			return fmt.Errorf("%w: command %s was claimed twice", outbox.ErrSurprise, e.id)
		}
		entries = append(entries, e)
	}
	s.line.insert(entries...)
	if len(poison) == 0 {
		return nil
	}
	return s.outbox.Settle(s.ctx, outbox.Settlement{Fates: poison})
}

// read makes an entry of a row. A row can hold anything: whatever it does to the
// decoder is the row's fault.
func read(w outbox.Waiting) (e *entry, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, err = nil, fmt.Errorf("the payload broke its decoder: %v\n%s", r, debug.Stack())
		}
	}()
	p, err := command.Decode(w.Type, w.Payload)
	if err != nil {
		return nil, err
	}
	d, _ := command.Lookup(w.Type)
	return &entry{id: w.ID, position: w.Position, typ: w.Type, identity: d.Identity(p), lanes: hashLanes(p.Lanes()),
		size: len(w.Payload) + itemOverhead, Counters: w.Counters}, nil
}

// begin lets a goroutine work on a batch.
func (s *session) begin(b *batch) {
	s.working++
	if !b.stored {
		s.early.Add(1)
		s.suspect = b.entries[0].suspect
	}
	s.metrics.batch.Observe(float64(len(b.entries)))
	go func() {
		b.err = s.work(s.ctx, b)
		s.done <- b
	}()
}

// finish takes a batch back from its work.
func (s *session) finish(b *batch) error {
	s.working--
	if b.err != nil {
		return b.err
	}
	switch {
	case b.unavailable:
		s.outages = b.outages + 1
	case s.outages > 0:
		s.outages = 0
		s.line.hasten()
	}
	for i, e := range b.entries {
		if b.smaller {
			e.limit = max(1, len(b.entries)/2)
		}
		if b.fates == nil {
			s.line.retry(e)
			continue
		}
		f := b.fates[i]
		if f.State != outbox.Retry {
			s.line.finish(e)
			s.count(e, f)
			continue
		}
		e.Counters, e.retrying, e.due = f.Counters, true, f.NextAt
		e.outage = f.Class == outbox.Unavailable
		if f.Class == outbox.Fault {
			e.blame(s.o.Policy, s.o.MaxBatch)
		}
		s.line.retry(e)
	}
	return nil
}

// count tells the metrics of the end of a command.
func (s *session) count(e *entry, f outbox.Fate) {
	status := "failed"
	switch {
	case f.State == outbox.Committed:
		status = "success"
	case f.Class == outbox.Fault, f.Class == outbox.Conflict:
		status = "max_retries"
	}
	if f.State == outbox.Dead {
		s.o.Log.Error("a command is dead", "command", e.id, "type", e.typ, "class", f.Class, "code", f.Code, "error", f.Error)
	}
	s.metrics.end(e.typ, status, f.Class)
	s.metrics.duration.Observe(time.Since(e.claimed).Seconds())
}

// drain waits for the batches at work, up to a bound, and gives back the rest.
func (s *session) drain(ctx context.Context, cancel func()) error {
	bound := time.NewTimer(s.o.Drain)
	defer bound.Stop()
	for s.working > 0 {
		select {
		case b := <-s.done:
			if err := s.finish(b); err != nil && s.ctx.Err() == nil {
				return err
			}
		case <-bound.C:
			s.o.Log.Warn("stopping with batches at work", "batches", s.working)
			cancel()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	cancel()
	s.tasks.Wait()
	return s.outbox.Withdraw(ctx)
}
