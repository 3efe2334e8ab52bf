package proxy_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A COPY that fails is answered before its data has ended, and the server is
// ready while a frame of the client's is half in its pipe. To lend it then would
// make the next client's words the rest of that frame.
func TestAServerIsNotLentInTheMiddleOfAFrame(t *testing.T) {
	w, r := copyTable(t)
	other := w.dial()
	r.ask("G", q("copy numbers from stdin"))
	const half = 40_000 // more than is kept until it is whole
	b := must(data("x").Encode(nil))(t)
	b = binary.BigEndian.AppendUint32(append(b, 'd'), 4+2*half)
	r.sendBytes(append(b, strings.Repeat("7\n", half/2)...))
	r.expect("E(ERROR_22P02) Z(I)")
	other.send(q("select 5"))
	eventually(t, "the other client waits", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
	r.sendBytes([]byte(strings.Repeat("7\n", half/2)))
	other.expect("T D(5) C(SELECT_1) Z(I)")
	r.ask("T D(0) C(SELECT_1) Z(I)", done(), q("select count(*) from numbers"))
}

// All that a client has sent without waiting for answers runs on one server, and
// nobody else is on it in between.
func TestAPipelineHasOneServerToItsEnd(t *testing.T) {
	w := start(t, size(1))
	r, other := w.dial(), w.dial()
	const groups = 5
	for range groups {
		for _, m := range []pgproto3.FrontendMessage{parse("select pg_sleep(0.03)"), bind(), execute(), syncs()} {
			r.fe.Send(m)
		}
	}
	r.send(parse("select clock_timestamp()"), bind(), execute(), syncs())
	r.upToReady() // of the first
	other.send(q("select clock_timestamp()"))
	eventually(t, "the other client waits", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
	for range groups - 1 {
		r.upToReady()
	}
	end, began := r.upToReady(), other.upToReady()
	at := func(words string) string { // the time in them
		_, words, _ = strings.Cut(words, "D(")
		return words
	}
	if at(began) < at(end) {
		t.Errorf("the pipeline ended at %s, and the other client was served at %s", end, began)
	}
}

// What a client has not taken yet of its answer, its server may still have to be
// asked for. On a Unix socket what fits between the two is the same each time: the
// answers grow until one does not, and Portero has the end of it.
func TestAServerIsLentWhenItsClientHasTakenAllOfItsAnswer(t *testing.T) {
	length, sent := 0, make(chan *fakeConn, 1)
	f := startFake(t, lying(map[string]func(*fakeConn) bool{"x": func(c *fakeConn) bool {
		c.prepare(strings.Repeat("x", length))
		c.complete("SELECT 1", 'I')
		sent <- c
		return true
	}}))
	w := startBefore(t, f.address, size(1), onASocket(t))
	isFree := func() bool { return w.pools.States()[0].ServersIdle == 1 }
	for length = 64 << 10; length < 4<<20; length += 16 << 10 {
		r := plugSocket(t, strings.TrimPrefix(w.address(), "unix:"))
		r.login("user", "app")
		r.send(q("x"))
		c := <-sent
		took := false // all of it was taken from the server, which is free soon or not before the client reads
		for tries := 0; tries < 25 && !isFree(); tries++ {
			<-time.After(2 * time.Millisecond)
			took = unread(c.Conn) == 0
		}
		kept := took && !isFree()
		r.expect(fmt.Sprintf("T D(%d_bytes) C(SELECT_1) Z(I)", length))
		w.allServersFree()
		r.quit()
		if kept {
			return
		}
	}
	t.Error("every server was free before its client had all that it said")
}
