package token_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/token"
)

type fixture struct {
	now    time.Time
	signer *token.Signer
	keys   *token.KeySet
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	f.signer = newSigner(t, f)
	pool := pgtest.New(t).Pool(t, "gx_service")
	if err := f.signer.Publish(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	f.keys = token.NewKeySet(pool, f.clock)
	return f
}

func (f *fixture) clock() time.Time { return f.now }

func newSigner(t *testing.T, f *fixture) *token.Signer {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.NewSigner(key, f.clock)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t *testing.T, s *token.Signer) string {
	t.Helper()
	raw, err := s.Sign(uuid.New(), uuid.New(), token.Customers)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSignAndVerify(t *testing.T) {
	f := newFixture(t)
	subject, session := uuid.New(), uuid.New()
	raw, err := f.signer.Sign(subject, session, token.Staff)
	if err != nil {
		t.Fatal(err)
	}
	want := token.Claims{Subject: subject, Session: session, Audience: token.Staff, Expires: f.now.Add(token.AccessLifetime)}
	for range 2 { // the second comes from the cache
		got, err := f.keys.Verify(t.Context(), raw)
		if err != nil || !got.Expires.Equal(want.Expires) || got.Subject != subject || got.Session != session || got.Audience != token.Staff {
			t.Fatalf("Verify = %+v, %v; want %+v", got, err, want)
		}
	}
	f.now = f.now.Add(token.AccessLifetime + time.Minute)
	if _, err := f.keys.Verify(t.Context(), raw); !errors.Is(err, token.ErrExpired) {
		t.Errorf("cached and expired: %v", err)
	}
	if payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1]); strings.Contains(string(payload), "@") {
		t.Errorf("claims name a person: %s", payload)
	}
}

func TestForgeries(t *testing.T) {
	f := newFixture(t)
	good := sign(t, f.signer)
	header := func(raw string) map[string]any {
		b, _ := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
		var h map[string]any
		_ = json.Unmarshal(b, &h)
		return h
	}
	kid, _ := header(good)["kid"].(string)
	_, foreign, _ := ed25519.GenerateKey(rand.Reader)
	claims := jwt.MapClaims{"iss": token.Issuer, "sub": uuid.NewString(), "sid": uuid.NewString(), "aud": []string{"gx-api"}, "exp": f.now.Add(time.Hour).Unix()}
	forge := func(m jwt.SigningMethod, key any, change func(h map[string]any, c jwt.MapClaims)) string {
		c := jwt.MapClaims{}
		for k, v := range claims {
			c[k] = v
		}
		tok := jwt.NewWithClaims(m, c)
		tok.Header["kid"] = kid
		if change != nil {
			change(tok.Header, c)
		}
		raw, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	parts := strings.Split(good, ".")
	for name, raw := range map[string]string{
		"empty":         "",
		"refresh token": string(token.NewRefresh()),
		"alg none":      forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"HMAC with kid": forge(jwt.SigningMethodHS256, []byte("secret"), nil),
		"foreign key":   forge(jwt.SigningMethodEdDSA, foreign, nil),
		"unknown kid":   forge(jwt.SigningMethodEdDSA, foreign, func(h map[string]any, _ jwt.MapClaims) { h["kid"] = "x" }),
		"no kid":        forge(jwt.SigningMethodEdDSA, foreign, func(h map[string]any, _ jwt.MapClaims) { delete(h, "kid") }),
		"cut":           parts[0] + "." + parts[1] + ".",
		"other claims":  parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x"}`)) + "." + parts[2],
		"long":          strings.Repeat("a", 5000),
	} {
		if c, err := f.keys.Verify(t.Context(), raw); !errors.Is(err, token.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// Tokens signed with our own key but with wrong claims are refused too.
func TestClaimsArePinned(t *testing.T) {
	f := newFixture(t)
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	pool := pgtest.New(t).Pool(t, "gx_service")
	if _, err := pool.Exec(t.Context(), `INSERT INTO app.token_keys VALUES ('k', $1, now())`, []byte(key.Public().(ed25519.PublicKey))); err != nil {
		t.Fatal(err)
	}
	keys := token.NewKeySet(pool, f.clock)
	base := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": token.Issuer, "sub": uuid.NewString(), "sid": uuid.NewString(), "aud": "gx-api", "exp": f.now.Add(time.Minute).Unix()}
	}
	for name, tc := range map[string]struct {
		change func(jwt.MapClaims)
		want   error
	}{
		"good":          {func(jwt.MapClaims) {}, nil},
		"issuer":        {func(c jwt.MapClaims) { c["iss"] = "else" }, token.ErrMalformed},
		"no expiry":     {func(c jwt.MapClaims) { delete(c, "exp") }, token.ErrMalformed},
		"expired":       {func(c jwt.MapClaims) { c["exp"] = f.now.Add(-time.Minute).Unix() }, token.ErrExpired},
		"not yet":       {func(c jwt.MapClaims) { c["nbf"] = f.now.Add(time.Minute).Unix() }, token.ErrMalformed},
		"no session":    {func(c jwt.MapClaims) { delete(c, "sid") }, token.ErrMalformed},
		"two audiences": {func(c jwt.MapClaims) { c["aud"] = []string{"gx-api", "gx-admin"} }, token.ErrMalformed},
		"no audience":   {func(c jwt.MapClaims) { delete(c, "aud") }, token.ErrMalformed},
		"subject":       {func(c jwt.MapClaims) { c["sub"] = "me" }, token.ErrMalformed},
	} {
		c := base()
		tc.change(c)
		tok := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c)
		tok.Header["kid"] = "k"
		raw, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Verify(t.Context(), raw); !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestNewKeysAreFound(t *testing.T) {
	f := newFixture(t)
	pool := pgtest.New(t).Pool(t, "gx_service")
	keys := token.NewKeySet(pool, f.clock)
	late := newSigner(t, f)
	if _, err := keys.Verify(t.Context(), sign(t, late)); !errors.Is(err, token.ErrMalformed) {
		t.Fatalf("before the key is published: %v", err)
	}
	if err := late.Publish(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if err := late.Publish(t.Context(), pool); err != nil {
		t.Fatalf("published twice: %v", err)
	}
	raw := sign(t, late)
	if _, err := keys.Verify(t.Context(), raw); !errors.Is(err, token.ErrMalformed) {
		t.Errorf("the keys are read for every unknown kid: %v", err)
	}
	f.now = f.now.Add(3 * time.Second)
	if _, err := keys.Verify(t.Context(), raw); err != nil {
		t.Errorf("after a while: %v", err)
	}
	jwks, err := keys.JWKS(t.Context())
	if err != nil || len(jwks) != 1 || jwks[0].KeyType != "OKP" || jwks[0].Curve != "Ed25519" || jwks[0].X == "" {
		t.Errorf("JWKS %+v, %v", jwks, err)
	}
}

func TestNoDatabaseIsNotARefusal(t *testing.T) {
	f := newFixture(t)
	pool := pgtest.New(t).Pool(t, "gx_service")
	keys := token.NewKeySet(pool, f.clock)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keys.Verify(ctx, sign(t, f.signer)); !errors.Is(err, token.ErrKeys) {
		t.Errorf("%v, want ErrKeys", err)
	}
}

func TestRefreshIsRandom(t *testing.T) {
	a, b := token.NewRefresh(), token.NewRefresh()
	if a == b || len(a) < 43 || string(a.Hash()) == string(b.Hash()) || len(a.Hash()) != 32 {
		t.Errorf("%s %s", a, b)
	}
}

// Three rolling restarts replace a key; nobody's token fails meanwhile.
func TestRotation(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	pool := pgtest.New(t).Pool(t, "gx_service")
	start := func(keys ...[]byte) *token.Signer {
		t.Helper()
		s, err := token.NewSigner(bytes.Join(keys, nil), f.clock)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Publish(ctx, pool); err != nil {
			t.Fatal(err)
		}
		return s
	}
	generate := func() []byte {
		key, err := token.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	accepted := func(k *token.KeySet, raw ...string) {
		t.Helper()
		for i, r := range raw {
			if _, err := k.Verify(ctx, r); err != nil {
				t.Errorf("token %d: %v", i, err)
			}
		}
	}
	previous, next := generate(), generate()
	a := start(previous)
	verifier := token.NewKeySet(pool, f.clock) // another process, which is never restarted
	first := sign(t, a)
	accepted(verifier, first)

	f.now = f.now.Add(time.Minute)
	b := start(previous, next)
	f.now = f.now.Add(time.Minute)
	second := sign(t, b)
	accepted(verifier, second)
	c := start(next, previous)
	third := sign(t, c)
	accepted(verifier, second, third) // the new key is known before its first token
	if jwks, err := verifier.JWKS(ctx); err != nil || len(jwks) != 2 {
		t.Errorf("JWKS %+v, %v", jwks, err)
	}

	start(next)
	list, err := token.List(ctx, pool)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	old := list[1].KeyID
	if err := token.Retire(ctx, pool, f.clock, old); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(30 * time.Second)
	accepted(verifier, third)
	if _, err := verifier.Verify(ctx, second); !errors.Is(err, token.ErrMalformed) {
		t.Errorf("a token of the retired key: %v", err)
	}
	if jwks, err := verifier.JWKS(ctx); err != nil || len(jwks) != 1 || jwks[0].KeyID == old {
		t.Errorf("JWKS %+v, %v", jwks, err)
	}
	// Who still has the retired key must not sign with it.
	if s, err := token.NewSigner(previous, f.clock); err != nil || !errors.Is(s.Publish(ctx, pool), token.ErrRetired) {
		t.Errorf("the retired key signs again: %v", err)
	}
	if err := token.Retire(ctx, pool, f.clock, "x"); !errors.Is(err, token.ErrUnknownKey) {
		t.Errorf("an unknown key: %v", err)
	}
}

// What is known goes on while the database is away.
func TestKeysOutliveAnOutage(t *testing.T) {
	f := newFixture(t)
	raw := sign(t, f.signer)
	if _, err := f.keys.Verify(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.now = f.now.Add(time.Minute)
	for _, token := range []string{raw, sign(t, f.signer)} {
		if _, err := f.keys.Verify(ctx, token); err != nil {
			t.Error(err)
		}
	}
}
