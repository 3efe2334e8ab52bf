package loop

import (
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Adopt makes the socket what fd is, which is its from then on: a connection, or a socket that
// listens. It must not block, as what Accept returns does not.
func (s *Socket) Adopt(fd int, h Handler) { s.handler, s.fd = h, int32(fd) }

// Accept takes the next connection from a socket that listens: its descriptor, which is the
// caller's and does not block, and the peer's address. ErrNotNow: there is none. What the
// listening socket has been told by Keep holds for the connection too (tcp(7), socket(7)).
func (s *Socket) Accept() (fd int, peer netip.AddrPort, err error) {
	if s.fd < 0 {
		return -1, peer, net.ErrClosed
	}
	for {
		fd, peer, errno := acceptFD(int(s.fd))
		switch errno {
		case 0:
			return fd, peer, nil
		case unix.EINTR, unix.ECONNABORTED: // the peer has gone while it waited
		case unix.EAGAIN:
			return -1, peer, ErrNotNow
		default:
			return -1, peer, errno
		}
	}
}

// Keep has the kernel send at once what is written, and probe a peer that has been silent for
// idle as KeepAlive says. Linux gives all of that to what a listening socket accepts, so that
// no connection needs to be told.
func Keep(fd int, idle time.Duration) {
	k := KeepAlive(idle)
	set := func(level, option, value int) {
		unix.SetsockoptInt(fd, level, option, value) //nolint:errcheck // it is a TCP socket, and the values are in range
	}
	set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if !k.Enable {
		set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
		return
	}
	set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	set(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(k.Idle))
	set(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(k.Interval))
	set(unix.IPPROTO_TCP, unix.TCP_KEEPCNT, k.Count)
}

// DeferAccept has the kernel keep a connection to itself until its first bytes are there, or
// about a second has gone: who accepts can read at once, and is woken once for both (tcp(7),
// TCP_DEFER_ACCEPT; PgBouncer does so by default).
func DeferAccept(fd int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1) //nolint:errcheck // it is a TCP socket
}

// seconds rounds up, as package net does.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// TakeOver makes s what from is, for another handler. Of from nothing is left. On the loop.
func (s *Socket) TakeOver(from *Socket, h Handler) {
	from.SendCollected()
	*s = *from
	s.handler = h
	if s.loop != nil && s.fd >= 0 {
		s.loop.keep(int(s.fd), s)
	}
	*from = Socket{fd: -1}
}

// CloseWrite tells the peer that nothing more will come.
func (s *Socket) CloseWrite() error {
	if s.fd < 0 {
		return net.ErrClosed
	}
	s.SendCollected()
	return unix.Shutdown(int(s.fd), unix.SHUT_WR)
}
