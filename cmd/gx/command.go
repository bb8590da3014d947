package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"gxcoin.money/gx/api/client"
)

type commandCmd struct {
	Show showCommandCmd  `cmd:"" help:"Show how far a command has come."`
	List listCommandsCmd `cmd:"" help:"List one's commands, the last first."`
	Wait waitCommandCmd  `cmd:"" help:"Wait for the end of a command; fail when the ledger refused it."`

	Dead    deadCommandsCmd   `cmd:"" help:"As staff: list commands that died before they reached the ledger, and events that reads don't show."`
	Retry   retryCommandCmd   `cmd:"" help:"As staff: try a command again that died, after its cause is gone."`
	Discard discardCommandCmd `cmd:"" help:"As staff: give a command up that died, for good."`
}

// doorOf names the service that is asked about commands.
func doorOf(staff bool) string {
	if staff {
		return "admin"
	}
	return "identity"
}

type showCommandCmd struct {
	ID             string `arg:"" help:"Command id."`
	Staff          bool   `help:"Look as a member of staff."`
	remoteSettings `embed:""`
}

// Run prints a command.
func (c showCommandCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.resume(c.Staff)
	if err != nil {
		return err
	}
	v, err := gx.GetCommand(ctx, c.ID, client.At(doorOf(c.Staff)))
	if err != nil {
		return err
	}
	return c.show(p, v, func(w io.Writer) { commandFacts(w, v) })
}

func commandFacts(w io.Writer, v client.CommandView) {
	visible := "no"
	if v.Projected {
		visible = "yes"
	}
	facts(w, "command", v.CommandID, "type", v.Type, "status", string(v.Status), "visible", visible, "error", v.ErrorCode, "why", v.Error,
		"transaction", v.Result.TransactionID, "block", v.Result.BlockNumber, "result", resultOf(v), "sent", v.CreatedAt, "changed", v.UpdatedAt)
}

type listCommandsCmd struct {
	Status         string `placeholder:"STATUS" enum:",PENDING,PROCESSING,CONFIRMED,FAILED" default:"" help:"Only those that are ${enum}."`
	Type           string `placeholder:"TYPE" help:"Only those of a type, such as TRANSFER_TOKENS."`
	Limit          int64  `default:"20" help:"How many at most, 1 to 100; ${default} by default."`
	Cursor         string `placeholder:"CURSOR" help:"Where the page before ended."`
	Staff          bool   `help:"Those of the member of staff."`
	remoteSettings `embed:""`
}

// Run prints one page of commands.
func (c listCommandsCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.resume(c.Staff)
	if err != nil {
		return err
	}
	r, err := gx.ListCommands(ctx, client.ListCommandsParams{
		Status: client.ListCommandsParamsStatus(c.Status), Type: c.Type, Limit: c.Limit, Cursor: c.Cursor,
	}, client.At(doorOf(c.Staff)))
	if err != nil {
		return err
	}
	return c.show(p, r, func(w io.Writer) {
		row(w, "COMMAND", "TYPE", "STATUS", "SENT", "ERROR")
		for _, v := range r.Data {
			row(w, v.CommandID, v.Type, string(v.Status), v.CreatedAt, v.ErrorCode)
		}
		more(w, "--cursor", r.NextCursor)
	})
}

type waitCommandCmd struct {
	ID             string `arg:"" help:"Command id."`
	Staff          bool   `help:"Look as a member of staff."`
	remoteSettings `embed:""`
}

// Run prints the command when it has reached its end.
func (c waitCommandCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.resume(c.Staff)
	if err != nil {
		return err
	}
	v, err := gx.Await(ctx, c.ID, client.At(doorOf(c.Staff)))
	if err != nil {
		return err
	}
	return errors.Join(c.show(p, v, func(w io.Writer) { commandFacts(w, v) }), refusal(v))
}

type deadCommandsCmd struct {
	All            bool  `help:"Also those about which somebody has decided."`
	Limit          int64 `default:"20" help:"How many at most, 1 to 100; ${default} by default."`
	remoteSettings `embed:""`
}

// Run prints the dead letters.
func (c deadCommandsCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{true, c.remoteSettings}, func(gx *client.Client) (client.DeadLettersResponse, error) {
		return gx.ListDeadLetters(ctx, client.ListDeadLettersParams{All: c.All, Limit: c.Limit})
	}, func(w io.Writer, r client.DeadLettersResponse) {
		row(w, "DIED", "TYPE", "DECIDED", "ERROR", "ID")
		for _, l := range r.Data {
			row(w, l.DiedAt, l.Type, l.Resolution, line(strings.TrimSpace(l.ErrorClass+" "+l.Error), 40), l.ID)
		}
	})
}

// deadCommand is a decision about a command that died.
type deadCommand struct {
	ID            string `arg:"" help:"Id of the command."`
	Reason        string `required:"" placeholder:"TEXT" help:"Why, 10 characters or more."`
	orderSettings `embed:""`
}

func (c deadCommand) decide(ctx context.Context, p *program, call func(*client.Client, context.Context, string, client.ResolutionRequest, ...client.Option) (client.Receipt, error)) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return call(gx, ctx, c.ID, client.ResolutionRequest{Reason: c.Reason}, o...)
	})
}

type retryCommandCmd struct {
	deadCommand `embed:""`
}

// Run asks for another try.
func (c retryCommandCmd) Run(ctx context.Context, p *program) error {
	return c.decide(ctx, p, (*client.Client).RetryCommand)
}

type discardCommandCmd struct {
	deadCommand `embed:""`
}

// Run asks to give it up.
func (c discardCommandCmd) Run(ctx context.Context, p *program) error {
	return c.decide(ctx, p, (*client.Client).DiscardCommand)
}
