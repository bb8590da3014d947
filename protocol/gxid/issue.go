package gxid

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Errors of New and NewOrganization for arguments no id can carry.
var (
	ErrCountry = errors.New("must be 2-letter ISO country code")
	ErrGender  = errors.New("must be MALE or FEMALE")
	// ErrAccountType reports a type that no organization can have: individual,
	// reserved (B, C, D) or unknown.
	ErrAccountType = errors.New("must be an account type of organizations: 1 to 9, A, E or F")
)

// New issues an id for a person. The random part is drawn uniformly from rand,
// which must be cryptographically secure; it has 4.57e9 values for people of
// one country, birth date and gender, so the caller draws again when an id is taken.
//
// born must be midnight UTC of a calendar date from 1900-01-01 on, and early
// enough for the date block (before 3268-12-14). Whether it lies in the future
// is for the caller, who has a clock.
func New(rand io.Reader, country string, born time.Time, g Gender) (ID, error) {
	n, err := days(born)
	if err != nil {
		return ID{}, err
	}
	if n >= femaleFlag {
		return ID{}, ErrDate
	}
	switch g {
	case Male:
	case Female:
		n += femaleFlag
	default:
		return ID{}, ErrGender
	}
	return issue(rand, country, Individual, n)
}

// NewOrganization issues an id for an organization of one of the account types,
// other than Individual. founded follows the rules of New, up to 4000-01-01.
func NewOrganization(rand io.Reader, country string, founded time.Time, accountType byte) (ID, error) {
	n, err := days(founded)
	if err != nil {
		return ID{}, err
	}
	switch {
	case '1' <= accountType && accountType <= '9', accountType == Trust, accountType == SpecialPurpose, accountType == System:
	default:
		return ID{}, ErrAccountType
	}
	return issue(rand, country, accountType, n+organizationFlag)
}

// days refuses a time that is not a date in UTC: taken in another zone it may
// be another day.
func days(date time.Time) (int64, error) {
	if !date.Equal(date.UTC().Truncate(24 * time.Hour)) {
		return 0, ErrDate
	}
	n := daysSinceEpoch(date)
	if date.Before(epoch) || n > maxDays {
		return 0, ErrDate
	}
	return n, nil
}

func issue(rand io.Reader, country string, accountType byte, n int64) (ID, error) {
	if len(country) != 2 || country[0] < 'A' || country[0] > 'Z' || country[1] < 'A' || country[1] > 'Z' {
		return ID{}, ErrCountry
	}
	const letters, digits = 26 * 26 * 26 * 26, 10_000
	r, err := uniform(rand, letters*digits)
	if err != nil {
		return ID{}, fmt.Errorf("gxid: %w", err)
	}
	l, d := r/digits, r%digits
	block := encodeBlock(n)
	sum := checksum(block)
	return Parse(fmt.Sprintf("%s %s %s %c%c%c%c%c %04d", country, sum[:], block[:], accountType,
		'A'+l/(26*26*26), 'A'+l/(26*26)%26, 'A'+l/26%26, 'A'+l%26, d))
}

// uniform draws from 0..n-1. Draws from the incomplete last multiple of n are
// thrown away: they would make small results likelier.
func uniform(rand io.Reader, n uint64) (uint64, error) {
	limit := math.MaxUint64 / n * n
	for {
		var b [8]byte
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return 0, err
		}
		if v := binary.BigEndian.Uint64(b[:]); v < limit {
			return v % n, nil
		}
	}
}
