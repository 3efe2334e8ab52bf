package lab

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Host is a machine as far as the network can tell: an address of its own that
// can fall silent, as one does that has lost its power. On loopback nothing
// can: the kernel always answers.
//
// It is a network namespace with one cable (veth) to ours, and no more: the
// servers behind it run where they always do. The kernel removes both when
// this program ends, however it ends. It needs root and the program ip.
type Host struct {
	cable   string // name of our end
	ours    string // address of our end
	address string // of the host

	space *space

	mu    sync.Mutex // guards what follows
	ports []net.Listener
	conns map[net.Conn]struct{}
	over  bool
}

// StartHost makes a host. The caller closes it.
func StartHost() (*Host, error) {
	n, cable := freeNetwork()
	h := &Host{
		cable:   cable,
		ours:    fmt.Sprintf("198.%d.%d.%d", 18+n>>14, n>>6&255, n<<2&255|1),
		address: fmt.Sprintf("198.%d.%d.%d", 18+n>>14, n>>6&255, n<<2&255|2),
		conns:   make(map[net.Conn]struct{}),
	}
	var err error
	if h.space, err = newSpace(); err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	if err := h.connect(); err != nil {
		return nil, errors.Join(fmt.Errorf("start host: %w", err), h.Close())
	}
	return h, nil
}

// freeNetwork is one of the networks of four addresses in 198.18.0.0/15, which is
// for tests (RFC 2544), and the name of the cable to it. Other tests may have some,
// and those that were killed leave theirs.
func freeNetwork() (n int, cable string) {
	for {
		n = rand.IntN(1 << 15)
		cable = fmt.Sprintf("ptl%d", n)
		if _, err := net.InterfaceByName(cable); err != nil {
			return n, cable
		}
	}
}

// hostMAC is what the other end of each cable is called; it is alone there.
const hostMAC = "02:00:00:00:00:02"

// connect lays the cable. Our end knows the hardware address for good, so that
// packets for a host that is silent go out and are lost, in place of an error.
func (h *Host) connect() error {
	err := ip("link", "add", h.cable, "type", "veth", "peer", "name", "eth0", "address", hostMAC, "netns", h.space.thread())
	if err == nil {
		err = ip("addr", "add", h.ours+"/30", "dev", h.cable)
	}
	if err == nil {
		err = ip("link", "set", h.cable, "up")
	}
	if err == nil {
		err = ip("neigh", "replace", h.address, "lladdr", hostMAC, "dev", h.cable, "nud", "permanent")
	}
	if err != nil {
		return err
	}
	if err := h.space.forwardNothing(); err != nil {
		return err
	}
	return h.space.do(func() error {
		if err := ip("link", "set", "eth0", "up"); err != nil {
			return err
		}
		return ip("addr", "add", h.address+"/30", "dev", "eth0")
	})
}

// Silence takes the host off the network without a word: what is sent to it
// is lost, and nothing comes from it. Speak ends that.
func (h *Host) Silence() error {
	return h.space.do(func() error { return ip("addr", "del", h.address+"/30", "dev", "eth0") })
}

// Speak brings the host back; its connections are still there.
func (h *Host) Speak() error {
	return h.space.do(func() error { return ip("addr", "add", h.address+"/30", "dev", "eth0") })
}

// Listen opens a port of the host. It is closed with the host at the latest.
func (h *Host) Listen() (l net.Listener, err error) {
	err = h.space.do(func() error {
		l, err = net.Listen("tcp", h.address+":0")
		return err
	})
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ports = append(h.ports, l)
	return l, nil
}

// Neighbour is the address of this machine as the host sees it.
func (h *Host) Neighbour() string { return h.ours }

// Dial connects from the host to an address of its neighbour. The caller
// closes the connection.
func (h *Host) Dial(address string) (conn net.Conn, err error) {
	err = h.space.do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "socket")
		defer f.Close()
		to := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}); err != nil {
			return fmt.Errorf("dial %s: %w", address, err)
		}
		conn, err = net.FileConn(f)
		return err
	})
	return conn, err
}

// Serve opens a port of the host behind which the server at address answers,
// and returns the port's address.
func (h *Host) Serve(address string) (string, error) {
	l, err := h.Listen()
	if err != nil {
		return "", err
	}
	go h.accept(l, address)
	return l.Addr().String(), nil
}

func (h *Host) accept(l net.Listener, address string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", address)
		if err != nil {
			conn.Close()
			continue
		}
		if h.keep(conn, server) {
			go relay(conn, server)
			go relay(server, conn)
		}
	}
}

// keep remembers connections until the host ends; if it has, they end too.
func (h *Host) keep(conns ...net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range conns {
		if h.over {
			c.Close()
		}
		h.conns[c] = struct{}{}
	}
	return !h.over
}

func relay(from, to net.Conn) {
	io.Copy(to, from) //nolint:errcheck // however it ends, both end
	from.Close()
	to.Close()
}

// Close ends the host and all of its connections.
func (h *Host) Close() error {
	h.mu.Lock()
	h.over = true
	for _, l := range h.ports {
		l.Close()
	}
	for c := range h.conns {
		c.Close()
	}
	h.mu.Unlock()
	h.space.close()
	err := ip("link", "del", h.cable) // sockets may keep the namespace for a while
	if err != nil && strings.Contains(err.Error(), "Cannot find device") {
		return nil
	}
	return err
}
