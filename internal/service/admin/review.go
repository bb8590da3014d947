package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/genesis"
	"gxcoin.money/gx/protocol/gxid"
)

type approveInput struct {
	UserID string `path:"userId" doc:"Profile id"`
	Body   *struct {
		Notes string `json:"notes,omitzero" maxLength:"1000" doc:"For the record"`
	}
}

type reviewOutput struct {
	Body struct {
		Success      bool          `json:"success"`
		Message      string        `json:"message"`
		FabricUserID string        `json:"fabricUserId,omitzero" doc:"GX id"`
		Status       people.Status `json:"status"`
	}
}

// gxidAttempts bounds how often an id that is taken is drawn again.
const gxidAttempts = 10

// approve gives a person their GX id. Only one of several reviewers wins.
func (s admin) approve(ctx context.Context, in *approveInput) (*reviewOutput, error) {
	p, err := s.find(ctx, in.UserID)
	if err != nil {
		return nil, err
	}
	if err := reviewable(p); err != nil {
		return nil, err
	}
	own, err := p.Open(s.Fields)
	if err != nil {
		return nil, err
	}
	if p.Nationality == nil || own.DateOfBirth == nil || own.Gender == "" {
		return nil, problem.New(http.StatusUnprocessableEntity, "profile_incomplete", "Country, date of birth and gender are missing.")
	}
	var notes string
	if in.Body != nil {
		notes = in.Body.Notes
	}
	for range gxidAttempts {
		id, err := gxid.New(rand.Reader, *p.Nationality, *own.DateOfBirth, gxid.Gender(own.Gender))
		if err != nil {
			return nil, fmt.Errorf("new GX id: %w", err)
		}
		err = s.review(ctx, p.ProfileID, people.PendingOnchain, "APPROVED", notes, `gx_id = $5`, id.String())
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.ConstraintName == "people_gx_id_key" {
			continue
		}
		if err != nil {
			return nil, err
		}
		var out reviewOutput
		out.Body.Success, out.Body.Message = true, "Approved; register on the ledger next."
		out.Body.FabricUserID, out.Body.Status = id.String(), people.PendingOnchain
		return &out, nil
	}
	return nil, fmt.Errorf("new GX id: %d in a row are taken", gxidAttempts)
}

type denyInput struct {
	UserID string `path:"userId" doc:"Profile id"`
	Body   struct {
		Reason string `json:"reason" maxLength:"1000" doc:"At least 10 characters; the person sees it"`
	}
}

func (s admin) deny(ctx context.Context, in *denyInput) (*reviewOutput, error) {
	reason := strings.TrimSpace(in.Body.Reason)
	if utf8.RuneCountInString(reason) < 10 {
		return nil, problem.Unprocessable("reason", "reason_too_short", "must have at least 10 characters")
	}
	p, err := s.find(ctx, in.UserID)
	if err != nil {
		return nil, err
	}
	if err := reviewable(p); err != nil {
		return nil, err
	}
	if err := s.review(ctx, p.ProfileID, people.Denied, "REJECTED", reason, `denial_reason = $5`,
		people.SealField(s.Fields, "denial_reason", p.ProfileID, reason)); err != nil {
		return nil, err
	}
	var out reviewOutput
	out.Body.Success, out.Body.Message, out.Body.Status = true, "Denied.", people.Denied
	return &out, nil
}

func reviewable(p people.Person) error {
	if p.Status != people.PendingApproval {
		return problem.New(http.StatusConflict, "invalid_state", "A person in status "+string(p.Status)+" cannot be reviewed.")
	}
	return nil
}

// review moves a person that waits for it to status, with the assignment set to
// value, and closes their evidence, in one transaction.
func (s admin) review(ctx context.Context, profile uuid.UUID, status people.Status, kyc, notes, set string, value any) error {
	now, reviewer := s.Clock(), door.Caller(ctx).ID
	return pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE app.people SET status = $2, reviewed_by = $3, reviewed_at = $4, updated_at = $4, version = version + 1, `+set+`
			WHERE profile_id = $1 AND status = 'PENDING_ADMIN_APPROVAL'`, profile, status, reviewer, now, value)
		if err != nil {
			return fmt.Errorf("review person: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return problem.New(http.StatusConflict, "invalid_state", "Somebody else reviewed this person just now.")
		}
		var id uuid.UUID
		err = tx.QueryRow(ctx, `UPDATE app.kyc_records SET status = $2, verified_by = $3, verified_at = $4, updated_at = $4
			WHERE profile_id = $1 AND status = 'PENDING' RETURNING kyc_id`, profile, kyc, reviewer, now).Scan(&id)
		if err == nil && notes != "" {
			_, err = tx.Exec(ctx, `UPDATE app.kyc_records SET notes = $2 WHERE kyc_id = $1`, id, s.Fields.Seal(people.NotesContext(id), []byte(notes)))
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("review kyc: %w", err)
		}
		return s.Audit(ctx, tx, audit.Record{Action: audit.Action("KYC_" + kyc), ResourceType: "person", ResourceID: profile.String()})
	})
}

type registerInput struct {
	Body struct {
		UserIDs []string `json:"userIds" minItems:"1" maxItems:"100" doc:"Profile ids or GX ids of approved people"`
	}
}

// Registration is one person on the way to the ledger.
type Registration struct {
	UserID    string             `json:"userId" doc:"GX id"`
	CommandID string             `json:"commandId" format:"uuid"`
	Status    door.CommandStatus `json:"status"`
}

type registerOutput struct {
	Body struct {
		Success  bool           `json:"success"`
		Message  string         `json:"message"`
		Count    int            `json:"count"`
		Commands []Registration `json:"commands"`
	}
}

// The registration of a person is stored under a key of its own, whoever asks
// for it: a person is put on the ledger once. Only after a failed attempt there
// is another key.
const (
	registerPrincipal = "system"
	registerRoute     = "CREATE_USER"
	registerAttempts  = 5
)

func registerKey(gxID string, attempt int) string {
	key := "create-user:" + gxID
	if attempt > 0 {
		key += fmt.Sprintf("#%d", attempt)
	}
	return key
}

// registerOnchain puts people on the ledger, all of them or none.
func (s admin) registerOnchain(ctx context.Context, in *registerInput) (*registerOutput, error) {
	candidates, err := s.candidates(ctx, in.Body.UserIDs)
	if err != nil {
		return nil, err
	}
	now := s.Clock()
	var out registerOutput
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		for _, c := range candidates {
			stored, receipt, err := s.Enqueue(ctx, tx, registerPrincipal, registerRoute, c.key, door.Submission{
				Payload: &command.CreateUser{UserID: c.GXID, BiometricHash: c.BiometricHash, Nationality: c.Nationality, Age: genesis.Age(c.born, now)},
				Request: struct {
					UserID string `json:"userId"`
				}{c.GXID},
				Receipt: door.Receipt{Message: "Registration accepted.", AggregateID: c.ProfileID.String()},
			})
			if err != nil {
				return err
			}
			out.Body.Commands = append(out.Body.Commands, Registration{c.GXID, stored.ID.String(), receipt.Status})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Outbox.Wake()
	out.Body.Success, out.Body.Message, out.Body.Count = true, "Accepted.", len(out.Body.Commands)
	return &out, nil
}

type candidate struct {
	ProfileID     uuid.UUID
	GXID          string `db:"gx_id"`
	BiometricHash string
	Nationality   string
	DateOfBirth   []byte // sealed
	Onchain       bool
	born          time.Time
	key           string
}

// candidates returns the people of a request in its order, or a problem that
// names each one that is not approved.
func (s admin) candidates(ctx context.Context, ids []string) ([]candidate, error) {
	ids = slices.Clone(ids)
	var profiles []uuid.UUID
	for i, id := range ids {
		if profile, err := uuid.Parse(id); err == nil {
			ids[i], profiles = profile.String(), append(profiles, profile)
		}
	}
	rows, err := s.Pool.Query(ctx, `SELECT p.profile_id, p.gx_id, p.biometric_hash, p.nationality, p.date_of_birth, u.user_id IS NOT NULL AS onchain
		FROM app.people p LEFT JOIN read.users u ON u.user_id = p.gx_id
		WHERE (p.profile_id = ANY($1) OR p.gx_id = ANY($2)) AND p.status = 'APPROVED_PENDING_ONCHAIN'
		  AND p.gx_id IS NOT NULL AND p.biometric_hash IS NOT NULL AND p.date_of_birth IS NOT NULL`, profiles, ids)
	if err != nil {
		return nil, fmt.Errorf("read candidates: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[candidate])
	if err != nil {
		return nil, fmt.Errorf("read candidates: %w", err)
	}
	byID := map[string]*candidate{}
	var keys []string
	for i := range found {
		c := &found[i]
		own, err := people.Person{ProfileID: c.ProfileID, Sealed: people.Sealed{DateOfBirth: c.DateOfBirth}}.Open(s.Fields)
		if err != nil {
			return nil, err
		}
		c.born = *own.DateOfBirth
		byID[c.ProfileID.String()], byID[c.GXID] = c, c
		for n := range registerAttempts {
			keys = append(keys, registerKey(c.GXID, n))
		}
	}
	tried, err := s.tried(ctx, keys)
	if err != nil {
		return nil, err
	}
	var bad []problem.Field
	var out []candidate
	seen := map[string]bool{}
	for i, id := range ids {
		c := byID[id]
		reason := ""
		switch {
		case c == nil:
			reason = "is not approved and waiting for the ledger"
		case seen[c.GXID]:
			reason = "is listed twice"
		default:
			seen[c.GXID] = true
			reason = c.choose(tried)
		}
		if reason != "" {
			bad = append(bad, problem.Field{Field: fmt.Sprintf("userIds[%d]", i), Code: "user_not_eligible", Message: reason})
			continue
		}
		out = append(out, *c)
	}
	if bad != nil {
		return nil, problem.Invalid(http.StatusUnprocessableEntity, bad...)
	}
	return out, nil
}

// choose sets the key of the first attempt that did not fail, or says why there is none.
func (c *candidate) choose(tried map[string]bool) string {
	for n := range registerAttempts {
		c.key = registerKey(c.GXID, n)
		failed, exists := tried[c.key]
		switch {
		case exists && !failed: // under way or done: a repetition
			return ""
		case !exists && c.Onchain:
			return "is on the ledger already"
		case !exists:
			return ""
		}
	}
	return "was refused by the ledger too often"
}

// tried tells which registrations exist, and whether they failed. One that is
// known by its key alone ended long ago: who is not on the ledger may try again.
func (s admin) tried(ctx context.Context, keys []string) (map[string]bool, error) {
	rows, err := s.Pool.Query(ctx, `SELECT k.idempotency_key, coalesce(c.state IN ('REJECTED', 'DEAD', 'CANCELLED'), true)
		FROM app.known_keys k LEFT JOIN app.commands c ON c.id = k.command_id
		WHERE k.principal = $1 AND k.route = $2 AND k.idempotency_key = ANY($3)`, registerPrincipal, registerRoute, keys)
	if err != nil {
		return nil, fmt.Errorf("read registrations: %w", err)
	}
	out := map[string]bool{}
	var key string
	var failed bool
	if _, err := pgx.ForEachRow(rows, []any{&key, &failed}, func() error {
		out[key] = failed
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read registrations: %w", err)
	}
	return out, nil
}
