package lab

import (
	"net"
	"testing"
	"time"
)

// pass tells whether a connection from a host to an address carries anything soon.
func (h *NetworkHost) reaches(address string) (yes bool) {
	h.space.do(func() error { //nolint:errcheck // it has none
		conn, err := net.DialTimeout("tcp", address, 500*time.Millisecond)
		if yes = err == nil; yes {
			conn.Close()
		}
		return nil
	})
	return yes
}

func TestHostsOfANetworkAreCutOff(t *testing.T) {
	needServers(t)
	w, err := StartNetwork(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	listen := func(host *NetworkHost, address string) (at string) {
		do := func(f func() error) error { return f() }
		if host != nil {
			do = host.space.do
		}
		err := do(func() error {
			l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
			if err == nil {
				t.Cleanup(func() { l.Close() })
				at = l.Addr().String()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	first, second := w.Hosts[0], w.Hosts[1]
	etcd, ours, there := listen(nil, w.EtcdAddress()), listen(nil, w.at(ourNumber)), listen(second, second.Address)
	check := func(when string, toEtcd, toUs, toOther bool) {
		t.Helper()
		for address, want := range map[string]bool{etcd: toEtcd, ours: toUs, there: toOther} {
			if got := first.reaches(address); got != want {
				t.Errorf("%s it reaches %s: %v", when, address, got)
			}
		}
	}
	check("at first", true, true, true)
	for _, c := range []struct {
		when                  string
		change                func() error
		toEtcd, toUs, toOther bool
	}{
		{"cut off from etcd", first.CutFromEtcd, false, true, true},
		{"joined to etcd", first.JoinEtcd, true, true, true},
		{"cut off from the other", func() error { return first.CutFrom(second) }, true, true, false},
		{"joined to the other", func() error { return first.JoinTo(second) }, true, true, true},
		{"cut off", first.Cut, false, false, false},
		{"joined", first.Join, true, true, true},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		check(c.when, c.toEtcd, c.toUs, c.toOther)
	}
}
