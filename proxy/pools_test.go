package proxy_test

import (
	"os"
	"testing"

	"portero/config"
)

// A client in session mode expects of its server what PostgreSQL gives to a new
// session; what clients in transaction mode leave there, it must never meet.
func TestPoolModesDoNotShareServers(t *testing.T) {
	w := start(t, size(1), func(c *config.Config) {
		jobs := c.Routes[0]
		jobs.Database, jobs.DBName, jobs.PoolMode, jobs.PoolSize = "jobs", "app", "session", 2
		c.Routes = append([]config.Route{jobs}, c.Routes...)
	})
	web := w.dial()
	web.query("create temp table mine(i int); set work_mem = '77MB'; prepare p as select 1")
	pid := web.value("select pg_backend_pid()")
	job := w.dial("database", "jobs")
	if got := job.value("select pg_backend_pid()"); got == pid {
		t.Error("it was lent the server of another mode")
	}
	if got := job.value("show work_mem"); got != "4MB" {
		t.Errorf("settings are left: %s", got)
	}
	job.ask("E(ERROR_42P01) Z(I)", q("select * from mine"))
	for _, s := range w.pools.States() {
		want := map[string]int{"session": 2, "transaction": 1}[s.Labels.Mode]
		if s.Size != want {
			t.Errorf("a pool of mode %q has size %d, want %d", s.Labels.Mode, s.Size, want)
		}
	}
	if n := len(w.pools.States()); n != 2 {
		t.Errorf("%d pools", n)
	}
}

// By one rule a client proves itself and brings the key that opens servers, by
// another it is trusted and brings nothing; both come to one pool.
func TestAClientThatIsTrustedDoesNotTakeTheKeyOfOthersAway(t *testing.T) {
	postgres(t)
	rules := "host trusted scrammer all trust\nhost app scrammer all scram-sha-256\n"
	w := start(t, withRules(t, rules, ""), func(c *config.Config) {
		c.Routes[0].DBName = "app"
		if err := os.WriteFile(c.Auth.Users, []byte(user("scrammer", storedSecret(t, "scrammer"))), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	for range 2 { // also from memory
		if code := w.sqlState("scrammer", "", "dbname=trusted"); code != "28000" {
			t.Errorf("a server was opened without a key: %q", code)
		}
	}
	for range 3 {
		if code := w.sqlState("scrammer", "secret"); code != "" {
			t.Errorf("with a key: %q", code)
		}
		if code := w.sqlState("scrammer", "", "dbname=trusted"); code != "" {
			t.Errorf("while there is a key: %q", code)
		}
		superuser(t, "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'scrammer'")
		eventually(t, "no server is left", func() bool { return w.pools.States()[0].ServersIdle == 0 })
		if code := w.sqlState("scrammer", "", "dbname=trusted"); code != "" {
			t.Errorf("by the key of another: %q", code)
		}
	}
}
