package command

import (
	"fmt"
	"regexp"
	"unicode"
	"unicode/utf8"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/gxid"
)

// Limits of payload fields.
const (
	MaxUsersInBatch = 100
	MaxRemarkBytes  = 256
	MaxReasonBytes  = 1000
)

// checks collects the field errors of one payload.
type checks struct{ errs FieldErrors }

func (c *checks) fail(field, format string, args ...any) {
	c.errs = append(c.errs, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

func (c *checks) err() error {
	if len(c.errs) == 0 {
		return nil
	}
	return c.errs
}

var (
	hash64      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
	orgID       = regexp.MustCompile(`^[a-z0-9-]{3,64}$`)
)

func (c *checks) userID(field, id string) {
	if id == "" {
		c.fail(field, "userID cannot be empty")
	} else if _, err := gxid.Parse(id); err != nil {
		c.fail(field, "%v", err)
	}
}

func (c *checks) country(field, code string) {
	if !countryCode.MatchString(code) {
		c.fail(field, "must be 2-letter ISO country code")
	}
}

// accountID accepts the form of any account: a person, an organization, a pool or a treasury.
func (c *checks) accountID(field, id string) {
	if code, ok := account.TreasuryCountry(id); ok {
		c.country(field, code)
		return
	}
	if account.IsSystem(id) {
		for _, p := range account.Pools {
			if p.Account == id {
				return
			}
		}
		c.fail(field, "is not a system account")
		return
	}
	if orgID.MatchString(id) {
		return
	}
	if _, err := gxid.Parse(id); err != nil {
		c.fail(field, "%v", err)
	}
}

// text checks free text that goes to the ledger: bounded, valid UTF-8, no control characters.
func (c *checks) text(field, s string, min, max int) {
	switch {
	case !utf8.ValidString(s):
		c.fail(field, "must be valid UTF-8")
	case len(s) > max:
		c.fail(field, "must be at most %d bytes", max)
	case utf8.RuneCountInString(s) < min:
		c.fail(field, "must have at least %d characters", min)
	default:
		for _, r := range s {
			if unicode.IsControl(r) {
				c.fail(field, "must not contain control characters")
				return
			}
		}
	}
}
