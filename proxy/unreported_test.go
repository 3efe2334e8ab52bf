package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// unreported are ways to change settings that PostgreSQL does not report, what
// shows it, and what that is behind it.
var unreported = []struct{ name, sql, show, want string }{
	{"SET", "set work_mem = '5MB'", "work_mem", "5MB"},
	{"SET of a list", `set search_path = "$user", pg_temp, other`, "search_path", `"$user", pg_temp, other`},
	{"SET SCHEMA", "set schema 'it''s'", "search_path", `"it's"`},
	{"a setting of the application's own", "set app.tenant = 'seven of \\ nine'", "app.tenant", `seven of \ nine`},
	{"set_config", "select set_config('app.tenant', '', false), set_config('work_mem', '6MB', false)", "work_mem", "6MB"},
	{"set_config, quoted", `select pg_catalog."set_config"('work_mem', '6MB', false)`, "work_mem", "6MB"},
	{"of two statements", "select 1; set work_mem = '7MB'; select 2", "work_mem", "7MB"},
	{"committed", "begin; set work_mem = '5MB'; commit", "work_mem", "5MB"},
	{"rolled back", "begin; set work_mem = '5MB'; rollback", "work_mem", "4MB"},
	{"rolled back to a savepoint", "begin; set work_mem = '5MB'; savepoint a; set work_mem = '6MB'; rollback to a; commit", "work_mem", "5MB"},
	{"failed", "begin; set work_mem = '5MB'; select 1/0|commit", "work_mem", "4MB"},
	{"in one that fails by itself", "set work_mem = '5MB'; select 1/0", "work_mem", "4MB"},
	{"for the transaction", "begin; set local work_mem = '5MB'; commit", "work_mem", "4MB"},
	{"of the transaction", "begin; set transaction isolation level serializable; commit", "transaction_isolation", "read committed"},
	{"characteristics", "set session characteristics as transaction isolation level serializable", "transaction_isolation", "serializable"},
	{"RESET", "set work_mem = '5MB'|reset work_mem", "work_mem", "4MB"},
	{"RESET ALL", "set work_mem = '5MB'|reset all", "work_mem", "4MB"},
	{"DISCARD ALL", "set work_mem = '5MB'|discard all", "work_mem", "4MB"},
	{"to the default", "set work_mem = '5MB'|set work_mem to default", "work_mem", "4MB"},
	{"refused", "set work_mem = 'much'", "work_mem", "4MB"},
	{"unknown", "set nothing_like_it = 1", "work_mem", "4MB"},
	{"seed", "set seed = 0.5", "work_mem", "4MB"},
	{"for the transaction, by set_config", "begin; select set_config('work_mem', '5MB', true); commit", "work_mem", "4MB"},
	{"a timeout that is hard to keep", "set statement_timeout = 1|set work_mem = '5MB'|set statement_timeout = 0", "work_mem", "5MB"},
	{"a timeout", "set statement_timeout = 77777", "statement_timeout", "77777ms"},
}

// What a client sets is there on whichever server it gets, and nobody else has it.
func TestSettingsThatAreNotReportedFollowTheirClients(t *testing.T) {
	for _, setting := range unreported {
		t.Run(setting.name, func(t *testing.T) {
			w := start(t, size(2))
			a, b, c := w.dial(), w.dial(), w.dial()
			usual := b.value("show work_mem")
			if usual != "4MB" {
				t.Fatalf("work_mem is %s", usual)
			}
			before := c.query("select coalesce(current_setting('" + setting.show + "', true), '')")
			a.run(setting.sql)
			for range 2 {
				b.run("begin") // has a's server
				if got, want := a.query("show "+setting.show), fmt.Sprintf("T D(%s) C(SHOW) Z(I)", strings.ReplaceAll(setting.want, " ", "_")); got != want {
					t.Errorf("it is %s, want %s", got, want)
				}
				if got := c.query("select coalesce(current_setting('" + setting.show + "', true), '')"); got != before {
					t.Errorf("another client has %s, and had %s", got, before)
				}
				if got := b.value("show work_mem"); got != usual {
					t.Errorf("another client's work_mem is %s", got)
				}
				b.run("commit")
			}
		})
	}
}

// A client that has tried to set what it may not see keeps its server.
func TestWhoSetsWhatItMayNotSeeKeepsItsServer(t *testing.T) {
	w := start(t, size(2))
	a, b := w.dial(), w.dial()
	a.run("set session_preload_libraries = 'x'|set work_mem = '5MB'|select set_config('a.long', repeat('x', 1000000), false)")
	pid := a.value("select pg_backend_pid()")
	for range 3 {
		if got := b.value("show work_mem"); got != "4MB" {
			t.Errorf("another client has %s", got)
		}
		if got := a.value("show work_mem") + " at " + a.value("select pg_backend_pid()"); got != "5MB at "+pid {
			t.Errorf("it has %s, and had 5MB at %s", got, pid)
		}
	}
}

// A statement that sets something may have been prepared before.
func TestPreparedStatementsThatSetFollowTheirClients(t *testing.T) {
	w := start(t, size(2))
	ctx := bounded(t)
	conn, b := w.pgx(), w.dial()
	for i := range 6 {
		want := fmt.Sprintf("%dMB", 5+i)
		var got string
		if err := conn.QueryRow(ctx, "select set_config('work_mem', $1, false)", pgx.QueryExecModeExec, want).Scan(&got); err != nil || got != want {
			t.Fatalf("%s, %v", got, err)
		}
		b.run("begin")
		if err := conn.QueryRow(ctx, "show work_mem", pgx.QueryExecModeExec).Scan(&got); err != nil || got != want {
			t.Errorf("work_mem is %s, %v; want %s", got, err, want)
		}
		if got := b.value("show work_mem"); got != "4MB" {
			t.Errorf("another client's is %s", got)
		}
		b.run("commit")
	}
}

// An Execute that asks for no more rows than there are ends without a CommandComplete.
func TestWhatTheFirstRowsSetFollowsTheirClient(t *testing.T) {
	for name, ends := range map[string]messages{"by a Sync": {syncs()}, "behind a Flush": {&pgproto3.Flush{}, syncs()}} {
		t.Run(name, func(t *testing.T) {
			w := start(t, size(2))
			a, b, c := w.dial(), w.dial(), w.dial()
			a.ask("1 2 D(5MB) s Z(I)", append(messages{parse("select set_config('work_mem', '5MB', false)"), bind(), &pgproto3.Execute{MaxRows: 1}}, ends...)...)
			for range 2 {
				b.run("begin") // has a's server
				if got := a.value("show work_mem"); got != "5MB" {
					t.Errorf("it is %s", got)
				}
				for _, other := range []*raw{b, c} {
					if got := other.value("show work_mem"); got != "4MB" {
						t.Errorf("another client has %s", got)
					}
				}
				b.run("commit")
			}
		})
	}
}

// What was set and not carried yet is not lost in silence.
func TestSettingsOfALostServerGoWithTheTransaction(t *testing.T) {
	w := start(t, size(2))
	a := w.dial()
	a.run("set work_mem = '5MB'")
	a.run("begin; set work_mem = '6MB'")
	onServer(t, fmt.Sprintf("select pg_terminate_backend(%s)", a.value("select pg_backend_pid()")))
	a.ask("E(ERROR_08006) Z(E)", q("select 1"))
	a.run("rollback")
	if got := a.value("show work_mem"); got != "5MB" {
		t.Errorf("work_mem is %s", got)
	}
}

// What a role is given as its own later (ALTER ROLE SET) is there on servers that are
// opened from then on.
func TestWhatARoleIsGivenLaterIsThereOnNewServers(t *testing.T) {
	w := start(t, size(1))
	as := func(want string) {
		t.Helper()
		r := w.plug()
		r.login("user", "lonely", "database", "app")
		if got := r.value("show lock_timeout"); got != want {
			t.Errorf("lock_timeout is %s, want %s", got, want)
		}
		r.quit()
	}
	as("0")
	onServer(t, "alter role lonely set lock_timeout = '7s'")
	defer onServer(t, "alter role lonely reset all")
	as("0") // on a connection of its own it would be 7 s
	onServer(t, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'lonely'")
	w.noServerLeft()
	as("7s")
}

// The question may have to wait until a client has taken its answer; the server
// goes back behind it all the same.
func TestAServerThatWasAskedLateIsGivenBack(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	a.send(q("select repeat('x', 30000000); set work_mem = '5MB'"))
	for {
		if _, ok := a.receive().(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	if got := b.value("show work_mem"); got != "4MB" {
		t.Errorf("the next client has %s", got)
	}
	if got := a.value("show work_mem"); got != "5MB" {
		t.Errorf("it has %s", got)
	}
}
