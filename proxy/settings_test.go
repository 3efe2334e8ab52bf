package proxy_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

func TestStartupSettingsAreAppliedAndKeptApart(t *testing.T) {
	w := start(t, size(1))
	a := w.dial("options", `-c search_path=one,\ two --statement-timeout=1234`, "application_name", "a", "TimeZone", "Europe/Rome", "client_encoding", "LATIN1")
	b := w.dial("application_name", "b")
	show := func(r *raw, name, want string) {
		t.Helper()
		if got := r.value("show " + name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for range 5 {
		show(a, "search_path", "one,_two")
		show(b, "search_path", `"$user",_public`)
		show(a, "statement_timeout", "1234ms")
		show(a, "TimeZone", "Europe/Rome")
		show(b, "statement_timeout", "0")
		show(b, "application_name", "b")
		show(a, "application_name", "a")
		show(a, "client_encoding", "LATIN1")
		show(b, "client_encoding", "UTF8")
	}
	if got := a.welcome["client_encoding"]; got != "LATIN1" {
		t.Errorf("told at login: client_encoding %s", got)
	}
}

func TestReportedParameterThatIsSetFollowsTheClient(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	a.ask("C(SET) S(TimeZone=Asia/Tokyo) Z(I)", q("set timezone = 'Asia/Tokyo'"))
	for range 3 {
		if got := b.value("show timezone"); got == "Asia/Tokyo" {
			t.Fatal("b has what a has set")
		}
		if got := a.value("show timezone"); got != "Asia/Tokyo" {
			t.Fatalf("a has set Asia/Tokyo and has %s", got)
		}
	}
	a.ask("C(BEGIN) Z(T)", q("begin"))
	a.ask("C(SET) S(TimeZone=UTC) Z(T)", q("set timezone = 'UTC'"))
	a.ask("C(ROLLBACK) S(TimeZone=Asia/Tokyo) Z(I)", q("rollback"))
	b.silent()
	if got := a.value("show timezone"); got != "Asia/Tokyo" {
		t.Errorf("after a rollback: %s", got)
	}
	a.ask("C(RESET) S(TimeZone="+b.value("show timezone")+") Z(I)", q("reset timezone"))
}

func TestInvalidStartupValueIsTheServersErrorAndHarmsNobody(t *testing.T) {
	w := start(t, size(1))
	for _, bad := range []struct{ name, value, want string }{
		{"TimeZone", "Mars/Olympus", "E(FATAL_22023)"},
		{"client_encoding", "klingon", "E(FATAL_22023)"},
		{"no_such_parameter", "1", "E(FATAL_42704)"},
		{"options", "-c statement_timeout=soon", "E(FATAL_22023)"},
		{"options", "-c port=1", "E(FATAL_55P02)"},
		{"options", "-x", "E(FATAL_0A000)"},
	} {
		r := w.plug()
		r.startup("user", "app", "application_name", "bad", bad.name, bad.value)
		for {
			m := r.receive()
			if _, ok := m.(*pgproto3.AuthenticationOk); ok {
				continue
			}
			if got := word(m); got != bad.want {
				t.Errorf("%s=%s: %s, want %s", bad.name, bad.value, got, bad.want)
			}
			break
		}
		r.ended()
		if got := w.dial("application_name", "good").value("show application_name"); got != "good" {
			t.Errorf("after %s=%s: application_name %s", bad.name, bad.value, got)
		}
		if got := w.dial().value("show application_name"); got != "" {
			t.Errorf("after %s=%s: application_name %s", bad.name, bad.value, got)
		}
	}
}

func TestDriversPipelineMode(t *testing.T) {
	w := start(t, size(1))
	conn := w.pgx().PgConn()
	ctx := bounded(t)
	p := conn.StartPipeline(context.Background())
	for range 100 {
		p.SendQueryParams("select $1::int", [][]byte{[]byte("1")}, nil, nil, nil)
		p.SendQueryParams("select 1/0", nil, nil, nil, nil)
		if err := p.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err == nil {
		t.Error("no error of a division by zero")
	}
	if _, err := conn.Exec(ctx, "select 1").ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// PostgreSQL reports a value in its own spelling: a client that gave another one
// does not have it set again and again.
func TestAValueThatIsReportedInAnotherSpellingIsSetOnce(t *testing.T) {
	set := 0
	f := startFake(t, settingUp(func(c *fakeConn) bool {
		set++
		c.say(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, &pgproto3.DataRow{}, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")},
			&pgproto3.ParameterStatus{Name: "DateStyle", Value: "German, DMY"}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
		return true
	}))
	f.facts = func() map[string]string { return map[string]string{"DateStyle": "ISO, MDY"} }
	w := startBefore(t, f.address, size(1))
	r := w.dial("datestyle", "german")
	if got := r.welcome["DateStyle"]; got != "German, DMY" {
		t.Errorf("told at login: %s", got)
	}
	for range 20 {
		r.ask(answer, q("select 1"))
	}
	if set != 1 {
		t.Errorf("set %d times", set)
	}
}

// Clients that have set different things each find the server again that has them,
// and need not change it.
func TestAServerThatHasTheClientsSettingsIsPreferred(t *testing.T) {
	w := start(t, size(3))
	clients := []*raw{w.dial(), w.dial("TimeZone", "Asia/Tokyo"), w.dial()}
	clients[2].query("set work_mem = '77MB'")
	pids := make([]string, len(clients))
	for i, c := range clients {
		c.query("begin")
		pids[i] = c.value("select pg_backend_pid()")
	}
	for _, c := range clients {
		c.query("commit")
	}
	for round := range 10 {
		for i, c := range clients {
			if got := c.value("select pg_backend_pid()"); got != pids[i] {
				t.Fatalf("round %d: client %d has server %s, and %s is as it wants it", round, i, got, pids[i])
			}
		}
	}
}
