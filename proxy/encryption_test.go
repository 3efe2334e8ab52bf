package proxy_test

import (
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/internal/lab"
)

// onASocket makes the listener one on a Unix socket, whatever else it is.
func onASocket(t *testing.T) func(*config.Config) {
	dir := t.TempDir()
	return func(c *config.Config) { c.Listeners[0].Address = "unix:" + dir }
}

// plugSocket connects to a Unix socket without a word.
func plugSocket(t *testing.T, file string) *raw {
	t.Helper()
	return plugInto(t, must(net.Dial("unix", file))(t))
}

// TestNoEncryptionOnAUnixSocket holds against settings that config refuses, too.
func TestNoEncryptionOnAUnixSocket(t *testing.T) {
	for _, edits := range [][]func(*config.Config){{onASocket(t)}, {onASocket(t), secured(t, "prefer")}} {
		w := start(t, edits...)
		socket := strings.TrimPrefix(w.address(), "unix:")
		for _, order := range [][][]byte{{sslRequest}, {gssRequest}, {gssRequest, sslRequest}, {sslRequest, gssRequest}} {
			r := plugSocket(t, socket)
			for _, request := range order {
				r.sendBytes(request)
				r.answers('N')
			}
			r.login("user", "app")
			r.ask(answer, q("select 1"))
		}
		r := plugSocket(t, socket)
		r.sendBytes([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
		if said, _ := io.ReadAll(r.conn); strings.HasPrefix(string(said), "\x16") || strings.HasPrefix(string(said), "\x15") {
			t.Errorf("an answer of TLS: %q", said)
		}
	}
}

// TestBytesBehindARequestThatIsAnsweredNo asks PostgreSQL what becomes of them.
// A request for GSSAPI is declined by it on a socket only.
func TestBytesBehindARequestThatIsAnsweredNo(t *testing.T) {
	sideBySide(t)
	p := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create role app login", "create database app"}})
	tcp, socket := start(t), start(t, onASocket(t))
	there := map[string]func() net.Conn{
		"TCP": func() net.Conn { return must(net.Dial("tcp", p.Address()))(t) },
		"socket": func() net.Conn {
			return must(net.Dial("unix", filepath.Join(p.SocketDir, ".s.PGSQL."+strconv.Itoa(p.Port()))))(t)
		},
	}
	here := map[string]func() net.Conn{
		"TCP":    func() net.Conn { return must(net.Dial("tcp", tcp.address()))(t) },
		"socket": func() net.Conn { return must(net.Dial("unix", strings.TrimPrefix(socket.address(), "unix:")))(t) },
	}
	startup := startupPacket(version3, "user\x00app\x00database\x00app\x00\x00")
	for _, c := range []struct {
		name, by string
		bytes    []byte
	}{
		{"SSL and a startup message", "TCP", slices.Concat(sslRequest, startup)},
		{"SSL and a startup message", "socket", slices.Concat(sslRequest, startup)},
		{"SSL and GSS", "TCP", slices.Concat(sslRequest, gssRequest)},
		{"SSL and a byte", "TCP", append(slices.Clone(sslRequest), 0)},
		{"GSS and a startup message", "socket", slices.Concat(gssRequest, startup)},
		{"GSS and SSL", "socket", slices.Concat(gssRequest, sslRequest)},
		{"GSS and a byte", "socket", append(slices.Clone(gssRequest), 0)},
	} {
		want, got := conversation(t, there[c.by](), c.bytes), conversation(t, here[c.by](), c.bytes)
		if got != want {
			t.Errorf("%s, %s:\nPortero:    %s\nPostgreSQL: %s", c.name, c.by, got, want)
		}
		if !strings.HasPrefix(want, "N FATAL") {
			t.Errorf("%s, %s: PostgreSQL does otherwise: %s", c.name, c.by, want)
		}
	}
}

// conversation is one letter and the messages that follow, up to the end or to
// the end of a login.
func conversation(t *testing.T, conn net.Conn, sent []byte) string {
	t.Helper()
	r := plugInto(t, conn)
	r.sendBytes(sent)
	letter := make([]byte, 1)
	if _, err := io.ReadFull(conn, letter); err != nil {
		t.Fatal(err)
	}
	said := []string{string(letter)}
	for {
		m, err := r.fe.Receive()
		if err != nil {
			return strings.Join(append(said, "the end"), " ")
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			said = append(said, m.Severity, m.Code, m.Message)
		case *pgproto3.ReadyForQuery:
			return strings.Join(append(said, "served"), " ")
		}
	}
}
