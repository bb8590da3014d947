package coalesce

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// took is how long a run of these tests takes.
const took = time.Second

func TestCallsThatArriveTogetherRunTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs [][]int
		g := New(Options{Max: 3, Timeout: time.Minute}, func(_ context.Context, in []int) ([]int, error) {
			runs = append(runs, in)
			<-time.After(took)
			out := make([]int, len(in))
			for i, n := range in {
				out[i] = 10 * n
			}
			return out, nil
		})
		begin := time.Now()
		var wg sync.WaitGroup
		for n := range 6 {
			wg.Go(func() {
				if got, err := g.Do(t.Context(), n); got != 10*n || err != nil {
					t.Errorf("%d: %d, %v", n, got, err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		want := [][]int{{0}, {1, 2, 3}, {4, 5}} // the first at once, the rest while it ran
		if !slices.EqualFunc(runs, want, slices.Equal) {
			t.Errorf("runs %v, want %v", runs, want)
		}
		if d := time.Since(begin); d != 3*took {
			t.Errorf("three runs took %v", d)
		}
		// What came late begins anew.
		if got, err := g.Do(t.Context(), 7); got != 70 || err != nil || len(runs) != 4 {
			t.Errorf("%d, %v after %d runs", got, err, len(runs))
		}
	})
}

func TestErrorIsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad")
		g := New(Options{Max: 10, Timeout: time.Minute}, func(_ context.Context, in []int) ([]int, error) {
			<-time.After(took)
			if len(in) > 1 {
				return nil, bad
			}
			return in, nil
		})
		var wg sync.WaitGroup
		errs := make([]error, 3)
		for n := range errs {
			wg.Go(func() { _, errs[n] = g.Do(t.Context(), n) })
			synctest.Wait()
		}
		wg.Wait()
		if want := []error{nil, bad, bad}; !slices.Equal(errs, want) {
			t.Errorf("errors %v, want %v", errs, want)
		}
	})
}

func TestRunOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ends := make(chan error, 1)
		g := New(Options{Max: 10, Timeout: 2 * took}, func(ctx context.Context, in []int) ([]int, error) {
			if ctx.Value(key{}) != "value" {
				t.Error("the values of the context are lost")
			}
			<-time.After(took)
			if in[0] == 1 {
				<-ctx.Done()
			}
			ends <- ctx.Err()
			return in, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), took/2)
		defer cancel()
		if _, err := g.Do(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller whose time is over: %v", err)
		}
		if err := <-ends; err != nil {
			t.Errorf("the run ended with its caller: %v", err)
		}
		// A run has an end of its own.
		if _, err := g.Do(context.WithValue(t.Context(), key{}, "value"), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a run without end: %v", err)
		}
		if err := <-ends; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a run without end ended with %v", err)
		}
	})
}
