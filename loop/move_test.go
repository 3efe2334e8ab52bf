package loop

import (
	"encoding/binary"
	"io"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// nomad is a socket that moves from loop to loop while data arrives, as a
// server does that is lent to clients of both. Whoever holds it reads; a late
// Ready of the loop that it left must find that out.
type nomad struct {
	sock   Socket
	holder atomic.Pointer[Loop]
	want   uint32 // next number to come; the holder's
	part   []byte
	moves  int
	done   chan struct{}
	t      *testing.T
	loops  [2]*Loop
}

func (n *nomad) Ready(l *Loop, _ Events) {
	if n.holder.Load() != l {
		return
	}
	for range 1 + n.moves%3 {
		got, err := n.sock.Read(l.Scratch()[:4096])
		if err == ErrNotNow {
			break
		}
		if err != nil {
			if err != io.EOF {
				n.t.Error(err)
			}
			n.holder.Store(nil)
			n.sock.Close()
			close(n.done)
			return
		}
		n.check(l.Scratch()[:got])
	}
	n.move(l)
}

func (n *nomad) check(b []byte) {
	n.part = append(n.part, b...)
	for len(n.part) >= 4 {
		if got := binary.BigEndian.Uint32(n.part); got != n.want {
			n.t.Errorf("number %d, want %d", got, n.want)
			n.want = got
		}
		n.want++
		n.part = n.part[4:]
	}
}

func (n *nomad) move(from *Loop) {
	to := n.loops[0]
	if from == to {
		to = n.loops[1]
	}
	n.moves++
	n.holder.Store(nil)
	to.Post(func() {
		n.holder.Store(to)
		if err := n.sock.Attach(to); err != nil {
			n.t.Error(err)
		}
	})
}

func TestASocketMovesBetweenLoopsWhileDataArrives(t *testing.T) {
	a, b := startLoop(t, 0), startLoop(t, 1)
	near, far := tcpPair(t)
	n := &nomad{done: make(chan struct{}), t: t, loops: [2]*Loop{a, b}}
	if err := n.sock.Open(near, n); err != nil {
		t.Fatal(err)
	}
	n.move(a)
	const numbers = 1 << 20
	go func() {
		buf := make([]byte, 0, 4*numbers)
		for i := range uint32(numbers) {
			buf = binary.BigEndian.AppendUint32(buf, i)
		}
		for len(buf) > 0 {
			k := min(len(buf), 3001)
			far.Write(buf[:k])
			buf = buf[k:]
		}
		far.Close()
	}()
	await(t, n.done, "the stream")
	if n.want != numbers || n.moves < 100 {
		t.Errorf("%d of %d numbers, %d moves", n.want, numbers, n.moves)
	}
}

func TestPendingBytesMoveWithTheirSocket(t *testing.T) {
	a, b := startLoop(t, 0), startLoop(t, 1)
	p, far := adopt(t, a)
	const size = 16 << 20
	do(t, a, func() {
		p.sock.Write(make([]byte, size))
		if p.sock.Pending() == 0 {
			t.Error("nothing is pending")
		}
	})
	do(t, b, func() {
		if err := p.sock.Attach(b); err != nil {
			t.Error(err)
		}
		p.task = b.Start(runnerFunc(func(task *Task) {
			for p.sock.Pending() > 0 {
				task.Park()
				p.sock.Flush()
			}
			p.sock.Close()
		}))
	})
	n, err := io.Copy(io.Discard, far)
	if n != size || err != nil {
		t.Errorf("%d of %d bytes: %v", n, size, err)
	}
}

func TestASocketThatWasMutedIsHeardOnItsNextLoop(t *testing.T) {
	a, b := startLoop(t, 0), startLoop(t, 1)
	p, far := adopt(t, a)
	do(t, a, p.sock.Mute)
	do(t, b, func() {
		if err := p.sock.Attach(b); err != nil {
			t.Error(err)
		}
	})
	far.Write([]byte("x"))
	waitFor(t, b, p, Readable)
	do(t, b, p.sock.Close)
}

// The number of a descriptor that is closed goes to the next that is opened, which may be in the same
// turn: a client that is accepted behind one that has gone must not hear that it has.
func TestWhoHasTheDescriptorOfOneThatWasClosedIsNotToldWhatThatOneWas(t *testing.T) {
	l := startLoop(t, 0)
	gone, farGone := adopt(t, l)
	first, farFirst := adopt(t, l)
	newcomer, far := tcpPair(t)
	var heir peer
	if err := heir.sock.Open(newcomer, &heir); err != nil {
		t.Fatal(err)
	}
	replaced := false
	swap := runnerFunc(func(task *Task) {
		for first.seen == 0 {
			task.Park()
		}
		number := int(gone.sock.fd)
		gone.sock.Close()
		if err := unix.Dup3(int(heir.sock.fd), number, unix.O_CLOEXEC); err != nil {
			t.Error(err)
		}
		unix.Close(int(heir.sock.fd))
		heir.sock.fd = int32(number)
		if err := heir.sock.Attach(l); err != nil {
			t.Error(err)
		}
		replaced = true
	})
	do(t, l, func() { first.task = l.Start(swap) })
	do(t, l, func() { // both are ready when the loop looks next
		farFirst.Write([]byte("x"))
		farGone.Close()
		for _, s := range []*Socket{&first.sock, &gone.sock} {
			unix.Poll([]unix.PollFd{{Fd: s.fd, Events: unix.POLLIN}}, -1)
		}
	})
	eventually(t, "the descriptor has changed hands", func() (done bool) {
		do(t, l, func() { done = replaced })
		return done
	})
	do(t, l, func() {
		if heir.seen > 0 {
			t.Errorf("told %b, of which nothing has happened to it", heir.ev)
		}
		heir.seen = 0
	})
	far.Write([]byte("x"))
	eventually(t, "it is told of what has", func() (told bool) {
		do(t, l, func() { told = heir.seen > 0 })
		return told
	})
	do(t, l, heir.sock.Close)
}
