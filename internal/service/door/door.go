// Package door is what the seven services have in common: the route table that
// carries each route's policy, authentication and authorisation, sessions,
// acceptance of commands, and the operational routes (api.md 1, 2.0).
//
// A service registers its routes with Register and nothing else; New refuses a
// table with a route that says not who may use it.
package door

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/ratelimit"
	"gxcoin.money/gx/internal/platform/sealed"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/readmodel"
)

// Deps is what a service needs from its process.
type Deps struct {
	Pool       *pgxpool.Pool // role gx_service
	Outbox     *outbox.Outbox
	Watcher    *readmodel.Watcher
	Clock      clock.Clock
	Log        *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Keys       *token.KeySet
	Signer     *token.Signer    // identity and admin only
	Passwords  *password.Hasher // identity and admin only
	Pepper     []byte           // key of the hashes by which people are found; identity and admin only
	Fields     *sealed.Ring     // keys of personal data; identity and admin, and whoever shows names
	RequireMFA bool             // of staff from ADMIN on

	Admission  *httpkit.Admission // of the process; one of the service's own when nil
	MaxBacklog int                // of commands that are not finished; DefaultBacklog when zero

	Limiter   ratelimit.Limiter // shared by processes; each counts for itself when nil
	Limits    Limits            // DefaultLimits when nil
	Proxies   ratelimit.Proxies // whose X-Forwarded-For is believed; loopback when nil
	Unlimited []netip.Prefix    // clients without limits; loopback when nil
	Origins   httpkit.Origins   // whose pages may use the API from a browser

	// CriticalQuorum is how many others have to approve what is critical; one when zero.
	CriticalQuorum int
	Version        string
	Commit         string
	Draining       func() bool // may be nil
}

// Door is a service under construction and then at work.
type Door struct {
	Deps
	Name string

	Index sealed.Index // of what people are found by; made of Pepper

	api        huma.API
	routes     []Route
	problems   []error
	sessions   *sessionCache
	operations map[string]Operation
	freshness  recent // whether reads are stale
	backlog    recent // whether there is no room for more commands
	refused    prometheus.Counter
	limiters   limiters
	hub        *hub
}

// Handler serves the routes of a door.
type Handler struct {
	*httpkit.Handler
	Routes []Route // the table, for tests and generators
}

// New builds the service name: the operational routes and those that register adds.
func New(name string, deps Deps, register func(*Door)) (*Handler, error) {
	if deps.Pool == nil || deps.Outbox == nil || deps.Keys == nil || deps.Clock == nil || deps.Log == nil {
		return nil, fmt.Errorf("door %s: pool, outbox, keys, clock and log are needed", name)
	}
	var index sealed.Index
	if len(deps.Pepper) > 0 {
		var err error
		if index, err = sealed.NewIndex(deps.Pepper); err == nil && deps.Fields == nil {
			deps.Fields, err = sealed.DeriveRing(deps.Pepper)
		}
		if err != nil {
			return nil, fmt.Errorf("door %s: %w", name, err)
		}
	}
	if err := deps.Origins.Validate(); err != nil {
		return nil, fmt.Errorf("door %s: %w", name, err)
	}
	deps.Log = deps.Log.With("service", name)
	if deps.Registerer != nil {
		deps.Registerer = prometheus.WrapRegistererWith(prometheus.Labels{"service": name}, deps.Registerer)
	}
	mux := http.NewServeMux()
	d, err := build(mux, name, deps, register)
	if err != nil {
		return nil, err
	}
	d.Index = index
	if err := errors.Join(d.limit(), d.bound()); err != nil {
		return nil, fmt.Errorf("door %s: %w", name, err)
	}
	if deps.Registerer != nil {
		if err := deps.Registerer.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gx_event_streams", Help: "Event streams that are open."},
			func() float64 { return float64(d.hub.count()) })); err != nil {
			return nil, fmt.Errorf("door %s: register metrics: %w", name, err)
		}
	}
	h, err := httpkit.NewHandler(mux, httpkit.Options{Log: deps.Log, Clock: deps.Clock, Registerer: deps.Registerer, Draining: deps.Draining, Origins: deps.Origins})
	if err != nil {
		return nil, fmt.Errorf("door %s: %w", name, err)
	}
	deps.Log.Info("protections", d.protections()...)
	return &Handler{Handler: h, Routes: d.routes}, nil
}

// protections tells operators what protects the service, as it is and not as it was
// meant to be.
func (d *Door) protections() []any {
	classes := []string{}
	for class, limits := range d.Limits {
		if len(limits) > 0 {
			classes = append(classes, string(class))
		}
	}
	slices.Sort(classes)
	return []any{
		"routes", len(d.routes), "rateLimits", classes, "rateLimitsShared", d.Limiter != nil, "unlimitedClients", d.Unlimited, "trustedProxies", d.Proxies,
		"allowedOrigins", append([]string{}, d.Origins...), "staffSecondFactor", d.RequireMFA, "criticalQuorum", max(1, d.CriticalQuorum), "personalDataSealed", d.Fields != nil,
	}
}

// build registers the routes of a service on mux.
func build(mux *http.ServeMux, name string, deps Deps, register func(*Door)) (*Door, error) {
	d := &Door{
		Deps: deps, Name: name,
		api:        httpkit.NewAPI(mux, "GX "+name, deps.Version),
		sessions:   newSessionCache(),
		operations: map[string]Operation{},
	}
	d.hub = newHub(d)
	d.api.OpenAPI().Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
	}
	d.operational()
	d.commands()
	register(d)
	if err := errors.Join(d.problems...); err != nil {
		return nil, fmt.Errorf("door %s: %w", name, err)
	}
	return d, nil
}

// Document returns the OpenAPI document of a service that need not run.
func Document(name, version string, register func(*Door)) ([]byte, error) {
	d, err := build(http.NewServeMux(), name, Deps{Clock: clock.System, Version: version}, register)
	if err != nil {
		return nil, err
	}
	return d.api.OpenAPI().MarshalJSON()
}

// call is what the guard learnt about the request.
type call struct {
	who   Principal
	route string // method and template, the scope of idempotency keys
	key   string // Idempotency-Key
	wait  int    // seconds of Prefer: wait
	after uint64 // blocks that the answer must show

	permission Permission // that the route needs of staff
	held       bool       // the caller may ask for what the route does, but not do it

	client    netip.Addr
	free      bool // of limits
	userAgent string
}

type callKey struct{}

func callOf(ctx context.Context) call {
	c, _ := ctx.Value(callKey{}).(call)
	return c
}

// After returns how many blocks of the ledger an answer must show at least, because
// of GX-After. Whoever answers from a cache has to look.
func After(ctx context.Context) uint64 { return callOf(ctx).after }

// Caller returns who sent the request.
func Caller(ctx context.Context) Principal { return callOf(ctx).who }
