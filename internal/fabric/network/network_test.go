package network_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/fabric/network"
)

func TestMain(m *testing.M) { os.Exit(fabrictest.Main(m, echo)) }

// echo is a chaincode that returns its first argument.
func echo(_ contract.Stub, _ string, args []string) ([]byte, error) { return []byte(args[0]), nil }

func TestStartAndRestart(t *testing.T) {
	n := fabrictest.Run(t, network.Options{Orderers: 1})
	n.Stop()
	n.Start()
}

func TestStatusDownReset(t *testing.T) {
	dir := t.TempDir() + "/fabric"
	if _, err := network.Open(network.Options{Dir: dir}); !errors.Is(err, network.ErrAbsent) {
		t.Errorf("an absent network opens: %v", err)
	}
	n := fabrictest.Run(t, network.Options{Dir: dir, Orderers: 3, Peers: 2})
	outside, err := network.Open(network.Options{Dir: dir}) // as another process would
	if err != nil {
		t.Fatal(err)
	}
	s, err := outside.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Ready || s.PID != os.Getpid() || len(s.Nodes) != 3+2*2+2 {
		t.Errorf("the status is %+v", s)
	}
	for _, node := range s.Nodes {
		if node.Problem != "" || node.PID == 0 {
			t.Errorf("%s: %+v", node.Name, node)
		}
		for _, at := range listeners(t, node.PID) {
			if !strings.HasPrefix(at, "0100007F:") { // 127.0.0.1
				t.Errorf("%s listens on %s", node.Name, at)
			}
		}
	}
	if first := s.Certificates[0].NotAfter; time.Until(first) < 300*24*time.Hour {
		t.Errorf("a certificate expires on %s", first)
	}
	if err := network.Reset(dir); err == nil {
		t.Error("a network that runs was reset")
	}
	other := network.Options{Dir: dir, Orderers: 1, Tools: n.Options.Tools}
	if _, err := network.Create(other); err == nil {
		t.Error("the network took another number of orderers")
	}
	n.Stop()
	if s, err = outside.Status(t.Context()); err != nil || s.PID != 0 || s.Nodes[0].Problem == "" {
		t.Errorf("a network that is down has status %+v, %v", s, err)
	}
	if was, err := network.Down(t.Context(), dir); was || err != nil {
		t.Errorf("a network that is down was stopped: %v, %v", was, err)
	}
	if err := network.Reset(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("after the reset: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	for want, o := range map[string]network.Options{
		"2 orderers":      {Orderers: 2},
		"11 orderers":     {Orderers: 11},
		"6 peers":         {Peers: 6},
		"host 0.0.0.0":    {Host: "0.0.0.0"},
		"host ::":         {Host: "::"},
		"base port 80":    {BasePort: 80},
		"base port 65500": {BasePort: 65500},
		`timeout "-1s"`:   {BatchTimeout: -time.Second},
	} {
		o.Dir = t.TempDir()
		if _, err := network.Create(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if left, err := os.ReadDir(o.Dir); len(left) != 0 || err != nil {
			t.Errorf("%s: left %v, %v", want, left, err)
		}
	}
}

// listeners are where a process listens, in the kernel's notation.
func listeners(t *testing.T, pid int) (at []string) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Skip("SKIPPED: where processes listen is read from /proc")
	}
	sockets := make(map[string]bool)
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			sockets[to] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue // there is no IPv6
		}
		for line := range strings.Lines(string(content)) {
			const address, state, inode, listening = 1, 3, 9, "0A"
			if f := strings.Fields(line); f[state] == listening && sockets["socket:["+f[inode]+"]"] {
				at = append(at, f[address])
			}
		}
	}
	if len(at) == 0 {
		t.Errorf("process %d listens nowhere", pid)
	}
	return at
}

// A network whose directory is gone does not run on for nobody.
func TestRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fabric")
	n, err := network.Create(network.Options{Dir: dir, Orderers: 1, BasePort: fabrictest.Ports(t), Tools: fabrictest.Tools(t)})
	if err != nil {
		t.Fatal(err)
	}
	err = n.Run(t.Context(), func() {
		if err := os.Rename(dir, dir+".removed"); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it ended with %v", err)
	}
}

func TestCertificatesThatExpire(t *testing.T) {
	var log bytes.Buffer
	now, r := time.Now(), prometheus.NewRegistry()
	o := network.Options{
		Dir: t.TempDir(), Orderers: 1, CertificateLife: 40 * 24 * time.Hour, Clock: func() time.Time { return now },
		Log: slog.New(slog.NewTextHandler(&log, nil)), Registerer: r,
	}
	if _, err := network.Create(o); err != nil {
		t.Fatal(err)
	}
	left := func() time.Duration {
		families, err := r.Gather()
		if err != nil || len(families) != 1 {
			t.Fatalf("%v, %v", families, err)
		}
		for _, m := range families[0].Metric {
			if m.Label[0].GetValue() == "org1/peer0/tls" {
				return time.Duration(m.Gauge.GetValue()) * time.Second
			}
		}
		return 0
	}
	if got := left(); got.Round(time.Hour) != o.CertificateLife {
		t.Errorf("it expires after %s", got)
	}
	now = now.Add(11 * 24 * time.Hour)
	if got := left(); got.Round(time.Hour) != 29*24*time.Hour {
		t.Errorf("it expires after %s", got)
	}
	fabrictest.Run(t, network.Options{Orderers: 1, CertificateLife: 20 * 24 * time.Hour, Log: o.Log}).Stop()
	if !strings.Contains(log.String(), "certificate=org1/peer0/tls/cert.pem") || strings.Contains(log.String(), "tlsca") {
		t.Errorf("the warnings: %s", &log)
	}
}

func TestShell(t *testing.T) {
	n, err := network.Create(network.Options{Dir: t.TempDir(), Orderers: 3, Peers: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Shell("nobody"); err == nil {
		t.Error("nobody is a user")
	}
	variables, err := n.Shell("admin")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variables {
		if strings.HasSuffix(v.Name, "PATH") || strings.HasSuffix(v.Name, "FILE") {
			if _, err := os.Stat(v.Value); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
		if v.Name == "FABRIC_INVOKE" && strings.Count(v.Value, "--peerAddresses") != 2 {
			t.Errorf("an invocation goes to %s", v.Value)
		}
	}
}
