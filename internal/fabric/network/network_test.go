package network_test

import (
	"errors"
	"os"
	"testing"
	"time"

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
