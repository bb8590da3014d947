package fabric

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/fabric/network"
)

// outside opens a running network as another process would.
func outside(t *testing.T, n *fabrictest.Network) *network.Network {
	t.Helper()
	o, err := network.Open(n.Options)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestUpgradeUnderLoad(t *testing.T) {
	fabrictest.Thorough(t)
	n := fabrictest.Run(t, network.Options{Orderers: 1})
	l, _ := open(t, n.Client(), Options{})
	d := startLoad(t, l, t.Name()+"/", 6)
	d.recovers(t, "start")
	for _, version := range []string{"", "v3"} {
		began := time.Now()
		s, err := outside(t, n).Upgrade(t.Context(), version, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("version %s, sequence %d after %s", s.Version, s.Sequence, time.Since(began).Round(time.Millisecond))
		d.recovers(t, "upgraded")
	}
	d.stop()
	if got := well(t, n).Topology.Servers[0]; got.Sequence != 3 || got.Version != "v3" {
		t.Errorf("the server is %v", got)
	}
	n.Stop()
	n.Start()
}

// An upgrade is cut off again and again, each time a little later, until it is
// through.
func TestUpgradeInterrupted(t *testing.T) {
	fabrictest.Thorough(t)
	n := fabrictest.Run(t, network.Options{Orderers: 1})
	l, _ := open(t, n.Client(), Options{})
	d := startLoad(t, l, t.Name()+"/", 4)
	d.recovers(t, "start")
	cut := 0
	for limit := 50 * time.Millisecond; ; limit += limit / 2 {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		s, err := outside(t, n).Upgrade(ctx, "", "")
		over := ctx.Err() != nil || status.Code(err) == codes.DeadlineExceeded // a peer may notice first
		cancel()
		if err == nil {
			t.Logf("version %s, sequence %d; cut off %d times before", s.Version, s.Sequence, cut)
			break
		}
		if !over {
			t.Fatal(err)
		}
		cut++
	}
	if cut == 0 {
		t.Error("it was not interrupted")
	}
	d.recovers(t, "upgraded")
	d.stop()
	well(t, n)
}

// A program that does not serve, or serves something else, leaves the network as
// it was.
func TestUpgradeToNothing(t *testing.T) {
	fabrictest.Thorough(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("#!/bin/sh\nCHAINCODE_ID=other:1 exec "+self+" chaincode\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	n := fabrictest.Run(t, network.Options{Orderers: 1})
	l, _ := open(t, n.Client(), Options{})
	d := startLoad(t, l, t.Name()+"/", 4)
	d.recovers(t, "start")
	for program, want := range map[string]string{"/bin/false": "gxtv3-2.org1", other: `it serves "other:1"`} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		if s, err := outside(t, n).Upgrade(ctx, "", program); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v, want %s", s, err, want)
		}
		cancel()
	}
	d.recovers(t, "the upgrade failed")
	if s := well(t, n); s.Topology.Servers[0].Sequence != 1 {
		t.Errorf("the servers are %v", s.Topology.Servers)
	}
	if s, err := outside(t, n).Upgrade(t.Context(), "", ""); err != nil || s.Sequence != 2 {
		t.Errorf("%v, %v", s, err)
	}
	d.recovers(t, "upgraded")
	d.stop()
	well(t, n)
}

// well returns the status of a network with one version of the chaincode, of
// which every node is well.
func well(t *testing.T, n *fabrictest.Network) (s network.Status) {
	t.Helper()
	fabrictest.Eventually(t, func() bool { // servers that are not needed any more end
		var err error
		if s, err = outside(t, n).Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(s.Nodes, func(n network.NodeStatus) bool { return n.Problem != "" })
	})
	if len(s.Topology.Servers) != 1 {
		t.Errorf("the servers are %v", s.Topology.Servers)
	}
	return s
}

func TestRenewUnderLoad(t *testing.T) {
	fabrictest.Thorough(t)
	n := fabrictest.Run(t, network.Options{Orderers: 3})
	l, _ := open(t, n.Client(), Options{})
	d := startLoad(t, l, t.Name()+"/", 6)
	d.recovers(t, "start")
	before := expiries(t, n)
	longer := n.Options
	longer.CertificateLife = 500 * 24 * time.Hour
	o, err := network.Open(longer)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := o.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("renewed, and every node restarted, after %s", time.Since(began).Round(time.Millisecond))
	d.recovers(t, "renewed")
	l.identities.refresh()
	d.recovers(t, "with the renewed identities")
	d.stop()
	for name, at := range expiries(t, n) {
		if !at.After(before[name]) {
			t.Errorf("%s was not renewed: it expires on %s, was %s", name, at, before[name])
		}
	}
	n.Stop()
	n.Start()
}

// expiries returns when each certificate of a node or user expires.
func expiries(t *testing.T, n *fabrictest.Network) map[string]time.Time {
	t.Helper()
	s, err := outside(t, n).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]time.Time)
	for _, e := range s.Certificates {
		if time.Until(e.NotAfter) < 5*365*24*time.Hour { // not an authority
			out[e.Name] = e.NotAfter
		}
	}
	return out
}
