package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/door"
)

// Acts of staff on themselves.
const (
	staffLogin       audit.Action = "STAFF_LOGIN"
	staffLoginFailed audit.Action = "STAFF_LOGIN_FAILED"
)

type loginInput struct {
	Body struct {
		Username          string `json:"username" maxLength:"254" doc:"Or e-mail"`
		Password          string `json:"password" maxLength:"128"`
		DeviceFingerprint string `json:"deviceFingerprint,omitzero" maxLength:"200"`
	}
}

// Member is a member of staff.
type Member struct {
	ID          string    `json:"id" format:"uuid"`
	Username    string    `json:"username"`
	Email       string    `json:"email,omitzero"`
	DisplayName string    `json:"displayName"`
	Role        door.Role `json:"role" example:"SUPER_OWNER"`
}

// LoginResponse is the outcome of a login: tokens, or with requiresMfa a token
// with which the second factor is shown.
type LoginResponse struct {
	Success      bool    `json:"success"`
	RequiresMFA  bool    `json:"requiresMfa"`
	MFAMethod    string  `json:"mfaMethod,omitzero" enum:"TOTP"`
	MFAToken     string  `json:"mfaToken,omitzero" doc:"Good for five minutes and five codes"`
	AccessToken  string  `json:"accessToken,omitzero" doc:"Send it as Authorization: Bearer <token>"`
	RefreshToken string  `json:"refreshToken,omitzero" doc:"Good for one refresh"`
	TokenType    string  `json:"tokenType,omitzero" example:"Bearer"`
	ExpiresIn    int     `json:"expiresIn,omitzero" doc:"Seconds until the access token ends" example:"900"`
	Admin        *Member `json:"admin,omitzero"`
}

type loginOutput struct{ Body LoginResponse }

func (s admin) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	name := strings.TrimSpace(in.Body.Username)
	key := "staff:" + hex.EncodeToString(s.Index.Sum("login", strings.ToLower(name)))
	if err := s.Spend(ctx, door.ClassLogin, key); err != nil {
		return nil, err
	}
	id, err := s.named(ctx, name)
	if err != nil {
		return nil, err
	}
	ok, err := s.CheckPassword(ctx, door.Staff, id, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, s.refused(ctx, id, problem.New(http.StatusUnauthorized, "INVALID_CREDENTIALS",
			"The name or the password is wrong, or there were too many attempts; try again later."))
	}
	s.Refund(ctx, door.ClassLogin, key)
	a, err := s.account(ctx, id)
	if err != nil {
		return nil, err
	}
	if !a.Active {
		return nil, s.refused(ctx, id, problem.New(http.StatusForbidden, "ACCOUNT_DISABLED", "This account is disabled."))
	}
	if a.TOTPEnabledAt == nil {
		return s.open(ctx, a, nil)
	}
	challenge := newSecret("gxm_")
	if _, err := s.Pool.Exec(ctx, `INSERT INTO app.staff_challenges (token_hash, staff_id, client_hash, expires_at) VALUES ($1, $2, $3, $4)`,
		hashSecret(challenge), id, s.ClientHash(ctx), s.Clock().Add(challengeLifetime)); err != nil {
		return nil, fmt.Errorf("store challenge: %w", err)
	}
	return &loginOutput{LoginResponse{Success: true, RequiresMFA: true, MFAMethod: "TOTP", MFAToken: challenge}}, nil
}

// named returns the account with a username or an e-mail, uuid.Nil without one.
func (s admin) named(ctx context.Context, name string) (id uuid.UUID, err error) {
	err = s.Pool.QueryRow(ctx, `SELECT staff_id FROM app.staff WHERE lower(username) = lower($1) OR email_hash = $2`, name, s.emailHash(name)).Scan(&id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, fmt.Errorf("find staff: %w", err)
	}
	return id, nil
}

// refused records a failed login to an account that exists and returns p.
func (s admin) refused(ctx context.Context, id uuid.UUID, p *problem.Problem) error {
	if id == uuid.Nil {
		return p
	}
	detail, err := audit.Detail(map[string]string{"code": p.Code})
	if err == nil {
		err = s.Audit(ctx, s.Pool, audit.Record{Actor: staffActor(id), Action: staffLoginFailed, ResourceType: "staff", ResourceID: id.String(), Detail: detail})
	}
	if err != nil {
		return err
	}
	return p
}

func staffActor(id uuid.UUID) string { return door.Principal{Kind: token.Staff, ID: id}.String() }

// open begins a session. A challenge is the hash of the one that the second
// factor answered; it opens one session.
func (s admin) open(ctx context.Context, a staffRow, challenge []byte) (*loginOutput, error) {
	m, err := s.member(a)
	if err != nil {
		return nil, err
	}
	out := loginOutput{LoginResponse{Success: true, Admin: &m}}
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if challenge != nil {
			tag, err := tx.Exec(ctx, `DELETE FROM app.staff_challenges WHERE token_hash = $1`, challenge)
			if err != nil {
				return fmt.Errorf("end challenge: %w", err)
			}
			if tag.RowsAffected() == 0 {
				return errChallenge
			}
		}
		t, err := s.OpenSession(ctx, tx, door.NewSession{Audience: token.Staff, Subject: a.ID, Lifetime: door.StaffSession(a.Role), Proved: challenge != nil})
		if err != nil {
			return err
		}
		out.Body.AccessToken, out.Body.RefreshToken, out.Body.TokenType, out.Body.ExpiresIn = t.AccessToken, t.RefreshToken, t.TokenType, t.ExpiresIn
		if _, err := tx.Exec(ctx, `UPDATE app.staff SET last_login_at = $2 WHERE staff_id = $1`, a.ID, s.Clock()); err != nil {
			return fmt.Errorf("note the login: %w", err)
		}
		if err := s.LoggedIn(ctx, tx, door.Staff, a.ID); err != nil {
			return err
		}
		return s.Audit(ctx, tx, audit.Record{Actor: staffActor(a.ID), Action: staffLogin, ResourceType: "staff", ResourceID: a.ID.String()})
	})
	return &out, err
}

type refreshInput struct {
	Body struct {
		RefreshToken string `json:"refreshToken" minLength:"1" maxLength:"200"`
	}
}

type tokensOutput struct{ Body door.Tokens }

func (s admin) refresh(ctx context.Context, in *refreshInput) (*tokensOutput, error) {
	t, err := s.RefreshSession(ctx, token.Staff, token.Refresh(in.Body.RefreshToken))
	return &tokensOutput{t}, err
}

// Done says that something was done.
type Done struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

type doneOutput struct{ Body Done }

func done(message string) *doneOutput { return &doneOutput{Done{true, message}} }

func (s admin) logout(ctx context.Context, _ *struct{}) (*doneOutput, error) {
	return done("Logged out."), s.EndSession(ctx)
}

// staffRow is a row of app.staff.
type staffRow struct {
	ID                uuid.UUID `db:"staff_id"`
	Username          string
	DisplayName       string
	Email             []byte
	Role              door.Role
	Active            bool
	TOTPSecret        []byte `db:"totp_secret"`
	TOTPLastStep      int64
	TOTPEnabledAt     *time.Time
	PasswordChangedAt time.Time
	LastLoginAt       *time.Time
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

const accountColumns = `staff_id, username, display_name, email, role, active, totp_secret, totp_last_step, totp_enabled_at,
	password_changed_at, last_login_at, created_at, updated_at`

func (s admin) account(ctx context.Context, id uuid.UUID) (staffRow, error) {
	rows, err := s.Pool.Query(ctx, `SELECT `+accountColumns+` FROM app.staff WHERE staff_id = $1`, id)
	if err != nil {
		return staffRow{}, fmt.Errorf("read staff: %w", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[staffRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return a, problem.New(http.StatusNotFound, "admin_not_found", "There is no such member of staff.")
	}
	if err != nil {
		return a, fmt.Errorf("read staff: %w", err)
	}
	return a, nil
}

func (s admin) member(a staffRow) (Member, error) {
	m := Member{ID: a.ID.String(), Username: a.Username, DisplayName: a.DisplayName, Role: a.Role}
	if a.Email != nil {
		plain, err := s.Fields.Open(emailContext(a.ID), a.Email)
		if err != nil {
			return m, fmt.Errorf("open e-mail of staff: %w", err)
		}
		m.Email = string(plain)
	}
	return m, nil
}

func emailContext(id uuid.UUID) string { return "staff.email " + id.String() }

func (s admin) emailHash(email string) []byte {
	return s.Index.Sum("staff.email", strings.ToLower(strings.TrimSpace(email)))
}

// newSecret returns 256 random bits behind a prefix. What is kept of them is hashSecret.
func newSecret(prefix string) string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

func hashSecret(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}
