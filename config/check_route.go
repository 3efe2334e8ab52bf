package config

import (
	"slices"
	"strings"
)

func (c checker) checkRoutes() {
	for i := range c.cfg.Routes {
		r, key := &c.cfg.Routes[i], itemKey("route", i)
		c.checkRouteName(key, i)
		c.checkMatch(key, r)
		c.checkTarget(key, r)
		c.checkAnyGroup(key, r)
		if r.Role != "" && c.given[childKey(key, "role")] {
			c.checkRouteRole(childKey(key, "role"), r)
		}
		c.checkMaxLag(key, r)
		c.checkSizes(key, r.PoolMode, r.PoolSize, r.MinPoolSize)
		c.checkPins(key, r.PinPolicy, r.PinIdleTimeout, r.MaxPinned)
		c.checkLimits(key, limits{
			"reserve_pool_size": r.ReservePoolSize, "max_db_connections": r.MaxDBConnections, "max_db_client_connections": r.MaxDBClientConnections,
		})
		c.checkTimeouts(key, timeouts{"server_idle_timeout": r.ServerIdleTimeout, "server_lifetime": r.ServerLifetime})
		c.checkServerUser(key, r)
		c.checkReach(i)
	}
}

// checkRouteName checks that a route's name, if the file gives it one, is no other's.
func (c checker) checkRouteName(key string, i int) {
	name := childKey(key, "name")
	if !c.given[name] || c.unread(name) {
		return
	}
	for j := range c.cfg.Routes {
		if j == i || c.cfg.Routes[j].Name != c.cfg.Routes[i].Name {
			continue
		}
		later := j > i && c.given[childKey(itemKey("route", j), "name")] // which is told itself
		if !later && !c.unreadMatch(j) {
			c.fault(name, "must be unique: route[%d] is called %q", j+1, c.cfg.Routes[i].Name)
			return
		}
	}
}

// checkMatch checks what a route asks of a client.
func (c checker) checkMatch(key string, r *Route) {
	if r.Database == "" {
		c.fault(childKey(key, "database"), `must be a name or "*"`)
	}
	if r.User == "" {
		c.fault(childKey(key, "user"), `must be a name or "*"`)
	}
	if r.Listener != anything && c.cfg.listener(r.Listener) == nil && c.allRead("listener", len(c.cfg.Listeners), "address") {
		c.fault(childKey(key, "listener"), `must be the address of a listener or "*", not %q`, r.Listener)
	}
}

// checkTarget checks where a route leads to.
func (c checker) checkTarget(key string, r *Route) {
	if c.lines[key] == 0 {
		return // a route of ours, to the first cluster, whose name may be at fault
	}
	cluster := childKey(key, "cluster")
	byName := func(cl Cluster) bool { return cl.Name == r.Cluster }
	i := slices.IndexFunc(c.cfg.Clusters, byName)
	switch {
	case r.Cluster == "" && c.given[cluster]:
		c.fault(cluster, "must not be empty")
	case r.Cluster == "" && len(c.cfg.Clusters) > 1:
		c.fault(cluster, "must be given, because there are %d clusters", len(c.cfg.Clusters))
	case i < 0 && c.allRead("cluster", len(c.cfg.Clusters), "name"):
		c.fault(cluster, "there is no cluster %q", r.Cluster)
	}
	group := childKey(key, "group")
	switch {
	case r.Group > 0 && i >= 0 && !c.cfg.Clusters[i].Citus && !c.unread(childKey(itemKey("cluster", i), "citus")):
		c.fault(group, "must be 0, because cluster %q has no groups (citus = false)", r.Cluster)
	}
}

// checkMaxLag checks the bound that a route gives to its replicas.
func (c checker) checkMaxLag(key string, r *Route) {
	maxLag := childKey(key, "max_lag")
	switch {
	case !c.given[maxLag]:
	case c.cfg.isYugabyte(r.Cluster):
		c.fault(maxLag, "has no use with discovery yugabyte, whose nodes do not tell how far they are behind")
	case r.Role == roleLeader && c.given[childKey(key, "role")] && r.MaxLag != 0:
		c.fault(maxLag, "has no use with role leader, which does not lag behind itself")
	case r.MaxLag != 0 && c.leadsToLeaders(key, r):
		c.fault(maxLag, "has no use, as neither the route nor a listener of it has another role than leader, which does not lag behind itself")
	default:
		c.secondsOr0(maxLag, r.MaxLag)
	}
}

// leadsToLeaders reports whether all clients of a route come to leaders, as far as is known.
func (c checker) leadsToLeaders(key string, r *Route) bool {
	if c.unread(childKey(key, "role")) {
		return false
	}
	comes := false
	for i := range c.cfg.Listeners {
		l := &c.cfg.Listeners[i]
		if !covers(r.Listener, l.Address) {
			continue
		}
		if comes = true; c.cfg.RouteRole(r, l) != roleLeader || c.unread(childKey(itemKey("listener", i), "role")) {
			return false
		}
	}
	return comes
}

// checkReach says when a route before the one at index i takes all its clients.
func (c checker) checkReach(i int) {
	r := &c.cfg.Routes[i]
	for j := range i {
		if c.cfg.Routes[j].covers(r) && !c.unreadMatch(i) && !c.unreadMatch(j) {
			c.fault(itemKey("route", i), "can never match: shadowed by route[%d]", j+1)
			return
		}
	}
}

// covers says whether r matches every client that other matches.
func (r *Route) covers(other *Route) bool {
	return covers(r.Listener, other.Listener) && covers(r.Database, other.Database) && covers(r.User, other.User)
}

func covers(pattern, other string) bool {
	return pattern == anything || pattern == other
}

// unreadMatch says whether something in a route could not be read, so that it
// may be meant for fewer clients than it seems.
func (c checker) unreadMatch(i int) bool {
	key := itemKey("route", i)
	for broken := range c.broken {
		if broken == key || strings.HasPrefix(broken, key+".") {
			return true
		}
	}
	return false
}

// allRead says whether the key name of all n items of list is known, so that
// what is missing there is missing in the file.
func (c checker) allRead(list string, n int, name string) bool {
	for i := range n {
		if c.unread(childKey(itemKey(list, i), name)) {
			return false
		}
	}
	return true
}
