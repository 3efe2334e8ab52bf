package config

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// sharing is a file with clusters and listeners for every case, and its routes
// from line 4 on, one a line.
func sharing(routes ...string) string {
	return `listener = [{address = ":1"}, {address = ":2", role = "replica"}, {address = ":3", role = "leader"}]
cluster = [{name = "a", hosts = ["h:1"]}, {name = "c", discovery = "patroni", scope = "s", citus = true, etcd = {endpoints = ["h:2"]}}]
route = [
	{` + strings.Join(routes, "},\n\t{") + "},\n]"
}

// One pool has one size: routes that lead to the same pool must agree on it,
// and routes that never do may differ.
func TestLoadReportsRoutesThatDisagreeOnAPool(t *testing.T) {
	inFolder(t)
	differ := func(i, j int, pool string) string {
		return fmt.Sprintf("%d: route[%d].pool_size: must be 5, as in route[%d]: both lead to one pool (%s)", j+3, j, i, pool)
	}
	checkFaults(t, []faultCase{
		{"other names for one database", sharing(
			`cluster = "a", database = "jobs", dbname = "app", pool_size = 5`,
			`cluster = "a"`,
		), []string{differ(1, 2, `database "app", any user`)}},
		{"the first takes all of what they might share", sharing(
			`cluster = "a", database = "app", pool_size = 5`,
			`cluster = "a"`,
		), nil},
		{"the first takes them for one user only", sharing(
			`cluster = "a", database = "app", user = "u", pool_size = 5`,
			`cluster = "a"`,
		), nil},
		{"the first takes them on one listener only", sharing(
			`cluster = "a", listener = ":1", pool_size = 5`,
			`cluster = "a"`,
		), []string{differ(1, 2, "any database, any user")}},
		{"the first takes them on one listener, whose role no other has", sharing(
			`cluster = "a", listener = ":2", pool_size = 5`,
			`cluster = "a"`,
		), nil},
		{"two listeners, two roles of the listeners", sharing(
			`cluster = "a", listener = ":1", pool_size = 5`,
			`cluster = "a", listener = ":2"`,
		), nil},
		{"two listeners, two roles of the routes", sharing(
			`cluster = "a", listener = ":1", role = "any", pool_size = 5`,
			`cluster = "a", listener = ":2", role = "leader"`,
		), nil},
		{"two listeners, one role", sharing(
			`cluster = "a", listener = ":1", pool_size = 5`,
			`cluster = "a", listener = ":2", role = "leader"`,
		), []string{differ(1, 2, "any database, any user")}},
		{"two listeners, one role for one database", sharing(
			`cluster = "a", listener = ":1", pool_size = 5`,
			`cluster = "a", listener = ":3", database = "app"`,
			`cluster = "a", listener = ":3", role = "any"`,
		), []string{differ(1, 2, `database "app", any user`)}},
		{"different users", sharing(
			`cluster = "a", database = "x", dbname = "app", user = "u", pool_size = 5`,
			`cluster = "a", database = "y", dbname = "app", user = "v"`,
		), nil},
		{"one user of all", sharing(
			`cluster = "a", database = "x", dbname = "app", user = "u", pool_size = 5`,
			`cluster = "a", database = "y", dbname = "app"`,
		), []string{differ(1, 2, `database "app", user "u"`)}},
		{"that user is taken by a route between", sharing(
			`cluster = "a", database = "x", dbname = "app", user = "u", pool_size = 5`,
			`cluster = "a", database = "y", dbname = "other", user = "u"`,
			`cluster = "a", database = "y", dbname = "app"`,
		), nil},
		{"different databases", sharing(
			`cluster = "a", database = "x", dbname = "app", pool_size = 5`,
			`cluster = "a", database = "y"`,
		), nil},
		{"everybody is sent to one database", sharing(
			`cluster = "a", database = "app", pool_size = 5`,
			`cluster = "a", dbname = "app"`,
		), []string{differ(1, 2, `database "app", any user`)}},
		{"a name that only another route has", sharing(
			`cluster = "a", user = "u", database = "x", dbname = "y", pool_size = 5`,
			`cluster = "a", user = "v"`,
			`cluster = "a", user = "u", database = "y"`,
		), []string{differ(1, 3, `database "y", user "u"`)}},
		{"different modes", sharing(
			`cluster = "a", database = "x", dbname = "app", pool_mode = "session", pool_size = 5`,
			`cluster = "a"`,
		), nil},
		{"different clusters and groups", sharing(
			`cluster = "a", database = "x", dbname = "app", pool_size = 5`,
			`cluster = "c", database = "y", dbname = "app"`,
			`cluster = "c", group = 1, pool_size = 7`,
		), nil},
		{"the smallest size differs", sharing(
			`cluster = "a", database = "x", dbname = "app", min_pool_size = 2`,
			`cluster = "a", min_pool_size = 1`,
		), []string{`5: route[2].min_pool_size: must be 2, as in route[1]: both lead to one pool (database "app", any user)`}},
		{"each that differs from the first, and each once", sharing(
			`cluster = "a", database = "x", dbname = "app", pool_size = 5`,
			`cluster = "a", database = "y", dbname = "app", pool_size = 6`,
			`cluster = "a", database = "z", dbname = "app", pool_size = 5`,
			`cluster = "a", pool_size = 6`,
		), []string{differ(1, 2, `database "app", any user`), differ(1, 4, `database "app", any user`)}},
		{"a route that nobody reaches", sharing(
			`cluster = "a"`,
			`cluster = "a", pool_size = 5`,
		), []string{`5: route[2]: can never match: shadowed by route[1]`}},
		{"what could not be read is not judged", sharing(
			`cluster = "a", database = 5, dbname = "app", pool_size = 5`,
			`cluster = "a"`,
		), []string{`4: route[1].database: must be a string, not a whole number`}},
	})
}

// A file may have a route for each of many tenants.
func TestRoutesOfManyTenantsAreCompared(t *testing.T) {
	inFolder(t)
	var routes []string
	for i := range 400 {
		routes = append(routes, fmt.Sprintf(`cluster = "a", database = "db%d", pool_size = %d`, i, 5+i%2))
		routes = append(routes, fmt.Sprintf(`cluster = "a", database = "x", user = "u%d", dbname = "app%d", pool_size = %d`, i, i, 5+i%2))
	}
	routes = append(routes, `cluster = "a", database = "app7"`, `cluster = "a"`)
	_, err := loadText(t, sharing(routes...))
	for _, want := range []string{
		`route[801].pool_size: must be 6, as in route[16]: both lead to one pool (database "app7", user "u7")`,
		`route[802].pool_size: must be 5, as in route[2]: both lead to one pool (database "app0", user "u0")`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// tenants is a configuration with two routes for each of n tenants and one for the others.
func tenants(n int) *Config {
	cfg := Default()
	cfg.Routes = nil
	route := func(database, user string) {
		r := cfg.newRoute()
		r.Database, r.User = database, user
		cfg.Routes = append(cfg.Routes, r)
	}
	for i := range n {
		route(fmt.Sprint("db", i), anything)
		route("x", fmt.Sprint("u", i))
	}
	route(anything, anything)
	return cfg
}

// Among many tenants there are as many pairs of names as the square of their
// number. No more clients than that are followed, ...
func TestNoClientIsFollowedForARouteThatCannotTakeIt(t *testing.T) {
	w := newWays(tenants(100))
	names := len(w.databases) * len(w.users)
	followed := 0
	for i := range w.cfg.Routes {
		w.candidates(&w.cfg.Routes[i], func(*Listener, match) { followed++ })
	}
	// All of them for the last route, and once more for those before it together.
	if followed > 2*names {
		t.Errorf("%d clients are followed, of %d pairs of names", followed, names)
	}
}

// ... and for none of them the routes are gone through: they are not even there.
func TestTheRouteOfAClientIsFoundByItsNames(t *testing.T) {
	cfg := tenants(100)
	w := newWays(cfg)
	routes := cfg.Routes
	cfg.Routes = make([]Route, len(routes))
	for i := range routes {
		w.candidates(&routes[i], func(_ *Listener, client match) {
			if got := w.route(client); got > i || !takes(&routes[got], client) {
				t.Fatalf("%+v: route[%d], and route[%d] takes it", client, got+1, i+1)
			}
		})
	}
}

func takes(r *Route, client match) bool {
	return covers(r.Database, client.database) && covers(r.User, client.user)
}

// The check against all clients there can be, in a small world.
func TestRoutesDisagreeIfAndOnlyIfTwoClientsCouldTell(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	disagreeing := 0
	for range 3000 {
		cfg := Default()
		cfg.Listeners = []Listener{{Address: ":1"}, {Address: ":2", Role: pick("", "replica", "leader")}}
		cfg.Routes = nil
		for range 1 + r.IntN(5) {
			cfg.Routes = append(cfg.Routes, Route{
				Listener: pick("*", ":1", ":2"), Database: pick("*", "*", "a", "b"), User: pick("*", "*", "a", "b"),
				Role: pick("", "", "leader"), DBName: pick("", "", "a", "c"), PoolMode: pick("session", "transaction"), PoolSize: 1 + r.IntN(2),
			})
		}
		report := newReport("", nil)
		checker{report, cfg}.checkShared()
		want := clientsCanTell(cfg)
		if got := len(report.faults) > 0; got != want {
			t.Fatalf("seed %d: two clients can tell: %v, faults %v, of\n%+v\n%+v", seed, want, report.faults, cfg.Listeners, cfg.Routes)
		}
		if want {
			disagreeing++
		}
	}
	if disagreeing < 300 || disagreeing > 2700 {
		t.Errorf("%d of 3000 disagree: the world is too plain", disagreeing)
	}
}

// clientsCanTell sends a client of each name on its way, one by one.
func clientsCanTell(cfg *Config) bool {
	all := []string{"a", "b", "c", "d", "*"}
	takes := func(pattern, name string) bool { return pattern == "*" || pattern == name }
	sizes := make(map[string]int)
	for _, l := range cfg.Listeners {
		for _, database := range all {
			for _, user := range all {
				for i := range cfg.Routes {
					r := &cfg.Routes[i]
					if !takes(r.Listener, l.Address) || !takes(r.Database, database) || !takes(r.User, user) {
						continue
					}
					pool := fmt.Sprint(cfg.RouteRole(r, &l), " ", r.PoolMode, " ", user, " ")
					if pool += database; r.DBName != "" {
						pool = strings.TrimSuffix(pool, database) + r.DBName
					}
					if size, known := sizes[pool]; known && size != r.PoolSize {
						return true
					}
					sizes[pool] = r.PoolSize
					break
				}
			}
		}
	}
	return false
}
