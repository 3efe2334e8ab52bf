package config

// The roles a listener or a route can ask for.
const (
	roleLeader  = "leader"
	roleReplica = "replica"
	roleAny     = "any"
)

// anything, as a route's listener, database or user, matches all of them.
const anything = "*"

// RouteRole is the role that a client of route r has who came through listener
// l: the route's own, else the listener's, else leader. l may be nil.
//
// The answer can differ from client to client only on routes of listener "*"
// in a file where some listener has a role; on all others Load fills in Role.
func (c *Config) RouteRole(r *Route, l *Listener) string {
	switch {
	case r.Role != "":
		return r.Role
	case l != nil && l.Role != "":
		return l.Role
	}
	return roleLeader
}
