package session

import (
	"fmt"
	"slices"
	"strings"

	"portero/wire"
)

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
	group   bool     // something of the extended protocol was sent and not synced
	copying bool     // COPY was asked for, its data is not at an end
	inCopy  bool     // ... and CopyInResponse has come
	data    bool     // ... and some data was sent
	status  byte
	named   map[string]string // the texts of statements and portals: all that they may be
	bound   map[string]string
	told    []told
}

var texts = []string{
	"select 1", "select 2", "begin", "commit", "rollback", "fail", "copy t from stdin", "",
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
		return token{"Query", []string{[]string{"begin", "select 3", "commit", "rollback", "deallocate s1", "deallocate s2", "deallocate all",
			"prepare s1 as select 4", "prepare s2 as select 5", "execute s1", "execute s2"}[choose(11)]}}
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
	m.group = f.Type != 'S' && (m.group || strings.IndexByte("PBDEC", f.Type) >= 0)
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
