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
)

// newConsole wires the console to what it shows and does.
func (in *instance) newConsole() *admin.Console {
	return admin.NewConsole(admin.ConsoleOptions{
		Version: version(), Started: in.started, ListenPort: listenPort(in.cfg),
		Pools: in.pools.States, Candidates: in.pools.Candidates, Groups: in.pools.Groups, Failovers: in.pools.Failovers,
		Databases: func() []metrics.DatabaseState { return databases(in.cfg, in.pools.States()) },
		Users:     func() []string { return namedUsers(in.cfg) },
		Settings:  func() []admin.Setting { return consoleSettings(in.cfg) },
		Listeners: func() []string { return in.listening },
		Ready:     in.notReady,
		Process:   in.process,

		Shutdown:       in.askToEnd,
		AcceptTimeline: in.acceptTimeline,

		StatsPeriod: func() time.Duration { return in.cfg.Log.StatsPeriod },
		Log:         in.log,
	})
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
		d.ServerLifetime = cfg.Pool.ServerLifetime
		if d.PoolMode == cfg.Pool.PoolMode {
			d.PoolMode = "" // that of all
		}
		all = append(all, d)
	}
	for i := range cfg.Routes {
		if r := &cfg.Routes[i]; r.Database != "*" {
			add(metrics.DatabaseState{Name: r.Database, Database: cmp.Or(r.DBName, r.Database), PoolSize: r.PoolSize, MinPoolSize: r.MinPoolSize, PoolMode: r.PoolMode}, r.Cluster)
		}
	}
	for i := range pools {
		p := &pools[i]
		add(metrics.DatabaseState{Name: cmp.Or(p.Name, p.Labels.Database), Database: p.Labels.Database, PoolSize: p.Size, MinPoolSize: p.MinSize, PoolMode: p.Labels.Mode}, p.Labels.Cluster)
	}
	return all
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

// namedUsers are those that the configuration names.
func namedUsers(cfg *config.Config) []string {
	all := slices.Concat(cfg.Admin.Users, cfg.Admin.StatsUsers)
	for i := range cfg.Routes {
		if u := cfg.Routes[i].User; u != "*" {
			all = append(all, u)
		}
	}
	return all
}

// listenPort is the port of the first listener that has one.
func listenPort(cfg *config.Config) int {
	_, port := listenTCP(cfg)
	return port
}

// listenTCP is where the first listener is that is no Unix socket.
func listenTCP(cfg *config.Config) (host string, port int) {
	for i := range cfg.Listeners {
		address := cfg.Listeners[i].Address
		if strings.HasPrefix(address, "unix:") {
			continue
		}
		host, text, _ := net.SplitHostPort(address) // checked by config
		port, _ := strconv.Atoi(text)
		return cmp.Or(host, "*"), port
	}
	return "", 0
}

// consoleSettings are those that PgBouncer has a name for, which readers of its console look
// for. Nothing of it can be changed without a restart.
func consoleSettings(cfg *config.Config) []admin.Setting {
	d := config.Default()
	p, q := &cfg.Pool, &d.Pool
	all := []admin.Setting{
		{Key: "admin_users", Value: strings.Join(cfg.Admin.Users, ",")},
		{Key: "auth_type", Value: authType(cfg), Default: authType(d)},
		setting("cancel_wait_timeout", p.CancelWaitTimeout, q.CancelWaitTimeout),
		setting("client_login_timeout", p.ClientLoginTimeout, q.ClientLoginTimeout),
		number("default_pool_size", p.PoolSize, q.PoolSize),
		{Key: "listen_addr", Value: listenAddress(cfg), Default: listenAddress(d)},
		number("listen_port", listenPort(cfg), listenPort(d)),
		number("max_client_conn", p.MaxClientConn, q.MaxClientConn),
		number("max_db_client_connections", 0, 0),
		number("max_db_connections", 0, 0),
		number("max_prepared_statements", p.MaxPreparedStatements, q.MaxPreparedStatements),
		number("max_user_client_connections", 0, 0),
		number("max_user_connections", 0, 0),
		number("min_pool_size", p.MinPoolSize, q.MinPoolSize),
		{Key: "pool_mode", Value: p.PoolMode, Default: q.PoolMode},
		setting("query_wait_notify", p.QueryWaitNotify, q.QueryWaitNotify),
		setting("query_wait_timeout", p.QueryWaitTimeout, q.QueryWaitTimeout),
		number("reserve_pool_size", 0, 0),
		setting("server_check_delay", p.ServerCheckDelay, q.ServerCheckDelay),
		setting("server_connect_timeout", p.ServerConnectTimeout, q.ServerConnectTimeout),
		setting("server_idle_timeout", p.ServerIdleTimeout, q.ServerIdleTimeout),
		setting("server_lifetime", p.ServerLifetime, q.ServerLifetime),
		setting("stats_period", cfg.Log.StatsPeriod, d.Log.StatsPeriod),
		{Key: "stats_users", Value: strings.Join(cfg.Admin.StatsUsers, ",")},
	}
	return all
}

func number(key string, value, otherwise int) admin.Setting {
	return admin.Setting{Key: key, Value: strconv.Itoa(value), Default: strconv.Itoa(otherwise)}
}

// setting is a time in seconds, as PgBouncer has them.
func setting(key string, value, otherwise time.Duration) admin.Setting {
	seconds := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
	return admin.Setting{Key: key, Value: seconds(value), Default: seconds(otherwise)}
}

func authType(cfg *config.Config) string {
	if cfg.Auth.HBAFile != "" || len(cfg.Auth.Rules) > 0 {
		return "hba"
	}
	return cfg.Auth.Method
}

func listenAddress(cfg *config.Config) string {
	host, _ := listenTCP(cfg)
	return host
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
