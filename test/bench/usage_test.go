package bench_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/fabric/fabrictest"
)

// clockTicks of the kernel's accounting in a second.
const clockTicks = 100

// nodes returns the process of each node.
func nodes(t testing.TB, n *fabrictest.Network) map[string]string {
	t.Helper()
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, node := range s.Nodes {
		if node.PID != 0 {
			out[node.Name] = filepath.Join("/proc", strconv.Itoa(node.PID))
		}
	}
	return out
}

// usage returns the resident memory of a node of each kind, in MiB.
func usage(t testing.TB, n *fabrictest.Network) map[string]float64 {
	t.Helper()
	out := make(map[string]float64)
	for name, proc := range nodes(t, n) {
		content, err := os.ReadFile(filepath.Join(proc, "status"))
		if err != nil {
			t.Skipf("SKIPPED: memory and CPU are read from /proc: %v", err)
		}
		_, rest, _ := strings.Cut(string(content), "VmRSS:")
		kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		kind := name[:len("peer")]
		out[kind] = max(out[kind], kb/1024)
	}
	return out
}

// idleCPU returns what the network uses of a core while nothing happens.
func idleCPU(t testing.TB, n *fabrictest.Network) (share float64) {
	t.Helper()
	const d = 10 * time.Second
	before := cpu(t, n)
	<-time.After(d)
	for kind, seconds := range cpu(t, n) {
		share += (seconds - before[kind]) / d.Seconds()
	}
	return share
}

// cpu returns the seconds that all nodes of a kind have used.
func cpu(t testing.TB, n *fabrictest.Network) map[string]float64 {
	t.Helper()
	out := make(map[string]float64)
	for name, proc := range nodes(t, n) {
		seconds, err := cpuOf(proc)
		if err != nil {
			t.Skipf("SKIPPED: memory and CPU are read from /proc: %v", err)
		}
		out[name[:len("peer")]] += seconds
	}
	return out
}

func cpuOf(proc string) (seconds float64, err error) {
	content, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
	for _, f := range fields[11:13] {
		ticks, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, err
		}
		seconds += ticks / clockTicks
	}
	return seconds, nil
}

// cpu returns the seconds of this process, which is the ring and its clients,
// and of its connections to PostgreSQL, those that have ended included.
func (r *ring) cpu() map[string]float64 {
	r.t.Helper()
	out := cpu(r.t, r.network)
	var err error
	if out["ring"], err = cpuOf("/proc/self"); err != nil {
		r.t.Fatal(err)
	}
	rows, err := r.owner.Query(r.t.Context(), "SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
	if err != nil {
		r.t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		r.t.Fatal(err)
	}
	for _, pid := range pids {
		if seconds, err := cpuOf(filepath.Join("/proc", strconv.Itoa(pid))); err == nil { // else it has ended
			r.backends[pid] = seconds
		}
	}
	for _, seconds := range r.backends {
		out["post"] += seconds
	}
	return out
}

// disk returns the bytes of the first node of a kind. What a node has allocated
// ahead counts only once it is used.
func disk(t testing.TB, n *fabrictest.Network) map[string]float64 {
	t.Helper()
	out := make(map[string]float64)
	for kind, dir := range map[string]string{"peer": "peer0.org1", "orde": "orderer0.orderers/ledger"} {
		err := filepath.WalkDir(filepath.Join(n.Options.Dir, "data", dir), func(_ string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return ignoreGone(err)
			}
			info, err := d.Info()
			if err == nil {
				out[kind] += float64(info.Size())
			}
			return ignoreGone(err)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// ignoreGone is for files that a database has done with meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// costs sum up what commands cost each kind of node.
type costs struct {
	commands       float64
	seconds, bytes map[string]float64
}

// of adds what f costs, which returns how many commands it took to the ledger.
func (c *costs) of(r *ring, f func() (commands int)) {
	r.t.Helper()
	cpuBefore, diskBefore := r.cpu(), disk(r.t, r.network)
	commands := f()
	if c.seconds == nil {
		c.seconds, c.bytes = make(map[string]float64), make(map[string]float64)
	}
	for kind, s := range r.cpu() {
		c.seconds[kind] += s - cpuBefore[kind]
	}
	for kind, b := range disk(r.t, r.network) {
		c.bytes[kind] += b - diskBefore[kind]
	}
	c.commands += float64(commands)
}

// each returns the seconds of all kinds that a command costs.
func (c *costs) each() (seconds float64) {
	for _, s := range c.seconds {
		seconds += s / c.commands
	}
	return seconds
}
