package session

import (
	"strconv"
	"unicode/utf8"
)

// moved tells where the text that a server has been given differs from the client's:
// from a name on, for which it has one of ours, all stands by so many characters
// further on. So do the positions that errors tell.
type moved struct{ from, by int }

// movedBy is that for a name that stands at byte at of a text.
func movedBy(text []byte, at, n int, number uint32) moved {
	var room [24]byte
	from := characters(text[:at])
	return moved{from: from, by: len(appendMade(room[:0], number)) - characters(text[at:at+n])}
}

// characters counts them as the server does, if the text is UTF-8; else most
// encodings that clients use have a byte for each.
func characters(text []byte) int {
	if utf8.Valid(text) {
		return utf8.RuneCount(text)
	}
	return len(text)
}

// unmoved is the body of an error about the request that was asked last, with the
// position as it is in the client's text. What fails as the plan of a statement is
// made anew has its position in the text of the PREPARE, which has the same name
// in most cases at the same place.
func (s *Session) unmoved(body []byte) (told []byte, changed bool) {
	var all []moved
	switch {
	case s.ring.first() == 'Q' && s.ring.len() == 1:
		all = s.moved
	case s.ring.first() != 'Q' && s.ring.at(0).is(pending) && s.changes.at(0).moved != moved{}:
		all = []moved{s.changes.at(0).moved}
	}
	if len(all) == 0 {
		return body, false
	}
	at, end := errorField(body, 'P')
	position, err := strconv.Atoi(string(body[at:end]))
	if err != nil {
		return body, false
	}
	by := 0
	for _, m := range all {
		if position > m.from+m.by+by {
			by += m.by
		}
	}
	told = strconv.AppendInt(append(told, body[:at]...), int64(position-by), 10)
	return append(told, body[end:]...), by != 0
}
