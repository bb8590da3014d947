package main

import (
	"context"
	"fmt"
	"io"

	"gxcoin.money/gx/api/client"
)

type sessionCmd struct {
	List listSessionsCmd `cmd:"" help:"List where one is logged in."`
	End  endSessionCmd   `cmd:"" help:"End a session, or all but this one."`
}

type listSessionsCmd struct {
	viewSettings `embed:""`
}

// Run prints the sessions.
func (c listSessionsCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.SessionList, error) {
		if c.Staff {
			return gx.ListStaffSessions(ctx)
		}
		return gx.ListSessions(ctx)
	}, func(w io.Writer, r client.SessionList) {
		row(w, "SESSION", "FROM", "WITH", "LAST", "THIS ONE")
		for _, s := range r.Sessions {
			row(w, s.ID, s.IPAddress, line(s.UserAgent, 20), s.LastActivityAt, yesNo(s.IsCurrent))
		}
	})
}

type endSessionCmd struct {
	ID           string `arg:"" optional:"" help:"Id of the session; without, all others are ended."`
	viewSettings `embed:""`
}

// Run ends one session, or all others.
func (c endSessionCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.MessageResponse, error) {
		switch {
		case c.ID == "" && c.Staff:
			r, err := gx.StaffLogoutAll(ctx)
			return client.MessageResponse{Message: r.Message}, err
		case c.ID == "":
			r, err := gx.LogoutAll(ctx)
			return client.MessageResponse{Message: fmt.Sprintf("%s ended.", count(r.RevokedCount, "session"))}, err
		case c.Staff:
			r, err := gx.RevokeStaffSession(ctx, c.ID)
			return client.MessageResponse{Message: r.Message}, err
		}
		return gx.RevokeSession(ctx, c.ID)
	}, func(w io.Writer, r client.MessageResponse) { fmt.Fprintln(w, r.Message) })
}
