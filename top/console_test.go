package top

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// listen accepts connections on a port of its own for serve, until the test ends.
func listen(t *testing.T, serve func(c net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// silent reads what a client says, and answers nothing.
func silent(c net.Conn) {
	for buf := make([]byte, 1024); ; {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// refusing tells each client why it is refused.
func refusing(message string) func(c net.Conn) {
	return func(c net.Conn) {
		b := pgproto3.NewBackend(c, c)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			return
		}
		b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: message})
		b.Flush() //nolint:errcheck // the client sees it
	}
}

// versionOnly is a console that has SHOW VERSION and no other table.
func versionOnly(c net.Conn) {
	b := pgproto3.NewBackend(c, c)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	for {
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if b.Flush() != nil {
			return
		}
		m, err := b.Receive()
		if err != nil {
			return
		}
		switch q, asks := m.(*pgproto3.Query); {
		case !asks:
			return
		case q.String == "SHOW version":
			b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("version")}}})
			b.Send(&pgproto3.DataRow{Values: [][]byte{[]byte("Fake 1")}})
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SHOW")})
		default:
			b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601", Message: "unknown"})
		}
	}
}

func wayTo(t *testing.T, address, user string) *pgconn.Config {
	t.Helper()
	way, err := pgconn.ParseConfig("postgres://" + user + "@" + address + "/pgbouncer?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	return way
}

func TestAWayThatDoesNotAnswerLeavesTimeForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := wayTo(t, "127.0.0.1:1", "ops"), wayTo(t, "127.0.0.1:2", "ops")
		first.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		second.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return nil, cmp.Or(ctx.Err(), errors.New("go away"))
		}
		if err := NewConsole(first, second).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "go away") {
			t.Errorf("the second way says: %v", err)
		}
	})
}

func TestThePageNamesTheWayThatAnswers(t *testing.T) {
	c := NewConsole(wayTo(t, listen(t, refusing("no")), "pgbouncer"), wayTo(t, listen(t, versionOnly), "ops"))
	defer c.close()
	m := NewModel(c.Target(), time.Second, true)
	s, err := c.sample(t.Context(), m.wanted())
	if err != nil {
		t.Fatal(err)
	}
	m.take(s)
	if text := m.page(80, 24).text(); !strings.Contains(text, "Fake 1  ops@127.0.0.1:") {
		t.Errorf("the page is\n%s", text)
	}
}

func TestABatchThatIsInterruptedWhileItReadsIsNoError(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	c := NewConsole(wayTo(t, listen(t, func(c net.Conn) { interrupt(); silent(c) }), "ops"))
	var out bytes.Buffer
	if err := Batch(ctx, &out, NewModel("", time.Second, true), c, 80, 1); err != nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
}

// What a server says of a refusal goes to standard error too.
func TestNoErrorReachesTheTerminalAsACommand(t *testing.T) {
	c := NewConsole(wayTo(t, listen(t, refusing("\x1b[2Jno\n\u202e")), "ops"), wayTo(t, "127.0.0.1:1,127.0.0.1:1", "ops"))
	err := c.Connect(t.Context())
	if err == nil {
		t.Fatal("it is connected")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], "refused; 127.0.0.1:1") {
		t.Errorf("of two ways, the second to two hosts: %q", lines)
	}
	for _, line := range lines {
		if line != printable(line) {
			t.Errorf("control characters in %q", line)
		}
	}
}
