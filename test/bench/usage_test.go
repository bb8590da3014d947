package bench_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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
func idleCPU(t testing.TB, n *fabrictest.Network) float64 {
	t.Helper()
	const d = 10 * time.Second
	before := cpu(t, n)
	<-time.After(d)
	return (cpu(t, n) - before) / d.Seconds()
}

func cpu(t testing.TB, n *fabrictest.Network) (seconds float64) {
	t.Helper()
	for _, proc := range nodes(t, n) {
		content, err := os.ReadFile(filepath.Join(proc, "stat"))
		if err != nil {
			t.Skipf("SKIPPED: memory and CPU are read from /proc: %v", err)
		}
		fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
		for _, f := range fields[11:13] {
			ticks, err := strconv.ParseFloat(f, 64)
			if err != nil {
				t.Fatal(err)
			}
			seconds += ticks / clockTicks
		}
	}
	return seconds
}
