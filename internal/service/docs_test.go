package service_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"gxcoin.money/gx/internal/service"
)

// TestDocs opens the page of each service as a browser does: everything it names is
// there, and of this host.
func TestDocs(t *testing.T) {
	s := newSystem(t)
	get := func(door, path string) *httptest.ResponseRecorder {
		t.Helper()
		w := httptest.NewRecorder()
		s.doors[door].ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Cache-Control"), "public") {
			t.Fatalf("%s of %s: %d %v", path, door, w.Code, w.Header())
		}
		return w
	}
	for _, d := range service.Doors {
		page := get(d.Name, "/docs?api=gx")
		policy := page.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self';") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: Content-Security-Policy %s", d.Name, policy)
		}
		if other := regexp.MustCompile(`(?i)https?:|"//|<script>|\son\w+=`).FindString(page.Body.String()); other != "" {
			t.Errorf("the page of %s has %q", d.Name, other)
		}
		for _, path := range []string{"/openapi.json", "/docs/gx.json", "/docs/scalar.js"} {
			if !strings.Contains(page.Body.String(), path) {
				t.Errorf("the page of %s lacks %s", d.Name, path)
			}
		}
		if own := get(d.Name, "/openapi.json").Body.String(); !strings.Contains(own, `"title":"GX `+d.Name+`"`) {
			t.Errorf("the document of %s: %.100s", d.Name, own)
		}
		if all := get(d.Name, "/docs/gx.json").Body.String(); !strings.Contains(all, `"title": "GX"`) {
			t.Errorf("the document of the host: %.100s", all)
		}
	}
	script := get("tax", "/docs/scalar.js")
	z, err := gzip.NewReader(bytes.NewReader(script.Body.Bytes()))
	if err != nil || script.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("script: %v, %v", err, script.Header())
	}
	if text, err := io.ReadAll(z); err != nil || !bytes.Contains(text, []byte("@scalar/api-reference")) {
		t.Errorf("script of %d bytes: %v", len(text), err)
	}
}
