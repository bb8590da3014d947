package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service"
)

// purposes say what the services are for.
var purposes = map[string]string{
	"identity":     "registration, login, profiles",
	"admin":        "staff, approvals, system status",
	"tokenomics":   "wallets, payments, supply",
	"organization": "organizations, shared decisions",
	"loanpool":     "interest-free loans",
	"governance":   "proposals, votes",
	"tax":          "fees, velocity tax",
}

// ledgerSummary says in a few words what is on the ledger.
func (u *up) ledgerSummary(ctx context.Context, state string) (string, error) {
	countries, err := readmodel.Countries(ctx, u.pool)
	if err != nil {
		return "", err
	}
	c, err := readmodel.Checkpoint(ctx, u.pool)
	return fmt.Sprintf("%s: %d countries, %s", state, len(countries), count(c.Block+1, "block")), err
}

// summary says where everything is and what to do next.
func (u *up) summary(took time.Duration) {
	u.console.printf("\n")
	w := tabwriter.NewWriter(u.console.w, 0, 0, 3, ' ', 0)
	for _, d := range service.Doors {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", d.Name, u.running.Services[d.Name], purposes[d.Name])
	}
	fmt.Fprintf(w, "  operations\t%s\t/readyz?verbose, /metrics, /debug/pprof/\n", u.running.Ops)
	_ = w.Flush()
	u.console.printf("\n")
	w = tabwriter.NewWriter(u.console.w, 0, 0, 3, ' ', 0)
	if u.running.Database != "" {
		fmt.Fprintf(w, "  database\tpsql '%s'\n", u.running.Database)
	}
	fmt.Fprintf(w, "  log\t%s\n", u.running.Log)
	fmt.Fprintf(w, "  staff login\t%s\n", u.staffLogin())
	_ = w.Flush()
	next := u.program.name + " demo"
	if u.dir.Path != defaultDataDir() {
		next += " --data-dir=" + u.dir.Path
	}
	u.console.printf("\nGX is ready (%.1f s). Ctrl-C stops it. Next, in another terminal:\n\n  %s\n", took.Seconds(), next)
}

// staffLogin tells the first password once; then only where it is.
func (u *up) staffLogin() string {
	if u.created {
		if secret, err := os.ReadFile(u.running.StaffPassword); err == nil {
			return fmt.Sprintf("%s, password %s\n  \t(shown only now; kept in %s)", owner, strings.TrimSpace(string(secret)), u.running.StaffPassword)
		}
	}
	return fmt.Sprintf("%s, first password in %s", owner, u.running.StaffPassword)
}

// count says how many there are of something.
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
