package main

import (
	"context"
	"fmt"
	"io"

	"gxcoin.money/gx/api/client"
)

type recoveryCmd struct {
	Guardians guardiansCmd       `cmd:"" help:"Show who can recover one's account, and whose account one can recover."`
	Nominate  nominateCmd        `cmd:"" help:"Say who can recover one's account, in place of any before."`
	List      listRecoveriesCmd  `cmd:"" help:"List the recoveries of one's account, or of one that one guards, the last first."`
	Show      showRecoveryCmd    `cmd:"" help:"Show a recovery."`
	Begin     beginRecoveryCmd   `cmd:"" help:"As a guardian: begin to recover an account."`
	Confirm   confirmRecoveryCmd `cmd:"" help:"As a guardian: vote for a recovery."`
	Cancel    cancelRecoveryCmd  `cmd:"" help:"Object to a recovery of one's account."`
	Execute   executeRecoveryCmd `cmd:"" help:"As staff: hand the account over, when the time to object is over."`
}

type guardiansCmd struct {
	remoteSettings `embed:""`
}

// Run prints both sides of one's guardianships.
func (c guardiansCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{remoteSettings: c.remoteSettings}, func(gx *client.Client) (client.GuardiansResponse, error) { return gx.ListGuardians(ctx) },
		func(w io.Writer, r client.GuardiansResponse) {
			facts(w, "recovery", map[bool]string{true: "is possible", false: "is switched off"}[r.RecoveryEnabled])
			fmt.Fprintln(w)
			row(w, "WHO", "GX ID", "NAME", "SINCE")
			guardians(w, "guards me", r.Guardians)
			guardians(w, "I guard", r.Wards)
		})
}

func guardians(w io.Writer, who string, list []client.Guardian) {
	for _, g := range list {
		row(w, who, g.FabricUserID, g.DisplayName, g.NominatedAt)
	}
}

type nominateCmd struct {
	IDs           []string `arg:"" name:"id" help:"GX ids or profile ids of the guardians; more than half of them together can recover the account."`
	orderSettings `embed:""`
}

// Run nominates guardians.
func (c nominateCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.NominateGuardians(ctx, client.GuardiansRequest{GuardianIDs: c.IDs}, o...)
	})
}

type listRecoveriesCmd struct {
	Of             string `placeholder:"ID" help:"Account that one guards; by default one's own."`
	pageSettings   `embed:""`
	remoteSettings `embed:""`
}

// Run prints one page of recoveries.
func (c listRecoveriesCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{remoteSettings: c.remoteSettings}, func(gx *client.Client) (client.ListRecovery, error) {
		return gx.ListRecoveries(ctx, client.ListRecoveriesParams{AccountID: c.Of, Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.ListRecovery) {
		row(w, "STATUS", "VOTES", "SINCE", "UNTIL", "RECOVERY")
		for _, x := range r.Data {
			row(w, string(x.Status), fmt.Sprintf("%d/%d", x.Confirmations, x.Required), x.CreatedAt, x.ExpiresAt, x.RecoveryID)
		}
		more(w, "--cursor", r.NextCursor)
	})
}

type showRecoveryCmd struct {
	ID             string `arg:"" help:"Its id."`
	remoteSettings `embed:""`
}

// Run prints a recovery.
func (c showRecoveryCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{remoteSettings: c.remoteSettings}, func(gx *client.Client) (client.RecoveryResponse, error) { return gx.GetRecovery(ctx, c.ID) },
		func(w io.Writer, r client.RecoveryResponse) {
			x := r.Recovery
			facts(w, "recovery", x.RecoveryID, "account", x.AccountID, "status", string(x.Status), "votes", fmt.Sprintf("%d of %d", x.Confirmations, x.Required),
				"begun by", x.InitiatorID, "since", x.CreatedAt, "votes until", x.ExpiresAt, "objections until", x.ExecutableAt, "closed", x.ClosedAt)
		})
}

type beginRecoveryCmd struct {
	Account       string `arg:"" help:"GX id or profile id of whoever lost their account."`
	NewKey        string `required:"" type:"existingfile" placeholder:"FILE" help:"Public key that controls the account from then on. Only its hash leaves this machine."`
	orderSettings `embed:""`
}

// Run begins a recovery.
func (c beginRecoveryCmd) Run(ctx context.Context, p *program) error {
	hash, _, err := fileHash(c.NewKey)
	if err != nil {
		return err
	}
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.InitiateRecovery(ctx, client.RecoveryClaimRequest{AccountID: c.Account, NewControllerKeyHash: hash}, o...)
	})
}

type confirmRecoveryCmd struct {
	orderAbout `embed:""`
}

// Run votes.
func (c confirmRecoveryCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, false, (*client.Client).ConfirmRecovery)
}

type cancelRecoveryCmd struct {
	orderAbout `embed:""`
}

// Run objects.
func (c cancelRecoveryCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, false, (*client.Client).CancelRecovery)
}

type executeRecoveryCmd struct {
	orderAbout `embed:""`
}

// Run hands an account over, or asks a second person to.
func (c executeRecoveryCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, true, (*client.Client).ExecuteRecovery)
}
