package people

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/protocol/country"
	"gxcoin.money/gx/protocol/genesis"
)

// Rules collects what is wrong with the fields of a person (api.md 1.17).
type Rules struct{ Bad []problem.Field }

func (r *Rules) fail(field, code, format string, args ...any) {
	r.Bad = append(r.Bad, problem.Field{Field: field, Code: code, Message: fmt.Sprintf(format, args...)})
}

var domain = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$`)

var local = regexp.MustCompile("^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")

// Email returns the address trimmed and in lower case.
func (r *Rules) Email(field, s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	name, host, _ := strings.Cut(s, "@")
	switch {
	case s == "":
		r.fail(field, "EMAIL_REQUIRED", "is required")
	case len(s) < 5 || len(s) > 254 || len(name) > 64 || !local.MatchString(name) || !domain.MatchString(host):
		r.fail(field, "EMAIL_INVALID_FORMAT", "is not an e-mail address")
	}
	return s
}

// Name returns a name without outer spaces.
func (r *Rules) Name(field, s string) string {
	s = strings.TrimSpace(s)
	switch n := len([]rune(s)); {
	case n == 0:
		r.fail(field, "NAME_REQUIRED", "is required")
		return s
	case n > 100:
		r.fail(field, "NAME_TOO_LONG", "must have at most 100 characters")
		return s
	}
	letters := false
	for _, c := range s {
		letter := unicode.IsLetter(c)
		letters = letters || letter
		if !letter && !unicode.IsMark(c) && !strings.ContainsRune(" '’-.", c) {
			r.fail(field, "NAME_INVALID_CHARS", "may hold letters, spaces, apostrophes, hyphens and full stops")
			return s
		}
	}
	if !letters {
		r.fail(field, "NAME_INVALID_CHARS", "must hold letters")
	}
	return s
}

var e164 = regexp.MustCompile(`^\+?[1-9][0-9]{6,14}$`)

// Phone returns a number in E.164 form, nil for none.
func (r *Rules) Phone(field, s string) *string {
	if s == "" {
		return nil
	}
	s = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "").Replace(s)
	if !e164.MatchString(s) {
		r.fail(field, "PHONE_INVALID_FORMAT", "must be 7 to 15 digits with the country code, as in +41791234567")
		return nil
	}
	s = "+" + strings.TrimPrefix(s, "+")
	return &s
}

// Password applies the policy for new passwords.
func (r *Rules) Password(field, s string) {
	if s == "" {
		r.fail(field, "PASSWORD_REQUIRED", "is required")
	} else if code, message := password.Check(s); code != "" {
		r.fail(field, code, "%s", message)
	}
}

// Ages that may register.
const (
	minAge = genesis.MinAge
	maxAge = 120
)

// DateOfBirth reads YYYY-MM-DD.
func (r *Rules) DateOfBirth(field, s string, now time.Time) time.Time {
	born, err := time.Parse(time.DateOnly, s)
	switch {
	case s == "":
		r.fail(field, "DOB_REQUIRED", "is required")
	case err != nil:
		r.fail(field, "DOB_INVALID_FORMAT", "must be a date, YYYY-MM-DD")
	case born.After(now):
		r.fail(field, "DOB_FUTURE_DATE", "is in the future")
	case genesis.Age(born, now) < minAge:
		r.fail(field, "DOB_MIN_AGE", "must be at least %d years ago", minAge)
	case genesis.Age(born, now) > maxAge:
		r.fail(field, "DOB_MAX_AGE", "must be at most %d years ago", maxAge)
	}
	return born
}

// Gender returns MALE or FEMALE.
func (r *Rules) Gender(field, s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	switch s {
	case "MALE", "FEMALE":
	case "":
		r.fail(field, "GENDER_REQUIRED", "is required")
	default:
		r.fail(field, "GENDER_INVALID", "must be MALE or FEMALE")
	}
	return s
}

// Country returns the code of a known country, nil for none.
func (r *Rules) Country(field, s string) *string {
	if s == "" {
		return nil
	}
	if len(s) != 2 || s != strings.ToUpper(s) {
		r.fail(field, "COUNTRY_INVALID_FORMAT", "must be a two-letter code in upper case")
		return nil
	}
	if _, ok := Countries[s]; !ok {
		r.fail(field, "COUNTRY_NOT_FOUND", "is not a known country")
		return nil
	}
	return &s
}

// Countries holds the known countries by code.
var Countries = func() map[string]country.Country {
	out := map[string]country.Country{}
	for _, c := range country.All() {
		out[c.Code] = c
	}
	return out
}()

var document = regexp.MustCompile(`^[A-Z0-9]{4,32}$`)

// DocumentNumber returns the number in the form in which it is compared: upper
// case, without separators.
func (r *Rules) DocumentNumber(field, s string) string {
	s = strings.NewReplacer(" ", "", "-", "", "/", "", ".", "").Replace(strings.ToUpper(s))
	if !document.MatchString(s) {
		r.fail(field, problem.InvalidCode(field), "must be 4 to 32 letters and digits")
	}
	return s
}

// DocumentHash is what is kept of a national id: the same for the same number of the
// same country, of no use without the pepper. One national id is one person.
func DocumentHash(pepper []byte, nationality, number string) string {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(nationality + "|" + number))
	return hex.EncodeToString(mac.Sum(nil))
}
