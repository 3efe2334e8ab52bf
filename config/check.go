package config

import (
	"slices"
	"strings"
	"time"
)

// maxServers is the most connections that a PostgreSQL server can be set to take.
const maxServers = 262143

// The words of settings that the code itself asks about.
const (
	authTrust       = "trust"
	authCert        = "cert"
	authSCRAM       = "scram-sha-256"
	authLDAP        = "ldap"
	authPAM         = "pam"
	tlsDisable      = "disable"
	tlsPrefer       = "prefer"
	tlsRequire      = "require"
	tlsVerifyCA     = "verify-ca"
	tlsVerifyFull   = "verify-full"
	discoveryStatic = "static"
	discoveryEtcd   = "patroni"
	discoveryYB     = "yugabyte"
	pinPin          = "pin"
)

// checker finds what the types let through. It changes nothing.
type checker struct {
	*report
	cfg *Config
}

func (c checker) check() {
	c.checkLog()
	c.checkZone()
	c.checkListeners()
	c.checkAdmin()
	c.checkClusters()
	c.checkPool()
	c.checkRoutes()
	c.checkUsers()
	c.checkShared()
	c.checkAuth()
}

func (c checker) checkLog() {
	c.oneOf("log.level", c.cfg.Log.Level, "debug", "info", "warn", "error")
	c.oneOf("log.format", c.cfg.Log.Format, "text", "json")
	c.secondsOr0("log.stats_period", c.cfg.Log.StatsPeriod)
}

func (c checker) checkAdmin() {
	if path := c.cfg.Admin.Takeover; len(path) > maxSocketPath {
		c.fault("admin.takeover", "must be at most %d bytes, not %d", maxSocketPath, len(path))
	}
	c.checkNames("admin.users", c.cfg.Admin.Users)
	c.checkNames("admin.stats_users", c.cfg.Admin.StatsUsers)
	address := c.cfg.Admin.Address
	if address == "" {
		return
	}
	if strings.HasPrefix(address, unixPrefix) {
		c.fault("admin.address", "must be host:port, not %q", address)
		return
	}
	c.checkAddress("admin.address", address, checkListen)
	c.checkFree("admin.address", address, c.cfg.Listeners)
}

func (c checker) checkNames(key string, names []string) {
	for i, name := range names {
		if name == "" && !c.unread(itemKey(key, i)) {
			c.fault(itemKey(key, i), "must not be empty")
		}
	}
}

func (c checker) checkListeners() {
	for i := range c.cfg.Listeners {
		l, key := &c.cfg.Listeners[i], itemKey("listener", i)
		address := childKey(key, "address")
		c.checkAddress(address, l.Address, checkPlace)
		c.checkFree(address, l.Address, c.cfg.Listeners[:i])
		if l.Role != "" {
			c.checkListenerRole(childKey(key, "role"), l)
		}
		if l.ReusePort && strings.HasPrefix(l.Address, unixPrefix) {
			c.fault(childKey(key, "reuse_port"), "has no use on a Unix socket, at which only one process listens")
		}
		c.checkListenerTLS(childKey(key, "tls"), l)
	}
}

// checkFree says which of the first listeners has the address at key already.
func (c checker) checkFree(key, address string, listeners []Listener) {
	for i, l := range listeners {
		if collide(l.Address, address) && !c.unread(childKey(itemKey("listener", i), "address")) {
			c.fault(key, "collides with listener[%d], %s", i+1, l.Address)
			return
		}
	}
}

func (c checker) checkListenerTLS(key string, l *Listener) {
	t, mode, clientCA := &l.TLS, childKey(key, "mode"), childKey(key, "client_ca")
	c.oneOf(mode, t.Mode, tlsDisable, tlsPrefer, tlsRequire)
	c.checkPair(key, t.Cert, t.Key)
	c.checkAuthorities(clientCA, t.ClientCA)
	if strings.HasPrefix(l.Address, unixPrefix) {
		c.checkSocketTLS(key, t)
		return
	}
	if t.ClientCA != "" && (t.Mode == tlsDisable || t.Mode == tlsPrefer) {
		c.fault(mode, "must be require, or left out, with client_ca: %s would let clients in without a certificate", t.Mode)
	}
	if t.Cert != "" || t.Key != "" || c.unread(childKey(key, "cert")) || c.unread(childKey(key, "key")) {
		return
	}
	if t.Mode == tlsRequire && c.given[mode] {
		c.fault(mode, "require needs cert and key")
	}
	if t.ClientCA != "" {
		c.fault(clientCA, "needs cert and key")
	}
}

// checkSocketTLS says what makes no sense on a Unix socket.
func (c checker) checkSocketTLS(key string, t *ListenerTLS) {
	mode := childKey(key, "mode")
	for _, s := range []struct {
		key   string
		given bool
	}{
		{childKey(key, "cert"), t.Cert != ""}, {childKey(key, "key"), t.Key != ""},
		{childKey(key, "client_ca"), t.ClientCA != ""}, {mode, t.Mode == tlsRequire && c.given[mode]},
	} {
		if s.given {
			c.fault(s.key, "has no use on a Unix socket, whose clients come without TLS")
		}
	}
}

func (c checker) checkPool() {
	p := &c.cfg.Pool
	c.checkSizes("pool", p.PoolMode, p.PoolSize, p.MinPoolSize)
	c.secondsOr0("pool.max_lag", p.MaxLag) // it is measured once a second
	c.checkPins("pool", p.PinPolicy, p.PinIdleTimeout, p.MaxPinned)
	c.checkLimits("pool", limits{
		"reserve_pool_size": p.ReservePoolSize, "internode_reserve": p.InternodeReserve, "max_db_connections": p.MaxDBConnections, "max_user_connections": p.MaxUserConnections,
		"max_db_client_connections": p.MaxDBClientConnections, "max_user_client_connections": p.MaxUserClientConnections,
	})
	c.checkTimeouts("pool", timeouts{
		"query_timeout": p.QueryTimeout, "transaction_timeout": p.TransactionTimeout, "idle_transaction_timeout": p.IdleTransactionTimeout,
		"client_idle_timeout": p.ClientIdleTimeout, "reserve_pool_timeout": p.ReservePoolTimeout,
	})
	if p.MaxClientConn < 1 {
		c.fault("pool.max_client_conn", "must be at least 1")
	}
	switch {
	case p.MaxLogins < 1:
		c.fault("pool.max_logins", "must be at least 1")
	case p.MaxClientConn < 1, c.unread("pool.max_client_conn"): // which is the fault
	case p.MaxLogins > p.MaxClientConn && c.given["pool.max_logins"]:
		c.fault("pool.max_logins", "must be at most max_client_conn, which is %d", p.MaxClientConn)
	}
	c.atLeast1("pool.max_pools", p.MaxPools)
	c.atLeast1("pool.max_prepared_statements", p.MaxPreparedStatements)
	c.atLeast1("pool.max_client_statements", p.MaxClientStatements)
	c.atLeast1("pool.max_client_statement_bytes", p.MaxClientStatementBytes)
	c.atLeast1("pool.max_statement_bytes", p.MaxStatementBytes)
	c.atLeast1("pool.max_client_setting_bytes", p.MaxClientSettingBytes)
	// Without an end to these, what waits for a dead peer would stay for good.
	c.above0("pool.client_login_timeout", p.ClientLoginTimeout)
	c.above0("pool.server_connect_timeout", p.ServerConnectTimeout)
	c.above0("pool.cancel_wait_timeout", p.CancelWaitTimeout)
	c.atLeast0("pool.client_stall_timeout", p.ClientStallTimeout)
	c.atLeast0("pool.query_wait_timeout", p.QueryWaitTimeout)
	c.atLeast0("pool.query_wait_notify", p.QueryWaitNotify)
	c.atLeast0("pool.switchover_drain", p.SwitchoverDrain)
	c.atLeast0("pool.server_idle_timeout", p.ServerIdleTimeout)
	c.atLeast0("pool.server_lifetime", p.ServerLifetime)
	c.atLeast0("pool.server_check_delay", p.ServerCheckDelay)
	c.atLeast0("pool.shutdown_delay", p.ShutdownDelay)
	c.atLeast0("pool.shutdown_timeout", p.ShutdownTimeout)
	// The kernel counts the one in seconds; the other is looked at once a second.
	c.secondsOr0("pool.tcp_keepalive", p.TCPKeepalive)
	c.secondsOr0("pool.tcp_user_timeout", p.TCPUserTimeout)
}

// checkSizes checks the settings that [pool] and routes share, as far as the
// table gives them: what a route has from [pool] is checked there.
func (c checker) checkSizes(table, mode string, size, minSize int) {
	modeKey, sizeKey, minKey := childKey(table, "pool_mode"), childKey(table, "pool_size"), childKey(table, "min_pool_size")
	if c.given[modeKey] {
		c.oneOf(modeKey, mode, "session", "transaction", "statement")
	}
	if c.given[minKey] && minSize < 0 {
		c.fault(minKey, "must be at least 0")
	}
	switch {
	case c.given[sizeKey] && size < 1:
		c.fault(sizeKey, "must be at least 1")
	case c.given[sizeKey] && size > maxServers:
		c.fault(sizeKey, "must be at most %d", maxServers)
	case c.given[minKey] && minSize > size:
		c.fault(minKey, "must be at most pool_size, which is %d", size)
	case c.given[sizeKey] && minSize > size:
		c.fault(sizeKey, "must be at least min_pool_size, which is %d", minSize)
	}
}

func (c checker) checkAddress(key, address string, wrong func(string) error) {
	if err := wrong(address); err != nil {
		c.fault(key, "%s", err)
	}
}

func (c checker) oneOf(key, value string, words ...string) {
	if !slices.Contains(words, value) {
		c.fault(key, "must be one of %s, not %q", strings.Join(words, ", "), value)
	}
}

// shortest is the least time that is worth waiting for anything: less is a slip
// of the pen.
const shortest = time.Millisecond

// shortestRefresh is the least time between two questions for the list of all nodes.
const shortestRefresh = time.Second

func (c checker) atLeast1(key string, n int) {
	if n < 1 {
		c.fault(key, "must be at least 1")
	}
}

func (c checker) atLeast0(key string, d time.Duration) {
	switch {
	case d < 0:
		c.fault(key, "must be at least 0")
	case d > 0 && d < shortest:
		c.fault(key, "must be 0 or at least %s", shortest)
	}
}

func (c checker) secondsOr0(key string, d time.Duration) {
	if d != 0 && d < time.Second {
		c.fault(key, "must be 0 or at least 1s")
	}
}

func (c checker) above0(key string, d time.Duration) {
	switch {
	case d <= 0:
		c.fault(key, "must be more than 0")
	case d < shortest:
		c.fault(key, "must be at least %s", shortest)
	}
}
