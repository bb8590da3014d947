package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"gxcoin.money/gx/api/client"
)

type taxCmd struct {
	Fee        feeCmd        `cmd:"" help:"Show what a payment costs."`
	Fees       feesCmd       `cmd:"" help:"Show the fees in force."`
	Rates      ratesCmd      `cmd:"" help:"Show the velocity tax in force."`
	Preview    previewTaxCmd `cmd:"" help:"Show what a balance owes after a whole cycle."`
	Due        dueCmd        `cmd:"" help:"Show whether an account owes the velocity tax, and when."`
	History    taxHistoryCmd `cmd:"" help:"Show the velocity taxes that an account has paid, the last first."`
	Exemptions exemptionsCmd `cmd:"" help:"As staff: list the accounts that it spares."`
	Exempt     exemptCmd     `cmd:"" help:"As staff: spare an account, or end that."`
	Apply      applyTaxCmd   `cmd:"" help:"As staff: charge the tax that is due."`
}

// percent writes basis points for people.
func percent(bps int64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%02d", bps/100, bps%100), "0"), ".") + " %"
}

type feeCmd struct {
	Amount         amount `arg:"" help:"How much is paid, with its unit: 100GX."`
	Type           string `enum:"P2P,MERCHANT,B2B,GOVERNMENT" default:"P2P" help:"Between whom: ${enum}; ${default} by default."`
	Scope          string `enum:"LOCAL,CROSS_BORDER" default:"LOCAL" help:"Within a country or not: ${enum}; ${default} by default."`
	remoteSettings `embed:""`
}

// Run prints what a payment costs.
func (c feeCmd) Run(ctx context.Context, p *program) error {
	return public(p, c.remoteSettings, func(gx *client.Client) (client.Fee, error) {
		return gx.QuoteFee(ctx, client.QuoteFeeParams{Amount: c.Amount.String(), Type: client.QuoteFeeParamsType(c.Type), Scope: client.QuoteFeeParamsScope(c.Scope)})
	}, func(w io.Writer, f client.Fee) {
		facts(w, "amount", gxOf(f.Amount), "fee", gxOf(f.Fee), "rate", percent(f.Bps), "together", gxOf(f.Total))
	})
}

type feesCmd struct {
	remoteSettings `embed:""`
}

// Run prints the schedule of fees.
func (c feesCmd) Run(ctx context.Context, p *program) error {
	return public(p, c.remoteSettings, func(gx *client.Client) (client.ScheduleResponse, error) { return gx.GetFeeSchedule(ctx) },
		func(w io.Writer, r client.ScheduleResponse) {
			row(w, "FEE", "RATE")
			for _, x := range r.Parameters {
				row(w, x.ID, percent(x.Bps))
			}
		})
}

type ratesCmd struct {
	remoteSettings `embed:""`
}

// Run prints the schedule of the tax.
func (c ratesCmd) Run(ctx context.Context, p *program) error {
	return public(p, c.remoteSettings, func(gx *client.Client) (client.VelocityResponse, error) { return gx.GetVelocityTaxSchedule(ctx) },
		func(w io.Writer, r client.VelocityResponse) {
			facts(w, "above", gxOf(r.Threshold), "after", fmt.Sprintf("%d days", r.PeriodDays))
			fmt.Fprintln(w)
			row(w, "FROM", "RATE")
			for _, b := range r.Bands {
				row(w, gxOf(b.From), percent(b.Bps))
			}
		})
}

type previewTaxCmd struct {
	Balance        amount `arg:"" help:"The balance, with its unit: 1000GX."`
	remoteSettings `embed:""`
}

// Run prints what a balance owes.
func (c previewTaxCmd) Run(ctx context.Context, p *program) error {
	return public(p, c.remoteSettings, func(gx *client.Client) (client.PreviewResponse, error) {
		return gx.PreviewVelocityTax(ctx, client.PreviewVelocityTaxParams{Balance: c.Balance.String()})
	}, func(w io.Writer, r client.PreviewResponse) {
		facts(w, "balance", gxOf(r.Balance), "tax", gxOf(r.Tax), "rate", percent(r.RateBps), "to the treasury", gxOf(r.GovtShare), "to all", gxOf(r.RedistributionShare))
	})
}

// accountSettings say whose tax it is.
type accountSettings struct {
	Account      string `arg:"" optional:"" help:"Account, a GX id or that of an organization; without, one's own."`
	viewSettings `embed:""`
}

// account returns the account, which is that of the caller by default.
func (c accountSettings) account(ctx context.Context, gx *client.Client) (string, error) {
	if c.Account != "" {
		return c.Account, nil
	}
	me, err := gx.GetMe(ctx)
	if err == nil && me.User.FabricUserID == "" {
		err = fmt.Errorf("%s has no account on the ledger yet", me.User.Email)
	}
	return me.User.FabricUserID, err
}

type dueCmd struct {
	accountSettings `embed:""`
}

// Run prints how far an account is from the tax.
func (c dueCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.Eligibility, error) {
		account, err := c.account(ctx, gx)
		if err != nil {
			return client.Eligibility{}, err
		}
		return gx.GetVelocityTaxEligibility(ctx, account)
	}, func(w io.Writer, e client.Eligibility) {
		d := e.Details
		facts(w, "account", e.AccountID, "owes", yesNo(e.Eligible), "because", string(e.Reason), "balance", gxOf(d.CurrentBalance), "above", gxOf(d.MinimumBalance),
			"tax", gxOf(d.Tax), "rate", percent(d.RateBps), "timer since", d.TimerStartDate, "due", d.DueAt, "last", d.LastTaxedAt)
	})
}

type taxHistoryCmd struct {
	pageSettings    `embed:""`
	accountSettings `embed:""`
}

// Run prints one page of what was paid.
func (c taxHistoryCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.ListAssessment, error) {
		account, err := c.account(ctx, gx)
		if err != nil {
			return client.ListAssessment{}, err
		}
		return gx.ListVelocityTaxes(ctx, account, client.ListVelocityTaxesParams{Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.ListAssessment) {
		row(w, "AT", "TAX", "RATE", "OF", "TREASURY", "TRANSACTION")
		for _, a := range r.Data {
			row(w, a.Timestamp, gxOf(a.Tax), percent(a.RateBps), gxOf(a.Balance), a.TreasuryID, a.TransactionID)
		}
		more(w, "--cursor", r.NextCursor)
	})
}

type exemptionsCmd struct {
	pageSettings   `embed:""`
	remoteSettings `embed:""`
}

// Run prints one page of exemptions.
func (c exemptionsCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{true, c.remoteSettings}, func(gx *client.Client) (client.ListExemption, error) {
		return gx.ListVelocityTaxExemptions(ctx, client.ListVelocityTaxExemptionsParams{Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.ListExemption) {
		row(w, "ACCOUNT", "KIND", "COUNTRY", "BALANCE", "BECAUSE")
		for _, x := range r.Data {
			row(w, x.AccountID, x.AccountType, x.CountryCode, gxOf(x.Balance), x.Reason)
		}
		more(w, "--cursor", r.NextCursor)
	})
}

type exemptCmd struct {
	Account       string `arg:"" help:"Account or profile id."`
	End           bool   `help:"End the exemption."`
	Reason        string `required:"" placeholder:"TEXT" help:"Why, 10 characters or more."`
	orderSettings `embed:""`
}

// Run asks for an exemption or its end.
func (c exemptCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.SetVelocityTaxExemption(ctx, client.ExemptRequest{AccountID: c.Account, Exempt: !c.End, Reason: c.Reason}, o...)
	})
}

type applyTaxCmd struct {
	Account       string `arg:"" help:"Account or profile id."`
	orderSettings `embed:""`
}

// Run asks for the tax of an account.
func (c applyTaxCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.ApplyVelocityTax(ctx, client.TaxApplyRequest{AccountID: c.Account}, o...)
	})
}
