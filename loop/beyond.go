package loop

import (
	"crypto/tls"
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// beyond is what few sockets have, and these mostly for a short while only: so most cost no
// memory for it. A socket with TLS has it for good.
type beyond struct {
	pending []byte // not yet taken by the kernel
	sent    int    // bytes of pending already taken
	tls     *tls.Conn
	broken  error // sticky write error
}

// need is the socket's beyond, which it has from now on.
func (s *Socket) need() *beyond {
	if s.beyond == nil {
		s.beyond = s.loop.takeBeyond()
	}
	return s.beyond
}

// letGo gives it up if there is nothing in it.
func (s *Socket) letGo() {
	if x := s.beyond; x.tls == nil && x.broken == nil && len(x.pending) == 0 {
		s.loop.giveBeyond(x)
		s.beyond = nil
	}
}

// takeBeyond returns an empty one from the free list of a loop, which may be nil.
func (l *Loop) takeBeyond() *beyond {
	if l == nil || len(l.beyonds) == 0 {
		return new(beyond)
	}
	last := len(l.beyonds) - 1
	x := l.beyonds[last]
	l.beyonds = l.beyonds[:last]
	return x
}

// giveBeyond takes it back.
func (l *Loop) giveBeyond(x *beyond) {
	if l != nil && len(l.beyonds) < maxFreeBuffers {
		l.beyonds = append(l.beyonds, x)
	}
}

func (x *beyond) read(s *Socket, b []byte) (n int, err error) {
	if x.tls == nil {
		n, err = readFD(int(s.fd), b)
		if err == io.EOF && x.broken == ErrSilent {
			err = ErrSilent
		}
		return n, err
	}
	n, err = x.tls.Read(b)
	s.Flush() //nolint:errcheck // answers that TLS itself owes; the next Write says it again
	if n > 0 {
		return n, nil
	}
	if err == nil || errors.Is(err, ErrNotNow) {
		return 0, ErrNotNow
	}
	if x.broken == ErrSilent {
		err = ErrSilent
	}
	return 0, err
}

func (x *beyond) write(s *Socket, b []byte) error {
	switch {
	case x.broken != nil:
		return x.broken
	case s.fd < 0:
		return net.ErrClosed
	case x.tls != nil:
		if _, err := x.tls.Write(b); err != nil {
			return s.fail(err)
		}
		return x.flush(s)
	case len(x.pending) > 0:
		s.keepPending(b)
		return nil
	}
	return s.send(b)
}

func (x *beyond) flush(s *Socket) error {
	if x.broken != nil {
		return x.broken
	}
	if len(x.pending) == 0 {
		return nil
	}
	n, err := writeFD(int(s.fd), x.pending[x.sent:])
	if err != nil && err != ErrNotNow {
		return s.fail(err)
	}
	if x.sent += n; x.sent < len(x.pending) {
		s.change(s.interest | unix.EPOLLOUT)
		return nil
	}
	s.dropPending()
	s.change(s.interest &^ unix.EPOLLOUT)
	return nil
}

func (s *Socket) keepPending(b []byte) {
	x := s.need()
	if x.pending == nil && s.loop != nil {
		x.pending = s.loop.TakeBuffer()
	}
	x.pending = append(x.pending, b...)
}

func (s *Socket) dropPending() {
	x := s.beyond
	if x == nil {
		return
	}
	if s.loop != nil && x.pending != nil {
		s.loop.GiveBuffer(x.pending)
	}
	x.pending, x.sent = nil, 0
	s.letGo()
}

func (s *Socket) fail(err error) error {
	if x := s.beyond; x != nil && x.broken != nil { // the first says why
		return x.broken
	}
	s.need().broken = err
	s.dropPending()
	if s.interest&unix.EPOLLOUT != 0 {
		s.change(s.interest &^ unix.EPOLLOUT)
	}
	return err
}

// sayGoodbye sends the last bytes, as far as that can be done at once.
func (s *Socket) sayGoodbye() {
	if x := s.beyond; x != nil {
		if x.tls != nil && x.broken == nil {
			x.tls.CloseWrite() //nolint:errcheck // the peer may be gone
		}
		x.flush(s) //nolint:errcheck // likewise
	}
}
