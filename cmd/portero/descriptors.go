package main

import (
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"portero/admin"
	"portero/config"
	"portero/proxy"
)

// descriptors is how the limit of open files is shared out. Servers, etcd,
// operators and cancel requests have theirs set aside: clients, who come from
// outside and in any number, must never be the reason for which a failover
// cannot be followed.
type descriptors struct {
	limit    int // RLIMIT_NOFILE
	own      int // of the process itself, its listeners, its loops, etcd and operators
	clients  int // for clients: max_client_conn, or what the others leave
	consoles int // for clients of the console
	late     int // for connections beyond that, and as many for cancel requests to servers
	servers  int // for servers: all the rest
}

// What is not counted one by one, and what little there is always to be.
const (
	ownFiles      = 16 // standard streams, the runtime's, files being read, sockets changing hands
	perLoop       = 3  // epoll, eventfd and io_uring
	perEtcd       = 2  // a connection to an endpoint, and the one that replaces it
	members       = 16 // of a cluster under Patroni, where each is asked how far it is behind
	leastLate     = 8
	mostConsoles  = 64
	leastConsoles = 4
	mostLate      = 256
)

// share divides limit for cfg with a number of loops. It fails if clients would have none.
func share(cfg *config.Config, loops, limit int) (descriptors, error) {
	d := descriptors{limit: limit, own: ownFiles + perLoop*loops + len(cfg.Listeners)}
	if cfg.Admin.Address != "" {
		d.own += 1 + admin.MaxConnections
	}
	for _, c := range cfg.Clusters {
		d.own += perEtcd*len(c.Etcd.Endpoints) + len(c.Hosts)
		if len(c.Hosts) == 0 && cfg.MeasuresLag(c.Name) {
			d.own += members
		}
	}
	d.late = min(max(limit/16, leastLate), mostLate)
	d.consoles = min(max(limit/64, leastConsoles), mostConsoles)
	left := limit - d.own - d.consoles - 2*d.late
	d.clients = min(cfg.Pool.MaxClientConn, left-reserved(cfg, limit))
	d.servers = left - d.clients
	if d.clients < 1 {
		return d, fmt.Errorf("the limit of open files, %d, leaves none for clients: raise it (ulimit -n, or LimitNOFILE= of the service)", limit)
	}
	return d, nil
}

// reserved is how many servers there is room for however many clients are
// wanted: what the routes ask for, but not more than half of all. Where names are
// for clients to choose, pools may be many, and a quarter of all is reserved.
func reserved(cfg *config.Config, limit int) int {
	n := wantedServers(cfg)
	if slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return r.Database == "*" || r.User == "*" }) {
		n = max(n, limit/4)
	}
	return min(n, limit/2)
}

// wantedServers is how many servers there are when every route has one pool, and that is full.
func wantedServers(cfg *config.Config) (n int) {
	for _, r := range cfg.Routes {
		n += r.PoolSize + r.ReservePoolSize
	}
	return n
}

// room is what the proxy may use.
func (d descriptors) room(cfg *config.Config) proxy.Room {
	return proxy.Room{
		Clients:  d.clients,
		Logins:   cfg.Pool.MaxLogins,
		Consoles: d.consoles,
		Late:     d.late,
		Highest:  d.limit - d.consoles - 2*d.late - 1,
	}
}

// warnings are what does not fit into the limit, a line each with the setting.
func (d descriptors) warnings(cfg *config.Config) (lines []string) {
	if want := cfg.Pool.MaxClientConn; d.clients < want {
		lines = append(lines, fmt.Sprintf("pool.max_client_conn: the limit of open files, %d, has room for %d clients, not for %d", d.limit, d.clients, want))
	}
	if want := wantedServers(cfg); d.servers < want {
		lines = append(lines, fmt.Sprintf("pool.pool_size: the limit of open files, %d, has room for %d servers, and the routes together ask for %d", d.limit, d.servers, want))
	}
	return lines
}

// shareOut lifts the limit of open files as far as it may and divides it.
func shareOut(cfg *config.Config, r *config.Report) descriptors {
	d, err := share(cfg, loopsOf(cfg), openFiles())
	if err != nil {
		r.Key("pool.max_client_conn", "%s", err)
	}
	return d
}

// openFiles lifts the soft limit of open files to the hard one, and returns it.
func openFiles() int {
	var limit unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) //nolint:errcheck // there is such a limit
	if limit.Cur < limit.Max {                 // Go's runtime has done so already, mostly
		raised := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	return int(min(limit.Cur, 1<<30)) // may be "infinity"
}

// cores is how many this process may use: those of the machine, or fewer where its cgroup
// has a limit of processor time (a container's, a service's), which Go sees to.
var cores = runtime.GOMAXPROCS(0)

// loopsOf is how many loops run.
func loopsOf(cfg *config.Config) int {
	if n := int(cfg.Loops); n > 0 {
		return n
	}
	return cores
}
