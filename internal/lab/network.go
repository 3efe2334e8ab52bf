package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Network is one Ethernet that joins this machine and a number of hosts, each of them a network
// namespace in which servers run, with an address of its own. A host can be cut off, and then
// neither hears nor is heard, while all in it goes on. It needs root and the program ip, and
// that no more than one router of this machine's own uses 100.64.0.0/10 (RFC 6598).
//
// A namespace of its own, the hub, holds the switch. All know each other's hardware addresses
// for good, so that packets for a host that is cut off go out and are lost, in place of an
// error.
type Network struct {
	Hosts []*NetworkHost

	cable  string // name of our end
	prefix string // the first three numbers of all addresses
	hub    *space
	store  *NetworkHost // where a member of etcd runs; nil: all are on EtcdAddress
}

// NetworkHost is one of the hosts, numbered from 0. Its methods are for one goroutine at a time.
type NetworkHost struct {
	Address string // without a port

	network *Network
	number  int
	space   *space
}

const (
	bridge    = "br0"
	ourNumber = 1 // ends our address
	storeAt   = 2 // ends our second one, on which etcd is reached
	firstHost = 10
	peerPlus  = 100 // to the number of a host's address: the one that it has for etcd's members
)

// StartNetwork makes a network with n hosts. The caller closes it, after what runs in it.
func StartNetwork(n int) (*Network, error) {
	w := &Network{}
	w.cable, w.prefix = freeSubnet()
	var err error
	if w.hub, err = newSpace(); err != nil {
		return nil, fmt.Errorf("start network: %w", err)
	}
	err = w.build()
	for i := 0; i < n && err == nil; i++ {
		err = w.addHost(i)
	}
	if err == nil {
		err = w.introduce()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start network: %w", err), w.Close())
	}
	return w, nil
}

// freeSubnet is one of the networks of 256 addresses in 100.64.0.0/10, and the name of our
// cable to it.
func freeSubnet() (cable, prefix string) {
	for {
		n := rand.IntN(1 << 14)
		cable = fmt.Sprintf("ptw%d", n)
		if _, err := net.InterfaceByName(cable); err != nil {
			return cable, fmt.Sprintf("100.%d.%d.", 64+n>>8, n&255)
		}
	}
}

// EtcdAddress is where etcd is to listen, for the hosts and for this machine.
func (w *Network) EtcdAddress() string { return w.at(storeAt) }

// cidr are all addresses, as pg_hba.conf names them.
func (w *Network) cidr() string { return w.prefix + "0/24" }

func (w *Network) at(number int) string { return w.prefix + strconv.Itoa(number) }

// mac is the hardware address that belongs to the address that ends with a number.
func mac(number int) string { return fmt.Sprintf("02:00:00:00:01:%02x", number) }

// build lays our own cable to the hub.
func (w *Network) build() error {
	for _, args := range [][]string{
		{"link", "add", bridge, "type", "bridge"}, {"link", "set", bridge, "up"},
	} {
		if err := w.hub.ip(args...); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"link", "add", w.cable, "address", mac(ourNumber), "type", "veth", "peer", "name", "us", "netns", w.hub.thread()},
		{"addr", "add", w.at(ourNumber) + "/24", "dev", w.cable},
		{"addr", "add", w.at(storeAt) + "/24", "dev", w.cable},
		{"link", "set", w.cable, "up"},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	return w.plug("us")
}

// plug puts a cable's end into the switch.
func (w *Network) plug(port string) error {
	return w.hub.ip("link", "set", port, "master", bridge, "up")
}

// addHost makes host i and lays its cable.
func (w *Network) addHost(i int) error {
	s, err := newSpace()
	if err != nil {
		return err
	}
	h := &NetworkHost{Address: w.at(firstHost + i), network: w, number: i, space: s}
	w.Hosts = append(w.Hosts, h)
	if err := w.hub.ip("link", "add", h.port(), "type", "veth",
		"peer", "name", "eth0", "address", mac(firstHost+i), "netns", s.thread()); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"}, {"link", "set", "eth0", "up"},
		{"addr", "add", h.Address + "/24", "dev", "eth0"},
	} {
		if err := s.ip(args...); err != nil {
			return err
		}
	}
	return w.plug(h.port())
}

// introduce tells all the hardware addresses of all others.
func (w *Network) introduce() error {
	for _, h := range w.Hosts {
		if err := neighbour(ip, w.cable, h.Address, mac(firstHost+h.number)); err != nil {
			return err
		}
		for _, number := range []int{ourNumber, storeAt} {
			if err := neighbour(h.space.ip, "eth0", w.at(number), mac(ourNumber)); err != nil {
				return err
			}
		}
		for _, other := range w.Hosts {
			if other == h {
				continue
			}
			if err := neighbour(h.space.ip, "eth0", other.Address, mac(firstHost+other.number)); err != nil {
				return err
			}
		}
	}
	return nil
}

func neighbour(ip func(args ...string) error, device, address, hardware string) error {
	return ip("neigh", "replace", address, "lladdr", hardware, "dev", device, "nud", "permanent")
}

// in is the host's namespace; nil of no host.
func (h *NetworkHost) in() *space {
	if h == nil {
		return nil
	}
	return h.space
}

// serve is an address of loopback on the host instead; of no host, as it is.
func (h *NetworkHost) serve(address string) string {
	_, port, err := net.SplitHostPort(address)
	if h == nil || err != nil {
		return address
	}
	return net.JoinHostPort(h.Address, port)
}

// port is the name of the hub's end of the host's cable.
func (h *NetworkHost) port() string { return "host" + strconv.Itoa(h.number) }

// Cut pulls the host's cable out of the switch. Join puts it back.
func (h *NetworkHost) Cut() error { return h.network.hub.ip("link", "set", h.port(), "nomaster") }

// Join ends what Cut began.
func (h *NetworkHost) Join() error { return h.network.plug(h.port()) }

// nobody's hardware address.
const nobody = 255

// Close ends all hosts. Nothing runs in them any more.
func (w *Network) Close() error {
	for _, h := range w.Hosts {
		h.space.close()
	}
	w.hub.close()
	if _, err := net.InterfaceByName(w.cable); err != nil {
		return nil // it has ended with the hub
	}
	return ip("link", "del", w.cable)
}
