package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/fabric/network"
	"gxcoin.money/gx/internal/platform/pgembed"
)

// TestFabric runs the scripts that need a Fabric network.
func TestFabric(t *testing.T) {
	tools := fabrictest.Tools(t)
	// Peers call gx by other names, which a test binary does not know.
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "gx"), ".").CombinedOutput(); err != nil {
		t.Fatalf("build gx: %v\n%s", err, out)
	}
	_, missing := pgembed.FindBinaries()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/fabric",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Values[testKey{}] = env.T().(testing.TB)
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("GX_FABRIC_TOOLS", string(tools))
			env.Setenv("GX_FABRIC_ORDERERS", "1")
			env.Defer(func() { // of a script that failed
				if _, err := network.Down(context.Background(), filepath.Join(env.WorkDir, "net", "fabric")); err != nil {
					t.Error(err)
				}
			})
			return nil
		},
		Condition: func(cond string) (bool, error) {
			return cond == "system" && missing == nil && os.Getenv("GX_FABRIC") == "1", nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await": await,
			"field": field,
			"get":   get,
			"ports": ports,
			"peer":  peer,
		},
	})
}

// ports takes the ports of a Fabric network, which is GX_FABRIC_PORT_BASE then.
func ports(ts *testscript.TestScript, _ bool, _ []string) {
	const span = 250
	for base := 30_000; base < 32_000; base += span { // below those that the kernel gives away
		lock, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(base+span-1)))
		if err != nil {
			continue // another test's
		}
		ts.Defer(func() { _ = lock.Close() })
		if unused(base, span-1) {
			ts.Setenv("GX_FABRIC_PORT_BASE", strconv.Itoa(base))
			return
		}
	}
	ts.Fatalf("no ports for a Fabric network are free")
}

// peer USER query|invoke CALL runs Fabric's own client on the network in net.
func peer(ts *testscript.TestScript, neg bool, args []string) {
	flags := "$FABRIC_" + strings.ToUpper(args[1])
	script := `eval "$(gx fabric env --data-dir=net --as="$0")" && exec peer chaincode "$1" ` + flags + ` -c "$2"`
	if err := ts.Exec("sh", "-c", script, args[0], args[1], args[2]); (err == nil) == neg {
		ts.Fatalf("peer chaincode %s %s as %s: %v", args[1], args[2], args[0], err)
	}
}
