// Package totp makes and checks the time-based one-time passwords of RFC 6238
// as every authenticator app has them: SHA-1, six digits, thirty seconds.
package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

const (
	period = 30 // seconds
	digits = 6
	// window is how many steps a clock may be off, either way.
	window = 1
)

// Secret is what the app and we share.
type Secret []byte

// NewSecret returns 160 random bits.
func NewSecret() Secret {
	s := make(Secret, 20)
	_, _ = rand.Read(s) // never fails
	return s
}

// String returns the secret in the form that is typed into an app.
func (s Secret) String() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(s)
}

// URL returns the otpauth address that an app reads as a QR code.
func (s Secret) URL(issuer, account string) string {
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + account,
		RawQuery: "secret=" + s.String() + "&issuer=" + url.PathEscape(issuer)}
	return u.String()
}

// Code returns the password of the moment t.
func (s Secret) Code(t time.Time) string { return s.at(t.Unix() / period) }

func (s Secret) at(step int64) string {
	mac := hmac.New(sha1.New, s)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash never fails
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", digits, n%1_000_000)
}

// Verify returns the time step of a password that holds at t, give or take a
// step. Steps up to last are used up: keep what is returned, so that a password
// works once.
func (s Secret) Verify(code string, t time.Time, last int64) (step int64, ok bool) {
	now := t.Unix() / period
	for step := now - window; step <= now+window; step++ {
		if step > last && subtle.ConstantTimeCompare([]byte(s.at(step)), []byte(code)) == 1 {
			return step, true
		}
	}
	return 0, false
}
