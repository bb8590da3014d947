package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/ledger/embedded"
	"gxcoin.money/gx/internal/ledger/fabric"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/verifier"
)

type verifyCmd struct {
	Rate             int           `placeholder:"N" default:"0" help:"Keys, rows and blocks that are compared a second; 0 is as many as possible."`
	Replay           bool          `negatable:"" default:"true" help:"Also make the read model again, in temporary tables, and compare every value of it; on by default."`
	Patience         time.Duration `placeholder:"DURATION" default:"30s" help:"How long to wait for the projector, and for a key that changes to stand still; ${default} by default."`
	operatedSettings `embed:""`
	ledgerSettings   `embed:""`
	outputSettings   `embed:""`
}

// Validate says what cannot be.
func (c verifyCmd) Validate() error {
	if c.Rate < 0 || c.Patience <= 0 {
		return fmt.Errorf("--rate can't be less than 0, and --patience must be more")
	}
	return nil
}

// Run compares the read model with the ledger and prints what differs; it fails
// when something does.
func (c verifyCmd) Run(ctx context.Context, p *program) error {
	pool, err := c.open(ctx, "gx_verifier")
	if err != nil {
		return err
	}
	defer pool.Close()
	return c.withLedger(ctx, c.operatedSettings, pool, func(ctx context.Context, l ledger.Ledger) error {
		report, err := c.verify(ctx, p, pool, l)
		if err != nil {
			return err
		}
		if err := c.json(p, report); err != nil {
			return err
		}
		if w := c.text(p); w != nil {
			if err := printReport(w, report); err != nil {
				return err
			}
		}
		return report.Err()
	})
}

// guardSettings say how the projector's process verifies what it writes.
type guardSettings struct {
	VerifyEvery  time.Duration `placeholder:"DURATION" default:"1m" help:"Pause between two verifications of everything beside the projector, ${default} by default; 0 turns them off. What they find halts it and marks reads as stale, until gx rebuild."`
	VerifyReplay time.Duration `placeholder:"DURATION" default:"24h" help:"How often one of them also makes the read model again and compares every value, ${default} by default."`
	VerifyRate   int           `placeholder:"N" default:"2000" help:"Keys, rows and blocks that they compare a second, ${default} by default."`
}

// Validate says what cannot be.
func (s guardSettings) Validate() error {
	if s.VerifyEvery < 0 || s.VerifyReplay <= 0 || s.VerifyRate <= 0 {
		return fmt.Errorf("--verify-every can't be less than 0, --verify-replay and --verify-rate must be more")
	}
	return nil
}

// arguments give the same settings to a child.
func (s guardSettings) arguments() []string {
	return []string{"--verify-every=" + s.VerifyEvery.String(), "--verify-replay=" + s.VerifyReplay.String(), fmt.Sprintf("--verify-rate=%d", s.VerifyRate)}
}

// guard returns what verifies beside the projector of this process; nil when
// nothing shall.
func (s *process) guard(ctx context.Context, o guardSettings, l ledger.Ledger) (func(context.Context, projector.Condemn) error, error) {
	if o.VerifyEvery == 0 {
		return nil, nil
	}
	pool, err := s.pool(ctx, postgres.Options{Role: "gx_verifier", MaxConns: 2, Indexed: true})
	if err != nil {
		return nil, err
	}
	return verifier.NewGuard(pool, l, verifier.GuardOptions{
		Every: o.VerifyEvery, Replay: o.VerifyReplay, Rate: o.VerifyRate, Log: s.log.With("component", "verifier"), Registerer: s.ops.Registry(),
	}).Run, nil
}

// verify verifies once and tells how far it has come.
func (c verifyCmd) verify(ctx context.Context, p *program, db postgres.DB, l ledger.Ledger) (*verifier.Report, error) {
	said := newConsole(p.stderr)
	said.step("verify")
	defer said.finish("")
	return verifier.Verify(ctx, db, l, verifier.Options{Rate: c.Rate, Patience: c.Patience, Replay: c.Replay, Progress: func(now verifier.Progress) {
		said.progress(fmt.Sprintf("%s; %s, %s", now.Subject, count(int64(now.Compared), "comparison"), count(int64(now.Violations), "violation")))
	}})
}

// withLedger runs f with the ledger of the system, for reading.
func (s ledgerSettings) withLedger(ctx context.Context, o operatedSettings, pool *pgxpool.Pool, f func(ctx context.Context, l ledger.Ledger) error) error {
	connection, err := s.connectionOf(o)
	if err != nil {
		return err
	}
	if connection == nil {
		return f(ctx, embedded.New(pool, contract.Invoke, embedded.Options{}))
	}
	l, err := fabric.New(*connection, fabric.Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := l.Run(ctx); ctx.Err() == nil {
			return err
		}
		return nil
	})
	g.Go(func() error {
		defer cancel()
		return f(ctx, l)
	})
	return g.Wait()
}

// printReport prints what was compared and every difference.
func printReport(out io.Writer, r *verifier.Report) error {
	if len(r.Violations) > 0 {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SUBJECT\tKEY\tWHERE\tFIELD\tLEDGER\tREAD MODEL")
		for _, v := range r.Violations {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Subject, strings.Join(v.Key, " "), v.Table, v.Field, v.Ledger, v.Read)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	for _, at := range r.Unsettled {
		fmt.Fprintf(out, "%s %q changed whenever it was looked at.\n", at.Subject, at.Key)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "SUBJECT\tON THE LEDGER\tROWS LOOKED UP\t")
	for _, c := range r.Compared {
		fmt.Fprintf(w, "%s\t%d\t%d\t\n", c.Subject, c.Ledger, c.Rows)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	onLedger := "blocks arrived while it was counted"
	if r.Supply.Ledger != nil {
		onLedger = r.Supply.Ledger.String()
	}
	_, err := fmt.Fprintf(out, "\nSupply %s Qirat; in the read model %s, on the ledger %s.\n%s, %s, in %.1f s, from block %d on.\n", r.Supply.Max, r.Supply.Read, onLedger,
		count(int64(r.Total()), "comparison"), count(int64(len(r.Violations)), "violation"), r.Seconds, r.Height)
	return err
}
