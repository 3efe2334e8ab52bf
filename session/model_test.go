package session

import (
	"bytes"
	"fmt"
	"maps"
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
//   - what it is told of a loss is true: whatever the server may have committed is
//     said to be unknown, and nothing else;
//   - what it is not told of, as it is asked again, the server has not committed;
//   - after a loss ROLLBACK brings it back to I.
func TestClientsAlwaysSeeAWholeConversation(t *testing.T) {
	n := 6000
	if testing.Short() {
		n = 2000
	}
	again := 0
	for seed := range uint64(n) {
		if c := newConversation(t, rand.New(rand.NewPCG(seed, 1)).IntN); c.run(40) {
			again += c.again
			continue
		}
		c := newConversation(t, rand.New(rand.NewPCG(seed, 1)).IntN)
		c.logging = true
		c.run(40)
		t.Fatalf("seed %d: %s\n%s", seed, c.broken, strings.Join(c.log, "\n"))
	}
	if again < n/100 {
		t.Errorf("only %d times was something asked again", again)
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
		if !c.run(min(80, len(choices))) { // of more, the truth takes too long to tell
			t.Fatalf("%s\n%s", c.broken, strings.Join(c.log, "\n"))
		}
	})
}

// sent is a frame and the number of its request.
type sent struct {
	id int
	f  wire.Frame
}

// conversation is one client, its session and its server.
type conversation struct {
	t        testing.TB
	choose   func(n int) int
	s        Session
	server   *modelServer // nil while none is lent
	memory   *Memory      // of that server
	servers  [2]*modelServer
	memories [2]*Memory
	before   map[string]string // the server's statements when it was lent
	counted  bool              // the first of held counts as asked already
	held     []sent            // by the client, and to wait for answers
	sent     []sent            // to this server
	kept     []sent            // frames as the client sent them, since nothing was under way
	again    int               // times that they were asked again
	heard    int               // messages of this server that have reached the client
	asked    int               // requests so far
	client   modelClient
	logging  bool
	log      []string
	broken   string
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
		case 0, 1, 2, 3:
			c.send(c.client.next(c.choose))
		case 4, 5, 6:
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
		c.fault("the client still waits for %v", c.client.asked)
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
	c.asked++
	c.client.sent(f, c.asked)
	c.held = append(c.held, sent{c.asked, f})
	c.goOn()
}

// goOn shows the session what it has not taken yet.
func (c *conversation) goOn() {
	for len(c.held) > 0 {
		one, v := c.held[0], Forward
		if !c.s.Busy() {
			c.kept = nil
		}
		if !c.counted {
			v = c.s.FromClient(one.f, c.server != nil)
		}
		switch v {
		case Forward:
			if c.counted = !c.forward(one); c.counted {
				return
			}
			c.kept = append(c.kept, one)
		case Answer:
			c.replies()
		case Discard:
		case Wait:
			if c.server == nil || len(c.server.out) == 0 {
				c.fault("%q waits for nothing", one.f.Type)
			}
			return
		default:
			c.fault("Verdict %d: %v", v, c.s.Fault)
			return
		}
		c.held = c.held[1:]
	}
}

// forward reports whether the frame itself has been sent.
func (c *conversation) forward(one sent) bool {
	if c.server == nil {
		c.acquire()
	}
	edit, replaced := c.s.Send(one.f)
	raw := append(header(one.f.Type, one.f.Size), one.f.Body...)
	if c.s.Held() {
		raw = nil
	}
	for b := append(bytes.Clone(edit), raw[replaced:]...); len(b) > 0; {
		f, ok, err := wire.Next(b)
		if !ok || err != nil || !f.Whole() {
			c.fault("broken frames to the server: %q", b)
			return true
		}
		if replaced > 0 || len(edit) > 0 {
			c.note(func() string { return "  sent as " + requestText(c.t, f) })
		}
		c.sent = append(c.sent, sent{one.id, f})
		c.server.cur = one.id
		c.server.take(f)
		b = b[wire.HeaderLen+f.Size:]
	}
	return !c.s.Held()
}

// acquire lends one of the servers, with what was prepared there.
func (c *conversation) acquire() {
	i := c.choose(len(c.servers))
	if c.servers[i] == nil {
		c.servers[i], c.memories[i] = newModelServer(c.t), &Memory{}
	}
	c.server, c.memory, c.sent, c.heard = c.servers[i], c.memories[i], nil, 0
	c.server.committed, c.server.txn = map[int]bool{}, nil
	c.before = maps.Clone(c.server.statements)
	c.s.Serve(nil, c.memory)
	c.note(func() string { return "acquire" })
}

// discard closes the server in use.
func (c *conversation) discard() {
	for i := range c.servers {
		if c.servers[i] == c.server {
			c.servers[i] = nil
		}
	}
	c.server = nil
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
	c.heard++
	switch v := c.s.FromServer(f); v {
	case Forward:
		c.receive(f)
	case Discard:
		c.note(func() string { return "         discarded " + answerText(c.t, f, true) })
	case Answer:
		c.replies()
	default:
		c.fault("%s of the server: Verdict %d, %v", answerText(c.t, f, false), v, c.s.Fault)
	}
	c.goOn()
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

// check compares what the session believes of the server with what is.
func (c *conversation) check() {
	if c.server == nil {
		if c.s.busy {
			c.fault("busy without a server")
		}
		return
	}
	settle(&c.s)
	free, idle := c.s.Lending() != Kept, c.server.idle()
	switch {
	case c.s.Lending() == Free && !idle:
		c.fault("the server may be lent again, but it is not idle: %+v", *c.server)
	case idle && !free:
		c.fault("the server is idle, but may not be lent again: %s", stateText(&c.s))
	case c.s.Lending() == Dirty:
		c.discard()
	case free:
		c.note(func() string { return "release" })
		c.server = nil
	}
}
