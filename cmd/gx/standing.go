package main

import (
	"context"

	"gxcoin.money/gx/api/client"
)

type freezeUserCmd struct {
	ID            string `arg:"" help:"Profile id or GX id."`
	Reason        string `required:"" placeholder:"REASON" enum:"ADMIN_ACTION,COMPLIANCE_REVIEW,COURT_ORDER,DEBT_COLLECTION,INACTIVITY,SUSPICIOUS_ACTIVITY,USER_REQUEST" help:"Why: ${enum}."`
	Notes         string `placeholder:"TEXT" help:"For the record; not on the ledger."`
	orderSettings `embed:""`
}

// Run freezes a person, or asks a second member of staff to.
func (c freezeUserCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.FreezeUser(ctx, c.ID, client.AdminFreezeRequest{Reason: client.AdminFreezeRequestReason(c.Reason), Notes: c.Notes}, o...)
	})
}

type unfreezeUser struct {
	ID            string `arg:"" help:"Profile id or GX id."`
	Notes         string `placeholder:"TEXT" help:"For the record."`
	orderSettings `embed:""`
}

// Run ends a freeze, or asks a second member of staff to.
func (c unfreezeUser) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.UnfreezeUser(ctx, c.ID, &client.AdminUnfreezeRequest{Notes: c.Notes}, o...)
	})
}

// standingSettings say whose account changes, and why.
type standingSettings struct {
	ID            string `arg:"" help:"Profile id or GX id."`
	Reason        string `required:"" placeholder:"TEXT" help:"Why, 10 characters or more."`
	orderSettings `embed:""`
}

type standingCall func(*client.Client, context.Context, string, client.StandingRequest, ...client.Option) (client.Receipt, error)

func (c standingSettings) change(ctx context.Context, p *program, call standingCall) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return call(gx, ctx, c.ID, client.StandingRequest{Reason: c.Reason}, o...)
	})
}

type suspendCmd struct {
	standingSettings `embed:""`
}

// Run suspends a person.
func (c suspendCmd) Run(ctx context.Context, p *program) error {
	return c.change(ctx, p, (*client.Client).SuspendUser)
}

type reactivateCmd struct {
	standingSettings `embed:""`
}

// Run ends a suspension.
func (c reactivateCmd) Run(ctx context.Context, p *program) error {
	return c.change(ctx, p, (*client.Client).ReactivateUser)
}

type closeCmd struct {
	standingSettings `embed:""`
}

// Run closes an account.
func (c closeCmd) Run(ctx context.Context, p *program) error {
	return c.change(ctx, p, (*client.Client).CloseUser)
}
