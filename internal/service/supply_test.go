package service_test

import "testing"

// A read after one's own write is not answered from before it.
func TestSupplyAfter(t *testing.T) {
	s := newSystem(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	id := s.call("tokenomics", "POST", "/transfers", ada.bearer, map[string]any{"toID": bob.gx, "amount": "1"}, "Idempotency-Key", key()).want(t, 202, "").text("commandId")
	if a := s.call("tokenomics", "GET", "/supply", "", nil).want(t, 200, ""); a.text("asOfBlock") != "-1" {
		t.Errorf("supply %s", a.raw)
	}
	s.project(id, "APPLIED", "") // in block 7
	s.exec(`UPDATE read.checkpoint SET block = 7`)
	if a := s.call("tokenomics", "GET", "/supply", "", nil).want(t, 200, ""); a.text("asOfBlock") != "-1" {
		t.Errorf("not from the cache: %s", a.raw)
	}
	for _, path := range []string{"/supply", "/pools"} {
		s.call("tokenomics", "GET", path, "", nil, "GX-After", id).want(t, 200, "")
	}
	if a := s.call("tokenomics", "GET", "/supply", "", nil, "GX-After", id).want(t, 200, ""); a.text("asOfBlock") != "7" {
		t.Errorf("supply after the payment: %s", a.raw)
	}
	// With the answer at hand nobody makes us sum again.
	s.exec(`UPDATE read.checkpoint SET block = 8`)
	if a := s.call("tokenomics", "GET", "/supply", "", nil, "GX-After", id).want(t, 200, ""); a.text("asOfBlock") != "7" {
		t.Errorf("summed again: %s", a.raw)
	}
}
