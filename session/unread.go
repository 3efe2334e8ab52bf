package session

import "bytes"

// Not all that runs is read. Of a frame that streams the session is shown the
// beginning, and what stands in a DO is not SQL. What such a text sets would stay on the server for its next client. So it is looked through for
// what may be a SET or set_config, and behind its transaction the server is asked
// whether it has settings that are not known to be the client's: then the client
// keeps it. Parameters of the client's own making (app.tenant) are in no list that
// a server could be asked for: of these a text is believed.

// unread is the text of a frame that streams, of which a little is kept at a time.
type unread struct {
	open bool   // there is more to come of it
	one  bool   // it is one statement, and no SET
	kept []byte // its end so far
	from int    // where in kept begins what has not been looked at
}

const (
	unreadAhead = 64      // bytes behind a SET that are looked at
	unreadPiece = 4 << 10 // bytes that are looked through at a time
)

// Passing shows the session what comes of a frame of the client behind what
// FromClient was shown; end says that it is all of it.
func (s *Session) Passing(b []byte, end bool) {
	if s.unread.open {
		s.hint(s.unread.next(b, end))
	}
}

// begin is the beginning of such a text; one says that it is one statement, and no
// SET.
func (u *unread) begin(b []byte, one bool) hints {
	*u = unread{open: true, one: one}
	return u.next(b, false)
}

func (u *unread) next(b []byte, end bool) (found hints) {
	for more := true; more; {
		n := min(len(b), unreadPiece)
		u.kept = append(u.kept, b[:n]...)
		b = b[n:]
		more = len(b) > 0
		found |= u.look(end && !more)
	}
	if end {
		*u = unread{}
	}
	return found
}

// look looks at what can be decided with what is there.
func (u *unread) look(end bool) (found hints) {
	to := len(u.kept)
	if !end {
		to = max(u.from, to-unreadAhead)
	}
	found = settingsIn(u.kept, u.from, to, u.one)
	rest := max(0, to-1) // what stands before a word decides whether it is one
	u.from = to - rest
	u.kept = append(u.kept[:0], u.kept[rest:]...)
	return found
}

// settingsIn says what the words of a text may set that begin in [from, to); with
// calls only those that call set_config.
func settingsIn(text []byte, from, to int, calls bool) (found hints) {
	for i := from; i < to; i++ {
		if text[i]|0x20 == 's' && hasFold(text[i:], "set") && (i == 0 || !ofWord(text[i-1])) {
			if rest := text[i+len("set"):]; !calls || hasFold(rest, "_config") {
				found |= setBehind(rest)
			}
		}
	}
	return found
}

// setBehind says what may be set by a "set" that stands before rest.
func setBehind(rest []byte) hints {
	switch {
	case hasFold(rest, "_config"):
		return unlisted | unseen
	case len(rest) == 0 || ofWord(rest[0]):
		return 0
	}
	if after, ok := cutWords(rest, "SESSION"); ok {
		rest = after
	}
	word, after := firstWord(rest)
	switch {
	case len(word) == 0, len(after) == 0, word[0] == '"', is(word, "U") && after[0] == '&':
		return unlisted | unseen // by a name that is not known yet, or not read
	case is(word, "LOCAL"):
		return 0
	}
	if next, more := firstWord(after); len(more) == 0 || is(next, ".") {
		return unlisted | unseen
	}
	return unseen
}

// setByDo is what the body of a DO may set; nothing where it is another statement.
func setByDo(sql []byte) hints {
	if word, body := firstWord(sql); is(word, "DO") {
		return settingsIn(body, 0, len(body), false)
	}
	return 0
}

// strangers is what to ask for settings that are not in a list of names: whether
// the server has any. Nothing in it can be the client's own.
func strangers(known []string) string {
	var b bytes.Buffer
	b.WriteString("EXISTS (SELECT FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) 'session'" +
		" AND pg_catalog.lower(name) OPERATOR(pg_catalog.<>) ALL (ARRAY[")
	for i, name := range known {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(literal(name))
	}
	b.WriteString("]::pg_catalog.text[]))")
	return b.String()
}
