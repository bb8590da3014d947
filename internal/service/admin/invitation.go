package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/door"
)

// invitationLifetime is how long an invitation waits for its member of staff.
const invitationLifetime = 72 * time.Hour

// invitation lets somebody set the password of an account, which begins, or with
// Renewal begins again, when they do.
type invitation struct {
	StaffID     uuid.UUID `json:"staffId"`
	TokenHash   []byte    `json:"invitationHash"`
	Username    string    `json:"username"`
	DisplayName string    `json:"displayName"`
	Email       []byte    `json:"email,omitzero"` // sealed
	EmailHash   []byte    `json:"emailHash,omitzero"`
	Role        door.Role `json:"role"`
	Renewal     bool      `json:"renewal"`
}

// invite stores an invitation; those of the same account before it are void.
func (s admin) invite(ctx context.Context, tx pgx.Tx, by uuid.UUID, alone bool, i invitation) error {
	now := s.Clock()
	if _, err := tx.Exec(ctx, `UPDATE app.staff_invitations SET voided_at = $3
		WHERE accepted_at IS NULL AND voided_at IS NULL AND (staff_id = $1 OR $2 AND alone)`, i.StaffID, alone, now); err != nil {
		return fmt.Errorf("void invitations: %w", err)
	}
	_, err := tx.Exec(ctx, `INSERT INTO app.staff_invitations
			(token_hash, staff_id, renewal, username, display_name, email, email_hash, role, alone, invited_by, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		i.TokenHash, i.StaffID, i.Renewal, i.Username, i.DisplayName, i.Email, i.EmailHash, i.Role, alone, by, now, now.Add(invitationLifetime))
	if err != nil {
		return fmt.Errorf("store invitation: %w", err)
	}
	return nil
}

type acceptInput struct {
	Body struct {
		Invitation string `json:"invitation" maxLength:"200"`
		Password   string `json:"password" maxLength:"128" doc:"At least 12 characters with upper and lower case, a digit and a special character"`
	}
}

var errInvitation = problem.New(http.StatusGone, "invitation_void", "This invitation is not valid, or not any more.")

// acceptInvitation begins an account.
func (s admin) acceptInvitation(ctx context.Context, in *acceptInput) (*doneOutput, error) {
	if message := password.CheckStrong(in.Body.Password); message != "" {
		return nil, weak("password", message)
	}
	hash, err := s.HashPassword(ctx, in.Body.Password)
	if err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		i := invitation{TokenHash: hashSecret(in.Body.Invitation)}
		var alone bool
		err := tx.QueryRow(ctx, `UPDATE app.staff_invitations SET accepted_at = $2
			WHERE token_hash = $1 AND accepted_at IS NULL AND voided_at IS NULL AND expires_at > $2
			RETURNING staff_id, renewal, username, display_name, email, email_hash, role, alone`, i.TokenHash, s.Clock()).
			Scan(&i.StaffID, &i.Renewal, &i.Username, &i.DisplayName, &i.Email, &i.EmailHash, &i.Role, &alone)
		if errors.Is(err, pgx.ErrNoRows) {
			return errInvitation
		}
		if err != nil {
			return fmt.Errorf("accept invitation: %w", err)
		}
		if alone {
			lonely, err := s.lonely(ctx, tx)
			if err != nil {
				return err
			}
			if !lonely {
				return errInvitation
			}
		}
		if err := s.begin(ctx, tx, i, hash); err != nil {
			return err
		}
		return s.Audit(ctx, tx, audit.Record{Actor: staffActor(i.StaffID), Action: "INVITATION_ACCEPTED", ResourceType: "staff", ResourceID: i.StaffID.String()})
	})
	if taken := (*pgconn.PgError)(nil); errors.As(err, &taken) && taken.Code == "23505" {
		return nil, problem.New(http.StatusConflict, "username_taken", "Another account has this name or e-mail by now.")
	}
	return done("The password is set: log in."), err
}

// begin makes the account of an invitation, or gives one that exists a new password
// and no second factor.
func (s admin) begin(ctx context.Context, tx pgx.Tx, i invitation, passwordHash string) error {
	now := s.Clock()
	if !i.Renewal {
		_, err := tx.Exec(ctx, `INSERT INTO app.staff (staff_id, username, display_name, email, email_hash, password_hash, role, created_at, updated_at, password_changed_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8)`, i.StaffID, i.Username, i.DisplayName, i.Email, i.EmailHash, passwordHash, i.Role, now)
		if err != nil {
			return fmt.Errorf("store staff: %w", err)
		}
		return nil
	}
	if err := s.dropMFA(ctx, tx, i.StaffID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE app.staff SET password_hash = $2, password_changed_at = $3, updated_at = $3, failed_logins = 0, locked_until = NULL
		WHERE staff_id = $1`, i.StaffID, passwordHash, now); err != nil {
		return fmt.Errorf("renew staff: %w", err)
	}
	return s.RevokeAll(ctx, tx, token.Staff, i.StaffID, "account renewed")
}

// lonely reports whether there is one account of staff, and was never another.
// It holds up whoever asks the same.
func (s admin) lonely(ctx context.Context, tx pgx.Tx) (bool, error) {
	tag, err := tx.Exec(ctx, `SELECT FROM app.staff ORDER BY staff_id FOR UPDATE`)
	if err != nil {
		return false, fmt.Errorf("count staff: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}
