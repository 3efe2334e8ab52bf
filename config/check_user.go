package config

import (
	"maps"
	"slices"
	"time"
)

// limits and timeouts are settings of one kind, by their names in a table.
type (
	limits   map[string]int
	timeouts map[string]time.Duration
)

// checkLimits checks what a table gives of numbers of clients and servers, of
// which 0 means none.
func (c checker) checkLimits(table string, all limits) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		key, n := childKey(table, name), all[name]
		switch {
		case !c.given[key]:
		case n < 0:
			c.fault(key, "must be at least 0")
		case n > maxServers && (name == "reserve_pool_size" || name == "internode_reserve"):
			c.fault(key, "must be at most %d", maxServers)
		}
	}
}

// checkTimeouts does the same for times.
func (c checker) checkTimeouts(table string, all timeouts) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if key := childKey(table, name); c.given[key] {
			c.atLeast0(key, all[name])
		}
	}
}

func (c checker) checkUsers() {
	for i := range c.cfg.Users {
		u, key := &c.cfg.Users[i], itemKey("user", i)
		c.checkUserName(key, u.Name, c.cfg.Users[:i])
		c.checkSizes(key, u.PoolMode, u.PoolSize, 0)
		c.checkLimits(key, limits{
			"reserve_pool_size": u.ReservePoolSize, "max_user_connections": u.MaxUserConnections,
			"max_user_client_connections": u.MaxUserClientConnections,
		})
		c.checkTimeouts(key, timeouts{
			"query_timeout": u.QueryTimeout, "transaction_timeout": u.TransactionTimeout,
			"idle_transaction_timeout": u.IdleTransactionTimeout, "client_idle_timeout": u.ClientIdleTimeout,
			"query_wait_timeout": u.QueryWaitTimeout,
		})
	}
}

func (c checker) checkUserName(table, name string, before []User) {
	key := childKey(table, "name")
	switch {
	case name == "":
		c.fault(key, "must be given")
	case name == anything:
		c.fault(key, "must be a name: what is for all users stands in [pool]")
	}
	for j, other := range before {
		if name != "" && other.Name == name {
			c.fault(key, "%q is the name of user[%d]", name, j+1)
			return
		}
	}
}

// checkServerUser says what is wrong with whom a route logs in as.
func (c checker) checkServerUser(key string, r *Route) {
	if r.ServerPassword != "" && r.ServerUser == "" {
		c.fault(childKey(key, "server_password"), "has no use without server_user: clients log in as they do to us")
	}
	if r.ServerUser == anything {
		c.fault(childKey(key, "server_user"), "must be a name")
	}
}
