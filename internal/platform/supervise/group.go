// Package supervise runs the parts of a process: those inside it, stopped in
// order of their stages (see [Group]), and programs as its children, restarted
// when they end (see [Process]).
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Group runs parts and stops them stage by stage, the highest first, so that
// what serves others outlives them. A part that ends by itself ends the group.
// Its methods may be called concurrently.
type Group struct {
	log   *slog.Logger
	limit time.Duration

	mu       sync.Mutex
	parts    []*part
	done     chan struct{}
	cause    error // why done is closed
	stopping bool
	stopOnce sync.Once
	stopErr  error
}

// part is one goroutine of a group.
type part struct {
	name  string
	stage int
	stop  context.CancelFunc
	ended chan struct{}
}

// New returns an empty group. Stop gives each stage limit to end.
func New(log *slog.Logger, limit time.Duration) *Group {
	return &Group{log: log, limit: limit, done: make(chan struct{})}
}

// Go runs a part in a goroutine of its own, at once, until its context ends.
// Once the group stops nothing is started any more.
func (g *Group) Go(stage int, name string, run func(ctx context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, stage: stage, stop: cancel, ended: make(chan struct{})}
	g.parts = append(g.parts, p)
	go func() {
		defer close(p.ended)
		err := run(ctx)
		if ctx.Err() == nil {
			g.failed(name, err)
		} else if err != nil && !errors.Is(err, context.Canceled) {
			g.log.Warn("part stopped with an error", slog.String("part", name), slog.Any("err", err))
		}
		cancel()
	}()
}

// OnStop runs f when its stage stops.
func (g *Group) OnStop(stage int, name string, f func() error) {
	g.Go(stage, name, func(ctx context.Context) error {
		<-ctx.Done()
		return f()
	})
}

func (g *Group) failed(name string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		err = errors.New("it ended")
	}
	err = fmt.Errorf("%s: %w", name, err)
	if g.cause == nil {
		g.cause = err
		close(g.done)
	}
}

// Done is closed when a part has ended by itself; Err then says which and why.
func (g *Group) Done() <-chan struct{} { return g.done }

// Err returns the first failure of a part, nil while there is none.
func (g *Group) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// Stop ends all parts and returns when they have, or names those that did not
// within the limit, which are left behind. Further calls return the same.
func (g *Group) Stop() error {
	g.stopOnce.Do(func() {
		g.mu.Lock()
		g.stopping = true
		parts := g.parts
		g.mu.Unlock()
		var errs []error
		for len(parts) > 0 {
			var stage []*part
			stage, parts = last(parts)
			errs = append(errs, g.stop(stage))
		}
		g.stopErr = errors.Join(errs...)
	})
	return g.stopErr
}

// last separates the parts of the highest stage from the others.
func last(parts []*part) (highest, others []*part) {
	top := parts[0].stage
	for _, p := range parts {
		top = max(top, p.stage)
	}
	for _, p := range parts {
		if p.stage == top {
			highest = append(highest, p)
		} else {
			others = append(others, p)
		}
	}
	return highest, others
}

func (g *Group) stop(parts []*part) error {
	for _, p := range parts {
		p.stop()
	}
	limit := time.NewTimer(g.limit)
	defer limit.Stop()
	var errs []error
	expired := false
	for _, p := range parts {
		if !expired {
			select {
			case <-p.ended:
				continue
			case <-limit.C:
				expired = true
			}
		}
		select {
		case <-p.ended:
		default:
			errs = append(errs, fmt.Errorf("%s did not stop within %s", p.name, g.limit))
		}
	}
	return errors.Join(errs...)
}
