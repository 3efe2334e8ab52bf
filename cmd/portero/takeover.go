package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"portero/metrics"
	"portero/passage"
	"portero/pool"
	"portero/proxy"
)

// A process takes the place of the one that runs (a new version, say) through the socket
// at [admin] takeover. It is given the listeners, starts all that it needs, says that it
// listens, and is then given the clients, one by one, as they come to be between two
// transactions. If it fails before, the other goes on as if nothing had been.

// message is what goes through the passage; what is set depends on kind.
type message struct {
	Kind    kind
	Version string                  // hello, starting, serves: of who is meant
	PID     int                     // starting, serves: likewise
	Reason  string                  // failed
	Address string                  // listener: as the configuration has it
	Last    uint32                  // numbers: the last that a client has
	Orders  pool.Orders             // numbers
	Past    []metrics.FailoverState // numbers: the last failovers
	Client  *proxy.Passed           // client
	Number  uint32                  // cancel, cancelled: of the request
	Key     []byte                  // cancel: as in the request
}

type kind uint8

const (
	hello     kind = iota + 1 // I want to take your place
	listener                  // here is one of mine
	adminAt                   // likewise, of HTTP
	numbers                   // these were all; the numbers of your clients begin behind mine, and these orders stand
	ready                     // I listen: give me your clients
	client                    // here is one
	cancel                    // a cancel request, whose client you may still have
	cancelled                 // it has been served
	failed                    // I cannot take your place, or start who does; go on
	upgrade                   // start your program anew, to take your place
	starting                  // I do
	serves                    // it has taken my place
)

// inheritance is what another process leaves to this one.
type inheritance struct {
	from      passage.Conn
	listeners map[string]net.Listener
	admin     net.Listener
	last      uint32
	orders    pool.Orders
	past      []metrics.FailoverState
}

// isLeft reports whether it is a process that leaves it, and not systemd, or nobody.
func (h *inheritance) isLeft() bool { return h.from.UnixConn != nil }

// inherit asks the process that listens at path for its place; nil: there is none.
func inherit(path string) (*inheritance, error) {
	if path == "" {
		return nil, nil
	}
	c, err := passage.Dial(path)
	if passage.Nobody(err) {
		return nil, left()
	}
	if err != nil {
		return nil, fmt.Errorf("take over from the process at %s: %w", path, err)
	}
	h := &inheritance{from: c, listeners: make(map[string]net.Listener)}
	if err = c.Send(message{Kind: hello, Version: version()}, -1); err == nil {
		err = h.receive()
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("take over from the process at %s: %w", path, err)
	}
	return h, nil
}

// receive takes the listeners.
func (h *inheritance) receive() error {
	for {
		var m message
		fd, err := h.from.Receive(&m)
		if err != nil {
			return err
		}
		switch m.Kind {
		case listener, adminAt:
			l, err := listenerOf(fd)
			if err != nil {
				return err
			}
			if m.Kind == adminAt {
				h.admin = l
			} else {
				h.listeners[m.Address] = l
			}
		case numbers:
			h.last, h.orders, h.past = m.Last, m.Orders, m.Past
			return nil
		default:
			return fmt.Errorf("unexpected message %d", m.Kind)
		}
	}
}

func listenerOf(fd int) (net.Listener, error) {
	if fd < 0 {
		return nil, errors.New("a listener without its socket")
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	return net.FileListener(file)
}

// takeClients is a goroutine: it takes the clients in, until there are no more. Only then may
// another process take our place in turn.
func (in *instance) takeClients(from *predecessor) {
	defer in.awaitHeirs()
	defer close(from.gone)
	defer from.Close()
	n := 0
	for {
		var m message
		fd, err := from.Receive(&m)
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			in.log.Info("taken over", "clients", n)
			return
		case err != nil:
			in.log.Error("taking over has broken off", "clients", n, "error", err)
			return
		case m.Kind == cancelled:
			from.served(m.Number)
			continue
		case m.Kind != client || m.Client == nil || fd < 0:
			in.log.Error("taking over: unexpected message", "kind", int(m.Kind))
			closeFD(fd)
			continue
		}
		if err := in.proxy.TakeIn(*m.Client, fd); err != nil {
			in.log.Warn("client not taken over", "error", err)
			continue
		}
		n++
	}
}

func closeFD(fd int) {
	if fd >= 0 {
		unix.Close(fd)
	}
}

// awaitHeirs is a goroutine: it gives what there is to give to processes that want to take
// our place, and sends the one that does to in.heirs. It ends with in.takeover.
func (in *instance) awaitHeirs() {
	if in.takeover.UnixListener == nil {
		return
	}
	for {
		c, err := in.takeover.Accept()
		if err != nil {
			return
		}
		m, err := firstWord(c)
		if err == nil && m.Kind == upgrade {
			go in.upgrade(c)
			continue
		}
		if err == nil {
			in.raising.comes(c.PID())
			err = in.leaveTo(c, m)
			in.raising.came(m.Version, err)
		}
		if err != nil {
			in.log.Warn("not taken over", "error", err)
			c.Close()
			continue
		}
		in.heirs <- c
		return
	}
}

// firstWord is what a process has connected for.
func firstWord(c passage.Conn) (m message, err error) {
	c.SetDeadline(time.Now().Add(helloLimit)) //nolint:errcheck // a closed connection fails at its first use
	if _, err = c.Receive(&m); err == nil && m.Kind != hello && m.Kind != upgrade {
		err = errors.New("no process that takes over")
	}
	return m, err
}

// takeoverLimit is for a process to start, from when it has asked for the listeners until it
// listens.
const takeoverLimit = time.Minute

// helloLimit is for a process to say why it has connected.
const helloLimit = 5 * time.Second

// leaveTo gives the listeners to a process that has said hello, and waits until it listens.
func (in *instance) leaveTo(c passage.Conn, m message) error {
	c.SetDeadline(time.Now().Add(takeoverLimit)) //nolint:errcheck // likewise
	in.log.Info("another process takes over", "version", m.Version)
	err := in.proxy.Listeners(func(address string, l net.Listener) error {
		return sendListener(c, message{Kind: listener, Address: address}, l)
	})
	if err == nil && in.admin != nil {
		err = sendListener(c, message{Kind: adminAt}, in.admin.Listener())
	}
	if err == nil {
		err = c.Send(message{Kind: numbers, Last: in.proxy.LastNumber(), Orders: in.pools.Orders(), Past: in.pools.Failovers()}, -1)
	}
	if err != nil {
		return err
	}
	if _, err = c.Receive(&m); err == nil && m.Kind == failed {
		return errors.New(m.Reason)
	}
	if err != nil || m.Kind != ready {
		return errors.Join(errors.New("it has given up"), err)
	}
	in.keepPaths() // they are the other one's from here on
	// Said by us, as the end of the main process must not be the first that systemd hears.
	in.tellManager(managerMain(c.PID()))
	return c.SetDeadline(time.Time{})
}

func sendListener(c passage.Conn, m message, l net.Listener) error {
	sock, ok := l.(syscall.Conn)
	if !ok {
		return fmt.Errorf("listener %s cannot be passed on", l.Addr())
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return err
	}
	// Not by File and its Fd, which would make the socket block, for us too: accept would
	// no longer end when it is closed.
	var sent error
	err = raw.Control(func(fd uintptr) { sent = c.Send(m, int(fd)) })
	return errors.Join(err, sent)
}

// keepPaths has Unix sockets outlive our listening on them.
func (in *instance) keepPaths() {
	in.proxy.Listeners(func(_ string, l net.Listener) error { //nolint:errcheck // it has none
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		return nil
	})
}

// startTakeover opens the socket at which the next process takes over; awaitHeirs has to follow.
func (in *instance) startTakeover() error {
	path := in.config().Admin.Takeover
	if path == "" {
		return nil
	}
	l, err := passage.Listen(path)
	if err != nil {
		return fmt.Errorf("admin.takeover: %w", err)
	}
	in.takeover = l
	return nil
}

// handOver is close for an instance whose place another has taken.
func (in *instance) handOver(ctx context.Context, to passage.Conn, done chan<- struct{}) {
	defer close(done)
	s, served := &successor{Conn: to}, make(chan struct{})
	go in.serveRequests(s, served)
	in.closeAdmin() // the other one answers from here on
	in.end(func() {
		in.proxy.HandOver(ctx, func(c proxy.Passed, fd int) error {
			return s.send(message{Kind: client, Client: &c}, fd)
		})
	})
	to.Close()
	<-served
	in.raising.awaitTold()
}
