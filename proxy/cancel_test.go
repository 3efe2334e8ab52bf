package proxy_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

// cancel sends the client's cancel request on a connection of its own and
// returns when that has been closed.
func (w *world) cancel(r *raw) {
	w.t.Helper()
	conn := must(net.Dial("tcp", w.address()))(w.t)
	defer conn.Close()
	sendCancel(w.t, conn, r)
}

func sendCancel(t testing.TB, conn net.Conn, r *raw) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	b := must((&pgproto3.CancelRequest{ProcessID: r.id, SecretKey: r.secret}).Encode(nil))(t)
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, conn); err != nil || n > 0 {
		t.Fatalf("the cancel request was answered: %d bytes, %v", n, err)
	}
}

func TestCancelHitsTheQuery(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	pid := r.value("select pg_backend_pid()")
	for _, ask := range [][]pgproto3.FrontendMessage{
		{q("select pg_sleep(60)")},
		{parse("select pg_sleep(60)"), &pgproto3.Describe{ObjectType: 'S'}, bind(), execute(), syncs()},
	} {
		r.send(ask...)
		asleep(t, pid)
		w.cancel(r)
		if s := r.untilError(); s != "E(ERROR_57014) Z(I)" {
			t.Fatal(s)
		}
		r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	}
	if got := r.value("select pg_backend_pid()"); got != pid {
		t.Error("the server was not kept")
	}
}

func TestCancelInATransactionFailsIt(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	r.ask("C(BEGIN) Z(T)", q("begin"))
	pid := r.value("select pg_backend_pid()")
	r.send(q("select pg_sleep(60)"))
	asleep(t, pid)
	w.cancel(r)
	r.expect("T E(ERROR_57014) Z(E)")
	w.cancel(r) // nothing runs
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
}

func TestCancelNeverHitsTheNextQueryOnTheServer(t *testing.T) {
	w := start(t, size(1), loops(2))
	a, b := w.dial(), w.dial()
	stop := make(chan struct{})
	victim := make(chan string, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				victim <- ""
				return
			default:
			}
			b.send(q("select pg_sleep(0.001)"))
			for done := false; !done; {
				m, err := b.fe.Receive()
				if err != nil {
					victim <- err.Error()
					return
				}
				if e, ok := m.(*pgproto3.ErrorResponse); ok {
					victim <- e.Message
					return
				}
				_, done = m.(*pgproto3.ReadyForQuery)
			}
		}
	}()
	hits := 0
	for i := range 400 {
		if i%2 == 0 {
			a.send(q("select pg_sleep(0.0005)"))
		} else {
			a.send(parse("select pg_sleep(0.0005)"), bind(), execute(), syncs())
		}
		w.cancel(a)
		if a.untilError() != " Z(I)" {
			hits++
		}
	}
	close(stop)
	if said := <-victim; said != "" {
		t.Errorf("the other client was told: %s", said)
	}
	if hits == 0 {
		t.Error("no cancel request has hit anything")
	}
	t.Logf("%d of 400 were cancelled", hits)
}

func TestCancelWhileWaitingForAServer(t *testing.T) {
	w := start(t, size(1))
	holder, r := w.dial(), w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	for range 3 {
		r.send(q("select 1"))
		w.cancelInQueue(r)
		r.expect("E(ERROR_57014) Z(I)")
		r.send(parse("select 1"), bind(), execute(), syncs())
		w.cancelInQueue(r)
		r.expect("E(ERROR_57014) Z(I)")
	}
	r.send(q("select 7"))
	holder.ask("C(COMMIT) Z(I)", q("commit"))
	r.expect("T D(7) C(SELECT_1) Z(I)")
}

// cancelInQueue cancels the query of a client once it waits for a server.
func (w *world) cancelInQueue(r *raw) {
	w.t.Helper()
	eventually(w.t, "in the queue", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
	w.cancel(r)
}

func TestCancelWithAWrongKeyIsIgnored(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	pid := r.value("select pg_backend_pid()")
	r.send(q("select pg_sleep(1)"))
	asleep(t, pid)
	w.cancel(&raw{id: r.id, secret: []byte{1, 2, 3, 4}})
	w.cancel(&raw{id: r.id + 1, secret: r.secret})
	w.cancel(&raw{id: r.id, secret: append([]byte{0}, r.secret...)})
	r.expect("T D() C(SELECT_1) Z(I)")
}

func TestCancelOfAFinishedQueryHarmsNobody(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	for range 50 {
		a.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
		b.send(q("select pg_sleep(0.002)"))
		w.cancel(a)
		b.expect("T D() C(SELECT_1) Z(I)")
	}
}

func TestCancelWhoseSessionIsBeingMadeReady(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial("application_name", "a"), w.dial("application_name", "b")
	for range 300 { // each query changes the server's settings first
		b.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
		a.send(q("select 1"))
		w.cancel(a)
		if s := a.untilError(); s != " Z(I)" && s != "E(ERROR_57014) Z(I)" {
			t.Fatal(s)
		}
	}
}

// What a client takes for its server's process ID hits no stranger.
func TestTheProcessIDThatAClientIsToldIsNoBackends(t *testing.T) {
	w := start(t, size(2))
	a, b := w.superuser(), w.superuser()
	if a.id == b.id || a.id <= 1<<22 || a.id >= 1<<31 {
		t.Errorf("process IDs %d and %d", a.id, b.id)
	}
	a.ask("T N(01000) D(f) C(SELECT_1) Z(I)", q(fmt.Sprintf("select pg_terminate_backend(%d)", b.id)))
	b.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

// A request that the end of the process breaks off is nobody's fault: not PostgreSQL's, of which the
// log would say that it had not closed the connection. So it is where another process takes over
// and the client has gone there.
func TestACancelThatTheEndBreaksOffIsNoFault(t *testing.T) {
	hangs, stall := make(chan struct{}), make(chan struct{})
	f := startFake(t, lying(map[string]func(*fakeConn) bool{"hang": func(*fakeConn) bool {
		close(hangs)
		return true
	}}))
	defer close(stall)
	f.onCancel = func() { <-stall }
	w := startBefore(t, f.address, size(1), limits(func(p *config.Pool) { p.CancelWaitTimeout = 2 * patience }))
	r := w.dial()
	r.send(q("hang"))
	<-hangs
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.cancel(r)
	}()
	eventually(t, "it is under way", func() bool { return f.cancels.Load() == 1 })
	w.close()
	<-ended
	if w.log.has(`level=WARN msg="cancel request"`) || !w.log.has("cancel request broken off") {
		t.Error("the log has a fault")
	}
}

// Whoever reads the log cannot cancel anybody's statement: neither the key that a
// client was given is in it, nor that of a server.
func TestNoKeyIsInTheLog(t *testing.T) {
	hangs, stall := make(chan struct{}, 9), make(chan struct{})
	f := startFake(t, lying(map[string]func(*fakeConn) bool{"hang": func(*fakeConn) bool {
		hangs <- struct{}{}
		return true
	}}))
	defer close(stall)
	var stalls atomic.Bool
	f.onCancel = func() {
		if stalls.Load() {
			<-stall
		}
	}
	w := startBefore(t, f.address, size(1), limits(func(p *config.Pool) { p.CancelWaitTimeout = 50 * time.Millisecond }))
	r := w.dial()
	r.send(q("hang"))
	<-hangs
	w.cancel(r)
	r.conn.Close()
	w.dial().ask(answer, q("select 1"))
	stalls.Store(true)
	r = w.dial()
	r.send(q("hang"))
	<-hangs
	w.cancel(r)
	w.cancel(&raw{id: r.id, secret: []byte{1, 2, 3, 4}})
	r.conn.Close()
	for _, line := range []string{`msg="cancel request"`, `msg="cancel of what a client was at"`, `msg="client closed"`, `msg="server closed"`} {
		eventually(t, line, func() bool { return w.log.has(line) })
	}
	log := w.log.text()
	for name, key := range map[string][]byte{"client": r.secret, "server": {1, 2, 3, 4}} {
		for _, form := range []string{"%x", "%X", "%v", "%q", "%+q", "% x"} {
			if s := fmt.Sprintf(form, key); strings.Contains(log, s) {
				t.Errorf("the key of the %s is in the log, as %s", name, s)
			}
		}
		for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
			if s := fmt.Sprint(order.Uint32(key)); strings.Contains(log, s) {
				t.Errorf("the key of the %s is in the log, as %s", name, s)
			}
		}
	}
}
