package crash_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest/report"
)

// held is what a process holds.
type held struct {
	rss   int // MiB
	files int
}

func (s *system) held(part string) held {
	s.t.Helper()
	pids := s.pids(part)
	if len(pids) != 1 {
		s.t.Fatalf("%s has the processes %v", part, pids)
	}
	proc := filepath.Join("/proc", strconv.Itoa(pids[0]))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		s.t.Skipf("SKIPPED: memory is read from /proc: %v", err)
	}
	var h held
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				s.t.Fatal(err)
			}
			h.rss = kib >> 10
		}
	}
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		s.t.Fatal(err)
	}
	h.files = len(files)
	return h
}

// TestSoak pays for a while: what processes and database hold afterwards is what
// they held when they were warm.
func TestSoak(t *testing.T) {
	if os.Getenv("GX_CHAOS") != "1" {
		t.Skip("SKIPPED: GX_CHAOS=1 is not set; make chaos sets it")
	}
	const warm, payments = 4000, 20_000
	s := newSystem(t)
	customers, err := demo.Recruit(t.Context(), s.client(), s.staff(), demo.People(12))
	if err != nil {
		t.Fatal(err)
	}
	p := &payers{system: s, customers: customers, stop: make(chan struct{}), abandon: t.Context().Done()}
	b := openBooks(t, s.info.Database)
	database := func() (connections int, dead float64) {
		t.Helper()
		if err := b.db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
			(SELECT coalesce(sum(n_dead_tup)::float8 / nullif(sum(n_live_tup + n_dead_tup), 0), 0) FROM pg_stat_user_tables)`).Scan(&connections, &dead); err != nil {
			t.Fatal(err)
		}
		return connections, dead
	}
	begin := time.Now()
	p.run(1, 16)
	t.Cleanup(p.wg.Wait)
	goal := func(n int64) {
		t.Helper()
		for have := p.answered.Load(); have < n; have = p.answered.Load() {
			p.more(min(n-have, 1000))
		}
	}
	parts := []string{"submit", "project", "tokenomics", "identity", "up"}
	early := map[string]held{}
	goal(warm)
	for _, part := range parts {
		early[part] = s.held(part)
	}
	connections, dead := database()
	goal(payments)

	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROCESS\tMEMORY, MiB\tFILES AND SOCKETS")
	for _, part := range parts {
		was, is := early[part], s.held(part)
		fmt.Fprintf(w, "%s\t%d, then %d\t%d, then %d\n", part, was.rss, is.rss, was.files, is.files)
		if is.rss > 2*was.rss+32 || is.files > was.files+20 {
			t.Errorf("%s grows: %+v, then %+v", part, was, is)
		}
	}
	_ = w.Flush()
	nowConnections, nowDead := database()
	close(p.stop)
	p.wg.Wait()
	fmt.Fprintf(&table, "database: connections %d, then %d; dead row versions %.0f %%, then %.0f %%\n%d payments in %.0f s\n",
		connections, nowConnections, 100*dead, 100*nowDead, len(p.intents), time.Since(begin).Seconds())
	if nowConnections > connections+10 || nowDead > 0.5 {
		t.Errorf("the database grows: %d connections, then %d; dead %.2f, then %.2f", connections, nowConnections, dead, nowDead)
	}
	p.audit(t)
	report.Table(t, table.String())
}
