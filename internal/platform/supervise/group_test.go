package supervise

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var quiet = slog.New(slog.DiscardHandler)

// journal is what happened, in order.
type journal struct {
	mu     sync.Mutex
	events []string
}

func (j *journal) add(e string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// draining is a part that takes a while to stop.
func (j *journal) draining(name string, d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		<-time.After(d)
		j.add(name + " stopped")
		return ctx.Err()
	}
}

func TestStopsInOrderOfStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := New(quiet, time.Minute)
		g.OnStop(0, "database", func() error { j.add("database closed"); return nil })
		g.Go(2, "slow door", j.draining("slow door", 3*time.Second))
		g.Go(2, "quick door", j.draining("quick door", time.Second))
		g.Go(1, "worker", j.draining("worker", 2*time.Second))
		began := time.Now()
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
		want := []string{"quick door stopped", "slow door stopped", "worker stopped", "database closed"}
		if diff := cmp.Diff(want, j.all()); diff != "" {
			t.Error(diff)
		}
		// The doors drained at the same time.
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		if err := g.Err(); err != nil {
			t.Errorf("an orderly stop is a failure: %v", err)
		}
	})
}

func TestPartThatEndsEndsTheGroup(t *testing.T) {
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"with an error": {boom, "worker: boom"},
		"without":       {nil, "worker: it ended"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				g := New(quiet, time.Minute)
				g.Go(1, "door", j.draining("door", time.Second))
				release := make(chan struct{})
				g.Go(0, "worker", func(context.Context) error { <-release; return tc.err })
				synctest.Wait()
				select {
				case <-g.Done():
					t.Fatal("done before anything ended")
				default:
				}
				close(release)
				<-g.Done()
				if err := g.Err(); err == nil || err.Error() != tc.want || tc.err != nil && !errors.Is(err, tc.err) {
					t.Errorf("Err: %v", err)
				}
				if err := g.Stop(); err != nil {
					t.Errorf("Stop: %v", err)
				}
				if diff := cmp.Diff([]string{"door stopped"}, j.all()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestStopNamesWhatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := New(quiet, 10*time.Second)
		g.Go(1, "stuck door", j.draining("stuck door", time.Hour))
		g.Go(1, "good door", j.draining("good door", time.Second))
		g.Go(0, "database", j.draining("database", time.Second))
		err := g.Stop()
		if err == nil || !strings.Contains(err.Error(), "stuck door did not stop within 10s") || strings.Contains(err.Error(), "good") {
			t.Errorf("Stop: %v", err)
		}
		if diff := cmp.Diff([]string{"good door stopped", "database stopped"}, j.all()); diff != "" {
			t.Error(diff)
		}
		if again := g.Stop(); again == nil || again.Error() != err.Error() {
			t.Errorf("the second Stop: %v", again)
		}
		<-time.After(time.Hour) // the bubble must not end before its goroutines
	})
}

func TestNothingStartsAfterStop(t *testing.T) {
	g := New(quiet, time.Second)
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g.Go(0, "late", func(context.Context) error { t.Error("it runs"); return nil })
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
}
