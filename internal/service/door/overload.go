package door

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/problem"
)

// WorkPerConnection is how many requests may be at work for each connection to the
// database: they share its transactions, and don't need it all the time.
const WorkPerConnection = 5

// DefaultBacklog is how many commands may be unfinished before customers can't add
// to them. What a system takes during a ledger's outage of ten minutes is less.
const DefaultBacklog = 1_000_000

const (
	backlogFor     = 5 * time.Second // how long an answer about the queue is kept
	backlogTimeout = 2 * time.Second
	backlogRetry   = "30" // seconds
)

// bound sets how much the service takes on.
func (d *Door) bound() (err error) {
	if d.Admission == nil {
		if d.Admission, err = httpkit.NewAdmission(WorkPerConnection*int(d.Pool.Config().MaxConns), d.Registerer); err != nil {
			return err
		}
	}
	if d.MaxBacklog == 0 {
		d.MaxBacklog = DefaultBacklog
	}
	d.refused = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gx_commands_refused_total", Help: "Commands of customers that were refused because too many are not finished.",
	})
	if d.Registerer == nil {
		return nil
	}
	return d.Registerer.Register(d.refused)
}

// room refuses a customer's command for which there is no room behind those that the
// ledger has not taken yet, unless it is one of them.
func (d *Door) room(ctx context.Context) error {
	full := d.backlog.ask(ctx, d.Clock(), backlogFor, backlogTimeout, func(ctx context.Context) (bool, error) {
		n, err := outbox.Open(ctx, d.Pool, d.MaxBacklog)
		return n >= d.MaxBacklog, err
	})
	if !full {
		return nil
	}
	err := d.Refuse(ctx, problem.Unavailable("backlog_full", "The ledger is far behind with what was accepted; try again later.", nil).
		WithHeader("Retry-After", backlogRetry))
	if err != nil {
		d.refused.Inc()
	}
	return err
}

// recent is the answer to a question that one request a moment asks for all.
type recent struct {
	asking sync.Mutex
	until  time.Time // guarded by asking
	answer atomic.Bool
}

// ask returns the answer, which is kept for a time. While there is none it stays
// what it was.
func (r *recent) ask(ctx context.Context, now time.Time, keep, timeout time.Duration, question func(context.Context) (bool, error)) bool {
	if r.asking.TryLock() {
		defer r.asking.Unlock()
		if !now.Before(r.until) {
			r.until = now.Add(keep)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
			defer cancel()
			if answer, err := question(ctx); err == nil {
				r.answer.Store(answer)
			}
		}
	}
	return r.answer.Load()
}

// mayBeUnavailable adds to the document of a route what it answers when it can't be
// served at the moment.
func mayBeUnavailable(op huma.Operation) {
	op.Responses[fmt.Sprint(http.StatusServiceUnavailable)] = &huma.Response{
		Description: "There is too much to do, or something that the request needs is away: send it again after the seconds in Retry-After",
		Headers:     map[string]*huma.Param{"Retry-After": {Schema: &huma.Schema{Type: huma.TypeInteger}}},
		Content:     op.Responses["default"].Content,
	}
}
