package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"gxcoin.money/gx/internal/platform/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, s *ops.Server, target string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s may be cached", target)
	}
	return w.Code, w.Body.String()
}

// ready returns the status and the error of each check that /readyz lists.
func ready(t *testing.T, s *ops.Server, target string) (int, map[string]string) {
	t.Helper()
	status, body := get(t, s, target)
	var r ops.Readiness
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if (r.Status == ops.Ready) != (status == http.StatusOK) || r.Process != "test" {
		t.Errorf("status %d with %s", status, body)
	}
	checks := map[string]string{}
	for _, c := range r.Checks {
		if c.OK != (c.Error == "") {
			t.Errorf("check %+v", c)
		}
		checks[c.Name] = c.Error
	}
	return status, checks
}

func TestReadiness(t *testing.T) {
	s := ops.New(ops.Options{Process: "test"})
	var database error
	s.AddCheck("database", func(context.Context) error { return database })
	for _, step := range []struct {
		name    string
		do      func()
		status  int
		failing map[string]string
	}{
		{"before the start", func() {}, 503, map[string]string{"started": "starting"}},
		{"started", s.Started, 200, map[string]string{}},
		{"without database", func() { database = errors.New("connection refused") }, 503, map[string]string{"database": "connection refused"}},
		{"database is back", func() { database = nil }, 200, map[string]string{}},
		{"draining", s.Drain, 503, map[string]string{"draining": "stopping"}},
	} {
		step.do()
		status, failing := ready(t, s, "/readyz")
		if diff := cmp.Diff(step.failing, failing); status != step.status || diff != "" {
			t.Errorf("%s: %d %s", step.name, status, diff)
		}
		verboseStatus, all := ready(t, s, "/readyz?verbose")
		if verboseStatus != step.status || len(all) != 3 {
			t.Errorf("%s, verbose: %d %v", step.name, verboseStatus, all)
		}
		if status, _ := get(t, s, "/livez"); status != 200 {
			t.Errorf("%s: livez is %d", step.name, status)
		}
	}
}

func TestFrozenCheckFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ops.New(ops.Options{Process: "test"})
		s.Started()
		release := make(chan struct{})
		defer close(release)
		s.AddCheck("heedless", func(context.Context) error { <-release; return nil })
		s.AddCheck("waiting", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		status, failing := ready(t, s, "/readyz")
		if status != 503 || failing["heedless"] == "" || failing["waiting"] == "" || len(failing) != 2 {
			t.Errorf("%d %v", status, failing)
		}
	})
}

func TestMetrics(t *testing.T) {
	s := ops.New(ops.Options{Process: "test", Version: "v1", Commit: "abc", ConfigHash: "def"})
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "ours_total"})
	s.Registry().MustRegister(c)
	c.Add(3)
	_, body := get(t, s, "/metrics")
	for _, want := range []string{"ours_total 3", "go_goroutines", "process_resident_memory_bytes",
		`gx_build_info{commit="abc",config="def",go="`, `process="test",version="v1"} 1`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestRoutes(t *testing.T) {
	s := ops.New(ops.Options{Process: "test"})
	for target, want := range map[string]int{
		"/": 200, "/healthz": 200, "/debug/pprof/": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/symbol": 200,
		"/debug/pprof/cmdline": 200, "/api/v1/users": 404, "/readyz/x": 404,
	} {
		if status, body := get(t, s, target); status != want {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/readyz", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /readyz: %d", w.Code)
	}
}

func TestServe(t *testing.T) {
	s := ops.New(ops.Options{Process: "test"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + l.Addr().String() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := client.Get("http://" + l.Addr().String() + "/livez"); err == nil {
		t.Error("it still answers")
	}
}

func TestServeReportsALostListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := ops.New(ops.Options{}).Serve(t.Context(), l); err == nil {
		t.Error("no error")
	}
}
