package proxy

import (
	"portero/config"
)

// route returns the first route that matches, nil if none does.
func (p *Proxy) route(l *config.Listener, database, user string) *config.Route {
	for i := range p.cfg.Routes {
		r := &p.cfg.Routes[i]
		if matches(r.Listener, l.Address) && matches(r.Database, database) && matches(r.User, user) {
			return r
		}
	}
	return nil
}

func matches(pattern, s string) bool { return pattern == "*" || pattern == s }
