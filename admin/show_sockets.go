package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"portero/metrics"
)

const (
	socketKinds = "ssssssisiTTiiississii"
	socketNames = "type user database replication state addr port local_addr local_port connect_time request_time wait wait_us close_needed ptr link remote_pid tls application_name prepared_statements id"
	bufferKinds = "iiiiiii" // of which we know nothing: our sockets have no buffers of their own
	bufferNames = " recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail"
)

// ClientStates are all clients, the console's own among them, in no order.
func (c *Console) ClientStates(ctx context.Context) []metrics.ClientState {
	return append(c.clients(ctx), c.own()...)
}

func (c *Console) clients(ctx context.Context) []metrics.ClientState {
	if c.o.Clients == nil {
		return nil
	}
	return c.o.Clients(ctx)
}

func (c *Console) servers(ctx context.Context) []metrics.ServerState {
	if c.o.Servers == nil {
		return nil
	}
	return c.o.Servers(ctx)
}

func (c *Console) showClients(ctx context.Context) (*table, error) {
	t := newTable(socketKinds, socketNames)
	for _, s := range c.ClientStates(ctx) {
		t.add(clientRow(&s, s.State)...)
	}
	return t, ctx.Err()
}

func (c *Console) showServers(ctx context.Context) (*table, error) {
	t := newTable(socketKinds, socketNames)
	for _, s := range c.servers(ctx) {
		t.add(serverRow(&s, s.State)...)
	}
	return t, ctx.Err()
}

func (c *Console) showSockets(ctx context.Context) (*table, error) {
	return c.sockets(ctx, func(string) bool { return true })
}

// showActiveSockets has those that are at something, in place of those that have bytes in a
// buffer: that is what they are looked for.
func (c *Console) showActiveSockets(ctx context.Context) (*table, error) {
	return c.sockets(ctx, func(state string) bool { return state != "idle" && state != "used" })
}

func (c *Console) sockets(ctx context.Context, wanted func(state string) bool) (*table, error) {
	t := newTable(socketKinds+bufferKinds, socketNames+bufferNames)
	nothing := []any{0, 0, 0, 0, 0, 0, 0}
	for _, s := range c.ClientStates(ctx) {
		if wanted(s.State) && !strings.HasSuffix(s.State, "cancel_req") {
			t.add(append(clientRow(&s, socketState("cl_", s.State)), nothing...)...)
		}
	}
	for _, s := range c.servers(ctx) {
		if wanted(s.State) && !strings.Contains(s.State, "cancel") {
			t.add(append(serverRow(&s, socketState("sv_", s.State)), nothing...)...)
		}
	}
	return t, ctx.Err()
}

// socketState is the word that SHOW SOCKETS has for a state: there a client that rests is an
// active one, and a new server is in its login.
func socketState(prefix, state string) string {
	switch {
	case prefix == "cl_" && state == "idle":
		state = "active"
	case state == "new":
		state = "login"
	}
	return prefix + state
}

func clientRow(s *metrics.ClientState, state string) []any {
	return []any{
		"C", s.User, s.Database, cmp.Or(s.Replication, "none"), state, host(s.Address), int(s.Address.Port()), host(s.Local), int(s.Local.Port()),
		s.Connected, orElse(s.Requested, s.Connected), whole(s.Wait), rest(s.Wait), false,
		pointer('c', s.ID), pointer('5', s.Link), s.RemotePID, s.TLS, s.Application, s.Statements, s.ID,
	}
}

func serverRow(s *metrics.ServerState, state string) []any {
	return []any{
		"S", s.User, s.Database, cmp.Or(s.Replication, "none"), state, host(s.Address), int(s.Address.Port()), host(s.Local), int(s.Local.Port()),
		s.Connected, orElse(s.Requested, s.Connected), 0, 0, s.CloseNeeded,
		pointer('5', s.ID), pointer('c', s.Link), s.RemotePID, s.TLS, s.Application, s.Statements, s.ID,
	}
}

// host is an address without its port; that of a Unix socket has a word.
func host(a netip.AddrPort) string {
	if !a.IsValid() {
		return "unix"
	}
	return a.Addr().Unmap().String()
}

func orElse(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}

// pointer looks like an address in memory, which is what ptr and link of PgBouncer are, and
// joins one table with the other. kind keeps clients and servers of one number apart.
func pointer(kind byte, id uint64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("0x%c%011x", kind, id)
}
