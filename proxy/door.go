package proxy

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"portero/loop"
)

// door is a TCP address at which a loop accepts. Go's own poller does not know the socket: it
// would wake a thread for each connection.
type door struct {
	sock    loop.Socket
	number  int // of its descriptor
	address net.Addr

	mu   sync.Mutex    // guards what follows, and number, as an open one
	shut bool          // Close has been called
	on   *loop.Loop    // who accepts; nil: nobody yet
	gone chan struct{} // closed when on accepts no more

	// For the loop alone.
	proxy    *Proxy
	l        *listener
	task     *loop.Task
	closing  bool
	budget   int    // how many connections to take in this turn; 0 = there was none
	streak   int    // turns in a row in which some have come
	turn     uint64 // the last in which there were some
	often    seldom
	nextTime time.Duration // to pause for, when accept fails
}

// newDoor takes the socket of a listener, which is closed as such.
func newDoor(l *net.TCPListener) (*door, error) {
	defer l.Close()
	d := &door{address: l.Addr(), gone: make(chan struct{})}
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err //nolint:wrapcheck // openListener does
	}
	var failed error
	err = raw.Control(func(fd uintptr) { d.number, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	d.sock.Adopt(d.number, d)
	return d, unix.SetNonblock(d.number, true) // as it should be; but others may have it too, who have opened it
}

// Addr implements net.Listener.
func (d *door) Addr() net.Addr { return d.address }

// Accept implements net.Listener: a loop does that.
func (d *door) Accept() (net.Conn, error) { return nil, errors.ErrUnsupported }

// Close implements net.Listener. The address is free when it returns. Not on a loop.
func (d *door) Close() error {
	d.mu.Lock()
	again := d.shut
	d.shut = true
	on := d.on
	if on == nil && !again {
		d.sock.Close()
	}
	d.mu.Unlock()
	if on == nil {
		return nil
	}
	if !again {
		on.Post(func() {
			d.closing = true
			on.Wake(d.task)
		})
	}
	<-d.gone
	return nil
}

// SyscallConn implements syscall.Conn, by which the socket is passed on.
func (d *door) SyscallConn() (syscall.RawConn, error) { return (*rawDoor)(d), nil }

type rawDoor door

// Control calls fn with the descriptor, which is not closed meanwhile.
func (d *rawDoor) Control(fn func(fd uintptr)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return net.ErrClosed
	}
	fn(uintptr(d.number))
	return nil
}

func (*rawDoor) Read(func(fd uintptr) bool) error  { return errors.ErrUnsupported }
func (*rawDoor) Write(func(fd uintptr) bool) error { return errors.ErrUnsupported }

// open has a loop accept.
func (d *door) open(p *Proxy, l *listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		p.accepting.Done()
		return
	}
	d.proxy, d.l, d.on = p, l, p.loops[0]
	d.keepAlive(p.config().Pool.TCPKeepalive)
	loop.DeferAccept(d.number)
	d.on.Post(func() { d.task = d.on.Start(d) })
}

// keepAlive is for the connections that come from now on.
func (d *door) keepAlive(idle time.Duration) { loop.Keep(d.number, idle) }

// Ready implements loop.Handler.
func (d *door) Ready(l *loop.Loop, _ loop.Events) { l.Wake(d.task) }

// maxAccepts is how many connections a loop takes in one turn at the most.
const maxAccepts = 16

// Run implements loop.Runner: it accepts until the door is closed. A panic costs the one who has
// just come, and not all who will: it begins anew.
func (d *door) Run(t *loop.Task) {
	ends := false
	defer func() {
		if !ends && !t.Ends() {
			d.on.Post(func() { d.task = d.on.Start(d) })
			return
		}
		d.close()
		close(d.gone)
		d.proxy.accepting.Done()
	}()
	if err := d.sock.Attach(d.on); err != nil {
		d.proxy.log.Error("accept", "listener", d.l.String(), "error", err)
		ends = true
		return
	}
	d.sock.Watch(true) // a panic may have come in the middle of a pause
	for !d.closing {
		for n := d.share(); n > 0 && d.acceptOne(t); n-- {
		}
		if !d.closing {
			t.Park()
		}
	}
	ends = true
}

// close ends the listening. The socket may live on in another process, and in epoll with it, which
// would tell of who comes to that one.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	d.sock.Mute()
	d.sock.Close()
}

// steady is how many turns in a row connections must have come for another to be asked for.
const steady = 4

// share is how many connections to take now. Where they come one by one, it is one: to ask for
// another is a system call in vain, for which the kernel makes a socket and a descriptor, and
// epoll tells if there is one.
func (d *door) share() int {
	if now := d.on.Turn(); now != d.turn+1 || d.budget == 0 {
		d.comeOneByOne()
	}
	d.turn = d.on.Turn()
	if d.streak++; d.streak > steady {
		d.budget = min(2*d.budget, maxAccepts)
	}
	return d.budget
}

func (d *door) comeOneByOne() { d.budget, d.streak = 1, 0 }

// acceptOne takes a connection in, for which it may have to wait for room. False: there is no
// other to be taken now.
func (d *door) acceptOne(t *loop.Task) bool {
	fd, peer, err := d.sock.Accept()
	switch {
	case err == loop.ErrNotNow: //nolint:errorlint // it is returned as it is
		d.comeOneByOne()
		return false
	case err != nil: // out of descriptors, most likely
		d.proxy.log.Log(d.proxy.ctx, d.often.level(slog.LevelError), "accept", "listener", d.l.String(), "error", err)
		d.nextTime = min(max(2*d.nextTime, time.Millisecond), time.Second)
		d.pause(t, d.nextTime)
		return false
	}
	d.nextTime = 0
	d.proxy.process.ClientsAccepted.Add(1)
	d.letIn(t, fd, peer)
	return true
}

// letIn begins the handshake of who has come, or turns him away.
func (d *door) letIn(t *loop.Task, fd int, peer netip.AddrPort) {
	p := d.proxy
	at := &porch{number: fd, peer: peer, readable: true}
	at.sock.Adopt(fd, at)
	c := &caller{Conn: at, gate: p.gate, since: time.Now()}
	in, begun := false, false
	defer func() {
		switch {
		case begun: // it is the handshake's now
			return
		case in: // a panic
			p.gate.callerLeft(c)
			p.handshakes.Done()
		}
		at.Close()
	}()
	at.loop = p.choose()
	if in = d.admit(t, c); !in {
		p.turnAway(at)
		return
	}
	p.handshakes.Add(1)
	h := p.newHandshake(d.l, c, at)
	begun = true
	if at.loop == d.on {
		h.begin()
	} else {
		at.loop.Post(h.begin)
	}
}

// admit is the gate's, for a Task.
func (d *door) admit(t *loop.Task, c *caller) bool {
	g := d.proxy.gate
	if highest := g.highest(); highest > 0 {
		c.high = descriptor(c.Conn) > highest
	}
	in, wait := g.enter(c)
	for wait && !d.closing {
		g.ring(d)
		d.pause(t, lookAgain)
		in, wait = g.enter(c)
	}
	return in != nil
}

// wake has the door look again for room. Any goroutine.
func (d *door) wake() { d.on.Post(func() { d.on.Wake(d.task) }) }

// pause waits for so long, or until it is woken. What comes meanwhile stays with the kernel.
func (d *door) pause(t *loop.Task, long time.Duration) {
	d.sock.Mute()
	t.ParkUntil(d.on.Now() + int64(long))
	d.sock.Watch(true)
}
