package totp_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/internal/platform/totp"
)

// The vectors of RFC 6238, appendix B, in their last six digits.
func TestCode(t *testing.T) {
	s := totp.Secret("12345678901234567890")
	for unix, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := s.Code(time.Unix(unix, 0)); got != want {
			t.Errorf("code at %d is %s, want %s", unix, got, want)
		}
	}
}

func TestVerify(t *testing.T) {
	s := totp.NewSecret()
	now := time.Unix(1_800_000_000, 0)
	step := now.Unix() / 30
	for name, tc := range map[string]struct {
		code string
		last int64
		want int64
	}{
		"now":             {s.Code(now), 0, step},
		"a step behind":   {s.Code(now.Add(-30 * time.Second)), 0, step - 1},
		"a step ahead":    {s.Code(now.Add(30 * time.Second)), 0, step + 1},
		"two steps off":   {s.Code(now.Add(-60 * time.Second)), 0, 0},
		"used":            {s.Code(now), step, 0},
		"older than used": {s.Code(now.Add(-30 * time.Second)), step, 0},
		"next after used": {s.Code(now.Add(30 * time.Second)), step, step + 1},
		"empty":           {"", 0, 0},
		"too long":        {s.Code(now) + "0", 0, 0},
	} {
		got, ok := s.Verify(tc.code, now, tc.last)
		if got != tc.want || ok != (tc.want != 0) {
			t.Errorf("%s: step %d, %v; want %d", name, got, ok, tc.want)
		}
	}
	if _, ok := totp.NewSecret().Verify(s.Code(now), now, 0); ok {
		t.Error("another secret has the same password")
	}
}

func TestURL(t *testing.T) {
	s := totp.NewSecret()
	u, err := url.Parse(s.URL("GX Staff", "ada@example.org"))
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/GX Staff:ada@example.org" ||
		u.Query().Get("secret") != s.String() || u.Query().Get("issuer") != "GX Staff" {
		t.Errorf("%v, %v", u, err)
	}
	if len(s.String()) != 32 || strings.Contains(s.String(), "=") {
		t.Errorf("secret %s", s)
	}
}
