// Package fabrictest runs real Fabric networks for tests. Tests that need one
// are skipped, with the reason, where Fabric's programs are not built.
package fabrictest

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/chaincode"
	"gxcoin.money/gx/internal/fabric/builder"
	"gxcoin.money/gx/internal/fabric/network"
	"gxcoin.money/gx/internal/fabric/tools"
)

// Main replaces m.Run in a TestMain: the network runs the test binary in place
// of gx, to build packages and to serve cc.
func Main(m *testing.M, cc contract.Chaincode) int {
	if code, ok := builder.Main(os.Args, os.Stderr); ok {
		return code
	}
	if len(os.Args) == 2 && os.Args[1] == "chaincode" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		o := chaincode.Options{Chaincode: cc, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
		o.Environment(os.Getenv)
		if err := chaincode.Serve(ctx, o); err != nil {
			slog.Error("serve", "err", err)
			return 1
		}
		return 0
	}
	return m.Run()
}

// Tools returns Fabric's programs or skips the test.
func Tools(t testing.TB) tools.Dir {
	t.Helper()
	dir, err := tools.Find(os.Getenv("GX_FABRIC_TOOLS"))
	if err != nil {
		if os.Getenv("GX_REQUIRE_FABRIC") == "1" {
			t.Fatalf("GX_REQUIRE_FABRIC=1, but: %v", err)
		}
		t.Skipf("SKIPPED, no Fabric network was tested: %v", err)
	}
	return dir
}

// Thorough skips a test that takes long, unless all of Fabric is to be tested.
func Thorough(t testing.TB) {
	t.Helper()
	if os.Getenv("GX_FABRIC") != "1" {
		t.Skip("SKIPPED: GX_FABRIC=1 is not set; make fabric-test sets it")
	}
}

// Network is a network that runs until the test ends.
type Network struct {
	*network.Network
	Options network.Options
	t       testing.TB
	cancel  context.CancelFunc
	done    chan struct{}
}

// Run runs a network and waits until it is ready.
func Run(t testing.TB, o network.Options) *Network {
	t.Helper()
	o.Tools = Tools(t)
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.BasePort == 0 {
		o.BasePort = Ports(t)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	n := &Network{Options: o, t: t}
	n.Start()
	return n
}

// Start starts the network, as new or again after Stop, and waits until it is ready.
func (n *Network) Start() {
	n.t.Helper()
	var err error
	if n.Network, err = network.Create(n.Options); err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel, n.done = cancel, make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(n.done)
		if err := n.Run(ctx, func() { close(ready) }); err != nil {
			n.t.Errorf("the network: %v", err)
		}
	}()
	n.t.Cleanup(n.Stop)
	began := time.Now()
	select {
	case <-ready:
		n.t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))
	case <-n.done:
		n.t.FailNow()
	}
}

// Stop stops the network.
func (n *Network) Stop() {
	n.cancel()
	<-n.done
}

// PID returns the process id of a node, waiting until it runs.
func (n *Network) PID(t testing.TB, id string) (pid int) {
	t.Helper()
	Eventually(t, func() bool {
		s, err := n.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, node := range s.Nodes {
			if node.Name == id {
				pid = node.PID
			}
		}
		return pid != 0
	})
	return pid
}

// Eventually polls a condition of other processes.
func Eventually(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen")
		}
	}
}

// span is how many ports a network may take.
const span = 250

// Ports returns a base from which a network's ports are free.
func Ports(t testing.TB) int {
	t.Helper()
	for base := 17300; base+span < 30000; base += span {
		lock, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(base+span-1)))
		if err != nil {
			continue // another test's
		}
		t.Cleanup(func() { _ = lock.Close() })
		return base
	}
	t.Fatal("no ports are free")
	return 0
}
