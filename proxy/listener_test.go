package proxy

import (
	"net"
	"testing"

	"portero/config"
)

func TestTheIPv4WildcardIsIPv4Alone(t *testing.T) {
	for _, c := range []struct {
		address string
		ipv4    bool
	}{{"0.0.0.0:0", true}, {"127.0.0.1:0", true}, {":0", false}, {"[::]:0", false}} {
		l, err := openListener(&config.Listener{Address: c.address}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if ip := l.Addr().(*net.TCPAddr).IP; (ip.To4() != nil) != c.ipv4 {
			t.Errorf("%s listens at %s", c.address, ip)
		}
	}
}
