package loop

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// echo sends back what it reads, with back-pressure, until the peer closes.
type echo struct {
	*peer
	done chan error
	most int // most bytes that were pending
}

func startEcho(t testing.TB, l *Loop, p *peer) *echo {
	t.Helper()
	e := &echo{peer: p, done: make(chan error, 1)}
	do(t, l, func() { p.task = l.Start(e); p.ev = Readable })
	return e
}

func (e *echo) Run(t *Task) {
	err := e.run(t)
	e.sock.Close()
	e.done <- err
}

func (e *echo) run(t *Task) error {
	for {
		if e.ev&Writable != 0 {
			e.ev &^= Writable
			if err := e.sock.Flush(); err != nil {
				return err
			}
		}
		if e.ev&Readable != 0 && e.sock.Pending() == 0 {
			n, err := e.sock.Read(t.Loop().Scratch())
			switch {
			case err == ErrNotNow:
				e.ev &^= Readable
			case err != nil:
				return err
			default:
				if err := e.sock.Write(t.Loop().Scratch()[:n]); err != nil {
					return err
				}
				e.most = max(e.most, e.sock.Pending())
			}
			continue
		}
		e.sock.Watch(e.sock.Pending() == 0)
		t.Park()
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

// bounce sends data through far to an echo and returns what comes back.
func bounce(t testing.TB, far net.Conn, data []byte) []byte {
	t.Helper()
	go far.Write(data)
	back := make([]byte, len(data))
	if n, err := io.ReadFull(far, back); err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, len(data), err)
	}
	return back
}

func TestBytesComeBackAsTheyWereSent(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	e := startEcho(t, l, p)
	data := randomBytes(8 << 20)
	if !bytes.Equal(bounce(t, far, data), data) {
		t.Error("they differ")
	}
	far.Close()
	if err := <-e.done; err != io.EOF && !isReset(err) {
		t.Errorf("ended with %v", err)
	}
}

func isReset(err error) bool { return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) }

func TestUnixSocketsAreAdoptedToo(t *testing.T) {
	l := startLoop(t, 0)
	path := filepath.Join(t.TempDir(), "s")
	door, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	far, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := door.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{}
	if err := p.sock.Open(near, p); err != nil {
		t.Fatal(err)
	}
	do(t, l, func() { p.sock.Attach(l) })
	startEcho(t, l, p)
	if data := randomBytes(1 << 20); !bytes.Equal(bounce(t, far, data), data) {
		t.Error("they differ")
	}
}

// A peer that does not read must not make memory grow: what the kernel does
// not take is kept, and then nothing more is read.
func TestAPeerThatDoesNotReadHoldsUpTheWriter(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	do(t, l, func() { unix.SetsockoptInt(int(p.sock.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 32<<10) })
	e := startEcho(t, l, p)
	data := randomBytes(16 << 20)
	written := make(chan struct{})
	go func() {
		defer close(written)
		far.Write(data)
	}()
	eventually(t, "something is pending", func() bool {
		var n int
		do(t, l, func() { n = p.sock.Pending() })
		return n > 0
	})
	select {
	case <-written:
		t.Error("all was taken from a peer that does not read")
	default:
	}
	back := make([]byte, len(data))
	if _, err := io.ReadFull(far, back); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back, data) {
		t.Error("bytes were lost or mixed up")
	}
	do(t, l, func() {
		if e.most > ScratchSize {
			t.Errorf("%d bytes were pending", e.most)
		}
		if p.sock.Pending() != 0 || p.sock.interest&unix.EPOLLOUT != 0 {
			t.Errorf("%d bytes pending, interest %x", p.sock.Pending(), p.sock.interest)
		}
	})
}

func TestWritesWhilePendingKeepTheirOrder(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	do(t, l, func() { unix.SetsockoptInt(int(p.sock.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4096) })
	data := randomBytes(1 << 20)
	do(t, l, func() {
		p.task = l.Start(runnerFunc(func(task *Task) {
			for p.sock.Pending() > 0 {
				task.Park()
				p.sock.Flush()
			}
		}))
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 10000)
			if err := p.sock.Write(rest[:n]); err != nil {
				t.Error(err)
			}
			rest = rest[n:]
		}
	})
	got := make([]byte, len(data))
	if _, err := io.ReadFull(far, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Error("bytes were lost or mixed up")
	}
}

func TestReadTellsNothingThereFromClosedAndFromBroken(t *testing.T) {
	l := startLoop(t, 0)
	read := func(p *peer) (n int, err error) {
		do(t, l, func() { n, err = p.sock.Read(l.Scratch()) })
		return n, err
	}
	p, far := adopt(t, l)
	if _, err := read(p); err != ErrNotNow {
		t.Errorf("nothing there: %v", err)
	}
	far.(*net.TCPConn).CloseWrite()
	eventually(t, "the end is seen", func() bool { _, err := read(p); return err == io.EOF })
	if err := func() (err error) { do(t, l, func() { err = p.sock.Write([]byte("still")) }); return }(); err != nil {
		t.Errorf("a half-closed peer may be written to: %v", err)
	}

	p, far = adopt(t, l)
	far.(*net.TCPConn).SetLinger(0)
	far.Close()
	eventually(t, "the reset is seen", func() bool { _, err := read(p); return isReset(err) })
	var first, second error
	do(t, l, func() {
		p.sock.Write([]byte("w")) //nolint:errcheck // it may be collected only
		p.sock.SendCollected()
		first = p.sock.Write([]byte("x"))
		second = p.sock.Write([]byte("y"))
		if p.sock.Pending() != 0 {
			t.Error("something is pending for a peer that is gone")
		}
		p.sock.Close()
		p.sock.Close() // harmless
	})
	if !isReset(first) || first != second {
		t.Errorf("writes to a broken socket: %v, then %v", first, second)
	}
	if _, err := read(p); err != net.ErrClosed {
		t.Errorf("read of a closed socket: %v", err)
	}
	do(t, l, func() {
		if err := p.sock.Attach(l); err != net.ErrClosed {
			t.Errorf("attach of a closed socket: %v", err)
		}
	})
}

func TestOpenKeepsNoOtherDescriptorAndNoGoroutine(t *testing.T) {
	l := startLoop(t, 0)
	open := descriptors(t)
	for range 50 {
		p, far := adopt(t, l)
		do(t, l, p.sock.Close)
		far.Close()
	}
	if n := descriptors(t); n > open {
		t.Errorf("%d descriptors, %d before", n, open)
	}
	do(t, l, func() {
		for fd, h := range l.sockets {
			if h != nil {
				t.Errorf("descriptor %d is still known", fd)
			}
		}
	})
}

func TestASocketIsReadableFromSoManyBytesOn(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	do(t, l, func() { p.sock.ReadableFrom(1000) })
	here := func() (bytes int, readable bool) {
		do(t, l, func() {
			bytes, _ = unix.IoctlGetInt(int(p.sock.fd), unix.TIOCINQ)
			readable = p.ev&Readable != 0
		})
		return bytes, readable
	}
	far.Write(make([]byte, 999))
	eventually(t, "all but one", func() bool { n, _ := here(); return n == 999 })
	if _, readable := here(); readable {
		t.Error("readable by less than it is to wait for")
	}
	far.Write(make([]byte, 1))
	eventually(t, "readable", func() bool { _, readable := here(); return readable })
	do(t, l, func() {
		if n, err := p.sock.Read(l.Scratch()); n != 1000 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		p.ev = 0
	})
	far.Write(make([]byte, 1))
	far.Close()
	eventually(t, "readable by the end", func() bool { _, readable := here(); return readable })
	do(t, l, p.sock.Close)
}
