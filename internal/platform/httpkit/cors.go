package httpkit

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Origins are the origins whose pages may use the API from a browser.
type Origins []string

// Validate says what is not an origin as browsers send it: scheme, host and, when it
// is not the scheme's own, port.
func (o Origins) Validate() error {
	for _, s := range o {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Scheme+"://"+u.Host != s || s != strings.ToLower(s) ||
			strings.Contains(u.Host, "*") || u.Port() == map[string]string{"https": "443", "http": "80"}[u.Scheme] {
			return fmt.Errorf("%q is not an origin, as in https://wallet.example or http://localhost:5173", s)
		}
	}
	return nil
}

// What pages of an allowed origin may send and read. Sessions are in the
// Authorization header, so there are no credentials of the browser's to allow.
const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, X-Idempotency-Key, GX-After, Prefer, If-Match, If-None-Match, Last-Event-ID, " +
		"X-Request-Id, Traceparent, Tracestate"
	corsExposed = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, " +
		"X-Request-Id, Idempotency-Hit, Preference-Applied, GX-Stale, Link"
	corsMaxAge = "600"
)

// share lets a page of an allowed origin read the answer. It reports whether it has
// answered itself: a preflight asks for nothing else.
func (o Origins) share(w http.ResponseWriter, r *http.Request) bool {
	if len(o) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(o, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", corsExposed)
		return false
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}
