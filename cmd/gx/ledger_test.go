package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/platform/datadir"
)

// TestConnectionOf finds the ledger of the system that a command looks at.
func TestConnectionOf(t *testing.T) {
	running := func(f *datadir.Fabric) operatedSettings {
		t.Helper()
		d, err := datadir.Open(filepath.Join(t.TempDir(), "data"), "v1")
		if err == nil {
			t.Cleanup(func() { _ = d.Close() })
			err = d.Announce(datadir.Running{PID: os.Getpid(), Fabric: f})
		}
		if err != nil {
			t.Fatal(err)
		}
		return operatedSettings{DataDir: d.Path}
	}
	network := &datadir.Fabric{Profile: "/p.yaml", MSP: "Org1MSP", Wallet: "/w", Channel: "c", Chaincode: "k", Endorsers: []string{"Org1MSP"}}
	onFabric := connection.Config(*network)
	elsewhere := running(network)
	elsewhere.DatabaseURL = "postgres://elsewhere"
	named := ledgerSettings{Ledger: "fabric", FabricProfile: "mine.yaml", FabricWallet: "wallet", FabricMSP: "Org2MSP", FabricChannel: "d", FabricChaincode: "l"}
	for name, tc := range map[string]struct {
		settings ledgerSettings
		operated operatedSettings
		want     *connection.Config
	}{
		"as the system says":       {ledgerSettings{}, running(network), &onFabric},
		"embedded":                 {ledgerSettings{}, running(nil), nil},
		"as the settings say":      {named, running(network), &connection.Config{Profile: "mine.yaml", MSP: "Org2MSP", Wallet: "wallet", Channel: "d", Chaincode: "l"}},
		"of another database":      {ledgerSettings{}, elsewhere, nil},
		"of another, on a profile": {named, operatedSettings{DatabaseURL: "postgres://elsewhere"}, &connection.Config{Profile: "mine.yaml", MSP: "Org2MSP", Wallet: "wallet", Channel: "d", Chaincode: "l"}},
	} {
		got, err := tc.settings.connectionOf(tc.operated)
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if _, err := (ledgerSettings{}).connectionOf(operatedSettings{DataDir: t.TempDir()}); err == nil {
		t.Error("a system that does not run has a ledger")
	}
	if _, err := (ledgerSettings{Ledger: "fabric"}).connectionOf(running(nil)); err == nil {
		t.Error("Fabric without a profile and without a network of its own")
	}
}
