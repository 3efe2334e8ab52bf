package loop

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSilenceIsWhatAPeerOwes tells a story per case: what is seen at each second.
func TestSilenceIsWhatAPeerOwes(t *testing.T) {
	type look struct {
		owes  bool
		quiet float64 // seconds since the last acknowledgement
		over  bool
	}
	for about, looks := range map[string][]look{
		"nothing is owed": {{false, 0, false}, {false, 100, false}, {false, 101, false}, {false, 102, false}},
		"it was idle for an hour, and one packet is lost": {
			{false, 3600, false}, {true, 3601, false}, {false, 0.1, false}, {false, 1.1, false},
		},
		"dead after an idle hour": {
			{true, 3600, false}, {true, 3601, false}, {true, 3602, false}, {true, 3603, true},
		},
		"it answers now and then": {
			{true, 2, false}, {true, 0.5, false}, {true, 1.5, false}, {true, 2.5, false}, {true, 3.5, true},
		},
		"it answers always, and much is lost": {
			{true, 0.1, false}, {true, 0.9, false}, {true, 0.3, false}, {true, 0.5, false}, {true, 0.7, false}, {true, 0.2, false},
		},
		"what was owed to another before counts no more": {
			{true, 1, false}, {true, 2, false}, {true, 0.1, false}, {true, 1.1, false}, {true, 2.1, false}, {true, 3.1, true},
		},
	} {
		var q Silence
		now := int64(time.Hour)
		for i, l := range looks {
			now += int64(time.Second)
			if got := q.over(now, l.owes, time.Duration(l.quiet*float64(time.Second)), 3*time.Second); got != l.over {
				t.Errorf("%s: look %d says %v", about, i, got)
			}
		}
	}
}

func TestAUnixSocketOwesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var s Socket
	if err := s.Open(conn, nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if owes, _ := s.owes(); owes {
		t.Error("it owes something")
	}
}

func TestKeepAliveEndsADeadPeerInTwiceItsTime(t *testing.T) {
	for _, idle := range []time.Duration{time.Second, 15 * time.Second, time.Minute} {
		k := KeepAlive(idle)
		if end := k.Idle + time.Duration(k.Count)*k.Interval; !k.Enable || end < 2*idle || end > 2*idle+3*time.Second {
			t.Errorf("%v: %+v", idle, k)
		}
	}
	if KeepAlive(0).Enable {
		t.Error("0 does not turn it off")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := net.Dialer{KeepAlive: -1, KeepAliveConfig: KeepAlive(15 * time.Second)}
	conn, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var s Socket
	if err := s.Open(conn, nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for option, want := range map[int]int{unix.TCP_KEEPIDLE: 15, unix.TCP_KEEPINTVL: 5, unix.TCP_KEEPCNT: 3} {
		if got, err := unix.GetsockoptInt(int(s.fd), unix.IPPROTO_TCP, option); err != nil || got != want {
			t.Errorf("option %d is %d, %v; want %d", option, got, err, want)
		}
	}
}
