package session

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"portero/wire"
)

// TestClientsThatShareServersSeeTheirOwn has three clients set things up, prepare,
// fail, go back to savepoints, be cancelled and break off, in transactions and
// pipelines, on two servers. Each must hear, byte for byte, what a server of its own
// would have told it, and nobody must find what others have left.
func TestClientsThatShareServersSeeTheirOwn(t *testing.T) {
	for _, seed := range seedsToRun(4000) {
		c := newCrowd(t)
		if c.run(120, chooser(seed)) {
			continue
		}
		c.report(seed)
	}
}

// FuzzSharedServers is the same with the choices made by the fuzzer.
func FuzzSharedServers(f *testing.F) {
	f.Add([]byte("some choices to begin with, and then some more of them"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		c := newCrowd(t)
		if !c.run(min(400, len(choices)), func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			v := int(choices[0]) % n
			choices = choices[1:]
			return v
		}) {
			t.Fatalf("%s\n%s", c.broken, strings.Join(c.log, "\n"))
		}
	})
}

// shared is a server that is lent to one after the other.
type shared struct {
	*modelServer
	memory  Memory
	applied Settings // the settings that it is known to have
	by      *sharer  // who has it
}

// sharer is a client, and the server of its own that it is compared with.
type sharer struct {
	number  int
	s       Session
	client  modelClient
	rest    Rest
	ears    []string // channels that it hears by the ear, sorted
	own     *modelServer
	held    []wire.Frame // to be shown to the session
	asked   bool         // the first of held is counted as asked, and waits for a server
	server  *shared
	leaves  bool // it has said goodbye
	got     []string
	want    []string
	reports []string // have come, and nothing behind them
}

// crowd is some clients over fewer servers.
type crowd struct {
	t       testing.TB
	clients [3]*sharer
	servers [2]*shared
	turn    int // whose turn it is among servers that are free
	steps   []step
	broken  string
	log     []string
	mute    bool
}

// starts is what the clients give at their start.
var starts = [...]map[string]string{nil, {"work_mem": "7MB", "timezone": "Oslo"}, {"role": "low", "datestyle": "SQL"}}

func newCrowd(t testing.TB) *crowd {
	c := &crowd{t: t}
	texts := &Texts{}
	for i := range c.clients {
		c.clients[i] = &sharer{number: i}
		c.clients[i].s.Share(texts, Limits{Server: 2, Client: 10, ClientBytes: 1 << 20, Bytes: 1 << 20, Settings: 8 << 10})
		c.connect(c.clients[i])
	}
	for i := range c.servers {
		c.servers[i] = c.open()
	}
	return c
}

func (c *crowd) open() *shared {
	return &shared{modelServer: newMindful(newModelServer(c.t), nil)}
}

// connect makes a client a new one.
func (c *crowd) connect(one *sharer) {
	base := Settings{}
	for name, value := range starts[one.number] {
		base = base.With(name, value)
	}
	one.own, one.client = newMindful(newModelServer(c.t), starts[one.number]), modelClient{status: 'I'}
	one.rest = Rest{Settings: base, Base: base}
	one.held, one.asked, one.leaves, one.got, one.want, one.reports, one.ears = nil, false, false, nil, nil, nil, nil
	c.reset(one)
}

func (c *crowd) reset(one *sharer) {
	one.s.Reset(one.rest)
	one.s.ByEar(true)
	one.s.Heard(true)
}

func (c *crowd) fault(format string, args ...any) {
	if c.broken == "" {
		c.broken = fmt.Sprintf(format, args...)
	}
}

func (c *crowd) note(of *sharer, format string, args ...any) {
	if !c.mute {
		c.log = append(c.log, fmt.Sprintf("%d: ", of.number)+fmt.Sprintf(format, args...))
	}
}

// run makes steps up, and then has all come to rest.
func (c *crowd) run(steps int, choose func(n int) int) bool {
	c.mute = true
	for i := 0; i < steps && c.broken == ""; i++ {
		s := c.next(choose)
		c.steps = append(c.steps, s)
		c.do(s)
	}
	c.end()
	return c.broken == ""
}

// end has all clients come to rest, one after the other.
func (c *crowd) end() {
	for _, one := range c.clients {
		for _, k := range append(one.client.last(), token{"Query", []string{"rollback"}}) {
			c.say(one, k)
		}
	}
	c.hearAll()
	for range c.clients {
		for _, one := range c.clients {
			if one.server != nil && len(one.held) == 0 { // pinned: others may wait for its server
				c.leave(one)
				c.hearAll()
			}
		}
	}
	for _, one := range c.clients {
		c.compare(one)
		if len(one.held) > 0 || one.server != nil {
			c.fault("client %d does not come to rest", one.number)
		}
	}
}

// hearAll goes on until nothing comes any more.
func (c *crowd) hearAll() {
	for before := ""; c.broken == "" && before != c.standing(); {
		before = c.standing()
		for _, one := range c.clients {
			c.cancel(one)
			c.hear(one)
		}
	}
}

// standing is how far everything has got.
func (c *crowd) standing() string {
	var s []int
	for _, one := range c.clients {
		s = append(s, len(one.got), len(one.held), len(one.own.later))
		if one.server != nil {
			s = append(s, len(one.server.out), len(one.server.later))
		}
	}
	return fmt.Sprint(s)
}

// compare holds what a client has heard against what it should have.
func (c *crowd) compare(one *sharer) {
	if got, want := strings.Join(one.got, " "), strings.Join(one.want, " "); got != want {
		c.fault("client %d heard\n%s\nand from a server of its own\n%s", one.number, got, want)
	}
}

// say has a client send a message, also to the server of its own.
func (c *crowd) say(one *sharer, k token) {
	f := clientFrame(c.t, k)
	c.note(one, "says %s", describeToken(k))
	one.client.sent(f, 0)
	one.own.take(f)
	c.wanted(one)
	one.held = append(one.held, f)
	c.show(one)
}

// wanted takes in what the server of its own tells a client.
func (c *crowd) wanted(one *sharer) {
	for _, f := range one.own.out {
		one.want = append(one.want, answerText(c.t, f, true))
		if f.Type == 'S' {
			reports := len(one.want) - 1
			for reports > 0 && strings.HasPrefix(one.want[reports-1], "ParameterStatus") {
				reports--
			}
			slices.Sort(one.want[reports:])
		}
	}
	one.own.out = nil
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
			if one.server == nil || len(one.server.out) == 0 && !one.server.asleep {
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
		c.lend(one)
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
		if !c.mute {
			c.note(one, "sends %s", requestText(c.t, f))
		}
		one.server.take(f)
		b = b[wire.HeaderLen+f.Size:]
	}
	return sent
}

// free is a server that nobody has; not the one that was lent last, if possible.
func (c *crowd) free() *shared {
	for range c.servers {
		c.turn++
		if s := c.servers[c.turn%len(c.servers)]; s.by == nil {
			return s
		}
	}
	return nil
}
