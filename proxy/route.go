package proxy

import (
	"sync"

	"portero/auth"
	"portero/config"
	"portero/metrics"
	"portero/pool"
)

// snapshot is the settings in force, with what was read for them. It is immutable: a
// reload puts another in its place, and who has begun with this one ends with it.
type snapshot struct {
	cfg     *config.Config
	auth    *auth.Authenticator
	courses sync.Map                  // of *course, each by its fork
	times   map[string]*metrics.Route // by the names of cfg's routes
}

// newSnapshot keeps the counters of the routes whose names are in before, which may be nil.
func newSnapshot(cfg *config.Config, a *auth.Authenticator, loops int, before *snapshot) *snapshot {
	s := &snapshot{cfg: cfg, auth: a, times: make(map[string]*metrics.Route, len(cfg.Routes))}
	for i := range cfg.Routes {
		name := cfg.Routes[i].Name
		if before != nil {
			s.times[name] = before.times[name]
		}
		if s.times[name] == nil {
			s.times[name] = metrics.NewRoute(loops)
		}
	}
	return s
}

// course is what clients have in common that came by one listener and are on one route, by
// one snapshot. They share it: each field would cost each client its size.
type course struct {
	by    *snapshot
	route *config.Route
	from  *listener
	times *metrics.Route // of the route
	reach pool.Reach     // likewise
}

// fork is what a course of a snapshot differs in from others.
type fork struct {
	route *config.Route
	from  *listener
}

func (s *snapshot) course(r *config.Route, l *listener) *course {
	at := fork{r, l}
	if known, ok := s.courses.Load(at); ok {
		return known.(*course)
	}
	known, _ := s.courses.LoadOrStore(at, &course{s, r, l, s.times[r.Name], pool.ReachOf(r)})
	return known.(*course)
}

// config is the settings in force.
func (p *Proxy) config() *config.Config { return p.now.Load().cfg }

// route returns the first route that matches, nil if none does. The listener goes by its
// address. passed, unless it is nil, is shown those before it, with what they differ in.
func (s *snapshot) route(listener, database, user string, passed func(i int, differs routePart)) *config.Route {
	for i := range s.cfg.Routes {
		r := &s.cfg.Routes[i]
		differs := differ(r, listener, database, user)
		if differs == sameRoute {
			return r
		}
		if passed != nil {
			passed(i, differs)
		}
	}
	return nil
}

// routePart is what of a route a client differs in.
type routePart byte

const (
	sameRoute routePart = iota // the route is for the client
	otherListener
	otherDatabase
	otherUser
)

// differ is the first part by which a route is not for a client.
func differ(r *config.Route, listener, database, user string) routePart {
	switch {
	case !matches(r.Listener, listener):
		return otherListener
	case !matches(r.Database, database):
		return otherDatabase
	case !matches(r.User, user):
		return otherUser
	}
	return sameRoute
}

func matches(pattern, s string) bool { return pattern == "*" || pattern == s }
