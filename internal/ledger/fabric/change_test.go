package fabric

import (
	"testing"
	"time"

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
	n := fabrictest.Run(t, network.Options{Orderers: 1})
	l, _ := open(t, n.Client(), Options{})
	d := startLoad(t, l, t.Name()+"/", 6)
	d.recovers("start")
	for _, version := range []string{"", "v3"} {
		began := time.Now()
		s, err := outside(t, n).Upgrade(t.Context(), version, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("version %s, sequence %d after %s", s.Version, s.Sequence, time.Since(began).Round(time.Millisecond))
		d.recovers("upgraded")
	}
	d.stop()
	s, err := outside(t, n).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Topology.Servers; len(got) != 1 || got[0].Sequence != 3 || got[0].Version != "v3" {
		t.Errorf("the servers are %v", got)
	}
	for _, node := range s.Nodes {
		if node.Problem != "" {
			t.Errorf("%s: %s", node.Name, node.Problem)
		}
	}
	n.Stop()
	n.Start()
}

func TestRenewUnderLoad(t *testing.T) {
	n := fabrictest.Run(t, network.Options{Orderers: 3})
	l, _ := open(t, n.Client(), Options{})
	d := startLoad(t, l, t.Name()+"/", 6)
	d.recovers("start")
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
	d.recovers("renewed")
	l.identities.refresh()
	d.recovers("with the renewed identities")
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
