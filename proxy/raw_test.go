package proxy_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// raw is a client that sends exactly what a test says and shows exactly what
// comes back, one word per message (see word).
type raw struct {
	t    testing.TB
	conn net.Conn
	fe   *pgproto3.Frontend

	id      uint32 // of its cancel key
	secret  []byte
	welcome map[string]string // ParameterStatus, at login and by receive later
}

// plug connects without a word.
func (w *world) plug() *raw {
	w.t.Helper()
	return plugInto(w.t, must(net.Dial("tcp", w.address()))(w.t))
}

func plugInto(t testing.TB, conn net.Conn) *raw {
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return &raw{t: t, conn: conn, fe: pgproto3.NewFrontend(conn, conn), welcome: make(map[string]string)}
}

// dial connects and logs in as app, without a password. parameters are pairs.
func (w *world) dial(parameters ...string) *raw {
	w.t.Helper()
	r := w.plug()
	r.login(append([]string{"user", "app"}, parameters...)...)
	return r
}

// login sends the StartupMessage and reads up to ReadyForQuery.
func (r *raw) login(parameters ...string) {
	r.t.Helper()
	r.startup(parameters...)
	for {
		switch m := r.receive().(type) {
		case *pgproto3.AuthenticationOk, *pgproto3.NoticeResponse: // it may have waited
		case *pgproto3.ParameterStatus: // receive keeps it
		case *pgproto3.BackendKeyData:
			r.id, r.secret = m.ProcessID, append([]byte(nil), m.SecretKey...)
		case *pgproto3.ReadyForQuery:
			return
		default:
			r.t.Fatalf("login: %s", word(m))
		}
	}
}

func (r *raw) startup(parameters ...string) {
	r.t.Helper()
	m := pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: make(map[string]string)}
	for i := 0; i < len(parameters); i += 2 {
		m.Parameters[parameters[i]] = parameters[i+1]
	}
	r.send(&m)
}

func (r *raw) send(messages ...pgproto3.FrontendMessage) {
	r.t.Helper()
	for _, m := range messages {
		r.fe.Send(m)
	}
	if err := r.fe.Flush(); err != nil {
		r.t.Fatalf("send: %v", err)
	}
}

func (r *raw) sendBytes(b []byte) {
	r.t.Helper()
	if _, err := r.conn.Write(b); err != nil {
		r.t.Fatalf("send: %v", err)
	}
}

func (r *raw) receive() pgproto3.BackendMessage {
	r.t.Helper()
	m, err := r.fe.Receive()
	if err != nil {
		r.t.Fatalf("receive: %v", err)
	}
	if p, ok := m.(*pgproto3.ParameterStatus); ok {
		r.welcome[p.Name] = p.Value
	}
	return m
}

// expect reads as many messages as want has words and compares.
func (r *raw) expect(want string) {
	r.t.Helper()
	var got []string
	for range strings.Fields(want) {
		m, err := r.fe.Receive()
		if err != nil {
			r.t.Fatalf("got  %s\nwant %s\nthen %v", strings.Join(got, " "), want, err)
		}
		got = append(got, word(m))
	}
	if s := strings.Join(got, " "); s != strings.Join(strings.Fields(want), " ") {
		r.t.Fatalf("\ngot  %s\nwant %s", s, want)
	}
}

// ask sends messages and expects an answer.
func (r *raw) ask(want string, messages ...pgproto3.FrontendMessage) {
	r.t.Helper()
	r.send(messages...)
	r.expect(want)
}

// query runs a simple query and returns the words up to ReadyForQuery.
func (r *raw) query(sql string) string {
	r.t.Helper()
	r.send(q(sql))
	var words []string
	for {
		m := r.receive()
		words = append(words, word(m))
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			return strings.Join(words, " ")
		}
	}
}

// value runs a simple query for one value.
func (r *raw) value(sql string) string {
	r.t.Helper()
	s := r.query(sql)
	_, s, ok := strings.Cut(s, "D(")
	v, _, _ := strings.Cut(s, ")")
	if !ok {
		r.t.Fatalf("%s: %s", sql, s)
	}
	return v
}

// ended expects the end of the connection, whatever comes before it.
func (r *raw) ended() {
	r.t.Helper()
	for {
		if _, err := r.fe.Receive(); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				r.t.Fatal("the connection was not closed")
			}
			return
		}
	}
}

// lastWord is all that an ErrorResponse says.
func (r *raw) lastWord() string {
	r.t.Helper()
	m, ok := r.receive().(*pgproto3.ErrorResponse)
	if !ok {
		r.t.Fatalf("%s in place of a last word", word(m))
	}
	return fmt.Sprintf("%+v", *m)
}

// silent expects that nothing has come, by asking for an answer that comes
// after it.
func (r *raw) silent() {
	r.t.Helper()
	r.ask("I Z(I)", q(""))
}

// quit says goodbye in good order.
func (r *raw) quit() {
	r.t.Helper()
	r.send(&pgproto3.Terminate{})
	if n, err := io.Copy(io.Discard, r.conn); err != nil || n != 0 {
		r.t.Fatalf("after Terminate: %d bytes, %v", n, err)
	}
	r.conn.Close()
}

// word is one message on paper.
func word(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.DataRow:
		return "D(" + row(m.Values) + ")"
	case *pgproto3.CommandComplete:
		return "C(" + strings.ReplaceAll(string(m.CommandTag), " ", "_") + ")"
	case *pgproto3.ErrorResponse:
		return fmt.Sprintf("E(%s_%s)", m.Severity, m.Code)
	case *pgproto3.NoticeResponse:
		return "N(" + m.Code + ")"
	case *pgproto3.ReadyForQuery:
		return "Z(" + string(m.TxStatus) + ")"
	case *pgproto3.ParameterStatus:
		return "S(" + m.Name + "=" + strings.ReplaceAll(m.Value, " ", "_") + ")"
	case *pgproto3.NotificationResponse:
		return "A(" + m.Channel + ")"
	case *pgproto3.CopyData:
		return "d(" + strings.TrimSpace(string(m.Data)) + ")"
	case *pgproto3.FunctionCallResponse:
		return fmt.Sprintf("V(%x)", m.Result)
	}
	return wordOfType(m)
}

func wordOfType(m pgproto3.BackendMessage) string {
	switch m.(type) {
	case *pgproto3.RowDescription:
		return "T"
	case *pgproto3.ParseComplete:
		return "1"
	case *pgproto3.BindComplete:
		return "2"
	case *pgproto3.CloseComplete:
		return "3"
	case *pgproto3.NoData:
		return "n"
	case *pgproto3.ParameterDescription:
		return "t"
	case *pgproto3.PortalSuspended:
		return "s"
	case *pgproto3.EmptyQueryResponse:
		return "I"
	case *pgproto3.CopyInResponse:
		return "G"
	case *pgproto3.CopyOutResponse:
		return "H"
	case *pgproto3.CopyDone:
		return "c"
	case *pgproto3.AuthenticationOk:
		return "R"
	case *pgproto3.BackendKeyData:
		return "K"
	}
	return fmt.Sprintf("%T", m)
}

func row(values [][]byte) string {
	var s []string
	for _, v := range values {
		switch {
		case v == nil:
			s = append(s, "NULL")
		case len(v) > 200:
			s = append(s, fmt.Sprintf("%d_bytes", len(v)))
		default:
			s = append(s, strings.ReplaceAll(string(v), " ", "_"))
		}
	}
	return strings.Join(s, ",")
}

// Short forms of what tests send most.

func q(sql string) *pgproto3.Query { return &pgproto3.Query{String: sql} }

func parse(sql string) *pgproto3.Parse { return &pgproto3.Parse{Query: sql} }

func bind(values ...string) *pgproto3.Bind {
	m := &pgproto3.Bind{}
	for _, v := range values {
		m.Parameters = append(m.Parameters, []byte(v))
	}
	return m
}

func execute() *pgproto3.Execute { return &pgproto3.Execute{} }

func syncs() *pgproto3.Sync { return &pgproto3.Sync{} }

// untilError reads rows up to an error and ReadyForQuery, or to the end of the
// connection.
func (r *raw) untilError() (said string) {
	r.t.Helper()
	_, said = r.countRows()
	return said
}

func (r *raw) countRows() (rows int, said string) {
	r.t.Helper()
	for {
		m, err := r.fe.Receive()
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				r.t.Fatal("neither an error nor the end came")
			}
			return rows, said
		}
		switch m.(type) {
		case *pgproto3.DataRow:
			rows++
		case *pgproto3.ErrorResponse:
			said = word(m)
		case *pgproto3.ReadyForQuery:
			return rows, said + " " + word(m)
		}
	}
}
