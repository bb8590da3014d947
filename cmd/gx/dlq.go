package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"gxcoin.money/gx/internal/deadletter"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/clock"
)

type dlqCmd struct {
	List    dlqListCmd    `cmd:"" help:"List what waits for a decision: commands that died, events that were not applied."`
	Show    dlqShowCmd    `cmd:"" help:"Show everything about one dead letter."`
	Retry   dlqRetryCmd   `cmd:"" help:"Try commands and events again, after their cause is gone."`
	Discard dlqDiscardCmd `cmd:"" help:"Go on without commands and events, for good."`
}

type dlqListCmd struct {
	Kind             string `enum:"command,event,both" default:"both" placeholder:"KIND" help:"command, event or both; ${default} by default."`
	Class            string `placeholder:"CLASS" help:"Only commands whose error is of a class, for example FAULT or POISON."`
	All              bool   `help:"Also what is decided."`
	Limit            int    `placeholder:"N" default:"1000" help:"How many of each kind at most; ${default} by default."`
	operatedSettings `embed:""`
	outputSettings   `embed:""`
}

// Run lists dead letters.
func (c dlqListCmd) Run(ctx context.Context, p *program) error {
	pool, err := c.open(ctx, "gx_submitter")
	if err != nil {
		return err
	}
	defer pool.Close()
	f := deadletter.Filter{Class: outbox.Class(c.Class), All: c.All, Limit: c.Limit}
	if c.Kind != "both" {
		f.Kind = deadletter.Kind(c.Kind)
	}
	letters, err := deadletter.List(ctx, pool, f)
	if err != nil {
		return err
	}
	if err := c.json(p, letters); err != nil {
		return err
	}
	out := c.text(p)
	switch {
	case out == nil:
		return nil
	case len(letters) == 0:
		_, err := fmt.Fprintln(out, "Nothing waits for a decision.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tID\tTYPE\tDIED\tSTATE\tERROR")
	for _, l := range letters {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Kind, l.ID, l.Type, l.DiedAt.Format(time.RFC3339), stateOf(l), line(strings.TrimSpace(l.Class+" "+l.Error), 80))
	}
	return w.Flush()
}

// stateOf says in a word where a dead letter stands.
func stateOf(l deadletter.Letter) string {
	switch {
	case l.Halts:
		return "halts the projector"
	case l.Resolution != "":
		return strings.ToLower(l.Resolution)
	case l.Kind == deadletter.Event:
		return "left out"
	}
	return "waits"
}

// line makes any text one line of a bounded length.
func line(s string, most int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

type dlqShowCmd struct {
	ID               string `arg:"" help:"Id of a dead letter, as gx dlq list prints it."`
	operatedSettings `embed:""`
	outputSettings   `embed:""`
}

// Run shows every death of a command, or an event.
func (c dlqShowCmd) Run(ctx context.Context, p *program) error {
	pool, err := c.open(ctx, "gx_submitter")
	if err != nil {
		return err
	}
	defer pool.Close()
	letters, err := deadletter.Find(ctx, pool, c.ID)
	if err != nil {
		return err
	}
	if err := c.json(p, letters); err != nil {
		return err
	}
	out := c.text(p)
	if out == nil {
		return nil
	}
	for i, l := range letters {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := printLetter(out, l); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "\nPayload, %s:\n%s\n", count(int64(len(letters[0].Payload)), "byte"), line(fmt.Sprintf("%q", letters[0].Payload), 4000))
	return err
}

func printLetter(out io.Writer, l deadletter.Letter) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	row(string(l.Kind), l.ID)
	row("type", l.Type)
	row("actor", l.Actor)
	if l.Kind == deadletter.Event {
		row("block", fmt.Sprint(l.Block))
	} else {
		row("attempts", fmt.Sprint(l.Attempts))
	}
	row("died", l.DiedAt.Format(time.RFC3339))
	row("error", strings.TrimSpace(strings.Join([]string{l.Class, l.Code, l.Error}, " ")))
	row("state", stateOf(l))
	row("decided by", l.ResolvedBy)
	row("because", l.Reason)
	if l.ResolvedAt != nil {
		row("decided", l.ResolvedAt.UTC().Format(time.RFC3339))
	}
	return w.Flush()
}

// decideSettings say about what an operator decides.
type decideSettings struct {
	ID               []string `arg:"" optional:"" help:"Ids of dead letters, as gx dlq list prints them."`
	Every            bool     `help:"Everything that waits, instead of ids."`
	Class            string   `placeholder:"CLASS" help:"With --every: only commands whose error is of a class."`
	decisionSettings `embed:""`
	operatedSettings `embed:""`
	outputSettings   `embed:""`
}

// AfterApply says what cannot be.
func (c decideSettings) AfterApply() error {
	if (len(c.ID) == 0) != c.Every {
		return errors.New("give either ids or --every")
	}
	if c.Class != "" && !c.Every {
		return errors.New("--class goes with --every")
	}
	return nil
}

func (c decideSettings) decide(ctx context.Context, p *program, v deadletter.Verdict) error {
	by, err := c.principal()
	if err != nil {
		return err
	}
	commands, err := c.open(ctx, "gx_submitter")
	if err != nil {
		return err
	}
	defer commands.Close()
	events, err := c.open(ctx, "gx_projector")
	if err != nil {
		return err
	}
	defer events.Close()
	if c.Every {
		letters, err := deadletter.List(ctx, commands, deadletter.Filter{Class: outbox.Class(c.Class)})
		if err != nil {
			return err
		}
		for _, l := range letters {
			c.ID = append(c.ID, l.ID)
		}
	}
	outcomes := []deadletter.Outcome{}
	if len(c.ID) > 0 {
		outcomes, err = deadletter.Decider{Commands: commands, Events: events, Clock: clock.System}.Decide(ctx, deadletter.Decision{
			Verdict: v, By: by, Reason: c.Reason, IDs: c.ID,
		})
		if err != nil {
			return err
		}
	}
	if err := c.json(p, outcomes); err != nil {
		return err
	}
	left := 0
	for _, o := range outcomes {
		if !o.Changed {
			left++
		}
		if w := c.text(p); w != nil {
			fmt.Fprintf(w, "%s %s\n", o.ID, o.Note)
		}
	}
	if w := c.text(p); w != nil && len(outcomes) == 0 {
		fmt.Fprintln(w, "Nothing waits for a decision.")
	}
	if left > 0 {
		return fmt.Errorf("%s left as it was", count(int64(left), "dead letter"))
	}
	return nil
}

type dlqRetryCmd struct {
	decideSettings `embed:""`
}

// Run decides to try again; it fails when something was left as it was.
func (c dlqRetryCmd) Run(ctx context.Context, p *program) error {
	return c.decide(ctx, p, deadletter.Retry)
}

type dlqDiscardCmd struct {
	decideSettings `embed:""`
}

// Run decides to go on without; it fails when something was left as it was.
func (c dlqDiscardCmd) Run(ctx context.Context, p *program) error {
	return c.decide(ctx, p, deadletter.Discard)
}
