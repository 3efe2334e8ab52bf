package session

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"portero/wire"
)

// TestClientsAlwaysSeeAWholeConversation lets random clients talk to a model of
// PostgreSQL through a session, with servers that die at any moment, and checks
// at every step:
//   - a server is lent again when it is idle and owes nothing, and only then;
//   - what the client receives are answers to what it asked, in order, and as
//     many ReadyForQuery as it asked for;
//   - after a loss ROLLBACK brings it back to I.
func TestClientsAlwaysSeeAWholeConversation(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 3000
	}
	for seed := range uint64(n) {
		if c := newConversation(t, rand.New(rand.NewPCG(seed, 1)).IntN); c.run(40) {
			continue
		}
		c := newConversation(t, rand.New(rand.NewPCG(seed, 1)).IntN)
		c.logging = true
		c.run(40)
		t.Fatalf("seed %d: %s\n%s", seed, c.broken, strings.Join(c.log, "\n"))
	}
}

// FuzzConversation is the same with the choices made by the fuzzer.
func FuzzConversation(f *testing.F) {
	f.Add([]byte("some choices to begin with, and then some more of them"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		c := newConversation(t, func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			v := int(choices[0]) % n
			choices = choices[1:]
			return v
		})
		c.logging = true
		if !c.run(min(200, len(choices))) {
			t.Fatalf("%s\n%s", c.broken, strings.Join(c.log, "\n"))
		}
	})
}

// conversation is one client, its session and its server.
type conversation struct {
	t       testing.TB
	choose  func(n int) int
	s       Session
	server  *modelServer // nil while none is lent
	client  modelClient
	logging bool
	log     []string
	broken  string
}

func (c *conversation) note(text func() string) {
	if c.logging {
		c.log = append(c.log, text())
	}
}

func newConversation(t testing.TB, choose func(int) int) *conversation {
	c := &conversation{t: t, choose: choose}
	c.s.Reset(Rest{})
	c.client.status = 'I'
	return c
}

func (c *conversation) fault(format string, args ...any) {
	if c.broken == "" {
		c.broken = fmt.Sprintf(format, args...)
	}
}

func (c *conversation) run(steps int) bool {
	for range steps {
		switch c.choose(8) {
		case 0, 1, 2:
			c.send(c.client.next(c.choose))
		case 3, 4, 5, 6:
			c.deliver()
		case 7:
			if c.choose(4) == 0 {
				c.lose()
			}
		}
		if c.check(); c.broken != "" {
			return false
		}
	}
	c.end()
	return c.broken == ""
}

// end lets the client finish: whatever has happened, it can get back to I.
func (c *conversation) end() {
	for _, k := range c.client.last() {
		c.send(k)
	}
	c.deliverAll()
	c.check()
	if c.client.status != 'I' {
		c.send(token{"Query", []string{"rollback"}})
		c.deliverAll()
		c.check()
	}
	switch {
	case len(c.client.asked) > 0:
		c.fault("the client still waits for %s", c.client.asked)
	case c.client.status != 'I':
		c.fault("the client ends in state %c", c.client.status)
	case c.server != nil:
		c.fault("the client keeps its server")
	case c.s.loss.active():
		c.fault("the loss goes on")
	}
}

func (c *conversation) send(k token) {
	f := clientFrame(c.t, k)
	c.note(func() string { return "client " + describeToken(k) })
	c.client.sent(f)
	switch v := c.s.FromClient(f, c.server != nil); v {
	case Forward:
		if c.server == nil {
			c.server = newModelServer(c.t)
			c.s.Serve(nil)
			c.note(func() string { return "acquire" })
		}
		c.server.take(f)
	case Answer:
		c.replies()
	case Discard:
	default:
		c.fault("Verdict %d: %v", v, c.s.Fault)
	}
}

func (c *conversation) deliverAll() {
	for c.server != nil && len(c.server.out) > 0 && c.broken == "" {
		c.deliver()
		c.check()
	}
}

// deliver brings one message of the server to the client.
func (c *conversation) deliver() {
	if c.server == nil || len(c.server.out) == 0 {
		return
	}
	f := c.server.out[0]
	c.server.out = c.server.out[1:]
	if v := c.s.FromServer(f); v != Forward {
		c.fault("%s of the server: Verdict %d, %v", answerText(c.t, f, false), v, c.s.Fault)
	}
	c.receive(f)
}

func (c *conversation) receive(f wire.Frame) {
	c.note(func() string { return "         " + answerText(c.t, f, true) + "   " + stateText(&c.s) })
	if e := c.client.received(f); e != "" {
		c.fault("%s", e)
	}
}

func (c *conversation) replies() {
	for b := c.s.Reply; len(b) > 0; {
		f, ok, err := wire.Next(b)
		if !ok || err != nil || !f.Whole() {
			c.fault("broken reply")
			return
		}
		c.receive(f)
		b = b[wire.HeaderLen+f.Size:]
	}
	c.s.Reply = c.s.Reply[:0]
}

// lose ends the server: in silence, or with a last word.
func (c *conversation) lose() {
	if c.server == nil {
		return
	}
	var said *wire.Error
	if c.choose(2) == 0 {
		said = wire.Fatal("57P01", "terminating connection due to administrator command")
		if v := c.s.FromServer(frameOf(c.t, said)); v != Dying {
			c.fault("FATAL: Verdict %d", v)
		}
	}
	c.note(func() string { return "lose" })
	c.server = nil
	c.s.Lose(said)
	c.replies()
}

// check compares what the session believes of the server with what is.
func (c *conversation) check() {
	if c.server == nil {
		if c.s.busy {
			c.fault("busy without a server")
		}
		return
	}
	free, idle := c.s.Lending() != Kept, c.server.idle()
	switch {
	case c.s.Lending() == Free && !idle:
		c.fault("the server may be lent again, but it is not idle: %+v", *c.server)
	case idle && !free:
		c.fault("the server is idle, but may not be lent again: %s", stateText(&c.s))
	case free:
		c.note(func() string { return "release" })
		c.server = nil
	}
}

// modelClient is what a client makes of its conversation, by the protocol's own
// rules. It knows nothing of sessions.
type modelClient struct {
	asked   string // types of what is not answered; c marks an end of COPY data
	skip    bool   // an error came, the Sync has not been sent
	open    bool   // something was asked and not synced
	told    bool   // an error came for the first of asked
	copying bool   // COPY was asked for, its data is not at an end
	inCopy  bool   // ... and CopyInResponse has come
	data    bool   // ... and some data was sent
	status  byte
	named   map[string]string // the texts of statements and portals: all that they may be
	bound   map[string]string
}

var texts = []string{
	"select 1", "select 1", "begin", "commit", "rollback", "fail", "copy t from stdin", "",
	"select 1; select 1", "commit; begin", "begin; select 1", "select 1; fail", "select 1; copy t from stdin; select 1", "rollback; select 1",
}

// next is something that a client may send now.
func (m *modelClient) next(choose func(int) int) token {
	if m.copying {
		return m.nextData(choose)
	}
	name := []string{"", "", "s1", "s2"}[choose(4)]
	portal := []string{"", "", "p"}[choose(3)]
	switch choose(10) {
	case 0, 1:
		return token{"Query", []string{texts[choose(len(texts))]}}
	case 2:
		return token{"Parse", []string{name, texts[choose(8)]}}
	case 3:
		return token{"Bind", []string{portal, name}}
	case 4, 5:
		return token{"Execute", []string{portal}}
	case 6:
		return []token{{"Describe", []string{"S", name}}, {"Describe", []string{"P", portal}}, {"Close", []string{"S", name}}, {"Close", []string{"P", portal}}}[choose(4)]
	case 7:
		return []token{{"FunctionCall", []string{"1"}}, {"Flush", nil}, {"CopyDone", nil}}[choose(3)]
	}
	return token{word: "Sync"}
}

// nextData is a client that sends COPY data. A Sync among the data would be
// answered or not, as the COPY fails before or after it: no client does that.
func (m *modelClient) nextData(choose func(int) int) token {
	switch choose(6) {
	case 0:
		return token{"CopyData", []string{"bad"}}
	case 1:
		return token{"CopyData", []string{"1"}}
	case 2:
		return token{"CopyFail", []string{"no"}}
	case 3:
		if !m.data {
			return token{word: "Sync"}
		}
		return token{word: "Flush"}
	}
	return token{word: "CopyDone"}
}

// last is what brings any conversation to its end.
func (m *modelClient) last() (list []token) {
	if m.copying {
		list = append(list, token{word: "CopyDone"})
	}
	return append(list, token{word: "Sync"})
}

func (m *modelClient) sent(f wire.Frame) {
	w := bodyWords(f)
	switch f.Type {
	case 'Q':
		m.copying = strings.Contains(w[0], "copy")
	case 'P':
		if m.named == nil {
			m.named, m.bound = map[string]string{}, map[string]string{}
		}
		m.named[w[0]] += w[1]
	case 'B':
		if m.bound != nil {
			m.bound[w[0]] += m.named[w[1]]
		}
	case 'E':
		m.copying = strings.Contains(m.bound[w[0]], "copy")
	case 'd':
		m.data = true
		return
	case 'c', 'f':
		if !m.inCopy && m.asked != "" {
			m.asked += "c"
		}
		m.copying, m.inCopy, m.data = false, false, false
		return
	case 'H':
		return
	case 'S':
		if m.inCopy {
			return
		}
		m.skip = false
	}
	if !m.skip {
		m.open = true
		m.asked += string(f.Type)
	}
}

// received returns what is wrong with a message.
func (m *modelClient) received(f wire.Frame) string {
	m.asked = strings.TrimLeft(m.asked, "c")
	first := byte(0)
	if m.asked != "" {
		first = m.asked[0]
	}
	ok := true
	switch f.Type {
	case 'Z':
		ok = first == 'Q' || first == 'F' || first == 'S'
		m.status, m.told = f.Body[0], false
		m.pop()
		m.open = m.asked != ""
	case 'E':
		ok = !m.told && !m.skip && (first != 0 || m.open) // the loss of a server needs no request
		m.failed(first)
	case '1', '2', '3':
		ok = first == "PBC"[f.Type-'1']
		m.pop()
	case 'T':
		ok = first == 'Q' || first == 'D'
		if first == 'D' {
			m.pop()
		}
	case 'n':
		ok = first == 'D'
		m.pop()
	case 't':
		ok = first == 'D'
	case 'D':
		ok = first == 'Q' || first == 'E'
	case 'V':
		ok = first == 'F'
	case 's', 'C', 'I':
		ok = first == 'E' || first == 'Q' && f.Type != 's'
		if first == 'E' {
			m.pop()
		}
	case 'G':
		ok = first == 'E' || first == 'Q'
		m.copyBegins()
	}
	if !ok {
		return fmt.Sprintf("the client receives %q, but waits for answers to %q (told %v)", f.Type, m.asked, m.told)
	}
	return ""
}

func (m *modelClient) pop() {
	if m.asked != "" {
		m.asked = strings.TrimLeft(m.asked[1:], "c")
	}
}

func (m *modelClient) failed(first byte) {
	m.inCopy = false
	m.told = true
	if first == 'Q' || first == 'F' {
		return
	}
	i := strings.IndexByte(m.asked, 'S')
	if m.skip = i < 0; m.skip {
		m.asked, m.told = "", false
		return
	}
	m.asked = m.asked[i:]
}

func (m *modelClient) copyBegins() {
	if i := strings.IndexByte(m.asked, 'c'); i >= 0 {
		m.asked = strings.ReplaceAll(m.asked[:i], "S", "") + m.asked[i+1:]
		return
	}
	m.asked = strings.ReplaceAll(m.asked, "S", "")
	m.inCopy = true
}
