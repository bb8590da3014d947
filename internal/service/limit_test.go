package service_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/platform/ratelimit"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
)

// limited is a system with limits.
func limited(t *testing.T, changes ...string) *system {
	t.Helper()
	l, err := door.DefaultLimits(changes...)
	if err != nil {
		t.Fatal(err)
	}
	return newSystem(t, func(d *service.Deps) { d.Limits = l })
}

func TestRateLimitHeaders(t *testing.T) {
	s := limited(t, "public=3/1m")
	s.open()
	get := func() answer { return s.call("tokenomics", "GET", "/supply", "", nil) }
	first := get().want(t, 200, "")
	for name, want := range map[string]string{
		"RateLimit-Policy": `"public";q=3;w=60`, "RateLimit": `"public";r=2;t=20`, "RateLimit-Limit": "3", "RateLimit-Remaining": "2", "RateLimit-Reset": "20",
	} {
		if got := first.header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	get().want(t, 200, "")
	get().want(t, 200, "")
	s.advance(500 * time.Millisecond)
	refused := get().want(t, 429, "rate_limited")
	if refused.header.Get("Retry-After") != "20" || refused.header.Get("RateLimit-Remaining") != "0" || refused.text("retryAfter") != "20" {
		t.Errorf("refused %v %s", refused.header, refused.raw)
	}
	s.advance(19 * time.Second)
	if a := get().want(t, 429, "rate_limited"); a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	s.advance(500 * time.Millisecond) // as it said, to the moment
	get().want(t, 200, "")
	// What tells whether a service lives is never refused, and another client not for this one.
	for range 100 {
		s.call("tokenomics", "GET", "//livez", "", nil).want(t, 200, "")
		s.call("tokenomics", "GET", "//readyz", "", nil).want(t, 200, "")
	}
	s.remote = "192.0.2.2:1"
	get().want(t, 200, "")
}

// A client is who it is, whatever it writes into its headers.
func TestD29SpoofedForwardingHeaders(t *testing.T) {
	s := limited(t, "public=3/1m")
	s.open()
	get := func(header ...string) answer { return s.call("tokenomics", "GET", "/supply", "", nil, header...) }
	for i := range 3 {
		get("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i), "Forwarded", "for=198.51.100.1", "X-Real-Ip", "198.51.100.1").want(t, 200, "")
	}
	get("X-Forwarded-For", "198.51.100.77").want(t, 429, "rate_limited")
	// An IPv6 client may change its address as it likes.
	for i := range 4 {
		s.remote = fmt.Sprintf("[2001:db8:1:2::%d]:1", i+1)
		if a := get(); (a.status == 429) != (i == 3) {
			t.Errorf("request %d from a /64: %d", i+1, a.status)
		}
	}
	// Behind a proxy of ours each client has its own limit; what they forge in front of the proxy's word is nothing.
	s.remote = "127.0.0.1:1"
	for client := range 5 {
		for i := range 4 {
			a := get("X-Forwarded-For", fmt.Sprintf("203.0.113.%d, 198.51.100.%d", i, client))
			if (a.status == 429) != (i == 3) {
				t.Errorf("client %d, request %d: %d", client, i+1, a.status)
			}
		}
	}
	// Whoever is on this machine is not limited, as long as nobody forwards for them.
	for range 10 {
		get().want(t, 200, "")
	}
}

func TestRateLimitsOfPrincipals(t *testing.T) {
	s := limited(t, "money=2/1m", "read=3/1m", "staff-write=2/1m", "staff-read=4/1m", "evidence=1/24h", "freeze=1/1h")
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(500))
	_, owner := s.staff(door.SuperOwner)
	pay := func(bearer string) answer {
		return s.call("tokenomics", "POST", "/transfers", bearer, map[string]any{"toID": bob.gx, "amount": "1"}, "Idempotency-Key", key())
	}
	pay(ada.bearer).want(t, 202, "")
	pay(ada.bearer).want(t, 202, "")
	pay(ada.bearer).want(t, 429, "rate_limited")
	pay(bob.bearer).want(t, 400, "to_id_invalid") // counted all the same
	for range 3 {
		s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil).want(t, 200, "")
	}
	s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil).want(t, 429, "rate_limited")
	s.call("identity", "GET", "/users/me", ada.bearer, nil).want(t, 200, "") // each service of this process counts for itself
	s.call("identity", "POST", "/users/me/kyc", ada.bearer, evidence("short")).want(t, 409, "kyc_not_possible")
	if a := s.call("identity", "POST", "/users/me/kyc", ada.bearer, evidence("A1234567")).want(t, 429, "rate_limited"); a.header.Get("Retry-After") != "86400" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	freeze := func() answer {
		return s.call("tokenomics", "POST", "/wallets/"+ada.gx+"/freeze", owner, map[string]any{"reason": "reported as stolen"}, "Idempotency-Key", key())
	}
	freeze().want(t, 202, "")
	freeze().want(t, 429, "rate_limited")
	for range 4 {
		s.admin("GET", "/users", owner, nil).want(t, 200, "")
	}
	s.admin("GET", "/users", owner, nil).want(t, 429, "rate_limited")
	families, err := s.deps.Registerer.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	rejected := 0.0
	for _, f := range families {
		if f.GetName() == "gx_ratelimit_rejected_total" {
			for _, m := range f.GetMetric() {
				rejected += m.GetCounter().GetValue()
			}
		}
	}
	if rejected != 5 {
		t.Errorf("%v rejections are counted", rejected)
	}
}

// Guessing is slow by account and by client; knowing is not.
func TestLoginLimits(t *testing.T) {
	s := limited(t)
	s.person("Ada", "CH", nil)
	login := func(email, password string) answer {
		return s.call("identity", "POST", "/auth/login", "", map[string]any{"email": email, "password": password})
	}
	for range 12 {
		login("ada@example.org", secret).want(t, 200, "")
	}
	for i := range 5 {
		s.remote = fmt.Sprintf("192.0.2.%d:1", 10+i) // a crowd
		login("ada@example.org", "wrong").want(t, 401, "invalid_credentials")
	}
	login("ada@example.org", "wrong").want(t, 429, "rate_limited")
	login("ADA@example.org ", "wrong").want(t, 429, "rate_limited")
	for i := range 29 { // one address, many accounts; unknown ones are limited alike
		login(fmt.Sprintf("nobody%d@example.org", i), "wrong")
	}
	login("somebody@example.org", "wrong").want(t, 429, "rate_limited")
	s.remote = ""
	for range 5 {
		login("nobody@example.org", "wrong").want(t, 401, "invalid_credentials")
	}
	login("nobody@example.org", "wrong").want(t, 429, "rate_limited")

	s.remote = "192.0.2.200:1"
	for i := range 3 {
		s.call("identity", "POST", "/auth/register", "", registration("email", fmt.Sprintf("p%d@example.org", i))).want(t, 201, "")
	}
	if a := s.call("identity", "POST", "/auth/register", "", registration("email", "p4@example.org")).want(t, 429, "rate_limited"); a.header.Get("Retry-After") != "1200" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
}

func TestRefreshLimit(t *testing.T) {
	s := limited(t, "refresh=2/1m")
	s.person("Ada", "CH", nil)
	login := s.call("identity", "POST", "/auth/login", "", map[string]any{"email": "ada@example.org", "password": secret}).want(t, 200, "")
	raw := login.text("refreshToken")
	refresh := func() answer {
		return s.call("identity", "POST", "/auth/refresh", "", map[string]any{"refreshToken": raw})
	}
	for range 2 {
		raw = refresh().want(t, 200, "").text("refreshToken")
	}
	refresh().want(t, 429, "rate_limited")
	s.advance(31 * time.Second)
	refresh().want(t, 200, "") // the token was not used up by the refusal
}

func TestFlood(t *testing.T) {
	s := limited(t, "client=20/10s")
	ada := s.person("Ada", "CH", gx(1))
	limited := 0
	for range 30 {
		if s.call("identity", "GET", "/users/me", ada.bearer+"x", nil).code() == "rate_limited" {
			limited++
		}
	}
	if limited != 10 {
		t.Errorf("%d of 30 requests at once are refused, want 10", limited)
	}
	s.remote = "192.0.2.9:1"
	s.call("identity", "GET", "/users/me", ada.bearer, nil).want(t, 200, "")
}

// Two processes that share a Redis share the limits, and go on without it.
func TestSharedLimits(t *testing.T) {
	m := miniredis.RunT(t)
	var doors []http.Handler
	s := newSystem(t)
	s.open()
	limits, err := door.DefaultLimits("public=4/1m")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d := s.deps
		d.Limits, d.Registerer = limits, nil
		shared, err := ratelimit.NewRedis("redis://"+m.Addr(), s.clock)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(shared.Close)
		d.Limiter = ratelimit.NewFallback(shared, ratelimit.NewMemory(s.clock), d.Log)
		h, err := service.New("tokenomics", d)
		if err != nil {
			t.Fatal(err)
		}
		doors = append(doors, h)
	}
	get := func(i int, path string) int {
		w := httptest.NewRecorder()
		doors[i].ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code
	}
	var codes []string
	for i := range 6 {
		codes = append(codes, fmt.Sprint(get(i%2, "/api/v1/supply")))
	}
	if strings.Join(codes, " ") != "200 200 200 200 429 429" {
		t.Errorf("two processes answer %v", codes)
	}
	m.Close()
	for i := range 2 {
		if code := get(i, "/api/v1/supply"); code != 200 {
			t.Errorf("without Redis: %d", code)
		}
		if code := get(i, "/readyz"); code != 200 {
			t.Errorf("without Redis not ready: %d", code)
		}
	}
	if !strings.Contains(s.log.String(), "rate limits are not shared at the moment") {
		t.Error("nobody is told")
	}
}

func TestLimitSettings(t *testing.T) {
	for _, bad := range []string{"nothing=1/1m", "login", "login=x", "login=0/1m"} {
		if _, err := door.DefaultLimits(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	s := newSystem(t, func(d *service.Deps) {
		d.Limits, _ = door.DefaultLimits("public=1/1m")
		d.Unlimited = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	s.open()
	for range 5 {
		s.call("tokenomics", "GET", "/supply", "", nil).want(t, 200, "")
	}
	s.remote = "127.0.0.1:1" // not among those who are not limited any more
	s.call("tokenomics", "GET", "/supply", "", nil).want(t, 200, "")
	s.call("tokenomics", "GET", "/supply", "", nil).want(t, 429, "rate_limited")
}
