package proxy_test

import (
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

func TestADoorGoesOnBehindAPanic(t *testing.T) {
	w := start(t)
	w.dial()
	w.proxy.Unhinge(true)
	for range 3 {
		r := w.plug()
		r.startup("user", "app")
		if b, err := io.ReadAll(r.conn); len(b) > 0 {
			t.Errorf("it heard %q, %v", b, err)
		}
	}
	w.proxy.Unhinge(false)
	w.dial()
	if n := w.process.Panics.Swap(0); n != 3 { // none but these
		t.Errorf("%d panics were counted, want 3", n)
	}
	eventually(t, "nobody has a place any more", func() bool { return w.process.LoginsInFlight.Load() == 0 })
}

func TestAHandshakeThatPanicsAtItsBeginLeavesNothingBehind(t *testing.T) {
	w := start(t)
	pair := must(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))(t)
	if w.proxy.BeginNowhere(pair[0]) == nil {
		t.Fatal("there was no panic")
	}
	if n := w.process.LoginsInFlight.Load(); n != 0 {
		t.Errorf("%d logins are under way", n)
	}
	unix.SetsockoptTimeval(pair[1], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}) //nolint:errcheck // it is not to hang
	if n, err := unix.Read(pair[1], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the connection is open: %d, %v", n, err)
	}
	unix.Close(pair[1])
}
