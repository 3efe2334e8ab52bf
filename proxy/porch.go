package proxy

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"portero/loop"
)

// porch is a connection that was accepted on a loop, for the time of its handshake: a net.Conn
// whose Read parks the handshake's Task in place of blocking. Where the handshake leaves the
// loop, it blocks as others do.
//
// Its methods are for the handshake alone, but for SetReadDeadline and Control, which are for
// any goroutine.
type porch struct {
	sock     loop.Socket
	number   int // of its descriptor
	peer     netip.AddrPort
	loop     *loop.Loop
	task     *loop.Task // nil before it has begun
	until    int64      // deadline, on the loop's clock; 0 = none
	readable bool       // a Read may find something; the first mostly does, see loop.DeferAccept
	more     bool       // the last Read has filled its buffer
	cut      bool       // the proxy ends
	file     *os.File   // in a goroutine; nil on the loop
}

// Ready implements loop.Handler.
func (p *porch) Ready(l *loop.Loop, ev loop.Events) {
	if ev&loop.Readable != 0 {
		p.readable = true
	}
	if ev&loop.Writable != 0 {
		p.sock.Flush() //nolint:errcheck // the next Write says it again
	}
	l.Wake(p.task)
}

// Read implements net.Conn.
func (p *porch) Read(b []byte) (int, error) {
	if p.file != nil {
		n, err := p.file.Read(b)
		return n, plain(err)
	}
	if p.more { // a client that sends without end waits its turn
		p.more = false
		p.task.Yield()
	}
	for {
		if err := p.trouble(); err != nil {
			return 0, err
		}
		if p.readable {
			n, err := p.sock.Read(b)
			p.readable, p.more = n == len(b), n == len(b)
			if err != loop.ErrNotNow { //nolint:errorlint // it is returned as it is
				return n, err
			}
		}
		p.task.ParkUntil(p.until)
	}
}

// trouble is why the handshake cannot go on.
func (p *porch) trouble() error {
	switch {
	case p.cut:
		return net.ErrClosed
	case p.until != 0 && p.loop.Now() >= p.until:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// plain is an error of a file as a connection has it.
func plain(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return net.ErrClosed
	}
	if of := (*os.PathError)(nil); errors.As(err, &of) { // that of a deadline is one that TLS goes on behind
		return of.Err
	}
	return err
}

// Write implements net.Conn. On the loop it never waits: what the kernel does not take is kept.
func (p *porch) Write(b []byte) (int, error) {
	if p.file != nil {
		n, err := p.file.Write(b)
		return n, plain(err)
	}
	if err := p.sock.Write(b); err != nil {
		return 0, err //nolint:wrapcheck // refuse tells the kinds apart
	}
	return len(b), nil
}

// Close implements net.Conn.
func (p *porch) Close() error {
	if p.file != nil {
		return p.file.Close() //nolint:wrapcheck // nobody looks
	}
	p.sock.Close()
	return nil
}

// CloseWrite is that of a TCPConn.
func (p *porch) CloseWrite() error {
	if p.file == nil {
		return p.sock.CloseWrite() //nolint:wrapcheck // nobody looks
	}
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	return raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_WR) }) //nolint:errcheck,wrapcheck // likewise
}

// LocalAddr implements net.Conn.
func (p *porch) LocalAddr() net.Addr {
	a, err := unix.Getsockname(p.number)
	if err != nil {
		return &net.TCPAddr{}
	}
	return net.TCPAddrFromAddrPort(loop.AddressOf(a))
}

// RemoteAddr implements net.Conn.
func (p *porch) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(p.peer) }

// SetDeadline implements net.Conn. On the loop nothing waits to write.
func (p *porch) SetDeadline(t time.Time) error {
	if p.file != nil {
		return p.file.SetDeadline(t) //nolint:wrapcheck // it is the connection's own
	}
	if p.until = 0; !t.IsZero() {
		p.until = max(1, loop.Clock()+int64(time.Until(t)))
	}
	return nil
}

// SetWriteDeadline implements net.Conn.
func (p *porch) SetWriteDeadline(t time.Time) error {
	if p.file != nil {
		return p.file.SetWriteDeadline(t) //nolint:wrapcheck // it is the connection's own
	}
	return nil
}

// SetReadDeadline ends a Read at a time that is over: it is only for who turns a caller out.
func (p *porch) SetReadDeadline(time.Time) error {
	p.loop.Post(p.expire)
	return nil
}

// expire is posted to the loop.
func (p *porch) expire() {
	if p.file != nil {
		p.file.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed one reads no more
		return
	}
	p.until = 1
	if p.task != nil {
		p.loop.Wake(p.task)
	}
}

// breakOff ends the handshake, as the proxy ends. On the loop.
func (p *porch) breakOff() {
	p.cut = true
	p.loop.Wake(p.task)
}

// leave takes the connection and its Task away from the loop. What is in the way of that is
// told by the next Read.
func (p *porch) leave() {
	p.sock.SendCollected()
	for p.sock.Pending() > 0 && p.trouble() == nil {
		p.task.ParkUntil(p.until)
	}
	end := time.Time{}
	if p.until != 0 {
		end = time.Now().Add(time.Duration(p.until - loop.Clock()))
	}
	p.file = os.NewFile(uintptr(p.sock.Detach()), "client")
	p.file.SetDeadline(end) //nolint:errcheck // its first use fails too
	p.task.Leave()
}

// SyscallConn implements syscall.Conn.
func (p *porch) SyscallConn() (syscall.RawConn, error) { return rawPorch(p.number), nil }

// rawPorch is the number of a descriptor. Whoever looks at a caller from outside may look at
// one that has just been closed, or at another that has its number by now. So it may be asked
// how many bytes have come, and nothing may be done to it.
type rawPorch int

func (n rawPorch) Control(fn func(fd uintptr)) error {
	fn(uintptr(n))
	return nil
}

func (rawPorch) Read(func(fd uintptr) bool) error  { return errors.ErrUnsupported }
func (rawPorch) Write(func(fd uintptr) bool) error { return errors.ErrUnsupported }
