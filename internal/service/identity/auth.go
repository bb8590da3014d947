package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
)

type loginInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Body      struct {
		Email    string `json:"email" example:"ada@example.org"`
		Password string `json:"password" maxLength:"128"`
	}
}

type sessionOutput struct {
	Body struct {
		door.Tokens
		User Profile `json:"user"`
	}
}

func (s identity) session(ctx context.Context, id uuid.UUID, userAgent string) (*sessionOutput, error) {
	p, err := people.Find(ctx, s.Pool, id.String())
	if err != nil {
		return nil, err
	}
	if p.Status == people.Suspended || p.Status == people.Closed {
		return nil, problem.New(http.StatusForbidden, "account_closed", "This account is "+string(p.Status)+".")
	}
	var out sessionOutput
	out.Body.User = profile(p)
	out.Body.Tokens, err = s.OpenSession(ctx, s.Pool, token.Customers, id, door.CustomerSession, userAgent)
	return &out, err
}

func (s identity) login(ctx context.Context, in *loginInput) (*sessionOutput, error) {
	var rules people.Rules
	id, ok, err := s.CheckPassword(ctx, door.People, rules.Email("email", in.Body.Email), in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, problem.New(http.StatusUnauthorized, "invalid_credentials",
			"The e-mail or the password is wrong, or there were too many attempts; try again later.")
	}
	return s.session(ctx, id, in.UserAgent)
}

type registerInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Body      struct {
		FirstName   string `json:"fname" example:"Ada"`
		LastName    string `json:"lname" example:"Lovelace"`
		Email       string `json:"email" example:"ada@example.org"`
		Password    string `json:"password" doc:"At least 10 characters with upper and lower case and a digit"`
		DateOfBirth string `json:"dateOfBirth" example:"1990-12-10"`
		Gender      string `json:"gender" doc:"MALE or FEMALE, in any case" example:"FEMALE"`
		Phone       string `json:"phone,omitzero" example:"+41791234567"`
		Country     string `json:"country,omitzero" doc:"Nationality, ISO 3166-1 alpha-2" example:"CH"`
	}
}

func (s identity) register(ctx context.Context, in *registerInput) (*sessionOutput, error) {
	now := s.Clock()
	b := &in.Body
	var rules people.Rules
	first, last := rules.Name("fname", b.FirstName), rules.Name("lname", b.LastName)
	email, phone := rules.Email("email", b.Email), rules.Phone("phone", b.Phone)
	rules.Password("password", b.Password)
	born, gender := rules.DateOfBirth("dateOfBirth", b.DateOfBirth, now), rules.Gender("gender", b.Gender)
	nationality := rules.Country("country", b.Country)
	if rules.Bad != nil {
		return nil, problem.Invalid(http.StatusBadRequest, rules.Bad...)
	}
	hash, err := s.Passwords.Hash(ctx, b.Password)
	if errors.Is(err, password.ErrBusy) {
		return nil, problem.Unavailable("login_busy", "Too many logins at the moment; try again.", nil)
	}
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("profile id: %w", err)
	}
	_, err = s.Pool.Exec(ctx, `INSERT INTO app.people
		(profile_id, email, phone, password_hash, first_name, last_name, date_of_birth, gender, nationality, status, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)`,
		id, email, phone, hash, first, last, born, gender, nationality, people.Registered, now)
	switch violated(err) {
	case "people_email":
		return nil, taken("email", "EMAIL_ALREADY_EXISTS")
	case "people_phone":
		return nil, taken("phone", "PHONE_ALREADY_EXISTS")
	}
	if err != nil {
		return nil, fmt.Errorf("store person: %w", err)
	}
	return s.session(ctx, id, in.UserAgent)
}

// violated returns the name of the unique constraint that err reports.
func violated(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return pg.ConstraintName
	}
	return ""
}

func taken(field, code string) error {
	return problem.Invalid(http.StatusConflict, problem.Field{Field: field, Code: code, Message: "belongs to another account"})
}

type refreshInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Body      struct {
		RefreshToken string `json:"refreshToken" minLength:"1" maxLength:"200"`
	}
}

type tokensOutput struct{ Body door.Tokens }

func (s identity) refresh(ctx context.Context, in *refreshInput) (*tokensOutput, error) {
	t, err := s.RefreshSession(ctx, token.Customers, token.Refresh(in.Body.RefreshToken), in.UserAgent)
	return &tokensOutput{t}, err
}

type logoutOutput struct {
	Body struct {
		Message string `json:"message"`
	}
}

func (s identity) logout(ctx context.Context, in *refreshInput) (*logoutOutput, error) {
	var out logoutOutput
	out.Body.Message = "Logged out."
	return &out, s.CloseSession(ctx, token.Customers, token.Refresh(in.Body.RefreshToken))
}
