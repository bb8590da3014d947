package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"gxcoin.money/gx/api/client"
)

type walletCmd struct {
	List     listWalletsCmd `cmd:"" help:"List one's wallets."`
	Balance  balanceCmd     `cmd:"" help:"Show what is there and what of it is available."`
	Show     dashboardCmd   `cmd:"" help:"Show the balance, what happened last and the velocity tax."`
	History  historyCmd     `cmd:"" help:"Show the payments in and out, the last first."`
	Watch    watchCmd       `cmd:"" help:"Show payments as they happen."`
	Genesis  genesisCmd     `cmd:"" help:"Show the coins that one was given at the beginning."`
	Freeze   freezeCmd      `cmd:"" help:"As staff: let nothing leave a wallet."`
	Unfreeze unfreezeCmd    `cmd:"" help:"As staff: end a freeze."`
	Supply   supplyCmd      `cmd:"" help:"Show how many coins there are, and where."`
	Treasury treasuryCmd    `cmd:"" help:"Show the treasury of a country."`
}

type listWalletsCmd struct {
	remoteSettings `embed:""`
}

// Run prints the wallets.
func (c listWalletsCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{remoteSettings: c.remoteSettings}, func(gx *client.Client) (client.WalletsResponse, error) { return gx.ListWallets(ctx) },
		func(w io.Writer, r client.WalletsResponse) {
			row(w, "WALLET", "NAME", "BALANCE", "AVAILABLE", "STATUS")
			for _, b := range r.Wallets {
				row(w, b.WalletID, b.WalletName, gxOf(b.Balance), gxOf(b.AvailableBalance), b.Status)
			}
		})
}

type balanceCmd struct {
	remoteSettings `embed:""`
}

// Run prints a balance.
func (c balanceCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.person()
	if err != nil {
		return err
	}
	r, err := gx.GetBalance(ctx, "me")
	if err != nil {
		return err
	}
	return c.show(p, r.Balance, func(w io.Writer) {
		b := r.Balance
		facts(w, "balance", gxOf(b.Balance), "available", gxOf(b.AvailableBalance), "wallet", b.WalletID, "status", b.Status, "as of block", b.AsOfBlock)
	})
}

type dashboardCmd struct {
	remoteSettings `embed:""`
}

// Run prints a wallet at a glance.
func (c dashboardCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.person()
	if err != nil {
		return err
	}
	return shown(p, c.outputSettings, gx, func(gx *client.Client) (client.DashboardResponse, error) { return gx.GetDashboard(ctx, "me") },
		func(w io.Writer, r client.DashboardResponse) {
			t := r.VelocityTax
			facts(w, "balance", gxOf(r.Wallet.Balance), "available", gxOf(r.Wallet.AvailableBalance), "status", r.Wallet.Status)
			if t.Running {
				facts(w, "velocity tax", gxOf(t.ExpectedTax), "due", t.DueAt)
			}
			fmt.Fprintln(w)
			statement(w, r.RecentTransactions, "")
		})
}

type historyCmd struct {
	remoteSettings `embed:""`
	Limit          int64  `default:"20" help:"How many at most, 1 to 100; ${default} by default."`
	Cursor         string `placeholder:"CURSOR" help:"Where the page before ended."`
}

// Run prints one page of a statement.
func (c historyCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.person()
	if err != nil {
		return err
	}
	r, err := gx.ListTransactions(ctx, "me", client.ListTransactionsParams{Limit: c.Limit, Cursor: c.Cursor})
	if err != nil {
		return err
	}
	return c.show(p, r, func(w io.Writer) { statement(w, r.Transactions, r.NextCursor) })
}

func statement(w io.Writer, transactions []client.Transaction, cursor string) {
	row(w, "AT", "TYPE", "AMOUNT", "BALANCE", "WITH", "REMARK")
	for _, t := range transactions {
		statementLine(w, t)
	}
	more(w, "--cursor", cursor)
}

// statementLine prints one line of a statement.
func statementLine(w io.Writer, t client.Transaction) {
	sign := "+"
	if t.Direction == client.TransactionDirectionOUT {
		sign = "-"
	}
	with := t.Counterparty
	if t.CounterpartyName != "" {
		with += " (" + t.CounterpartyName + ")"
	}
	row(w, t.Timestamp, t.Type, sign+gxOf(t.Amount), gxOf(t.BalanceAfter), with, t.Remark)
}

type watchCmd struct {
	remoteSettings `embed:""`
	Count          int `placeholder:"N" help:"End after so many payments; without, Ctrl-C ends it."`
}

// Run prints each new line of a statement, as JSON one a line.
func (c watchCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.person()
	if err != nil {
		return err
	}
	seen := 0
	for e, err := range gx.StreamWallet(ctx, "me") {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case e.Name == "ready":
			fmt.Fprintln(p.stderr, "Watching. Ctrl-C ends it.")
			continue
		case c.Output == "json":
			fmt.Fprintf(p.stdout, "%s\n", e.Data)
		default:
			var t client.Transaction
			if err := json.Unmarshal(e.Data, &t); err != nil {
				return err
			}
			statementLine(p.stdout, t)
		}
		if seen++; seen == c.Count {
			break
		}
	}
	return nil
}

type genesisCmd struct {
	remoteSettings `embed:""`
}

// Run prints what a person got.
func (c genesisCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.person()
	if err != nil {
		return err
	}
	r, err := gx.GetGenesis(ctx, "me")
	if err != nil {
		return err
	}
	return c.show(p, r.Genesis, func(w io.Writer) {
		g := r.Genesis
		facts(w, "status", g.Status, "phase", g.Phase, "amount", gxOf(g.Amount), "at", g.At)
	})
}

type freezeCmd struct {
	ID            string `arg:"" help:"Wallet, GX id or profile id."`
	Reason        string `required:"" placeholder:"REASON" help:"Why, one of the reasons of the API, such as COMPLIANCE_REVIEW or SUSPICIOUS_ACTIVITY."`
	orderSettings `embed:""`
}

// Run freezes a wallet, or asks a second person to.
func (c freezeCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.FreezeWallet(ctx, c.ID, client.TokenomicsFreezeRequest{Reason: c.Reason}, o...)
	})
}

type unfreezeCmd struct {
	ID            string `arg:"" help:"Wallet, GX id or profile id."`
	Reason        string `placeholder:"TEXT" help:"Why, for the record."`
	orderSettings `embed:""`
}

// Run unfreezes a wallet, or asks a second person to.
func (c unfreezeCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.UnfreezeWallet(ctx, c.ID, &client.TokenomicsUnfreezeRequest{Reason: c.Reason}, o...)
	})
}

type supplyCmd struct {
	remoteSettings `embed:""`
}

// Run prints the supply and the pools.
func (c supplyCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.nobody()
	if err != nil {
		return err
	}
	s, err := gx.GetSupply(ctx)
	if err != nil {
		return err
	}
	return c.show(p, s, func(w io.Writer) {
		conserved := "yes"
		if !s.Conserved {
			conserved = "NO"
		}
		facts(w, "maximum", gxOf(s.MaxSupply), "in circulation", gxOf(s.Circulating), "all accounts", s.Total+" Qirat", "conserved", conserved, "as of block", s.AsOfBlock)
		fmt.Fprintln(w)
		row(w, "POOL", "BALANCE", "PAID", "RECEIVED")
		for _, pool := range s.Pools {
			row(w, pool.Name, gxOf(pool.Balance), gxOf(pool.Distributed), gxOf(pool.Received))
		}
	})
}

type treasuryCmd struct {
	Country        string `arg:"" help:"Two letters, as in CH."`
	remoteSettings `embed:""`
}

// Run prints what a country's treasury has.
func (c treasuryCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.nobody()
	if err != nil {
		return err
	}
	r, err := gx.GetTreasury(ctx, c.Country)
	if err != nil {
		return err
	}
	return c.show(p, r.Balance, func(w io.Writer) {
		t := r.Balance
		facts(w, "country", t.CountryCode, "account", t.AccountID, "balance", gxOf(t.Balance), "status", t.Status, "changed", t.UpdatedAt)
	})
}
