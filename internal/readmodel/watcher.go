package readmodel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"gxcoin.money/gx/internal/platform/postgres"
)

// pollInterval bounds the delay of an answer when a notification is lost.
const pollInterval = 500 * time.Millisecond

// Watcher tells when commands reach their end. All waiters of a process share
// one listening connection and one query a notification. The zero value is
// ready; Wait needs Run to be running.
type Watcher struct {
	mu      sync.Mutex
	waiting map[string]map[chan Result]struct{}
	changed chan struct{} // closed and replaced at every look; nil while nobody asked for it
}

// Changed returns a channel that is closed when there may be something new, at
// the latest after the time between two looks.
func (w *Watcher) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

// Wait returns the result of a command once it is projected, or ctx's error.
func (w *Watcher) Wait(ctx context.Context, db postgres.DB, commandID string) (Result, error) {
	// Registered before the first look, so that no result falls in between.
	ch := w.add(commandID)
	defer w.remove(commandID, ch)
	r, err := CommandResult(ctx, db, commandID)
	if !errors.Is(err, ErrNotFound) {
		return r, err
	}
	select {
	case r := <-ch:
		return r, nil
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// Run delivers results to the waiters until ctx ends, which it returns.
func (w *Watcher) Run(ctx context.Context, pool *pgxpool.Pool) error {
	wake := make(chan struct{}, 1)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for ctx.Err() == nil {
			// A lost connection is not worth a word: polling goes on meanwhile.
			if listen(ctx, pool, wake) != nil {
				pause(ctx, pollInterval)
			}
		}
		return ctx.Err()
	})
	g.Go(func() error {
		tick := time.NewTicker(pollInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-wake:
			case <-tick.C:
			}
			w.deliver(ctx, pool)
		}
	})
	return g.Wait()
}

func listen(ctx context.Context, pool *pgxpool.Pool, wake chan<- struct{}) error {
	c, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	// The connection must not go back to the pool: it would go on listening.
	conn := c.Hijack()
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+Notification); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		select {
		case wake <- struct{}{}: // also once now: notifications before LISTEN were missed
		default:
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (w *Watcher) deliver(ctx context.Context, db postgres.DB) {
	w.mu.Lock()
	ids := slices.Collect(maps.Keys(w.waiting))
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
	w.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	results, err := commandResults(ctx, db, ids)
	if err != nil {
		return // the next tick asks again
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range results {
		for ch := range w.waiting[r.CommandID] {
			select {
			case ch <- r:
			default: // told already
			}
		}
	}
}

func (w *Watcher) add(commandID string) chan Result {
	ch := make(chan Result, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = map[string]map[chan Result]struct{}{}
	}
	if w.waiting[commandID] == nil {
		w.waiting[commandID] = map[chan Result]struct{}{}
	}
	w.waiting[commandID][ch] = struct{}{}
	return ch
}

func (w *Watcher) remove(commandID string, ch chan Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting[commandID], ch)
	if len(w.waiting[commandID]) == 0 {
		delete(w.waiting, commandID)
	}
}
