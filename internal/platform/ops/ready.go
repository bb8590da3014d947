package ops

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// checkTimeout is how long a check may take before it has failed.
const checkTimeout = time.Second

// Check returns why the process can't do its work, nil when it can.
type Check func(ctx context.Context) error

// Readiness is the answer of /readyz.
type Readiness struct {
	Status  string   `json:"status"` // Ready or NotReady
	Process string   `json:"process"`
	Checks  []Result `json:"checks"` // those that failed; with ?verbose all
}

// The values of Readiness.Status.
const (
	Ready    = "ready"
	NotReady = "not_ready"
)

// Result is the outcome of one check.
type Result struct {
	Name  string  `json:"name"`
	OK    bool    `json:"ok"`
	Error string  `json:"error,omitzero"`
	Took  float64 `json:"ms"`
}

// AddCheck makes readiness depend on check. Checks run at the same time, each
// for a second at most.
func (s *Server) AddCheck(name string, check Check) { s.checks.add(name, check) }

// Readiness runs the checks.
func (s *Server) Readiness(ctx context.Context) Readiness {
	r := Readiness{Status: Ready, Process: s.process, Checks: s.checks.run(ctx)}
	for _, c := range r.Checks {
		if !c.OK {
			r.Status = NotReady
		}
	}
	return r
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	out := s.Readiness(r.Context())
	if !r.URL.Query().Has("verbose") {
		failed := []Result{}
		for _, c := range out.Checks {
			if !c.OK {
				failed = append(failed, c)
			}
		}
		out.Checks = failed
	}
	status := http.StatusOK
	if out.Status != Ready {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, out)
}

func unless(ok bool, reason string) error {
	if ok {
		return nil
	}
	return errors.New(reason)
}

// checks are what readiness depends on, in the order they were added.
type checks struct {
	mu     sync.Mutex
	names  []string
	checks []Check
}

func (c *checks) add(name string, check Check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names, c.checks = append(c.names, name), append(c.checks, check)
}

func (c *checks) run(ctx context.Context) []Result {
	c.mu.Lock()
	names, all := c.names, c.checks
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make([]Result, len(all))
	var wg sync.WaitGroup
	for i, check := range all {
		wg.Go(func() {
			began := time.Now()
			err := within(ctx, check)
			results[i] = Result{Name: names[i], OK: err == nil, Took: float64(time.Since(began).Microseconds()) / 1000}
			if err != nil {
				results[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	return results
}

// within runs a check, and gives up on one that does not heed ctx.
func within(ctx context.Context, check Check) error {
	done := make(chan error, 1)
	go func() { done <- check(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.New("no answer in time")
	}
}
