// Package ops is the listener of a process for its operators: liveness,
// readiness, metrics and profiles. It answers anybody who can connect, so it
// belongs on loopback or an internal network, never on a public port.
package ops

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options of a Server.
type Options struct {
	Process    string // what runs here, such as "gx up"
	Version    string
	Commit     string
	ConfigHash string
}

// Server serves the operational routes. Its methods may be called concurrently.
type Server struct {
	mux      *http.ServeMux
	process  string
	registry *prometheus.Registry
	started  atomic.Bool
	draining atomic.Bool
	checks   checks
}

// New returns a server without checks. It is not ready before Started is called.
func New(o Options) *Server {
	s := &Server{mux: http.NewServeMux(), process: o.Process, registry: prometheus.NewRegistry()}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gx_build_info", Help: "1; the labels say what runs here.",
		ConstLabels: prometheus.Labels{"process": o.Process, "version": o.Version, "commit": o.Commit, "go": runtime.Version(), "config": o.ConfigHash}})
	info.Set(1)
	s.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.AddCheck("started", func(context.Context) error { return unless(s.started.Load(), "starting") })
	s.AddCheck("draining", func(context.Context) error { return unless(!s.draining.Load(), "stopping") })

	s.mux.HandleFunc("GET /livez", s.live)
	s.mux.HandleFunc("GET /healthz", s.live)
	s.mux.HandleFunc("GET /readyz", s.ready)
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{Registry: s.registry}))
	s.mux.HandleFunc("/debug/pprof/", pprof.Index)
	s.mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	s.mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	s.mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	s.mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s.mux.HandleFunc("GET /{$}", s.index)
	return s
}

// Serve answers on l until ctx ends. Requests in flight are then cut off: who
// watches a process until its end wants no delay of it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	// No write timeout: a profile takes as long as it was asked to.
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// Handle adds a route. Call it before Started.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Registry collects the metrics of the process.
func (s *Server) Registry() *prometheus.Registry { return s.registry }

// Started tells that the process has all its checks and does its work.
func (s *Server) Started() { s.started.Store(true) }

// Drain withdraws readiness for good, before the process stops accepting work.
func (s *Server) Drain() { s.draining.Store(true) }

// Draining reports whether Drain was called.
func (s *Server) Draining() bool { return s.draining.Load() }

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, s.process+"\n\n"+strings.Join([]string{"/livez", "/readyz?verbose", "/metrics", "/debug/pprof/"}, "\n"))
}

func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, struct {
		Status  string `json:"status"`
		Process string `json:"process"`
	}{"alive", s.process})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, body) // who asked has gone
}
