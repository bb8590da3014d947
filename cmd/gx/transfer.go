package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/protocol/qirat"
)

// amount is an amount as a word, or as two: 1.5GX, or 1.5 GX.
type amount qirat.Amount

// Decode implements kong.MapperValue.
func (a *amount) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("amount", &text); err != nil {
		return err
	}
	if unit, ok := ctx.Scan.Peek().Value.(string); ok && (strings.EqualFold(unit, "GX") || strings.EqualFold(unit, "q")) {
		text += " " + unit
		ctx.Scan.Pop()
	}
	v, err := parseAmount(text)
	if err == nil && v == 0 {
		err = fmt.Errorf("%q is nothing", text)
	}
	*a = amount(v)
	return err
}

func parseAmount(text string) (qirat.Amount, error) {
	v, err := qirat.ParseWithUnit(text)
	if err != nil {
		err = fmt.Errorf("%q is not an amount: %s", text, strings.TrimPrefix(err.Error(), "qirat: "))
	}
	return v, err
}

func (a amount) String() string { return qirat.Amount(a).String() }

type transferCmd struct {
	To            string `arg:"" help:"GX id of who is paid, or id of an organization or treasury."`
	Amount        amount `arg:"" help:"How much, with its unit: 1.5GX, or 1500000q."`
	Remark        string `placeholder:"TEXT" help:"For the statements of both, 140 characters at most."`
	Yes           bool   `short:"y" help:"Pay without being asked."`
	Quote         bool   `help:"Only show what it would cost."`
	orderSettings `embed:""`
}

// Run shows what the payment costs, asks, pays and waits until both sides see it.
func (c transferCmd) Run(ctx context.Context, p *program) error {
	if c.Quote || !c.Yes {
		gx, err := c.person()
		if err != nil {
			return err
		}
		q, err := gx.QuoteTransfer(ctx, client.TransferQuoteRequest{ToID: c.To, Amount: c.Amount.String()})
		if err != nil {
			return err
		}
		if c.Quote {
			return c.show(p, q, func(w io.Writer) { quoted(w, q) })
		}
		quoted(p.stderr, q)
		if err := p.confirm("Pay?", false); err != nil {
			return err
		}
	}
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.CreateTransfer(ctx, client.Payment{ToID: c.To, Amount: c.Amount.String(), Remark: c.Remark}, o...)
	})
}

func quoted(w io.Writer, q client.Quote) {
	to := q.Recipient.ID
	if q.Recipient.DisplayName != "" {
		to += " (" + q.Recipient.DisplayName + ")"
	}
	fmt.Fprintf(w, "%s to %s\nfee %s (%s), together %s\n", gxOf(q.Amount), to, gxOf(q.Fee), strings.ToLower(strings.ReplaceAll(q.Scope, "_", " ")), gxOf(q.Total))
}
