package door

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
)

// pingTimeout is how long the database may take to say that it is there.
const pingTimeout = 250 * time.Millisecond

// What a projection lag is called.
const (
	lagDegraded = 5 * time.Second
	lagStale    = time.Minute
)

type healthOutput struct {
	Body struct {
		Status    string `json:"status" example:"ok"`
		Service   string `json:"service"`
		Version   string `json:"version,omitzero"`
		Commit    string `json:"commit,omitzero"`
		Timestamp Time   `json:"timestamp"`
		Uptime    int64  `json:"uptime" doc:"Seconds"`
	}
}

type liveOutput struct {
	Body struct {
		Status    string `json:"status" example:"alive"`
		Service   string `json:"service"`
		Timestamp Time   `json:"timestamp"`
	}
}

type readyOutput struct {
	Status int
	Body   struct {
		Status    string            `json:"status" enum:"ready,not_ready"`
		Service   string            `json:"service"`
		Timestamp Time              `json:"timestamp"`
		Checks    map[string]string `json:"checks" doc:"ok, or what is wrong"`
		Lag       *lagReport        `json:"projectionLag,omitzero" doc:"Reported, never a reason not to be ready"`
	}
}

type lagReport struct {
	Status  string  `json:"status" enum:"ok,degraded,stale"`
	Blocks  uint64  `json:"blocks"`
	Seconds float64 `json:"seconds"`
	State   string  `json:"state" doc:"Of the projector"`
}

// operational adds the routes of api.md 2.0.
func (d *Door) operational() {
	begin := d.Clock()
	Register(d, Route{Method: http.MethodGet, Path: "//health", ID: "health", Summary: "What answers here", Policy: Policy{Public: true}},
		func(context.Context, *struct{}) (*healthOutput, error) {
			var out healthOutput
			now := d.Clock()
			b := &out.Body
			b.Status, b.Service, b.Version, b.Commit = "ok", d.Name, d.Version, d.Commit
			b.Timestamp, b.Uptime = Time{now}, int64(now.Sub(begin).Seconds())
			return &out, nil
		})
	live := func(context.Context, *struct{}) (*liveOutput, error) {
		var out liveOutput
		out.Body.Status, out.Body.Service, out.Body.Timestamp = "alive", d.Name, Time{d.Clock()}
		return &out, nil
	}
	Register(d, Route{Method: http.MethodGet, Path: "//livez", ID: "live", Summary: "The process runs", Policy: Policy{Public: true}}, live)
	Register(d, Route{Method: http.MethodGet, Path: "//healthz", ID: "healthz", Summary: "Alias of /livez", Policy: Policy{Public: true}}, live)
	Register(d, Route{Method: http.MethodGet, Path: "//readyz", ID: "ready", Summary: "The service has what it needs", Policy: Policy{Public: true}}, d.ready)

	document := sync.OnceValues(func() ([]byte, error) { return d.api.OpenAPI().MarshalJSON() })
	Register(d, Route{Method: http.MethodGet, Path: "//openapi.json", ID: "openapi", Policy: Policy{Public: true}, Cache: CachePublic(5 * time.Minute), Hidden: true},
		func(context.Context, *struct{}) (*documentOutput, error) {
			b, err := document()
			return &documentOutput{Type: "application/json", Body: b}, err
		})
	d.documentation()
}

type documentOutput struct {
	Type string `header:"Content-Type"`
	Body []byte
}

func (d *Door) ready(ctx context.Context, _ *struct{}) (*readyOutput, error) {
	var out readyOutput
	b := &out.Body
	b.Service, b.Timestamp = d.Name, Time{d.Clock()}
	b.Checks = map[string]string{"database": "ok", "migrations": "ok", "draining": "ok"}
	ready := true
	check := func(name string, err error) {
		if err != nil {
			ready = false
			b.Checks[name] = "failed"
			d.Log.WarnContext(ctx, "not ready", "check", name, "err", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := d.Pool.Ping(ctx); err != nil {
		check("database", err)
		b.Checks["migrations"] = "unknown"
	} else {
		check("migrations", postgres.Current(ctx, d.Pool))
		if c, err := readmodel.Checkpoint(ctx, d.Pool); err == nil {
			b.Lag = lagOf(c)
		}
	}
	if d.Draining != nil && d.Draining() {
		check("draining", errors.New("stopping"))
	}
	out.Status, b.Status = http.StatusOK, "ready"
	if !ready {
		out.Status, b.Status = http.StatusServiceUnavailable, "not_ready"
	}
	return &out, nil
}

// staleHeader is set on what is read from a read model that is far behind or
// known to be wrong.
const staleHeader = "GX-Stale"

// freshFor is how long an answer about the read model is kept.
const freshFor = time.Second

// stale reports whether reads are stale.
func (d *Door) stale(ctx context.Context) bool {
	return d.freshness.ask(ctx, d.Clock(), freshFor, pingTimeout, func(ctx context.Context) (bool, error) {
		c, err := readmodel.Checkpoint(ctx, d.Pool)
		return lagOf(c).Status == "stale", err
	})
}

func lagOf(c readmodel.CheckpointState) *lagReport {
	lag := time.Duration(c.LagSeconds * float64(time.Second))
	r := &lagReport{Status: "ok", Blocks: c.LagBlocks(), Seconds: c.LagSeconds, State: c.State}
	switch {
	case lag > lagStale || c.HeartbeatAge > lagStale || c.Violation != "":
		r.Status = "stale"
	case lag > lagDegraded:
		r.Status = "degraded"
	}
	return r
}
