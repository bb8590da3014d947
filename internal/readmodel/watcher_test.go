package readmodel_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gxcoin.money/gx/internal/readmodel"
)

func TestWatcher(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var watcher readmodel.Watcher
	var running sync.WaitGroup
	running.Go(func() { _ = watcher.Run(ctx, w.pool) })
	defer running.Wait()
	defer cancel()

	if r, err := watcher.Wait(ctx, w.pool, "c1"); err != nil || r.CommandID != "c1" {
		t.Fatalf("a command that has ended: %+v, %v", r, err)
	}
	short, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	if _, err := watcher.Wait(short, w.pool, "c99"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that never ends: %v", err)
	}
	stop()

	// Commands c5 to c14, each with two waiters that came first.
	var waiters sync.WaitGroup
	for i := range 20 {
		waiters.Go(func() {
			id := fmt.Sprintf("c%d", 5+i/2)
			if r, err := watcher.Wait(ctx, w.pool, id); err != nil || r.CommandID != id {
				t.Errorf("%s: %+v, %v", id, r, err)
			}
		})
	}
	for range 10 {
		w.commit(w.Transfer("alice", "bob", 1, 0, ""))
	}
	waiters.Wait()

	// Losing every connection costs nothing but time.
	waiters.Go(func() {
		for ctx.Err() == nil {
			r, err := watcher.Wait(ctx, w.pool, "c15")
			if err == nil {
				if r.CommandID != "c15" {
					t.Errorf("%+v", r)
				}
				return
			}
		}
	})
	if _, err := pgtestOwner(t, w).Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	tx := w.Decoded(w.block, 0, w.Transfer("alice", "bob", 1, 0, ""))
	for w.flush(tx) != nil && ctx.Err() == nil {
	}
	waiters.Wait()
}
