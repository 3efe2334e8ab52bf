package proxy

import (
	"net/netip"

	"portero/pool"
	"portero/session"
)

// rare is what few clients have, so that the others do not pay for it. It belongs to the
// client's loop.
type rare struct {
	hearer   *pool.Hearer   // nil until it listens by the pool's ear
	startup  pool.Startup   // what its server is opened with; session mode only
	from     netip.AddrPort // where it came from, if not by IPv4
	backend  uint32         // the process ID of its server, once it has been told that; session mode only
	pinsTold session.Pins   // why it was pinned, as far as the log has been told
}

// none is that of most clients; never changed.
var none rare

// seldom is what the client has of it, to be read only.
func (c *client) seldom() *rare {
	if c.rare == nil {
		return &none
	}
	return c.rare
}

// needRare is the same to be written to.
func (c *client) needRare() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}
