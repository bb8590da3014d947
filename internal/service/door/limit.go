package door

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/ratelimit"
	"gxcoin.money/gx/internal/platform/token"
)

// Class is a kind of request that is limited as one, by client or by principal.
type Class string

// The classes that routes have by their policy, and those that they name.
const (
	ClassPublic     Class = "public" // without a token, by client
	ClassRead       Class = "read"   // of customers
	ClassWrite      Class = "write"  // of customers
	ClassMoney      Class = "money"  // commands of customers
	ClassStaffRead  Class = "staff-read"
	ClassStaffWrite Class = "staff-write"

	ClassFlood    Class = "client"   // everything, by client, in each process
	ClassLogin    Class = "login"    // by account; only failures count
	ClassLoginBy  Class = "login-by" // by client
	ClassRefresh  Class = "refresh"  // by session
	ClassRegister Class = "register" // by client
	ClassEvidence Class = "evidence" // of who somebody is
	ClassExport   Class = "export"   // of everything about somebody
	ClassBatch    Class = "batch"    // many people at once, by staff
	ClassFreeze   Class = "freeze"   // by staff
	ClassInvite   Class = "invite"   // into a relationship
	ClassLookup   Class = "lookup"   // of a recipient
)

// Limits are the limits of each class. A class that is not there has none.
type Limits map[Class][]ratelimit.Limit

// defaults are the limits of api.md 1.11. Payments are held back by balances
// more than by these.
var defaults = map[Class]string{
	ClassPublic: "60/1m", ClassRead: "300/1m", ClassWrite: "60/1m", ClassMoney: "600/6s", ClassStaffRead: "300/1m", ClassStaffWrite: "60/1m",
	ClassFlood: "1000/10s", ClassLogin: "5/1m,20/1h", ClassLoginBy: "30/1m", ClassRefresh: "30/1m", ClassRegister: "3/1h",
	ClassEvidence: "5/24h", ClassExport: "5/24h", ClassBatch: "10/1h", ClassFreeze: "100/1h", ClassInvite: "10/24h", ClassLookup: "30/1h",
}

// DefaultLimits returns the limits of every class, with changes as in
// "login=5/1m,20/1h" or "login=off".
func DefaultLimits(changes ...string) (Limits, error) {
	l := Limits{}
	all := make([]string, 0, len(defaults)+len(changes))
	for class, limits := range defaults {
		all = append(all, string(class)+"="+limits)
	}
	for _, s := range append(all, changes...) {
		class, limits, _ := strings.Cut(s, "=")
		if defaults[Class(class)] == "" {
			return nil, fmt.Errorf("there is no class %q of requests", class)
		}
		parsed, err := ratelimit.ParseLimits(class, limits)
		if err != nil {
			return nil, err
		}
		l[Class(class)] = parsed
	}
	return l, nil
}

// loopback is who is believed and not limited unless a process says otherwise:
// whoever is on the same machine.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// limiters count for a door.
type limiters struct {
	shared   ratelimit.Limiter
	local    *ratelimit.Memory
	rejected *prometheus.CounterVec
}

func (d *Door) limit() error {
	d.limiters = limiters{shared: d.Limiter, local: ratelimit.NewMemory(d.Clock), rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gx_ratelimit_rejected_total", Help: "Requests that were refused because there were too many, by class.",
	}, []string{"policy"})}
	if d.limiters.shared == nil {
		d.limiters.shared = ratelimit.NewMemory(d.Clock)
	}
	if d.Limits == nil {
		var err error
		if d.Limits, err = DefaultLimits(); err != nil {
			return err
		}
	}
	if d.Proxies == nil {
		d.Proxies = loopback
	}
	if d.Unlimited == nil {
		d.Unlimited = loopback
	}
	if d.Registerer == nil {
		return nil
	}
	return d.Registerer.Register(d.limiters.rejected)
}

// free reports whether a client is not limited at all.
func (d *Door) free(client netip.Addr) bool {
	for _, p := range d.Unlimited {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// class returns what a request of a principal is limited as.
func (r Route) class(who Principal) Class {
	switch reads := r.Method == http.MethodGet; {
	case r.Limit != "":
		return r.Limit
	case r.Policy.Public:
		return ClassPublic
	case who.Kind == token.Staff && reads:
		return ClassStaffRead
	case who.Kind == token.Staff:
		return ClassStaffWrite
	case reads:
		return ClassRead
	case r.Idempotency == KeyRequired:
		return ClassMoney
	}
	return ClassWrite
}

// pace counts a request and tells the client how it stands.
func (d *Door) pace(hc huma.Context, c call, r Route) error {
	limits := d.Limits[r.class(c.who)]
	if c.free || len(limits) == 0 || r.operational() {
		return nil
	}
	key := c.who.String()
	if key == "" {
		key = "client:" + ratelimit.Network(c.client)
	}
	decision, err := d.limiters.shared.Take(hc.Context(), key, limits...)
	if err != nil {
		return fmt.Errorf("count the request: %w", err)
	}
	for name, value := range rateHeaders(decision, limits) {
		hc.SetHeader(name, value)
	}
	return d.decided(decision, limits)
}

// flood holds back a client that sends whatever it is more than a person could.
func (d *Door) flood(c call, r Route) error {
	limits := d.Limits[ClassFlood]
	if c.free || len(limits) == 0 || r.operational() {
		return nil
	}
	decision, err := d.limiters.local.Take(context.Background(), ratelimit.Network(c.client), limits...)
	if err != nil {
		return fmt.Errorf("count the request: %w", err)
	}
	return d.decided(decision, limits)
}

// Spend counts something that the caller does to key, which is not theirs, for
// example a login to an account.
func (d *Door) Spend(ctx context.Context, class Class, key string) error {
	limits := d.Limits[class]
	if callOf(ctx).free || len(limits) == 0 {
		return nil
	}
	decision, err := d.limiters.shared.Take(ctx, key, limits...)
	if err != nil {
		return fmt.Errorf("count the request: %w", err)
	}
	return d.decided(decision, limits)
}

// Refund takes a Spend back. That it cannot is no reason to fail.
func (d *Door) Refund(ctx context.Context, class Class, key string) {
	if limits := d.Limits[class]; !callOf(ctx).free && len(limits) > 0 {
		if err := d.limiters.shared.Refund(ctx, key, limits...); err != nil {
			httpkit.From(ctx).Log.WarnContext(ctx, "a refund of a rate limit failed", "err", err)
		}
	}
}

func (d *Door) decided(decision ratelimit.Decision, limits []ratelimit.Limit) error {
	if decision.Allowed {
		return nil
	}
	d.limiters.rejected.WithLabelValues(limits[0].Name).Inc()
	wait := seconds(decision.RetryAfter)
	p := problem.New(http.StatusTooManyRequests, "rate_limited", "Too many requests; try again in "+wait+" s.").
		WithHeader("Retry-After", wait).WithFact("retryAfter", wait)
	for name, value := range rateHeaders(decision, limits) {
		p = p.WithHeader(name, value)
	}
	return p
}

// rateHeaders are those of the IETF's draft and the older ones.
func rateHeaders(d ratelimit.Decision, limits []ratelimit.Limit) map[string]string {
	policies := make([]string, len(limits))
	for i, l := range limits {
		policies[i] = fmt.Sprintf("%q;q=%d;w=%s", l.Name, l.Count, seconds(l.Period))
	}
	return map[string]string{
		"RateLimit-Policy":    strings.Join(policies, ", "),
		"RateLimit":           fmt.Sprintf("%q;r=%d;t=%s", d.Limit.Name, d.Remaining, seconds(d.Reset)),
		"RateLimit-Limit":     strconv.Itoa(d.Limit.Count),
		"RateLimit-Remaining": strconv.Itoa(d.Remaining),
		"RateLimit-Reset":     seconds(d.Reset),
	}
}

// seconds rounds up: who waits so long has waited long enough.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
