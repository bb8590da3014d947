package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gxcoin.money/gx/api/client"
)

type loginCmd struct {
	Name             string `arg:"" help:"E-mail address; with --staff, name of a member of staff."`
	Staff            bool   `help:"Log in as a member of staff."`
	passwordSettings `embed:""`
	remoteSettings   `embed:""`
}

// Run keeps the session for the commands that follow.
func (c loginCmd) Run(ctx context.Context, p *program) error {
	at, err := c.where()
	if err != nil {
		return err
	}
	gx, err := at.client()
	if err != nil {
		return err
	}
	password, err := c.passwordSettings.read(p)
	if err != nil {
		return err
	}
	tokens, err := c.tokens(ctx, p, gx, password)
	if err != nil {
		return err
	}
	return c.remoteSettings.keep(p, login{Name: c.Name, Staff: c.Staff, Place: at, Kept: gx.Keep(tokens)})
}

func (c loginCmd) tokens(ctx context.Context, p *program, gx *client.Client, password string) (client.Tokens, error) {
	if !c.Staff {
		r, err := gx.Login(ctx, client.IdentityLoginRequest{Email: c.Name, Password: password})
		return r.Tokens(), err
	}
	r, err := gx.StaffLogin(ctx, client.AdminLoginRequest{Username: c.Name, Password: password})
	if err == nil && r.RequiresMfa {
		var code string
		if code, err = p.line("Code of your second factor, or a recovery code"); err == nil {
			r, err = gx.VerifyMfa(ctx, client.VerifyRequest{MfaToken: r.MfaToken, Code: code})
		}
	}
	return r.Tokens(), err
}

// keep makes l the last login and says so.
func (s remoteSettings) keep(p *program, l login) error {
	kept, err := openLogins()
	if err != nil {
		return err
	}
	if err := kept.add(l); err != nil {
		return err
	}
	return s.show(p, identity{Name: l.Name, Staff: l.Staff, Place: l.Place}, func(w io.Writer) {
		fmt.Fprintf(w, "Logged in as %s, at %s.\n", l.Name, l.Place)
	})
}

type logoutCmd struct {
	Staff          bool `help:"End a login of a member of staff."`
	remoteSettings `embed:""`
}

// Run ends the session at the service and forgets it, even when the service can't be told.
func (c logoutCmd) Run(ctx context.Context, p *program) error {
	kept, err := openLogins()
	if err != nil {
		return err
	}
	at, given := c.place()
	l, err := kept.find(func(l login) bool {
		return l.Staff == c.Staff && (!given || l.Place == at) && (c.As == "" || l.named(c.As))
	})
	if err != nil {
		return err
	}
	if l == nil {
		return errors.New("there is no such login: gx whoami lists them")
	}
	told := c.tell(ctx, kept, *l)
	if err := kept.remove(*l); err != nil {
		return err
	}
	if told != nil {
		return fmt.Errorf("the login is forgotten here, but its session may still be open: %w", told)
	}
	return c.show(p, identity{Name: l.Name, Staff: l.Staff, Place: l.Place}, func(w io.Writer) { fmt.Fprintf(w, "Logged out: %s, at %s.\n", l.Name, l.Place) })
}

func (c logoutCmd) tell(ctx context.Context, kept logins, l login) error {
	gx, err := l.Place.client()
	if err != nil {
		return err
	}
	if l.Staff {
		_, err = gx.Resume(true, kept.keeper(l)).StaffLogout(ctx)
	} else {
		_, err = gx.Logout(ctx, client.RefreshRequest{RefreshToken: l.RefreshToken})
	}
	if p := (*client.Problem)(nil); errors.As(err, &p) && p.Status == 401 {
		return nil // it was over already
	}
	return err
}

// identity is who a login is of.
type identity struct {
	Name  string `json:"name"`
	Staff bool   `json:"staff"`
	Place place  `json:"place"`

	ID     string `json:"id,omitempty"` // GX id of a person who has one, else profile id; of staff their id
	Role   string `json:"role,omitempty"`
	Status string `json:"status,omitempty"` // of a person
	Error  string `json:"error,omitempty"`  // why it can't be told
}

type whoamiCmd struct {
	outputSettings `embed:""`
}

// Run asks each system who the logins are, the last one first.
func (c whoamiCmd) Run(ctx context.Context, p *program) error {
	kept, err := openLogins()
	if err != nil {
		return err
	}
	list, err := kept.list()
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("nobody is logged in: run \"gx login EMAIL\" or \"gx login --staff NAME\"")
	}
	who := make([]identity, len(list))
	for i, l := range list {
		who[i] = identity{Name: l.Name, Staff: l.Staff, Place: l.Place}
		if err := who[i].complete(ctx, kept.keeper(l)); err != nil {
			who[i].Error = err.Error()
		}
	}
	return c.show(p, who, func(w io.Writer) {
		row(w, "LOGIN", "ID", "IS", "AT")
		for _, i := range who {
			is := i.Role + i.Status
			if i.Staff {
				is = "staff " + is
			}
			row(w, i.Name, i.ID, is+i.Error, i.Place)
		}
	})
}

func (i *identity) complete(ctx context.Context, keep client.Keeper) error {
	gx, err := i.Place.client()
	if err != nil {
		return err
	}
	gx = gx.Resume(i.Staff, keep)
	if i.Staff {
		me, err := gx.GetStaffProfile(ctx)
		i.ID, i.Role = me.ID, me.Role
		return err
	}
	me, err := gx.GetMe(ctx)
	i.ID, i.Status = me.User.FabricUserID, me.User.Status
	if i.ID == "" {
		i.ID = me.User.ProfileID
	}
	return err
}
