package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
)

// Limits of payload fields.
const (
	MaxUsersInBatch = 100
	MaxRemarkBytes  = 256
	MaxReasonBytes  = 1000
	MaxNameBytes    = 200  // of an organization, a title or the purpose of a loan
	MaxTextBytes    = 4000 // of a description
	MinGuardians    = 3
	MaxGuardians    = 10
	MaxStakeholders = 100  // the parameter orgMaxStakeholders may ask for fewer
	MaxTermDays     = 3650 // the parameter maxLoanDurationDays may ask for less
	MaxCompaction   = 10_000
)

// The ids that the contracts give begin with these.
const (
	LoanPrefix     = "LOAN_"
	MultiSigPrefix = "PENDING_TX_"
	ProposalPrefix = "PROP_"
	RecoveryPrefix = "RECOVERY_"
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
	orgSlug     = regexp.MustCompile(`^[a-z0-9-]{3,64}$`)
	staffName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)
	ledgerID    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,160}$`)
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
	if orgSlug.MatchString(id) {
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

// hash checks a SHA-256 in lower-case hex.
func (c *checks) hash(field, s string) {
	if !hash64.MatchString(s) {
		c.fail(field, "must be 64 characters (SHA-256 hex)")
	}
}

// people checks a list of different people, with their number.
func (c *checks) people(field string, ids []string, min, max int) {
	if len(ids) < min || len(ids) > max {
		c.fail(field, "must list %d to %d people", min, max)
		return
	}
	for i, id := range ids {
		at := fmt.Sprintf("%s[%d]", field, i)
		c.userID(at, id)
		if slices.Contains(ids[:i], id) {
			c.fail(at, "is listed twice")
		}
	}
}

// staffID accepts whoever decides in the name of the house: a person, a staff
// account or a scheduled job.
func (c *checks) staffID(field, id string) {
	if staffName.MatchString(id) {
		return
	}
	if _, err := gxid.Parse(id); err != nil {
		c.fail(field, "must be a GX id or a staff name")
	}
}

// person returns the actor that an id stands for: nobody when it is not a person's.
func person(id string) string {
	if _, err := gxid.Parse(id); err != nil {
		return ""
	}
	return id
}

// orgID accepts the id of an organization: a short name, or the GX id of a
// business, an NGO or a governmental organization.
func (c *checks) orgID(field, id string) {
	if orgSlug.MatchString(id) {
		return
	}
	parsed, err := gxid.Parse(id)
	switch {
	case err != nil:
		c.fail(field, "must be 3 to 64 lower-case letters, digits and hyphens, or the GX id of an organization")
	case parsed.Type != gxid.Business && parsed.Type != gxid.NonProfit && parsed.Type != gxid.Governmental:
		c.fail(field, "is a GX id, but not that of a business, an NGO or a government")
	}
}

// id checks an id that a contract gave.
func (c *checks) id(field, prefix, id string) {
	if rest, ok := strings.CutPrefix(id, prefix); !ok || !ledgerID.MatchString(rest) {
		c.fail(field, "must be an id that begins with %s", prefix)
	}
}

func (c *checks) amount(field string, a qirat.Amount) {
	if a == 0 {
		c.fail(field, "must be greater than 0")
	}
}

func (c *checks) reason(s string) { c.text("reason", s, 1, MaxReasonBytes) }

func (c *checks) differ(field, id, other, otherField string) {
	if id != "" && id == other {
		c.fail(field, "must differ from %s", otherField)
	}
}

// optional runs a check unless the argument is left out.
func optional(id string, check func(field, id string), field string) {
	if id != "" {
		check(field, id)
	}
}

// oneOf checks a word of a fixed list.
func oneOf[T ~string](c *checks, field string, word T, list ...T) {
	if slices.Contains(list, word) {
		return
	}
	names := make([]string, len(list))
	for i, w := range list {
		names[i] = string(w)
	}
	last := len(names) - 1
	c.fail(field, "must be %s or %s", strings.Join(names[:last], ", "), names[last])
}
