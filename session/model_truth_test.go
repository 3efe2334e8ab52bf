package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"portero/wire"
)

// lose ends the server: in silence, or with a last word.
func (c *conversation) lose() {
	if c.server == nil || c.choose(2) == 0 && c.stops() {
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
	c.discard()
	c.counted = false
	vague := c.vague()
	c.s.Lose(said)
	c.client.told = c.client.told[:0]
	c.replies()
	for _, told := range c.client.told {
		c.compare(told, truth, reach, vague)
	}
	c.goOn()
}

// vague reports whether the session knows less than everything: of a Query whose
// first statements have been answered it does not know which were, of a COPY not
// that it is one, of named portals and of names used twice not what they are.
func (c *conversation) vague() bool {
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
	m.statements = maps.Clone(c.before)
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
