package loop

import (
	"crypto/tls"
	"net/netip"

	"golang.org/x/sys/unix"
)

// What a Socket can say of its connection is asked of the kernel when somebody wants to know
// it, as a client that rests must cost as little memory as can be. All of it is for the loop
// that the socket is attached to.

// Ends are the addresses of both ends; the zero values for a Unix socket, and for one that is
// closed.
func (s *Socket) Ends() (peer, local netip.AddrPort) {
	if s.fd < 0 {
		return peer, local
	}
	if a, err := unix.Getpeername(int(s.fd)); err == nil {
		peer = AddressOf(a)
	}
	if a, err := unix.Getsockname(int(s.fd)); err == nil {
		local = AddressOf(a)
	}
	return peer, local
}

// AddressOf is an address as the kernel has it, an IPv4 one in IPv6 as what it is; the zero value
// for one of another kind.
func AddressOf(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// PeerPID is the process at the other end of a Unix socket; 0 where there is none.
func (s *Socket) PeerPID() int {
	if s.fd < 0 {
		return 0
	}
	peer, err := unix.GetsockoptUcred(int(s.fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0
	}
	return int(peer.Pid)
}

// TLS is version and cipher, as "TLSv1.3/TLS_AES_128_GCM_SHA256"; "" for plain text.
func (s *Socket) TLS() string {
	if !s.IsTLS() {
		return ""
	}
	state := s.beyond.tls.ConnectionState()
	return versions[state.Version] + "/" + tls.CipherSuiteName(state.CipherSuite)
}

// versions are in the words of libpq and PgBouncer.
var versions = map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}
