package admin

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/service/door"
)

type sessionsOutput struct{ Body door.SessionList }

func (s admin) sessions(ctx context.Context, _ *struct{}) (*sessionsOutput, error) {
	list, err := s.Sessions(ctx)
	return &sessionsOutput{list}, err
}

type sessionInput struct {
	SessionID uuid.UUID `path:"sessionId" format:"uuid"`
}

func (s admin) revokeSession(ctx context.Context, in *sessionInput) (*doneOutput, error) {
	return done("The session has ended."), s.RevokeSession(ctx, in.SessionID)
}

type logoutAllOutput struct {
	Body struct {
		Success      bool   `json:"success"`
		Message      string `json:"message"`
		RevokedCount int    `json:"revokedCount"`
	}
}

func (s admin) logoutAll(ctx context.Context, _ *struct{}) (*logoutAllOutput, error) {
	n, err := s.RevokeOthers(ctx)
	var out logoutAllOutput
	out.Body.Success, out.Body.Message, out.Body.RevokedCount = true, "Your other sessions have ended.", n
	return &out, err
}

type passwordInput struct {
	Body struct {
		CurrentPassword string `json:"currentPassword" maxLength:"128"`
		NewPassword     string `json:"newPassword" maxLength:"128" doc:"At least 12 characters with upper and lower case, a digit and a special character"`
		ConfirmPassword string `json:"confirmPassword" maxLength:"128"`
	}
}

type passwordOutput struct {
	Body struct {
		Success         bool   `json:"success"`
		Message         string `json:"message"`
		RequiresRelogin bool   `json:"requiresRelogin"`
	}
}

func (s admin) changePassword(ctx context.Context, in *passwordInput) (*passwordOutput, error) {
	b := &in.Body
	switch {
	case b.NewPassword != b.ConfirmPassword:
		return nil, weak("confirmPassword", "differs from newPassword")
	case b.NewPassword == b.CurrentPassword:
		return nil, weak("newPassword", "is the current one")
	}
	if message := password.CheckStrong(b.NewPassword); message != "" {
		return nil, weak("newPassword", message)
	}
	if err := s.ChangePassword(ctx, door.Staff, b.CurrentPassword, b.NewPassword); err != nil {
		return nil, err
	}
	var out passwordOutput
	out.Body.Success, out.Body.Message = true, "The password is changed; your other sessions have ended."
	return &out, nil
}

func weak(field, message string) error {
	return problem.Invalid(http.StatusBadRequest, problem.Field{Field: field, Code: "PASSWORD_POLICY_VIOLATION", Message: message})
}

// StaffProfile is the caller's own account.
type StaffProfile struct {
	Member
	MFAEnabled              bool       `json:"mfaEnabled"`
	MFAPrimaryMethod        string     `json:"mfaPrimaryMethod,omitzero" enum:"TOTP"`
	LastLoginAt             *door.Time `json:"lastLoginAt,omitzero"`
	PasswordChangedAt       door.Time  `json:"passwordChangedAt"`
	CreatedAt               door.Time  `json:"createdAt"`
	Permissions             []string   `json:"permissions" doc:"What you may do"`
	PermissionsWithApproval []string   `json:"permissionsWithApproval" doc:"What you may do with the approval of a second person"`
}

type profileOutput struct{ Body StaffProfile }

func (s admin) profile(ctx context.Context, _ *struct{}) (*profileOutput, error) {
	a, err := s.account(ctx, door.Caller(ctx).ID)
	if err != nil {
		return nil, err
	}
	m, err := s.member(a)
	if err != nil {
		return nil, err
	}
	out := profileOutput{StaffProfile{
		Member: m, MFAEnabled: a.TOTPEnabledAt != nil, LastLoginAt: door.TimeOf(a.LastLoginAt),
		PasswordChangedAt: door.Time{Time: a.PasswordChangedAt}, CreatedAt: door.Time{Time: a.CreatedAt},
		Permissions: []string{}, PermissionsWithApproval: []string{},
	}}
	if out.Body.MFAEnabled {
		out.Body.MFAPrimaryMethod = "TOTP"
	}
	for _, p := range door.Permissions() {
		if a.Role.May(p) {
			out.Body.Permissions = append(out.Body.Permissions, p.String())
		} else if a.Role.MayWithApproval(p) {
			out.Body.PermissionsWithApproval = append(out.Body.PermissionsWithApproval, p.String())
		}
	}
	return &out, nil
}
