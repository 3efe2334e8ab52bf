package loop

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// ErrSilent is what reading and writing a Socket returns after GiveUp.
var ErrSilent = errors.New("the peer acknowledges nothing")

// Silence measures how long a peer has owed an acknowledgement. The zero value
// is ready. It belongs to the loop of the socket that it is asked about.
//
// The kernel has TCP_USER_TIMEOUT for that, but counts by it also how long a
// peer has had no room (tcp(7), "due to zero window size"), though its kernel
// answers every probe: a server that waits for a lock in the middle of a COPY,
// or a client that thinks about the first rows of a large result, would be cut.
type Silence struct {
	since int64 // the Clock's; 0 = nothing is owed
}

// Over reports whether the peer of s has for at least limit answered nothing
// that its kernel must answer by itself. Ask about once a second, on the
// socket's loop. Other sockets than TCP owe nothing.
func (q *Silence) Over(s *Socket, limit time.Duration) bool {
	owes, quiet := s.owes()
	return q.over(Clock(), owes, quiet, limit)
}

// over: a peer that has said nothing for an hour need not have been asked; so
// what counts begins when it was first seen to owe, and anew with each answer.
func (q *Silence) over(now int64, owes bool, quiet, limit time.Duration) bool {
	last := now - int64(quiet)
	switch {
	case !owes:
		q.since = 0
		return false
	case q.since == 0:
		q.since = now
	case last > q.since:
		q.since = last
	}
	return now-q.since >= int64(limit)
}

// owes reports whether the kernel has had to send something again, or a probe,
// and how long ago the peer's kernel last answered anything.
func (s *Socket) owes() (owes bool, quiet time.Duration) {
	if s.fd < 0 {
		return false, 0
	}
	info, err := unix.GetsockoptTCPInfo(int(s.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, 0
	}
	return info.Retransmits > 0 || info.Probes > 0, time.Duration(info.Last_ack_recv) * time.Millisecond
}

// GiveUp breaks off the connection to a peer that is silent, as the kernel does
// when its patience ends: the handler is told by the next events, and reading
// and writing fail. On the socket's loop; closing is still the owner's.
func (s *Socket) GiveUp() {
	if s.fd < 0 {
		return
	}
	s.fail(ErrSilent)                                                                         //nolint:errcheck // it is kept
	unix.SetsockoptLinger(int(s.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) //nolint:errcheck // nothing of it is to outlive its close
	unix.Shutdown(int(s.fd), unix.SHUT_RDWR)                                                  //nolint:errcheck // then it is broken already
}

// KeepAlive is how TCP connections are probed that have been silent for idle,
// so that a dead peer ends them after twice that. 0 turns it off.
func KeepAlive(idle time.Duration) net.KeepAliveConfig {
	const probes = 3
	return net.KeepAliveConfig{Enable: idle > 0, Idle: idle, Interval: max(idle/probes, time.Second), Count: probes}
}
