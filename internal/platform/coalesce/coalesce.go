// Package coalesce runs calls that arrive together as one: what a database does
// for many at once costs it little more than for one. Nobody waits for company:
// a call that finds nothing at work starts at once, alone, and those that arrive
// meanwhile go together next. One run at a time, so that under load they are many.
package coalesce

import (
	"context"
	"sync"
	"time"
)

// Options of a group.
type Options struct {
	Max     int           // calls in a run
	Timeout time.Duration // of a run
}

// Group is calls of one kind. It may be used concurrently.
type Group[In, Out any] struct {
	o   Options
	run func(context.Context, []In) ([]Out, error)

	mu      sync.Mutex
	waiting []*call[In, Out]
	running bool
}

type call[In, Out any] struct {
	in   In
	out  Out
	err  error
	done chan struct{}
}

// New returns a group over run, which answers a run with one result for each
// input, in their order, or with an error for all.
func New[In, Out any](o Options, run func(context.Context, []In) ([]Out, error)) *Group[In, Out] {
	return &Group[In, Out]{o: o, run: run}
}

// Do returns the result for in. When ctx ends first its error is returned, and
// what becomes of the call is not known. Runs don't end with the callers they
// serve; they have the values of the context of one of them.
func (g *Group[In, Out]) Do(ctx context.Context, in In) (Out, error) {
	c := &call[In, Out]{in: in, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
	start := !g.running
	g.running = true
	g.mu.Unlock()
	if start {
		go g.work(context.WithoutCancel(ctx))
	}
	select {
	case <-c.done:
		return c.out, c.err
	case <-ctx.Done():
		var none Out
		return none, ctx.Err()
	}
}

// work runs what is waiting until nothing is.
func (g *Group[In, Out]) work(ctx context.Context) {
	for {
		g.mu.Lock()
		calls := g.waiting[:min(len(g.waiting), g.o.Max)]
		g.waiting = g.waiting[len(calls):]
		if len(calls) == 0 {
			g.running, g.waiting = false, nil
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		g.serve(ctx, calls)
	}
}

func (g *Group[In, Out]) serve(ctx context.Context, calls []*call[In, Out]) {
	in := make([]In, len(calls))
	for i, c := range calls {
		in[i] = c.in
	}
	ctx, cancel := context.WithTimeout(ctx, g.o.Timeout)
	defer cancel()
	out, err := g.run(ctx, in)
	for i, c := range calls {
		if c.err = err; err == nil {
			c.out = out[i]
		}
		close(c.done)
	}
}
