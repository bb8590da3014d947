package identity

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/postgres"
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

// session begins a session of a person in db; act says what led to it.
func (s identity) session(ctx context.Context, db postgres.DB, id uuid.UUID, act audit.Action) (*sessionOutput, error) {
	p, err := people.Find(ctx, db, id.String())
	if err != nil {
		return nil, err
	}
	if p.Status == people.Suspended || p.Status == people.Closed {
		return nil, problem.New(http.StatusForbidden, "account_closed", "This account is "+string(p.Status)+".")
	}
	var out sessionOutput
	if out.Body.User, err = s.profile(p); err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		out.Body.Tokens, err = s.OpenSession(ctx, tx, door.NewSession{Audience: token.Customers, Subject: id, Lifetime: door.CustomerSession})
		if err != nil {
			return err
		}
		if err := s.LoggedIn(ctx, tx, door.People, id); err != nil {
			return err
		}
		return s.Audit(ctx, tx, audit.Record{Actor: customer(id), Action: act, ResourceType: "person", ResourceID: id.String()})
	})
	return &out, err
}

func customer(id uuid.UUID) string { return door.Principal{Kind: token.Customers, ID: id}.String() }

func (s identity) login(ctx context.Context, in *loginInput) (*sessionOutput, error) {
	var rules people.Rules
	email := rules.Email("email", in.Body.Email)
	account := "person:" + hex.EncodeToString(s.Index.Sum("login", email))
	if err := s.Spend(ctx, door.ClassLogin, account); err != nil {
		return nil, err
	}
	var id uuid.UUID
	err := s.Pool.QueryRow(ctx, `SELECT profile_id FROM app.people WHERE email_hash = $1`, people.EmailHash(s.Index, email)).Scan(&id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("find person: %w", err)
	}
	ok, err := s.CheckPassword(ctx, door.People, id, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, problem.New(http.StatusUnauthorized, "invalid_credentials",
			"The e-mail or the password is wrong, or there were too many attempts; try again later.")
	}
	s.Refund(ctx, door.ClassLogin, account)
	return s.session(ctx, s.Pool, id, "USER_LOGIN")
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
	var out *sessionOutput
	err := s.enrol(ctx, b.Password, people.New{
		Personal: people.Personal{Email: email, Phone: text(phone), FirstName: first, LastName: last, DateOfBirth: &born, Gender: gender}, Nationality: nationality, At: now,
	}, "phone", func(tx pgx.Tx, id uuid.UUID) (err error) {
		out, err = s.session(ctx, tx, id, "USER_REGISTERED")
		return err
	})
	return out, err
}

// enrol stores a new person together with what follows from it. phone is what the
// request calls the number.
func (s identity) enrol(ctx context.Context, password string, n people.New, phone string, then func(tx pgx.Tx, id uuid.UUID) error) (err error) {
	n.Status = people.Registered
	if n.PasswordHash, err = s.HashPassword(ctx, password); err != nil {
		return err
	}
	if n.ProfileID, err = uuid.NewV7(); err != nil {
		return fmt.Errorf("profile id: %w", err)
	}
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if err := people.Insert(ctx, tx, s.Fields, s.Index, n); err != nil {
			return err
		}
		return then(tx, n.ProfileID)
	})
	return alreadyTaken(err, phone)
}

// alreadyTaken makes a refusal of the violation of a unique index of people.
func alreadyTaken(err error, phone string) error {
	switch violated(err) {
	case "people_email":
		return taken("email", "EMAIL_ALREADY_EXISTS")
	case "people_phone":
		return taken(phone, "PHONE_ALREADY_EXISTS")
	}
	return err
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
	t, err := s.RefreshSession(ctx, token.Customers, token.Refresh(in.Body.RefreshToken))
	return &tokensOutput{t}, err
}

type messageOutput struct {
	Body struct {
		Message string `json:"message"`
	}
}

func said(message string) *messageOutput {
	var out messageOutput
	out.Body.Message = message
	return &out
}

func (s identity) logout(ctx context.Context, in *refreshInput) (*messageOutput, error) {
	return said("Logged out."), s.CloseSession(ctx, token.Customers, token.Refresh(in.Body.RefreshToken))
}
