package proxy_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
	"portero/wire"
)

// direct is a client of the real server itself.
func direct(t testing.TB, parameters ...string) *raw {
	t.Helper()
	r := plugInto(t, dialServer(t))
	r.login(parameters...)
	return r
}

// startsOf are things that clients give for the start of their session.
var startsOf = [][]string{
	{},
	{"application_name", "till"},
	{"application_name", "till", "DateStyle", "German, DMY", "TimeZone", "Europe/Rome", "client_encoding", "LATIN1"},
	{"options", "-c work_mem=5MB"},
	{"options", `-c work_mem=5MB -c search_path=one,\ two --statement-timeout=12345 -c datestyle=ISO,DMY`},
	{"options", "-c work_mem=5MB", "work_mem", "7MB"},
	{"work_mem", "7MB", "Lock_Timeout", "1s", "options", "-c lock_timeout=2s"},
	{"options", "-c geqo=off -S 128 -e -D /tmp", "application_name", "switches"},
	{"options", "--"},
	{"options", "-c app.tenant=blue", "App.Shade", "dark"},
	{"options", "-c ignore_system_indexes=on -c post_auth_delay=0"},
	{"options", "-c default_transaction_isolation=serializable -c default_transaction_read_only=on -c default_transaction_deferrable=on"},
	{"options", "-c statement_timeout=1s -c transaction_read_only=on -c standard_conforming_strings=off"},
	{"role", "crew"},
	{"options", "-c role=crew -c session_authorization=app"},
	{"extra_float_digits", "3", "client_min_messages", "error", "bytea_output", "escape"},
}

// names are the parameters that the tests of this file look at.
const names = `'application_name','DateStyle','TimeZone','client_encoding','work_mem','search_path','statement_timeout',
	'lock_timeout','geqo','datestyle','ignore_system_indexes','post_auth_delay','default_transaction_isolation',
	'default_transaction_read_only','default_transaction_deferrable','standard_conforming_strings','extra_float_digits',
	'client_min_messages','bytea_output','transaction_read_only','max_stack_depth','fsync','IntervalStyle'`

// probes are statements whose answers tell what the session began with.
var probes = []string{
	"select name, setting, boot_val, reset_val, source, sourcefile from pg_settings where name in (" + names + ") order by 1",
	"select name, setting, source from pg_settings where source in ('client', 'session') order by 1",
	"select session_user, current_user, current_setting('role'), current_setting('App.tenant', true), current_setting('app.shade', true)",
	"show work_mem", "show search_path",
	"set work_mem = '9MB'", "set datestyle = 'SQL, MDY'", "set search_path = three", "set application_name = 'mine'", "set timezone = 'Asia/Tokyo'",
	"set app.tenant = 'red'", "set client_encoding = 'UTF8'", "set lock_timeout = 77", "set statement_timeout = '2min'", "set role = none",
	"select name, setting, reset_val, source from pg_settings where name in (" + names + ") order by 1",
	"reset work_mem", "show work_mem", "set search_path to default", "show search_path", "reset role", "show role",
	"begin", "set local work_mem to default", "show work_mem", "set lock_timeout to default", "rollback", "show lock_timeout",
	"reset all",
	"select name, setting, reset_val, source from pg_settings where name in (" + names + ") order by 1",
	"set work_mem = '9MB'", "set application_name = 'mine'", "set role = none", "discard all",
	"select name, setting, reset_val, source from pg_settings where name in (" + names + ") order by 1",
	"select session_user, current_user, current_setting('role'), current_setting('App.tenant', true), current_setting('app.shade', true)",
	"set work_mem = '11MB'", "set session characteristics as transaction read write", // left for whoever comes next
}

func TestInSessionModeWhatAClientGaveAtItsStartIsItsDefault(t *testing.T) {
	asSuperuser(t, "create role crew", "grant crew to app")
	defer asSuperuser(t, "drop role crew")
	for _, n := range []int{1, 20} {
		w := start(t, mode("session"), size(n))
		for i := range 2 * len(startsOf) { // the second time on servers that have served one
			given := append([]string{"user", "app"}, startsOf[i%len(startsOf)]...)
			real, through := direct(t, given...), w.plug()
			through.login(given...)
			for _, sql := range probes {
				if want, got := real.query(sql), through.query(sql); got != want {
					t.Errorf("round %d, pool of %d, %q: %s\ngot  %s\nwant %s", i/len(startsOf), n, given, sql, got, want)
				}
			}
			through.quit()
		}
	}
}

// asSuperuser runs statements on the real server itself.
func asSuperuser(t testing.TB, sql ...string) {
	t.Helper()
	if err := lab.RunSQL(bounded(t), postgres(t).SuperuserDSN("app"), sql...); err != nil {
		t.Fatal(err)
	}
}

// greeting logs in and returns all messages, word for word, but for the key.
func (r *raw) greeting(parameters ...string) string {
	r.t.Helper()
	r.startup(parameters...)
	var words []string
	for {
		m := r.receive()
		switch m := m.(type) {
		case *pgproto3.BackendKeyData:
			r.id, r.secret = m.ProcessID, append([]byte(nil), m.SecretKey...)
		case *pgproto3.NoticeResponse:
			words = append(words, fmt.Sprintf("%+v", *m))
			continue
		}
		words = append(words, word(m))
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			return strings.Join(words, " ")
		}
	}
}

func TestInSessionModeAClientIsGreetedAsByItsServer(t *testing.T) {
	asSuperuser(t, "create role crew", "grant crew to app", "create role warned login", "alter role warned set plpgsql.nope = 1", "alter role warned set session_preload_libraries = 'plpgsql'")
	defer asSuperuser(t, "drop role crew, warned")
	w := start(t, mode("session"), size(2))
	for _, user := range []string{"app", "warned", "postgres"} {
		for i := range 2 * len(startsOf) {
			if user == "warned" && strings.Contains(strings.Join(startsOf[i%len(startsOf)], " "), "role") {
				continue // it may not
			}
			given := append([]string{"user", user, "database", "app"}, startsOf[i%len(startsOf)]...)
			through := w.plug()
			want, got := plugInto(t, dialServer(t)).greeting(given...), through.greeting(given...)
			if got != want {
				t.Errorf("%q\ngot  %s\nwant %s", given, got, want)
			}
			if user == "warned" && i == 0 && !strings.Contains(want, "WARNING") {
				t.Fatalf("PostgreSQL warns no more: %s", want)
			}
			through.query("set application_name = 'other'; set datestyle = 'German'")
			through.quit()
		}
	}
}

func TestAnIdleServerThatEndsAsItsClientHasToldItIsNoTrouble(t *testing.T) {
	w := start(t, mode("session"))
	w.dial("options", "-c idle_session_timeout=1000").quit()
	eventually(t, "it has ended", func() bool { return strings.Contains(w.log.text(), `reason="server idle"`) })
	if n := w.pools.States()[0].Totals().Errors[metrics.ServerFatal]; n != 0 {
		t.Errorf("%d errors of the server", n)
	}
}

func TestInSessionModeTheGreetingHasTheValuesOfNow(t *testing.T) {
	w := start(t, mode("session"), size(1))
	a := w.dial()
	reload := func(sql string) { asSuperuser(t, sql, "select pg_reload_conf()") }
	defer reload("alter system reset timezone")
	reload("alter system set timezone = 'Asia/Tokyo'")
	eventually(t, "it is in force", func() bool { return a.value("show timezone") == "Asia/Tokyo" })
	a.quit()
	b := w.dial()
	if got := b.welcome["TimeZone"]; got != "Asia/Tokyo" || b.id != a.id {
		t.Errorf("told %s, of process %d, which was %d", got, b.id, a.id)
	}
}

// answered is every byte that comes after a StartupMessage with parameters in
// pairs.
func (r *raw) answered(parameters ...string) string {
	r.t.Helper()
	var m wire.StartupMessage
	for i := 0; i < len(parameters); i += 2 {
		m.Parameters = append(m.Parameters, wire.Parameter{Name: parameters[i], Value: parameters[i+1]})
	}
	r.sendBytes(must(m.Encode(nil))(r.t))
	b, err := io.ReadAll(r.conn)
	if err != nil {
		r.t.Fatalf("%q: %v", parameters, err)
	}
	return string(b)
}

func TestInSessionModeAStartThatPostgreSQLRefusesIsRefusedInItsBytes(t *testing.T) {
	w := start(t, mode("session"), size(1))
	bystander := w.dial("application_name", "bystander")
	bystander.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	bystander.quit()
	asSuperuser(t, "create role stranger")
	defer asSuperuser(t, "drop role stranger")
	for _, bad := range [][]string{
		{"TimeZone", "Mars/Olympus"}, {"client_encoding", "klingon"}, {"No_Such_Parameter", "1"}, {"work_mem", "much"},
		{"options", "-c statement_timeout=soon"}, {"options", "-c port=1"}, {"options", "-c zero_damaged_pages=on"},
		{"options", "-x"}, {"options", "-c"}, {"options", "--work-mem"}, {"options", "word"}, {"options", "-c a;b=1"},
		{"options", "-c work_mem=much", "TimeZone", "Mars"}, {"a b", "c"}, {"role", "nobody"}, {"role", "stranger"},
		{"session_authorization", "stranger"}, {"options", "-c local_preload_libraries=nope"}, {"options", "-F"},
		{"options", "-c log_statement=all"}, {"options", "-p 5"}, {"datestyle", "wrong"}, {"search_path", "\""},
	} {
		given := append([]string{"user", "app", "database", "app"}, bad...)
		want := plugInto(t, dialServer(t)).answered(given...)
		if !strings.Contains(want, "FATAL") {
			t.Fatalf("%q: PostgreSQL takes it", bad)
		}
		for range 2 { // also from memory
			if got := w.plug().answered(given...); got != want {
				t.Errorf("%q\ngot  %s\nwant %s", bad, hex.Dump([]byte(got)), hex.Dump([]byte(want)))
			}
		}
		good := w.dial("application_name", "good")
		if got := good.value("show application_name"); got != "good" {
			t.Errorf("after %q: application_name %s", bad, got)
		}
		good.quit()
	}
	if s := w.pools.States(); len(s) != 1 {
		t.Errorf("%d pools", len(s))
	}
	for _, line := range strings.Split(w.log.text(), "\n") {
		if strings.Contains(line, "server not opened") || strings.Contains(line, "refuses the login") || strings.Contains(line, "server login failed") {
			t.Errorf("held against the server: %s", line)
		}
	}
}

// What is wrong with a login itself is told as PostgreSQL does, too.
func TestInSessionModeALoginThatPostgreSQLRefusesIsRefusedInItsWords(t *testing.T) {
	w := start(t, mode("session"))
	asSuperuser(t, "create database closed", "revoke connect on database closed from public")
	defer asSuperuser(t, "drop database closed")
	for _, given := range [][]string{
		{"user", "nobody", "database", "app"}, {"user", "app", "database", "nowhere", "work_mem", "much"},
		{"user", "app", "database", "closed", "work_mem", "much"}, // the first one is asked, the next told from memory
		{"user", "app", "database", "nowhere"}, {"user", "app", "database", "closed"},
	} {
		want, got := lastError(t, plugInto(t, dialServer(t)).answered(given...)), lastError(t, w.plug().answered(given...))
		if want.Code == "" || *got != *want {
			t.Errorf("%q\ngot  %+v\nwant %+v", given, got, want)
		}
	}
	if s := w.pools.States(); len(s) != 0 {
		t.Errorf("%d pools of what cannot be logged in to", len(s))
	}
}

// lastError is the ErrorResponse at the end of what a server has sent.
func lastError(t *testing.T, sent string) *wire.Error {
	t.Helper()
	for b := []byte(sent); len(b) > 0; {
		f, ok, err := wire.Next(b)
		if err != nil || !ok || !f.Whole() {
			t.Fatalf("%q", sent)
		}
		if f.Type == 'E' {
			return wire.ParseError(f.Body)
		}
		b = b[wire.HeaderLen+f.Size:]
	}
	t.Fatalf("no error in %q", sent)
	return nil
}

// A client that lets its server be cut off after a millisecond can log in all the same.
func TestInSessionModeTheProofIsNotInTheWayOfWhatAClientHasGiven(t *testing.T) {
	w := start(t, mode("session"), size(1))
	for _, options := range []string{"-c statement_timeout=1 -c ignore_system_indexes=on", "-c default_transaction_isolation=serializable -c default_transaction_read_only=on -c default_transaction_deferrable=on"} {
		real, through := direct(t, "user", "app", "options", options), w.dial("options", options)
		for _, sql := range []string{"show statement_timeout", "begin", "show transaction_isolation", "show transaction_deferrable", "rollback"} {
			if want, got := real.query(sql), through.query(sql); got != want {
				t.Errorf("%s: %s\ngot  %s\nwant %s", options, sql, got, want)
			}
		}
		through.quit()
	}
}

func TestInSessionModeClientsWithEqualStartsShareServers(t *testing.T) {
	w := start(t, mode("session"), size(1))
	backend := func(parameters ...string) uint32 {
		r := w.dial(parameters...)
		defer r.quit()
		return r.id
	}
	a := backend("application_name", "a", "work_mem", "5MB")
	if again := backend("work_mem", "5MB", "application_name", "a"); again != a {
		t.Errorf("process %d, and %d for a client that gives the same", a, again)
	}
	b := backend("application_name", "b", "work_mem", "5MB")
	if b == a {
		t.Error("the server of a client with another start")
	}
	if backend("application_name", "a", "work_mem", "5MB") == a {
		t.Error("the pool of one has two servers")
	}
}

func TestInSessionModeAClientHasItsServerFromItsLogin(t *testing.T) {
	w := start(t, mode("session"), size(1), limits(func(c *config.Pool) { c.QueryWaitTimeout = 50 * time.Millisecond }))
	a := w.dial()
	b := w.plug()
	b.startup("user", "app")
	b.expect("R E(FATAL_08006)")
	b.ended()
	a.quit()
	w.dial("application_name", "c").ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}
