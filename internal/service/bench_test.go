package service_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkTransfer accepts payments through the whole stack of a request, on
// the test database.
func BenchmarkTransfer(b *testing.B) {
	s := newSystem(b)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(1_000_000)), s.person("Bob", "CH", gx(0))
	body := `{"toID":"` + bob.gx + `","amount":"1","reason":"x"}`
	h := s.doors["tokenomics"]
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/api/v1/transfers", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+ada.bearer)
		r.Header.Set("Idempotency-Key", fmt.Sprintf("benchmark-key-%d", n))
		n++
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 202 {
			b.Fatal(w.Code, w.Body)
		}
	}
}
