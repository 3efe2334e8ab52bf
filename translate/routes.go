package translate

import (
	"slices"
	"strconv"
	"strings"
)

// cluster is a [[cluster]] that routes lead to.
type cluster struct {
	Place
	name    string
	patroni bool
	hosts   []hostPort
}

// way is where clients of a database are led.
type way struct {
	cluster string
	role    string // "" = the listener's, else leader
	note    string // on role
}

// writeRoutes writes the databases of PgBouncer, or the one way that there is
// without it.
func (b *builder) writeRoutes() {
	if b.patroni != nil && b.patroni.oldEtcd {
		b.doc.chain = append(b.doc.chain, whyOldEtcd)
		b.doc.remark(b.patroni.places["etcd"], "%s", whyOldEtcd)
	}
	if b.ini == nil {
		b.lonely()
		return
	}
	if len(b.databases) == 0 {
		b.consoleOnly()
	}
	b.tellChain()
	for i := range b.databases {
		b.writeRoute(&b.databases[i])
	}
	b.tellSockets()
	b.fitShared()
}

// consoleOnly is for a file without databases, with which PgBouncer has nothing but
// its console. A proxy.toml without routes would lead to every database.
func (b *builder) consoleOnly() {
	b.databases = []database{{Place: b.iniAt, name: "pgbouncer", hosts: []string{"localhost"}, port: 5432}}
	b.doc.remark(b.iniAt, "there is nothing in [databases]: only the console, database pgbouncer, has a route; give the others theirs")
}

// tellSockets says which databases had their servers behind a Unix socket.
func (b *builder) tellSockets() {
	if len(b.bySocket) == 0 {
		return
	}
	names := make([]string, len(b.bySocket))
	for i, db := range b.bySocket {
		names[i] = db.name
	}
	b.doc.remark(b.bySocket[0].Place, "servers are reached by TCP, so that localhost takes the place of the Unix socket of: %s", strings.Join(names, ", "))
}

// way finds where a database leads.
func (b *builder) way(db *database) way {
	list, bySocket := db.addresses()
	if bySocket {
		b.bySocket = append(b.bySocket, db)
	}
	e := b.entranceOf(db)
	switch {
	case e != nil && b.patroni != nil:
		return way{b.patroniCluster(), e.role, e.why}
	case e != nil:
		return way{b.static(e.Place, e.servers), e.role, e.why}
	case b.patroni != nil && b.isMember(list):
		return way{cluster: b.patroniCluster()}
	case b.behindHAProxy() && b.isMember(list):
		return way{cluster: b.static(db.Place, b.onPort(db.port))}
	}
	if b.patroni != nil {
		b.doc.remark(db.Place, "database %s: %s is no member of the Patroni cluster, as far as these files tell", db.name, list[0])
	}
	note := ""
	if !b.toldAny {
		note = `as PgBouncer, which does not ask; "leader" has a server prove that it takes writes`
		b.toldAny = true
	}
	return way{b.static(db.Place, list), "any", note}
}

// static is the name of the cluster with those hosts, which is made if need be.
func (b *builder) static(at Place, hosts []hostPort) string {
	for _, c := range b.clusters {
		if !c.patroni && slices.Equal(c.hosts, hosts) {
			return c.name
		}
	}
	name := hosts[0].host
	if hosts[0].port != 5432 {
		name = hosts[0].String()
	}
	for n := 2; slices.ContainsFunc(b.clusters, func(c cluster) bool { return c.name == name }); n++ {
		name = hosts[0].String() + "-" + strconv.Itoa(n)
	}
	b.clusters = append(b.clusters, cluster{at, name, false, hosts})
	return name
}

func (b *builder) patroniCluster() string {
	if !slices.ContainsFunc(b.clusters, func(c cluster) bool { return c.patroni }) {
		b.clusters = append(b.clusters, cluster{b.patroni.Place, b.patroni.scope, true, nil})
	}
	return b.patroni.scope
}

func (b *builder) writeRoute(db *database) {
	w := b.way(db)
	t := b.doc.item("route")
	t.set(db.Place, "database", tomlString(db.name), "")
	t.set(db.Place, "cluster", tomlString(w.cluster), "")
	if b.patroni != nil && w.cluster == b.patroni.scope && b.patroni.group > 0 {
		b.writeGroup(t)
	}
	if w.role != "" {
		t.set(db.Place, "role", tomlString(w.role), w.note)
	}
	if name := db.params["dbname"]; name != "" && name != db.name {
		t.set(db.Place, "dbname", tomlString(name), "")
	}
	if user := db.params["user"]; user != "" {
		t.set(db.Place, "server_user", tomlString(user), "")
		if password := db.params["password"]; password != "" {
			t.set(db.Place, "server_password", tomlString(password), "")
		}
	}
	b.writeRouteSizes(t, db)
	if query := db.params["connect_query"]; query != "" {
		t.set(db.Place, "connect_query", tomlString(query), "")
	}
	if lifetime, ok := db.params["server_lifetime"]; ok {
		toml, note := convertLifetime(lifetime)
		t.set(db.Place, "server_lifetime", toml, note)
	}
	b.tellRest(db)
}

func (b *builder) writeRouteSizes(t *table, db *database) {
	size, least := b.poolSizes()
	if mode, ok := db.params["pool_mode"]; ok {
		t.set(db.Place, "pool_mode", tomlString(strings.ToLower(mode)), "")
	}
	if n, ok := db.number("pool_size"); ok {
		toml, note := convertPoolSize(strconv.Itoa(n))
		size, _ = strconv.Atoi(toml)
		t.set(db.Place, "pool_size", toml, note)
	}
	n, given := db.number("min_pool_size")
	if given {
		least = n
	}
	switch {
	case least > size:
		t.set(db.Place, "min_pool_size", strconv.Itoa(size), "PgBouncer could open no more than pool_size")
	case given:
		t.set(db.Place, "min_pool_size", strconv.Itoa(least), "")
	}
	for _, key := range []string{"reserve_pool_size", "max_db_connections", "max_db_client_connections"} {
		if n, ok := db.number(key); ok {
			t.set(db.Place, key, strconv.Itoa(n), "")
		}
	}
}

// tellRest says what of a database has no counterpart. Its auth_... are told of
// where logins are written.
func (b *builder) tellRest(db *database) {
	for _, key := range []string{"client_encoding", "datestyle", "timezone", "application_name"} {
		if _, ok := db.params[key]; ok {
			b.doc.remark(db.Place, "database %s: %s= is better set where it belongs: ALTER DATABASE ... SET %s = ..., or by the client", db.name, key, key)
		}
	}
	if _, ok := db.params["query_wait_timeout"]; ok {
		b.doc.remark(db.Place, "database %s: query_wait_timeout= is for all databases ([pool]), or for a user ([[user]])", db.name)
	}
}
