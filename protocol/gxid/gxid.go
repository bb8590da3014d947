// Package gxid is the GX user id (domain.md 8.3).
package gxid

import (
	"errors"
	"time"
)

// Gender is what the date block of an individual's id encodes.
type Gender string

const (
	Male   Gender = "MALE"
	Female Gender = "FEMALE"
)

// ID is a parsed GX id.
type ID struct {
	Country string    // ISO 3166-1 alpha-2
	Type    byte      // account type, '0' for an individual
	Born    time.Time // birth date, or founding date of an organization; UTC midnight
	Gender  Gender    // empty for organizations
	text    string
}

// String returns the 24-character form with spaces.
func (id ID) String() string { return id.text }

// ErrSyntax reports text that is not a GX id.
var ErrSyntax = errors.New("is not a GX id (form: CC KKK LLLDDD TAAAA NNNN)")

// Parse reads and checks an id, including the checksum.
func Parse(s string) (ID, error) { return ID{}, ErrSyntax }
