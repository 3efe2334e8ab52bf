package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// hears reads one notification: its channel and payload, and whose it is.
func (r *raw) hears(want string) (pid uint32) {
	r.t.Helper()
	m := r.receive()
	n, ok := m.(*pgproto3.NotificationResponse)
	if !ok {
		r.t.Fatalf("%s in place of a notification", word(m))
	}
	if got := n.Channel + "=" + n.Payload; got != want {
		r.t.Fatalf("heard %s, want %s", got, want)
	}
	return n.PID
}

// listeners is how many clients listen by ears, and to how many channels.
func (w *world) listeners() string {
	for _, s := range w.pools.States() {
		if s.Listeners+s.Channels > 0 {
			return fmt.Sprintf("%d/%d", s.Listeners, s.Channels)
		}
	}
	return "0/0"
}

// ears is the backends that listen for the app's pools: what they did last.
const ears = "from pg_stat_activity where usename = 'app' and query ~ '^(UN)?LISTEN \"'"

func TestListenersShareServersInTransactionMode(t *testing.T) {
	for _, m := range []string{"transaction", "statement"} {
		t.Run(m, func(t *testing.T) {
			w := start(t, mode(m), size(1), loops(2))
			var all []*raw
			for range 6 {
				r := w.dial()
				r.ask("C(LISTEN) Z(I)", q("listen news"))
				all = append(all, r)
			}
			stranger := w.dial()
			for i := range 3 {
				superuser(t, "select pg_notify('news', $1)", fmt.Sprint(i))
				for _, r := range all {
					r.hears(fmt.Sprintf("news=%d", i)) // at rest
				}
			}
			stranger.silent()
			if got := w.listeners(); got != "6/1" {
				t.Errorf("listeners and channels: %s", got)
			}
			if got := superuser(t, "select count(*) from pg_stat_activity where usename = 'app'"); got != "2" {
				t.Errorf("%s connections to the server, want a server and an ear", got)
			}
			if got := stranger.value("select count(*) from pg_listening_channels()"); got != "0" {
				t.Errorf("%s channels are left on the server", got)
			}
			for _, r := range all {
				r.quit()
			}
			eventually(t, "nobody listens, and the ear is closed", func() bool {
				return w.listeners() == "0/0" && superuser(t, "select count(*) "+ears) == "0" && w.log.has(`msg="ear closed"`)
			})
		})
	}
}

func TestListenAndUnlistenAreTransactionsOwn(t *testing.T) {
	w := start(t, size(1))
	for _, c := range []struct {
		name  string
		steps []any // what is sent: a Query, or messages at once
		hears string
	}{
		{"rolled back", []any{"begin", "listen a", "rollback"}, ""},
		{"to a savepoint", []any{"begin", "listen a", "savepoint s", "listen b", "rollback to s", "commit"}, "a"},
		{"failed", []any{"begin", "listen a", "select 1/0", "commit"}, ""},
		{"failed in one Query", []any{"listen a; select 1/0"}, ""},
		{"several in one Query", []any{"listen a; listen \"b\"; select 1; unlisten a"}, "b"},
		{"a block in one Query", []any{"begin; listen a; commit; begin; listen b; rollback"}, "a"},
		{"two transactions", []any{"listen a", "listen b"}, "a b"},
		{"twice", []any{"listen a", "listen a"}, "a"},
		{"unlisten", []any{"listen a", "listen b", "unlisten a"}, "b"},
		{"unlisten, folded and quoted", []any{"listen a", "listen \"B\"", "unlisten A", "unlisten b"}, "B"},
		{"unlisten all", []any{"listen a", "listen b", "unlisten *"}, ""},
		{"unlisten in a block", []any{"listen a", "listen b", "begin", "unlisten a", "commit"}, "b"},
		{"unlisten rolled back", []any{"listen a", "listen b", "begin", "unlisten *", "rollback"}, "a b"},
		{"unlisten failed", []any{"listen a", "begin", "unlisten a", "select 1/0", "commit"}, "a"},
		{"unlisten failed in one Query", []any{"listen a", "unlisten a; select 1/0"}, "a"},
		{"unlisten, then listen", []any{"listen a", "listen b", "begin", "unlisten *", "listen a", "commit"}, "a"},
		{"listen, then unlisten", []any{"listen a", "begin", "listen b", "unlisten *", "commit"}, ""},
		{"discard all", []any{"listen a", "discard all"}, ""},
		{"discard all, then listen", []any{"listen a", "discard all", "listen b"}, "b"},
		{"reset all", []any{"listen a", "reset all"}, "a"},
		{"commit and chain", []any{"begin", "listen a", "commit and chain", "listen b", "rollback"}, "a"},
		{"names of the longest kind", []any{"listen " + strings.Repeat("n", 70), "listen \"q\"\"q\"", "unlisten \"q\"\"q\"", "listen \"Ü ;\""}, strings.Repeat("n", 63) + " Ü_;"},
		{"extended", []any{messages{parse("listen a"), bind(), execute(), syncs()}}, "a"},
		{"extended, prepared", []any{messages{parseAs("l", "listen a"), parseAs("u", "unlisten a"), syncs()}, messages{bindTo("l"), execute(), syncs()}, messages{bindTo("u"), execute(), syncs()}, messages{bindTo("l"), execute(), syncs()}}, "a"},
		{"extended, one group", []any{messages{parse("listen a"), bind(), execute(), parse("listen b"), bind(), execute(), parse("unlisten a"), bind(), execute(), syncs()}}, "b"},
		{"extended, one group that fails", []any{messages{parse("listen a"), bind(), execute(), parse("select 1/0"), bind(), execute(), syncs()}}, ""},
		{"a pipeline", []any{messages{q("begin"), q("listen a"), q("commit"), q("listen b"), q("select 1"), q("unlisten a"), q("listen c"), q("select 2")}}, "b c"},
		{"a pipeline of groups", []any{messages{parse("listen a"), bind(), execute(), syncs(), parse("select 1"), bind(), execute(), syncs(), parse("unlisten a"), bind(), execute(), syncs(), parse("listen b"), bind(), execute(), syncs()}}, "b"},
		{"with DO", []any{"begin", "do $$ begin execute 'listen a'; end $$", "listen b", "commit"}, "a b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := w.dial()
			direct := plugInto(t, dialServer(t))
			direct.login("user", "app")
			for _, step := range c.steps {
				sent, ok := step.(messages)
				if !ok {
					sent = messages{q(step.(string))}
				}
				r.send(sent...)
				direct.send(sent...)
				for _, m := range sent {
					if isEnd(m) {
						if got, want := r.upToReady(), direct.upToReady(); got != want {
							t.Fatalf("%v: %s\ndirectly %s", step, got, want)
						}
					}
				}
			}
			for _, name := range append(strings.Fields(strings.ReplaceAll(c.hears, "_", " ")), "a", "b", "c", "B") {
				superuser(t, "select pg_notify($1, '')", strings.ReplaceAll(name, "_", " "))
			}
			superuser(t, "select pg_notify('Ü ;', '')")
			got, want := r.heard(), direct.heard()
			if got != want {
				t.Errorf("heard    %s\ndirectly %s", got, want)
			}
			if c.hears != "" && !strings.Contains(got, "A("+strings.Fields(c.hears)[0]) {
				t.Errorf("heard %s, want %s", got, c.hears)
			}
			r.conn.Close()
		})
	}
}

// heard is the notifications that have come so far.
func (r *raw) heard() string {
	r.t.Helper()
	r.send(q("listen finally"))
	words := r.upToReady()
	superuser(r.t, "select pg_notify('finally', '')")
	words += " " + r.upTo("A(finally)")
	var heard []string
	for _, word := range strings.SplitAfter(words, ") ") {
		if strings.HasPrefix(word, "A(") {
			heard = append(heard, word)
		}
	}
	return strings.Join(heard, "")
}

func isEnd(m pgproto3.FrontendMessage) bool {
	switch m.(type) {
	case *pgproto3.Query, *pgproto3.Sync:
		return true
	}
	return false
}

// upToReady is the words up to ReadyForQuery; upTo those up to a word.
func (r *raw) upToReady() string { return r.upTo("Z(I)", "Z(T)", "Z(E)") }

func (r *raw) upTo(ends ...string) string {
	r.t.Helper()
	var words []string
	for {
		w := word(r.receive())
		words = append(words, w)
		for _, end := range ends {
			if w == end {
				return strings.Join(words, " ")
			}
		}
	}
}

func TestServerThatAFunctionHasListenIsNotLentAgain(t *testing.T) {
	for _, idle := range []bool{true, false} {
		w := start(t, size(1))
		r, other := w.dial(), w.dial()
		pid := r.value("select pg_backend_pid()")
		r.query("do $$ begin execute 'listen secret'; end $$")
		if !idle {
			other.ask("C(BEGIN) Z(T)", q("begin"))
		}
		superuser(t, "select pg_notify('secret', '')")
		if !idle {
			other.ask("C(COMMIT) Z(I)", q("commit"))
		}
		eventually(t, "closed", func() bool { return w.log.has(`reason="server not clean"`) })
		other.query("listen news")
		other.silent()
		if got := other.value("select pg_backend_pid()"); got == pid {
			t.Errorf("idle %v: it was lent again", idle)
		}
		r.silent()
	}
}

func TestClientThatGoesWhileItListensLeavesNothingBehind(t *testing.T) {
	w := start(t, size(1), loops(2))
	for _, c := range []struct {
		sent messages
		cut  bool
	}{
		{messages{q("listen a"), &pgproto3.Terminate{}}, false},
		{messages{q("listen a"), &pgproto3.Terminate{}}, true},
		{messages{q("listen a")}, true},
		{messages{q("begin"), q("listen a")}, true},
		{messages{q("begin"), q("listen a"), q("commit and chain")}, true},
		{messages{q("listen a"), q("select pg_notify('a', '')")}, true},
		{messages{parse("listen a"), bind(), execute()}, true},
		{messages{parse("listen a"), bind(), execute(), syncs(), parse("listen b"), bind(), execute(), syncs()}, true},
	} {
		for range 5 {
			r := w.dial()
			r.send(c.sent...)
			if c.cut {
				r.conn.Close()
			} else {
				r.ended()
			}
		}
	}
	eventually(t, "nobody listens", func() bool { return w.proxy.Clients() == 0 && w.listeners() == "0/0" })
	r := w.dial()
	r.ask("T D(0) C(SELECT_1) Z(I)", q("select count(*) from pg_listening_channels()"))
	superuser(t, "select pg_notify('a', '')")
	r.silent()
}

func TestPsqlShowsItsOwnNotifications(t *testing.T) {
	w := start(t, size(1))
	w.dial().query("listen news") // so that the ear hears what the client's server does too
	for _, args := range [][]string{
		{"-c", "listen news", "-c", "notify news, 'x'"}, {"-c", "listen news; notify news, 'x'", "-c", "select 1"},
		{"-c", "begin", "-c", "listen news", "-c", "notify news, 'x'", "-c", "commit", "-c", "notify news"},
	} {
		out := must(w.psql(nil, append([]string{w.dsn("app", "")}, args...)...))(t)
		if n := strings.Count(out, `Asynchronous notification "news" with payload "x" received`); n != 1 {
			t.Errorf("%v: %s", args, out)
		}
	}
}
