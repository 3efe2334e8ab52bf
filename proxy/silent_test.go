package proxy_test

import (
	"testing"
	"time"

	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
)

func host(t *testing.T) *lab.Host {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a network namespace")
	}
	return lab.HostForTest(t)
}

func tcp(keepalive, user time.Duration) func(*config.Config) {
	return limits(func(p *config.Pool) { p.TCPKeepalive, p.TCPUserTimeout = keepalive, user })
}

func TestServerOnASilentHostIsLostWithinTCPUserTimeout(t *testing.T) {
	sideBySide(t)
	h := host(t)
	front := must(h.Serve(postgres(t).Address()))(t)
	r := startBefore(t, front, size(2), tcp(0, time.Second)).dial()
	r.ask("C(BEGIN) Z(T)", q("begin"))
	must(true, h.Silence())(t)
	r.ask("E(ERROR_08006) Z(E)", q("select 1"))
	must(true, h.Speak())(t)
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	must(true, h.Silence())(t)
	r.ask("E(ERROR_08007) Z(I)", q("insert into nowhere values (1)"))
	must(true, h.Speak())(t)
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

// The client has its answer before it, and will never say that it has.
func TestClientOnASilentHostGivesItsServerBack(t *testing.T) {
	sideBySide(t)
	h := host(t)
	w := start(t, size(1), tcp(0, time.Second), func(c *config.Config) { c.Listeners[0].Address = h.Neighbour() + ":0" })
	r := plugInto(t, must(h.Dial(w.address()))(t))
	r.login("user", "app")
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.send(q("select pg_sleep(0.5)"))
	must(true, h.Silence())(t)
	w.dial().ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	eventually(t, "it has ended", func() bool { return w.process.Ended()[metrics.ClientGone] == 1 })
	must(true, h.Speak())(t)
}

func TestIdleClientOnASilentHostIsClosed(t *testing.T) {
	sideBySide(t)
	h := host(t)
	w := start(t, tcp(time.Second, 0), func(c *config.Config) { c.Listeners[0].Address = h.Neighbour() + ":0" })
	r := plugInto(t, must(h.Dial(w.address()))(t))
	r.login("user", "app")
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	must(r.conn.Write([]byte{'Q'}))(t) // acknowledges the answer at once
	w.dial().ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	must(true, h.Silence())(t)
	eventually(t, "it has ended", func() bool { return w.process.Ended()[metrics.ClientGone] == 1 })
	must(true, h.Speak())(t)
}
