package crash_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/ledger/fabric"
)

// TestKillFabric is TestKill on a real Hyperledger Fabric network, whose nodes
// are killed too.
func TestKillFabric(t *testing.T) {
	if os.Getenv("GX_CRASH") != "1" {
		t.Skip("SKIPPED: GX_CRASH=1 is not set; make fabric-test sets it")
	}
	fabrictest.Tools(t)
	s := newSystem(t, "--ledger=fabric", "--fabric-port-base="+strconv.Itoa(fabricPorts(t)))
	s.ledger = func() ledger.Ledger { return openFabric(t, filepath.Join(s.dir, "data", "fabric")) }
	kill(t, s, []string{
		"submit", "project", "up", "all", "orderer0.orderers", "orderer1.orderers", "orderer2.orderers",
		"peer0.org1", "peer0.org2", "gxtv3-1.org1", "gxtv3-1.org2",
	})
}

// fabricPorts returns a base above which the ports of a network are free.
func fabricPorts(t testing.TB) int {
	t.Helper()
	const span = 250
bases:
	for base := 10_000; base < 17_000; base += span {
		for port := base; port < base+span; port += 10 {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				continue bases
			}
			_ = l.Close()
		}
		return base
	}
	t.Fatal("no ports for a Fabric network are free")
	return 0
}

// fabricNode returns the process of a node.
func (s *system) fabricNode(name string) []int {
	content, err := os.ReadFile(filepath.Join(s.dir, "data", "fabric", "run.json"))
	if err != nil || !strings.Contains(name, ".") {
		return nil
	}
	var state struct {
		Nodes map[string]struct {
			PID int `json:"pid"`
		} `json:"nodes"`
	}
	if err := json.Unmarshal(content, &state); err != nil {
		s.t.Fatal(err)
	}
	if pid := state.Nodes[name].PID; pid != 0 {
		return []int{pid}
	}
	return nil
}

// openFabric opens the ledger of a network.
func openFabric(t testing.TB, network string) ledger.Ledger {
	t.Helper()
	l, err := fabric.New(connection.Config{
		Profile: filepath.Join(network, "connection.json"), Wallet: filepath.Join(network, "org1", "wallet"),
		MSP: "Org1MSP", Channel: "gxchannel", Chaincode: "gxtv3",
	}, fabric.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
