package submitter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/role"
)

// batch is commands on their way through one ledger transaction. One goroutine
// works on it and hands it back.
type batch struct {
	id       uuid.UUID
	identity role.Role
	entries  []*entry
	outages  int // calls in a row, before this batch, that found no ledger

	stored bool // tx is in the database
	tx     ledger.Transaction

	fates       []outbox.Fate // of entries, in order; none: they are tried again
	smaller     bool          // in batches of half the size
	unavailable bool          // the ledger was not there
	err         error         // the database failed: nothing is known
}

// work takes a batch to its end. An error is the database's or ctx's.
func (s *session) work(ctx context.Context, b *batch) error {
	if !b.stored {
		err := s.attempt(ctx, b)
		if s.early.Add(-1) == 0 {
			signal(s.quiet)
		}
		if err != nil || !b.stored {
			return err
		}
	}
	status, err := s.fate(ctx, b)
	if err != nil {
		return err
	}
	return s.settle(ctx, b, status)
}

func (s *session) prepare(ctx context.Context, b *batch) ([]contract.BatchItem, error) {
	o := outbox.Batch{ID: b.id, Identity: string(b.identity)}
	for _, e := range b.entries {
		o.Commands = append(o.Commands, e.id)
		if e.retrying {
			o.Retrying = append(o.Retrying, e.id)
		}
	}
	commands, err := s.outbox.Prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	items := make([]contract.BatchItem, len(commands))
	for i, e := range b.entries {
		e.retrying, e.trace = false, commands[i].TraceParent
		items[i] = contract.BatchItem{ID: e.id.String(), Type: e.typ, Payload: commands[i].Payload, Trace: e.trace}
	}
	return items, nil
}

// attempt runs the commands and stores their transaction. When there is none to
// submit, the batch is settled.
func (s *session) attempt(ctx context.Context, b *batch) error {
	items, err := s.prepare(ctx, b)
	if err != nil {
		return err
	}
	args, err := contract.EncodeBatch(items)
	if err != nil {
		return s.fail(ctx, b, outbox.Fault, "", err.Error())
	}
	tx, err := s.endorse(ctx, ledger.Proposal{Identity: b.identity, Function: contract.BatchFunction, Args: args})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		class, code, text := classify(err)
		// The batch may be too large for the time it has.
		b.smaller = class == outbox.Unavailable && errors.Is(err, context.DeadlineExceeded)
		return s.fail(ctx, b, class, code, text)
	}
	results, err := decode(b, tx.Result)
	if err != nil {
		return s.fail(ctx, b, outbox.Fault, "", err.Error())
	}
	b.tx, b.fates = tx, s.outcomes(b, tx.ID, results)
	if allDeferred(results) {
		return s.outbox.Settle(ctx, outbox.Settlement{Batch: b.id, Fates: b.fates})
	}
	b.stored = true
	return s.outbox.Store(ctx, b.id, outbox.Transaction{ID: tx.ID, Bytes: tx.Bytes, Result: tx.Result})
}

// decode reads the results of exactly the commands of the batch.
func decode(b *batch, result []byte) ([]contract.BatchResult, error) {
	results, err := contract.DecodeBatch(result)
	if err != nil {
		return nil, err
	}
	if len(results) != len(b.entries) {
		return nil, fmt.Errorf("the contract answered %d of %d commands", len(results), len(b.entries))
	}
	for i, r := range results {
		if r.ID != b.entries[i].id.String() {
			return nil, fmt.Errorf("the contract answered %q in place of %s", r.ID, b.entries[i].id)
		}
		switch r.Outcome {
		case event.Applied, event.Rejected, contract.Deferred:
		default:
			return nil, fmt.Errorf("the contract answered %q for %s", r.Outcome, r.ID)
		}
	}
	return results, nil
}

func allDeferred(results []contract.BatchResult) bool {
	for _, r := range results {
		if r.Outcome != contract.Deferred {
			return false
		}
	}
	return true
}

// outcomes is what becomes of the commands when the transaction is valid.
func (s *session) outcomes(b *batch, txID string, results []contract.BatchResult) []outbox.Fate {
	random := s.o.Random()
	fates := make([]outbox.Fate, len(results))
	for i, r := range results {
		e := b.entries[i]
		f := outbox.Fate{ID: e.id, Counters: e.Counters, TxID: txID}
		if r.Replayed {
			f.TxID = "" // it was another's
		}
		switch r.Outcome {
		case event.Applied:
			f.State = outbox.Committed
			f.Attempts++
		case event.Rejected:
			f.State, f.Code, f.Error = outbox.Rejected, r.Code, r.Message
			f.Attempts++
		default:
			f = s.failure(e, outbox.Deferred, r.Code, r.Message, 0, random)
		}
		fates[i] = f
	}
	return fates
}

// fail settles a batch that was not submitted. Commands that are to blame
// together are not blamed: they are tried again in smaller batches, down to the
// one that is.
func (s *session) fail(ctx context.Context, b *batch, class outbox.Class, code, text string) error {
	b.unavailable = class == outbox.Unavailable
	if !b.unavailable && len(b.entries) > 1 {
		b.smaller = true
		return s.outbox.Settle(ctx, outbox.Settlement{Batch: b.id})
	}
	b.fates = s.failures(b, class, code, text)
	return s.outbox.Settle(ctx, outbox.Settlement{Batch: b.id, Fates: b.fates})
}

// failures is one failure of every command. They wait equally long, so that
// they come back together.
func (s *session) failures(b *batch, class outbox.Class, code, text string) []outbox.Fate {
	random := s.o.Random()
	fates := make([]outbox.Fate, len(b.entries))
	for i, e := range b.entries {
		fates[i] = s.failure(e, class, code, text, b.outages+1, random)
	}
	return fates
}

func (s *session) failure(e *entry, class outbox.Class, code, text string, outages int, random float64) outbox.Fate {
	state, n, wait := s.o.Policy.After(class, e.Counters, outages, random)
	return outbox.Fate{ID: e.id, State: state, Counters: n, NextAt: s.o.Clock().Add(wait), Class: class, Code: code, Error: text}
}

// fate submits the transaction of a stored batch until it is in a block. Of one that
// another leader has left it is asked first whether it is there.
func (s *session) fate(ctx context.Context, b *batch) (ledger.Status, error) {
	recovered := b.fates == nil
	for n := 0; ; n++ {
		patience, asked := s.o.ProbeTimeout, recovered && n == 0
		if !asked {
			if err := s.submit(ctx, b.tx); err == nil {
				patience = s.o.StatusTimeout
			}
		}
		status, err := s.status(ctx, b.tx.ID, patience)
		if err == nil {
			return status, nil
		}
		if ctx.Err() != nil {
			return ledger.Status{}, ctx.Err()
		}
		s.metrics.unknown.Inc()
		s.o.Log.Warn("the fate of a batch is unknown", "batch", b.id, "tx", b.tx.ID, "commands", len(b.entries), "round", n, "error", err)
		_, _, wait := s.o.Policy.After(outbox.Unavailable, outbox.Counters{}, n, s.o.Random())
		if asked {
			wait = 0 // nothing was tried yet
		}
		if !sleep(ctx, wait) {
			return ledger.Status{}, ctx.Err()
		}
	}
}

// settle ends a batch with the recorded fate of its transaction.
func (s *session) settle(ctx context.Context, b *batch, status ledger.Status) error {
	end := outbox.Settlement{Batch: b.id, Code: string(status.Code), Block: status.Block}
	switch {
	case status.Code == ledger.Valid:
		if b.fates == nil { // recovered; what was stored could be read
			results, err := decode(b, b.tx.Result)
			if err != nil {
				return fmt.Errorf("submitter: result of stored batch %s: %w", b.id, err)
			}
			b.fates = s.outcomes(b, b.tx.ID, results)
		}
	case status.Code.Conflict():
		b.fates = s.failures(b, outbox.Conflict, string(status.Code), "")
	case len(b.entries) > 1:
		b.smaller, b.fates = true, nil
	default:
		b.fates = s.failures(b, outbox.Invalid, string(status.Code), "the ledger holds the transaction to be void")
	}
	end.Fates = b.fates
	if err := s.outbox.Settle(ctx, end); err != nil {
		return err
	}
	s.told(ctx, b, status)
	return nil
}

// told logs the commands of a settled batch, for whoever follows a trace.
func (s *session) told(ctx context.Context, b *batch, status ledger.Status) {
	if !s.o.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	for i, f := range b.fates {
		s.o.Log.DebugContext(ctx, "command submitted", "commandId", f.ID, "state", f.State, "tx", b.tx.ID, "block", status.Block, "traceparent", b.entries[i].trace)
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
