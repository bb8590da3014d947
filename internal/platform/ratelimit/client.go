package ratelimit

import (
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies whose X-Forwarded-For is believed.
type Proxies []netip.Prefix

// Networks reads prefixes and addresses.
func Networks(list []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(list))
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return nil, err
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func contains(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Client returns the address from which a request really came: that of the
// peer, or when the peer is a proxy of ours the last one in X-Forwarded-For that
// is not. What others write into the header counts for nothing. The result is
// invalid when there is no address at all.
func (p Proxies) Client(peer string, forwarded ...string) netip.Addr {
	var client netip.Addr
	if ap, err := netip.ParseAddrPort(peer); err == nil {
		client = ap.Addr().Unmap().WithZone("")
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && client.IsValid() && contains(p, client); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // the last proxy that could be read stands for what is behind it
		}
		client = hop.Unmap().WithZone("")
	}
	return client
}

// Network returns what is counted as one client: an IPv4 address, or the /64 in
// which a client of IPv6 has as many addresses as it likes.
func Network(a netip.Addr) string {
	if a.Is6() {
		p, _ := a.Prefix(64) // never fails for IPv6
		return p.String()
	}
	return a.String()
}
