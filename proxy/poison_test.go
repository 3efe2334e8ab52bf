package proxy_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// onServer has the superuser run statements in database app, past the proxy.
func onServer(t testing.TB, statements ...string) {
	t.Helper()
	ctx := bounded(t)
	conn := must(pgx.Connect(ctx, postgres(t).SuperuserDSN("app")))(t)
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// count is how many lines of the log have all of the words.
func (l *logged) count(words ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
lines:
	for _, line := range l.lines {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue lines
			}
		}
		n++
	}
	return n
}

func (w *world) opened() int { return w.log.count(`msg="server opened"`) }

// spoil has a client leave behind what no RESET takes away again.
type spoil struct {
	name       string
	parameters []string
	sql        string
	refusal    string // of the RESET
}

// spoils need an ordinary user only, but for the function that loads a library.
var spoils = []spoil{
	{"a setting whose prefix PL/pgSQL reserves when it is loaded",
		[]string{"options", "-c plpgsql.mine=1"}, "do $$ begin end $$", "SQLSTATE 42602"},
	{"a setting that a library has made the superuser's",
		[]string{"options", "-c auto_explain.log_min_duration=5"}, "select public.load_auto_explain()", "SQLSTATE 42501"},
}

// loader lets app load a library that only a superuser may.
const loader = `create or replace function public.load_auto_explain() returns void language plpgsql security definer as
	$$ begin load 'auto_explain'; end $$`

func TestServerThatCannotBeCleanedIsReplacedAndTheNextClientSeesNothing(t *testing.T) {
	onServer(t, loader)
	for _, s := range spoils {
		t.Run(s.name, func(t *testing.T) {
			w := start(t, size(1))
			a := w.dial(s.parameters...)
			spoilt := a.value("select pg_backend_pid()")
			if got := a.query(s.sql); !strings.HasSuffix(got, "Z(I)") {
				t.Fatal(got)
			}
			b, c := w.dial(), w.dial()
			for range 3 {
				if pid := b.value("select pg_backend_pid()"); pid == spoilt {
					t.Error("the server was lent again")
				}
				c.ask(answer, q("select 1"))
			}
			if n := w.log.count(`msg="server closed"`, "server not clean"); n != 1 || w.opened() != 2 {
				t.Errorf("%d servers closed for not being clean, %d opened", n, w.opened())
			}
			if n := w.log.count("level=WARN", `msg="server not clean"`, s.refusal); n != 1 {
				t.Errorf("%d lines say what the server said", n)
			}
			a.ask(answer, q("select 1"))
		})
	}
}

// What an earlier client did can make a server refuse what any other takes.
func TestWhatAnEarlierClientDidIsNotHeldAgainstTheSettingsOfTheNext(t *testing.T) {
	onServer(t, loader)
	for _, c := range []struct{ name, spoil, option, show, want string }{
		{"a prefix is reserved", "do $$ begin end $$", "plpgsql.mine=1", "plpgsql.mine", "1"},
		{"a temporary table was used", "create temp table t on commit drop as select 1", "temp_buffers=2000", "temp_buffers", "16000kB"},
		{"a library was loaded", "select public.load_auto_explain()", "auto_explain.log_min_duration=5", "auto_explain.log_min_duration", "5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, size(1))
			a := w.dial()
			a.query(c.spoil)
			b := w.dial("options", "-c "+c.option)
			if got := b.value("show " + c.show); got != c.want {
				t.Errorf("%s is %s", c.show, got)
			}
			a.query(c.spoil) // and once it has been welcomed
			if got := b.value("show " + c.show); got != c.want {
				t.Errorf("later %s is %s", c.show, got)
			}
		})
	}
}

func TestManyClientsWithABadSettingHarmNobody(t *testing.T) {
	for _, c := range []struct {
		name   string
		option func(i int) string
		opened int // at most: two of the pool, and one as new in place of one of them for each thing that is wrong
	}{
		{"the same", func(int) string { return "work_mem=banana" }, 2 + 1},
		{"each another", func(i int) string { return fmt.Sprintf("work_mem=banana%d", i) }, 2 + 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, size(2))
			good := w.dial("application_name", "good")
			stop := make(chan struct{})
			var rounds atomic.Int64
			said := make(chan string, 1)
			go good.loop(&rounds, stop, said)
			for i := range 50 {
				r := w.plug()
				r.startup("user", "app", "application_name", fmt.Sprint("bad ", i), "options", "-c "+c.option(i))
				if got := r.refusal(); got == nil || got.Code != "22023" || got.Severity != "FATAL" {
					t.Errorf("%d: %+v", i, got)
				}
				r.ended()
			}
			before := rounds.Load()
			eventually(t, "the good one goes on", func() bool { return rounds.Load() > before+10 })
			close(stop)
			if s := <-said; s != "" {
				t.Errorf("the good one was told %s", s)
			}
			if n := w.opened(); n > c.opened {
				t.Errorf("%d servers were opened", n)
			}
			if n := w.log.count(`msg="client's setting refused"`, "SQLSTATE 22023"); n != 50 {
				t.Errorf("%d lines in the log", n)
			}
		})
	}
}

func TestTheSameBadSettingCostsNoSecondServer(t *testing.T) {
	w := start(t, size(1))
	good := w.dial()
	for range 5 {
		good.ask(answer, q("select 1"))
		r := w.plug()
		if got := r.logInAndShow("app", "options", "-c work_mem=banana", ""); !strings.HasPrefix(got, "FATAL 22023") {
			t.Error(got)
		}
	}
	if n := w.opened(); n != 2 {
		t.Errorf("%d servers were opened", n)
	}
}

// loop asks one statement after the other until it is stopped or gets an error.
func (r *raw) loop(rounds *atomic.Int64, stop <-chan struct{}, said chan<- string) {
	for {
		select {
		case <-stop:
			said <- ""
			return
		default:
		}
		r.fe.Send(q("select 1"))
		if err := r.fe.Flush(); err != nil {
			said <- err.Error()
			return
		}
		for ready := false; !ready; {
			m, err := r.fe.Receive()
			if err != nil {
				said <- err.Error()
				return
			}
			if e, bad := m.(*pgproto3.ErrorResponse); bad {
				said <- e.Message
				return
			}
			_, ready = m.(*pgproto3.ReadyForQuery)
		}
		rounds.Add(1)
	}
}

// refusal reads up to the error that ends a login; nil if there is none.
func (r *raw) refusal() *pgproto3.ErrorResponse {
	r.t.Helper()
	for {
		switch m := r.receive().(type) {
		case *pgproto3.ErrorResponse:
			return &pgproto3.ErrorResponse{Severity: m.Severity, Code: m.Code, Message: m.Message, Detail: m.Detail, Hint: m.Hint}
		case *pgproto3.ReadyForQuery:
			return nil
		}
	}
}

// What a client sets at its start is taken or refused as PostgreSQL itself does,
// in the same words.
func TestStartupSettingsAreTakenAndRefusedAsByPostgreSQL(t *testing.T) {
	w := start(t, size(1))
	good := w.dial()
	for _, c := range []struct{ user, name, value, show string }{
		{"app", "options", "-c work_mem=banana", ""},
		{"app", "work_mem", "1", ""},
		{"app", "options", "-c statement_timeout=5eons", ""},
		{"app", "options", "--enable_seqscan=perhaps", ""},
		{"app", "TimeZone", "Mars/Olympus", ""},
		{"app", "DateStyle", "foo", ""},
		{"app", "client_encoding", "klingon", ""},
		{"app", "lc_time", "xx", ""},
		{"app", "options", "-c seed=2", ""},
		{"app", "options", "-c default_tablespace=nosuch", ""},
		{"app", "options", "-c default_table_access_method=nosuch", ""},
		{"app", "no_such_parameter", "1", ""},
		{"app", "options", "-c a.=1", ""},
		{"app", "options", "-c =1", ""},
		{"app", "options", "-c log_statement=all", ""},
		{"app", "options", "-c session_replication_role=replica", ""},
		{"app", "options", "-c session_preload_libraries=x", ""},
		{"app", "options", "-c role=postgres", ""},
		{"app", "options", "-c role=nosuch", ""},
		{"app", "options", "-c port=1", ""},
		{"app", "options", "-c fsync=off", ""},
		{"app", "options", "-c block_size=1", ""},
		{"app", "is_superuser", "on", ""},
		{"app", "options", "-c transaction_isolation=serializable", ""},
		{"app", "options", "-c work_mem=apple -c work_mem=banana -c work_mem=apple", ""},
		{"postgres", "options", "-c log_parser_stats=on -c log_statement_stats=on", ""},
		{"postgres", "options", "-c lc_messages=xx", ""},
		{"app", "options", "-c work_mem=1MB -c work_mem=2MB", "work_mem"},
		{"app", "options", "-c a.b=1", "a.b"},
		{"app", "options", "-c plpgsql.mine=1", "plpgsql.mine"},
		{"app", "options", "-c statement_timeout=7 -c tcp_keepalives_idle=60 -c work_mem=1MB", "statement_timeout"},
		{"app", "options", "-c transaction_read_only=on", "transaction_read_only"},
		{"app", "search_path", "", "search_path"},
		{"postgres", "options", "-c session_authorization=app", "session_authorization"},
		{"postgres", "options", "-c log_statement=none -c role=app -c track_counts=off", "role"},
	} {
		direct, through := plugInto(t, dialServer(t)), w.plug()
		want, got := direct.logInAndShow(c.user, c.name, c.value, c.show), through.logInAndShow(c.user, c.name, c.value, c.show)
		if want != got {
			t.Errorf("%s %s=%s:\n got %s\nwant %s", c.user, c.name, c.value, got, want)
		}
		good.ask(answer, q("select 1"))
	}
}

// logInAndShow returns the error that ends the login, or a setting.
func (r *raw) logInAndShow(user, name, value, show string) string {
	r.t.Helper()
	defer r.conn.Close()
	r.startup("user", user, "database", "app", name, value)
	if e := r.refusal(); e != nil {
		return fmt.Sprintf("%s %s: %s (%s, %s)", e.Severity, e.Code, e.Message, e.Detail, e.Hint)
	}
	if show == "" {
		return "taken"
	}
	return r.value("show " + show)
}

// A server's own start is over when a client comes.
func TestSettingOfAConnectionsStartIsRefused(t *testing.T) {
	w := start(t, size(1))
	r := w.plug()
	if got := r.logInAndShow("app", "options", "-c ignore_system_indexes=on", ""); !strings.HasPrefix(got, "FATAL 55P02") {
		t.Error(got)
	}
	w.dial().ask(answer, q("select 1"))
}

func TestSettingsDoNotReachAcrossARole(t *testing.T) {
	w := start(t, size(1))
	dial := func(options string) *raw {
		r := w.plug()
		r.login("user", "postgres", "database", "app", "options", options)
		return r
	}
	a, b, c := dial("-c log_duration=on -c role=app"), dial("-c log_duration=off -c track_counts=off -c role=app"), dial("")
	for range 3 {
		for _, s := range []struct {
			r                      *raw
			user, duration, counts string
		}{{a, "app", "on", "on"}, {b, "app", "off", "off"}, {c, "postgres", "off", "on"}} {
			got := s.r.value("select current_user || ' ' || current_setting('log_duration') || ' ' || current_setting('track_counts')")
			if want := s.user + "_" + s.duration + "_" + s.counts; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
	if n := w.opened(); n != 1 {
		t.Errorf("%d servers were opened", n)
	}
}

func TestSettingThatANewServerRefusesIsToldToItsClientAlone(t *testing.T) {
	var first atomic.Bool
	first.Store(true)
	report := func(c *fakeConn) bool {
		c.say(&pgproto3.CommandComplete{CommandTag: []byte("SET")}, &pgproto3.ParameterStatus{Name: "TimeZone", Value: "Old/Zone"},
			&pgproto3.ReadyForQuery{TxStatus: 'I'})
		return true
	}
	closes := func(*fakeConn) bool { first.Store(false); return false }
	plain := lying(map[string]func(*fakeConn) bool{"set timezone = 'Old/Zone'": report, "die": closes})
	setUp := settingUp(func(c *fakeConn) bool {
		if first.Load() {
			return c.isSet()
		}
		c.say(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "22023",
			Message: `invalid value for parameter "TimeZone": "Old/Zone"`, Detail: "a detail", Hint: "a hint"}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
		return true
	})
	f := startFake(t, func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		if _, ask := m.(*pgproto3.Query); ask {
			return plain(c, m)
		}
		return setUp(c, m)
	})
	w := startBefore(t, f.address, size(1))
	a, b := w.dial(), w.dial()
	a.ask("C(SET) S(TimeZone=Old/Zone) Z(I)", q("set timezone = 'Old/Zone'"))
	b.ask("E(ERROR_08007) Z(I)", q("die"))
	b.ask(answer, q("select 1"))
	a.send(q("select 1"))
	want := pgproto3.ErrorResponse{Severity: "FATAL", Code: "22023", Message: `invalid value for parameter "TimeZone": "Old/Zone"`, Detail: "a detail", Hint: "a hint"}
	if got := a.refusal(); fmt.Sprint(*got) != fmt.Sprint(want) {
		t.Errorf("got %+v", got)
	}
	a.ended()
	b.ask(answer, q("select 1"))
	if n := f.logins.Load(); n != 3 {
		t.Errorf("%d servers were opened", n) // the first, the one b had used, one as new
	}
}

// A server in trouble of its own says nothing about the client's settings.
func TestServersTroubleIsNotHeldAgainstTheClient(t *testing.T) {
	trouble := func(c *fakeConn) bool {
		c.say(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "53200", Message: "out of memory"},
			&pgproto3.ReadyForQuery{TxStatus: 'I'})
		return true
	}
	var f *fake
	f = startFake(t, settingUp(func(c *fakeConn) bool {
		if f.logins.Load() <= 3 {
			return trouble(c)
		}
		return c.isSet()
	}))
	w := startBefore(t, f.address, size(1))
	w.dial("application_name", "x").ask(answer, q("select 1"))

	f = startFake(t, settingUp(trouble))
	w = startBefore(t, f.address, size(1))
	r := w.plug()
	r.startup("user", "app", "application_name", "x")
	r.expect("R E(FATAL_08006)")
	r.ended()
	if n := f.logins.Load(); n > 10 {
		t.Errorf("%d servers were opened", n)
	}
	plain := w.plug()
	plain.login("user", "app")
	plain.ask(answer, q("select 1"))
}
