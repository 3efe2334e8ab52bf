package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"portero/config"
)

// nodeWay is how a Citus node gets to a group through Portero.
type nodeWay struct {
	group  int
	dbname string // by which a route is chosen; "" = no route leads there
	asOne  string // with dbname "": the same of one that does, with server_user; "" = none does
}

// ways are those to all groups that etcd knows, in their order.
func (s *citusScene) ways() (ways []nodeWay) {
	for _, g := range slices.Sorted(maps.Keys(s.view.Groups)) {
		w := nodeWay{group: g, dbname: s.wayTo(s.listener, g)}
		if w.dbname == "" {
			w.asOne = s.nameTo(s.listener, g, true)
		}
		ways = append(ways, w)
	}
	return ways
}

// wayTo is the database name by which users whom no route names get to a group's leader, in the
// database that Citus is in, by a listener. Transactions of several statements must go. Routes
// with server_user are none: nodes log in as each user that runs queries, and all would be that one.
func (s *citusScene) wayTo(l *config.Listener, group int) string { return s.nameTo(l, group, false) }

// nameTo is wayTo by routes with server_user, or by those without.
func (s *citusScene) nameTo(l *config.Listener, group int, asOne bool) string {
	names := []string{}
	for i := range s.cfg.Routes {
		if name := s.cfg.Routes[i].Database; name != "*" {
			names = append(names, name)
		}
	}
	for _, name := range append(names, s.database) { // by a route for all databases
		r := s.cfg.RouteFor(l.Address, name, "")
		if s.isWay(r, l, name, group) && (r.ServerUser != "") == asOne {
			return name
		}
	}
	return ""
}

// isWay reports whether a route leads to a group's leader in the database that Citus is in.
func (s *citusScene) isWay(r *config.Route, l *config.Listener, name string, group int) bool {
	return r != nil && r.Cluster == s.cluster.Name && r.Group == group && r.ServerDatabase(name) == s.database &&
		s.cfg.RouteRole(r, l) == "leader" && r.PoolMode != "statement"
}

// likeliestListener is the one that leads to most groups, of those with the port if there are
// such. Unix sockets come last: a node reaches only its own host's.
func (s *citusScene) likeliestListener(port string) *config.Listener {
	groups := make(map[int]bool)
	for i := range s.cfg.Routes {
		if g := s.cfg.Routes[i].Group; g >= 0 {
			groups[g] = true
		}
	}
	worth := func(l *config.Listener) (n int) {
		for g := range groups {
			if s.wayTo(l, g) != "" {
				n += 4
			}
		}
		if _, its := placeOf(l.Address); its == port {
			n += 4 * len(groups)
		}
		if !strings.HasPrefix(l.Address, "unix:") {
			n += 2
		}
		return n
	}
	best := &s.cfg.Listeners[0]
	for i := range s.cfg.Listeners {
		if l := &s.cfg.Listeners[i]; worth(l) > worth(best) {
			best = l
		}
	}
	return best
}

// isListeners reports whether it is the file's own listener that nodes are pointed at, not one that
// only they know, as behind another address.
func (s *citusScene) isListeners() bool {
	_, port := placeOf(s.listener.Address)
	return port == s.port
}

// citusDatabase is the one that the routes to a cluster's leaders lead to, those to workers
// if there are such.
func citusDatabase(cfg *config.Config, cluster string) (string, error) {
	workers, all := make(map[string]bool), make(map[string]bool)
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		name := r.ServerDatabase(r.Database)
		if r.Cluster != cluster || name == "*" || r.Role != "" && r.Role != "leader" {
			continue
		}
		all[name] = true
		if r.Group > 0 {
			workers[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(workers))
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(all))
	}
	switch len(names) {
	case 0:
		return "", fmt.Errorf("no route to cluster %s names a database: give --database, the one that Citus is in", cluster)
	case 1:
		return names[0], nil
	}
	return "", fmt.Errorf("routes to cluster %s lead to several databases: give --database, one of %s", cluster, strings.Join(names, ", "))
}

// missingRoute is what proxy.toml lacks for a group.
func (s *citusScene) missingRoute(group int) string {
	name := s.freeName(group)
	lines := []string{"[[route]]", "database = " + tomlText(name), "cluster = " + tomlText(s.cluster.Name), "group = " + strconv.Itoa(group), `role = "leader"`}
	if name != s.database {
		lines = append(lines, "dbname = "+tomlText(s.database))
	}
	return strings.Join(lines, "\n")
}

// freeName is a name for a group's database that no route has.
func (s *citusScene) freeName(group int) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(s.cfg.Routes, func(r config.Route) bool { return r.Database == name })
	}
	name := s.database
	if group > 0 {
		name += "_w" + strconv.Itoa(group)
	}
	for taken(name) {
		name += "_node"
	}
	return name
}

// tomlText is a text as TOML has it.
func tomlText(text string) string { return strconv.Quote(text) }

// conninfo is what pg_dist_poolinfo is to have for a way. Citus takes these three keys and no other
// (poolinfo_valid, in its sql/citus--7.5-6--7.5-7.sql).
func (s *citusScene) conninfo(w nodeWay) string {
	return "host=" + conninfoValue(s.host) + " port=" + conninfoValue(s.port) + " dbname=" + conninfoValue(w.dbname)
}

// conninfoValue is a value of a connection string, in quotes where libpq needs them.
func conninfoValue(value string) string {
	if value != "" && !strings.ContainsAny(value, " \t\r\n\v\f'\\=") {
		return value
	}
	return quoted(value)
}

// parseConninfo reads a connection string of key=value pairs as libpq does.
func parseConninfo(text string) (map[string]string, bool) {
	found := make(map[string]string)
	for rest := strings.TrimLeft(text, spaces); rest != ""; rest = strings.TrimLeft(rest, spaces) {
		key, behind, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, false
		}
		value, left, ok := conninfoToken(strings.TrimLeft(behind, spaces))
		if !ok {
			return nil, false
		}
		found[strings.TrimRight(key, spaces)], rest = value, left
	}
	return found, true
}

const spaces = " \t\r\n\v\f"

// conninfoToken takes a value off the front of a text.
func conninfoToken(text string) (value, rest string, ok bool) {
	text, inQuotes := strings.CutPrefix(text, "'")
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case inQuotes && c == '\'':
			return b.String(), text[i+1:], true
		case !inQuotes && strings.IndexByte(spaces, c) >= 0:
			return b.String(), text[i:], true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !inQuotes
}
