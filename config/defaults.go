package config

import (
	"strconv"
	"strings"
	"time"
)

// Where clients, servers and operators are when the file does not say.
const (
	defaultListen = "127.0.0.1:6432"
	defaultHost   = "127.0.0.1:5432"
	defaultAdmin  = "127.0.0.1:9632"
)

// DiscardAll is the server_reset_query that leaves nothing of a client.
const DiscardAll = "DISCARD ALL"

// Default is what an empty file gives: clients on 127.0.0.1:6432, who prove
// themselves by SCRAM, to the PostgreSQL on 127.0.0.1:5432. Auth.Users is
// "userlist.txt", which Load looks for beside the file. The caller owns the result.
func Default() *Config {
	cfg := &Config{
		Admin: Admin{Address: defaultAdmin},
		Log:   Log{Level: "info", Format: "text", Connections: true, StatsPeriod: 60 * time.Second},
		Pool:  defaultPool(),
		Auth:  defaultAuth(),
	}
	cfg.fillLists()
	cfg.fillNames()
	cfg.fillRoles()
	return cfg
}

// NoFile is what `portero serve` runs with when there is no file at all: as
// Default, but with no user file to ask, so that whoever reaches the loopback
// address is trusted. The caller owns the result.
func NoFile() *Config {
	cfg := Default()
	cfg.Auth.Method, cfg.Auth.Users = authTrust, ""
	return cfg
}

// defaultQuery is what PgBouncer asks by default (its documentation, auth_query).
// A role whose VALID UNTIL is over has no password any more.
const defaultQuery = "SELECT rolname, CASE WHEN rolvaliduntil < pg_catalog.now() THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin"

func defaultAuth() Auth {
	return Auth{Method: authSCRAM, Users: "userlist.txt", Query: defaultQuery, QueryMaxAge: time.Minute}
}

func defaultPool() Pool {
	return Pool{
		PoolMode:                "transaction",
		PoolSize:                20,
		MinPoolSize:             0,
		MaxLag:                  0,
		PinPolicy:               pinPin,
		PinIdleTimeout:          0,
		MaxPinned:               0,
		MaxClientConn:           10000,
		MaxLogins:               1000,
		MaxPools:                1000,
		MaxPreparedStatements:   200,
		MaxClientStatements:     4000,
		MaxClientStatementBytes: 16 << 20,
		MaxStatementBytes:       256 << 20,
		MaxClientSettingBytes:   8 << 10,
		ClientLoginTimeout:      60 * time.Second,
		ClientStallTimeout:      5 * time.Minute,
		QueryWaitTimeout:        120 * time.Second,
		QueryWaitNotify:         5 * time.Second,
		SwitchoverDrain:         5 * time.Second,
		ServerConnectTimeout:    5 * time.Second,
		ServerIdleTimeout:       10 * time.Minute,
		ServerLifetime:          time.Hour,
		ServerCheckDelay:        30 * time.Second,
		TCPKeepalive:            15 * time.Second,
		TCPUserTimeout:          10 * time.Second,
		CancelWaitTimeout:       10 * time.Second,
		ShutdownDelay:           0,
		ShutdownTimeout:         60 * time.Second,

		ReservePoolTimeout: 5 * time.Second,
		InternodeReserve:   2,
		ServerResetQuery:   DiscardAll,
	}
}

// newListener is a [[listener]] with nothing in it.
func newListener() Listener {
	return Listener{Address: defaultListen, TLS: ListenerTLS{Mode: tlsPrefer}}
}

// newCluster is a [[cluster]] with nothing in it.
func newCluster() Cluster {
	return Cluster{Discovery: discoveryStatic, Namespace: "/service", Refresh: 30 * time.Second, TLS: ServerTLS{Mode: tlsPrefer}}
}

// newRoute is a [[route]] with nothing in it, once [pool] is known.
func (c *Config) newRoute() Route {
	return Route{
		Listener: anything, Database: anything, User: anything, Readiness: true,
		PoolMode: c.Pool.PoolMode, PoolSize: c.Pool.PoolSize, MinPoolSize: c.Pool.MinPoolSize, MaxLag: c.Pool.MaxLag,
		PinPolicy: c.Pool.PinPolicy, PinIdleTimeout: c.Pool.PinIdleTimeout, MaxPinned: c.Pool.MaxPinned,
		ReservePoolSize: c.Pool.ReservePoolSize, MaxDBConnections: c.Pool.MaxDBConnections,
		MaxDBClientConnections: c.Pool.MaxDBClientConnections, ServerIdleTimeout: c.Pool.ServerIdleTimeout, ServerLifetime: c.Pool.ServerLifetime,
	}
}

// newAuthRule is a [[auth.rule]] with nothing in it.
func newAuthRule() AuthRule {
	return AuthRule{Database: []string{"all"}, User: []string{"all"}}
}

// fillLists puts one item into each list that is empty.
func (c *Config) fillLists() {
	if len(c.Listeners) == 0 {
		c.Listeners = []Listener{newListener()}
	}
	if len(c.Clusters) == 0 {
		local := newCluster()
		local.Name, local.Hosts = "local", []string{defaultHost}
		c.Clusters = []Cluster{local}
	}
	if len(c.Routes) == 0 {
		c.Routes = []Route{c.newRoute()}
		c.Routes[0].Cluster = c.Clusters[0].Name
	}
}

// fillNames gives a name to each route that has none: what it asks of its clients, so that
// it keeps the name when others come before it.
func (c *Config) fillNames() {
	for i := range c.Routes {
		if r := &c.Routes[i]; r.Name == "" {
			r.Name = r.asks()
		}
	}
}

// asks is what a route asks of its clients, which no other route does.
func (r *Route) asks() string {
	s := apart(r.Database) + "/" + apart(r.User)
	if r.Listener != anything {
		s += "@" + r.Listener
	}
	return s
}

// apart is a name that no name beside it runs into.
func apart(name string) string {
	if strings.ContainsAny(name, `/@"`) {
		return strconv.Quote(name)
	}
	return name
}

// fillRoles gives a role to each route whose role is the same for all of its
// clients; the others keep "", for RouteRole to answer.
func (c *Config) fillRoles() {
	for i := range c.Routes {
		r := &c.Routes[i]
		if r.Listener == anything && c.listenersHaveRoles() {
			continue
		}
		r.Role = c.RouteRole(r, c.listener(r.Listener))
	}
}

func (c *Config) listenersHaveRoles() bool {
	for _, l := range c.Listeners {
		if l.Role != "" {
			return true
		}
	}
	return false
}

// listener is the listener that a route names, nil for "*" and for none.
func (c *Config) listener(address string) *Listener {
	for i := range c.Listeners {
		if sameAddress(c.Listeners[i].Address, address) {
			return &c.Listeners[i]
		}
	}
	return nil
}
