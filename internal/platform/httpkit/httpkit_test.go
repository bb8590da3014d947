package httpkit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type thing struct {
	Amount string   `json:"amount" pattern:"^[0-9]+$"`
	Kind   string   `json:"kind,omitzero" enum:"A,B"`
	Lines  []string `json:"lines,omitzero"`
	Deep   *struct {
		DateOfBirth string `json:"dateOfBirth"`
	} `json:"deep,omitzero"`
}

type fixture struct {
	http.Handler
	log *bytes.Buffer
	reg *prometheus.Registry
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := fixture{log: &bytes.Buffer{}, reg: prometheus.NewRegistry()}
	mux := http.NewServeMux()
	api := httpkit.NewAPI(mux, "test", "1")
	huma.Register(api, huma.Operation{OperationID: "post", Method: http.MethodPost, Path: "/things/{id}", MaxBodyBytes: 200},
		func(_ context.Context, in *struct {
			ID    int `path:"id"`
			Limit int `query:"limit" minimum:"1"`
			Body  thing
		}) (*struct{ Body thing }, error) {
			return &struct{ Body thing }{in.Body}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "part", Method: http.MethodPost, Path: "/things/{id}/parts"}, func(context.Context, *struct {
		ID int `path:"id"`
	}) (*struct{}, error) {
		return nil, nil
	})
	huma.Register(api, huma.Operation{OperationID: "fail", Method: http.MethodGet, Path: "/fail/{how}"},
		func(ctx context.Context, in *struct {
			How string `path:"how"`
		}) (*struct{}, error) {
			switch in.How {
			case "panic":
				panic("secret")
			case "slow":
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return nil, errors.New("secret cause")
		})
	h, err := httpkit.NewHandler(mux, httpkit.Options{
		Log: slog.New(slog.NewJSONHandler(f.log, nil)), Clock: clock.System, Registerer: f.reg, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	f.Handler = h
	return f
}

func (f fixture) do(method, target, body string, header ...string) (*httptest.ResponseRecorder, problem.Problem) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	var p problem.Problem
	_ = json.Unmarshal(w.Body.Bytes(), &p)
	return w, p
}

func TestBadRequests(t *testing.T) {
	f := newFixture(t)
	for name, tc := range map[string]struct {
		method, target, body, contentType string
		status                            int
		code, field                       string
	}{
		"number":             {body: `{"amount":5}`, status: 400, code: "amount_invalid", field: "amount"},
		"pattern":            {body: `{"amount":"1.5"}`, status: 400, code: "amount_invalid", field: "amount"},
		"null":               {body: `{"amount":null}`, status: 400, code: "amount_invalid", field: "amount"},
		"missing":            {body: `{}`, status: 400, code: "amount_required", field: "amount"},
		"other case":         {body: `{"AMOUNT":"5"}`, status: 400, code: "validation_failed", field: "amount"},
		"unknown":            {body: `{"amount":"5","extra":1}`, status: 400, code: "unknown_field", field: "extra"},
		"unknown deep":       {body: `{"amount":"5","deep":{"dateOfBirth":"x","y":1}}`, status: 400, code: "unknown_field", field: "deep.y"},
		"missing deep":       {body: `{"amount":"5","deep":{}}`, status: 400, code: "date_of_birth_required", field: "deep.dateOfBirth"},
		"duplicate":          {body: `{"amount":"5","amount":"6"}`, status: 400, code: "duplicate_field", field: "amount"},
		"enum":               {body: `{"amount":"5","kind":"C"}`, status: 400, code: "kind_invalid", field: "kind"},
		"element":            {body: `{"amount":"5","lines":["a",1]}`, status: 400, code: "lines_invalid", field: "lines[1]"},
		"trailing":           {body: `{"amount":"5"} {}`, status: 400, code: "body_malformed", field: "body"},
		"not JSON":           {body: `amount=5`, status: 400, code: "body_malformed", field: "body"},
		"bad UTF-8":          {body: "{\"amount\":\"\xff\"}", status: 400, code: "body_malformed", field: "body"},
		"list":               {body: `[]`, status: 400, code: "body_invalid", field: "body"},
		"empty":              {body: ``, status: 400, code: "body_required"},
		"large":              {body: `{"amount":"` + strings.Repeat("1", 200) + `"}`, status: 413, code: "body_too_large"},
		"media type":         {body: `{"amount":"5"}`, contentType: "text/plain", status: 415, code: "unsupported_media_type"},
		"path":               {target: "/things/x", body: `{"amount":"5"}`, status: 400, code: "id_invalid", field: "id"},
		"query":              {target: "/things/1?limit=0", body: `{"amount":"5"}`, status: 400, code: "limit_invalid", field: "limit"},
		"query not a number": {target: "/things/1?limit=1e2", body: `{"amount":"5"}`, status: 400, code: "limit_invalid", field: "limit"},
		"unknown query":      {target: "/things/1?colour=red", body: `{"amount":"5"}`, status: 400, code: "unknown_parameter", field: "colour"},
		"no id":              {target: "/things//parts", body: `{}`, status: 400, code: "id_required", field: "id"},
		"no id, no end":      {target: "/things//parts/", body: `{}`, status: 400, code: "id_required", field: "id"},
		"no part":            {target: "/things/1//", body: `{"amount":"1.5"}`, status: 400, code: "amount_invalid", field: "amount"}, // slashes at the end
		"empty segments":     {target: "/things//", body: `{}`, status: 404, code: "not_found"},
		"doubled slash":      {target: "//things/1", body: `{}`, status: 404, code: "not_found"},
		"relative":           {target: "/things/../things/1", body: `{}`, status: 404, code: "not_found"},
		"no route":           {target: "/nothing", status: 404, code: "not_found"},
		"method":             {method: "DELETE", status: 405, code: "method_not_allowed"},
		"long target":        {target: "/things/" + strings.Repeat("1", 9000), status: 414, code: "uri_too_long"},
		"NUL in the target":  {target: "/things/1%00", status: 400, code: "uri_malformed"},
		"NUL in the query":   {target: "/things/1?x=%00", status: 400, code: "uri_malformed"},
		"bytes in the query": {target: "/things/1?x=%ff", status: 400, code: "uri_malformed"},
		"fault":              {method: "GET", target: "/fail/x", status: 500, code: "internal_error"},
		"panic":              {method: "GET", target: "/fail/panic", status: 500, code: "internal_error"},
		"slow":               {method: "GET", target: "/fail/slow", status: 503, code: "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			method, target, contentType := "POST", "/things/1", "application/json"
			if tc.method != "" {
				method = tc.method
			}
			if tc.target != "" {
				target = tc.target
			}
			if tc.contentType != "" {
				contentType = tc.contentType
			}
			w, p := f.do(method, target, tc.body, "Content-Type", contentType)
			if w.Code != tc.status || p.Code != tc.code || p.Field != tc.field || p.Status != tc.status {
				t.Errorf("answer %d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			if w.Header().Get("Content-Type") != problem.MediaType || p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") {
				t.Errorf("not a whole problem: %v %s", w.Header(), w.Body)
			}
			if strings.Contains(w.Body.String(), "secret") || tc.body != "" && len(tc.body) > 3 && strings.Contains(w.Body.String(), tc.body) {
				t.Errorf("echoes or leaks: %s", w.Body)
			}
			if tc.status == 405 && w.Header().Get("Allow") != "POST" {
				t.Errorf("Allow: %q", w.Header().Get("Allow"))
			}
		})
	}
	if n := strings.Count(f.log.String(), "secret cause"); n != 1 {
		t.Errorf("the cause is logged %d times, want once", n)
	}
}

func TestGoodRequest(t *testing.T) {
	f := newFixture(t)
	for _, target := range []string{"/things/1", "/things/1/"} {
		w, _ := f.do("POST", target, `{"amount":"5","lines":[]}`)
		if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"amount":"5","lines":[]}` {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		for _, name := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy", "X-Request-Id"} {
			if w.Header().Get(name) == "" {
				t.Errorf("%s is missing", name)
			}
		}
		for feature := range strings.SplitSeq(w.Header().Get("Permissions-Policy"), ", ") {
			if name, list, _ := strings.Cut(feature, "="); list != "()" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") != "" {
				t.Errorf("Permissions-Policy: %q", feature)
			}
		}
	}
	families, err := f.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, family := range families {
		names = append(names, family.GetName())
		if family.GetName() == "http_requests_total" {
			got := family.GetMetric()[0].String()
			if !strings.Contains(got, `"/things/{id}"`) || family.GetMetric()[0].GetCounter().GetValue() != 2 {
				t.Errorf("counted %s", got)
			}
		}
	}
	if strings.Join(names, " ") != "http_request_duration_seconds http_requests_total" {
		t.Errorf("metrics %v", names)
	}
}

// Whoever keeps a connection is told with an answer that it ends.
func TestDraining(t *testing.T) {
	draining := false
	h, err := httpkit.NewHandler(http.NewServeMux(), httpkit.Options{Log: slog.New(slog.DiscardHandler), Clock: clock.System, Draining: func() bool { return draining }})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"", "close"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Get("Connection"); got != want {
			t.Errorf("Connection: %q, want %q", got, want)
		}
		draining = true
	}
}

func TestRequestIDAndTrace(t *testing.T) {
	f := newFixture(t)
	w, _ := f.do("GET", "/nothing", "", "X-Request-Id", "abc-1", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if w.Header().Get("X-Request-Id") != "abc-1" {
		t.Errorf("request id %q", w.Header().Get("X-Request-Id"))
	}
	if !strings.Contains(f.log.String(), `"traceId":"0af7651916cd43dd8448eb211c80319c"`) {
		t.Errorf("log: %s", f.log)
	}
	for _, bad := range []string{"a b", "a\"b", strings.Repeat("x", 129), "ü"} {
		if w, _ := f.do("GET", "/nothing", "", "X-Request-Id", bad); w.Header().Get("X-Request-Id") == bad {
			t.Errorf("unsafe id %q is taken", bad)
		}
	}
}

func TestParseTrace(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	got := httpkit.ParseTrace(parent).String()
	if got[:36] != parent[:36] || got[52:] != parent[52:] || got == parent {
		t.Errorf("ParseTrace(%q) = %q", parent, got)
	}
	if got := httpkit.ParseTrace("01" + parent[2:] + "-more").ID(); got != parent[3:35] {
		t.Errorf("a later version is not continued: %s", got)
	}
	for _, bad := range []string{"", "00", strings.ToUpper(parent), "ff" + parent[2:], parent + "-x", "00-" + strings.Repeat("0", 32) + parent[35:],
		parent[:36] + strings.Repeat("0", 16) + "-01", "00-0af7651916cd43dd8448eb211c8031zz-b7ad6b7169203331-01"} {
		if got := httpkit.ParseTrace(bad); got.ID() == parent[3:35] || got.ID() == strings.Repeat("0", 32) {
			t.Errorf("ParseTrace(%q) = %s", bad, got)
		}
	}
}

func FuzzParseTrace(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, s string) {
		a := httpkit.ParseTrace(s)
		if b := httpkit.ParseTrace(a.String()); b.ID() != a.ID() {
			t.Errorf("%q: %s is not continued: %s", s, a, b)
		}
	})
}

func TestFindingsReadWell(t *testing.T) {
	f := newFixture(t)
	for body, want := range map[string]string{
		`{"amount":5}`: "amount: must be of type string", `{"amount":"x"}`: "amount: must match ^[0-9]+$", `{"amount":"5","kind":"C"}`: `kind: must be one of "A, B"`,
		`{"amount":"5","lines":["a",1]}`: "lines[1]: must be of type string", `{"amount":"5","more":1}`: "more: is not a member of this request",
	} {
		if _, p := f.do("POST", "/things/1", body); p.Detail != want {
			t.Errorf("%s: %s, want %s", body, p.Detail, want)
		}
	}
	if _, p := f.do("POST", "/things/1?limit=0", `{"amount":"5"}`); p.Detail != "limit: must be at least 1" {
		t.Errorf("limit=0: %s", p.Detail)
	}
}
