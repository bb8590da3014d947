package httpkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/platform/problem"
)

// queueTime is how long a request waits for its turn. Then whoever sent it is
// better told.
const queueTime = time.Second

// Those who are refused come back after retryAfter and a random part of
// retrySpread, in whole seconds, so that they don't come all at once.
const (
	retryAfter  = 1
	retrySpread = 3
)

// Admission bounds how many requests a process works on at once. As many more wait
// for their turn, a moment; the others are refused, before anything is done for
// them, so that those that are let in are answered as soon as ever. A request that
// waits for somebody else, see Exchange.Wait, is not at work.
type Admission struct {
	limit int
	shed  *prometheus.CounterVec

	mu      sync.Mutex
	working int
	waiting int
	queue   []chan struct{} // closed when it is their turn
}

// NewAdmission returns one that lets limit requests be at work. reg may be nil.
func NewAdmission(limit int, reg prometheus.Registerer) (*Admission, error) {
	a := &Admission{limit: limit, shed: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gx_requests_shed_total", Help: "Requests that were refused because there was too much to do: at once, or after a wait in vain.",
	}, []string{"reason"})}
	if reg == nil {
		return a, nil
	}
	errs := []error{reg.Register(a.shed)}
	for state, count := range map[string]func() int{
		"working": func() int { return a.working }, "queued": func() int { return len(a.queue) }, "waiting": func() int { return a.waiting },
	} {
		errs = append(errs, reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gx_requests", Help: "Requests that are worked on, that are queued for it, and that wait for their client or the ledger.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 {
			a.mu.Lock()
			defer a.mu.Unlock()
			return float64(count())
		})))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register metrics of admission: %w", err)
	}
	return a, nil
}

// Admit lets a request in, after its turn has come, until leave is called, or
// returns the problem to answer with. To read its body is to wait for its client.
func (a *Admission) Admit(r *http.Request) (leave func(), err error) {
	if reason := a.enter(r.Context()); reason != "" {
		a.shed.WithLabelValues(reason).Inc()
		wait := strconv.Itoa(retryAfter + rand.N(retrySpread))
		return nil, problem.Unavailable("overloaded", "There is too much to do at the moment; try again in "+wait+" s.", nil).
			WithHeader("Retry-After", wait).WithFact("retryAfter", wait)
	}
	x := From(r.Context())
	x.admission = a
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &patientBody{r.Body, x}
	}
	return func() {
		x.admission = nil
		a.leave()
	}, nil
}

// enter returns why a request is refused, "" when it is at work.
func (a *Admission) enter(ctx context.Context) (reason string) {
	a.mu.Lock()
	if a.working < a.limit {
		a.working++
		a.mu.Unlock()
		return ""
	}
	if len(a.queue) >= a.limit {
		a.mu.Unlock()
		return "full"
	}
	turn := make(chan struct{})
	a.queue = append(a.queue, turn)
	a.mu.Unlock()

	timer := time.NewTimer(queueTime)
	defer timer.Stop()
	select {
	case <-turn:
		return ""
	case <-timer.C:
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.queue, turn)
	if i < 0 {
		return "" // its turn has come meanwhile
	}
	a.queue = slices.Delete(a.queue, i, i+1)
	return "late"
}

func (a *Admission) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.working--
	a.next()
}

// next gives those in the queue their turn, the first ones first.
func (a *Admission) next() {
	for a.working < a.limit && len(a.queue) > 0 {
		close(a.queue[0])
		a.queue = slices.Delete(a.queue, 0, 1)
		a.working++
	}
}

// wait takes a request that is at work out of it while f runs. It returns at once,
// beyond the limit if need be: what was begun is to be finished first.
func (a *Admission) wait(f func()) {
	a.mu.Lock()
	a.working--
	a.waiting++
	a.next()
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.working++
		a.waiting--
	}()
	f()
}

// patientBody is a body that comes as slowly as its client likes.
type patientBody struct {
	io.ReadCloser
	x *Exchange
}

func (b *patientBody) Read(p []byte) (n int, err error) {
	b.x.Wait(func() { n, err = b.ReadCloser.Read(p) })
	return n, err
}
