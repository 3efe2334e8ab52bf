package proxy

import (
	"portero/auth"
	"portero/config"
	"portero/pool"
)

// snapshot is the settings in force, with what was read for them. It is immutable: a
// reload puts another in its place, and who has begun with this one ends with it.
type snapshot struct {
	cfg  *config.Config
	auth *auth.Authenticator
}

// config is the settings in force.
func (p *Proxy) config() *config.Config { return p.now.Load().cfg }

// route returns the first route that matches, nil if none does.
func (s *snapshot) route(l *listener, database, user string) *config.Route {
	for i := range s.cfg.Routes {
		r := &s.cfg.Routes[i]
		if matches(r.Listener, l.address) && matches(r.Database, database) && matches(r.User, user) {
			return r
		}
	}
	return nil
}

func matches(pattern, s string) bool { return pattern == "*" || pattern == s }

// key is that of the pool for a client of a route who has come through a listener.
func (s *snapshot) key(r *config.Route, l *listener, database, user string) pool.Key {
	if r.DBName != "" {
		database = r.DBName
	}
	role := s.cfg.RouteRole(r, l.terms.Load().cfg)
	return pool.Key{Cluster: r.Cluster, Group: r.Group, Role: role, MaxLag: r.RouteMaxLag(role), Mode: r.PoolMode, Database: database, User: user}
}
