// Package gxid is the GX user id: "CC KKK LLLDDD TAAAA NNNN", 24 characters
// that carry a country, a checksum, a birth or founding date with the gender,
// an account type and a random part (domain.md 8.3).
//
// The id discloses birth date and gender to whoever sees it. The checksum
// protects the date block alone: errors elsewhere are found by exact lookup.
package gxid

import (
	"crypto/sha1"
	"errors"
	"strings"
	"time"
)

// Gender is what the date block of an individual's id encodes.
type Gender string

const (
	Male   Gender = "MALE"
	Female Gender = "FEMALE"
)

// The account types.
const (
	Individual           byte = '0'
	Business             byte = '1'
	NonProfit            byte = '2'
	Education            byte = '3'
	Healthcare           byte = '4'
	FinancialInstitution byte = '5'
	GovernmentTreasury   byte = '6'
	Governmental         byte = '7'
	Intergovernmental    byte = '8'
	DiplomaticMission    byte = '9'
	Trust                byte = 'A'
	SpecialPurpose       byte = 'E'
	System               byte = 'F'
)

// ID is a parsed GX id. Only Parse, New and NewOrganization make valid ones.
type ID struct {
	Country string    // two capital letters, in the form of ISO 3166-1 alpha-2
	Type    byte      // account type, Individual or that of an organization
	Born    time.Time // birth date, or founding date of an organization; UTC midnight
	Gender  Gender    // empty for organizations
	text    string
}

// String returns the 24-character form with spaces.
func (id ID) String() string { return id.text }

// The errors read well after the name of a field. A text that is not an id is
// exactly one of them.
var (
	// ErrSyntax reports text that does not have the form of a GX id.
	ErrSyntax = errors.New("is not a GX id (form: CC KKK LLLDDD TAAAA NNNN)")
	// ErrChecksum reports a date block that does not match its checksum.
	ErrChecksum = errors.New("is not a GX id: its checksum is wrong")
	// ErrDate reports a date that an id cannot carry, see New.
	ErrDate = errors.New("must carry a date (midnight UTC) from 1900-01-01 to 4000-01-01")
	// ErrType reports an account type that contradicts the date block: type 0
	// is an individual's, every other type an organization's.
	ErrType = errors.New("has an account type that does not fit its date block")
)

const (
	length = 24

	// The date block is the number of days since 1900-01-01 plus one of these.
	femaleFlag       = 500_000
	organizationFlag = 1_000_000

	secondsPerDay = 24 * 60 * 60
)

var (
	epoch     = time.Date(1900, time.January, 1, 0, 0, 0, 0, time.UTC)
	epochUnix = epoch.Unix()
	maxDays   = daysSinceEpoch(time.Date(4000, time.January, 1, 0, 0, 0, 0, time.UTC))
)

func daysSinceEpoch(date time.Time) int64 { return (date.Unix() - epochUnix) / secondsPerDay }

// Parse reads an id and checks its form, its checksum, that its date block
// decodes to a date up to 4000-01-01, and that its type agrees with the block.
func Parse(s string) (ID, error) {
	if !wellFormed(s) {
		return ID{}, ErrSyntax
	}
	block := [6]byte([]byte(s[7:13]))
	if checksum(block) != [3]byte([]byte(s[3:6])) {
		return ID{}, ErrChecksum
	}
	id := ID{Country: s[:2], Type: s[14], text: s}
	n := decodeBlock(block)
	switch {
	case n >= organizationFlag:
		n -= organizationFlag
	case n >= femaleFlag:
		n, id.Gender = n-femaleFlag, Female
	default:
		id.Gender = Male
	}
	if n > maxDays {
		return ID{}, ErrDate
	}
	if (id.Type == Individual) != (id.Gender != "") {
		return ID{}, ErrType
	}
	id.Born = time.Unix(epochUnix+n*secondsPerDay, 0).UTC()
	return id, nil
}

// Canonical returns an id that is written without its spaces, or with others,
// with them. Any other text is returned as it is.
func Canonical(s string) string {
	compact := strings.ReplaceAll(s, " ", "")
	if len(compact) != length-4 {
		return s
	}
	if id := compact[:2] + " " + compact[2:5] + " " + compact[5:11] + " " + compact[11:16] + " " + compact[16:]; wellFormed(id) {
		return id
	}
	return s
}

// wellFormed reports whether s matches
// ^[A-Z]{2} [0-9A-F]{3} [A-Z]{3}[0-9]{3} [0-9A-F][A-Z]{4} [0-9]{4}$.
func wellFormed(s string) bool {
	const form = "CC KKK LLLDDD KLLLL DDDD"
	if len(s) != length {
		return false
	}
	for i := range length {
		c := s[i]
		digit, letter := '0' <= c && c <= '9', 'A' <= c && c <= 'Z'
		var ok bool
		switch form[i] {
		case ' ':
			ok = c == ' '
		case 'D':
			ok = digit
		case 'K':
			ok = digit || letter && c <= 'F'
		default:
			ok = letter
		}
		if !ok {
			return false
		}
	}
	return true
}

// checksum is the first three hex digits of the SHA-1 of a date block. It finds
// typing errors; nothing rests on SHA-1 being a secure hash.
func checksum(block [6]byte) [3]byte {
	const hex = "0123456789ABCDEF"
	sum := sha1.Sum(block[:])
	return [3]byte{hex[sum[0]>>4], hex[sum[0]&15], hex[sum[1]>>4]}
}

// encodeBlock writes n / 1000 as three letters and n mod 1000 as three digits.
func encodeBlock(n int64) [6]byte {
	hi, lo := n/1000, n%1000
	return [6]byte{
		'A' + byte(hi/(26*26)), 'A' + byte(hi/26%26), 'A' + byte(hi%26),
		'0' + byte(lo/100), '0' + byte(lo/10%10), '0' + byte(lo%10),
	}
}

func decodeBlock(b [6]byte) int64 {
	letter := func(i int) int64 { return int64(b[i] - 'A') }
	digit := func(i int) int64 { return int64(b[i] - '0') }
	return (letter(0)*26*26+letter(1)*26+letter(2))*1000 + digit(3)*100 + digit(4)*10 + digit(5)
}
