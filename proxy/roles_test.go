package proxy_test

import (
	"fmt"
	"strings"
	"testing"
)

// superuser is a client that may act as anybody.
func (w *world) superuser() *raw {
	r := w.plug()
	r.login("user", "postgres", "database", "app")
	return r
}

const whoAmI = "select current_user || '_for_' || session_user"

// roles are ways to change the role of a session for good.
var roles = []struct{ name, sql, who string }{
	{"SET ROLE", "set role app", "app_for_postgres"},
	{"SET", `set session "role" to 'app'`, "app_for_postgres"},
	{"set_config", "select set_config('role', 'app', false)", "app_for_postgres"},
	{"a function that nobody sees through", "select public.become('app')", "app_for_postgres"},
	{"in a transaction", "begin; set role app; commit", "app_for_postgres"},
	{"to a savepoint", "begin; set role app; savepoint a; set role none; rollback to a; commit", "app_for_postgres"},
	{"rolled back", "begin; set role app; rollback", "postgres_for_postgres"},
	{"for a transaction", "begin; set local role app; commit", "postgres_for_postgres"},
	{"taken back", "set role app; reset role", "postgres_for_postgres"},
	{"by DISCARD ALL", "set role app; select 1|discard all", "postgres_for_postgres"},
	{"refused", "set role nobody_at_all", "postgres_for_postgres"},
}

// become is a function that changes the role of its caller.
func become(t *testing.T) {
	onServer(t, `create or replace function public.become(r text) returns text language sql as $$ select set_config('ro' || 'le', r, false) $$`)
}

// A client that has given up rights never has them back, and no other client has
// its role, although they share the servers.
func TestRolesFollowTheirClients(t *testing.T) {
	become(t)
	w := start(t, size(2))
	a, b, c := w.superuser(), w.superuser(), w.superuser()
	for _, role := range roles {
		a.run(role.sql)
		for range 3 { // the others take a's server meanwhile, and each its own again
			b.run("begin")
			for _, who := range []*raw{c, a} {
				want := map[*raw]string{c: "postgres_for_postgres", a: role.who}[who]
				if got := who.value(whoAmI); got != want {
					t.Errorf("%s: %s, want %s", role.name, got, want)
				}
			}
			if got := b.value(whoAmI); got != "postgres_for_postgres" {
				t.Errorf("%s: the other client is %s", role.name, got)
			}
			b.run("commit")
		}
		a.run("reset role")
	}
}

// run sends Queries, separated by |, and does not mind errors.
func (r *raw) run(sql string) {
	r.t.Helper()
	for one := range strings.SplitSeq(sql, "|") {
		r.query(one)
	}
}

// A client that acts as another user altogether keeps its server, and lets go of
// it when it is itself again.
func TestWhoActsAsAnotherUserKeepsTheServer(t *testing.T) {
	w := start(t, size(2))
	a, b, c := w.superuser(), w.superuser(), w.superuser()
	a.ask("C(SET) S(is_superuser=off) S(session_authorization=app) Z(I)", q("set session authorization app"))
	for range 3 {
		for _, r := range []*raw{b, c} {
			if got := r.value(whoAmI); got != "postgres_for_postgres" {
				t.Errorf("another client is %s", got)
			}
		}
		if got := a.value(whoAmI); got != "app_for_app" {
			t.Errorf("it is %s", got)
		}
	}
	a.run("reset session authorization")
	b.run("begin")
	c.run("begin") // both servers: the client has let go
	b.run("commit")
	c.run("commit")
	if got := a.value(whoAmI); got != "postgres_for_postgres" {
		t.Errorf("it is %s", got)
	}
	a.run("set session authorization app")
	a.quit()
	for range 6 {
		if got := b.value(whoAmI); got != "postgres_for_postgres" {
			t.Errorf("the next client is %s", got)
		}
	}
}

// On another server it would have its rights back.
func TestWhoActsAsAnotherUserEndsWithItsServer(t *testing.T) {
	w := start(t, size(2))
	a := w.superuser()
	pid := a.value("select pg_backend_pid()")
	a.run("set session authorization app")
	if got := a.value("select pg_backend_pid()"); got != pid {
		t.Fatalf("server %s after %s", got, pid)
	}
	onServer(t, fmt.Sprintf("select pg_terminate_backend(%s)", pid))
	a.expect("E(FATAL_08006)")
	a.ended()
}
