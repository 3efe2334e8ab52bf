package proxy

import (
	"net/netip"
	"testing"
)

func TestAClientKnowsWhereItCameFrom(t *testing.T) {
	for _, c := range []struct {
		from, want string
		rare       bool
	}{
		{"192.0.2.7:4711", "192.0.2.7:4711", false},
		{"[::ffff:192.0.2.7]:4711", "192.0.2.7:4711", false},
		{"[2001:db8::7]:4711", "[2001:db8::7]:4711", true},
		{"[fe80::7%eth0]:65535", "[fe80::7%eth0]:65535", true},
		{"0.0.0.0:1", "0.0.0.0:1", false},
	} {
		var client client
		client.cameFrom(netip.MustParseAddrPort(c.from))
		if got := client.address(); got.String() != c.want || (client.rare != nil) != c.rare {
			t.Errorf("%s: got %s, with rare: %v", c.from, got, client.rare != nil)
		}
	}
	var local client
	if local.cameFrom(netip.AddrPort{}); local.address().IsValid() || local.rare != nil {
		t.Errorf("by a Unix socket: %s", local.address())
	}
}
