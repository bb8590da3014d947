package admin

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/command"
)

// The operations on accounts of staff.
const (
	inviteStaff = "INVITE_STAFF"
	changeStaff = "CHANGE_STAFF"
	changeRole  = "CHANGE_STAFF_ROLE"
	removeStaff = "REMOVE_STAFF"
)

// staffChange is what can be changed of an account. What is nil stays.
type staffChange struct {
	StaffID     uuid.UUID `json:"staffId"`
	DisplayName *string   `json:"displayName,omitzero"`
	Email       []byte    `json:"email,omitzero"` // sealed
	EmailHash   []byte    `json:"emailHash,omitzero"`
	Active      *bool     `json:"active,omitzero"`
}

type roleChange struct {
	StaffID uuid.UUID `json:"staffId"`
	Role    door.Role `json:"role"`
}

type removal struct {
	StaffID uuid.UUID `json:"staffId"`
}

// operations defines what is done to accounts of staff, each with a second person.
func (s admin) operations() {
	s.Define(door.Operation{
		Name: inviteStaff, Permissions: []door.Permission{door.AdminCreate, door.AdminUpdate}, Internal: true, Decode: door.DecodePayload[invitation],
		Check: func(ctx context.Context, tx pgx.Tx, role door.Role, requester uuid.UUID, payload any) error {
			i := payload.(*invitation)
			if i.Renewal {
				return s.manages(ctx, tx, role, requester, i.StaffID, nil)
			}
			return s.mayGive(role, i.Role)
		},
		Alone: s.mayInviteAlone,
		Execute: func(ctx context.Context, tx pgx.Tx, r door.Request, payload any) (uuid.UUID, error) {
			i := payload.(*invitation)
			alone := false
			if !i.Renewal {
				var err error
				if alone, err = s.lonely(ctx, tx); err != nil {
					return uuid.Nil, err
				}
			}
			return uuid.Nil, s.invite(ctx, tx, r.Requester, alone, *i)
		},
	})
	s.Define(door.Operation{
		Name: changeStaff, Permissions: []door.Permission{door.AdminUpdate}, Internal: true, Decode: door.DecodePayload[staffChange],
		Check: func(ctx context.Context, tx pgx.Tx, role door.Role, requester uuid.UUID, payload any) error {
			c := payload.(*staffChange)
			return s.manages(ctx, tx, role, requester, c.StaffID, func(a staffRow) bool { return c.Active != nil && !*c.Active })
		},
		Execute: func(ctx context.Context, tx pgx.Tx, _ door.Request, payload any) (uuid.UUID, error) {
			c := payload.(*staffChange)
			return uuid.Nil, s.updateStaff(ctx, tx, c.StaffID, c.Active != nil && !*c.Active, `display_name = coalesce($3, display_name),
				email = coalesce($4, email), email_hash = coalesce($5, email_hash), active = coalesce($6, active)`, c.DisplayName, c.Email, c.EmailHash, c.Active)
		},
	})
	s.Define(door.Operation{
		Name: changeRole, Permissions: []door.Permission{door.AdminRoleChange}, Decode: door.DecodePayload[roleChange],
		Check: func(ctx context.Context, tx pgx.Tx, role door.Role, requester uuid.UUID, payload any) error {
			c := payload.(*roleChange)
			if err := s.mayGive(role, c.Role); err != nil {
				return err
			}
			return s.manages(ctx, tx, role, requester, c.StaffID, func(a staffRow) bool { return c.Role != door.SuperOwner })
		},
		Execute: func(ctx context.Context, tx pgx.Tx, _ door.Request, payload any) (uuid.UUID, error) {
			c := payload.(*roleChange)
			return uuid.Nil, s.updateStaff(ctx, tx, c.StaffID, false, `role = $3`, c.Role)
		},
	})
	s.Define(door.Operation{
		Name: removeStaff, Permissions: []door.Permission{door.AdminDelete}, Decode: door.DecodePayload[removal],
		Check: func(ctx context.Context, tx pgx.Tx, role door.Role, requester uuid.UUID, payload any) error {
			return s.manages(ctx, tx, role, requester, payload.(*removal).StaffID, func(staffRow) bool { return true })
		},
		Execute: func(ctx context.Context, tx pgx.Tx, _ door.Request, payload any) (uuid.UUID, error) {
			return uuid.Nil, s.updateStaff(ctx, tx, payload.(*removal).StaffID, true, `active = false`)
		},
	})
}

// mayGive refuses a role that is not below the giver's; owners give any.
func (s admin) mayGive(giver, role door.Role) error {
	if !slices.Contains(door.Roles[:], role) {
		return problem.Unprocessable("role", "role_invalid", "is not a role")
	}
	if giver != door.SuperOwner && role.Level() >= giver.Level() {
		return problem.New(http.StatusForbidden, "forbidden", "You may only give roles below your own.")
	}
	return nil
}

// manages refuses a change of one's own account, of one that is not below, and of
// the last owner's when it would be one no longer.
func (s admin) manages(ctx context.Context, tx pgx.Tx, role door.Role, requester, target uuid.UUID, loses func(staffRow) bool) error {
	rows, err := tx.Query(ctx, `SELECT `+accountColumns+` FROM app.staff WHERE staff_id = $1 OR role = 'SUPER_OWNER' ORDER BY staff_id FOR UPDATE`, target)
	if err != nil {
		return fmt.Errorf("read staff: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[staffRow])
	if err != nil {
		return fmt.Errorf("read staff: %w", err)
	}
	at := slices.IndexFunc(list, func(a staffRow) bool { return a.ID == target })
	if at < 0 {
		return errNoStaff
	}
	others := slices.ContainsFunc(list, func(a staffRow) bool { return a.ID != target && a.Role == door.SuperOwner && a.Active })
	a := list[at]
	switch {
	case target == requester:
		return problem.New(http.StatusForbidden, "own_account", "Somebody else has to ask for a change of your account.")
	case role != door.SuperOwner && a.Role.Level() >= role.Level():
		return problem.New(http.StatusForbidden, "forbidden", "You may only change accounts below your own.")
	case a.Role == door.SuperOwner && !others && loses != nil && loses(a):
		return problem.New(http.StatusConflict, "last_owner", "The last owner stays.")
	}
	return nil
}

// mayInviteAlone is the one way to a second person: the first owner may invite
// them alone, as long as nobody else has ever been staff.
func (s admin) mayInviteAlone(ctx context.Context, tx pgx.Tx, who door.Principal, payload any) (bool, error) {
	i := payload.(*invitation)
	if who.Role != door.SuperOwner || i.Renewal {
		return false, nil
	}
	lonely, err := s.lonely(ctx, tx)
	if err != nil || !lonely {
		return false, err
	}
	if !i.Role.May(door.ApprovalApprove) {
		return false, problem.Unprocessable("role", "role_cannot_approve", "must be SUPER_OWNER or SUPER_ADMIN: you are alone, and the first whom you invite has to approve what you ask for")
	}
	return true, nil
}

// updateStaff applies assignments, whose arguments begin at $3.
func (s admin) updateStaff(ctx context.Context, tx pgx.Tx, id uuid.UUID, shutOut bool, set string, args ...any) error {
	if _, err := tx.Exec(ctx, `UPDATE app.staff SET updated_at = $2, `+set+` WHERE staff_id = $1`, append([]any{id, s.Clock()}, args...)...); err != nil {
		return fmt.Errorf("change staff: %w", err)
	}
	if !shutOut {
		return nil
	}
	return s.RevokeAll(ctx, tx, token.Staff, id, "account disabled")
}

var errNoStaff = problem.New(http.StatusNotFound, "admin_not_found", "There is no such member of staff.")

// StaffAccount is a member of staff as others see them.
type StaffAccount struct {
	Member
	IsActive    bool       `json:"isActive"`
	MFAEnabled  bool       `json:"mfaEnabled"`
	LastLoginAt *door.Time `json:"lastLoginAt,omitzero"`
	CreatedAt   door.Time  `json:"createdAt"`
	UpdatedAt   door.Time  `json:"updatedAt"`
}

func (s admin) staffAccount(a staffRow) (StaffAccount, error) {
	m, err := s.member(a)
	return StaffAccount{m, a.Active, a.TOTPEnabledAt != nil, door.TimeOf(a.LastLoginAt), door.Time{Time: a.CreatedAt}, door.Time{Time: a.UpdatedAt}}, err
}

type staffListOutput struct {
	Body struct {
		Data []StaffAccount `json:"data"`
	}
}

func (s admin) listStaff(ctx context.Context, _ *struct{}) (*staffListOutput, error) {
	rows, err := s.Pool.Query(ctx, `SELECT `+accountColumns+` FROM app.staff ORDER BY created_at, staff_id`)
	if err != nil {
		return nil, fmt.Errorf("list staff: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[staffRow])
	if err != nil {
		return nil, fmt.Errorf("list staff: %w", err)
	}
	var out staffListOutput
	out.Body.Data = make([]StaffAccount, len(list))
	for i, a := range list {
		if out.Body.Data[i], err = s.staffAccount(a); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

type staffInput struct {
	AdminID uuid.UUID `path:"adminId" format:"uuid"`
}

type staffOutput struct{ Body StaffAccount }

func (s admin) viewStaff(ctx context.Context, in *staffInput) (*staffOutput, error) {
	a, err := s.account(ctx, in.AdminID)
	if err != nil {
		return nil, err
	}
	v, err := s.staffAccount(a)
	return &staffOutput{v}, err
}

type createStaffInput struct {
	Body struct {
		NewAdminID  string    `json:"newAdminId,omitzero" maxLength:"40" doc:"GX id: enters a person into the ledger's register of administrators, and excludes the rest"`
		Username    string    `json:"username,omitzero" maxLength:"64" example:"grace"`
		DisplayName string    `json:"displayName,omitzero" maxLength:"100"`
		Email       string    `json:"email,omitzero" maxLength:"254"`
		Role        door.Role `json:"role,omitzero" enum:"SUPER_OWNER,SUPER_ADMIN,ADMIN,MODERATOR,DEVELOPER,AUDITOR"`
	}
}

// usernameForm is also that of a staff name on the ledger.
var usernameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$`)

// createStaff invites a new member of staff, or appoints an administrator on the ledger.
func (s admin) createStaff(ctx context.Context, in *createStaffInput) (*door.Accepted, error) {
	b := &in.Body
	if b.NewAdminID != "" {
		if b.Username+b.DisplayName+b.Email+string(b.Role) != "" {
			return nil, problem.BadField("newAdminId", "excludes the other members")
		}
		me, err := s.account(ctx, door.Caller(ctx).ID)
		if err != nil {
			return nil, err
		}
		return s.Submit(ctx, door.Submission{
			Payload: &command.AppointAdmin{ActorID: me.Username, NewAdminID: b.NewAdminID}, Request: in.Body,
			Receipt: door.Receipt{Message: "The administrator is being appointed.", AggregateID: b.NewAdminID},
		})
	}
	username := strings.TrimSpace(b.Username)
	var rules people.Rules
	if !usernameForm.MatchString(username) {
		rules.Bad = append(rules.Bad, problem.Field{Field: "username", Code: "username_invalid", Message: "must be 2 to 64 letters, digits, dots, hyphens and underscores"})
	}
	display := rules.Name("displayName", b.DisplayName)
	if b.Email != "" {
		b.Email = rules.Email("email", b.Email)
	}
	if rules.Bad != nil {
		return nil, problem.Invalid(http.StatusBadRequest, rules.Bad...)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("staff id: %w", err)
	}
	i := invitation{StaffID: id, Username: username, DisplayName: display, Role: b.Role}
	if b.Email != "" {
		i.Email, i.EmailHash = s.Fields.Seal(emailContext(id), []byte(b.Email)), s.emailHash(b.Email)
	}
	known, err := s.Known(ctx)
	if err != nil {
		return nil, err
	}
	if !known {
		other, err := s.named(ctx, username)
		if err != nil {
			return nil, err
		}
		if other != uuid.Nil {
			return nil, problem.New(http.StatusConflict, "username_taken", "Another account has this name.")
		}
	}
	return s.askInvitation(ctx, i, in.Body)
}

// askInvitation asks for an invitation and hands its secret to the caller, once.
func (s admin) askInvitation(ctx context.Context, i invitation, request any) (*door.Accepted, error) {
	secret := newSecret("gxi_")
	i.TokenHash = hashSecret(secret)
	out, err := s.Ask(ctx, door.Act{Operation: inviteStaff, Payload: i, Resource: i.StaffID.String(), Request: request})
	if err == nil && out.Hit == "" {
		out.Body.Invitation = secret
	}
	return out, err
}

type changeStaffInput struct {
	AdminID uuid.UUID `path:"adminId" format:"uuid"`
	Body    struct {
		DisplayName *string `json:"displayName,omitzero" maxLength:"100"`
		Email       *string `json:"email,omitzero" maxLength:"254"`
		IsActive    *bool   `json:"isActive,omitzero"`
		Renew       bool    `json:"renew,omitzero" doc:"Invite them again: a new password and no second factor. Excludes the rest"`
		Reason      string  `json:"reason,omitzero" maxLength:"1000"`
	}
}

func (s admin) changeStaff(ctx context.Context, in *changeStaffInput) (*door.Accepted, error) {
	b := &in.Body
	a, err := s.account(ctx, in.AdminID)
	if err != nil {
		return nil, err
	}
	request := struct {
		AdminID uuid.UUID `json:"adminId"`
		Body    any       `json:"body"`
		Reason  string    `json:"reason"`
	}{in.AdminID, in.Body, b.Reason}
	if b.Renew {
		if b.DisplayName != nil || b.Email != nil || b.IsActive != nil {
			return nil, problem.BadField("renew", "excludes the other members")
		}
		return s.askInvitation(ctx, invitation{StaffID: a.ID, Username: a.Username, DisplayName: a.DisplayName, Role: a.Role, Renewal: true}, request)
	}
	c := staffChange{StaffID: a.ID, Active: b.IsActive}
	var rules people.Rules
	if b.DisplayName != nil {
		c.DisplayName = new(rules.Name("displayName", *b.DisplayName))
	}
	if b.Email != nil {
		email := rules.Email("email", *b.Email)
		c.Email, c.EmailHash = s.Fields.Seal(emailContext(a.ID), []byte(email)), s.emailHash(email)
	}
	if rules.Bad != nil {
		return nil, problem.Invalid(http.StatusBadRequest, rules.Bad...)
	}
	if c.DisplayName == nil && c.Email == nil && c.Active == nil {
		return nil, problem.BadField("body", "changes nothing")
	}
	return s.Ask(ctx, door.Act{Operation: changeStaff, Payload: c, Resource: a.ID.String(), Request: request})
}

type roleInput struct {
	AdminID uuid.UUID `path:"adminId" format:"uuid"`
	Body    struct {
		Role   door.Role `json:"role" enum:"SUPER_OWNER,SUPER_ADMIN,ADMIN,MODERATOR,DEVELOPER,AUDITOR"`
		Reason string    `json:"reason,omitzero" maxLength:"1000"`
	}
}

func (s admin) changeRole(ctx context.Context, in *roleInput) (*door.Accepted, error) {
	return s.Ask(ctx, door.Act{Operation: changeRole, Payload: roleChange{in.AdminID, in.Body.Role}, Resource: in.AdminID.String(),
		Request: map[string]any{"adminId": in.AdminID, "role": in.Body.Role}, Reason: in.Body.Reason})
}

func (s admin) removeStaff(ctx context.Context, in *staffInput) (*door.Accepted, error) {
	return s.Ask(ctx, door.Act{Operation: removeStaff, Payload: removal{in.AdminID}, Resource: in.AdminID.String(),
		Request: map[string]any{"adminId": in.AdminID}})
}
