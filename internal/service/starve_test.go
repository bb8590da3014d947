package service_test

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/service"
)

// TestLoginsDoNotStarveTheRest sends far more logins at once than may be at work
// and wait: the others are refused at once, with a word on when to come back,
// and whoever reads meanwhile is answered.
func TestLoginsDoNotStarveTheRest(t *testing.T) {
	const slots, queue, logins = 1, 4, 60
	s := newSystem(t, func(d *service.Deps) { d.Passwords = password.New(password.Options{Parallel: slots, Queue: queue}) })
	s.open()
	ada := s.person("Ada", "CH", gx(5))
	send := func(doorName, method, path, bearer, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/api/v1"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+bearer)
		w := httptest.NewRecorder()
		s.doors[doorName].ServeHTTP(w, r)
		return w
	}
	answers := make([]*httptest.ResponseRecorder, logins)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			<-begin
			answers[i] = send("identity", "POST", "/auth/login", "", `{"email":"nobody@example.org","password":"`+secret+`"}`)
		})
	}
	close(begin)
	for range 20 {
		if w := send("tokenomics", "GET", "/wallets/me/balance", ada.bearer, ""); w.Code != 200 {
			t.Errorf("a read meanwhile: %d %s", w.Code, w.Body)
		}
	}
	wg.Wait()
	count := map[int]int{}
	for _, w := range answers {
		count[w.Code]++
		if w.Code == 503 && (!strings.Contains(w.Body.String(), "login_busy") || w.Header().Get("Retry-After") == "") {
			t.Errorf("refused with %v %s", w.Header(), w.Body)
		}
	}
	if count[401]+count[503] != logins || count[401] < slots+queue || count[503] == 0 {
		t.Errorf("answers %v of %d logins", count, logins)
	}
}
