package bench

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/internal/ringtest"
)

// stand is set for a process that stands in for one of GX.
const stand = "GX_BENCH_TEST_STAND"

func TestMain(m *testing.M) {
	if os.Getenv(stand) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test has ended
		return
	}
	os.Exit(m.Run())
}

// TestRun measures a whole system for a moment.
func TestRun(t *testing.T) {
	ring := ringtest.Start(t)
	db := ring.Database.Pool(t, "")
	count := func(sql string) (n int) {
		t.Helper()
		if err := db.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	var progress strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Run(ctx, Options{
		Services: ring.Services, Client: ring.Client, Username: ring.Username, Password: ring.Password, Database: ring.Database.DSN,
		Rounds: 2, Clients: 4, Load: 300 * time.Millisecond, Light: 300 * time.Millisecond, Progress: &progress,
		StartFirst: 2 * time.Second, StartSecond: time.Second,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	for name, f := range map[string]Figure{
		"baseline": r.Baseline, "accepted": r.Accepted, "share": r.Share, "committed": r.Committed, "projected": r.Projected, "drain": r.Drain,
		"accept p50": r.AcceptP50, "accept p99": r.AcceptP99, "light accept p50": r.LightAcceptP50, "light accept p99": r.LightAcceptP99,
		"light visible p50": r.LightVisibleP50, "light visible p99": r.LightVisibleP99,
	} {
		if len(f.Rounds) != 2 || f.Min <= 0 || f.Median < f.Min || f.Max < f.Median {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for i := range r.Accepted.Rounds {
		if share := r.Accepted.Rounds[i] / r.Baseline.Rounds[i]; math.Abs(share-r.Share.Rounds[i]) > 1e-9 {
			t.Errorf("round %d: share %v, the rates give %v", i, r.Share.Rounds[i], share)
		}
		if r.Projected.Rounds[i] > r.Accepted.Rounds[i] || r.LightVisibleP50.Rounds[i] < r.LightAcceptP50.Rounds[i] {
			t.Errorf("round %d: visible before it was accepted: %+v", i, r)
		}
	}
	var names []string
	for _, x := range r.Requests {
		names = append(names, x.Name)
		for name, f := range map[string]Figure{"rate": x.Rate, "p50": x.P50, "p99": x.P99, "bare rate": x.BareRate, "share": x.Share} {
			if len(f.Rounds) != 2 || f.Min <= 0 {
				t.Errorf("%s of %s: %+v", name, x.Name, f)
			}
		}
		if x.P99.Min < x.P50.Min {
			t.Errorf("%s: p99 below p50: %+v", x.Name, x)
		}
	}
	if got := strings.Join(names, "|"); got != "wallet read|history, 50 lines|transfer|login|wallet read, while as many log in" {
		t.Errorf("requests %s", got)
	}
	if len(r.Alone.Rounds) != 0 {
		t.Errorf("a submitter in this process was held: %+v", r.Alone)
	}
	// Everything that was measured has its one end, the warm-up and the light load too.
	if n := count(`SELECT count(*) FROM app.commands WHERE type = 'TRANSFER_TOKENS'`); n <= r.Payments || r.Payments == 0 {
		t.Errorf("%d payments measured, %d stored", r.Payments, n)
	}
	if n := count(`SELECT count(*) FROM app.commands c LEFT JOIN read.command_results r ON r.command_id = c.id::text WHERE r.outcome IS DISTINCT FROM 'APPLIED'
		AND c.type = 'TRANSFER_TOKENS'`); n != 0 {
		t.Errorf("%d payments were not applied", n)
	}
	if n := count(`SELECT count(*) FROM pg_database WHERE datname LIKE 'gx_bench_%'`); n != 0 {
		t.Errorf("%d databases of the baseline are left", n)
	}
	if r.Machine.Cores < 1 || r.Machine.Postgres["server_version"] == "" || !strings.Contains(progress.String(), "round 2 of 2") {
		t.Errorf("machine %+v, progress %q", r.Machine, &progress)
	}

	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"wallet read, while as many log in", "as a share of the baseline", "payments projected", "accept to visible p99 at 20/s", "fsync " + r.Machine.Postgres["fsync"], "2.0 s the first time, 1.0 s the second"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the report lacks %q:\n%s", line, &out)
		}
	}
	raw, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(raw), `"acceptedShare":{"median":`) {
		t.Errorf("%v: %s", err, raw)
	}
}

// A payment that is refused ends the measurement: it would count as one.
func TestRefusal(t *testing.T) {
	ring := ringtest.Start(t)
	_, err := Run(t.Context(), Options{
		Services: ring.Services, Client: ring.Client, Username: ring.Username, Password: "wrong", Database: ring.Database.DSN,
	})
	if err == nil || !strings.HasPrefix(err.Error(), "log in as owner") {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := Run(t.Context(), Options{Database: "postgres://127.0.0.1:1/none"}); err == nil || !strings.Contains(err.Error(), "connect to the database") {
		t.Errorf("no database: %v", err)
	}
}

func TestRequests(t *testing.T) {
	made := func(refused int, ms ...int) *caller {
		c := &caller{refused: refused}
		for _, n := range ms {
			c.took = append(c.took, time.Duration(n)*time.Millisecond)
		}
		return c
	}
	all := []*caller{made(1, 10, 10), made(2, 10, 30)}
	cpu := map[string]float64{"gx serve identity": 1, "PostgreSQL for the service": 0.5, "PostgreSQL": 0.5, postgresGroup + forBaseline: 70, self: 80}
	s := sampleOf(all, 2*time.Second, cpu, bareLoop{rate: 8, cpu: 100})
	if want := (sample{rate: 2, p50: 10, p99: 30, cpu: 500, bareRate: 8, bareCPU: 100, refused: 3}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	s.cpu = 0
	r := requestOf("x", []sample{s, sampleOf(all, time.Second, cpu, bareLoop{rate: 8, cpu: 100})})
	if r.Rate.Median != 3 || r.Share.Median != 0.375 || len(r.Times.Rounds) != 1 || r.Times.Median != 5 || r.Refused != 6 {
		t.Errorf("%+v", r)
	}
	var out strings.Builder
	printRequests([]Request{r, requestOf("nobody had time", []sample{sampleOf(nil, time.Second, cpu, bareLoop{rate: 8, cpu: 100})})},
		func(cells ...string) { out.WriteString(strings.Join(cells, "|") + "\n") })
	want := "request|a second|p50|p99|CPU of each|x bare|bare|share|refused\n" +
		"x|3/s|10.0 ms|30.0 ms|500.00 ms|5.0|8/s|0.375|6\nnobody had time|-|-|-|-|-|8/s|-|0\n"
	if out.String() != want {
		t.Errorf("%s", &out)
	}
}

func TestFigure(t *testing.T) {
	for _, c := range []struct {
		rounds []float64
		want   Figure
	}{
		{nil, Figure{}},
		{[]float64{3}, Figure{3, 3, 3, []float64{3}}},
		{[]float64{5, 1, 3}, Figure{3, 1, 5, []float64{5, 1, 3}}},
		{[]float64{4, 1, 2, 8}, Figure{3, 1, 8, []float64{4, 1, 2, 8}}},
	} {
		if diff := cmp.Diff(c.want, figure(c.rounds)); diff != "" {
			t.Errorf("%v: %s", c.rounds, diff)
		}
	}
	if s := figure([]float64{80, 100, 130}).Spread(); s != 0.5 {
		t.Errorf("spread %v", s)
	}
	if s := (Figure{}).Spread(); s != 0 {
		t.Errorf("spread of nothing %v", s)
	}
}

func TestNotes(t *testing.T) {
	b := &bench{o: Options{Rounds: 3}.withDefaults()}
	b.samples.baseline = []float64{70, 100, 101}
	b.report.Machine.Postgres = map[string]string{"fsync": "off", "synchronous_commit": "on"}
	b.conclude()
	if n := strings.Join(b.report.Notes, " "); !strings.Contains(n, "varied by 31 %") || !strings.Contains(n, "does not wait for its disk") {
		t.Errorf("notes %q", n)
	}
	b = &bench{o: Options{Rounds: 3}.withDefaults()}
	b.samples.baseline = []float64{90, 100, 101}
	b.report.Machine.Postgres = map[string]string{"fsync": "on", "synchronous_commit": "on"}
	if b.conclude(); len(b.report.Notes) != 0 {
		t.Errorf("notes %q", b.report.Notes)
	}
}

func TestProcesses(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("SKIPPED: there is no /proc")
	}
	c := exec.Command(os.Args[0])
	c.Args = []string{"/somewhere/gx", "submit", "--ops-listen=127.0.0.1:1"}
	c.Env = append(os.Environ(), stand+"=1")
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close(); _ = c.Wait() }()

	all := look(os.Getpid(), nil)
	if got := all[c.Process.Pid].group; got != "gx submit" {
		t.Errorf("the child is %q", got)
	}
	if got := all[os.Getpid()].group; got != self {
		t.Errorf("this process is %q", got)
	}
	if m := memory(all); m["gx submit"] == 0 || m[self] != 0 {
		t.Errorf("memory %v", m)
	}
	if _, ok := look(c.Process.Pid, nil)[os.Getppid()]; ok {
		t.Error("a process that is no descendant is looked at")
	}

	state := func() string {
		raw, err := os.ReadFile("/proc/" + strconv.Itoa(c.Process.Pid) + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))[0]
	}
	await := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !ok(); {
			if time.Now().After(end) {
				t.Fatalf("%s: state %s", what, state())
			}
		}
	}
	proceed, held := hold(os.Getpid(), "gx submit")
	if !held {
		t.Fatal("the submitter was not found")
	}
	await("held", func() bool { return state() == "T" })
	proceed()
	await("let go on", func() bool { return state() != "T" })
	if _, held := hold(os.Getpid(), "gx project"); held {
		t.Error("a process that is not there was held")
	}
}

func TestSpent(t *testing.T) {
	before := map[int]process{1: {group: "gx submit", cpu: 5}, 2: {group: "PostgreSQL", cpu: 100}, 3: {group: "PostgreSQL for the ledger", cpu: 1}}
	// 2 has ended, 4 has begun.
	after := map[int]process{1: {group: "gx submit", cpu: 6.5}, 3: {group: "PostgreSQL for the ledger", cpu: 3}, 4: {group: "PostgreSQL", cpu: 0.25}}
	want := map[string]float64{"gx submit": 1.5, "PostgreSQL for the ledger": 2, "PostgreSQL": 0.25}
	if diff := cmp.Diff(want, spent(before, after)); diff != "" {
		t.Error(diff)
	}
	got := sortGroups([]string{self, "PostgreSQL", "gx submit", "PostgreSQL for the ledger", "gx project"})
	if diff := cmp.Diff([]string{"gx project", "gx submit", "PostgreSQL for the ledger", "PostgreSQL", self}, got); diff != "" {
		t.Error(diff)
	}
}
