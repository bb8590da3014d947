package config

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
)

const redacted = "[redacted]"

// Secret is a value that is never printed.
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder, empty for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Guessable reports whether the value is one that people make up or copy from an
// example, not one that was drawn at random.
func (s Secret) Guessable() bool {
	seen := map[byte]bool{}
	for i := range len(s) {
		seen[s[i]] = true
	}
	text := strings.ToLower(string(s))
	return len(seen) < 8 || slices.ContainsFunc(madeUp, func(word string) bool { return strings.Contains(text, word) })
}

var madeUp = []string{"secret", "password", "changeme", "change-me", "change_me", "example", "default", "0123456789", "abcdefgh", "qwerty"}

// Listen is an address to listen on: HOST:PORT, where an empty host is every
// interface and port 0 any free one.
type Listen string

// Validate says what is wrong with the address.
func (l Listen) Validate() error {
	_, port, err := net.SplitHostPort(string(l))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT, as in 127.0.0.1:3001 or :3001", string(l))
	}
	return nil
}
