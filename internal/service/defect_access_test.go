package service_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/platform/ratelimit"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
)

// Pages of the origins that are allowed may use the API, those of others may not,
// and none gets at what the browser keeps (F-69).
func TestD30KF69OriginsOfPages(t *testing.T) {
	const wallet, other = "https://wallet.example", "https://evil.example"
	s := newSystem(t, func(d *service.Deps) { d.Origins = []string{wallet, "http://localhost:5173"} })
	s.open()
	ada := s.person("Ada", "CH", gx(5))
	ask := func(door, method, path, origin string, header ...string) http.Header {
		t.Helper()
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Origin", origin)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.doors[door].ServeHTTP(w, r)
		h := w.Header()
		h.Set(":status", http.StatusText(w.Code))
		if h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Access-Control-Allow-Origin") == "*" || !slices.Contains(h.Values("Vary"), "Origin") {
			t.Errorf("%s %s from %s: %v", method, path, origin, h)
		}
		return h
	}
	for _, d := range service.Doors {
		for _, r := range s.doors[d.Name].Routes {
			path := strings.NewReplacer("{", "", "}", "").Replace(r.URL())
			h := ask(d.Name, "OPTIONS", path, wallet, "Access-Control-Request-Method", r.Method)
			if h.Get(":status") != "No Content" || h.Get("Access-Control-Allow-Origin") != wallet || !strings.Contains(h.Get("Access-Control-Allow-Methods"), r.Method) ||
				!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Idempotency-Key") || h.Get("Access-Control-Max-Age") != "600" {
				t.Errorf("preflight of %s %s: %v", r.Method, path, h)
			}
			for _, origin := range []string{other, "null", "https://wallet.example.evil.example", "http://wallet.example", "https://wallet.example:8443", ""} {
				if h := ask(d.Name, "OPTIONS", path, origin, "Access-Control-Request-Method", r.Method); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Methods") != "" {
					t.Errorf("preflight of %s %s from %q: %v", r.Method, path, origin, h)
				}
			}
		}
	}
	for name, want := range map[string]string{wallet: wallet, "http://localhost:5173": "http://localhost:5173", other: "", "": ""} {
		h := ask("tokenomics", "GET", "/api/v1/wallets/me/balance", name, "Authorization", "Bearer "+ada.bearer)
		if h.Get(":status") != "OK" || h.Get("Access-Control-Allow-Origin") != want || (h.Get("Access-Control-Expose-Headers") != "") != (want != "") {
			t.Errorf("a read from %q: %v", name, h)
		}
	}
	if h := ask("tokenomics", "GET", "/api/v1/wallets/me/balance", wallet); h.Get(":status") != "Unauthorized" || h.Get("Access-Control-Allow-Origin") != wallet {
		t.Errorf("a page can't read why it is refused: %v", h)
	}

	for _, bad := range []string{"*", "https://*.example", "wallet.example", "https://wallet.example/", "https://Wallet.example", "https://wallet.example:443", "https://a@b", "file://x", "null", ""} {
		d := s.deps
		d.Origins, d.Registerer = []string{bad}, nil
		if _, err := service.New("tax", d); err == nil {
			t.Errorf("%q is taken for an origin", bad)
		}
	}
	// Without a list there are no such headers at all.
	closed := newSystem(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("OPTIONS", "/api/v1/wallets/me/balance", nil)
	r.Header.Set("Origin", wallet)
	r.Header.Set("Access-Control-Request-Method", "GET")
	closed.doors["tokenomics"].ServeHTTP(w, r)
	if w.Code != 405 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("no origins: %d %v", w.Code, w.Header())
	}
}

// At its start a service tells what protects it, and what it tells is so.
func TestD70ProtectionsReported(t *testing.T) {
	type report struct {
		Service            string   `json:"service"`
		Routes             int      `json:"routes"`
		RateLimits         []string `json:"rateLimits"`
		RateLimitsShared   bool     `json:"rateLimitsShared"`
		UnlimitedClients   []string `json:"unlimitedClients"`
		TrustedProxies     []string `json:"trustedProxies"`
		AllowedOrigins     []string `json:"allowedOrigins"`
		StaffSecondFactor  bool     `json:"staffSecondFactor"`
		CriticalQuorum     int      `json:"criticalQuorum"`
		PersonalDataSealed bool     `json:"personalDataSealed"`
	}
	reports := func(s *system) map[string]report {
		out := map[string]report{}
		for line := range strings.Lines(s.log.String()) {
			var r report
			if strings.Contains(line, `"msg":"protections"`) && json.Unmarshal([]byte(line), &r) == nil {
				out[r.Service] = r
			}
		}
		return out
	}
	limits, err := door.DefaultLimits("public=1/1m")
	if err != nil {
		t.Fatal(err)
	}
	shared := ratelimit.NewMemory(func() (now time.Time) { return time.Unix(0, 0) })
	for name, change := range map[string]func(*service.Deps){
		"all": func(d *service.Deps) {
			d.Limits, d.Limiter, d.Origins, d.RequireMFA, d.CriticalQuorum = limits, shared, []string{"https://wallet.example"}, true, 2
			d.Proxies, d.Unlimited = ratelimit.Proxies{netip.MustParsePrefix("192.0.2.0/24")}, []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")}
		},
		"none": func(d *service.Deps) { d.Limits = door.Limits{} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, change)
			s.open()
			all := reports(s)
			if len(all) != len(service.Doors) {
				t.Fatalf("%d services report", len(all))
			}
			for name, r := range all {
				if r.Routes != len(s.doors[name].Routes) {
					t.Errorf("%s: %d routes, want %d", name, r.Routes, len(s.doors[name].Routes))
				}
			}
			r := all["tokenomics"]
			get := func(header ...string) answer { return s.call("tokenomics", "GET", "/supply", "", nil, header...) }

			origin := get("Origin", "https://wallet.example").header.Get("Access-Control-Allow-Origin")
			if (origin != "") != slices.Contains(r.AllowedOrigins, origin) || (origin == "") != (len(r.AllowedOrigins) == 0) {
				t.Errorf("origins %v, allowed is %q", r.AllowedOrigins, origin)
			}
			if limited := get().status == 429; limited != slices.Contains(r.RateLimits, "public") {
				t.Errorf("limits %v, limited: %t", r.RateLimits, limited)
			}
			if name == "all" { // the peer is a proxy of ours, so another client is another client, and one is free
				get("X-Forwarded-For", "203.0.113.5").want(t, 200, "")
				get("X-Forwarded-For", "203.0.113.5").want(t, 429, "rate_limited")
				for range 3 {
					get("X-Forwarded-For", "198.51.100.7").want(t, 200, "")
				}
				if !slices.Equal(r.TrustedProxies, []string{"192.0.2.0/24"}) || !slices.Equal(r.UnlimitedClients, []string{"198.51.100.7/32"}) || !r.RateLimitsShared {
					t.Errorf("%+v", r)
				}
			}
			_, owner := s.staff(door.SuperOwner)
			refused := s.admin("GET", "/users", owner, nil).code() == "MFA_REQUIRED"
			if refused != r.StaffSecondFactor || !r.PersonalDataSealed || r.CriticalQuorum != max(1, s.deps.CriticalQuorum) {
				t.Errorf("refused without a second factor: %t; %+v", refused, r)
			}
		})
	}
}

// The metrics have the names that dashboards and alerts ask for (api.md 1.15).
func TestD71NamesOfMetrics(t *testing.T) {
	s := limited(t, "public=1/1m")
	s.open()
	for range 2 {
		s.call("tokenomics", "GET", "/supply", "", nil)
	}
	families, err := s.deps.Registerer.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
		parts := strings.Split(f.GetName(), "_")
		if len(parts) > 1 && parts[0] == parts[1] || !regexp.MustCompile(`^(http|gx)_[a-z_]+$`).MatchString(f.GetName()) {
			t.Errorf("%s has no name of ours", f.GetName())
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "route" && regexp.MustCompile(`[0-9a-f]{8}-`).MatchString(l.GetValue()) {
					t.Errorf("%s has a label for every %s", f.GetName(), l.GetValue())
				}
			}
		}
	}
	for _, want := range []string{"http_requests_total", "http_request_duration_seconds", "gx_ratelimit_rejected_total", "gx_event_streams"} {
		if !names[want] {
			t.Errorf("there is no %s: %v", want, names)
		}
	}
}

// What is not as documented is found: the answers of all tests pass the check that
// refuses these.
func TestD63AnswersAreAsDocumented(t *testing.T) {
	s := newSystem(t)
	const balance = `{"balance":{"walletId":"x","profileId":"018f2d3c-0000-7000-8000-000000000000","fabricUserId":"x","walletName":"x","balance":"1","balanceGx":"1",` +
		`"availableBalance":"1","availableBalanceGx":"1","pendingOut":"0","frozenAmount":"0","currency":"GXC","status":"ACTIVE","asOfBlock":"1","updatedAt":"2026-01-02T15:04:05.000Z"}}`
	r := httptest.NewRequest("GET", "/api/v1/wallets/me/balance", nil)
	check := func(status int, contentType, body string) error {
		return s.contracts["tokenomics"].check(r, status, contentType, body)
	}
	if err := check(200, "application/json", balance); err != nil {
		t.Errorf("a good answer: %v", err)
	}
	for name, err := range map[string]error{
		"another type":     check(200, "application/json", strings.Replace(balance, `"balance":"1"`, `"balance":1`, 1)),
		"a missing member": check(200, "application/json", strings.Replace(balance, `"currency":"GXC",`, "", 1)),
		"another member":   check(200, "application/json", strings.Replace(balance, `"currency":"GXC"`, `"currency":"GXC","secret":"x"`, 1)),
		"no time":          check(200, "application/json", strings.Replace(balance, "2026-01-02T", "yesterday ", 1)),
		"another status":   check(201, "application/json", balance),
		"another kind":     check(200, "text/html", balance),
		"half a problem":   check(404, "application/problem+json", `{"code":"not_found"}`),
	} {
		if err == nil {
			t.Errorf("%s is taken for documented", name)
		}
	}
	// Every route that is not hidden is in the document, with an id of its own.
	ids, documents := map[string]string{}, map[string]answer{}
	for name, routes := range s.routes() {
		for _, r := range routes {
			op := s.operation(documents, name, r)
			if (op == nil) != r.Hidden {
				t.Errorf("%s %s is documented: %t", r.Method, r.URL(), op != nil)
			}
			if other := ids[r.ID]; other != "" {
				t.Errorf("%s is the id of %s and of %s", r.ID, other, r.URL())
			}
			ids[r.ID] = r.URL()
		}
	}
}
