package session

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// To give a server the name of its next client costs no round trip. Where settings differ in
// nothing but application_name, that is set in one write with the client's
// first bytes, by a Query and in a transaction of its own, and the client hears nothing of the
// answer. That is safe for this setting alone: PostgreSQL takes any value for it, whoever asks.
// If it is not taken all the same (somebody has the backend cancelled at that moment), what
// the client has asked runs under another's name: then that is cancelled too, and the client
// hears what has come of it. If that is an open transaction, it is given up with the server.

const applicationName = "application_name"

// longestShown is the longest application_name that PostgreSQL does not cut off (NAMEDATALEN).
const longestShown = 63

// Renames reports whether a server with the settings have is brought to s by its
// application_name alone, and that is a text that means the same in any encoding.
func (s Settings) Renames(have Settings) (name string, ok bool) {
	a, b := s.text(), have.text()
	for a != "" || b != "" {
		oneName, oneValue, restOfOne := cutPair(a)
		otherName, otherValue, restOfOther := cutPair(b)
		switch {
		case oneName == applicationName:
			name, a = oneValue, restOfOne
		case otherName == applicationName:
			b = restOfOther
		case oneName == otherName && oneValue == otherValue:
			a, b = restOfOne, restOfOther
		default:
			return "", false
		}
	}
	return name, IsPlainName(name)
}

// cutPair takes the first name and its value off a text of Settings.
func cutPair(text string) (name, value, rest string) {
	name, rest, _ = strings.Cut(text, sep)
	value, rest, _ = strings.Cut(rest, sep)
	return name, value, rest
}

// IsPlainName reports whether PostgreSQL shows an application_name as it was given, and
// whether it can stand between quotes in any encoding.
func IsPlainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '\'' || c == '\\' {
			return false
		}
	}
	return name != "" && len(name) <= longestShown
}

// AppendRename adds the Query that gives a server a plain name. It is no SET, as of each text of
// a SET pg_stat_statements makes an entry of its own.
func AppendRename(dst []byte, name string) []byte {
	return appendFrame(dst, 'Q', func(b []byte) []byte {
		b = append(b, "SELECT pg_catalog.set_config('application_name', '"...)
		return append(append(b, name...), "', false)\x00"...)
	})
}

// RestoreName is the Query that gives a server the name again that it has logged in by.
var RestoreName = wire.Append(nil, &pgproto3.Query{String: "RESET application_name"})

// Ahead notes that so many Queries of our own, of AppendRename or RestoreName,
// are answered before what the client has asked, which is all that is under way. Call it
// after Serve.
func (s *Session) Ahead(queries int) {
	for range queries {
		s.ring.pushFirst(request{t: 'Q', kind: kindEmpty, marks: skipped | ahead, effect: unchanged})
	}
	s.memory.Overwritten()
}

// GoesAhead reports whether the server is still at what went ahead of the client's own.
func (s *Session) GoesAhead() bool { return !s.ring.empty() && s.ring.at(0).is(ahead) }

// Misnamed reports whether the server goes by another's name, as it has not taken the one that went
// ahead. Renamed is called when it has been given that.
func (s *Session) Misnamed() bool { return s.misnamed }
func (s *Session) Renamed()       { s.misnamed = false }

// aheadAnswered takes the answers to what went ahead of the client's own.
func (s *Session) aheadAnswered(f wire.Frame) Verdict {
	s.begun = false // with the answer to what the client has asked
	switch f.Type {
	case 'C':
		s.misnamed = false // what was cancelled was the Query before
		return Discard
	case 'T', 'D', 'S', 'N':
		return Discard // what is reported is the server's name, which is the client's already
	case 'A':
		return Forward
	case 'E':
		s.Fault = wire.ParseError(f.Body)
		switch {
		case wire.IsFatal(f.Body):
			return Dying
		case s.Fault.Code != wire.QueryCanceled:
			return Violate
		}
		s.misnamed = true
		return Discard
	case 'Z':
		if string(f.Body) != "I" {
			return s.within(false)
		}
		if s.ring.pop(); s.misnamed && !s.GoesAhead() {
			return Misname
		}
		return Discard
	}
	return s.within(false)
}

// behindAhead is an answer without that to what went ahead; ok is false if that is not whole.
func (s *Session) behindAhead(answer []byte) (rest []byte, ok bool) {
	for i := 0; i < s.ring.len() && s.ring.at(i).is(ahead); {
		f, ok, err := wire.Next(answer)
		if err != nil || !ok || !f.Whole() {
			return nil, false
		}
		switch f.Type {
		case 'T', 'D', 'C', 'S', 'N':
		case 'Z':
			i++
		case 'E':
			return answer, true
		default:
			return nil, false
		}
		answer = answer[wire.HeaderLen+f.Size:]
	}
	return answer, true
}
