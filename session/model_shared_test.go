package session

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"portero/wire"
)

// TestClientsThatShareServersSeeTheirOwn has three clients prepare statements
// under the same names, in transactions and pipelines, on two servers. Each must
// hear, byte for byte, what a server of its own would have told it.
func TestClientsThatShareServersSeeTheirOwn(t *testing.T) {
	for seed := range uint64(4000) {
		c := newCrowd(t, rand.New(rand.NewPCG(seed, 2)).IntN)
		if c.run(120) {
			continue
		}
		t.Fatalf("seed %d: %s\n%s", seed, c.broken, strings.Join(c.log, "\n"))
	}
}

// FuzzSharedServers is the same with the choices made by the fuzzer.
func FuzzSharedServers(f *testing.F) {
	f.Add([]byte("some choices to begin with, and then some more of them"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		c := newCrowd(t, func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			v := int(choices[0]) % n
			choices = choices[1:]
			return v
		})
		if !c.run(min(400, len(choices))) {
			t.Fatalf("%s\n%s", c.broken, strings.Join(c.log, "\n"))
		}
	})
}

// shared is a server that is lent to one after the other.
type shared struct {
	*modelServer
	memory Memory
	by     *sharer // who has it
}

// sharer is a client, and the server of its own that it is compared with.
type sharer struct {
	number int
	s      Session
	client modelClient
	rest   Rest
	own    *modelServer
	held   []wire.Frame // to be shown to the session
	asked  bool         // the first of held is counted as asked, and waits for a server
	server *shared
	got    []string
	want   []string
}

// crowd is some clients over fewer servers.
type crowd struct {
	t       testing.TB
	choose  func(n int) int
	clients [3]*sharer
	servers [2]*shared
	broken  string
	log     []string
}

func newCrowd(t testing.TB, choose func(int) int) *crowd {
	c := &crowd{t: t, choose: choose}
	texts := &Texts{}
	for i := range c.clients {
		c.clients[i] = &sharer{number: i, own: newModelServer(t)}
		c.clients[i].client.status = 'I'
		c.clients[i].s.Share(texts, Limits{Server: 2, Client: 10, ClientBytes: 1 << 20, Bytes: 1 << 20})
		c.clients[i].s.Reset(Rest{})
	}
	for i := range c.servers {
		c.servers[i] = &shared{modelServer: newModelServer(t)}
	}
	return c
}

func (c *crowd) fault(format string, args ...any) {
	if c.broken == "" {
		c.broken = fmt.Sprintf(format, args...)
	}
}

func (c *crowd) note(of *sharer, format string, args ...any) {
	c.log = append(c.log, fmt.Sprintf("%d: ", of.number)+fmt.Sprintf(format, args...))
}

func (c *crowd) run(steps int) bool {
	for i := 0; i < steps && c.broken == ""; i++ {
		one := c.clients[c.choose(len(c.clients))]
		if c.choose(2) == 0 {
			c.say(one, one.client.next(c.choose))
		} else {
			c.hear(one)
		}
	}
	for _, one := range c.clients { // at the end all come to rest, one after the other
		for _, k := range append(one.client.last(), token{"Query", []string{"rollback"}}) {
			c.say(one, k)
		}
	}
	for range 1000 {
		for _, one := range c.clients {
			c.hear(one)
		}
	}
	for _, one := range c.clients {
		if got, want := strings.Join(one.got, " "), strings.Join(one.want, " "); got != want {
			c.fault("client %d heard\n%s\nand from a server of its own\n%s", one.number, got, want)
		}
	}
	return c.broken == ""
}

// say has a client send a message, also to the server of its own.
func (c *crowd) say(one *sharer, k token) {
	f := clientFrame(c.t, k)
	c.note(one, "says %s", describeToken(k))
	one.client.sent(f, 0)
	one.own.take(f)
	for _, f := range one.own.out {
		one.want = append(one.want, answerText(c.t, f, true))
	}
	one.own.out = nil
	one.held = append(one.held, f)
	c.show(one)
}

// show shows the session what it has not taken yet.
func (c *crowd) show(one *sharer) {
	for len(one.held) > 0 && c.broken == "" {
		f := one.held[0]
		v := Forward
		if !one.asked {
			v = one.s.FromClient(f, one.server != nil)
		}
		switch v {
		case Forward:
			if one.asked = !c.forward(one, f); one.asked {
				return
			}
		case Answer:
			c.replies(one)
		case Discard:
		case Wait:
			if one.server == nil || len(one.server.out) == 0 {
				c.fault("%q waits for nothing", f.Type)
			}
			return
		default:
			c.fault("Verdict %d: %v", v, one.s.Fault)
		}
		one.held = one.held[1:]
	}
}

// forward sends a frame to a server, if there is one.
func (c *crowd) forward(one *sharer, f wire.Frame) bool {
	if one.server == nil {
		if one.server = c.free(); one.server == nil {
			return false
		}
		one.server.by = one
		one.s.Serve(nil, &one.server.memory)
	}
	edit, replaced := one.s.Send(f)
	raw, sent := append(header(f.Type, f.Size), f.Body...), true
	if one.s.Held() {
		raw, sent = nil, false
	}
	for b := append(bytes.Clone(edit), raw[replaced:]...); len(b) > 0; {
		f, ok, err := wire.Next(b)
		if !ok || err != nil || !f.Whole() {
			c.fault("broken frames to the server: %q", b)
			return true
		}
		c.note(one, "sends %s", requestText(c.t, f))
		one.server.take(f)
		b = b[wire.HeaderLen+f.Size:]
	}
	return sent
}

// free is a server that nobody has.
func (c *crowd) free() *shared {
	first := c.choose(len(c.servers))
	for i := range c.servers {
		if s := c.servers[(first+i)%len(c.servers)]; s.by == nil {
			return s
		}
	}
	return nil
}

// hear brings one message of its server to a client.
func (c *crowd) hear(one *sharer) {
	if one.server != nil && len(one.server.out) > 0 && c.broken == "" {
		f := one.server.out[0]
		one.server.out = one.server.out[1:]
		switch v := one.s.FromServer(f); v {
		case Forward:
			c.receive(one, f)
		case Discard:
		case Answer:
			c.replies(one)
		default:
			c.fault("%s of the server: Verdict %d, %v", answerText(c.t, f, true), v, one.s.Fault)
		}
	}
	c.show(one)
	settle(&one.s)
	if one.server == nil || one.s.Lending() == Kept {
		return
	}
	if one.s.Lending() == Dirty {
		*one.server = shared{modelServer: newModelServer(c.t)}
	}
	one.server.by, one.server = nil, nil
	one.rest = one.s.Rest()
	one.s.Reset(one.rest)
}

func (c *crowd) receive(one *sharer, f wire.Frame) {
	text := answerText(c.t, f, true)
	c.note(one, "         %s   %s", text, stateText(&one.s))
	one.got = append(one.got, text)
	if e := one.client.received(f); e != "" {
		c.fault("%s", e)
	}
}

func (c *crowd) replies(one *sharer) {
	for b := one.s.Reply; len(b) > 0; {
		f, ok, err := wire.Next(b)
		if !ok || err != nil || !f.Whole() {
			c.fault("broken reply")
			return
		}
		c.receive(one, f)
		b = b[wire.HeaderLen+f.Size:]
	}
	one.s.Reply = one.s.Reply[:0]
}
