package fabric

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"sync"
	"testing"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/fabric/network"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/ledger/ledgertest"
)

func TestMain(m *testing.M) { os.Exit(fabrictest.Main(m, counter)) }

// open runs a client of a network until the test or the returned function ends it.
func open(t testing.TB, c connection.Config, o Options) (*Ledger, func()) {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	l, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Cleanup(stop)
	return l, stop
}

func TestConformance(t *testing.T) {
	fabrictest.Tools(t)
	// A random history takes seconds here.
	if err := flag.Set("rapid.checks", "10"); err != nil {
		t.Fatal(err)
	}
	ledgertest.Run(t, func(t *testing.T, cc contract.Chaincode) ledger.Ledger {
		n := fabrictest.Run(t, network.Options{Orderers: 1, Serve: cc})
		l, _ := open(t, n.Client(), Options{})
		return l
	})
}
