package ratelimit_test

import (
	"testing"

	"gxcoin.money/gx/internal/platform/ratelimit"
)

func TestClient(t *testing.T) {
	networks, err := ratelimit.Networks([]string{"127.0.0.0/8", "::1", "10.1.2.3", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	p := ratelimit.Proxies(networks)
	for name, tc := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"direct":                      {"192.0.2.1:5000", nil, "192.0.2.1"},
		"a header nobody vouches for": {"192.0.2.1:5000", []string{"198.51.100.9"}, "192.0.2.1"},
		"by our proxy":                {"10.1.2.3:443", []string{"198.51.100.9"}, "198.51.100.9"},
		"spoofed before our proxy":    {"10.1.2.3:443", []string{"203.0.113.7, 198.51.100.9"}, "198.51.100.9"},
		"spoofed as one of ours":      {"10.1.2.3:443", []string{"127.0.0.1, 198.51.100.9"}, "198.51.100.9"},
		"two proxies":                 {"[::1]:443", []string{"198.51.100.9, 10.1.2.3"}, "198.51.100.9"},
		"two header lines":            {"127.0.0.1:443", []string{"198.51.100.9", "10.1.2.3"}, "198.51.100.9"},
		"only proxies":                {"127.0.0.1:443", []string{"10.1.2.3"}, "10.1.2.3"},
		"no header":                   {"127.0.0.1:443", nil, "127.0.0.1"},
		"not an address":              {"127.0.0.1:443", []string{"unknown"}, "127.0.0.1"},
		"not an address in between":   {"127.0.0.1:443", []string{"198.51.100.9, x, 10.1.2.3"}, "10.1.2.3"},
		"mapped":                      {"[::ffff:192.0.2.1]:1", nil, "192.0.2.1"},
		"mapped proxy":                {"[::ffff:10.1.2.3]:1", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		"zone":                        {"[fe80::1%eth0]:1", nil, "fe80::1"},
		"nothing":                     {"", []string{"198.51.100.9"}, "invalid IP"},
	} {
		if got := p.Client(tc.peer, tc.forwarded...).String(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	if _, err := ratelimit.Networks([]string{"10.0.0.0/33"}); err == nil {
		t.Error("a bad prefix is accepted")
	}
}

// A client of IPv6 cannot escape by changing its address.
func TestNetwork(t *testing.T) {
	network := func(peer string) string { return ratelimit.Network(ratelimit.Proxies(nil).Client(peer)) }
	if a, b := network("[2001:db8:1:2:3::4]:1"), network("[2001:db8:1:2:ffff::9]:1"); a != b || a != "2001:db8:1:2::/64" {
		t.Errorf("%s and %s", a, b)
	}
	if a, b := network("192.0.2.1:1"), network("192.0.2.2:1"); a == b {
		t.Errorf("two clients are one: %s", a)
	}
}

func FuzzClient(f *testing.F) {
	f.Add("127.0.0.1:1", "198.51.100.9, 10.1.2.3")
	networks, _ := ratelimit.Networks([]string{"127.0.0.0/8"})
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		p := ratelimit.Proxies(networks)
		direct := p.Client(peer)
		if got := p.Client(peer, forwarded); !direct.IsLoopback() && got != direct {
			t.Errorf("a header from %s makes it %s", direct, got)
		}
	})
}
