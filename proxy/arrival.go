package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"

	"portero/auth"
	"portero/pool"
	"portero/wire"
)

// arrival is what is known of a client that asks to be let in.
func (h *handshake) arrival(s startup) *auth.Arrival {
	c := &auth.Arrival{
		User: s.user, Database: s.database, SystemUser: h.systemUser,
		Physical: s.replication == pool.PhysicalReplication,
		Local:    h.l.Addr().Network() == "unix", Address: h.address().Addr(),
	}
	if t, ok := h.conn.(*tls.Conn); ok {
		c.TLS, c.Binding = true, h.terms.binding
		if chains := t.ConnectionState().VerifiedChains; len(chains) > 0 {
			c.Certificate = chains[0][0]
		}
	}
	return c
}

// refusal is what a listener has to say to a client that it is not for,
// whatever the rules are; nil to all others. A client_ca means TLS as well.
func (ts *terms) refusal(c *auth.Arrival) *wire.Error {
	t := &ts.cfg.TLS
	switch {
	case !c.TLS && (t.Mode == "require" || t.ClientCA != ""):
		return auth.WithoutTLS(c)
	case c.Certificate == nil && t.ClientCA != "":
		return auth.WithoutCertificate()
	}
	return nil
}

// systemUser is the name of who runs a client that came by a Unix socket.
func (h *handshake) systemUser() (string, error) {
	peer, err := h.peer()
	if err != nil {
		return "", err
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(peer.Uid), 10))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

// peer is the process of a client that came by a Unix socket.
func (h *handshake) peer() (peer *unix.Ucred, err error) {
	socket, ok := h.raw.(*net.UnixConn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	var asked error
	err = raw.Control(func(fd uintptr) {
		peer, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return peer, errors.Join(err, asked)
}
