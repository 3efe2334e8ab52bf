package proxy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portero/config"
	"portero/metrics"
)

// dialAs logs in as any user, to the database app.
func (w *world) dialAs(user string, parameters ...string) *raw {
	w.t.Helper()
	r := w.plug()
	r.login(append([]string{"user", user, "database", "app"}, parameters...)...)
	return r
}

func (w *world) refused(why metrics.Reason, words string, parameters ...string) {
	w.t.Helper()
	r := w.plug()
	r.startup(parameters...)
	r.expect("R")
	if got := r.lastWord(); !strings.Contains(got, "53300") || !strings.Contains(got, words) {
		w.t.Errorf("told %s", got)
	}
	r.ended()
	eventually(w.t, why.String(), func() bool { return w.process.Refused()[why] > 0 })
}

func TestClientsOfADatabaseAndOfAUserAreLimited(t *testing.T) {
	w := start(t, func(c *config.Config) {
		c.Routes[0].MaxDBClientConnections = 3
		c.Pool.MaxUserClientConnections = 2
	})
	a := w.dial()
	w.dial()
	w.refused(metrics.TooManyOfUser, "client connections exceeded (max_user_client_connections)", "user", "app")
	w.dial("user", "postgres", "database", "postgres")
	other := w.dialAs("cyrillic")
	w.refused(metrics.TooManyOfDatabase, "client connections exceeded (max_db_client_connections)", "user", "postgres", "database", "app")
	a.quit()
	eventually(t, "one client less", func() bool { return w.proxy.Clients() == 3 })
	w.dial().ask(answer, q("select 1"))
	other.quit()
}

func TestOneUsersClientsAreLimitedByItsOwn(t *testing.T) {
	w := start(t, func(c *config.Config) {
		c.Pool.MaxUserClientConnections = 1
		few := c.User("app")
		few.MaxUserClientConnections = 2
		c.Users = []config.User{few}
	})
	w.dial()
	w.dial()
	w.refused(metrics.TooManyOfUser, "max_user_client_connections", "user", "app")
	w.dialAs("postgres")
	w.refused(metrics.TooManyOfUser, "max_user_client_connections", "user", "postgres", "database", "app")
}

// backends is how many of Portero's the server has, of those that a condition is true for.
func backends(t *testing.T, condition string) string {
	return superuser(t, "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() and "+condition)
}

func TestServersOfADatabaseAreLimitedOverAllPools(t *testing.T) {
	w := start(t, size(5), func(c *config.Config) { c.Routes[0].MaxDBConnections = 2 })
	a, b := w.dial(), w.dial()
	a.query("begin")
	b.query("begin")
	other := w.dial("user", "postgres", "database", "postgres") // is of another database
	other.ask(answer, q("select 1"))
	r := w.plug()
	r.startup("user", "cyrillic", "database", "app")
	r.expect("R")
	eventually(t, "a client that waits", func() bool { return w.pools.Candidates().ClientsWaiting == 1 })
	eventually(t, "the log", func() bool { return w.log.has("max_db_connections (2)") })
	if n := backends(t, "datname = 'app'"); n != "2" {
		t.Errorf("%s servers", n)
	}
	a.query("commit") // its server, which is idle now, makes room
	for {
		if word(r.receive()) == "Z(I)" {
			break
		}
	}
	r.query("begin")
	if n := backends(t, "datname = 'app'"); n != "2" {
		t.Errorf("%s servers", n)
	}
	r.query("commit")
	a.query("begin") // and the other way round
	b.query("commit")
	a.query("commit")
}

func TestServersOfAUserAreLimitedOverAllDatabases(t *testing.T) {
	w := start(t, size(5), limits(func(p *config.Pool) { p.MaxUserConnections = 1 }))
	a := w.dial()
	a.query("select 1")
	b := w.dial("database", "postgres") // for which a's server is closed
	b.query("begin")
	if n := backends(t, "usename = 'app'"); n != "1" {
		t.Errorf("%s servers", n)
	}
	w.dialAs("postgres").ask(answer, q("select 1"))
	b.query("commit")
	a.ask(answer, q("select 1"))
}

func TestTheReserveIsOpenedForWhoHasWaitedTooLong(t *testing.T) {
	w := start(t, size(1), func(c *config.Config) {
		c.Routes[0].ReservePoolSize, c.Pool.ReservePoolTimeout = 1, 200*time.Millisecond
	})
	a, b, r := w.dial(), w.dial(), w.dial()
	a.query("begin")
	b.query("begin") // after it has waited
	if n := w.pools.States()[0].ServersActive; n != 2 {
		t.Errorf("%d servers", n)
	}
	r.send(q("select 1"))
	eventually(t, "a client that waits", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
	a.query("select pg_sleep(0.3)") // beyond the reserve there is none
	if n := w.pools.States()[0].ServersActive; n != 2 {
		t.Errorf("%d servers", n)
	}
	a.query("commit")
	r.expect(answer)
	b.query("commit")
}

func TestWithoutAReserveWhoWaitsGoesOnWaiting(t *testing.T) {
	w := start(t, size(1), func(c *config.Config) { c.Pool.ReservePoolTimeout = 50 * time.Millisecond })
	a, r := w.dial(), w.dial()
	a.query("begin")
	r.send(q("select 1"))
	eventually(t, "a client that waits", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
	a.query("select pg_sleep(0.2)")
	if n := w.pools.States()[0].ServersActive; n != 1 {
		t.Errorf("%d servers", n)
	}
	a.query("commit")
	r.expect(answer)
}

func TestAUsersPoolIsItsOwn(t *testing.T) {
	w := start(t, size(5), func(c *config.Config) {
		own := c.User("app")
		own.PoolMode, own.PoolSize = "session", 1
		c.Users = []config.User{own}
	})
	w.dial().query("create temp table mine (i int)")
	w.dialAs("postgres").query("select 1")
	for _, s := range w.pools.States() {
		want := "transaction 5"
		if s.Pool.Labels.User == "app" {
			want = "session 1"
		}
		if got := fmt.Sprint(s.Pool.Labels.Mode, " ", s.Size); got != want {
			t.Errorf("%s: %s, want %s", s.Pool.Labels.User, got, want)
		}
	}
}

func TestConnectQueryIsRunOnEachServerBeforeItsFirstClient(t *testing.T) {
	for _, m := range []string{"transaction", "session"} {
		w := start(t, size(2), mode(m), route(func(r *config.Route) {
			r.ConnectQuery = "set work_mem = '7MB'; set datestyle = 'German'; select 1"
		}))
		a, b := w.dial(), w.dial()
		a.query("begin")
		for _, c := range []*raw{a, b} {
			if got := c.value("select current_setting('work_mem') || ' ' || date '2000-12-31'"); got != "7MB_31.12.2000" {
				t.Errorf("%s: %s", m, got)
			}
		}
		if got := b.welcome["DateStyle"]; got != "German, DMY" {
			t.Errorf("%s: the client was told %s", m, got)
		}
		a.query("commit")
	}
}

func TestAConnectQueryThatFailsIsToldToWhoWaits(t *testing.T) {
	for sql, words := range map[string]string{"select x": `column "x" does not exist`, "begin": "leaves a transaction open", "copy pg_class to stdout": "must not be a COPY"} {
		w := start(t, size(1), limits(func(p *config.Pool) { p.QueryWaitTimeout = 300 * time.Millisecond }), route(func(r *config.Route) { r.ConnectQuery = sql }))
		r := w.plug()
		r.startup("user", "app")
		r.expect("R")
		if got := r.lastWord(); !strings.Contains(got, "08006") || !strings.Contains(got, "connect_query failed") {
			t.Errorf("%s: told %s", sql, got)
		}
		if !w.log.has(words) && !w.log.has(strings.ReplaceAll(words, `"`, `\"`)) {
			t.Errorf("%s: the log does not tell", sql)
		}
	}
}

func TestClientsOfARouteAreOneUserToTheServer(t *testing.T) {
	users := filepath.Join(t.TempDir(), "userlist.txt")
	if err := os.WriteFile(users, []byte("\"scrammer\" \"secret\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*config.Config){
		"by its password":   func(c *config.Config) { c.Routes[0].ServerPassword = "secret" },
		"by the users file": func(c *config.Config) { c.Auth.Users = users },
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, size(1), edit, route(func(r *config.Route) { r.ServerUser = "scrammer" }))
			for _, user := range []string{"anybody", "somebody", "scrammer"} {
				r := w.dialAs(user)
				if got := r.value("select session_user || ' ' || current_user"); got != "scrammer_scrammer" {
					t.Errorf("%s is %s", user, got)
				}
				if !w.log.has(`msg="client logged in" id=`) || !w.log.has("user="+user+" ") {
					t.Errorf("the log does not tell of %s", user)
				}
			}
			eventually(t, "one pool with one server", func() bool {
				states := w.pools.States()
				return len(states) == 1 && states[0].ServersIdle == 1
			})
		})
	}
}

func TestAPoolWithAUserOfItsOwnHasItsMinimumFromTheStart(t *testing.T) {
	w := start(t, size(5), route(func(r *config.Route) {
		r.Database, r.ServerUser, r.MinPoolSize = "app", "app", 3
	}))
	eventually(t, "three servers", func() bool {
		states := w.pools.States()
		return len(states) == 1 && states[0].ServersIdle == 3
	})
	if n := w.proxy.Clients(); n != 0 {
		t.Errorf("%d clients", n)
	}
}

func TestWithoutADatabaseOrAUserNothingIsKeptOpen(t *testing.T) {
	w := start(t, size(5), route(func(r *config.Route) { r.MinPoolSize = 3 }), func(c *config.Config) {
		other := c.Routes[0]
		other.ServerUser = "app"
		c.Routes = append([]config.Route{other}, c.Routes...)
	})
	w.dial().ask(answer, q("select 1")) // by then the first look is over
	if n := len(w.pools.States()); n != 1 {
		t.Errorf("%d pools", n)
	}
}

func TestAClientsAddressIsAddedToItsName(t *testing.T) {
	for _, m := range []string{"transaction", "session"} {
		t.Run(m, func(t *testing.T) {
			w := start(t, size(1), mode(m), limits(func(p *config.Pool) { p.ApplicationNameAddHost = true }))
			for _, c := range []struct {
				given []string
				name  string
			}{{[]string{"application_name", "psql"}, "psql"}, {nil, "app"}, {[]string{"application_name", "it's"}, "it's"}} {
				r := w.dial(c.given...)
				want := c.name + " - " + r.conn.LocalAddr().String()
				if got := r.value("select application_name from pg_stat_activity where pid = pg_backend_pid()"); got != strings.ReplaceAll(want, " ", "_") {
					t.Errorf("%s, want %s", got, want)
				}
				if got := r.welcome["application_name"]; got != want {
					t.Errorf("it was told %s, want %s", got, want)
				}
				r.quit()
				eventually(t, "no client", func() bool { return w.proxy.Clients() == 0 })
			}
		})
	}
}

func TestServerResetQueryIsWhatTheOperatorSays(t *testing.T) {
	for _, c := range []struct{ query, table, setting string }{
		{"DISCARD ALL", "f", "4MB"},
		{"", "t", "6MB"},
		{"reset all", "t", "4MB"},
		{"discard temp; select 1", "f", "6MB"},
	} {
		t.Run(c.query, func(t *testing.T) {
			w := start(t, size(1), mode("session"), limits(func(p *config.Pool) { p.ServerResetQuery = c.query }))
			a := w.superuser()
			pid := a.value("select pg_backend_pid()")
			for _, sql := range []string{"create temp table kept (i int)", "set work_mem = '6MB'", "set role app", "set session authorization app"} {
				a.query(sql)
			}
			a.quit()
			b := w.superuser()
			got := fmt.Sprint(b.value("select to_regclass('pg_temp.kept') is not null"), " ", b.value("show work_mem"), " ",
				b.value("select session_user || ' ' || current_user || ' ' || current_setting('role')"))
			if want := c.table + " " + c.setting + " postgres_postgres_none"; got != want {
				t.Errorf("the next client finds %s, want %s", got, want)
			}
			if again := b.value("select pg_backend_pid()"); c.query != "DISCARD ALL" && again != pid {
				t.Error("it has another server")
			}
		})
	}
}

func TestAServerWhoseResetQueryFailsIsClosed(t *testing.T) {
	w := start(t, size(1), mode("session"), limits(func(p *config.Pool) { p.ServerResetQuery = "select x" }))
	a := w.dial()
	pid := a.value("select pg_backend_pid()")
	a.quit()
	if again := w.dial().value("select pg_backend_pid()"); again == pid {
		t.Error("the server is lent again")
	}
}
