package identity

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
)

type sessionsOutput struct{ Body door.SessionList }

func (s identity) sessions(ctx context.Context, _ *struct{}) (*sessionsOutput, error) {
	list, err := s.Sessions(ctx)
	return &sessionsOutput{list}, err
}

type sessionInput struct {
	SessionID uuid.UUID `path:"sessionId" format:"uuid"`
}

func (s identity) revokeSession(ctx context.Context, in *sessionInput) (*messageOutput, error) {
	return said("The session has ended."), s.RevokeSession(ctx, in.SessionID)
}

type logoutAllOutput struct {
	Body struct {
		RevokedCount int `json:"revokedCount"`
	}
}

func (s identity) logoutAll(ctx context.Context, _ *struct{}) (*logoutAllOutput, error) {
	var out logoutAllOutput
	var err error
	out.Body.RevokedCount, err = s.RevokeOthers(ctx)
	return &out, err
}

type passwordInput struct {
	Body struct {
		CurrentPassword string `json:"currentPassword" maxLength:"128"`
		NewPassword     string `json:"newPassword" doc:"At least 10 characters with upper and lower case and a digit"`
	}
}

func (s identity) changePassword(ctx context.Context, in *passwordInput) (*messageOutput, error) {
	var rules people.Rules
	rules.Password("newPassword", in.Body.NewPassword)
	if rules.Bad == nil && in.Body.NewPassword == in.Body.CurrentPassword {
		rules.Bad = []problem.Field{{Field: "newPassword", Code: "PASSWORD_UNCHANGED", Message: "is the current one"}}
	}
	if rules.Bad != nil {
		return nil, problem.Invalid(http.StatusUnprocessableEntity, rules.Bad...)
	}
	return said("The password is changed; your other sessions have ended."),
		s.ChangePassword(ctx, door.People, in.Body.CurrentPassword, in.Body.NewPassword)
}
