package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/httpkit"
)

// What is logged in the course of a request names it, and the command that it made.
func TestLogsNameTheRequest(t *testing.T) {
	var out strings.Builder
	log, err := logSettings{LogLevel: "info", LogFormat: "auto"}.open(&out)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) {
		log.InfoContext(r.Context(), "first")
		httpkit.From(r.Context()).CommandID = "c1"
		log.InfoContext(r.Context(), "second")
	})
	h, err := httpkit.NewHandler(mux, httpkit.Options{Log: slog.New(slog.DiscardHandler), Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("X-Request-Id", "r1")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	h.ServeHTTP(httptest.NewRecorder(), r)
	log.InfoContext(context.Background(), "outside")

	var got []string
	for line := range strings.Lines(out.String()) {
		var m map[string]string
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("not JSON, though this is no terminal: %s", line)
		}
		got = append(got, strings.Join([]string{m["msg"], m["requestId"], m["traceId"], m["commandId"]}, " "))
	}
	want := "first r1 0af7651916cd43dd8448eb211c80319c |second r1 0af7651916cd43dd8448eb211c80319c c1|outside   "
	if strings.Join(got, "|") != want {
		t.Errorf("got %q", got)
	}
}
