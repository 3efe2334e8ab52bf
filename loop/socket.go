package loop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
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
	fd       int32
	interest uint32 // what epoll watches for us; 0 = it does not know us
	loop     *Loop
	handler  Handler
	pending  []byte // not yet taken by the kernel
	sent     int    // bytes of pending already taken
	tls      *tls.Conn
	broken   error // sticky write error
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
		s.tls = t
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
	case s.loop != nil:
		s.change(0)
	}
	s.loop, s.interest = l, 0
	l.keep(int(s.fd), s.handler)
	if len(s.pending) > 0 {
		return s.control(watchRead | unix.EPOLLOUT)
	}
	return s.control(watchRead)
}

// Loop is the loop that the socket is attached to, nil if it is to none.
func (s *Socket) Loop() *Loop { return s.loop }

func (l *Loop) keep(fd int, h Handler) {
	for fd >= len(l.sockets) {
		l.sockets = append(l.sockets, make([]Handler, max(64, len(l.sockets)))...)
	}
	l.sockets[fd] = h
}

// Watch turns reading on or off in epoll. While it is off, Ready still says
// that the peer has closed, unless the socket was muted before.
func (s *Socket) Watch(read bool) {
	want := s.interest &^ unix.EPOLLIN
	if read {
		want |= unix.EPOLLIN
	}
	s.change(want)
}

// Mute turns everything off but what is pending, for a peer whose close is
// known or whose word must wait: level-triggered epoll would repeat it without
// end. Watch(true) turns reading on again.
func (s *Socket) Mute() { s.change(s.interest &^ watchRead) }

func (s *Socket) change(want uint32) {
	s.control(want) //nolint:errcheck // fails only where the kernel is out of memory
}

// control tells epoll what to watch. A socket without interest is taken out of
// it, for errors and hang-ups cannot be masked.
func (s *Socket) control(want uint32) error {
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
	ev := unix.EpollEvent{Events: want, Fd: s.fd}
	if err := unix.EpollCtl(s.loop.ep, op, int(s.fd), &ev); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	s.interest = want
	return nil
}

// Read reads once into b. It returns ErrNotNow when nothing is there and
// io.EOF when the peer has closed.
func (s *Socket) Read(b []byte) (int, error) {
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	if s.tls == nil {
		n, err := readFD(int(s.fd), b)
		if err == io.EOF && s.broken == ErrSilent {
			err = ErrSilent
		}
		return n, err
	}
	n, err := s.tls.Read(b)
	s.Flush() // answers that TLS itself owes
	if n > 0 {
		return n, nil
	}
	if err == nil || errors.Is(err, ErrNotNow) {
		return 0, ErrNotNow
	}
	if s.broken == ErrSilent {
		err = ErrSilent
	}
	return 0, err
}

// Drained reports whether a Read that returned n of max bytes has emptied the
// kernel's buffer. TLS may hold back more, so there only ErrNotNow tells.
func (s *Socket) Drained(n, max int) bool { return s.tls == nil && n < max }

// Write sends b; what the kernel does not take is copied and sent when it
// does. An error is sticky and also returned by the next Write.
func (s *Socket) Write(b []byte) error {
	if s.broken != nil {
		return s.broken
	}
	if s.fd < 0 {
		return net.ErrClosed
	}
	if s.tls == nil {
		return s.send(b)
	}
	if _, err := s.tls.Write(b); err != nil {
		return s.fail(err)
	}
	return s.Flush()
}

func (s *Socket) send(b []byte) error {
	if len(s.pending) > 0 {
		s.keepPending(b)
		return nil
	}
	n, err := writeFD(int(s.fd), b)
	if err != nil && err != ErrNotNow {
		return s.fail(err)
	}
	if n < len(b) {
		s.keepPending(b[n:])
		s.change(s.interest | unix.EPOLLOUT)
	}
	return nil
}

func (s *Socket) keepPending(b []byte) {
	if s.pending == nil && s.loop != nil {
		s.pending = s.loop.TakeBuffer()
	}
	s.pending = append(s.pending, b...)
}

// Flush sends what is pending as far as the kernel takes it.
func (s *Socket) Flush() error {
	if s.broken != nil {
		return s.broken
	}
	if len(s.pending) == 0 {
		return nil
	}
	n, err := writeFD(int(s.fd), s.pending[s.sent:])
	if err != nil && err != ErrNotNow {
		return s.fail(err)
	}
	if s.sent += n; s.sent < len(s.pending) {
		s.change(s.interest | unix.EPOLLOUT)
		return nil
	}
	s.dropPending()
	s.change(s.interest &^ unix.EPOLLOUT)
	return nil
}

func (s *Socket) dropPending() {
	if s.loop != nil && s.pending != nil {
		s.loop.GiveBuffer(s.pending)
	}
	s.pending, s.sent = nil, 0
}

func (s *Socket) fail(err error) error {
	s.dropPending()
	if s.interest&unix.EPOLLOUT != 0 {
		s.change(s.interest &^ unix.EPOLLOUT)
	}
	s.broken = err
	return err
}

// Pending is the number of bytes that the kernel has not taken yet.
func (s *Socket) Pending() int { return len(s.pending) - s.sent }

// IsTLS reports whether the peer's bytes are encrypted.
func (s *Socket) IsTLS() bool { return s.tls != nil }

// Detach takes the descriptor away from a socket without TLS of which nothing is pending,
// and gives it to the caller, who closes it. The socket is as if closed.
func (s *Socket) Detach() (fd int) {
	s.change(0)
	if l := s.loop; l != nil && int(s.fd) < len(l.sockets) && l.sockets[s.fd] == s.handler {
		l.sockets[s.fd] = nil
	}
	fd = int(s.fd)
	s.fd, s.interest, s.loop = -1, 0, nil
	return fd
}

// Close closes the descriptor. The last bytes are tried once; it never blocks.
// Closing twice is harmless.
func (s *Socket) Close() {
	if s.fd < 0 {
		return
	}
	if s.tls != nil && s.broken == nil {
		s.tls.CloseWrite() //nolint:errcheck // the peer may be gone
	}
	s.Flush() //nolint:errcheck // likewise
	if l := s.loop; l != nil && int(s.fd) < len(l.sockets) && l.sockets[s.fd] == s.handler {
		l.sockets[s.fd] = nil
	}
	closeFD(int(s.fd))
	s.dropPending()
	s.fd, s.interest, s.loop, s.tls = -1, 0, nil, nil
}

// Transport carries a tls.Conn: blocking as the net.Conn inside until the
// Socket takes over, then never blocking. Hand it to tls.Server or tls.Client
// in place of the connection.
type Transport struct {
	net.Conn
	sock *Socket
}

// Read is called by crypto/tls.
func (t *Transport) Read(b []byte) (int, error) {
	if t.sock == nil {
		return t.Conn.Read(b)
	}
	n, err := readFD(int(t.sock.fd), b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// Write is called by crypto/tls; on a loop it only fills the Socket's pending bytes.
func (t *Transport) Write(b []byte) (int, error) {
	if t.sock == nil {
		return t.Conn.Write(b)
	}
	t.sock.keepPending(b)
	return len(b), nil
}
