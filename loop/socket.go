package loop

import (
	"crypto/tls"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNotNow means that the socket has nothing to read at present. It is a
// net.Error that says Timeout and Temporary, so that a tls.Conn above it may
// be read again.
var ErrNotNow net.Error = notNow{}

type notNow struct{}

func (notNow) Error() string   { return "nothing to read now" }
func (notNow) Timeout() bool   { return true }
func (notNow) Temporary() bool { return true }

// Socket is a non-blocking socket with the bytes that the kernel would not
// take yet. It belongs to the loop it is attached to; while attached to none,
// to the goroutine that holds it.
type Socket struct {
	fd        int32
	interest  uint16 // what epoll watches for us; 0 = it does not know us
	collected uint16 // place in what the loop has collected to send, from 1; 0 = nothing of us
	loop      *Loop
	handler   Handler
	beyond    *beyond // nil mostly
}

const watchRead = unix.EPOLLIN | unix.EPOLLRDHUP

// Open makes the socket take over conn, which is closed as a net.Conn; its
// descriptor lives on in the Socket. conn is a TCP or Unix connection, or a
// *tls.Conn over a *Transport whose handshake is done.
func (s *Socket) Open(conn net.Conn, h Handler) error {
	s.handler, s.fd = h, -1
	under := conn
	if t, ok := conn.(*tls.Conn); ok {
		tr, ok := t.NetConn().(*Transport)
		if !ok {
			return fmt.Errorf("adopt %T: not over a loop.Transport", t.NetConn())
		}
		under = tr.Conn
		tr.sock = s
		s.beyond = &beyond{tls: t}
	}
	fd, err := takeFD(under)
	if err != nil {
		return err
	}
	s.fd = int32(fd)
	return nil
}

// takeFD duplicates conn's descriptor and closes conn, so that the runtime's
// own poller forgets it.
func takeFD(conn net.Conn) (int, error) {
	defer conn.Close()
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("adopt %T: no descriptor", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("adopt: %w", err)
	}
	dup := -1
	var dupErr error
	if err := raw.Control(func(fd uintptr) {
		dup, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return -1, fmt.Errorf("adopt: %w", err)
	}
	if dupErr != nil {
		return -1, fmt.Errorf("adopt: dup: %w", dupErr)
	}
	return dup, nil
}

// Attach gives the socket to l, on which it is called: from now on l tells the
// handler what the socket is ready for. A socket attached elsewhere moves.
func (s *Socket) Attach(l *Loop) error {
	switch {
	case s.fd < 0:
		return net.ErrClosed
	case s.loop == l:
		return nil
	case s.collected > 0: // on the loop that it leaves; whoever hands it on sends that first
		panic("loop: a socket moves with something collected")
	case s.loop != nil:
		s.change(0)
	}
	s.loop, s.interest = l, 0
	l.keep(int(s.fd), s)
	l.fresh = append(l.fresh, s.fd)
	if s.Pending() > 0 {
		return s.control(watchRead | unix.EPOLLOUT)
	}
	return s.control(watchRead)
}

// Loop is the loop that the socket is attached to, nil if it is to none.
func (s *Socket) Loop() *Loop { return s.loop }

// Watch turns reading on or off in epoll. While it is off, Ready still says
// that the peer has closed, unless the socket was muted before.
func (s *Socket) Watch(read bool) {
	want := s.interest | unix.EPOLLIN
	if !read {
		want &^= unix.EPOLLIN
	}
	if want != s.interest {
		s.control(want) //nolint:errcheck // as in change
	}
}

// Mute turns everything off but what is pending, for a peer whose close is
// known or whose word must wait: level-triggered epoll would repeat it without
// end. Watch(true) turns reading on again.
func (s *Socket) Mute() { s.change(s.interest &^ watchRead) }

func (s *Socket) change(want uint16) {
	s.control(want) //nolint:errcheck // fails only where the kernel is out of memory
}

// control tells epoll what to watch. A socket without interest is taken out of
// it, for errors and hang-ups cannot be masked.
func (s *Socket) control(want uint16) error {
	if want == s.interest || s.loop == nil || s.fd < 0 {
		return nil
	}
	op := unix.EPOLL_CTL_MOD
	switch {
	case s.interest == 0:
		op = unix.EPOLL_CTL_ADD
	case want == 0:
		op = unix.EPOLL_CTL_DEL
	}
	ev := unix.EpollEvent{Events: uint32(want), Fd: s.fd}
	if err := unix.EpollCtl(s.loop.ep, op, int(s.fd), &ev); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	s.interest = want
	return nil
}

// ReadableFrom has the socket become readable only when at least so many bytes have come, or the peer
// has closed; 1, with which a socket begins, is any. Read takes what there is all the same. It
// counts for TCP alone, and there it is a wish: a kernel that is short of memory, or of room in
// this socket's buffer, says so earlier.
func (s *Socket) ReadableFrom(bytes int) {
	unix.SetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes) //nolint:errcheck // then it is readable earlier
}

// Read reads once into b. It returns ErrNotNow when nothing is there and
// io.EOF when the peer has closed.
func (s *Socket) Read(b []byte) (int, error) {
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	if s.beyond != nil {
		return s.beyond.read(s, b)
	}
	return readFD(int(s.fd), b)
}

// Drained reports whether a Read that returned n of max bytes has emptied the
// kernel's buffer. TLS may hold back more, so there only ErrNotNow tells.
func (s *Socket) Drained(n, max int) bool { return n < max && !s.IsTLS() }

// Write sends b, at the end of the loop's turn at the latest; what the kernel does not take is
// copied and sent when it does. An error is sticky and returned by the next Write too, or first.
func (s *Socket) Write(b []byte) error {
	if s.beyond != nil {
		return s.beyond.write(s, b)
	}
	if s.fd < 0 {
		return net.ErrClosed
	}
	return s.send(b)
}

func (s *Socket) send(b []byte) error {
	if s.loop != nil && s.loop.outgoing.takes(s, b) {
		return nil
	}
	if x := s.beyond; x != nil && (x.broken != nil || len(x.pending) > 0) { // since what was collected was sent
		return x.write(s, b)
	}
	return s.sendNow(b)
}

func (s *Socket) sendNow(b []byte) error {
	n, err := writeFD(int(s.fd), b)
	return s.took(b, n, err)
}

// took is told how much the kernel has taken of b, and what was in the way of more.
func (s *Socket) took(b []byte, n int, err error) error {
	if err != nil && err != ErrNotNow {
		return s.fail(err)
	}
	if n < len(b) {
		s.keepPending(b[n:])
		s.change(s.interest | unix.EPOLLOUT)
	}
	return nil
}

// Flush sends what is pending as far as the kernel takes it.
func (s *Socket) Flush() error {
	if s.beyond == nil {
		return nil
	}
	return s.beyond.flush(s)
}

// Pending is the number of bytes that the kernel has not taken, but for what the loop has collected
// in this turn. If it does not take that the Handler is told.
func (s *Socket) Pending() int {
	if s.beyond == nil {
		return 0
	}
	return len(s.beyond.pending) - s.beyond.sent
}

// IsTLS reports whether the peer's bytes are encrypted.
func (s *Socket) IsTLS() bool { return s.beyond != nil && s.beyond.tls != nil }

// Detach takes the descriptor away from a socket without TLS of which nothing is pending behind
// SendCollected, and gives it to the caller, who closes it. The socket is as if closed.
func (s *Socket) Detach() (fd int) {
	s.Leave()
	fd = int(s.fd)
	s.fd = -1
	return fd
}

// Leave takes the socket from the loop that it is attached to, on which it is called. That one
// tells its handler nothing any more; it is the caller's until it is attached to another loop.
func (s *Socket) Leave() {
	if s.fd < 0 {
		return
	}
	s.SendCollected()
	s.change(0)
	s.loop.forget(s)
	s.interest, s.loop = 0, nil
}

// Close closes the descriptor. The last bytes are tried once; it never blocks.
// Closing twice is harmless.
func (s *Socket) Close() {
	if s.fd < 0 {
		return
	}
	s.SendCollected()
	s.sayGoodbye()
	s.loop.forget(s)
	closeFD(int(s.fd))
	s.dropPending()
	s.fd, s.interest, s.loop = -1, 0, nil
	if s.beyond != nil {
		s.beyond.tls = nil
	}
}
