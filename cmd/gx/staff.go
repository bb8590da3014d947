package main

import (
	"context"
	"fmt"
	"io"

	"gxcoin.money/gx/api/client"
)

type staffCmd struct {
	List     listStaffCmd     `cmd:"" help:"List the members of staff."`
	Show     showStaffCmd     `cmd:"" help:"Show oneself, or another member of staff."`
	Invite   inviteCmd        `cmd:"" help:"Invite a new member of staff."`
	Reinvite reinviteCmd      `cmd:"" help:"Invite a member of staff again, who lost password or second factor."`
	Accept   acceptCmd        `cmd:"" help:"Accept an invitation: set one's password."`
	Change   changeStaffCmd   `cmd:"" help:"Change name or address of a member of staff, or whether they can log in."`
	Role     roleCmd          `cmd:"" help:"Give a member of staff another role."`
	Remove   removeCmd        `cmd:"" help:"Remove a member of staff."`
	Password staffPasswordCmd `cmd:"" help:"Change one's password."`
	Mfa      mfaCmd           `cmd:"" help:"Look after one's second factor."`
}

type listStaffCmd struct {
	remoteSettings `embed:""`
}

// Run lists staff.
func (c listStaffCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	r, err := gx.ListStaff(ctx)
	if err != nil {
		return err
	}
	return c.show(p, r.Data, func(w io.Writer) {
		row(w, "ID", "NAME", "ROLE", "ACTIVE", "SECOND FACTOR", "LAST LOGIN")
		for _, a := range r.Data {
			row(w, a.ID, a.Username, a.Role, a.IsActive, a.MfaEnabled, a.LastLoginAt)
		}
	})
}

type showStaffCmd struct {
	ID             string `arg:"" optional:"" help:"Id of another member of staff."`
	remoteSettings `embed:""`
}

// Run prints an account of staff.
func (c showStaffCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	if c.ID != "" {
		a, err := gx.ViewStaff(ctx, c.ID)
		if err != nil {
			return err
		}
		return c.show(p, a, func(w io.Writer) {
			facts(w, "name", a.Username, "called", a.DisplayName, "id", a.ID, "role", a.Role, "e-mail", a.Email, "active", a.IsActive,
				"second factor", a.MfaEnabled, "last login", a.LastLoginAt, "since", a.CreatedAt)
		})
	}
	me, err := gx.GetStaffProfile(ctx)
	if err != nil {
		return err
	}
	return c.show(p, me, func(w io.Writer) {
		facts(w, "name", me.Username, "called", me.DisplayName, "id", me.ID, "role", me.Role, "e-mail", me.Email, "second factor", me.MfaEnabled, "since", me.CreatedAt)
		for _, permission := range me.Permissions {
			facts(w, "may", permission)
		}
		for _, permission := range me.PermissionsWithApproval {
			facts(w, "may, with approval", permission)
		}
	})
}

type inviteCmd struct {
	Name          string `arg:"" help:"Name to log in with."`
	Role          string `required:"" placeholder:"ROLE" enum:"SUPER_OWNER,SUPER_ADMIN,ADMIN,MODERATOR,DEVELOPER,AUDITOR" help:"What they may do: ${enum}."`
	Called        string `placeholder:"NAME" help:"How people call them; the name by default."`
	Email         string `placeholder:"ADDRESS" help:"E-mail address."`
	orderSettings `embed:""`
}

// Run invites somebody, or asks a second person to.
func (c inviteCmd) Run(ctx context.Context, p *program) error {
	if c.Called == "" {
		c.Called = c.Name
	}
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.CreateStaff(ctx, client.CreateStaffRequest{
			Username: c.Name, DisplayName: c.Called, Email: c.Email, Role: client.CreateStaffRequestRole(c.Role),
		}, o...)
	})
}

type reinviteCmd struct {
	ID            string `arg:"" help:"Id of the member of staff."`
	orderSettings `embed:""`
}

// Run invites somebody again, or asks a second person to.
func (c reinviteCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.ChangeStaff(ctx, c.ID, client.ChangeStaffRequest{Renew: true}, o...)
	})
}

type changeStaffCmd struct {
	ID            string  `arg:"" help:"Id of the member of staff."`
	Called        *string `placeholder:"NAME" help:"How people call them."`
	Email         *string `placeholder:"ADDRESS" help:"E-mail address."`
	Active        *bool   `negatable:"" help:"Let them log in again; with --no-active no longer."`
	Reason        string  `placeholder:"TEXT" help:"Why."`
	orderSettings `embed:""`
}

// Run changes an account, or asks a second person to.
func (c changeStaffCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.ChangeStaff(ctx, c.ID, client.ChangeStaffRequest{DisplayName: c.Called, Email: c.Email, IsActive: c.Active, Reason: c.Reason}, o...)
	})
}

type acceptCmd struct {
	remoteSettings `embed:""`
}

// Run asks for the invitation and a password, and lets them log in.
func (c acceptCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.nobody()
	if err != nil {
		return err
	}
	invitation, err := p.secret("Invitation")
	if err != nil {
		return err
	}
	password, err := passwordSettings{}.choose(p)
	if err != nil {
		return err
	}
	r, err := gx.AcceptInvitation(ctx, client.AcceptRequest{Invitation: invitation, Password: password})
	return c.done(p, r, err)
}

func (s remoteSettings) done(p *program, r client.Done, err error) error {
	if err != nil {
		return err
	}
	return s.show(p, r, func(w io.Writer) { fmt.Fprintln(w, r.Message) })
}

type roleCmd struct {
	ID            string `arg:"" help:"Id of the member of staff."`
	Role          string `arg:"" enum:"SUPER_OWNER,SUPER_ADMIN,ADMIN,MODERATOR,DEVELOPER,AUDITOR" help:"One of ${enum}."`
	Reason        string `placeholder:"TEXT" help:"Why."`
	orderSettings `embed:""`
}

// Run asks for another role of somebody.
func (c roleCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.ChangeStaffRole(ctx, c.ID, client.RoleRequest{Role: client.RoleRequestRole(c.Role), Reason: c.Reason}, o...)
	})
}

type removeCmd struct {
	ID            string `arg:"" help:"Id of the member of staff."`
	orderSettings `embed:""`
}

// Run asks to remove somebody.
func (c removeCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.RemoveStaff(ctx, c.ID, o...)
	})
}

type staffPasswordCmd struct {
	remoteSettings `embed:""`
}

// Run changes the password, which ends the other sessions.
func (c staffPasswordCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	now, next, err := p.newPassword()
	if err != nil {
		return err
	}
	r, err := gx.ChangeStaffPassword(ctx, client.AdminPasswordRequest{CurrentPassword: now, NewPassword: next, ConfirmPassword: next})
	if err != nil {
		return err
	}
	return c.show(p, r, func(w io.Writer) { fmt.Fprintln(w, r.Message) })
}

type mfaCmd struct {
	Setup   mfaSetupCmd   `cmd:"" help:"Begin: get the secret for an authenticator."`
	Enable  mfaEnableCmd  `cmd:"" help:"Finish: prove it with a code."`
	Confirm mfaConfirmCmd `cmd:"" help:"Show the second factor again, as what is risky demands."`
	Codes   mfaCodesCmd   `cmd:"" help:"Get new recovery codes."`
	Disable mfaDisableCmd `cmd:"" help:"Do without a second factor."`
}

const authenticatorCode = "Code of your authenticator"

// code asks for a code and hands it to call.
func (s remoteSettings) code(p *program, call func(gx *client.Client, r client.CodeRequest) error) error {
	gx, err := s.staff()
	if err != nil {
		return err
	}
	code, err := p.line(authenticatorCode)
	if err != nil {
		return err
	}
	return call(gx, client.CodeRequest{Code: code})
}

type mfaSetupCmd struct {
	passwordSettings `embed:""`
	remoteSettings   `embed:""`
}

// Run prints the secret.
func (c mfaSetupCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	password, err := c.passwordSettings.read(p)
	if err != nil {
		return err
	}
	r, err := gx.SetupMfa(ctx, client.SetupRequest{Password: password})
	if err != nil {
		return err
	}
	return c.show(p, r, func(w io.Writer) {
		facts(w, "secret", r.Secret, "link", r.OtpauthURL)
		fmt.Fprintln(w, "Add it to your authenticator, then run: gx staff mfa enable")
	})
}

type mfaEnableCmd struct {
	remoteSettings `embed:""`
}

// Run prints the recovery codes.
func (c mfaEnableCmd) Run(ctx context.Context, p *program) error {
	return c.code(p, func(gx *client.Client, code client.CodeRequest) error {
		r, err := gx.EnableMfa(ctx, code)
		return c.recovery(p, r, err)
	})
}

func (s remoteSettings) recovery(p *program, r client.CodesResponse, err error) error {
	if err != nil {
		return err
	}
	return s.show(p, r, func(w io.Writer) {
		fmt.Fprintln(w, r.Message)
		for _, code := range r.BackupCodes {
			fmt.Fprintln(w, code)
		}
	})
}

type mfaConfirmCmd struct {
	remoteSettings `embed:""`
}

// Run shows the second factor.
func (c mfaConfirmCmd) Run(ctx context.Context, p *program) error {
	return c.code(p, func(gx *client.Client, code client.CodeRequest) error {
		r, err := gx.StepUpMfa(ctx, code)
		return c.done(p, r, err)
	})
}

type mfaCodesCmd struct {
	remoteSettings `embed:""`
}

// Run prints new recovery codes; the old ones are void.
func (c mfaCodesCmd) Run(ctx context.Context, p *program) error {
	return c.code(p, func(gx *client.Client, code client.CodeRequest) error {
		r, err := gx.RenewRecoveryCodes(ctx, code)
		return c.recovery(p, r, err)
	})
}

type mfaDisableCmd struct {
	passwordSettings `embed:""`
	remoteSettings   `embed:""`
}

// Run gives the second factor up.
func (c mfaDisableCmd) Run(ctx context.Context, p *program) error {
	password, err := c.passwordSettings.read(p)
	if err != nil {
		return err
	}
	return c.code(p, func(gx *client.Client, code client.CodeRequest) error {
		r, err := gx.DisableMfa(ctx, client.DisableRequest{Password: password, Code: code.Code})
		return c.done(p, r, err)
	})
}
