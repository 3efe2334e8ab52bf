package proxy

import (
	"portero/auth"
	"portero/config"
	"portero/pool"
)

// target is which pool the clients of a route get, and on what terms.
type target struct {
	key   pool.Key
	reach pool.Reach // over which groups its transactions are spread; key is then the coordinator's
	terms pool.Terms
}

// target is that of a client that comes through a listener and names a database and a
// user.
func (s *snapshot) target(r *config.Route, l *config.Listener, database, user string) target {
	cfg := s.cfg
	if r.DBName != "" {
		database = r.DBName
	}
	if r.ServerUser != "" {
		user = r.ServerUser
	}
	role, sizes := cfg.RouteRole(r, l), cfg.Sizes(r, user)
	return target{
		key:   pool.Key{Cluster: r.Cluster, Group: r.HomeGroup(), Role: role, MaxLag: r.RouteMaxLag(role), Mode: sizes.Mode, Database: database, User: user},
		reach: pool.ReachOf(r),
		terms: pool.Terms{
			Size: sizes.Size, Minimum: sizes.Minimum, Reserve: sizes.Reserve,
			MaxDatabase: r.MaxDBConnections, MaxUser: cfg.User(user).MaxUserConnections,
			Lifetime: r.ServerLifetime, ConnectQuery: r.ConnectQuery,
		},
	}
}

// serverCredentials is what to log in to servers with for a client of a route
// that has brought some of its own.
func (s *snapshot) serverCredentials(r *config.Route, own auth.Credentials) auth.Credentials {
	switch {
	case r.ServerUser == "":
		return own
	case r.ServerPassword != "":
		return auth.Password(r.ServerPassword)
	}
	return s.auth.Stored(r.ServerUser)
}

// keepOpen has the pools of routes with a user of their own keep their minimum of
// servers, though no client has come yet: who else may come is not known.
func (p *Proxy) keepOpen() {
	now := p.now.Load()
	for i := range now.cfg.Routes {
		r := &now.cfg.Routes[i]
		database := r.Database
		if r.DBName != "" {
			database = r.DBName
		}
		if r.ServerUser == "" || database == "*" {
			continue
		}
		for k := range now.cfg.Listeners {
			l := &now.cfg.Listeners[k]
			if !matches(r.Listener, l.Address) {
				continue
			}
			t := now.target(r, l, database, "")
			if t.terms.Minimum == 0 {
				continue
			}
			p.pools.Keep(t.key, t.terms, now.serverCredentials(r, auth.Credentials{}))
			for _, share := range r.Shares() {
				t.key.Group = share.Group
				p.pools.Keep(t.key, t.terms, now.serverCredentials(r, auth.Credentials{}))
			}
		}
	}
}
