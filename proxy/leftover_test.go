package proxy_test

import (
	"net"
	"runtime"
	"testing"
)

// What logins that were not gone on with have left behind does not stay.
func TestCoroutinesOfAStormOfLoginsGoAgain(t *testing.T) {
	w := start(t)
	var all []net.Conn
	for range 400 {
		all = append(all, must(net.Dial("tcp", w.address()))(t))
	}
	eventually(t, "all are there", func() bool { return w.process.LoginsInFlight.Load() == 400 })
	for _, conn := range all {
		conn.Close()
	}
	eventually(t, "all have gone", func() bool { return w.process.LoginsInFlight.Load() == 0 })
	before := runtime.NumGoroutine()
	if before < 300 {
		t.Fatalf("%d goroutines", before)
	}
	eventually(t, "they are fewer", func() bool { return runtime.NumGoroutine() < before-50 })
}
