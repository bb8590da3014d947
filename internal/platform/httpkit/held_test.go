package httpkit_test

import (
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

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
	if w := ask(h, "HEAD"); w.Code != 200 || w.Header().Get("ETag") != tag {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
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

func decompress(coding string, r io.Reader) ([]byte, error) {
	switch coding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	case "zstd":
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return io.ReadAll(z)
	}
	return io.ReadAll(r)
}

func TestCompression(t *testing.T) {
	long := `{"a":"` + strings.Repeat("0123456789|", 300) + `"}`
	huge := `{"a":"` + strings.Repeat("0123456789|", 200_000) + `"}`
	asJSON := []string{"Content-Type", "application/json; charset=utf-8", "Cache-Control", "private, no-cache"}
	for name, tc := range map[string]struct {
		method, body, accept string
		header               []string
		coding               string
	}{
		"long":           {"GET", long, "br, gzip", asJSON, "gzip"},
		"browser":        {"GET", long, "gzip, deflate, br, zstd", asJSON, "zstd"},
		"any":            {"GET", long, "*", asJSON, "zstd"},
		"any other":      {"GET", long, "zstd;q=0, *", asJSON, "gzip"},
		"weighed":        {"GET", long, "gzip;q=0.5", asJSON, "gzip"},
		"preferred":      {"GET", long, "zstd; q=0.5, GZIP; Q=0.9", asJSON, "gzip"},
		"equal":          {"GET", long, "gzip;q=0.5, zstd;q=0.5", asJSON, "zstd"},
		"refused":        {"GET", long, "gzip;q=0", asJSON, ""},
		"refused long":   {"GET", long, "gzip; q=0.000", asJSON, ""},
		"all refused":    {"GET", long, "*;q=0", asJSON, ""},
		"no weight":      {"GET", long, "gzip;q=x", asJSON, ""},
		"not asked":      {"GET", long, "", asJSON, ""},
		"other":          {"GET", long, "br, identity", asJSON, ""},
		"short":          {"GET", `{"a":1}`, "gzip, zstd", asJSON, ""},
		"too long":       {"GET", huge, "gzip, zstd", asJSON, ""},
		"with tokens":    {"POST", long, "gzip, zstd", asJSON, ""},
		"picture":        {"GET", long, "gzip, zstd", []string{"Content-Type", "image/png"}, ""},
		"compressed":     {"GET", long, "gzip, zstd", []string{"Content-Type", "text/javascript", "Content-Encoding", "identity"}, "identity"},
		"to be streamed": {"GET", long, "gzip, zstd", []string{"Content-Type", "text/event-stream"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var header []string
			if tc.accept != "" {
				header = []string{"Accept-Encoding", tc.accept}
			}
			w := ask(answering(t, tc.method, tc.body, tc.header...), tc.method, header...)
			if coding := w.Header().Get("Content-Encoding"); coding != tc.coding {
				t.Fatalf("compressed as %q", coding)
			}
			if n := w.Body.Len(); (tc.coding == "gzip" || tc.coding == "zstd") && n > len(tc.body)/4 {
				t.Errorf("%d bytes of %d", n, len(tc.body))
			}
			got, err := decompress(tc.coding, w.Body)
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
