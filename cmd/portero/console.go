package main

import (
	"cmp"
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"portero/admin"
	"portero/config"
	"portero/metrics"
	"portero/translate"
)

// newConsole wires the console to what it shows and does.
func (in *instance) newConsole() *admin.Console {
	return admin.NewConsole(admin.ConsoleOptions{
		Version: version(), Started: in.started,
		ListenPort: func() int { return listenPort(in.config()) },
		Pools:      in.pools.States, Candidates: in.pools.Candidates, Groups: in.pools.Groups, Failovers: in.pools.Failovers,
		Clients: in.proxy.ClientStates, Servers: in.pools.ServerStates,
		Databases: func() []metrics.DatabaseState { return databases(in.config(), in.pools.States()) },
		Users:     func() []metrics.UserState { return namedUsers(in.inForce.Load()) },
		Settings:  in.settings,
		Listeners: func() []string { return in.inForce.Load().listening },
		Ready:     in.notReady,
		Process:   in.process,
		Holding:   in.pools.Holding,
		Ordered:   in.pools.Ordered,

		Pause: in.pools.Pause, WaitClose: in.pools.WaitClose, Suspend: in.pools.Suspend, Resume: in.pools.Resume,
		Disable: in.pools.Disable, Enable: in.pools.Enable, Reconnect: in.pools.Reconnect,
		Kill: in.proxy.Kill, KillClient: in.proxy.KillClient,
		Reload: func() error { return in.reload("console") },
		Set:    in.set,

		Shutdown:       in.askToEnd,
		AcceptTimeline: in.acceptTimeline,

		StatsPeriod: func() time.Duration { return in.config().Log.StatsPeriod },
		Log:         in.log,
	})
}

// settings is SHOW CONFIG.
func (in *instance) settings() (all []admin.Setting) {
	for _, row := range translate.Show(in.config()) {
		if row.Key == "conffile" {
			row.Value = in.path
		}
		all = append(all, admin.Setting{Key: row.Key, Value: row.Value, Default: row.Default, Changeable: row.Changeable})
	}
	return all
}

// askToEnd has untilSignal end the process; of several the first is obeyed, and one at once.
func (in *instance) askToEnd(mode admin.ShutdownMode) {
	select {
	case in.endings <- mode:
	default: // one is asked for already
	}
}

// databases are those that routes name, each as the first of its routes has it, and those that
// clients have chosen, as their pools have them.
func databases(cfg *config.Config, pools []metrics.PoolState) (all []metrics.DatabaseState) {
	add := func(d metrics.DatabaseState, cluster string) {
		if slices.ContainsFunc(all, func(o metrics.DatabaseState) bool { return o.Name == d.Name }) {
			return
		}
		d.Host, d.Port = whereabouts(cfg, cluster)
		if d.PoolMode == cfg.Pool.PoolMode {
			d.PoolMode = "" // that of all
		}
		all = append(all, d)
	}
	for i := range cfg.Routes {
		if r := &cfg.Routes[i]; r.Database != "*" {
			d := metrics.DatabaseState{Name: r.Database, Database: cmp.Or(r.DBName, r.Database), PoolMode: r.PoolMode}
			add(limited(d, r), r.Cluster)
		}
	}
	for _, replicates := range []bool{false, true} { // who does says nothing of the others
		for i := range pools {
			if p := &pools[i]; p.Labels.Replicates() == replicates {
				d := metrics.DatabaseState{Name: cmp.Or(p.Name, p.Labels.Database), Database: p.Labels.Database, PoolMode: p.Labels.PoolMode()}
				add(limited(d, anyRoute(cfg, p.Labels.Cluster)), p.Labels.Cluster)
			}
		}
	}
	return all
}

// limited is a database with what a route says of its size.
func limited(d metrics.DatabaseState, r *config.Route) metrics.DatabaseState {
	d.ForceUser, d.PoolSize, d.MinPoolSize, d.ReserveSize = r.ServerUser, r.PoolSize, r.MinPoolSize, r.ReservePoolSize
	d.ServerLifetime, d.MaxServers, d.MaxClients = r.ServerLifetime, r.MaxDBConnections, r.MaxDBClientConnections
	return d
}

// anyRoute is the first route to a cluster for whatever database.
func anyRoute(cfg *config.Config, cluster string) *config.Route {
	for i := range cfg.Routes {
		if r := &cfg.Routes[i]; r.Database == "*" && r.Cluster == cluster {
			return r
		}
	}
	return &cfg.Routes[0] // a reload has taken it away
}

// whereabouts is a word for where a cluster is that no failover changes, as exporters make a
// label of it: the hosts of a list, with the port of the first; else the cluster's name.
func whereabouts(cfg *config.Config, cluster string) (host string, port int) {
	i := slices.IndexFunc(cfg.Clusters, func(c config.Cluster) bool { return c.Name == cluster })
	if i < 0 || len(cfg.Clusters[i].Hosts) == 0 {
		return cluster, 0
	}
	var hosts []string
	for _, address := range cfg.Clusters[i].Hosts {
		h, p, _ := net.SplitHostPort(address)
		hosts = append(hosts, h)
		if port == 0 {
			port, _ = strconv.Atoi(p)
		}
	}
	return strings.Join(hosts, ","), port
}

// namedUsers are those that the configuration and its user file name.
func namedUsers(now *state) (all []metrics.UserState) {
	cfg := now.cfg
	names := slices.Concat(cfg.Admin.Users, cfg.Admin.StatsUsers, now.auth.Names())
	for i := range cfg.Routes {
		names = append(names, cfg.Routes[i].User)
	}
	for i := range cfg.Users {
		names = append(names, cfg.Users[i].Name)
	}
	for _, name := range names {
		if name != "*" {
			u := cfg.User(name)
			all = append(all, metrics.UserState{Name: name, PoolSize: u.PoolSize, ReserveSize: u.ReservePoolSize, PoolMode: u.PoolMode,
				MaxServers: u.MaxUserConnections, MaxClients: u.MaxUserClientConnections})
		}
	}
	return all
}

// listenPort is the port of the first listener that is no Unix socket; 0: there is none.
func listenPort(cfg *config.Config) int {
	for i := range cfg.Listeners {
		if address := cfg.Listeners[i].Address; !strings.HasPrefix(address, "unix:") {
			_, text, _ := net.SplitHostPort(address) // checked by config
			port, _ := strconv.Atoi(text)
			return port
		}
	}
	return 0
}

// obey turns a way to shut down into the signal that does the same. Where clients are to leave
// by themselves it waits for that, or for a signal.
func (in *instance) obey(mode admin.ShutdownMode, signals <-chan os.Signal) os.Signal {
	switch mode {
	case admin.ShutdownAtOnce:
		return syscall.SIGINT
	case admin.ShutdownWaitForServers:
		return syscall.SIGTERM
	}
	in.process.ShuttingDown.Store(true) // no new ones; but systemd would not wait for as long as clients may
	in.log.Info("waiting for clients to leave", "clients", in.proxy.Clients())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := make(chan struct{})
	go in.waitForClients(ctx, gone)
	select {
	case <-gone:
		return syscall.SIGTERM
	case mode = <-in.endings:
		if mode == admin.ShutdownAtOnce {
			return syscall.SIGINT
		}
		return syscall.SIGTERM
	case s := <-signals:
		return s
	}
}

func (in *instance) waitForClients(ctx context.Context, gone chan<- struct{}) {
	defer close(gone)
	in.proxy.WaitForClients(ctx)
}
