package proxy_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// fake is a server that does what a real one will not do on demand. Its
// behave is called with each message after the login, but for the question of
// the pool what it is; false closes the connection.
type fake struct {
	address string
	logins  atomic.Int32
	cancels atomic.Int32
	prove   func(c *fakeConn) bool                  // before AuthenticationOk; false closes the connection; nil asks for nothing
	facts   func() map[string]string                // reported with the login; nil: a server_version
	started func() string                           // when its postmaster was; nil: it does not tell
	greet   func(c *fakeConn)                       // before the first message; nil for nothing
	admit   func(user, database string) *wire.Error // nil: all
	behave  func(c *fakeConn, m pgproto3.FrontendMessage) bool

	onCancel func() // before the connection of a cancel request is closed
}

// fakeConn is one connection to a fake.
type fakeConn struct {
	net.Conn
	be *pgproto3.Backend
	mu sync.Mutex // held while something is said, which a cancel request may do too
}

func startFake(t *testing.T, behave func(c *fakeConn, m pgproto3.FrontendMessage) bool) *fake {
	t.Helper()
	return startFakeAt(t, "127.0.0.1:0", behave)
}

func startFakeAt(t *testing.T, address string, behave func(c *fakeConn, m pgproto3.FrontendMessage) bool) *fake {
	t.Helper()
	l := must(net.Listen("tcp", address))(t)
	f := &fake{address: l.Addr().String(), behave: behave}
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go f.accept(ctx, l, ended)
	t.Cleanup(func() {
		l.Close()
		cancel()
		<-ended
	})
	return f
}

func (f *fake) accept(ctx context.Context, l net.Listener, ended chan struct{}) {
	defer close(ended)
	var running sync.WaitGroup
	defer running.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			conn.SetDeadline(time.Now().Add(2 * patience))
			f.serve(&fakeConn{Conn: conn, be: pgproto3.NewBackend(conn, conn)})
		})
	}
}

func (f *fake) serve(c *fakeConn) {
	m, err := c.be.ReceiveStartupMessage()
	if err != nil {
		return
	}
	asked, ok := m.(*pgproto3.StartupMessage)
	if !ok {
		f.cancels.Add(1)
		if f.onCancel != nil {
			f.onCancel()
		}
		return
	}
	f.logins.Add(1)
	if f.admit != nil {
		if e := f.admit(asked.Parameters["user"], asked.Parameters["database"]); e != nil {
			c.Write(e.Append(nil)) //nolint:errcheck // as say
			return
		}
	}
	if f.prove != nil && !f.prove(c) {
		return
	}
	facts := map[string]string{"server_version": "15.0"}
	if f.facts != nil {
		facts = f.facts()
	}
	c.be.Send(&pgproto3.AuthenticationOk{})
	for name, value := range facts {
		c.be.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	c.say(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
	if f.greet != nil {
		f.greet(c)
	}
	for {
		m, err := c.be.Receive()
		if err != nil {
			return
		}
		if ask, ok := m.(*pgproto3.Query); ok && strings.Contains(ask.String, "pg_is_in_recovery") {
			said := []string{"f", "00000001", "4711", "none"}
			if f.started != nil {
				said = append(said, f.started())
			}
			c.rows(said...)
			c.say(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
			continue
		}
		if !f.behave(c, m) {
			return
		}
	}
}

func (c *fakeConn) say(messages ...pgproto3.BackendMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range messages {
		c.be.Send(m)
	}
	c.be.Flush() //nolint:errcheck // the other side may be gone, as the test wants it
}

// rows sends a result of one row.
func (c *fakeConn) rows(values ...string) {
	c.prepare(values...)
	c.say()
}

// prepare has that row sent with what is said next.
func (c *fakeConn) prepare(values ...string) {
	var columns []pgproto3.FieldDescription
	var fields [][]byte
	for _, v := range values {
		columns = append(columns, pgproto3.FieldDescription{Name: []byte("x")})
		fields = append(fields, []byte(v))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.be.Send(&pgproto3.RowDescription{Fields: columns})
	c.be.Send(&pgproto3.DataRow{Values: fields})
}

// complete answers a simple query as a healthy server would.
func (c *fakeConn) complete(tag string, status byte) {
	c.say(&pgproto3.CommandComplete{CommandTag: []byte(tag)}, &pgproto3.ReadyForQuery{TxStatus: status})
}

// honest is how a fake answers what a test does not care about.
func honest(c *fakeConn, m pgproto3.FrontendMessage) bool {
	ask, ok := m.(*pgproto3.Query)
	switch {
	case !ok:
		_, bye := m.(*pgproto3.Terminate)
		return !bye
	case ask.String == "begin":
		c.complete("BEGIN", 'T')
	case ask.String == "ROLLBACK":
		c.complete("ROLLBACK", 'I')
	default:
		c.rows("1")
		c.complete("SELECT 1", 'I')
	}
	return true
}

// lying is honest but for the queries in bad, which it answers by their
// functions.
func lying(bad map[string]func(c *fakeConn) bool) func(*fakeConn, pgproto3.FrontendMessage) bool {
	return func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		if ask, ok := m.(*pgproto3.Query); ok && bad[ask.String] != nil {
			return bad[ask.String](c)
		}
		return honest(c, m)
	}
}
