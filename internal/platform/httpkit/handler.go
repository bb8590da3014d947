// Package httpkit is the frame around the routes of a service: request ids and
// traces, access log and metrics, security headers, limits, problem responses
// and a strict OpenAPI framework (api.md 1.2, 1.7, 1.12, 1.13, 1.16).
package httpkit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/problem"
)

// HandlerTimeout bounds the work on a request (api.md 1.13).
const HandlerTimeout = 15 * time.Second

// Options configures a Handler.
type Options struct {
	Log        *slog.Logger
	Clock      clock.Clock
	Registerer prometheus.Registerer
	Timeout    time.Duration // of one request; HandlerTimeout when zero
	Draining   func() bool   // whether the process will stop; may be nil
	Origins    Origins       // none when empty
}

// Handler serves a mux with everything that is the same for every route.
type Handler struct {
	mux      *http.ServeMux
	log      *slog.Logger
	clock    clock.Clock
	timeout  time.Duration
	draining func() bool
	origins  Origins
	metrics  *metrics
}

// NewHandler wraps mux.
func NewHandler(mux *http.ServeMux, o Options) (*Handler, error) {
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register http metrics: %w", err)
	}
	if o.Timeout == 0 {
		o.Timeout = HandlerTimeout
	}
	return &Handler{mux: mux, log: o.Log, clock: o.Clock, timeout: o.Timeout, draining: o.Draining, origins: o.Origins, metrics: m}, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := h.clock()
	x := &Exchange{
		RequestID: requestID(r.Header.Get("X-Request-Id")),
		Trace:     ParseTrace(r.Header.Get("Traceparent")),
		Log:       h.log,
		path:      r.URL.Path,
		base:      r.Context(),
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), exchangeKey{}, x), h.timeout)
	defer cancel()
	r = r.WithContext(ctx)
	rw := &responseWriter{ResponseWriter: w, request: r}
	secure(rw.Header(), r, x.RequestID)
	if h.draining != nil && h.draining() {
		rw.Header().Set("Connection", "close") // before it is closed under the next request
	}

	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			h.log.ErrorContext(ctx, "panic in a handler", "requestId", x.RequestID, "panic", v, "stack", string(debug.Stack()))
			if rw.held != nil { // of it nothing has been sent
				rw.held, rw.status = nil, 0
			}
			if rw.status == 0 {
				problem.Internal(nil).At(x.path, x.RequestID).Write(rw)
			}
		}
		rw.release(true)
		h.finish(r, x, rw, h.clock().Sub(begin))
	}()

	if h.origins.share(rw, r) {
		return
	}
	// A trailing slash names the same resource.
	if p := r.URL.Path; len(p) > 1 && strings.HasSuffix(p, "/") {
		u := *r.URL
		u.Path, u.RawPath = strings.TrimRight(p, "/"), ""
		r.URL = &u
	}
	if err := h.checkTarget(r); err != nil {
		WriteProblem(rw, r, err)
		return
	}
	h.mux.ServeHTTP(rw, r)
}

func (h *Handler) finish(r *http.Request, x *Exchange, rw *responseWriter, took time.Duration) {
	route := route(r)
	status := rw.status
	if status == 0 {
		status = http.StatusOK
	}
	h.metrics.observe(r.Method, route, status, took, !x.streams)
	level := slog.LevelInfo
	if strings.HasSuffix(route, "z") || route == "/health" {
		level = slog.LevelDebug // probes
	}
	attrs := []slog.Attr{
		slog.String("requestId", x.RequestID), slog.String("traceId", x.Trace.ID()), slog.String("principalId", x.Principal),
		slog.String("method", r.Method), slog.String("route", route), slog.Int("status", status),
		slog.Float64("durMs", float64(took.Microseconds())/1000),
	}
	if x.CommandID != "" {
		attrs = append(attrs, slog.String("commandId", x.CommandID))
	}
	h.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// route returns the template that matched, so that logs and metrics never hold
// what callers put into paths.
func route(r *http.Request) string {
	if _, path, ok := strings.Cut(r.Pattern, " "); ok {
		return path
	}
	if r.Pattern != "" {
		return r.Pattern
	}
	return "none"
}

func secure(h http.Header, r *http.Request, requestID string) {
	h["X-Request-Id"] = []string{requestID}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Content-Security-Policy"] = []string{"default-src 'none'; frame-ancestors 'none'"}
	h["Referrer-Policy"] = []string{"no-referrer"}
	h["Cross-Origin-Resource-Policy"] = []string{"same-origin"}
	h["Permissions-Policy"] = []string{"accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"}
	if r.TLS != nil {
		h["Strict-Transport-Security"] = []string{"max-age=63072000; includeSubDomains; preload"}
	}
}

// responseWriter remembers the status, turns the mux's own plain-text refusals into
// problems and holds back what is tagged and compressed.
type responseWriter struct {
	http.ResponseWriter
	request *http.Request
	status  int
	discard bool // the mux's text after its refusal was replaced
	held    *bytes.Buffer
}

// Unwrap lets http.ResponseController reach the connection.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *responseWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	// Without a pattern no route matched: the mux itself is answering.
	if w.request.Pattern == "" && w.Header().Get("Content-Type") != problem.MediaType {
		switch status {
		case http.StatusNotFound:
			WriteProblem(w, w.request, errNothing)
			w.discard = true
			return
		case http.StatusMethodNotAllowed:
			WriteProblem(w, w.request, problem.New(status, "method_not_allowed", "This path has no such method; see Allow."))
			w.discard = true
			return
		}
	}
	w.status = status
	if w.hold(status) {
		w.held = buffers.Get().(*bytes.Buffer)
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	if w.discard {
		return len(b), nil
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.held != nil {
		if w.held.Len()+len(b) <= maxHeld {
			return w.held.Write(b)
		}
		w.release(false)
	}
	return w.ResponseWriter.Write(b)
}
