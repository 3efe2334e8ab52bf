package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// How much is compared: conversations, of several clients each.
const (
	differentialSeeds   = 31
	differentialClients = 3
	differentialSteps   = 25

	differentialPatience = 15 * time.Second // with one step
)

// A dialogue is what one client sends, step by step: what stands in one
// step is sent at once, and the next when it has been answered.
type dialogue struct {
	schema string // its own, with the same tables as the others'
	user   string
	steps  []messages
}

// said is what a client was answered: one line per message, as bytes on paper.
type said struct {
	lines []string
	upTo  []int // lines there were when each step had been answered
	err   error // the connection did not go on
}

// Clients that share servers are answered, message for message, what each is
// answered on a connection of its own.
func TestConversationsDifferInNothingFromDirectOnes(t *testing.T) {
	for servers := 1; servers <= 3; servers++ {
		t.Run(fmt.Sprint(servers, " servers"), func(t *testing.T) {
			w := start(t, size(servers), loops(1+servers/3))
			for seed := uint64(servers); seed < differentialSeeds; seed += 3 {
				talks := conversations(seed, differentialClients, differentialSteps)
				want, got := compareTalks(t, w.address(), talks)
				for i := range talks {
					if d := difference(want[i], got[i]); d != "" {
						t.Fatalf("seed %d, client %d: %s\n%s", seed, i, d, transcripts(talks[i], want[i], got[i]))
					}
				}
			}
		})
	}
}

// compareTalks holds all conversations directly, and then all through Portero at once.
func compareTalks(t testing.TB, portero string, talks []dialogue) (want, got []*said) {
	t.Helper()
	for _, way := range []string{postgres(t).Address(), portero} {
		stage(t, talks)
		direct := way != portero
		results := make([]*said, len(talks))
		var all sync.WaitGroup
		for i, talk := range talks {
			all.Go(func() {
				var model *said
				if !direct {
					model = want[i]
				}
				results[i] = talk.hold(way, model)
			})
		}
		all.Wait()
		if direct {
			want = results
		} else {
			got = results
		}
	}
	return want, got
}

// stage makes what conversations need, as it is at their beginning.
func stage(t testing.TB, talks []dialogue) {
	t.Helper()
	ctx := bounded(t)
	conn := must(pgx.Connect(ctx, postgres(t).SuperuserDSN("app")+"&default_query_exec_mode=simple_protocol"))(t)
	defer conn.Close(ctx)
	var sql strings.Builder
	sql.WriteString(`do $$ begin create role diff_low; exception when duplicate_object then end $$; grant diff_low to app;`)
	for _, talk := range talks {
		fmt.Fprintf(&sql, `set client_min_messages = error; drop schema if exists %[1]s cascade; drop schema if exists %[1]s_b cascade;
			create schema %[1]s authorization app; create schema %[1]s_b authorization app;
			create table %[1]s.t (a int, b text); insert into %[1]s.t values (1, '%[1]s'), (2, 'two'), (3, null);
			create table %[1]s_b.t (b text, c date); insert into %[1]s_b.t values ('%[1]s_b', '2020-02-01');
			create table %[1]s.u (a int primary key); create table %[1]s_b.u (a int primary key);
			alter table %[1]s.t owner to app; alter table %[1]s_b.t owner to app; alter table %[1]s.u owner to app; alter table %[1]s_b.u owner to app;`, talk.schema)
	}
	if _, err := conn.Exec(ctx, sql.String()); err != nil {
		t.Fatal(err)
	}
}

// hold runs a dialogue. Without a model, a step has been answered when all
// its groups have, or, where that cannot be known, when nothing more comes;
// with one, when as much has come as the model had.
func (c dialogue) hold(address string, model *said) *said {
	s := &said{}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		s.err = err
		return s
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	l := &listener{conn: conn, r: bufio.NewReader(conn)}
	if s.err = l.enter(c); s.err != nil {
		return s
	}
	for i, step := range c.steps {
		var b []byte
		for _, m := range step {
			b, _ = m.Encode(b)
		}
		conn.SetDeadline(time.Now().Add(differentialPatience))
		if _, err := conn.Write(b); err != nil {
			s.err = err
		}
		l.hear(s, i, step, model)
		s.upTo = append(s.upTo, len(s.lines))
		if s.err == nil && model != nil && !slices.EqualFunc(model.lines[:min(len(model.lines), len(s.lines))], s.lines, sameLine) {
			s.err = errors.New("the rest is left out")
		}
		if s.err != nil {
			break
		}
	}
	conn.Write([]byte{'X', 0, 0, 0, 4})
	conn.SetDeadline(time.Now().Add(patience))
	io.Copy(io.Discard, conn)
	return s
}

// What is not the same yet, see found_test.go: a statement's name in errors ...
var nameOnServer = regexp.MustCompile(`prepared statement "[^\x00]*"( requires)?`)

// ... and which error a Bind has that does not fit.
func sameLine(want, got string) bool {
	return want == got || strings.Contains(want, "bind message supplies") && got[0] == 'E'
}

type listener struct {
	conn net.Conn
	r    *bufio.Reader
}

// enter logs in and goes to the client's own schema.
func (l *listener) enter(c dialogue) error {
	b, _ := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": c.user, "database": "app"}}).Encode(nil)
	b, _ = q("set search_path = " + c.schema).Encode(b)
	if _, err := l.conn.Write(b); err != nil {
		return err
	}
	for ready := 0; ready < 2; {
		kind, body, err := l.frame()
		if err != nil {
			return err
		}
		switch kind {
		case 'E':
			return fmt.Errorf("login: %q", body)
		case 'Z':
			ready++
		}
	}
	return nil
}

func (l *listener) hear(s *said, i int, step messages, model *said) {
	groups, sure := answerable(step)
	for ready := 0; s.err == nil; {
		switch {
		case model != nil && model.err != nil && i == len(model.upTo)-1: // to the end
		case model != nil && len(s.lines) >= model.upTo[i]:
			return
		case model != nil && len(s.lines) > 0 && s.lines[len(s.lines)-1][0] == 'Z' && !slices.EqualFunc(model.lines[:len(s.lines)], s.lines, sameLine):
			return // where it differs, it may be shorter
		case model == nil && sure && ready >= groups:
			return
		case model == nil:
			quiet := 500 * time.Millisecond
			if !sure {
				quiet = 50 * time.Millisecond
			}
			l.conn.SetReadDeadline(time.Now().Add(quiet))
			_, err := l.r.Peek(1)
			l.conn.SetReadDeadline(time.Now().Add(differentialPatience))
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				return
			}
		}
		kind, body, err := l.frame()
		if err != nil {
			s.err = err
			return
		}
		if kind == 'Z' {
			ready++
		}
		s.lines = append(s.lines, line(kind, body))
	}
}

// answerable counts the ReadyForQuery that a step will be answered, where that
// does not depend on the server.
func answerable(step messages) (groups int, sure bool) {
	sure = true
	for i, m := range step {
		switch m := m.(type) {
		case *pgproto3.Query:
			groups++
			sure = sure && !strings.Contains(strings.ToLower(m.String), "stdin")
		case *pgproto3.Parse:
			sure = sure && !strings.Contains(m.Query, "stdin")
		case *pgproto3.Sync, *pgproto3.FunctionCall:
			groups++
		case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
			sure = false
		}
		if i == len(step)-1 {
			switch m.(type) {
			case *pgproto3.Sync, *pgproto3.Query, *pgproto3.FunctionCall:
			default:
				sure = false
			}
		}
	}
	// A Query or a call behind messages that have failed is skipped, and so is COPY's own Sync.
	for i, m := range step[:len(step)-1] {
		switch m.(type) {
		case *pgproto3.Sync, *pgproto3.Query, *pgproto3.FunctionCall:
		default:
			switch step[i+1].(type) {
			case *pgproto3.Query, *pgproto3.FunctionCall:
				sure = false
			}
		}
	}
	return groups, sure
}

func (l *listener) frame() (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(l.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > 64<<20 {
		return 0, nil, fmt.Errorf("a length of %d", n)
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(l.r, body)
	return head[0], body, err
}

// line is a message on paper, without what is another one each time.
func line(kind byte, body []byte) string {
	if kind == 'T' && len(body) >= 2 {
		rest := body[2:]
		for range binary.BigEndian.Uint16(body) {
			if end := strings.IndexByte(string(rest), 0); end >= 0 && len(rest) >= end+5 {
				copy(rest[end+1:end+5], "oid.") // of the table
				rest = rest[min(len(rest), end+19):]
			}
		}
	}
	if kind == 'E' {
		body = nameOnServer.ReplaceAll(body, []byte(`prepared statement "..." `))
		if failed := bytes.Index(body, []byte("C25P02")); failed >= 0 {
			body = body[:failed+6] // a Parse of Portero's own fails elsewhere
		}
	}
	if len(body) > 600 {
		return fmt.Sprintf("%c %d bytes %q...", kind, len(body), body[:200])
	}
	return fmt.Sprintf("%c %q", kind, body)
}

// difference says what differs, or nothing.
func difference(want, got *said) string {
	for i, w := range want.lines {
		if i >= len(got.lines) {
			return fmt.Sprintf("ends before message %d, %s: %v", i+1, w, got.err)
		}
		if w[0] == 't' && got.lines[i][0] == 'E' {
			return "" // not the same yet either: a Describe where the text cannot be parsed any more
		}
		if strings.Contains(w, "C0A000") && got.lines[i] != w {
			return "" // as the README says: on a server without the old plan the result is the new one
		}
		if !sameLine(w, got.lines[i]) {
			return fmt.Sprintf("message %d is\n     %s\nnot  %s", i+1, got.lines[i], w)
		}
	}
	switch {
	case len(got.lines) > len(want.lines):
		return fmt.Sprintf("message %d is too many: %s", len(want.lines)+1, got.lines[len(want.lines)])
	case want.err == nil && got.err != nil:
		return fmt.Sprintf("closed: %v", got.err)
	case want.err != nil && got.err == nil:
		return fmt.Sprintf("not closed: %v", want.err)
	case want.err != nil && errors.Is(want.err, io.EOF) != errors.Is(got.err, io.EOF):
		return fmt.Sprintf("ends with %v, not %v", got.err, want.err)
	}
	return ""
}

// transcripts shows a dialogue with both answers side by side.
func transcripts(c dialogue, want, got *said) string {
	var s strings.Builder
	fmt.Fprintf(&s, "user %s, schema %s\n", c.user, c.schema)
	for i, step := range c.steps {
		fmt.Fprintf(&s, "step %d\n", i+1)
		for _, m := range step {
			fmt.Fprintf(&s, "    > %s\n", request(m))
		}
		w, g := want.of(i), got.of(i)
		if strings.Join(w, "\n") == strings.Join(g, "\n") {
			for _, l := range w {
				fmt.Fprintf(&s, "      < %s\n", l)
			}
			continue
		}
		for _, l := range w {
			fmt.Fprintf(&s, "      direct  < %s\n", l)
		}
		for _, l := range g {
			fmt.Fprintf(&s, "      portero < %s\n", l)
		}
	}
	fmt.Fprintf(&s, "ends: direct %v, portero %v\n", want.err, got.err)
	return s.String()
}

func (s *said) of(step int) []string {
	if step >= len(s.upTo) {
		return nil
	}
	from := 0
	if step > 0 {
		from = s.upTo[step-1]
	}
	return s.lines[from:s.upTo[step]]
}

// request is a client's message on paper.
func request(m pgproto3.FrontendMessage) string {
	switch m := m.(type) {
	case *pgproto3.Parse:
		return fmt.Sprintf("Parse %q %.200q %v", m.Name, m.Query, m.ParameterOIDs)
	case *pgproto3.Bind:
		return fmt.Sprintf("Bind portal %q to %q %.80q formats %v, %v", m.DestinationPortal, m.PreparedStatement, m.Parameters, m.ParameterFormatCodes, m.ResultFormatCodes)
	case *pgproto3.Describe:
		return fmt.Sprintf("Describe %c %q", m.ObjectType, m.Name)
	case *pgproto3.Execute:
		return fmt.Sprintf("Execute %q, %d rows", m.Portal, m.MaxRows)
	case *pgproto3.Close:
		return fmt.Sprintf("Close %c %q", m.ObjectType, m.Name)
	case *pgproto3.Query:
		return fmt.Sprintf("Query %.200q", m.String)
	case *pgproto3.CopyData:
		return fmt.Sprintf("CopyData %.100q", m.Data)
	}
	return fmt.Sprintf("%.100s", strings.TrimPrefix(fmt.Sprintf("%T%+v", m, m), "*pgproto3."))
}

// conversations are those of a seed.
func conversations(seed uint64, clients, steps int) []dialogue {
	talks := make([]dialogue, clients)
	for i := range talks {
		talks[i] = dialogue{schema: fmt.Sprintf("diff_%d", i), user: "app"}
		w := talker{rand.New(rand.NewPCG(seed, uint64(i))), talks[i].schema}
		for range steps {
			talks[i].steps = append(talks[i].steps, w.step())
		}
		talks[i].steps = append(talks[i].steps,
			messages{&pgproto3.CopyFail{Message: "the end"}, syncs()}, messages{q("rollback")}, messages{q("select 'the end'")})
	}
	return talks
}
