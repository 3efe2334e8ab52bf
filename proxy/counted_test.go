//go:build !race

package proxy_test

import (
	"bytes"
	"net"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sys/unix"

	"portero/loop"
	"portero/wire"
)

// What a process that is counted tells its counter, by signals to itself: they stop it, and it
// never gets them.
const (
	counts  = unix.SIGUSR1  // from here on it is Portero at work
	pauses  = unix.SIGUSR2  // ... and here one of the fakes
	borders = unix.SIGWINCH // a transaction has ended, and the next begins
)

// warmUp is how many transactions a process does before it is counted: then what is kept for
// reuse is there, and nothing is done for the first time.
const warmUp = 2000

// beCounted relays the same transaction without end, until its counter has had enough of it.
// The client and the server are on the loop too: so one thread does it all, each of its waits
// finds what it waits for, and each transaction takes the same instructions.
func beCounted(t *testing.T, kind string) {
	taken, end := make(chan net.Conn), make(chan struct{})
	f := startFake(t, func(c *fakeConn, _ pgproto3.FrontendMessage) bool {
		taken <- c.Conn
		<-end
		return false
	})
	w := startBefore(t, f.address, size(1))
	r := w.dial()
	var b counted
	server, client := &countedServer{counted: &b}, &countedClient{counted: &b, ask: countedKinds[kind]}
	r.send(q("select 1"))
	w.adopt(&server.sock, <-taken, server)
	w.loops[0].Post(server.answer)
	r.expect("T D(1) C(SELECT_1) Z(I)")
	r.ask("1 Z(I)", &pgproto3.Parse{Name: "s", Query: "select $1::int"}, syncs())
	w.adopt(&client.sock, r.conn, client)
	w.loops[0].Post(client.next)
	<-end
}

// adopt gives one side's end of a connection to the loop of the other.
func (w *world) adopt(sock *loop.Socket, conn net.Conn, h loop.Handler) {
	w.t.Helper()
	if err := sock.Open(conn, h); err != nil {
		w.t.Fatal(err)
	}
	attached := make(chan error)
	w.loops[0].Post(func() { attached <- sock.Attach(w.loops[0]) })
	if err := <-attached; err != nil {
		w.t.Fatal(err)
	}
}

// countedKinds are the transactions that are counted, as pgbench -S has them.
var countedKinds = map[string][]byte{
	"simple":   frames(q("SELECT abalance FROM pgbench_accounts WHERE aid = 12345;")),
	"extended": frames(parse("SELECT abalance FROM pgbench_accounts WHERE aid = $1;"), bind("12345"), &pgproto3.Describe{ObjectType: 'P'}, execute(), syncs()),
	"prepared": frames(&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("12345")}}, &pgproto3.Describe{ObjectType: 'P'}, execute(), syncs()),
}

func frames(messages ...pgproto3.FrontendMessage) (b []byte) {
	for _, m := range messages {
		b = wire.Append(b, m)
	}
	return b
}

// counted is what both sides know of the count.
type counted struct {
	on  bool
	buf [4096]byte
}

func (c *counted) tell(s unix.Signal) {
	if c.on {
		tid, _, _ := unix.RawSyscall(unix.SYS_GETTID, 0, 0, 0)
		unix.RawSyscall(unix.SYS_TGKILL, uintptr(unix.Getpid()), tid, uintptr(s)) //nolint:errcheck // to itself
	}
}

// countedClient asks again as soon as it has its answer.
type countedClient struct {
	*counted
	sock loop.Socket
	ask  []byte
	done int
}

var endOfAnswer = wire.Append(nil, &pgproto3.ReadyForQuery{TxStatus: 'I'})

func (c *countedClient) Ready(*loop.Loop, loop.Events) {
	c.tell(pauses)
	if n, err := c.sock.Read(c.buf[:]); err == nil && bytes.HasSuffix(c.buf[:n], endOfAnswer) {
		c.next()
	}
	c.tell(counts)
}

func (c *countedClient) next() {
	c.done++
	c.on = c.done > warmUp
	c.tell(borders)
	c.sock.Write(c.ask) //nolint:errcheck // then there is no answer, and nothing is counted
}

// countedServer answers all that is asked with one row.
type countedServer struct {
	*counted
	sock loop.Socket
	said []byte
}

func (s *countedServer) Ready(*loop.Loop, loop.Events) {
	s.tell(pauses)
	n, err := s.sock.Read(s.buf[:])
	if err == nil {
		s.said = s.said[:0]
		for b := s.buf[:n]; len(b) > 0; {
			f, _, _ := wire.Next(b)
			s.said = append(s.said, countedAnswers[f.Type]...)
			b = b[wire.HeaderLen+len(f.Body):]
		}
		s.sock.Write(s.said) //nolint:errcheck // as the client's
	}
	s.tell(counts)
}

// answer is what it owes to the query with which it was taken over.
func (s *countedServer) answer() { s.sock.Write(countedAnswers['Q']) } //nolint:errcheck // as above

var countedAnswers = func() map[byte][]byte {
	described := wire.Append(nil, &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("abalance")}}})
	rows := wire.Append(wire.Append(nil, &pgproto3.DataRow{Values: [][]byte{[]byte("1")}}), &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
	return map[byte][]byte{
		'P': wire.Append(nil, &pgproto3.ParseComplete{}),
		'B': wire.Append(nil, &pgproto3.BindComplete{}),
		'D': described,
		'E': rows,
		'S': endOfAnswer,
		'Q': slices.Concat(described, rows, endOfAnswer),
	}
}()
