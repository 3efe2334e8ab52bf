package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A dialogue is what one client sends, step by step: what stands in one
// step is sent at once, and the next when it has been answered.
type dialogue struct {
	schema string // its own, with the same tables as the others'
	user   string
	steps  []step
}

// step is some messages, and what else happens.
type step struct {
	deed
	bytes    int // deedCut: so many of them are sent
	messages messages
}

// ends reports whether the step ends with a Sync.
func (s step) ends() bool {
	if len(s.messages) == 0 {
		return true
	}
	_, ok := s.messages[len(s.messages)-1].(*pgproto3.Sync)
	return ok || s.deed == deedCut
}

type deed string

const (
	deedNone  deed = "step"
	deedCut   deed = "cut"   // the client breaks off, and comes again
	deedSleep deed = "sleep" // what lasts is cancelled
	deedRace  deed = "race"  // a cancel is sent with it, and may come too late
)

// said is what a client was answered: one line per message, as bytes on paper.
type said struct {
	lines []string
	upTo  []int // lines there were when each step had been answered
	heard []string
	err   error // the connection did not go on
}

// hold runs a dialogue. Without a model, a step has been answered when all
// its groups have, or, where that cannot be known, when nothing more comes;
// with one, when as much has come as the model had.
func (c dialogue) hold(address string, model *said) *said {
	s := &said{}
	l := &listener{address: address, said: s}
	if s.err = l.enter(c); s.err != nil {
		return s
	}
	defer func() { l.conn.Close() }()
	for i, step := range c.steps {
		l.do(c, i, step, model)
		s.upTo = append(s.upTo, len(s.lines))
		if s.err == nil && model != nil && !slices.EqualFunc(model.lines[:min(len(model.lines), len(s.lines))], s.lines, sameLine) {
			s.err = errors.New("the rest is left out")
		}
		if s.err != nil {
			break
		}
	}
	l.conn.Write([]byte{'X', 0, 0, 0, 4})
	l.conn.SetDeadline(time.Now().Add(patience))
	io.Copy(io.Discard, l.conn)
	return s
}

type listener struct {
	address string
	conn    net.Conn
	r       *bufio.Reader
	key     []byte // to cancel by
	said    *said
}

// do does a step.
func (l *listener) do(c dialogue, i int, step step, model *said) {
	b := encoded(step.messages)
	l.conn.SetDeadline(time.Now().Add(differentialPatience))
	switch step.deed {
	case deedCut:
		l.conn.Write(b[:step.bytes])
		l.conn.Close()
		l.said.err = l.enter(c)
		return
	case deedRace:
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.cancel()
		}()
		defer func() { <-done }()
	}
	if _, err := l.conn.Write(b); err != nil {
		l.said.err = err
	}
	if step.deed == deedSleep {
		l.cancelUntilAnswered()
	}
	from := len(l.said.lines)
	l.hear(i, step.deed, step.messages, model)
	l.settle(step.deed, from)
}

func encoded(list messages) (b []byte) {
	for _, m := range list {
		b, _ = m.Encode(b)
	}
	return b
}

// settle makes one line of an answer that may come in several ways: a statement is
// cancelled before or after it has described its result or sent its row, or not at all. What is
// reported of settings that a transaction takes back with it stays.
func (l *listener) settle(d deed, from int) {
	s := l.said
	if d != deedSleep && d != deedRace || s.err != nil || len(s.lines) == from {
		return
	}
	answer, end := s.lines[from:len(s.lines)-1], s.lines[len(s.lines)-1]
	var reports []string
	for _, line := range answer {
		if strings.HasPrefix(line, `S "`) {
			reports = append(reports, line)
		}
	}
	answer = slices.DeleteFunc(slices.Clone(answer), func(line string) bool { return slices.Contains(reports, line) })
	was := slices.Contains(answer, cancelled)
	most := map[deed]int{deedSleep: 2, deedRace: 3}[d] // description, row and error
	if was && len(answer) <= most || !was && d == deedRace && len(answer) == 3 && answer[2] == `C "SELECT 1\x00"` {
		s.lines = append(append(s.lines[:from], reports...), map[deed]string{deedSleep: "cancelled, ", deedRace: "cancelled or not, "}[d]+end)
	}
}

// cancel sends a CancelRequest, and waits until it has been seen to.
func (l *listener) cancel() {
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(append([]byte{0, 0, 0, 16, 4, 210, 22, 46}, l.key...))
	io.Copy(io.Discard, conn)
}

// cancelUntilAnswered repeats it, as the first may come before the statement.
func (l *listener) cancelUntilAnswered() {
	for end := time.Now().Add(differentialPatience); time.Now().Before(end); {
		l.cancel()
		l.conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		_, err := l.r.Peek(1)
		l.conn.SetReadDeadline(end)
		if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
			return
		}
	}
}

// enter logs in and goes to the client's own schema.
func (l *listener) enter(c dialogue) (err error) {
	if l.conn, err = net.Dial("tcp", l.address); err != nil {
		return err
	}
	l.r = bufio.NewReader(l.conn)
	l.conn.SetDeadline(time.Now().Add(patience))
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
		case 'K':
			l.key = body
		case 'Z':
			ready++
		}
	}
	return nil
}

func (l *listener) hear(i int, d deed, step messages, model *said) {
	s := l.said
	groups, sure := answerable(step)
	upTo, mayDiffer := 0, false
	if model != nil && i < len(model.upTo) {
		upTo = model.upTo[i]
		mayDiffer = upTo > len(s.lines) && (d == deedRace || d == deedSleep)
	}
	for ready := 0; s.err == nil; {
		switch {
		case model != nil && model.err != nil && i == len(model.upTo)-1: // to the end
		case mayDiffer && ready >= groups:
			return
		case mayDiffer:
		case model != nil && len(s.lines) >= upTo:
			return
		case model != nil && len(s.lines) > 0 && s.lines[len(s.lines)-1][0] == 'Z' && !slices.EqualFunc(model.lines[:min(len(s.lines), len(model.lines))], s.lines, sameLine):
			return // where it differs, it may be shorter
		case model == nil && sure && ready >= groups, model == nil && isMarked(step) && endsMarked(s.lines):
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
		switch kind {
		case 'A':
			s.heard = append(s.heard, string(body[4:]))
			continue
		case 'N':
			if bytes.HasPrefix(body, []byte("SDEBUG\x00")) {
				continue // of the server's caches, under client_min_messages = debug1
			}
		case 'Z':
			ready++
		}
		s.lines = append(s.lines, line(kind, body))
	}
}

// marker is an empty Query that no other is like.
const marker = " "

// isMarked reports whether a step ends with it, and endsMarked whether the
// answers end with that to one: of a step in which there is no other it is known when it has
// been answered.
func isMarked(step messages) bool {
	last, ok := step[len(step)-1].(*pgproto3.Query)
	return ok && last.String == marker
}

func endsMarked(lines []string) bool {
	n := len(lines)
	return n > 1 && lines[n-1][0] == 'Z' && lines[n-2][0] == 'I'
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
