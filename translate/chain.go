package translate

import (
	"slices"
	"strconv"
)

// lonely is a chain without PgBouncer: all clients to the one cluster, or those of
// each port of HAProxy's to its servers.
func (b *builder) lonely() {
	switch {
	case b.patroni != nil:
		name := b.patroniCluster()
		if b.patroni.group > 0 {
			b.writeGroup(b.lonelyRoute(Place{}, name))
		}
	case len(b.haproxy.entrances) == 0:
		b.bad.add(b.haproxy.Place, "has no port that leads to a PostgreSQL")
		return
	default:
		for i := range b.haproxy.entrances {
			e := &b.haproxy.entrances[i]
			b.static(e.Place, e.servers)
		}
		b.divide()
	}
	if b.haproxy != nil {
		b.doc.chain = append(b.doc.chain, "There was no PgBouncer: each of HAProxy's ports is a listener with the role that its check asks for.")
	}
}

// divide has each port of HAProxy's lead to its own servers, where they differ.
func (b *builder) divide() {
	if len(b.clusters) == 1 {
		return
	}
	for i := range b.haproxy.entrances {
		e := &b.haproxy.entrances[i]
		for _, bind := range e.binds {
			b.lonelyRoute(bind.Place, b.static(e.Place, e.servers)).set(bind.Place, "listener", tomlString(bind.address), "")
		}
	}
}

func (b *builder) lonelyRoute(at Place, cluster string) *table {
	t := b.doc.item("route")
	t.set(at, "cluster", tomlString(cluster), "")
	return t
}

// writeGroup writes which group of Citus it is, where it is no coordinator.
func (b *builder) writeGroup(t *table) {
	t.set(b.patroni.places["citus.group"], "group", strconv.Itoa(b.patroni.group), "the group of this member")
}

// tellChain says what the files were taken for, which decides who listens where.
func (b *builder) tellChain() {
	switch {
	case b.haproxy == nil:
	case b.behindHAProxy():
		b.doc.chain = append(b.doc.chain, "The chain was: clients, HAProxy, PgBouncer, PostgreSQL. HAProxy's ports are listeners with "+
			"the role that its check asks for; databases have no role of their own, so that the listener's counts.")
	case b.beforeHAProxy():
		b.doc.chain = append(b.doc.chain, "The chain was: clients, PgBouncer, HAProxy, PostgreSQL. A database that led to a port of "+
			"HAProxy's is a route with the role that HAProxy's check asks for. HAProxy's ports are not listened on: if clients "+
			"connect to them past PgBouncer, add a [[listener]] with that address and role.")
	default:
		b.doc.chain = append(b.doc.chain, "PgBouncer does not lead to HAProxy, nor HAProxy to PgBouncer: clients of either find the ports they know.")
	}
}

const whyOldEtcd = "ATTENTION: Patroni's section etcd speaks etcd's old interface, whose keys the new one does not show. Before Portero " +
	"can follow it, Patroni needs the section etcd3 in its place (same settings)."

// beforeHAProxy says whether a database leads to one of HAProxy's ports.
func (b *builder) beforeHAProxy() bool {
	return slices.ContainsFunc(b.databases, func(db database) bool { return b.entranceOf(&db) != nil })
}

// behindHAProxy says whether HAProxy's servers are PgBouncers.
func (b *builder) behindHAProxy() bool {
	port := b.number("listen_port")
	return b.haproxy != nil && !b.beforeHAProxy() && slices.ContainsFunc(b.haproxy.entrances, func(e entrance) bool {
		return slices.ContainsFunc(e.servers, func(h hostPort) bool { return h.port == port })
	})
}

// entranceOf is HAProxy's port that a database leads to, nil if it is none.
func (b *builder) entranceOf(db *database) *entrance {
	if b.haproxy == nil {
		return nil
	}
	list, bySocket := db.addresses()
	if bySocket {
		return nil
	}
	for i := range b.haproxy.entrances {
		e := &b.haproxy.entrances[i]
		if !slices.ContainsFunc(list, func(h hostPort) bool { return !e.leadsTo(h) }) {
			return e
		}
	}
	return nil
}

// allServers is the servers of all of HAProxy's ports.
func (b *builder) allServers() (list []hostPort) {
	if b.haproxy == nil {
		return nil
	}
	for _, e := range b.haproxy.entrances {
		for _, h := range e.servers {
			if !slices.Contains(list, h) {
				list = append(list, h)
			}
		}
	}
	return list
}

// isMember says whether all addresses are this host's own, or known as members'.
func (b *builder) isMember(list []hostPort) bool {
	var known []string
	for _, h := range b.allServers() {
		known = append(known, h.host)
	}
	if b.patroni != nil {
		for _, h := range b.patroni.addresses {
			known = append(known, h.host)
		}
	}
	return !slices.ContainsFunc(list, func(h hostPort) bool { return !isLoopback(h.host) && !slices.Contains(known, h.host) })
}

// onPort is the hosts of HAProxy's servers, where PostgreSQL listens.
func (b *builder) onPort(port int) (list []hostPort) {
	for _, h := range b.allServers() {
		if h.port = port; !slices.Contains(list, h) {
			list = append(list, h)
		}
	}
	return list
}
