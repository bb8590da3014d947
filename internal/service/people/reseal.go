package people

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/sealed"
)

// portion is how many rows are sealed in one transaction.
const portion = 500

// SealPlain seals what was kept readable before personal data was sealed. It may
// be interrupted, repeated, and done by several processes at once.
func SealPlain(ctx context.Context, pool *pgxpool.Pool, r *sealed.Ring, x sealed.Index) (people int, err error) {
	for n := portion; n == portion && err == nil; people += n {
		n, err = sealPeople(ctx, pool, r, x)
	}
	for n := portion; n == portion && err == nil; {
		n, err = sealNotes(ctx, pool, r)
	}
	if err != nil {
		return people, fmt.Errorf("seal personal data: %w", err)
	}
	return people, nil
}

// plain is what a migration has put aside.
type plain struct {
	Email        string `json:"email"`
	Phone        string `json:"phone"`
	FirstName    string `json:"firstName"`
	LastName     string `json:"lastName"`
	DateOfBirth  string `json:"dateOfBirth"`
	Gender       string `json:"gender"`
	DenialReason string `json:"denialReason"`
}

func sealPeople(ctx context.Context, pool *pgxpool.Pool, r *sealed.Ring, x sealed.Index) (n int, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT profile_id, plain FROM app.people WHERE plain IS NOT NULL LIMIT $1 FOR UPDATE`, portion)
		if err != nil {
			return err
		}
		var b pgx.Batch
		var id uuid.UUID
		var raw []byte
		if _, err := pgx.ForEachRow(rows, []any{&id, &raw}, func() error {
			var p plain
			if err := json.Unmarshal(raw, &p, json.RejectUnknownMembers(true)); err != nil {
				return fmt.Errorf("person %s: %w", id, err)
			}
			seal := func(column, value string) []byte { return SealField(r, column, id, value) }
			b.Queue(`UPDATE app.people SET plain = NULL, email = $2, phone = $3, first_name = $4, last_name = $5, date_of_birth = $6, gender = $7,
				denial_reason = $8, email_hash = $9, phone_hash = $10, name_hashes = $11 WHERE profile_id = $1`,
				id, seal("email", p.Email), seal("phone", p.Phone), seal("first_name", p.FirstName), seal("last_name", p.LastName),
				seal("date_of_birth", p.DateOfBirth), seal("gender", p.Gender), seal("denial_reason", p.DenialReason),
				EmailHash(x, strings.ToLower(p.Email)), PhoneHash(x, p.Phone), NameHashes(x, p.FirstName, p.LastName))
			return nil
		}); err != nil {
			return err
		}
		n = b.Len()
		return tx.SendBatch(ctx, &b).Close()
	})
	return n, err
}

func sealNotes(ctx context.Context, pool *pgxpool.Pool, r *sealed.Ring) (n int, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT kyc_id, plain_notes FROM app.kyc_records WHERE plain_notes <> '' LIMIT $1 FOR UPDATE`, portion)
		if err != nil {
			return err
		}
		var b pgx.Batch
		var id uuid.UUID
		var notes string
		if _, err := pgx.ForEachRow(rows, []any{&id, &notes}, func() error {
			b.Queue(`UPDATE app.kyc_records SET plain_notes = '', notes = $2 WHERE kyc_id = $1`, id, r.Seal(NotesContext(id), []byte(notes)))
			return nil
		}); err != nil {
			return err
		}
		n = b.Len()
		return tx.SendBatch(ctx, &b).Close()
	})
	return n, err
}

// NotesContext names the place of what a reviewer noted.
func NotesContext(kyc uuid.UUID) string { return "kyc.notes " + kyc.String() }

// kept lists every column that is sealed, with the id of its row that is in its context.
var kept = []struct{ table, id, column, context string }{
	{"app.people", "profile_id", "email", "people.email"},
	{"app.people", "profile_id", "phone", "people.phone"},
	{"app.people", "profile_id", "first_name", "people.first_name"},
	{"app.people", "profile_id", "last_name", "people.last_name"},
	{"app.people", "profile_id", "date_of_birth", "people.date_of_birth"},
	{"app.people", "profile_id", "gender", "people.gender"},
	{"app.people", "profile_id", "denial_reason", "people.denial_reason"},
	{"app.kyc_records", "kyc_id", "notes", "kyc.notes"},
	{"app.sessions", "session_id", "address", "sessions.address"},
	{"app.staff", "staff_id", "email", "staff.email"},
	{"app.staff", "staff_id", "totp_secret", "staff.totp"},
	{"app.staff_invitations", "staff_id", "email", "staff.email"},
}

// Reseal seals with the current key whatever another key has sealed, so that the
// others can be taken off the ring, and returns how many fields that were. It may
// be interrupted, repeated, and done while services are at work.
func Reseal(ctx context.Context, pool *pgxpool.Pool, r *sealed.Ring) (fields int, err error) {
	for _, k := range kept {
		for n := portion; n == portion; fields += n {
			rows, err := pool.Query(ctx, fmt.Sprintf(`SELECT %s, %s FROM %s WHERE substring(%[2]s FROM 1 FOR $1) <> $2 LIMIT $3`, k.id, k.column, k.table),
				len(r.Prefix()), r.Prefix(), portion)
			if err != nil {
				return fields, fmt.Errorf("reseal %s.%s: %w", k.table, k.column, err)
			}
			var b pgx.Batch
			var id uuid.UUID
			var old []byte
			_, err = pgx.ForEachRow(rows, []any{&id, &old}, func() error {
				context := k.context + " " + id.String()
				plain, err := r.Open(context, old)
				if err != nil {
					return fmt.Errorf("row %s: %w", id, err)
				}
				// One that was written meanwhile has the current key already.
				b.Queue(fmt.Sprintf(`UPDATE %s SET %s = $3 WHERE %s = $1 AND %[2]s = $2`, k.table, k.column, k.id), id, old, r.Seal(context, plain))
				return nil
			})
			if n = b.Len(); err == nil {
				err = pool.SendBatch(ctx, &b).Close()
			}
			if err != nil {
				return fields, fmt.Errorf("reseal %s.%s: %w", k.table, k.column, err)
			}
		}
	}
	return fields, nil
}
