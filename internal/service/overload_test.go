package service_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/service"
)

// sample adds up what a metric says where a label has this value, or everywhere.
func sample(t *testing.T, reg prometheus.Gatherer, name, label string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && (label == "" || l.GetValue() == label) {
					sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// crowded returns a system that works on one request at once, in all its services
// together, and how many of them wait for others.
func crowded(t *testing.T) (s *system, a *httpkit.Admission, waiting func() float64) {
	t.Helper()
	reg := prometheus.NewRegistry()
	a, err := httpkit.NewAdmission(1, reg)
	if err != nil {
		t.Fatal(err)
	}
	return newSystem(t, func(d *service.Deps) { d.Admission = a }), a, func() float64 {
		t.Helper()
		return sample(t, reg, "gx_requests", "waiting")
	}
}

// What there is no room for is refused before anybody looks at it, at every door;
// whoever looks after the services is answered.
func TestOverloadedDoors(t *testing.T) {
	s, a, _ := crowded(t)
	s.open()
	ada := s.person("Ada", "CH", gx(5))
	leave, err := a.Admit(httptest.NewRequest("GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan answer)
	requests := 0
	for _, d := range service.Doors {
		for _, bearer := range []string{"", "nonsense", ada.bearer} {
			requests++
			go func() { answers <- s.call(d.Name, "GET", "/commands", bearer, nil) }()
		}
		for _, path := range []string{"//livez", "//readyz", "//health", "//openapi.json"} {
			s.call(d.Name, "GET", path, "", nil).want(t, 200, "")
		}
	}
	for range requests {
		a := (<-answers).want(t, 503, "overloaded")
		if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 {
			t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
		}
	}
	leave()
	s.call("tax", "GET", "/commands", ada.bearer, nil).want(t, 200, "")
}

// A request that waits for the ledger, and an event stream, let others in meanwhile.
func TestWaitingIsNotWork(t *testing.T) {
	s, _, waiting := crowded(t)
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	pay := func() string {
		return s.call("tokenomics", "POST", "/transfers", ada.bearer, map[string]any{"toID": bob.gx, "amount": "1000000"}, "Idempotency-Key", key()).
			want(t, 202, "").text("commandId")
	}
	until := func(n float64) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for deadline := time.After(patience); waiting() != n; {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("%v wait, want %v", waiting(), n)
			}
		}
	}
	first := pay()
	address, _ := s.serve("tokenomics")
	stream := openStream(t, address, "/commands/"+first+"/events", ada.bearer, "")
	stream.want("status")
	until(1)
	ends := make(chan answer, 2)
	go func() { ends <- s.call("tokenomics", "GET", "/commands/"+first, ada.bearer, nil, "Prefer", "wait=10") }()
	until(2)
	go func() { ends <- s.call("tokenomics", "GET", "/wallets/me/balance", ada.bearer, nil, "GX-After", first) }()
	until(3)

	second := pay()
	s.project(second, "APPLIED", "")
	s.project(first, "APPLIED", "")
	for range 2 {
		if a := <-ends; a.status != http.StatusOK {
			t.Errorf("after the wait: %d %s", a.status, a.raw)
		}
	}
	stream.want("status")
	stream.wantEnd()
	until(0)
}

// Customers can't add to more commands than the ledger can take in good time; what
// was accepted stays accepted, and staff can do what there is to do.
func TestBacklogIsBounded(t *testing.T) {
	const most = 3
	s := newSystem(t, func(d *service.Deps) { d.MaxBacklog = most })
	s.open()
	ada, bob := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(0))
	pay := func(k string) answer {
		return s.call("tokenomics", "POST", "/transfers", ada.bearer, map[string]any{"toID": bob.gx, "amount": "1000000"}, "Idempotency-Key", k)
	}
	keys := []string{key(), key(), key()}
	var accepted []string
	for _, k := range keys {
		accepted = append(accepted, pay(k).want(t, 202, "").text("commandId"))
	}
	s.exec(`UPDATE app.commands SET state = 'LOCKED' WHERE id = $1`, accepted[0])
	s.exec(`UPDATE app.commands SET state = 'RETRY' WHERE id = $1`, accepted[1])
	s.advance(5 * time.Second)
	if a := pay(key()).want(t, 503, "backlog_full"); a.header.Get("Retry-After") != "30" {
		t.Errorf("headers %v", a.header)
	}
	for i, k := range keys {
		if a := pay(k).want(t, 202, ""); a.text("commandId") != accepted[i] {
			t.Errorf("repeated: command %s, then %s", accepted[i], a.text("commandId"))
		}
	}
	_, owner := s.staff("SUPER_OWNER")
	s.call("tokenomics", "POST", "/wallets/"+bob.profile.String()+"/freeze", owner, map[string]any{"reason": "a report by the police"}, "Idempotency-Key", key()).want(t, 202, "")
	if n := s.count(`SELECT count(*) FROM app.commands`); n != most+1 {
		t.Errorf("%d commands", n)
	}
	if n := sample(t, s.deps.Registerer.(*prometheus.Registry), "gx_commands_refused_total", "tokenomics"); n != 1 {
		t.Errorf("%v refusals are counted", n)
	}

	for _, id := range accepted {
		s.project(id, "APPLIED", "")
	}
	pay(key()).want(t, 503, "backlog_full") // for another moment
	s.advance(5 * time.Second)
	pay(key()).want(t, 202, "")
}
