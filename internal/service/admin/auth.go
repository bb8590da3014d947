package admin

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/door"
)

type loginInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Body      struct {
		Username          string `json:"username" maxLength:"254"`
		Password          string `json:"password" maxLength:"128"`
		DeviceFingerprint string `json:"deviceFingerprint,omitzero" maxLength:"200"`
	}
}

// Member is a member of staff.
type Member struct {
	ID          string    `json:"id" format:"uuid"`
	Username    string    `json:"username"`
	DisplayName string    `json:"displayName"`
	Role        door.Role `json:"role" example:"SUPER_OWNER"`
}

type loginOutput struct {
	Body struct {
		Success     bool `json:"success"`
		RequiresMFA bool `json:"requiresMfa"`
		door.Tokens
		Admin Member `json:"admin"`
	}
}

func (s admin) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	id, ok, err := s.CheckPassword(ctx, door.Staff, strings.TrimSpace(in.Body.Username), in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, problem.New(http.StatusUnauthorized, "INVALID_CREDENTIALS",
			"The name or the password is wrong, or there were too many attempts; try again later.")
	}
	m := Member{ID: id.String()}
	var active bool
	if err := s.Pool.QueryRow(ctx, `SELECT username, display_name, role, active FROM app.staff WHERE staff_id = $1`, id).
		Scan(&m.Username, &m.DisplayName, &m.Role, &active); err != nil {
		return nil, fmt.Errorf("read staff: %w", err)
	}
	if !active {
		return nil, problem.New(http.StatusForbidden, "ACCOUNT_DISABLED", "This account is disabled.")
	}
	var out loginOutput
	out.Body.Success, out.Body.Admin = true, m
	out.Body.Tokens, err = s.OpenSession(ctx, s.Pool, token.Staff, id, door.StaffSession(m.Role), in.UserAgent)
	return &out, err
}

type refreshInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Body      struct {
		RefreshToken string `json:"refreshToken" minLength:"1" maxLength:"200"`
	}
}

type tokensOutput struct{ Body door.Tokens }

func (s admin) refresh(ctx context.Context, in *refreshInput) (*tokensOutput, error) {
	t, err := s.RefreshSession(ctx, token.Staff, token.Refresh(in.Body.RefreshToken), in.UserAgent)
	return &tokensOutput{t}, err
}

// Done says that something was done.
type Done struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

type doneOutput struct{ Body Done }

func (s admin) logout(ctx context.Context, _ *struct{}) (*doneOutput, error) {
	return &doneOutput{Done{true, "Logged out."}}, s.EndSession(ctx)
}

// CreateFirstStaff makes the owner's account when there is no staff at all and
// returns its password, which is kept nowhere. With staff present created is false.
func CreateFirstStaff(ctx context.Context, db postgres.DB, hasher *password.Hasher, username string) (secret string, created bool, err error) {
	var present bool
	if err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM app.staff)`).Scan(&present); err != nil || present {
		return "", false, wrap(err)
	}
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	// 120 random bits, with what the password policy wants in front.
	secret = "Gx1-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
	hash, err := hasher.Hash(ctx, secret)
	if err != nil {
		return "", false, wrap(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", false, wrap(err)
	}
	// Of several processes that begin at once one makes the account.
	tag, err := db.Exec(ctx, `INSERT INTO app.staff (staff_id, username, display_name, password_hash, role, created_at, updated_at)
		VALUES ($1, $2, $2, $3, $4, now(), now()) ON CONFLICT DO NOTHING`, id, username, hash, door.SuperOwner)
	if err != nil || tag.RowsAffected() == 0 {
		return "", false, wrap(err)
	}
	return secret, true, nil
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("first staff: %w", err)
	}
	return nil
}
