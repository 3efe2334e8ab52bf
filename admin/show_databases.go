package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"portero/metrics"
)

// inUse is what the pools say of a database.
type inUse struct {
	servers, clients int
}

// databases are those that routes name and those that pools have, by name.
func (c *Console) databases() (all []metrics.DatabaseState, used map[string]inUse) {
	if c.o.Databases != nil {
		all = c.o.Databases()
	}
	named := len(all)
	used = make(map[string]inUse)
	pools := c.pools()
	for i := range pools {
		p := &pools[i]
		name := databaseOf(p)
		switch at := slices.IndexFunc(all, func(d metrics.DatabaseState) bool { return d.Name == name }); {
		case at < 0:
			all = append(all, metrics.DatabaseState{Name: name, Database: p.Labels.Database, PoolSize: p.Size, MinPoolSize: p.MinSize})
		case at >= named && all[at].PoolSize == 0: // that one is for those who replicate
			all[at].PoolSize, all[at].MinPoolSize = p.Size, p.MinSize
		}
		u := used[name]
		u.servers += serversOf(p)
		u.clients += max(p.Clients, p.ClientsActive+p.ClientsWaiting)
		used[name] = u
	}
	all = append(all, metrics.DatabaseState{
		Name: consoleDatabase, Port: c.listenPort(), Database: consoleDatabase, ForceUser: consoleDatabase, PoolSize: 2, PoolMode: "statement",
	})
	used[consoleDatabase] = inUse{clients: len(c.own())}
	slices.SortStableFunc(all, func(a, b metrics.DatabaseState) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b metrics.DatabaseState) bool { return a.Name == b.Name }), used
}

func (c *Console) listenPort() int {
	if c.o.ListenPort == nil {
		return 0
	}
	return c.o.ListenPort()
}

func (c *Console) showDatabases(context.Context) (*table, error) {
	t := newTable("ssissiiiissiiiiii", "name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime pool_mode load_balance_hosts"+
		" max_connections current_connections max_client_connections current_client_connections paused disabled")
	all, used := c.databases()
	for _, d := range all {
		u := used[d.Name]
		paused, disabled := c.ordered(d.Name)
		t.add(d.Name, orNull(d.Host), d.Port, d.Database, orNull(d.ForceUser), d.PoolSize, d.MinPoolSize, d.ReserveSize, whole(d.ServerLifetime), orNull(d.PoolMode), nil,
			d.MaxServers, u.servers, d.MaxClients, u.clients, paused, disabled)
	}
	return t, nil
}

// ordered is what is ordered for a database.
func (c *Console) ordered(name string) (paused, disabled bool) {
	if c.o.Ordered == nil || name == consoleDatabase {
		return false, false
	}
	return c.o.Ordered(name)
}

// users are those that are known, by name, and how many connections each has.
func (c *Console) users() (all []metrics.UserState, servers, clients map[string]int) {
	servers, clients = make(map[string]int), map[string]int{consoleDatabase: len(c.own())}
	known := make(map[string]metrics.UserState)
	if c.o.Users != nil {
		for _, u := range c.o.Users() {
			known[u.Name] = u
		}
	}
	add := func(name string) {
		if _, there := known[name]; !there {
			known[name] = metrics.UserState{Name: name, ReserveSize: -1}
		}
	}
	add(consoleDatabase)
	pools := c.pools()
	for i := range pools {
		p := &pools[i]
		add(p.Labels.User)
		servers[p.Labels.User] += serversOf(p)
		clients[p.Labels.User] += max(p.Clients, p.ClientsActive+p.ClientsWaiting)
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		all = append(all, known[name])
	}
	return all, servers, clients
}

func (c *Console) showUsers(context.Context) (*table, error) {
	t := newTable("ssssiiii", "name pool_size reserve_pool_size pool_mode max_user_connections current_connections max_user_client_connections current_client_connections")
	all, servers, clients := c.users()
	for _, u := range all {
		t.add(u.Name, sizeInWords(u.PoolSize, u.PoolSize > 0), sizeInWords(u.ReserveSize, u.ReserveSize >= 0), orNull(u.PoolMode),
			u.MaxServers, servers[u.Name], u.MaxClients, clients[u.Name])
	}
	return t, nil
}

// sizeInWords is a size as PgBouncer shows it here: as text, nine wide, or not at all.
func sizeInWords(n int, given bool) string {
	if !given {
		return ""
	}
	return fmt.Sprintf("%9d", n)
}

// showLists has the names that exporters know; there is no resolver, and nothing is kept free.
func (c *Console) showLists(context.Context) (*table, error) {
	databases, _ := c.databases()
	users, _, _ := c.users()
	sums := sumPools(c.pools())
	clients, servers := len(c.own()), 0
	for _, s := range sums {
		clients += s.clients + s.waiting
		servers += s.servers
	}
	logins := 0
	if c.o.Process != nil {
		logins = int(c.o.Process.LoginsInFlight.Load())
	}
	t := newTable("si", "list items")
	for _, l := range []struct {
		name  string
		items int
	}{
		{"databases", len(databases)}, {"users", len(users)}, {"peers", 0}, {"pools", len(sums) + 1}, {"peer_pools", 0},
		{"free_clients", 0}, {"used_clients", clients}, {"login_clients", logins}, {"free_servers", 0}, {"used_servers", servers},
		{"dns_names", 0}, {"dns_zones", 0}, {"dns_queries", 0}, {"dns_pending", 0},
	} {
		t.add(l.name, l.items)
	}
	return t, nil
}
