package httpkit_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/problem"
)

// entrance is an admission with what its metrics tell.
type entrance struct {
	*httpkit.Admission
	t   *testing.T
	reg *prometheus.Registry
}

func newEntrance(t *testing.T, limit int) entrance {
	t.Helper()
	reg := prometheus.NewRegistry()
	a, err := httpkit.NewAdmission(limit, reg)
	if err != nil {
		t.Fatal(err)
	}
	return entrance{a, t, reg}
}

// want compares how many requests are at work, queued, waiting for others and were refused.
func (e entrance) want(when string, working, queued, waiting, shed float64) {
	e.t.Helper()
	families, err := e.reg.Gather()
	if err != nil {
		e.t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "gx_requests_shed_total" {
				got["shed"] += m.GetCounter().GetValue()
			} else {
				got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if got["working"] != working || got["queued"] != queued || got["waiting"] != waiting || got["shed"] != shed {
		e.t.Errorf("%s: %v, want %v at work, %v queued, %v waiting, %v refused", when, got, working, queued, waiting, shed)
	}
}

// admit sends a request whose outcome the channel receives: how to leave, or the problem.
func (e entrance) admit(ctx context.Context) <-chan any {
	out := make(chan any, 1)
	go func() {
		leave, err := e.Admit(httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		if err != nil {
			out <- err
			return
		}
		out <- leave
	}()
	return out
}

// in returns how to leave for a request that must have been let in by now.
func (e entrance) in(c <-chan any) (leave func()) {
	e.t.Helper()
	synctest.Wait()
	select {
	case v := <-c:
		if leave, ok := v.(func()); ok {
			return leave
		}
		e.t.Fatalf("a request was refused: %v", v)
	default:
		e.t.Fatal("a request is still waiting for its turn")
	}
	return nil
}

// refused checks that a request was told to come back.
func (e entrance) refused(c <-chan any) {
	e.t.Helper()
	synctest.Wait()
	select {
	case v := <-c:
		p := (*problem.Problem)(nil)
		if err, ok := v.(error); !ok || !errors.As(err, &p) {
			e.t.Fatal("a request was let in")
		}
		if n, err := strconv.Atoi(p.GetHeaders().Get("Retry-After")); err != nil || n < 1 || n > 3 || p.Status != http.StatusServiceUnavailable || p.Code != "overloaded" {
			e.t.Errorf("refused with %d %s, Retry-After %q", p.Status, p.Code, p.GetHeaders())
		}
	default:
		e.t.Fatal("a request is still waiting for its turn")
	}
}

// Two are at work, two wait for their turn and get it in the order in which they
// came; a fifth is refused at once.
func TestAdmissionTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntrance(t, 2)
		first, second := e.in(e.admit(t.Context())), e.in(e.admit(t.Context()))
		third := e.admit(t.Context())
		synctest.Wait()
		fourth := e.admit(t.Context())
		synctest.Wait()
		begin := time.Now()
		e.refused(e.admit(t.Context()))
		if d := time.Since(begin); d != 0 {
			t.Errorf("it was refused after %s", d)
		}
		e.want("full", 2, 2, 0, 1)
		first()
		leaveThird := e.in(third)
		e.want("after the first", 2, 1, 0, 1)
		second()
		leaveFourth := e.in(fourth)
		leaveThird()
		leaveFourth()
		e.want("idle", 0, 0, 0, 1)
		e.in(e.admit(t.Context()))()
	})
}

// Who has waited for a second, or is gone, has waited in vain and makes room in the queue.
func TestAdmissionQueueIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntrance(t, 1)
		leave := e.in(e.admit(t.Context()))
		begin := time.Now()
		late := e.admit(t.Context())
		<-time.After(999 * time.Millisecond)
		e.want("before it is late", 1, 1, 0, 0)
		<-time.After(time.Millisecond)
		e.refused(late)
		if d := time.Since(begin); d != time.Second {
			t.Errorf("it was refused after %s", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := e.admit(ctx)
		synctest.Wait()
		cancel()
		e.refused(gone)
		next := e.admit(t.Context())
		synctest.Wait()
		e.want("one waits again", 1, 1, 0, 2)
		leave()
		e.in(next)()
		e.want("idle", 0, 0, 0, 2)
	})
}

// A request that waits for somebody else lets others work meanwhile. Then it goes
// on at once, and nobody new is let in before there is room again.
func TestAdmissionDoesNotCountWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntrance(t, 1)
		body, client := io.Pipe()
		answer := make(chan string)
		mux := http.NewServeMux()
		event := make(chan struct{})
		mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
			leave, err := e.Admit(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer leave()
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			httpkit.From(r.Context()).Wait(func() { <-event })
			e.want("two at work", 2, 1, 0, 0)
			_, _ = w.Write(b)
		})
		h, err := httpkit.NewHandler(mux, httpkit.Options{Log: slog.New(slog.DiscardHandler), Clock: clock.System})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body))
			answer <- w.Body.String()
		}()
		synctest.Wait()
		e.want("the body is on its way", 0, 0, 1, 0)
		e.in(e.admit(t.Context()))()
		if _, err := io.WriteString(client, "hello"); err != nil {
			t.Fatal(err)
		}
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		e.want("it waits for an event", 0, 0, 1, 0)
		leave, queued := e.in(e.admit(t.Context())), e.admit(t.Context())
		synctest.Wait()
		close(event)
		if got := strings.TrimSpace(<-answer); got != "hello" {
			t.Errorf("answer %q", got)
		}
		e.want("one has left", 1, 1, 0, 0)
		leave()
		e.in(queued)()
		e.want("idle", 0, 0, 0, 0)
	})
}
