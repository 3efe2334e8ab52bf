package proxy

import (
	"sync"

	"portero/auth"
	"portero/config"
	"portero/metrics"
)

// snapshot is the settings in force, with what was read for them. It is immutable: a
// reload puts another in its place, and who has begun with this one ends with it.
type snapshot struct {
	cfg     *config.Config
	auth    *auth.Authenticator
	courses sync.Map                  // of *course, each by its own value
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
}

func (s *snapshot) course(r *config.Route, l *listener) *course {
	c := course{s, r, l, s.times[r.Name]}
	if known, ok := s.courses.Load(c); ok {
		return known.(*course)
	}
	known, _ := s.courses.LoadOrStore(c, &c)
	return known.(*course)
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
