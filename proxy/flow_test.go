package proxy_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/metrics"
)

// A long answer is read when there is enough of it to fill a read. These tests have a server send
// so much that this begins, and then less than a read.

const (
	longRow   = 1024              // bytes of a row
	longFlow  = (12 << 20) / 1024 // rows of an answer that is long
	droplet   = 3                 // rows that come at a time behind them
	longQuery = "select long"
)

// longly answers longQuery by many rows at once, and then by a few each time that it is told to go
// on; then by what end does.
func longly(t *testing.T, goOn <-chan bool, end func(c *fakeConn) bool) func(*fakeConn) bool {
	row := must((&pgproto3.DataRow{Values: [][]byte{bytes.Repeat([]byte("x"), longRow-11)}}).Encode(nil))(t)
	return func(c *fakeConn) bool {
		rows := bytes.Repeat(row, longFlow)
		for more := true; more; more = <-goOn {
			if _, err := c.Write(rows); err != nil {
				return false
			}
			rows = rows[:droplet*longRow]
		}
		return end(c)
	}
}

// sip reads so many rows.
func (r *raw) sip(rows int) {
	r.t.Helper()
	if n, err := io.CopyN(io.Discard, r.conn, int64(rows*longRow)); err != nil {
		r.t.Fatalf("after %d of %d bytes: %v", n, rows*longRow, err)
	}
}

// drains reads a long answer, and has the server go on only when all has come that it has sent.
func (r *raw) drains(goOn chan<- bool) {
	r.t.Helper()
	r.send(q(longQuery))
	r.sip(longFlow)
	for range 5 {
		goOn <- true
		r.sip(droplet)
	}
	close(goOn)
}

// completes is the end of an answer that has one.
func completes(c *fakeConn) bool {
	c.complete("SELECT", 'I')
	return true
}

func TestOfALongAnswerNothingIsHeldBack(t *testing.T) {
	goOn := make(chan bool)
	w := startBefore(t, startFake(t, lying(map[string]func(*fakeConn) bool{longQuery: longly(t, goOn, completes)})).address, size(1))
	r, other := w.dial(), w.dial()
	r.drains(goOn)
	r.expect("C(SELECT) Z(I)")
	other.ask(answer, q("select 1")) // by the same server, which is read again as soon as it says anything
	r.ask(answer, q("select 1"))
}

func TestAServerThatDiesInALongAnswerIsNoticed(t *testing.T) {
	goOn := make(chan bool)
	dies := func(*fakeConn) bool { return false }
	w := startBefore(t, startFake(t, lying(map[string]func(*fakeConn) bool{longQuery: longly(t, goOn, dies)})).address, size(1))
	r := w.dial()
	r.drains(goOn)
	r.expect("E(ERROR_08007) Z(I)")
	r.ask(answer, q("select 1"))
}

func TestALongAnswerRunsIntoQueryTimeout(t *testing.T) {
	goOn := make(chan bool)
	defer close(goOn)
	w := startBefore(t, startFake(t, lying(map[string]func(*fakeConn) bool{longQuery: longly(t, goOn, completes)})).address, size(1),
		limits(func(p *config.Pool) { p.QueryTimeout = 300 * time.Millisecond }))
	r := w.dial()
	r.send(q(longQuery))
	r.sip(longFlow)
	rows := make([]byte, droplet*longRow)
	for { // it goes on, and never has to wait for its client
		goOn <- true
		if _, err := io.ReadFull(r.conn, rows); err != nil || rows[0] != 'D' {
			break
		}
	}
	eventually(t, "query_timeout", func() bool { return w.process.Ended()[metrics.QueryTimeout] == 1 })
	w.dial().ask(answer, q("select 1"))
}

func TestAClientThatLeavesALongAnswerFreesItsServer(t *testing.T) {
	goOn := make(chan bool)
	defer close(goOn)
	w := startBefore(t, startFake(t, lying(map[string]func(*fakeConn) bool{longQuery: longly(t, goOn, completes)})).address, size(1))
	r := w.dial()
	r.send(q(longQuery))
	r.sip(longFlow)
	r.conn.Close()
	w.dial().ask(answer, q("select 1"))
}
