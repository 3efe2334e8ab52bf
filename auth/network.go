package auth

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

type addressKind byte

const (
	anyAddress addressKind = iota
	oneNetwork             // address and mask
	sameHost               // an address of this host
	sameNet                // an address in a network that this host is in
)

// addresses is the clients that a rule is for, by where they come from.
type addresses struct {
	kind    addressKind
	network network
}

// network is an address and the bits of it that count. These need not be the
// first ones: PostgreSQL takes any mask.
type network struct {
	address, mask netip.Addr
}

func (n network) contains(a netip.Addr) bool {
	if a.BitLen() != n.address.BitLen() {
		return false
	}
	is, want, mask := a.AsSlice(), n.address.AsSlice(), n.mask.AsSlice()
	for i := range is {
		if (is[i]^want[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}

// contain says whether a client's address, which is no IPv4 in IPv6, is one of
// these. interfaces lists the addresses of this host.
func (s addresses) contain(a netip.Addr, interfaces func() ([]net.Addr, error)) (bool, error) {
	switch s.kind {
	case anyAddress:
		return true, nil
	case oneNetwork:
		return s.network.contains(a), nil
	}
	ours, err := interfaces()
	if err != nil {
		return false, fmt.Errorf("addresses of this host: %w", err)
	}
	for _, our := range ours {
		n, ok := networkOf(our)
		if !ok {
			continue
		}
		if s.kind == sameHost {
			n.mask = ones(n.address)
		}
		if n.contains(a) {
			return true, nil
		}
	}
	return false, nil
}

func networkOf(a net.Addr) (network, bool) {
	ipnet, ok := a.(*net.IPNet)
	if !ok {
		return network{}, false
	}
	address, ok := netip.AddrFromSlice(ipnet.IP)
	address = address.Unmap()
	if !ok {
		return network{}, false
	}
	ones, bits := ipnet.Mask.Size()
	n := ones - (bits - address.BitLen())
	if n <= 0 { // a network of everybody is none (PostgreSQL's run_ifaddr_callback)
		n = address.BitLen()
	}
	return network{address, maskOf(address, n)}, true
}

// maskOf is a mask of as many ones for addresses of the kind of a.
func maskOf(a netip.Addr, n int) netip.Addr {
	mask := make([]byte, a.BitLen()/8)
	for i := range n {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	m, _ := netip.AddrFromSlice(mask)
	return m
}

func ones(a netip.Addr) netip.Addr { return maskOf(a, a.BitLen()) }

// parseAddress reads an address of a rule. needsMask says that it is an
// address alone, whose mask must follow.
func parseAddress(w word) (s addresses, needsMask bool, err error) {
	switch {
	case w.is("all"):
		return addresses{kind: anyAddress}, false, nil
	case w.is("samehost"):
		return addresses{kind: sameHost}, false, nil
	case w.is("samenet"):
		return addresses{kind: sameNet}, false, nil
	}
	text, bits, cidr := strings.Cut(w.text, "/")
	address, err := parseIP(text)
	if err != nil {
		return addresses{}, false, err
	}
	s = addresses{kind: oneNetwork, network: network{address: address}}
	if !cidr {
		return s, true, nil
	}
	n, err := strconv.ParseUint(bits, 10, 8)
	if err != nil || int(n) > address.BitLen() {
		return addresses{}, false, fmt.Errorf("invalid CIDR mask in address %q", w.text)
	}
	s.network.mask = maskOf(address, int(n))
	return s, false, nil
}

// parseIP reads a numeric address. Names would have to be asked of the DNS at
// each login.
func parseIP(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is no IP address: host names are not supported here", text)
	}
	if a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, fmt.Errorf("%q: zones and IPv4 in IPv6 are not supported here", text)
	}
	return a, nil
}

func (s *addresses) setMask(text string) error {
	mask, err := parseIP(text)
	if err != nil {
		return fmt.Errorf("invalid IP mask %q", text)
	}
	if mask.BitLen() != s.network.address.BitLen() {
		return errors.New("IP address and mask do not match")
	}
	s.network.mask = mask
	return nil
}
