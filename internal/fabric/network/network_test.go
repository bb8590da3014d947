package network_test

import (
	"os"
	"testing"

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
