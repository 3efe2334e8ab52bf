package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
//   - after a loss ROLLBACK brings it back to I.
func TestClientsAlwaysSeeAWholeConversation(t *testing.T) {
	n := 6000
	if testing.Short() {
		n = 2000
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

// sent is a frame and the number of its request.
type sent struct {
	id int
	f  wire.Frame
}

// conversation is one client, its session and its server.
type conversation struct {
	t       testing.TB
	choose  func(n int) int
	s       Session
	server  *modelServer // nil while none is lent
	sent    []sent       // to this server
	heard   int          // messages of this server that have reached the client
	asked   int          // requests so far
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
	switch v := c.s.FromClient(f, c.server != nil); v {
	case Forward:
		if c.server == nil {
			c.server, c.sent, c.heard = newModelServer(c.t), nil, 0
			c.s.Serve(nil)
			c.note(func() string { return "acquire" })
		}
		c.sent = append(c.sent, sent{c.asked, f})
		c.server.cur = c.asked
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
	c.heard++
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
	truth := c.truth()
	reach := len(c.sent)
	if c.choose(2) == 0 {
		said = wire.Fatal("57P01", "terminating connection due to administrator command")
		if v := c.s.FromServer(frameOf(c.t, said)); v != Dying {
			c.fault("FATAL: Verdict %d", v)
		}
		truth = c.truthAtLastWord()
		_, at := c.brokenOff()
		reach = at + 1
	}
	c.note(func() string { return fmt.Sprintf("lose, said %v, may be committed %v", said != nil, truth) })
	c.server = nil
	vague := c.vague()
	c.s.Lose(said)
	c.client.told = c.client.told[:0]
	c.replies()
	for _, told := range c.client.told {
		c.compare(told, truth, reach, vague)
	}
}

// vague reports whether the session knows less than everything: of a Query whose
// first statements have been answered it does not know which were, of a COPY not
// that it is one, of named portals and of names used twice not what they are.
func (c *conversation) vague() bool {
	for _, k := range c.s.ends {
		if k == kindUnknown {
			return true
		}
	}
	return c.s.partial || c.s.named != kindOther || !c.s.copyIn && c.copies()
}

// copies reports whether a COPY may be among what is unanswered. A session does
// not know that it is one before the server says so, nor what the data does to it.
func (c *conversation) copies() bool {
	data := func(s sent) bool { return s.f.Type == 'd' || s.f.Type == 'f' }
	return c.replay(len(c.sent), false, none).copier > 0 || c.replay(len(c.sent), true, none).copier > 0 || slices.ContainsFunc(c.sent, data)
}

// compare holds what the client was told of some requests against what may have
// become of them. Where the session knows too little (vague), unknown may be said
// too often, but never too seldom.
func (c *conversation) compare(told told, truth map[int]bool, reach int, vague bool) {
	unknown := told.code == wire.ResolutionUnknown
	may := slices.ContainsFunc(told.ids, func(id int) bool { return truth[id] })
	if may && !unknown || unknown && !may && !vague && !c.hoped(told.ids, reach) {
		c.fault("requests %v were answered %q, but may be committed: %v", told.ids, told.code, may)
	}
}

// truth is every request that is committed if the server has got as far as some
// frame that it was sent, and no less far than what the client has heard of it.
func (c *conversation) truth() map[int]bool {
	all := map[int]bool{}
	for k := range len(c.sent) + 1 {
		m := c.replay(k, false, none)
		if m.said < c.heard {
			continue
		}
		for id := range m.committed {
			all[id] = true
		}
	}
	return all
}

// truthAtLastWord: the server had answered all that it had done, and broke off
// the request at hand; one that commits by itself may have done so.
func (c *conversation) truthAtLastWord() map[int]bool {
	k, at := c.brokenOff()
	all := c.replay(k, false, none).committed
	if at >= 0 && c.commitsByItself(at) {
		for id := range c.replay(at+1, false, none).committed {
			all[id] = true
		}
	}
	return all
}

// brokenOff is how many frames the server had done when it gave its last word,
// and the place of the one that it was at; -1 if it was at none, or at COPY data.
func (c *conversation) brokenOff() (done, at int) {
	k := c.done()
	if c.replay(k, false, none).copying != nil {
		return k, -1
	}
	for i := k; i < len(c.sent); i++ {
		if c.sent[i].f.Type != 'c' {
			return k, i
		}
	}
	return k, -1
}

// done is how many frames have been answered, as far as the client has heard.
func (c *conversation) done() int {
	k := len(c.sent)
	for k > 0 && c.replay(k, false, none).said > c.heard {
		k--
	}
	return k
}

var none [2]int

// hoped reports whether one of the requests may be committed by k frames as far
// as a session can know: it cannot tell which statements will fail.
func (c *conversation) hoped(ids []int, k int) bool {
	chances := c.replay(k, true, none).chances
	for i := range chances + 1 {
		for j := range i + 1 {
			m := c.replay(k, true, [2]int{i, j})
			if slices.ContainsFunc(ids, func(id int) bool { return m.committed[id] }) {
				return true
			}
		}
	}
	return false
}

func (c *conversation) commitsByItself(k int) bool {
	sql := ""
	switch f := c.sent[k].f; f.Type {
	case 'Q':
		sql = bodyWords(f)[0]
	case 'E':
		sql = c.replay(k, false, none).portals[bodyWords(f)[0]]
	case 'S':
		return true
	}
	return strings.Contains(sql, "commit") || sql == "call p()"
}

// replay is a server that has got as far as k frames. A lenient one is as good
// as a session can know: it cannot tell whether a statement will fail.
func (c *conversation) replay(k int, lenient bool, fails [2]int) *modelServer {
	m := newModelServer(c.t)
	for i, s := range c.sent[:k] {
		if lenient && i >= c.done() { // what was heard is known
			m.lenient, m.fails = true, fails
		}
		m.cur = s.id
		m.take(s.f)
	}
	m.said = len(m.out)
	return m
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

// asking is one thing that a client has asked: the type of the message, and its
// number. c marks an end of COPY data.
type asking struct {
	t  byte
	id int
}

// told is what a client heard of some of its requests: an SQLSTATE, or "" where
// they were said to have rolled back.
type told struct {
	ids  []int
	code string
}

// modelClient is what a client makes of its conversation, by the protocol's own
// rules. It knows nothing of sessions.
type modelClient struct {
	asked   []asking // and not been answered
	skip    bool     // an error came, the Sync has not been sent
	open    bool     // something was asked and not synced
	failed  bool     // an error came for the first of asked
	copying bool     // COPY was asked for, its data is not at an end
	inCopy  bool     // ... and CopyInResponse has come
	data    bool     // ... and some data was sent
	status  byte
	named   map[string]string // the texts of statements and portals: all that they may be
	bound   map[string]string
	told    []told
}

var texts = []string{
	"select 1", "select 1", "begin", "commit", "rollback", "fail", "copy t from stdin", "",
	"call p()", "rollback to a", "commit and chain", "rollback and chain",
	"select 1; select 1", "commit; begin", "begin; select 1", "select 1; fail", "select 1; copy t from stdin; select 1", "rollback; select 1",
	"select 1; rollback", "begin; select 1; commit; select 1", "call p(); select 1",
}

const oneStatement = 12 // of texts, these many hold one

// next is something that a client may send now.
func (m *modelClient) next(choose func(int) int) token {
	if m.copying {
		return m.nextData(choose)
	}
	name := []string{"", "", "s1", "s2"}[choose(4)]
	portal := []string{"", "", "p"}[choose(3)]
	switch choose(12) {
	case 0, 1, 10:
		return token{"Query", []string{texts[choose(len(texts))]}}
	case 11: // most transactions are like this
		return token{"Query", []string{[]string{"begin", "select 1", "commit", "rollback"}[choose(4)]}}
	case 2:
		return token{"Parse", []string{name, texts[choose(oneStatement)]}}
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

func (m *modelClient) sent(f wire.Frame, id int) {
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
		if !m.inCopy && len(m.asked) > 0 {
			m.asked = append(m.asked, asking{'c', id})
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
		m.asked = append(m.asked, asking{f.Type, id})
	}
}

// first is the type of the oldest request, 0 if there is none.
func (m *modelClient) first() byte {
	for len(m.asked) > 0 && m.asked[0].t == 'c' {
		m.asked = m.asked[1:]
	}
	if len(m.asked) == 0 {
		return 0
	}
	return m.asked[0].t
}

// received returns what is wrong with a message.
func (m *modelClient) received(f wire.Frame) string {
	first := m.first()
	ok := true
	switch f.Type {
	case 'Z':
		ok = first == 'Q' || first == 'F' || first == 'S'
		m.status, m.failed = f.Body[0], false
		m.pop()
		m.open = len(m.asked) > 0
	case 'E':
		ok = !m.failed && !m.skip && (first != 0 || m.open) // the loss of a server needs no request
		m.fails(first, wire.ParseError(f.Body).Code)
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
		if ok && f.Type == 'C' {
			m.told = append(m.told, told{ids: []int{m.asked[0].id}})
		}
		if first == 'E' {
			m.pop()
		}
	case 'G':
		ok = first == 'E' || first == 'Q'
		m.copyBegins()
	}
	if !ok {
		return fmt.Sprintf("the client receives %q, but waits for answers to %v (failed %v)", f.Type, m.asked, m.failed)
	}
	return ""
}

func (m *modelClient) pop() {
	if len(m.asked) > 0 {
		m.asked = m.asked[1:]
	}
	m.first()
}

// fails takes the answers up to the next Sync with it, as far as the request is
// one of the extended protocol.
func (m *modelClient) fails(first byte, code string) {
	m.inCopy, m.failed = false, true
	n := 1
	if first != 'Q' && first != 'F' {
		n = slices.IndexFunc(m.asked, func(a asking) bool { return a.t == 'S' }) + 1
		if m.skip = n == 0; m.skip {
			n = len(m.asked)
			m.failed = false
		}
	}
	t := told{code: code}
	for _, a := range m.asked[:n] {
		t.ids = append(t.ids, a.id)
	}
	m.told = append(m.told, t)
	switch {
	case m.skip:
		m.asked = nil
	case n > 0 && first != 'Q' && first != 'F':
		m.asked = m.asked[n-1:]
	}
}

func (m *modelClient) copyBegins() {
	var kept []asking
	ended := false
	for _, a := range m.asked {
		switch {
		case ended || a.t != 'S' && a.t != 'c':
			kept = append(kept, a)
		case a.t == 'c':
			ended = true
		}
	}
	m.asked, m.inCopy = kept, !ended
}
