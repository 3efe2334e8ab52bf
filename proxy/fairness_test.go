package proxy_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/loop"
)

// A turn of a loop serves everybody who is ready. These tests watch how much is
// sent to one client from turn to turn, while another waits.

// The most that may be sent between two functions posted one after the other,
// which is the end of one turn and the beginning of the next.
const (
	maxRelayed = 300 << 10 // bytes passed on
	maxOwn     = 32 << 10  // bytes of Portero's own answers
)

// meter keeps the most bytes that were sent to clients from turn to turn.
type meter struct {
	w     *world
	loop  *loop.Loop
	last  uint64
	most  uint64
	ended atomic.Bool
	done  chan struct{}
}

// measureTurns begins to watch the only loop of w.
func (w *world) measureTurns() *meter {
	m := &meter{w: w, loop: w.loops[0], done: make(chan struct{})}
	m.last = m.sent()
	m.loop.Post(m.look)
	return m
}

func (m *meter) sent() uint64 { return m.w.pools.States()[0].Pool.Totals().BytesSent }

// look runs once in each turn.
func (m *meter) look() {
	now := m.sent()
	m.most, m.last = max(m.most, now-m.last), now
	if m.ended.Load() {
		close(m.done)
		return
	}
	m.loop.Post(m.look)
}

// stop ends the watch and checks it.
func (m *meter) stop(most uint64) {
	m.w.t.Helper()
	m.ended.Store(true)
	<-m.done
	if m.most == 0 || m.most > most {
		m.w.t.Errorf("up to %d bytes were sent in one turn; at most %d may be", m.most, most)
	}
}

// huge is how many bytes of rows the client reads that others must not feel.
const huge = 500 << 20

// hugely answers the query "huge" with so many.
func hugely(c *fakeConn, m pgproto3.FrontendMessage) bool {
	if ask, ok := m.(*pgproto3.Query); !ok || ask.String != "huge" {
		return honest(c, m)
	}
	c.SetDeadline(time.Now().Add(4 * patience))
	row, err := (&pgproto3.DataRow{Values: [][]byte{bytes.Repeat([]byte("x"), 1024-11)}}).Encode(nil)
	if err != nil || len(row) != 1024 {
		return false
	}
	rows := bytes.Repeat(row, 1024)
	for range huge / len(rows) {
		if _, err := c.Write(rows); err != nil {
			return false
		}
	}
	c.complete("SELECT", 'I')
	return true
}

func TestAClientThatReads500MBDoesNotKeepItsLoop(t *testing.T) {
	for name, edits := range map[string]func() []func(*config.Config){
		"plain": func() []func(*config.Config) { return nil },
		"TLS":   func() []func(*config.Config) { return []func(*config.Config){secured(t, "require")} },
	} {
		t.Run(name, func(t *testing.T) {
			w := startBefore(t, startFake(t, hugely).address, append(edits(), size(2))...)
			enter := w.dial
			if name == "TLS" {
				enter = func(...string) *raw {
					r := w.plug().secure(t)
					r.login("user", "app")
					return r
				}
			}
			reader, bystander := enter(), enter()
			reader.conn.SetDeadline(time.Now().Add(4 * patience))
			bystander.conn.SetDeadline(time.Now().Add(4 * patience))
			m := w.measureTurns()
			reader.send(q("huge"))
			read := make(chan struct{})
			go drinkHuge(reader.conn, read)
			if n := bystander.askUntil(read); n < 10 {
				t.Errorf("the other client had %d answers meanwhile", n)
			}
			m.stop(maxRelayed)
			reader.expect("C(SELECT) Z(I)")
		})
	}
}

// drinkHuge reads them.
func drinkHuge(conn net.Conn, done chan struct{}) {
	defer close(done)
	buf := make([]byte, 256<<10)
	for left := huge; left > 0; {
		n, err := conn.Read(buf[:min(left, len(buf))])
		if err != nil {
			return // what comes behind it is missing then
		}
		left -= n
	}
}

// askUntil asks one question after the other and returns how many were answered.
func (r *raw) askUntil(done chan struct{}) int {
	r.t.Helper()
	for n := 0; ; n++ {
		select {
		case <-done:
			return n
		default:
			r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
		}
	}
}

// repeated is a message many times, for as few writes as possible.
func repeated(t *testing.T, m pgproto3.FrontendMessage, n int) []byte {
	t.Helper()
	return bytes.Repeat(must(m.Encode(nil))(t), n)
}

func TestAClientThatPipelinesSyncsWithoutEndDoesNotKeepItsLoop(t *testing.T) {
	w := startBefore(t, startFake(t, honest).address, size(2))
	w.pipelineWithoutEnd(w.dial(), repeated(t, &pgproto3.Sync{}, 20_000))
}

func TestAClientThatPipelinesIntoALostTransactionDoesNotKeepItsLoop(t *testing.T) {
	w := startBefore(t, startFake(t, losing).address, size(2))
	r := w.dial()
	r.loseTransaction()
	w.pipelineWithoutEnd(r, repeated(t, q("x"), 20_000))
}

// losing closes the connection when a transaction has begun.
func losing(c *fakeConn, m pgproto3.FrontendMessage) bool {
	ask, ok := m.(*pgproto3.Query)
	return honest(c, m) && !(ok && ask.String == "begin")
}

// loseTransaction begins one on a server that is losing.
func (r *raw) loseTransaction() {
	r.t.Helper()
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("E(ERROR_08006) Z(E)", q("select 1"))
}

// pipelineWithoutEnd lets a client send the same again and again, and reads
// what it gets, while another asks its questions.
func (w *world) pipelineWithoutEnd(r *raw, messages []byte) {
	w.t.Helper()
	bystander := w.dial()
	m := w.measureTurns()
	var running sync.WaitGroup
	running.Go(func() { sendAgainAndAgain(r.conn, messages) })
	running.Go(func() { io.Copy(io.Discard, r.conn) })
	for range 100 {
		bystander.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	}
	m.stop(maxOwn)
	r.conn.Close()
	running.Wait()
}

// sendAgainAndAgain ends when the connection is closed.
func sendAgainAndAgain(conn net.Conn, b []byte) {
	for {
		if _, err := conn.Write(b); err != nil {
			return
		}
	}
}

func TestOwnAnswersToAPipelineAreSentTogether(t *testing.T) {
	w := startBefore(t, startFake(t, honest).address, secured(t, "require"))
	r := w.plug().secure(t)
	r.login("user", "app")
	const syncs = 10_000
	r.sendBytes(repeated(t, &pgproto3.Sync{}, syncs))
	writes, buf := 0, make([]byte, 64<<10)
	for left := syncs * len("Z0004I"); left > 0; writes++ { // one read of a tls.Conn gives no more than one write
		left -= must(r.conn.Read(buf))(t)
	}
	if writes > syncs/100 {
		t.Errorf("%d answers in %d writes", syncs, writes)
	}
}

func TestAPipelineThatTakesManyTurnsIsAnsweredInOrder(t *testing.T) {
	w := start(t, size(1))
	for _, n := range []int{1000, 5000, 30_000} {
		r := w.dial()
		ask := repeated(t, &pgproto3.Sync{}, n)
		ask = slices.Concat(ask, repeated(t, q("select 1"), 1), ask)
		var sending sync.WaitGroup
		sending.Go(func() { r.conn.Write(ask) })
		for range n {
			r.expect("Z(I)")
		}
		r.expect("T D(1) C(SELECT_1) Z(I)")
		for range n {
			r.expect("Z(I)")
		}
		sending.Wait()
		r.quit()
	}
}

// A client may have sent all and closed its side while Portero, which has read
// all, has not come to the end of it as the client does not take its answers.
func TestAPipelineThatTakesManyTurnsIsAnsweredAfterTheClientHasClosedItsSide(t *testing.T) {
	dir := t.TempDir() // the buffers of a Unix socket are small
	w := startBefore(t, startFake(t, losing).address, func(c *config.Config) { c.Listeners[0].Address = "unix:" + dir })
	r := plugInto(t, must(net.Dial("unix", dir+"/.s.PGSQL.6432"))(t))
	r.login("user", "app")
	r.loseTransaction()
	const queries = 18_000 // two reads
	r.sendBytes(repeated(t, q("x"), queries))
	closeWrite(t, r)
	eventually(t, "no more is sent", w.quiet())
	for range queries {
		r.expect("E(ERROR_25P02) Z(E)")
	}
	r.ended()
}

// The last of our own answers may be on its way when there is nothing more to do.
func TestAClientThatHasClosedItsSideGetsTheLastOfOurOwnAnswers(t *testing.T) {
	sideBySide(t)
	dir := t.TempDir()
	w := startBefore(t, startFake(t, honest).address, func(c *config.Config) { c.Listeners[0].Address = "unix:" + dir })
	for n := 50_000; n < 70_000; n += 700 { // one of them is such that the kernel does not take the last
		r := plugInto(t, must(net.Dial("unix", dir+"/.s.PGSQL.6432"))(t))
		r.login("user", "app")
		var sending sync.WaitGroup
		sending.Go(func() {
			r.conn.Write(repeated(t, &pgproto3.Sync{}, n))
			closeWrite(t, r)
		})
		left := n * len("Z0004I")
		for _, part := range []int{170_000, left - 170_000} {
			eventually(t, "no more is sent", w.quiet())
			got, err := io.ReadFull(r.conn, make([]byte, part))
			if left -= got; err != nil {
				t.Errorf("%d of %d bytes are missing: %v", left, n*len("Z0004I"), err)
			}
		}
		sending.Wait()
	}
}

// quiet reports, asked again and again, that nothing more is sent to clients.
func (w *world) quiet() func() bool {
	var last uint64
	same := 0
	return func() bool {
		now := w.pools.States()[0].Pool.Totals().BytesSent
		if same++; now != last {
			last, same = now, 0
		}
		return same == 5
	}
}
