package config

import "time"

// The roles a listener or a route can ask for.
const (
	roleLeader  = "leader"
	roleReplica = "replica"
	rolePrefer  = "prefer-replica" // a replica, and the leader while none fits
	roleAny     = "any"
)

// The roles with YugabyteDB, beside any. The words are those of its drivers
// (load_balance).
const (
	roleOnlyPrimary   = "only-primary"
	roleOnlyReplica   = "only-rr"
	rolePreferPrimary = "prefer-primary" // and read replicas while no primary node is there
	rolePreferRR      = "prefer-rr"      // and primary nodes while no read replica is there
)

var (
	roles         = []string{roleLeader, roleReplica, rolePrefer, roleAny}
	yugabyteRoles = []string{roleAny, roleOnlyPrimary, roleOnlyReplica, rolePreferPrimary, rolePreferRR}
)

// rolesAt are the roles that a route to a cluster may have.
func (c *Config) rolesAt(cluster string) []string {
	if c.isYugabyte(cluster) {
		return yugabyteRoles
	}
	return roles
}

// isYugabyte reports whether a cluster is one of YugabyteDB.
func (c *Config) isYugabyte(cluster string) bool {
	for i := range c.Clusters {
		if cl := &c.Clusters[i]; cl.Name == cluster {
			return cl.Discovery == discoveryYB
		}
	}
	return false
}

// anything, as a route's listener, database or user, matches all of them.
const anything = "*"

// RouteRole is the role that a client of route r has who came through listener
// l: the route's own, else the listener's, else leader, or any where every node takes
// writes. l may be nil.
//
// The answer can differ from client to client only on routes of listener "*"
// in a file where some listener has a role; on all others Load fills in Role.
func (c *Config) RouteRole(r *Route, l *Listener) string {
	switch {
	case r.Role != "":
		return r.Role
	case l != nil && l.Role != "":
		return l.Role
	case c.isYugabyte(r.Cluster):
		return roleAny
	}
	return roleLeader
}

// RouteMaxLag is max_lag for a client of route r in a role: nobody lags behind
// himself, so that the leader has no bound.
func (r *Route) RouteMaxLag(role string) time.Duration {
	if role == roleLeader {
		return 0
	}
	return r.MaxLag
}

// TellsLag reports whether it can be known of members of a cluster how far they are behind.
func (c *Config) TellsLag(cluster string) bool { return !c.isYugabyte(cluster) }

// MeasuresLag reports whether a client may come to a cluster for whom its
// replicas have to be measured: their lag, or whether they answer at all.
func (c *Config) MeasuresLag(cluster string) bool {
	for i := range c.Routes {
		r := &c.Routes[i]
		if r.Cluster != cluster {
			continue
		}
		for j := range c.Listeners {
			role := c.RouteRole(r, &c.Listeners[j])
			if role == rolePrefer || r.RouteMaxLag(role) > 0 {
				return true
			}
		}
	}
	return false
}
