package loop

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listening is a socket that listens, and where.
func listening(t *testing.T) (s *Socket, at netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	s = &Socket{}
	t.Cleanup(s.Close)
	s.Adopt(fd, nil)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 16); err != nil {
		t.Fatal(err)
	}
	a, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return s, AddressOf(a)
}

func TestAcceptNeverWaits(t *testing.T) {
	s, at := listening(t)
	if _, _, err := s.Accept(); err != ErrNotNow {
		t.Fatalf("%v where nobody has come", err)
	}
	far, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	fd, peer, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if peer.String() != far.LocalAddr().String() {
		t.Errorf("%s has come, not %s", peer, far.LocalAddr())
	}
	if n, err := readFD(fd, make([]byte, 1)); err != ErrNotNow {
		t.Errorf("a read where nothing has come: %d bytes, %v", n, err)
	}
	s.Close()
	if _, _, err := s.Accept(); err != net.ErrClosed {
		t.Errorf("%v behind the close", err)
	}
}

func TestAcceptedConnectionsAreProbedAsTheListeningSocketWasTold(t *testing.T) {
	s, at := listening(t)
	for _, idle := range []time.Duration{90 * time.Second, 0, 1500 * time.Millisecond} {
		Keep(int(s.fd), idle)
		far, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer far.Close()
		fd, _, err := s.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		k := KeepAlive(idle)
		is := func(what string, level, option, want int) {
			if got, err := unix.GetsockoptInt(fd, level, option); err != nil || got != want {
				t.Errorf("idle %s: %s is %d, %v; want %d", idle, what, got, err, want)
			}
		}
		is("TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if idle == 0 {
			is("SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
		} else {
			is("SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
			is("TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(k.Idle))
			is("TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(k.Interval))
			is("TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, k.Count)
		}
	}
}

func TestWhoIsAcceptedHasSpoken(t *testing.T) {
	s, at := listening(t)
	DeferAccept(int(s.fd))
	if n, err := unix.GetsockoptInt(int(s.fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT); n != 1 || err != nil {
		t.Errorf("TCP_DEFER_ACCEPT is %d, %v", n, err)
	}
	far, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if _, err := far.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Poll([]unix.PollFd{{Fd: s.fd, Events: unix.POLLIN}}, 10_000); err != nil {
		t.Fatal(err)
	}
	fd, _, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	b := make([]byte, 8)
	if n, err := readFD(fd, b); string(b[:n]) != "hello" {
		t.Errorf("it has said %q, %v", b[:n], err)
	}
}
