package proxy_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/session"
)

func TestSendersAreKnownByTheIDsOfTheirLogins(t *testing.T) {
	w := start(t, size(1), loops(2), func(c *config.Config) {
		jobs := c.Routes[0]
		jobs.Database, jobs.DBName, jobs.PoolMode = "jobs", "app", "session"
		c.Routes = append([]config.Route{jobs}, c.Routes...)
	})
	ear, sender := w.dial(), w.dial()
	ear.ask("C(LISTEN) Z(I)", q("listen news"))
	for _, sent := range []messages{
		{q("notify news")}, {q("select 1; NOTIFY news")}, {q("select pg_notify('news', '')")},
		{parse("select pg_notify('news', $1)"), bind(""), execute(), syncs()},
		{parseAs("n", "notify news"), bindTo("n"), execute(), syncs()}, {bindTo("n"), execute(), syncs()},
	} {
		sender.send(sent...)
		sender.upToReady()
		if pid := ear.hears("news="); pid != sender.id {
			t.Errorf("%v: sent by %d, want %d", sent[0], pid, sender.id)
		}
	}
	sender.ask("C(BEGIN) C(NOTIFY) Z(T)", q("begin; notify news"))
	sender.ask("C(COMMIT) Z(I)", q("commit"))
	ear.hears("news=")
	sender.ask("C(BEGIN) C(NOTIFY) Z(T)", q("begin; notify news"))
	sender.ask("C(ROLLBACK) Z(I)", q("rollback"))

	ear.ask("C(NOTIFY) A(news) Z(I)", q("notify news")) // as without Portero: before ReadyForQuery
	ear.send(q("notify news, 'mine'"))
	ear.expect("C(NOTIFY)")
	if pid := ear.hears("news=mine"); pid != ear.id {
		t.Errorf("its own: sent by %d, want %d", pid, ear.id)
	}
	ear.expect("Z(I)")

	direct := plugInto(t, dialServer(t))
	direct.login("user", "app")
	direct.query("notify news")
	if pid := ear.hears("news="); pid != direct.id {
		t.Errorf("by a client of the server itself: %d, want %d", pid, direct.id)
	}
	job := w.dial("database", "jobs")
	pid := job.value("select pg_backend_pid()")
	job.query("notify news")
	if got := ear.hears("news="); fmt.Sprint(got) != pid {
		t.Errorf("by a client in session mode: %d, want %s", got, pid)
	}
}

func TestATriggersNotificationsAreThoseOfTheClientThatHasWorkedLast(t *testing.T) {
	w := start(t, size(1))
	ear, sender := w.dial(), w.dial()
	ear.ask("C(LISTEN) Z(I)", q("listen news"))
	sender.query("create function pg_temp.tell() returns void language sql as $$ select pg_catalog.pg_notify('news', '') $$")
	sender.query("select pg_temp.tell()")
	if pid := ear.hears("news="); pid != sender.id {
		t.Errorf("sent by %d, want %d", pid, sender.id)
	}
}

func TestNotificationsComeInTheOrderOfTheirCommits(t *testing.T) {
	const senders, each = 5, 200
	w := start(t, size(2), loops(2))
	direct := plugInto(t, dialServer(t))
	direct.login("user", "app")
	direct.query("listen news")
	ears := []*raw{w.dial(), w.dial()}
	for _, r := range ears {
		r.query("listen news")
	}
	ids := make(map[string]uint32)
	var running sync.WaitGroup
	for n := range senders {
		r := w.dial()
		ids[fmt.Sprint(n)] = r.id
		running.Go(func() {
			for i := range each {
				r.query(fmt.Sprintf("select pg_notify('news', '%d %d')", n, i))
			}
		})
	}
	for i := range senders * each {
		want := direct.receive().(*pgproto3.NotificationResponse)
		for _, r := range ears {
			pid := r.hears("news=" + want.Payload)
			if who, _, _ := strings.Cut(want.Payload, " "); pid != ids[who] {
				t.Fatalf("notification %d, %s: sent by %d, want %d", i, want.Payload, pid, ids[who])
			}
		}
	}
	running.Wait()
	if got := w.pools.States()[0].Pool.Totals().Notifications; got != 2*senders*each {
		t.Errorf("%d notifications are counted", got)
	}
}

func TestListenerHearsWhileAnotherHoldsTheOnlyServer(t *testing.T) {
	w := start(t, size(1))
	idle, inside := w.dial(), w.dial()
	idle.query("listen news")
	inside.query("listen news")
	inside.ask("C(BEGIN) Z(T)", q("begin"))
	superuser(t, "select pg_notify('news', '1')")
	idle.hears("news=1")
	inside.ask("T D(1) C(SELECT_1) Z(T)", q("select 1"))
	inside.ask("E(ERROR_22012) Z(E)", q("select 1/0"))
	inside.ask("C(ROLLBACK) Z(I)", q("rollback"))
	inside.hears("news=1")
	inside.ask("C(BEGIN) Z(T)", q("begin"))
	superuser(t, "select pg_notify('news', '2')")
	idle.hears("news=2")
	inside.ask("C(UNLISTEN) Z(T)", q("unlisten news"))
	inside.ask("C(COMMIT) Z(I)", q("commit"))
	inside.silent() // PostgreSQL too looks at what is listened to when it gives a notification
}

func TestNotificationsStandBetweenMessages(t *testing.T) {
	w := start(t, size(2))
	r, other := w.dial(), w.dial()
	r.query("listen news")
	other.query("listen news")
	r.send(q("select repeat('x', 100000) from generate_series(1, 200)"))
	r.expect("T D(100000_bytes)")
	superuser(t, "select pg_notify('news', '1')")
	other.hears("news=1")
	for range 199 {
		r.expect("D(100000_bytes)")
	}
	r.expect("C(SELECT_200) Z(I)")
	r.hears("news=1")
}

func TestNotificationsWaitForTheEndOfAStatement(t *testing.T) {
	w := start(t, size(2))
	r, holder, other := w.dial(), w.dial(), w.dial()
	r.query("listen news")
	other.query("listen news")
	holder.query("begin; select pg_advisory_xact_lock(5)")
	r.send(q("select 1; select pg_advisory_xact_lock(5)"))
	superuser(t, "select pg_notify('news', '1')")
	other.hears("news=1")
	holder.ask("C(ROLLBACK) Z(I)", q("rollback"))
	r.expect("T D(1) C(SELECT_1) T D() C(SELECT_1) Z(I)")
	r.hears("news=1")
}

func TestClientThatDoesNotReadItsNotificationsIsClosed(t *testing.T) {
	w := start(t, size(2))
	deaf, other := w.dial(), w.dial()
	deaf.query("listen news")
	other.query("listen news")
	grown := heapGrowth(func(look func()) {
		for i := range 20 {
			superuser(t, "select count(pg_notify('news', repeat('x', 7900) || i)) from generate_series(1, 500) i")
			for k := range 500 {
				if m, ok := other.receive().(*pgproto3.NotificationResponse); !ok || !strings.HasSuffix(m.Payload, fmt.Sprintf("x%d", k+1)) {
					t.Fatalf("round %d, notification %d", i, k)
				}
			}
			look()
		}
	})
	eventually(t, "closed", func() bool { return w.proxy.Clients() == 1 && w.listeners() == "1/1" })
	if !w.log.has("notifications unread") {
		t.Error("the log does not say why")
	}
	if grown > 4*maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	other.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func TestEarThatIsLostIsReplaced(t *testing.T) {
	w := start(t, size(2), loops(2))
	r, informed := w.dial(), w.dial()
	r.query("listen news")
	informed.query("listen news")
	informed.query("listen portero_resumed")
	for _, lose := range []func(){
		func() { superuser(t, "select count(pg_terminate_backend(pid)) "+ears) },
		w.moveEpoch,
	} {
		lose()
		informed.hears("portero_resumed=")
		superuser(t, "select pg_notify('news', 'again')")
		r.hears("news=again")
		informed.hears("news=again")
	}
	if n := w.log.count(`msg="ear opened"`); n != 3 {
		t.Errorf("%d ears were opened", n)
	}
	// Who begins to listen after that has missed nothing.
	r.query("listen portero_resumed")
	r.silent()
}

func TestListenIsConfirmedOnlyOnceSomebodyListens(t *testing.T) {
	w := start(t, size(1), limits(func(p *config.Pool) { p.QueryWaitTimeout = 400 * time.Millisecond }))
	r := w.plug()
	r.login("user", "lonely", "database", "app") // who may have one connection
	r.ask(answer, q("select 1"))
	r.ask("C(LISTEN) E(FATAL_08006)", q("listen news"))
	r.ended()
	eventually(t, "nobody listens", func() bool { return w.listeners() == "0/0" })
	other := w.plug()
	other.login("user", "lonely", "database", "app")
	if w.opened() != 1 {
		t.Error("the server was closed")
	}
	if got := other.value("select count(*) from pg_listening_channels()"); got != "0" {
		t.Errorf("%s channels are left on the server", got)
	}
}

func TestChannelsOfClientsWithAnotherEncoding(t *testing.T) {
	w := start(t, size(1))
	r, latin := w.dial(), w.dial("client_encoding", "LATIN1")
	r.query("listen ü")
	latin.query("listen \xfc")
	latin.query("listen news")
	superuser(t, "select pg_notify('ü', '')")
	r.hears("ü=")
	latin.hears("\xfc=")
	superuser(t, "select pg_notify('news', 'ä, я')")
	latin.hears("news=\xe4, ?")
	latin.query("set client_encoding = 'SJIS'")
	superuser(t, "select pg_notify('news', '表')")
	latin.hears("news=\x95\x5c")
	latin.query("set client_encoding = 'LATIN1'")
	latin.query("unlisten \xfc")
	superuser(t, "select pg_notify('ü', 'unheard')")
	superuser(t, "select pg_notify('news', 'heard')")
	latin.hears("news=heard")
	r.hears("ü=unheard")
	superuser(t, "select pg_notify('news', 'x')")
	latin.hears("news=x")
	if n := w.log.count(`msg="ear opened"`); n != 1 {
		t.Errorf("%d ears were opened", n)
	}
	other := w.plug()
	other.login("user", "cyrillic", "database", "app") // whose servers begin with another encoding
	other.query("listen \xd1")
	superuser(t, "select pg_notify('я', '')")
	other.hears("\xd1=")
}

func TestListenersAreBounded(t *testing.T) {
	w := start(t)
	r := w.dial()
	for i := range 16 {
		var sql strings.Builder
		for k := range 256 {
			fmt.Fprintf(&sql, "listen c%d;", 256*i+k)
		}
		r.query(sql.String())
	}
	if got := w.listeners(); got != "1/4096" {
		t.Errorf("listeners and channels: %s", got)
	}
	superuser(t, "select pg_notify('c4095', '')")
	r.hears("c4095=")
	r.ask("C(LISTEN) E(FATAL_53400)", q("listen one_too_many"))
	r.ended()
	eventually(t, "nobody listens", func() bool { return w.listeners() == "0/0" })
}

var asksWhatListens = strings.TrimRight(string(session.WhatListens[5:]), "\x00")

func TestServerThatDiesWhileItIsAskedWhatListensEndsTheSession(t *testing.T) {
	f := startFake(t, lying(map[string]func(*fakeConn) bool{
		"listen news":   func(c *fakeConn) bool { c.complete("LISTEN", 'I'); return true },
		asksWhatListens: func(c *fakeConn) bool { return false },
	}))
	w := startBefore(t, f.address)
	r := w.dial()
	r.ask("C(LISTEN) E(FATAL_08006)", q("listen news"))
	r.ended()
}

func TestDriverWaitsForNotifications(t *testing.T) {
	w := start(t, size(1))
	ear, sender := w.pgx(), w.pgx()
	ctx := bounded(t)
	if _, err := ear.Exec(ctx, "listen news"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := sender.Exec(ctx, "select pg_notify($1, $2)", "news", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		n := must(ear.WaitForNotification(ctx))(t)
		if n.Channel != "news" || n.Payload != fmt.Sprint(i) || n.PID != sender.PgConn().PID() {
			t.Errorf("%+v", n)
		}
	}
}

// What was sent before an UNLISTEN is given before its end, also where nobody could
// see that it was sent.
func TestAnUnlistenEndsBehindWhatWasSentBeforeIt(t *testing.T) {
	w := start(t, size(1))
	w.once("create table if not exists told (a int); create or replace rule tells as on insert to told do also notify news")
	a, b := w.dial(), w.dial()
	hears := func() (notifications int) {
		for {
			switch a.receive().(type) {
			case *pgproto3.NotificationResponse:
				notifications++
			case *pgproto3.ReadyForQuery:
				return notifications
			}
		}
	}
	for range 20 {
		a.ask("C(LISTEN) Z(I)", q("listen news"))
		b.ask("C(INSERT_0_1) Z(I)", q("insert into told values (1)"))
		a.send(q("insert into told values (1)"), q("unlisten news"))
		if n := hears() + hears(); n != 2 {
			t.Fatalf("%d notifications of two", n)
		}
	}
}
