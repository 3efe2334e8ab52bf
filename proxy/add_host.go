package proxy

import (
	"net/netip"

	"portero/metrics"
	"portero/pool"
	"portero/session"
)

// addHost adds a client's address to its application_name, as PgBouncer does, so
// that pg_stat_activity shows who is behind Portero. The names of Citus' own
// connections are left alone: its nodes read them.
func (s *startup) addHost(addr netip.AddrPort) {
	name, _ := s.settings.Get(applicationName)
	if pool.CitusOrigin(name) != "" {
		return
	}
	if name == "" {
		name = "app"
	}
	host := "unix"
	if addr.IsValid() {
		host = addr.String()
	}
	s.settings = s.settings.With(applicationName, name+" - "+host)
}

const applicationName = "application_name"

// nameHost gives a server of session mode the name with the address, which it was
// not opened with: else no server could be lent to a second client.
func (r *relay) nameHost() metrics.Reason {
	name, _ := r.sess.Settings().Get(applicationName)
	messages, _ := session.Settings{}.With(applicationName, name).AppendChange(nil, session.Settings{})
	o := r.roundTrip(messages, false)
	switch {
	case r.cut:
		return r.cutShort()
	case o.why == metrics.None && o.status == 'I':
		return metrics.None // that it is refused is no reason to refuse the client
	case o.why == metrics.None:
		o.why = metrics.ServerProtocol
	}
	r.at.Discard(&r.claim, o.why)
	return r.noneFits(o.why)
}
