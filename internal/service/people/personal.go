package people

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/sealed"
)

// Personal is what is personal about a person. It is kept sealed, see Sealed.
type Personal struct {
	Email        string
	Phone        string
	FirstName    string
	LastName     string
	DateOfBirth  *time.Time
	Gender       string
	DenialReason string
}

// Sealed is Personal as it is at rest, nil where there is nothing.
type Sealed struct {
	Email, Phone, FirstName, LastName, DateOfBirth, Gender, DenialReason []byte
}

// fieldContext names the place of a column of a person.
func fieldContext(column string, profile uuid.UUID) string {
	return "people." + column + " " + profile.String()
}

// SealField seals one column of a person, nothing as nil.
func SealField(r *sealed.Ring, column string, profile uuid.UUID, value string) []byte {
	if value == "" {
		return nil
	}
	return r.Seal(fieldContext(column, profile), []byte(value))
}

// Seal seals what is personal about a person.
func Seal(r *sealed.Ring, profile uuid.UUID, p Personal) Sealed {
	var born string
	if p.DateOfBirth != nil {
		born = p.DateOfBirth.Format(time.DateOnly)
	}
	return Sealed{
		Email: SealField(r, "email", profile, p.Email), Phone: SealField(r, "phone", profile, p.Phone),
		FirstName: SealField(r, "first_name", profile, p.FirstName), LastName: SealField(r, "last_name", profile, p.LastName),
		DateOfBirth: SealField(r, "date_of_birth", profile, born), Gender: SealField(r, "gender", profile, p.Gender),
		DenialReason: SealField(r, "denial_reason", profile, p.DenialReason),
	}
}

// errNoKeys reports a process that was not given the keys of personal data.
var errNoKeys = errors.New("people: this process has no keys of personal data")

// Open opens what is personal about a person.
func (p Person) Open(r *sealed.Ring) (Personal, error) {
	var out Personal
	var born string
	for _, f := range []struct {
		column string
		field  []byte
		to     *string
	}{
		{"email", p.Sealed.Email, &out.Email}, {"phone", p.Sealed.Phone, &out.Phone},
		{"first_name", p.Sealed.FirstName, &out.FirstName}, {"last_name", p.Sealed.LastName, &out.LastName},
		{"date_of_birth", p.Sealed.DateOfBirth, &born}, {"gender", p.Sealed.Gender, &out.Gender},
		{"denial_reason", p.Sealed.DenialReason, &out.DenialReason},
	} {
		var err error
		if *f.to, err = OpenField(r, f.column, p.ProfileID, f.field); err != nil {
			return Personal{}, err
		}
	}
	if born != "" {
		at, err := time.Parse(time.DateOnly, born)
		if err != nil {
			return Personal{}, fmt.Errorf("date of birth of person %s: %w", p.ProfileID, err)
		}
		out.DateOfBirth = &at
	}
	return out, nil
}

// OpenField opens one column of a person, nil as nothing.
func OpenField(r *sealed.Ring, column string, profile uuid.UUID, field []byte) (string, error) {
	switch {
	case field == nil:
		return "", nil
	case r == nil:
		return "", errNoKeys
	}
	plain, err := r.Open(fieldContext(column, profile), field)
	if err != nil {
		return "", fmt.Errorf("%s of person %s: %w", column, profile, err)
	}
	return string(plain), nil
}

// EmailHash is what a person is found by instead of their e-mail address.
func EmailHash(x sealed.Index, email string) []byte { return x.Sum("people.email", email) }

// PhoneHash is what a person is found by instead of their number, nil for none.
func PhoneHash(x sealed.Index, phone string) []byte {
	if phone == "" {
		return nil
	}
	return x.Sum("people.phone", phone)
}

// NameHashes is what a person is found by instead of the words of their name,
// whatever their case.
func NameHashes(x sealed.Index, names ...string) [][]byte {
	hashes := [][]byte{}
	for _, name := range names {
		for word := range strings.FieldsSeq(cases.Fold().String(norm.NFKC.String(name))) {
			hashes = append(hashes, x.Sum("people.name", word))
		}
	}
	return hashes
}

// DisplayNames returns what counterparties may call the people with these GX
// ids; whoever is unknown is left out, and everybody in a process without keys.
func DisplayNames(ctx context.Context, db postgres.DB, r *sealed.Ring, ids []string) (map[string]string, error) {
	names := map[string]string{}
	if len(ids) == 0 || r == nil {
		return names, nil
	}
	rows, err := db.Query(ctx, `SELECT profile_id, gx_id, first_name, last_name FROM app.people
		WHERE gx_id = ANY($1) AND first_name IS NOT NULL`, ids)
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	var profile uuid.UUID
	var id string
	var first, last []byte
	if _, err := pgx.ForEachRow(rows, []any{&profile, &id, &first, &last}, func() error {
		f, err1 := OpenField(r, "first_name", profile, first)
		l, err2 := OpenField(r, "last_name", profile, last)
		names[id] = DisplayName(f, l)
		return errors.Join(err1, err2)
	}); err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	return names, nil
}

// New is a person who is not in the table yet.
type New struct {
	ProfileID uuid.UUID
	Personal
	PasswordHash string
	Nationality  *string
	Status       Status
	GXID         *string
	At           time.Time
}

// Insert stores a person. The unique indexes people_email and people_phone refuse
// what belongs to another.
func Insert(ctx context.Context, db postgres.DB, r *sealed.Ring, x sealed.Index, n New) error {
	s := Seal(r, n.ProfileID, n.Personal)
	if _, err := db.Exec(ctx, `INSERT INTO app.people (profile_id, email, phone, first_name, last_name, date_of_birth, gender, denial_reason,
			email_hash, phone_hash, name_hashes, password_hash, nationality, status, gx_id, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)`,
		n.ProfileID, s.Email, s.Phone, s.FirstName, s.LastName, s.DateOfBirth, s.Gender, s.DenialReason,
		EmailHash(x, n.Email), PhoneHash(x, n.Phone), NameHashes(x, n.FirstName, n.LastName), n.PasswordHash, n.Nationality, n.Status, n.GXID, n.At); err != nil {
		return fmt.Errorf("store person: %w", err)
	}
	return nil
}

// Update stores what p changes to, unless p has changed since it was read: then it
// returns ErrNotFound. The unique indexes refuse what belongs to another.
func Update(ctx context.Context, db postgres.DB, r *sealed.Ring, x sealed.Index, p Person, to Personal, at time.Time) error {
	s := Seal(r, p.ProfileID, to)
	tag, err := db.Exec(ctx, `UPDATE app.people SET phone = $3, first_name = $4, last_name = $5, date_of_birth = $6, gender = $7,
			phone_hash = $8, name_hashes = $9, nationality = $10, updated_at = $11, version = version + 1 WHERE profile_id = $1 AND version = $2`,
		p.ProfileID, p.Version, s.Phone, s.FirstName, s.LastName, s.DateOfBirth, s.Gender,
		PhoneHash(x, to.Phone), NameHashes(x, to.FirstName, to.LastName), p.Nationality, at)
	if err != nil {
		return fmt.Errorf("change person: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return nil
}
