package proxy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/internal/lab"
	"portero/wire"
)

func TestTooManyClients(t *testing.T) {
	w := start(t, limits(func(p *config.Pool) { p.MaxClientConn = 2 }))
	a := w.dial()
	w.dial()
	for range 3 {
		r := w.plug()
		r.startup("user", "app")
		r.expect("E(FATAL_53300)")
		r.ended()
	}
	a.quit()
	eventually(t, "one client left", func() bool { return w.proxy.Clients() == 1 })
	w.dial().ask(answer, q("select 1"))
}

func TestClientThatWaitsIsNotifiedAndThenRefused(t *testing.T) {
	sideBySide(t)
	w := start(t, size(1), limits(func(p *config.Pool) {
		p.QueryWaitNotify, p.QueryWaitTimeout = 500*time.Millisecond, 2*time.Second
	}))
	holder, r := w.dial(), w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("N(00000) E(FATAL_08006)", q("select 1"))
	r.ended()
	holder.ask("C(COMMIT) Z(I)", q("commit"))
	w.dial().ask(answer, q("select 1"))
}

func TestClientThatWaitsIsServedBehindItsNotice(t *testing.T) {
	w := start(t, size(1), limits(func(p *config.Pool) { p.QueryWaitNotify = 500 * time.Millisecond }))
	holder, r := w.dial(), w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("N(00000)", q("select 1"))
	holder.ask("C(COMMIT) Z(I)", q("commit"))
	r.expect(answer)
}

func TestClientsAreServedInTheOrderTheyCame(t *testing.T) {
	w := start(t, size(1), loops(2), pinPolicy("allow")) // all use the one's sequence
	holder := w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	holder.query("create temp sequence turns")
	holder.query("commit")
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	var all []*raw
	for i := range 20 {
		r := w.dial()
		r.send(q("select nextval('turns')"))
		eventually(t, "in the queue", func() bool { return w.pools.States()[0].ClientsWaiting == i+1 })
		all = append(all, r)
	}
	holder.ask("C(COMMIT) Z(I)", q("commit"))
	for i, r := range all {
		r.expect(fmt.Sprintf("T D(%d) C(SELECT_1) Z(I)", i+1))
	}
}

func TestClientIsHeldWhileThereIsNoServer(t *testing.T) {
	address := lab.AddressForTest(t)
	w := startBefore(t, address)
	r, gone := w.plug(), w.plug()
	r.startup("user", "app")
	r.expect("R")
	gone.startup("user", "app")
	gone.expect("R")
	gone.conn.Close()
	eventually(t, "only one waits", func() bool { return w.proxy.Clients() == 1 })
	startFakeAt(t, address, honest)
	r.expect("S(server_version=15.0) K Z(I)")
	r.ask(answer, q("select 1"))
}

func TestClientThatIsHeldAtItsLoginIsRefusedInTheEnd(t *testing.T) {
	w := startBefore(t, "127.0.0.1:1", limits(func(p *config.Pool) { p.QueryWaitTimeout = 200 * time.Millisecond }))
	r := w.plug()
	r.startup("user", "app")
	r.expect("R")
	e, _ := r.receive().(*pgproto3.ErrorResponse)
	if e == nil || e.Code != wire.ConnectionFailure || e.Detail != "The last try to open a server failed: the server cannot be reached." {
		t.Errorf("told %+v", e)
	}
	r.ended()
}
