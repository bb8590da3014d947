package service_test

import (
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
	named := regexp.MustCompile(`(?:href|src|data-document)="(/[^"]*)"`)
	foreign := regexp.MustCompile(`(?i)https?:|"//|<script>|<style|\s(on\w+|style)=`)
	for _, d := range service.Doors {
		for path, document := range map[string]string{"/docs": "/openapi.json", "/docs?api=gx": "/docs/gx.json"} {
			page := get(d.Name, path)
			if policy := page.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") ||
				!strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s of %s: Content-Security-Policy %s", path, d.Name, policy)
			}
			html := page.Body.String()
			if what := foreign.FindString(html); what != "" {
				t.Errorf("%s of %s has %q", path, d.Name, what)
			}
			paths := named.FindAllStringSubmatch(html, -1)
			if len(paths) < 8 {
				t.Errorf("%s of %s names no more than %q", path, d.Name, paths)
			}
			for _, m := range paths {
				get(d.Name, m[1])
			}
			if !strings.Contains(html, `data-document="`+document+`"`) {
				t.Errorf("%s of %s does not show %s", path, d.Name, document)
			}
		}
		if own := get(d.Name, "/openapi.json").Body.String(); !strings.Contains(own, `"title":"GX `+d.Name+`"`) {
			t.Errorf("the document of %s: %.100s", d.Name, own)
		}
		if all := get(d.Name, "/docs/gx.json").Body.String(); !strings.Contains(all, `"title": "GX"`) {
			t.Errorf("the document of the host: %.100s", all)
		}
	}
	script := get("tax", "/docs/swagger-ui.js")
	z, err := gzip.NewReader(script.Body)
	if err != nil || script.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("script: %v, %v", err, script.Header())
	}
	if text, err := io.ReadAll(z); err != nil || !strings.Contains(string(text), "SwaggerUIBundle") {
		t.Errorf("script of %d bytes: %v", len(text), err)
	}
}
