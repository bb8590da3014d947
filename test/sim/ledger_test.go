package sim_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"gxcoin.money/gx/internal/ledger"
)

// liar is the ledger as a bad day shows it: it is slow beyond every deadline, is
// not there, drops its answers after the commit, loses what it has taken, takes it
// twice, reports conflicts that are none and sends blocks that don't fit.
type liar struct {
	ledger.Ledger
	p *process
}

// whim draws what happens to a call; "" is what was asked for.
func (l *liar) whim(ctx context.Context, choice ...string) (string, error) {
	w := l.p.world.weather()
	if w.calm {
		return "", nil
	}
	if w.outage {
		return "", fmt.Errorf("%w: outage", ledger.ErrUnavailable)
	}
	l.p.mu.Lock()
	verb, late := "", time.Duration(0)
	if hit(l.p.random, w.lies) {
		verb = choice[l.p.random.IntN(len(choice))]
	}
	if verb == "late" {
		late = time.Duration(l.p.random.Int64N(int64(10 * leaseTTL)))
	}
	l.p.mu.Unlock()
	switch verb {
	case "":
		return "", nil
	case "late":
		l.p.world.log("%s: the ledger takes %s", l.p.name, late)
		t := time.NewTimer(late)
		defer t.Stop()
		select {
		case <-t.C:
			return "", nil
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", ledger.ErrUnavailable, ctx.Err())
		}
	case "hang":
		l.p.world.log("%s: the ledger does not answer", l.p.name)
		<-ctx.Done()
		return "", ctx.Err()
	case "unavailable":
		return "", fmt.Errorf("%w: as it happens", ledger.ErrUnavailable)
	}
	l.p.world.log("%s: the ledger does this: %s", l.p.name, verb)
	return verb, nil
}

func (l *liar) Endorse(ctx context.Context, p ledger.Proposal) (ledger.Transaction, error) {
	if _, err := l.whim(ctx, "late", "hang", "unavailable"); err != nil {
		return ledger.Transaction{}, err
	}
	return l.Ledger.Endorse(ctx, p)
}

func (l *liar) Submit(ctx context.Context, tx ledger.Transaction) error {
	verb, err := l.whim(ctx, "late", "hang", "unavailable", "drop the answer", "lose it", "take it twice")
	if err != nil {
		return err
	}
	switch verb {
	case "lose it":
		return nil
	case "take it twice":
		if err := l.Ledger.Submit(ctx, tx); err != nil {
			return err
		}
	}
	err = l.Ledger.Submit(ctx, tx)
	if verb == "drop the answer" {
		return errors.New("the answer was dropped")
	}
	return err
}

func (l *liar) Status(ctx context.Context, txID string) (ledger.Status, error) {
	verb, err := l.whim(ctx, "late", "hang", "unavailable", "report a conflict")
	if err != nil {
		return ledger.Status{}, err
	}
	s, err := l.Ledger.Status(ctx, txID)
	if err == nil && verb == "report a conflict" {
		s.Code = ledger.ReadConflict
	}
	return s, err
}

func (l *liar) Height(ctx context.Context) (uint64, error) {
	if _, err := l.whim(ctx, "unavailable"); err != nil {
		return 0, err
	}
	return l.Ledger.Height(ctx)
}

func (l *liar) Blocks(ctx context.Context, from uint64) iter.Seq2[ledger.Block, error] {
	return func(yield func(ledger.Block, error) bool) {
		for b, err := range l.Ledger.Blocks(ctx, from) {
			if err == nil {
				verb, wrong := l.whim(ctx, "late", "unavailable", "send it twice", "leave it out")
				if wrong != nil {
					err = wrong
				}
				switch verb {
				case "leave it out":
					continue
				case "send it twice":
					if !yield(b, nil) {
						return
					}
				}
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}
