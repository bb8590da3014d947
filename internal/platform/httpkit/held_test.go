package httpkit_test

import (
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/httpkit"
)

// answering serves one answer that the header of the request does not change.
func answering(t *testing.T, method string, body string, header ...string) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc(method+" /x", func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		for part := range strings.SplitSeq(body, "|") { // in pieces
			_, _ = io.WriteString(w, part)
		}
	})
	h, err := httpkit.NewHandler(mux, httpkit.Options{Log: slog.New(slog.DiscardHandler), Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/x", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestETag(t *testing.T) {
	const body = `{"a":|1}`
	h := answering(t, "GET", body, "Content-Type", "application/json", "Cache-Control", "private, no-cache")
	first := ask(h, "GET")
	tag := first.Header().Get("ETag")
	if first.Code != 200 || first.Body.String() != `{"a":1}` || !strings.HasPrefix(tag, `W/"`) {
		t.Fatalf("%d %v %s", first.Code, first.Header(), first.Body)
	}
	if other := ask(answering(t, "GET", `{"a":2}`, "Content-Type", "application/json", "Cache-Control", "private, no-cache"), "GET"); other.Header().Get("ETag") == tag {
		t.Error("another body has the same tag")
	}
	for name, field := range map[string]string{"same": tag, "strong": strings.TrimPrefix(tag, "W/"), "one of": `"x", ` + tag, "any": "*"} {
		w := ask(h, "GET", "If-None-Match", field)
		if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != tag || w.Header().Get("Content-Type") != "" ||
			w.Header().Get("Cache-Control") == "" || w.Header().Get("Vary") == "" {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
	if w := ask(h, "GET", "If-None-Match", `"x"`); w.Code != 200 || w.Body.Len() == 0 {
		t.Errorf("another tag: %d", w.Code)
	}
	for name, h := range map[string]http.Handler{
		"not to be stored": answering(t, "GET", body, "Content-Type", "application/json", "Cache-Control", "no-store"),
		"of a POST":        answering(t, "POST", body, "Content-Type", "application/json", "Cache-Control", "private"),
		"of another kind":  answering(t, "GET", body, "Content-Type", "image/png", "Cache-Control", "private"),
	} {
		method := "GET"
		if name == "of a POST" {
			method = "POST"
		}
		if w := ask(h, method, "If-None-Match", "*"); w.Code != 200 || w.Header().Get("ETag") != "" || w.Body.String() != `{"a":1}` {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
}

func TestCompression(t *testing.T) {
	long := `{"a":"` + strings.Repeat("0123456789|", 300) + `"}`
	huge := `{"a":"` + strings.Repeat("0123456789|", 200_000) + `"}`
	asJSON := []string{"Content-Type", "application/json; charset=utf-8", "Cache-Control", "private, no-cache"}
	for name, tc := range map[string]struct {
		method, body, accept string
		header               []string
		zipped               bool
	}{
		"long":           {"GET", long, "br, gzip", asJSON, true},
		"any":            {"GET", long, "*", asJSON, true},
		"weighed":        {"GET", long, "gzip;q=0.5", asJSON, true},
		"refused":        {"GET", long, "gzip;q=0", asJSON, false},
		"refused long":   {"GET", long, "gzip; q=0.000", asJSON, false},
		"not asked":      {"GET", long, "", asJSON, false},
		"other":          {"GET", long, "br", asJSON, false},
		"short":          {"GET", `{"a":1}`, "gzip", asJSON, false},
		"too long":       {"GET", huge, "gzip", asJSON, false},
		"with tokens":    {"POST", long, "gzip", asJSON, false},
		"picture":        {"GET", long, "gzip", []string{"Content-Type", "image/png"}, false},
		"compressed":     {"GET", long, "gzip", []string{"Content-Type", "text/javascript", "Content-Encoding", "identity"}, false},
		"to be streamed": {"GET", long, "gzip", []string{"Content-Type", "text/event-stream"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var header []string
			if tc.accept != "" {
				header = []string{"Accept-Encoding", tc.accept}
			}
			w := ask(answering(t, tc.method, tc.body, tc.header...), tc.method, header...)
			var body io.Reader = w.Body
			if zipped := w.Header().Get("Content-Encoding") == "gzip"; zipped != tc.zipped {
				t.Fatalf("compressed: %t", zipped)
			} else if zipped {
				if w.Body.Len() > len(tc.body)/4 {
					t.Errorf("%d bytes of %d", w.Body.Len(), len(tc.body))
				}
				var err error
				if body, err = gzip.NewReader(w.Body); err != nil {
					t.Fatal(err)
				}
			}
			got, err := io.ReadAll(body)
			if err != nil || string(got) != strings.ReplaceAll(tc.body, "|", "") {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	plain := ask(answering(t, "GET", long, asJSON...), "GET")
	zipped := ask(answering(t, "GET", long, asJSON...), "GET", "Accept-Encoding", "gzip")
	if plain.Header().Get("ETag") != zipped.Header().Get("ETag") || plain.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("%v and %v", plain.Header(), zipped.Header())
	}
}
