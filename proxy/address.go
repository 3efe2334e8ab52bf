package proxy

import (
	"net"
	"net/netip"
)

// from4 is an address of IPv4 and a port, in six bytes; the zero value is none.
type from4 struct {
	ip   [4]byte
	port uint16
}

// cameFrom notes the client's address, which the kernel tells no more once the client has gone.
func (c *client) cameFrom(a netip.AddrPort) {
	switch ip := a.Addr().Unmap(); {
	case ip.Is4():
		c.from4 = from4{ip.As4(), a.Port()}
	case ip.IsValid():
		c.needRare().from = a
	}
}

// address is the client's; the zero value for a Unix socket.
func (c *client) address() netip.AddrPort {
	if c.from4 != (from4{}) {
		return netip.AddrPortFrom(netip.AddrFrom4(c.from4.ip), c.from4.port)
	}
	return c.seldom().from
}

// addrPort is an address of TCP; the zero value for a Unix socket.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}
