package proxy_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

// assertLittleCPU looks for a moment in which the process takes next to no
// processor time: who spins leaves none. What made the clients wait must last for
// longer than that is looked for: a client that has said goodbye is waited for for 5 s.
func assertLittleCPU(t *testing.T) {
	t.Helper()
	const window = 250 * time.Millisecond
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
		before := cpu(t)
		<-time.After(window)
		if cpu(t)-before < window/4 {
			return
		}
	}
	t.Error("no moment of rest")
}

func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestNoSpinWhileClientsWait(t *testing.T) {
	w := start(t, size(1))
	holder := w.dial()
	waits, half, plain := w.dial(), w.dial(), w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	// In the queue, with more sent than was asked for.
	waits.send(q("select 1"), q("select 2"))
	// In the queue and gone, in good order.
	plain.send(q("select 1"), &pgproto3.Terminate{})
	plain.conn.Close()
	// With half a message.
	half.sendBytes([]byte{'Q', 0, 0})
	assertLittleCPU(t)
	holder.ask("C(COMMIT) Z(I)", q("commit"))
	waits.expect("T D(1) C(SELECT_1) Z(I) T D(2) C(SELECT_1) Z(I)")
}

func TestNoSpinWhileServerWorksForAClientThatHasGone(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	// The notices meet a closed socket, whose reset epoll would repeat.
	r.send(q("do $$ begin loop raise notice 'x'; perform pg_sleep(0.03); end loop; end $$"), &pgproto3.Terminate{})
	r.conn.Close()
	assertLittleCPU(t)
	endStatements(t)
	w.dial().ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func TestNoSpinWhileAClientHasHalfClosed(t *testing.T) {
	w := start(t, size(1))
	holder := w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	r := w.dial()
	r.send(q("select 1"), &pgproto3.Terminate{})
	closeWrite(t, r)
	assertLittleCPU(t)
	holder.ask("C(COMMIT) Z(I)", q("commit"))
	r.expect("T D(1) C(SELECT_1) Z(I)")
	r.ended()
}

func TestNoSpinWhileAClientDoesNotReadOrAServerIdles(t *testing.T) {
	w := start(t, size(3))
	r, idle := w.dial(), w.dial()
	idle.ask("C(BEGIN) Z(T)", q("begin"))
	r.send(q("select repeat('x', 1000) from generate_series(1, 100000)"))
	stalledOnClient(t)
	r.send(q("select 1"), q("select 2"))
	assertLittleCPU(t)
	r.conn.(interface{ SetLinger(int) error }).SetLinger(0) //nolint:errcheck // of the test
	r.conn.Close()
	eventually(t, "closed", func() bool { return w.proxy.Clients() == 1 })
	idle.ask("C(COMMIT) Z(I)", q("commit"))
}

// endStatements ends what servers are at, if the proxy has not.
func endStatements(t *testing.T) {
	t.Helper()
	const running = "select count(pg_cancel_backend(pid)) from pg_stat_activity where usename = 'app' and state = 'active'"
	eventually(t, "no statement runs", func() bool { return superuser(t, running) == "0" })
}

func closeWrite(t *testing.T, r *raw) {
	t.Helper()
	if err := r.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

func TestNoSpinOnAUnixSocketWhoseClientHasGone(t *testing.T) {
	dir := t.TempDir()
	start(t, size(1), func(c *config.Config) { c.Listeners[0].Address = "unix:" + dir })
	for _, bye := range []pgproto3.FrontendMessage{&pgproto3.Terminate{}, &pgproto3.Flush{}} {
		r := plugInto(t, must(net.Dial("unix", dir+"/.s.PGSQL.6432"))(t))
		r.login("user", "app")
		r.send(q("select pg_sleep(600)"), bye)
		r.conn.Close()
		assertLittleCPU(t)
		endStatements(t)
	}
	r := plugInto(t, must(net.Dial("unix", dir+"/.s.PGSQL.6432"))(t))
	r.login("user", "app")
	r.ask(answer, q("select 1"))
}
