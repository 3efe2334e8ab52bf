package session

import (
	"bytes"
	"slices"
	"unique"
)

// What a text means is decided by settings that are in force when it is parsed. A
// client that changes one of them in a pipeline, or for its transaction only, is
// ahead of what is known of it. So what it prepares until the transaction is over
// is its own, as no other client means the same by that text; and what has to be
// made anew for it meanwhile is not left to others.

// own is the statement as nobody else's.
func (st Statement) own() Statement {
	p := st.h.Value()
	p.owner = new(byte)
	return Statement{unique.Make(p)}
}

// rereading reports whether a setting by which texts are read may not be what it is
// taken for.
func (s *Session) rereading() bool {
	return s.rereads || slices.ContainsFunc(s.asked.names, readsText)
}

func readsText(name string) bool {
	return readsLiterals(name) && slices.Contains(decisive[:], name)
}

// rereads reports whether a statement may change such a setting, if only for its
// transaction.
func rereads(sql []byte) bool {
	word, rest := firstWord(skipEmpty(sql))
	switch {
	case is(word, "DISCARD"):
		return true
	case is(word, "SET"), is(word, "RESET"):
		return rereadsByName(rest)
	}
	rest = bytes.ToLower(sql)
	for range maxCalls {
		i := bytes.Index(rest, setConfig)
		if i < 0 {
			return false
		}
		rest = rest[i+len(setConfig):]
		if name := literalIn(rest); name == tooMany || readsText(name) {
			return true
		}
	}
	return true
}

func rereadsByName(rest []byte) bool {
	for _, scope := range [...]string{"LOCAL", "SESSION"} {
		if after, ok := cutWords(rest, scope); ok {
			rest = after
			break
		}
	}
	for _, words := range [...][]string{{"ALL"}, {"NAMES"}, {"TIME", "ZONE"}, {"XML", "OPTION"}} {
		if _, ok := cutWords(rest, words...); ok {
			return true
		}
	}
	name := settingName(rest)
	return name == tooMany || readsText(name)
}

// taint marks a statement that was made while nobody knew by which settings.
func (m *Memory) taint(d *made) { m.tainted = append(m.tainted, d) }

// cleanse is called before the next client may use what the server has.
func (m *Memory) cleanse() {
	for _, d := range m.tainted {
		m.retire(d)
	}
	m.tainted = nil
}
