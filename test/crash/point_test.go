package crash_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/ringtest/report"
)

// points are the steps of the ring, in its order, at which a process is killed:
// before the server hears of a step, and after it has done it. Submitting and the
// recorded status are the block's, which the embedded ledger writes in the
// submitter's process.
var points = func() (list []point) {
	for _, p := range []point{
		{name: "a command is accepted", part: "tokenomics", tell: "INSERT INTO app.commands"},
		{name: "the claim", part: "submit", tell: "WITH next AS MATERIALIZED"},
		{name: "the commit of the claim", part: "submit", tell: "WITH next AS MATERIALIZED", commit: true},
		{name: "the batch is built", part: "submit", tell: "INSERT INTO app.batches"},
		{name: "the commit of the batch", part: "submit", tell: "INSERT INTO app.batches", commit: true},
		{name: "the endorsement", part: "submit", tell: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},
		{name: "the endorsed bytes are stored", part: "submit", tell: "SET state = 'ENDORSED'"},
		{name: "the commit of the endorsed bytes", part: "submit", tell: "SET state = 'ENDORSED'", commit: true},
		{name: "the block of the submitted transaction", part: "submit", tell: "INSERT INTO ledger.blocks"},
		{name: "the commit of the block", part: "submit", tell: "INSERT INTO ledger.blocks", commit: true},
		{name: "the status is settled", part: "submit", tell: "SET state = 'SETTLED'"},
		{name: "the commit of the command results", part: "submit", tell: "SET state = 'SETTLED'", commit: true},
		{name: "the lease is renewed", part: "submit", tell: "UPDATE app.leases SET expires_at = now() + $3"},
		{name: "the events are applied", part: "project", tell: "INSERT INTO read.event_log"},
		{name: "the commit of events and checkpoint", part: "project", tell: "INSERT INTO read.event_log", commit: true},
		{name: "the heartbeat", part: "project", tell: "SET state = $1, reason = $2"},
	} {
		after := p
		after.after = true
		list = append(list, p, after)
	}
	return list
}()

// recoveryTime is how soon after a death a new payment has to be through.
const recoveryTime = 10 * time.Second

// TestPoints kills the real processes at every step of the ring: lost 0, doubled
// 0. GX_CRASH_POINTS is how often each; GX_CHAOS_REPORT a file for the table.
func TestPoints(t *testing.T) {
	times, err := strconv.Atoi(os.Getenv("GX_CRASH_POINTS"))
	if err != nil || times < 1 {
		t.Skip("SKIPPED: GX_CRASH_POINTS is not set; make chaos sets it")
	}
	database := pgtest.New(t)
	through := newProxy(t, database)
	s := newSystem(t, "--database-url="+through.dsn)
	s.database, s.info.Database = database.DSN, database.DSN
	customers, err := demo.Recruit(t.Context(), s.client(), s.staff(), demo.People(12))
	if err != nil {
		t.Fatal(err)
	}
	s.replaceWorkers(openBooks(t, database.DSN))
	workers := map[string]*worker{"submit": s.worker("submit", through), "project": s.worker("project", through)}
	through.pids = func(part string) []int {
		if w := workers[part]; w != nil {
			return []int{w.pid()}
		}
		return s.pids(part)
	}
	p := &payers{system: s, customers: customers, stop: make(chan struct{}), abandon: t.Context().Done()}
	p.run(1, 2)
	t.Cleanup(p.wg.Wait)

	took := map[string][]time.Duration{}
	var slow []string
	for range times {
		for _, at := range points {
			sprung := through.set(at, kill9)
			select {
			case <-sprung:
			case <-time.After(patience):
				t.Fatalf("nobody comes to the point: %s", at)
			}
			killed := time.Now()
			i := &intent{from: 0, to: 1, amount: 1}
			p.pay(i)
			p.record(i)
			if !i.refused {
				s.finish(t, customers[0], i)
			}
			d := time.Since(killed)
			took[at.String()] = append(took[at.String()], d)
			if d > recoveryTime {
				slow = append(slow, fmt.Sprintf("%s: a new payment was through %.1f s after the death of %s", at, d.Seconds(), at.part))
			}
		}
	}
	p.more(20)
	close(p.stop)
	p.wg.Wait()

	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KILLED\tPROCESS\tTIMES\tRECOVERED IN, SECONDS")
	for _, at := range points {
		list := took[at.String()]
		slices.Sort(list)
		fmt.Fprintf(w, "%s\t%s\t%d\t", at, at.part, len(list))
		for _, d := range list {
			fmt.Fprintf(w, "%.1f ", d.Seconds())
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
	p.audit(t)
	result := "lost 0, doubled 0"
	if t.Failed() {
		result = "FAILED"
	}
	fmt.Fprintf(&table, "%d payments, %d deaths: %s\n", len(p.intents), times*len(points), result)
	report.Table(t, table.String())
	for _, s := range slow {
		t.Error(s)
	}
}
