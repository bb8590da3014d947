package door

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/problem"
)

// Idempotency says what a route does with an Idempotency-Key.
type Idempotency uint8

const (
	KeyIgnored  Idempotency = iota // the route is safe to repeat as it is
	KeyAccepted                    // checked for form, repeats are harmless by the state they find
	KeyRequired                    // stored with the command
)

// Base is where the API lives.
const Base = "/api/v1"

// Route is one row of the route table.
type Route struct {
	Method      string
	Path        string // below Base; with a leading "//" at the root, as in api.md
	ID          string // operation id
	Summary     string
	Policy      Policy
	Idempotency Idempotency
	Limit       Class  // by the policy when empty
	MaxBody     int64  // bytes; httpkit.DefaultBody when zero
	Status      int    // of success; 200 when zero
	Cache       string // Cache-Control of success; no-store when empty
	Hidden      bool   // left out of the OpenAPI document

	submits    bool // answers with Accepted, so what it does can wait for a second person
	responses  map[string]*huma.Response
	parameters []*huma.Param
}

// URL returns the template of the whole path.
func (r Route) URL() string {
	if root, ok := strings.CutPrefix(r.Path, "//"); ok {
		return "/" + root
	}
	return Base + r.Path
}

// Cache-Control values of api.md 2.
const (
	CachePrivate = "private, no-cache"
)

// CachePublic lets anybody keep the answer for a time.
func CachePublic(d time.Duration) string {
	return "public, max-age=" + strconv.Itoa(int(d.Seconds()))
}

// operational reports whether a route is one for those who operate the service: it
// answers whatever else there is to do.
func (r Route) operational() bool { return strings.HasPrefix(r.Path, "//") }

// Register adds a route. What is wrong with it is reported by New.
func Register[I, O any](d *Door, r Route, handler func(context.Context, *I) (*O, error)) {
	if err := r.Policy.valid(); err != nil {
		d.problems = append(d.problems, fmt.Errorf("route %s %s %w", r.Method, r.URL(), err))
		return
	}
	if p := r.Policy.Object.Param(); p != "" && !strings.Contains(r.Path, "{"+p+"}") {
		d.problems = append(d.problems, fmt.Errorf("route %s %s has no {%s}", r.Method, r.URL(), p))
		return
	}
	if r.MaxBody == 0 {
		r.MaxBody = httpkit.DefaultBody
	}
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	_, r.submits = any((*O)(nil)).(*Accepted)
	d.routes = append(d.routes, r)
	op := huma.Operation{
		OperationID: r.ID, Method: r.Method, Path: r.URL(), Summary: r.Summary, Tags: []string{d.Name},
		DefaultStatus: r.Status,
		MaxBodyBytes:  r.MaxBody + 1, // the framework refuses a body that reaches the limit
		Hidden:        r.Hidden,
		Middlewares:   huma.Middlewares{d.guard(r)},
		Responses:     r.responses,
		Parameters:    r.parameters,
	}
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	if !r.Policy.Public {
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	if r.Idempotency != KeyIgnored {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Required: r.Idempotency == KeyRequired,
			Description: "A key of yours for this request: sent again with the same key it has no second effect and gets the same answer.",
			Schema:      &huma.Schema{Type: huma.TypeString, MinLength: new(minKey), MaxLength: new(maxKey)},
		})
	}
	huma.Register(d.api, op, handler)
	if !r.operational() && !r.Hidden {
		mayBeUnavailable(op)
	}
	if tagged := r.Method == http.MethodGet && r.Cache != "" && !strings.Contains(r.Cache, "no-store"); tagged && !r.Hidden {
		d.api.OpenAPI().Paths[op.Path].Get.Responses["304"] = &huma.Response{Description: "It is as the ETag in If-None-Match says"}
	}
	d.markPointers(op, reflect.TypeFor[I]())
}

// The form of an Idempotency-Key. 16 is what we ask for; foreign clients have shorter ones.
const (
	minKey = 8
	maxKey = 255
)

// guard lets a request through to its handler.
func (d *Door) guard(r Route) func(huma.Context, func(huma.Context)) {
	cache := r.Cache
	if cache == "" {
		cache = "no-store"
	}
	return func(hc huma.Context, next func(huma.Context)) {
		if !r.operational() {
			request, _ := humago.Unwrap(hc)
			leave, err := d.Admission.Admit(request)
			if err != nil {
				httpkit.Respond(hc, err)
				return
			}
			defer leave()
		}
		c, err := d.admit(hc, r)
		if err != nil {
			httpkit.Respond(hc, err)
			return
		}
		hc.SetHeader("Cache-Control", cache)
		if r.Method == http.MethodGet && strings.HasPrefix(hc.URL().Path, Base) && d.stale(hc.Context()) {
			hc.SetHeader(staleHeader, "true")
		}
		next(huma.WithValue(hc, callKey{}, c))
	}
}

// admit says who asks for what, or why they may not.
func (d *Door) admit(hc huma.Context, r Route) (c call, err error) {
	ctx := hc.Context()
	request, _ := humago.Unwrap(hc)
	c = call{
		route: r.Method + " " + r.Path, wait: preferredWait(hc.Header("Prefer")),
		client: d.Proxies.Client(request.RemoteAddr, request.Header.Values("X-Forwarded-For")...), userAgent: clip(request.UserAgent(), 200),
	}
	c.free = d.free(c.client)
	if err := d.flood(c, r); err != nil {
		return c, err
	}
	if !r.Policy.Public {
		if c.who, err = d.authenticate(ctx, hc.Header("Authorization"), r.Policy); err != nil {
			return c, err
		}
		httpkit.From(ctx).Principal = c.who.String()
	}
	if err := d.pace(hc, c, r); err != nil {
		return c, err
	}
	if c.key, err = idempotencyKey(hc, r.Idempotency); err != nil {
		return c, err
	}
	// Before the question whose the object is: it may be what the command makes.
	if after := hc.Header("Gx-After"); after != "" && r.Method == http.MethodGet {
		if c.after, err = d.after(ctx, after); err != nil {
			return c, err
		}
	}
	if !r.Policy.Public {
		var id string
		if param := r.Policy.Object.Param(); param != "" {
			id = hc.Param(param)
		}
		c.permission = r.Policy.Staff
		if c.held, err = d.authorize(ctx, r.Policy, c.who, id); err != nil {
			return c, err
		}
		if c.held && !r.submits {
			return c, errHeld
		}
	}
	return c, nil
}

func idempotencyKey(hc huma.Context, rule Idempotency) (string, error) {
	if rule == KeyIgnored {
		return "", nil
	}
	key := hc.Header("Idempotency-Key")
	if key == "" {
		key = hc.Header("X-Idempotency-Key")
	}
	if key == "" {
		if rule == KeyRequired {
			return "", problem.Invalid(http.StatusBadRequest, problem.Field{
				Field: "Idempotency-Key", Code: "idempotency_key_required", Message: "this header is required: a key of yours for this request, such as a UUID, to be sent again with it"})
		}
		return "", nil
	}
	ok := len(key) >= minKey && len(key) <= maxKey
	for i := range len(key) {
		ok = ok && key[i] >= ' ' && key[i] <= '~'
	}
	if !ok {
		return "", problem.BadField("Idempotency-Key", "must be 16 to 128 printable ASCII characters")
	}
	return key, nil
}

// preferredWait reads wait=N of RFC 7240; what it cannot read is no preference.
func preferredWait(prefer string) int {
	for part := range strings.SplitSeq(prefer, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`)); err == nil && strings.EqualFold(strings.TrimSpace(name), "wait") {
			return max(0, min(n, maxWait))
		}
	}
	return 0
}

// after makes a read wait for the caller's own write, and returns how many blocks show it.
func (d *Door) after(ctx context.Context, id string) (uint64, error) {
	command, err := uuid.Parse(id)
	if err != nil {
		return 0, problem.BadField("GX-After", "must be the id of a command")
	}
	ctx, cancel := context.WithTimeout(ctx, afterWait)
	defer cancel()
	c, done, err := d.await(ctx, command)
	if err != nil || !done {
		return 0, problem.Unavailable("not_yet_visible", "The command is not visible yet.", nil)
	}
	if c.Result == nil {
		return 0, nil // it came to its end without the ledger
	}
	return c.Result.Block + 1, nil
}
