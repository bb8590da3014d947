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
	"gxcoin.money/gx/protocol/role"
)

// TestKillFabric is TestKill on a real Hyperledger Fabric network, whose nodes
// are killed too.
func TestKillFabric(t *testing.T) {
	if os.Getenv("GX_CRASH") != "1" {
		t.Skip("SKIPPED: GX_CRASH=1 is not set; make fabric-test sets it")
	}
	fabrictest.Tools(t)
	s := newSystem(t, "--ledger=fabric", "--fabric-port-base="+strconv.Itoa(fabricPorts(t)))
	kill(t, s, []string{
		"submit", "project", "up", "all", "orderer0.orderers", "orderer1.orderers", "orderer2.orderers",
		"peer0.org1", "peer0.org2", "gxtv3-1.org1", "gxtv3-1.org2",
	}).sameOnFabric(filepath.Join(s.dir, "data", "fabric"))
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

// sameOnFabric compares every account of the read model with the ledger.
func (b *books) sameOnFabric(network string) {
	b.t.Helper()
	l, err := fabric.New(connection.Config{
		Profile: filepath.Join(network, "connection.json"), Wallet: filepath.Join(network, "org1", "wallet"),
		MSP: "Org1MSP", Channel: "gxchannel", Chaincode: "gxtv3",
	}, fabric.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer l.Close()
	rows, err := b.db.Query(b.t.Context(), "SELECT account_id, balance FROM read.accounts")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var account string
		var balance int64
		if err := rows.Scan(&account, &balance); err != nil {
			b.t.Fatal(err)
		}
		content, err := l.Evaluate(b.t.Context(), ledger.Proposal{Identity: role.PartnerAPI, Function: "TokenomicsContract:GetBalance", Args: []string{account}})
		var got string
		if err == nil {
			err = json.Unmarshal(content, &got)
		}
		if err != nil {
			b.t.Fatalf("%s: %v", account, err)
		}
		if got != strconv.FormatInt(balance, 10) {
			b.t.Errorf("%s has %s on the ledger, reads show %d", account, got, balance)
		}
	}
	if err := rows.Err(); err != nil || n == 0 {
		b.t.Errorf("%d accounts, %v", n, err)
	}
}
