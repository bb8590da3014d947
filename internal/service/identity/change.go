package identity

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/service/people"
)

type createUserInput struct {
	Body struct {
		Email                  string `json:"email" example:"ada@example.org"`
		Password               string `json:"password" doc:"At least 10 characters with upper and lower case and a digit"`
		FirstName              string `json:"firstName" example:"Ada"`
		LastName               string `json:"lastName" example:"Lovelace"`
		PhoneNum               string `json:"phoneNum,omitzero" example:"+41791234567"`
		NationalityCountryCode string `json:"nationalityCountryCode,omitzero" example:"CH"`
	}
}

type createUserOutput struct {
	Body struct {
		ProfileID string `json:"profileId" format:"uuid"`
		Message   string `json:"message"`
	}
}

// create registers a person who logs in later, and then says when they were born.
func (s identity) create(ctx context.Context, in *createUserInput) (*createUserOutput, error) {
	b := &in.Body
	var rules people.Rules
	n := people.New{At: s.Clock()}
	n.Email, n.Phone = rules.Email("email", b.Email), text(rules.Phone("phoneNum", b.PhoneNum))
	rules.Password("password", b.Password)
	n.FirstName, n.LastName = rules.Name("firstName", b.FirstName), rules.Name("lastName", b.LastName)
	n.Nationality = rules.Country("nationalityCountryCode", b.NationalityCountryCode)
	if rules.Bad != nil {
		return nil, problem.Invalid(http.StatusBadRequest, rules.Bad...)
	}
	var out createUserOutput
	out.Body.Message = "You are registered: log in."
	return &out, s.enrol(ctx, b.Password, n, "phoneNum", func(tx pgx.Tx, id uuid.UUID) error {
		out.Body.ProfileID = id.String()
		return s.Audit(ctx, tx, audit.Record{Actor: customer(id), Action: "USER_REGISTERED", ResourceType: "person", ResourceID: id.String()})
	})
}

type changeUserInput struct {
	ProfileID string `path:"profileId" doc:"Profile id, GX id, or me"`
	IfMatch   string `header:"If-Match" maxLength:"100" doc:"Needed: the ETag of the profile that you have seen, so that you don't undo what you have not"`
	Body      struct {
		FirstName              *string `json:"firstName,omitzero"`
		LastName               *string `json:"lastName,omitzero"`
		PhoneNum               *string `json:"phoneNum,omitzero" doc:"Empty: none any more" example:"+41791234567"`
		DateOfBirth            *string `json:"dateOfBirth,omitzero" example:"1990-12-10"`
		Gender                 *string `json:"gender,omitzero" example:"FEMALE"`
		NationalityCountryCode *string `json:"nationalityCountryCode,omitzero" example:"CH"`
	}
}

type changeUserOutput struct {
	ETag string `header:"ETag"`
	Body struct {
		Profile Profile `json:"profile"`
	}
}

// change changes a profile. Who somebody is stays as it was submitted to be
// reviewed, unless the review denies it.
func (s identity) change(ctx context.Context, in *changeUserInput) (*changeUserOutput, error) {
	p, err := s.find(ctx, in.ProfileID)
	if err != nil {
		return nil, err
	}
	to, err := p.Open(s.Fields)
	if err != nil {
		return nil, err
	}
	changed, err := s.applyTo(&p, &to, in)
	switch {
	case err != nil:
		return nil, err
	case len(changed) == 0:
		return nil, problem.BadField("body", "changes nothing")
	case in.IfMatch == "":
		return nil, problem.New(http.StatusPreconditionRequired, "if_match_required", "Send the ETag of the profile that you change as If-Match.")
	case in.IfMatch != "*" && in.IfMatch != tag(p):
		return nil, errChanged
	case p.Status != people.Registered && p.Status != people.Denied && !slices.Equal(changed, []string{"phoneNum"}):
		return nil, problem.New(http.StatusLocked, "identity_locked", "Who you are was reviewed, or is: only the phone number can be changed.")
	}
	detail, err := audit.Detail(map[string]any{"fields": changed})
	if err != nil {
		return nil, err
	}
	if err := pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if err := people.Update(ctx, tx, s.Fields, s.Index, p, to, s.Clock()); err != nil {
			return err
		}
		return s.Audit(ctx, tx, audit.Record{Action: "PROFILE_UPDATED", ResourceType: "person", ResourceID: p.ProfileID.String(), Detail: detail})
	}); errors.Is(err, people.ErrNotFound) {
		return nil, errChanged
	} else if err != nil {
		return nil, alreadyTaken(err, "phoneNum")
	}
	if p, err = s.find(ctx, p.ProfileID.String()); err != nil {
		return nil, err
	}
	out := changeUserOutput{ETag: tag(p)}
	out.Body.Profile, err = s.profile(p)
	return &out, err
}

var errChanged = problem.New(http.StatusPreconditionFailed, "profile_changed", "The profile has changed since you read it: read it again.")

// applyTo makes the changes to a person and what is personal about them, and
// returns their names.
func (s identity) applyTo(p *people.Person, to *people.Personal, in *changeUserInput) (changed []string, err error) {
	var rules people.Rules
	for _, f := range []struct {
		name  string
		value *string
		set   func(name, value string)
	}{
		{"firstName", in.Body.FirstName, func(name, value string) { to.FirstName = rules.Name(name, value) }},
		{"lastName", in.Body.LastName, func(name, value string) { to.LastName = rules.Name(name, value) }},
		{"phoneNum", in.Body.PhoneNum, func(name, value string) { to.Phone = text(rules.Phone(name, value)) }},
		{"dateOfBirth", in.Body.DateOfBirth, func(name, value string) { to.DateOfBirth = new(rules.DateOfBirth(name, value, s.Clock())) }},
		{"gender", in.Body.Gender, func(name, value string) { to.Gender = rules.Gender(name, value) }},
		{"nationalityCountryCode", in.Body.NationalityCountryCode, func(name, value string) { p.Nationality = rules.Country(name, value) }},
	} {
		if f.value != nil {
			f.set(f.name, *f.value)
			changed = append(changed, f.name)
		}
	}
	if rules.Bad != nil {
		return nil, problem.Invalid(http.StatusBadRequest, rules.Bad...)
	}
	return changed, nil
}
