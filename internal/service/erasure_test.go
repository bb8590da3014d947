package service_test

import "testing"

// Who is refused an erasure with the right password has guessed nothing: the
// first typing error afterwards does not lock them out.
func TestErasureIsNoGuess(t *testing.T) {
	s := newSystem(t)
	s.open()
	p := s.person("Ada", "CH", gx(500))
	for range 6 {
		s.call("identity", "POST", "/users/me/erasure", p.bearer, map[string]string{"password": secret}, "Idempotency-Key", key()).want(t, 409, "account_not_empty")
	}
	login := func(password string) answer {
		return s.call("identity", "POST", "/auth/login", "", map[string]string{"email": "ada@example.org", "password": password})
	}
	login("Wrong horse 1").want(t, 401, "invalid_credentials")
	login(secret).want(t, 200, "")
}
