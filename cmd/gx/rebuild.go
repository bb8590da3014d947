package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strings"
	"time"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/rebuild"
)

// decisionSettings say who decides something that is audited, and why.
type decisionSettings struct {
	By     string `placeholder:"NAME" help:"Who decides, for the audit trail. By default the user of the operating system."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit trail. Needed."`
}

// Validate says what is missing.
func (s decisionSettings) Validate() error {
	if strings.TrimSpace(s.Reason) == "" {
		return errors.New("--reason is needed")
	}
	return nil
}

// principal is who decides, as the audit trail names them.
func (s decisionSettings) principal() (string, error) {
	name := s.By
	if name == "" {
		u, err := user.Current()
		if err != nil {
			return "", fmt.Errorf("who are you? Say it with --by: %w", err)
		}
		name = u.Username
	}
	return "operator:" + name, nil
}

type rebuildCmd struct {
	Rollback         bool `xor:"what" help:"Make the read model live again that was before the last rebuild or rollback."`
	DropOld          bool `xor:"what" help:"Drop the read model that is kept for --rollback."`
	Fresh            bool `xor:"what" help:"Begin at block 0, also when an unfinished rebuild could go on."`
	decisionSettings `embed:""`
	operatedSettings `embed:""`
	ledgerSettings   `embed:""`
	outputSettings   `embed:""`
}

// Run makes the read model anew, or goes back to the one before.
func (c rebuildCmd) Run(ctx context.Context, p *program) error {
	by, err := c.principal()
	if err != nil {
		return err
	}
	dsn, err := c.dsn()
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, dsn, postgres.Options{AppName: "gx rebuild", MaxConns: 8, NoSync: true, Indexed: true})
	if err != nil {
		return err
	}
	defer pool.Close()
	b := thisBuild()
	said := newConsole(p.stderr)
	defer said.finish("")
	o := rebuild.Options{By: by, Reason: c.Reason, Build: b.Version + " " + b.Commit, Fresh: c.Fresh, Progress: stepwise(said)}
	if c.DropOld {
		if err := rebuild.DropOld(ctx, pool, o); err != nil {
			return err
		}
		fmt.Fprintln(p.stdout, "The read model that was kept is dropped.")
		return nil
	}
	return c.withLedger(ctx, c.operatedSettings, pool, func(ctx context.Context, l ledger.Ledger) error {
		do, print := rebuild.Run, printRebuilt
		if c.Rollback {
			do, print = rebuild.Back, printRolledBack
		}
		report, failure := do(ctx, pool, l, o)
		said.finish("")
		if report == nil {
			return failure
		}
		if err := c.json(p, report); err != nil {
			return err
		}
		if w := c.text(p); w != nil {
			if err := print(w, report); err != nil {
				return err
			}
		}
		return failure
	})
}

// stepwise tells on the console how far a rebuild is.
func stepwise(c *console) func(rebuild.Progress) {
	var step rebuild.Step
	return func(p rebuild.Progress) {
		if p.Step != step {
			c.finish("")
			step = p.Step
			c.step(string(step))
		}
		switch {
		case p.Step == rebuild.Building:
			doing := fmt.Sprintf("block %d of %d", p.Blocks, p.Of)
			if p.Left > 0 {
				doing += fmt.Sprintf(", %s left", p.Left.Round(time.Second))
			}
			c.progress(doing)
		case p.Step == rebuild.Verifying:
			c.progress(count(int64(p.Blocks), "comparison"))
		}
	}
}

func printRebuilt(w io.Writer, r *rebuild.Report) error {
	var out strings.Builder
	from := "from the first block"
	if r.From >= 0 {
		from = fmt.Sprintf("from block %d on, where an unfinished rebuild was", r.From+1)
	}
	fmt.Fprintf(&out, "The read model was built anew %s, in %.1f s.\n", from, r.Seconds)
	if len(r.Differing) == 0 {
		fmt.Fprintf(&out, "As of block %d it was equal to the live one: %s\n", r.Block, r.Built)
	} else {
		fmt.Fprintf(&out, "As of block %d it differed from the live one in %s:\n  live %s\n  new  %s\n", r.Block, strings.Join(r.Differing, ", "), r.Live, r.Built)
	}
	if r.Condemned != "" {
		fmt.Fprintf(&out, "The live one was condemned: %s\n", r.Condemned)
	}
	if v := r.Verified; v != nil {
		fmt.Fprintf(&out, "The new one was verified against the ledger: %s, %s.\n", count(int64(v.Total()), "comparison"), count(int64(len(v.Violations)), "violation"))
		for _, violation := range v.Violations {
			fmt.Fprintf(&out, "  %s\n", violation)
		}
	}
	if r.Replaced {
		fmt.Fprintf(&out, "It is live since block %d; readers waited for %.3f s at most. What was live is kept for gx rebuild --rollback.\n", r.Swapped, r.Stalled)
	} else {
		fmt.Fprintln(&out, "The live one was left in its place.")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func printRolledBack(w io.Writer, r *rebuild.Report) error {
	_, err := fmt.Fprintf(w, "The earlier read model had block %d and is live since block %d; readers waited for %.3f s at most. What was live is kept.\n",
		r.From, r.Swapped, r.Stalled)
	return err
}
