package admin

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

func TestTheConsoleGreetsAsPgBouncerDoes(t *testing.T) {
	d := openDesk(t, ConsoleOptions{})
	want := []string{
		"AuthenticationOk", "server_version=1.25.2/bouncer", "client_encoding=UTF8", "server_encoding=UTF8", "DateStyle=ISO", "TimeZone=GMT",
		"standard_conforming_strings=on", "is_superuser=on", "BackendKeyData", "Z",
	}
	if got := hear(t, d.frontend("dba")); !slices.Equal(got, want) {
		t.Errorf("heard %q\nwant  %q", got, want)
	}
}

func TestOnlyThoseWhoAreNamedGetToTheConsole(t *testing.T) {
	d := openDesk(t, ConsoleOptions{Reload: func() error { return nil }})
	d.sit("dba").says("reload", "RELOAD")
	d.sit("monitor").says("reload", "ERROR 08P01 admin access needed")
	if got := hear(t, d.frontend("stranger")); !slices.Equal(got, []string{"FATAL 08P01 not allowed", "end"}) {
		t.Errorf("a stranger heard %q", got)
	}
	until(t, "the log has the reason", func() bool { return d.log.has(`reason="client authentication failed"`) })
}

func TestWhoRunsPorteroIsAdminByItsUnixSocket(t *testing.T) {
	d := openDesk(t, ConsoleOptions{Reload: func() error { return nil }})
	for _, user := range []string{"pgbouncer", "portero"} {
		s := orFail(sit(t, unixDSN(d.folder, user)))(t)
		s.says("RELOAD", "RELOAD")
		if err := s.Close(inTimeFor(t)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dsn := range []string{unixDSN(d.folder, "stranger"), d.dsn("pgbouncer")} {
		if _, err := sit(t, dsn); err == nil || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

func TestOperatorsGetInWhereNoClientDoes(t *testing.T) {
	d := openDesk(t, ConsoleOptions{})
	for range 2 { // they take all places, and wait for a server for ever
		f := d.frontendTo("app", "app")
		if m, err := f.Receive(); err != nil {
			t.Fatalf("%T, %v", m, err)
		}
	}
	until(t, "there is no room for another client", func() bool {
		got := hear(t, d.frontendTo("app", "app"))
		return strings.HasPrefix(got[0], "FATAL 53300")
	})
	if rows := d.sit("dba").rows("show version"); rows[0] != "PgBouncer 1.25.2" {
		t.Errorf("%q", rows)
	}
}

func (d *desk) frontendTo(user, database string) *pgproto3.Frontend {
	d.t.Helper()
	conn := orFail(net.Dial("tcp", d.address))(d.t)
	d.t.Cleanup(func() { conn.Close() })
	f := pgproto3.NewFrontend(conn, conn)
	f.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": user, "database": database}})
	if err := f.Flush(); err != nil {
		d.t.Fatal(err)
	}
	return f
}

func TestAtMostSoManyAreAtTheConsoleAndNoneOfThemIsTurnedOut(t *testing.T) {
	d := openDesk(t, ConsoleOptions{})
	first, second, _, _ := d.sit("dba"), d.sit("monitor"), d.sit("dba"), d.sit("dba")
	if got := hear(t, d.frontend("dba")); !strings.HasPrefix(got[0], "FATAL 53300 no more connections to the console") {
		t.Errorf("the fifth heard %q", got)
	}
	first.rows("show version")
	second.rows("show version")
	if err := second.Close(inTimeFor(t)); err != nil {
		t.Fatal(err)
	}
	until(t, "its place is free", func() bool {
		_, err := sit(t, d.dsn("dba"))
		return err == nil
	})
}

func TestTheExtendedProtocolIsRefusedAsPgBouncerDoes(t *testing.T) {
	d := openDesk(t, ConsoleOptions{})
	for _, c := range []struct {
		sent pgproto3.FrontendMessage
		want string
	}{
		{&pgproto3.Parse{Query: "show pools"}, "extended query protocol not supported by admin console"},
		{&pgproto3.Bind{}, "extended query protocol not supported by admin console"},
		{&pgproto3.Execute{}, "extended query protocol not supported by admin console"},
		{&pgproto3.Sync{}, "unsupported packet type for admin console: 83"},
	} {
		f := d.frontend("dba")
		hear(t, f)
		f.Send(c.sent)
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, want := hear(t, f), []string{"ERROR 08P01 " + c.want, "Z"}; !slices.Equal(got, want) {
			t.Errorf("%T: %q", c.sent, got)
		}
		if got := hear(t, f); !slices.Equal(got, []string{"FATAL 08P01 bad packet", "end"}) {
			t.Errorf("%T, and then: %q", c.sent, got)
		}
	}
}

func TestACommandThatIsTooLongEndsTheSession(t *testing.T) {
	d := openDesk(t, ConsoleOptions{})
	f := d.frontend("dba")
	hear(t, f)
	f.Send(&pgproto3.Query{String: "show " + strings.Repeat("x", maxCommand)})
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := hear(t, f); !slices.Equal(got, []string{"FATAL 08P01 incomplete pkt", "end"}) {
		t.Errorf("%q", got)
	}
}

func TestWhatDriversAskAtTheirStartIsAnswered(t *testing.T) {
	s := openDesk(t, ConsoleOptions{}).sit("monitor")
	for text, want := range map[string]string{
		"SHOW client_encoding": "UTF-8", "show DateStyle;": "ISO", "show timezone": "GMT", "show standard_conforming_strings": "on",
		"show default_transaction_isolation": "read committed", "select extra_float_digits": "2",
	} {
		if rows := s.rows(text); !slices.Equal(rows, []string{want}) {
			t.Errorf("%s: %q", text, rows)
		}
	}
	for _, text := range []string{"SET datestyle TO 'ISO'", "set client_encoding = 'UTF8';", "set extra_float_digits=3", `SET "timezone" to GMT`} {
		s.notices = nil
		s.says(text, "SET")
		if len(s.notices) != 1 || s.notices[0].Message != "SET ignored" {
			t.Errorf("%s: %v", text, s.notices)
		}
	}
}

func TestHelpIsANotice(t *testing.T) {
	s := openDesk(t, ConsoleOptions{}).sit("monitor")
	s.says("show help", "SHOW")
	if len(s.notices) != 1 {
		t.Fatalf("%d notices", len(s.notices))
	}
	n := s.notices[0]
	if n.Severity != "NOTICE" || n.Code != "00000" || n.Message != "Console usage" {
		t.Errorf("%+v", n)
	}
	for what := range shown {
		if !strings.Contains(n.Detail, strings.ToUpper(what)) {
			t.Errorf("%s is not in the help", what)
		}
	}
	for what := range deeds {
		if !strings.Contains(n.Detail, strings.ToUpper(what)) {
			t.Errorf("%s is not in the help", what)
		}
	}
}

// errAlready stands for any error of the functions.
var errAlready = errors.New("already suspended/paused")

func TestCommandsAreDoneForTheDatabaseThatIsNamed(t *testing.T) {
	var done []string
	note := func(what string) func(string) error {
		return func(database string) error { done = append(done, what+" "+database); return nil }
	}
	slow := func(what string) func(context.Context, string) error {
		return func(_ context.Context, database string) error { return note(what)(database) }
	}
	d := openDesk(t, ConsoleOptions{
		Pause: slow("pause"), WaitClose: slow("wait_close"), Resume: note("resume"), Disable: note("disable"), Enable: note("enable"),
		Reconnect: note("reconnect"), Kill: note("kill"),
		Suspend:    func(context.Context) error { return errAlready },
		KillClient: func(id uint64) bool { return id == 7 },
		Reload:     func() error { return errors.New("proxy.toml:3: unknown key") },
		Set: func(key, value string) error {
			done = append(done, key+"="+value)
			if key != "pool_size" {
				return errors.New("no such setting")
			}
			return nil
		},
		AcceptTimeline: func(cluster string, group int, timeline int64) error {
			if cluster != "main" || group != 1 || timeline != 4 {
				return ErrUnknown
			}
			return nil
		},
	})
	s, monitor := d.sit("dba"), d.sit("monitor")
	for _, c := range []struct{ text, want, done string }{
		{"PAUSE", "PAUSE", "pause "},
		{`pause "my ""db"" ";`, "PAUSE", `pause my "db" `},
		{"wait_close app", "WAIT_CLOSE", "wait_close app"},
		{"Resume App", "RESUME", "resume App"},
		{"disable app", "DISABLE", "disable app"},
		{"enable\tapp\n;", "ENABLE", "enable app"},
		{"reconnect", "RECONNECT", "reconnect "},
		{"kill app", "KILL", "kill app"},
		{"disable", "ERROR 08P01 a database is required", ""},
		{"enable;", "ERROR 08P01 a database is required", ""},
		{"pause pgbouncer", "ERROR 08P01 cannot pause admin db: pgbouncer", ""},
		{"wait_close portero", "ERROR 08P01 cannot wait in admin db: portero", ""},
		{"suspend", "ERROR 08P01 already suspended/paused", ""},
		{"suspend app", "ERROR 08P01 invalid command 'suspend app', use SHOW HELP;", ""},
		{"kill_client 7", "KILL_CLIENT", ""},
		{"kill_client 8", "ERROR 08P01 client not found", ""},
		{"kill_client x", "ERROR 08P01 invalid client pointer supplied", ""},
		{"kill_client", "ERROR 08P01 invalid client pointer supplied", ""},
		{"reload", "ERROR F0000 RELOAD failed, see logs for additional details", ""},
		{"set pool_size = 5", "SET pool_size=5", "pool_size=5"},
		{"set nothing to 'it''s'", "ERROR 08P01 SET failed", "nothing=it's"},
		{"accept_timeline main 1 4", "ACCEPT_TIMELINE", ""},
		{"accept_timeline other 1 4", "ERROR 08P01 no such cluster or group", ""},
		{"accept_timeline main 1", "ERROR 08P01 ACCEPT_TIMELINE needs a cluster, a group and a timeline", ""},
		{"accept_timeline main one 4", "ERROR 08P01 group and timeline must be numbers", ""},
		{"shutdown now", "ERROR 08P01 invalid command 'shutdown now', use SHOW HELP;", ""},
		{"shutdown", "ERROR 0A000 SHUTDOWN is not available", ""},
		{"show", "ERROR 08P01 invalid command 'show', use SHOW HELP;", ""},
		{"show pools; show stats", "ERROR 08P01 invalid command 'show pools; show stats', use SHOW HELP;", ""},
		{"select 1", "ERROR 08P01 invalid command 'select 1', use SHOW HELP;", ""},
		{"", "ERROR 08P01 invalid command '', use SHOW HELP;", ""},
	} {
		done = nil
		s.says(c.text, c.want)
		if got := strings.Join(done, ", "); got != c.done {
			t.Errorf("%s: done: %s", c.text, got)
		}
		if word, _, _ := strings.Cut(c.text, " "); deeds[strings.ToLower(strings.Trim(word, ";"))].do == nil && word != "set" {
			continue
		}
		done = nil
		if _, _, _, tag, err := monitor.ask(c.text); err == nil {
			t.Errorf("%s: user monitor may do that: %s", c.text, tag)
		}
		if done != nil {
			t.Errorf("%s by user monitor: done: %s", c.text, done)
		}
	}
	if !d.log.has(`msg="console command" command="kill app" user=dba`) {
		t.Error("the log has nothing of who did what")
	}
}

func TestCommandsWithoutAFunctionAreNotAvailable(t *testing.T) {
	s := openDesk(t, ConsoleOptions{}).sit("dba")
	for word := range deeds {
		text := word
		switch word {
		case "disable", "enable", "kill_client":
			text += " 1"
		case "accept_timeline":
			text += " main 0 1"
		}
		s.says(text, "ERROR 0A000 "+strings.ToUpper(word)+" is not available")
	}
}

// A driver's cancel request is what psql sends for ^C.
func TestAPauseThatWaitsIsEndedByACancelRequest(t *testing.T) {
	begun, undone := make(chan bool), make(chan bool, 1)
	d := openDesk(t, ConsoleOptions{Pause: func(ctx context.Context, _ string) error {
		begun <- true
		<-ctx.Done()
		undone <- true
		return ctx.Err()
	}})
	s := d.sit("dba")
	ended := make(chan error, 1)
	go func() {
		_, _, _, _, err := s.ask("pause app")
		ended <- err
	}()
	<-begun
	if rows := d.sit("monitor").rows("show pools"); !strings.HasPrefix(rows[0], "pgbouncer|pgbouncer|2|") {
		t.Errorf("meanwhile: %q", rows)
	}
	if err := s.CancelRequest(inTimeFor(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; inWords(err) != "ERROR 57014 canceling PAUSE due to user request" {
		t.Error(err)
	}
	<-undone
	s.rows("show version") // and is of use
}

func TestAShutdownThatWaitsIsAnsweredFirstAndOneAtOnceNever(t *testing.T) {
	modes := make(chan ShutdownMode, 3)
	d := openDesk(t, ConsoleOptions{Shutdown: func(m ShutdownMode) { modes <- m }})
	s := d.sit("dba")
	s.says("shutdown wait_for_servers", "SHUTDOWN")
	s.says("SHUTDOWN WAIT_FOR_CLIENTS;", "SHUTDOWN")
	f := d.frontend("dba")
	hear(t, f)
	f.Send(&pgproto3.Query{String: "shutdown"})
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []ShutdownMode{ShutdownWaitForServers, ShutdownWaitForClients, ShutdownAtOnce} {
		if got := <-modes; got != want {
			t.Errorf("mode %d, want %d", got, want)
		}
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	d.proxy.Shutdown(now)
	if got := hear(t, f); !slices.Equal(got, []string{"end"}) {
		t.Errorf("heard %q", got)
	}
}

func TestAClientOfTheConsoleCanBeKilled(t *testing.T) {
	d := openDesk(t, ConsoleOptions{KillClient: func(uint64) bool { return false }})
	victim := d.sit("monitor")
	id := ""
	s := d.sit("dba")
	for _, row := range s.rows("show clients") {
		if fields := strings.Split(row, "|"); fields[1] == "monitor" {
			id = fields[len(fields)-1]
		}
	}
	s.says("kill_client "+id, "KILL_CLIENT")
	if _, _, _, _, err := victim.ask("show version"); err == nil || errors.As(err, new(*pgconn.PgError)) {
		t.Errorf("the victim: %v", err)
	}
	until(t, "it is gone", func() bool { return len(s.rows("show clients")) == 1 })
}

func TestErrorsKeepTheirCodes(t *testing.T) {
	s := openDesk(t, ConsoleOptions{Resume: func(string) error { return wire.Errorf("55000", "not now") }}).sit("dba")
	s.says("resume", "ERROR 55000 not now")
}
