package config

import (
	"fmt"
	"strings"
	"time"
)

// sharedPool is what makes clients share a pool, as their route gives it. A
// name that no route mentions is "*": all such names fare alike.
type sharedPool struct {
	cluster  string
	group    int
	role     string
	maxLag   time.Duration
	mode     string
	database string // as the server names it
	user     string
}

// checkShared says which routes lead clients to one pool and disagree on its
// size. It follows a client of every listener, database and user that the file
// tells apart, so that it neither misses such routes nor suspects any whose
// clients an earlier route has taken.
func (c checker) checkShared() {
	if c.anyUnread("listener", "cluster", "route", "pool", "user") {
		return // who goes where is not certain
	}
	w := newWays(c.cfg)
	owners := make(map[sharedPool]int) // the first route that leads there
	for i := range c.cfg.Routes {
		told := make(map[string]bool)
		w.each(i, func(pool sharedPool) {
			c.checkSpreadMode(i, pool, told)
			if first, known := owners[pool]; known {
				c.checkAgree(first, i, pool, told)
			} else {
				owners[pool] = i
			}
		})
	}
}

// checkSpreadMode refuses to spread clients that keep their server to their end.
func (c checker) checkSpreadMode(i int, pool sharedPool, told map[string]bool) {
	if !c.cfg.Routes[i].IsSpread() || pool.mode != "session" || told["group"] {
		return
	}
	told["group"] = true
	c.fault(childKey(itemKey("route", i), "group"), `"any" gives each transaction a group, and session mode each client a server: %s would have pool_mode "session"`, nameOf("user", pool.user))
}

// checkAgree compares the sizes of two routes to one pool. told is what has
// been said of the later one.
func (c checker) checkAgree(first, i int, pool sharedPool, told map[string]bool) {
	a, b := &c.cfg.Routes[first], &c.cfg.Routes[i]
	differ := func(name string, there, here any) {
		if there == here || told[name] {
			return
		}
		told[name] = true
		c.fault(childKey(itemKey("route", i), name), "must be %v, as in route[%d]: both lead to one pool (%s, %s)",
			there, first+1, nameOf("database", pool.database), nameOf("user", pool.user))
	}
	there, here := c.cfg.Sizes(a, pool.user), c.cfg.Sizes(b, pool.user)
	differ("pool_size", there.Size, here.Size)
	differ("min_pool_size", there.Minimum, here.Minimum)
	differ("max_pinned", a.MaxPinned, b.MaxPinned)
	differ("reserve_pool_size", there.Reserve, here.Reserve)
	differ("max_db_connections", a.MaxDBConnections, b.MaxDBConnections)
	differ("server_lifetime", a.ServerLifetime, b.ServerLifetime)
	differ("connect_query", a.ConnectQuery, b.ConnectQuery)
	// A password is not to be seen.
	if a.ServerUser != "" && a.ServerUser == b.ServerUser && a.ServerPassword != b.ServerPassword && !told["server_password"] {
		told["server_password"] = true
		c.fault(childKey(itemKey("route", i), "server_password"), "must be the same as in route[%d]: both log in as %q", first+1, a.ServerUser)
	}
}

func nameOf(kind, name string) string {
	if name == anything {
		return "any " + kind
	}
	return fmt.Sprintf("%s %q", kind, name)
}

// anyUnread says whether something in one of the tables could not be read.
func (c checker) anyUnread(tables ...string) bool {
	for broken := range c.broken {
		for _, t := range tables {
			if rest, ok := strings.CutPrefix(broken, t); ok && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
				return true
			}
		}
	}
	return false
}

// ways finds the route of a client as the proxy does, and what names there are
// to ask for.
type ways struct {
	cfg       *Config
	first     map[match]int // the first route that asks for exactly this
	databases []string      // each that a route names, and "*" for the others
	users     []string      // likewise
}

// match is what a route asks of its clients.
type match struct{ listener, database, user string }

func newWays(cfg *Config) *ways {
	w := &ways{cfg: cfg, first: make(map[match]int)}
	databases, users := newNames(), newNames()
	for i, r := range cfg.Routes {
		m := match{r.Listener, r.Database, r.User}
		if _, known := w.first[m]; !known {
			w.first[m] = i
		}
		databases.add(r.Database)
		databases.add(r.DBName)
		users.add(r.User)
		users.add(r.ServerUser)
	}
	for _, u := range cfg.Users {
		users.add(u.Name)
	}
	w.databases, w.users = databases.list, users.list
	return w
}

// each calls fn with the pool of every client that route i gets.
func (w *ways) each(i int, fn func(sharedPool)) {
	r := &w.cfg.Routes[i]
	groups := w.cfg.sharedGroups(r)
	w.candidates(r, func(l *Listener, client match) {
		if w.route(client) == i {
			pool := w.pool(r, l, client.database, client.user)
			for _, pool.group = range groups {
				fn(pool)
			}
		}
	})
}

// candidates calls fn with every client that route r takes if no earlier one does.
func (w *ways) candidates(r *Route, fn func(*Listener, match)) {
	for j := range w.cfg.Listeners {
		l := &w.cfg.Listeners[j]
		if !covers(r.Listener, l.Address) {
			continue
		}
		for _, database := range matching(r.Database, w.databases) {
			for _, user := range matching(r.User, w.users) {
				fn(l, match{l.Address, database, user})
			}
		}
	}
}

// matching is which of the names a pattern takes.
func matching(pattern string, names []string) []string {
	if pattern == anything {
		return names
	}
	return []string{pattern}
}

// route is the first route that takes a client; there is one.
func (w *ways) route(client match) int {
	found := len(w.cfg.Routes)
	for _, l := range [...]string{client.listener, anything} {
		for _, d := range [...]string{client.database, anything} {
			for _, u := range [...]string{client.user, anything} {
				if i, ok := w.first[match{l, d, u}]; ok {
					found = min(found, i)
				}
			}
		}
	}
	return found
}

func (w *ways) pool(r *Route, l *Listener, database, user string) sharedPool {
	if r.DBName != "" {
		database = r.DBName
	}
	if r.ServerUser != "" {
		user = r.ServerUser
	}
	role := w.cfg.RouteRole(r, l)
	return sharedPool{r.Cluster, r.Group, role, r.RouteMaxLag(role), w.cfg.Sizes(r, user).Mode, database, user}
}

// names is a list without doubles, "*" first.
type names struct {
	list []string
	has  map[string]bool
}

func newNames() *names {
	return &names{list: []string{anything}, has: map[string]bool{"": true, anything: true}}
}

func (n *names) add(name string) {
	if !n.has[name] {
		n.has[name] = true
		n.list = append(n.list, name)
	}
}
