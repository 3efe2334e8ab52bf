package session

import (
	"bytes"
	"fmt"
	"strconv"

	"portero/wire"
)

// A request that Portero has to refuse is made to fail on the server, so that all
// that an error does is done there: a Bind to a statement that there is not. Behind
// the prefix stands what the client is told.
const refusedPrefix = "portero!"

// refusal is why.
type refusal byte

const (
	tooManyStatements refusal = 'n' // prepared by one client
	tooMuchText       refusal = 's' // likewise
	tooMuchTextOfAll  refusal = 't' // prepared by all clients
	preparesSpread    refusal = 'g' // a transaction is prepared that may be in any group
	beginsElsewhere   refusal = 'e' // it is for the coordinator, in a transaction at another node
	keptElsewhere     refusal = 'k' // likewise, of a client that keeps a server of another node
	planChanged       refusal = 'p' // the statement returns something else than what was described
	pinned            refusal = 'A' // and the letters behind it: what would pin the client
)

// ofPin is the refusal for the first of some reasons.
func ofPin(p Pins) refusal { return pinned + refusal(p.Index()) }

// whyRefused is what the client is told.
func (s *Session) whyRefused(r refusal) *wire.Error {
	if r >= pinned && r < pinned+NumPins {
		return errPinRefused(1 << (r - pinned))
	}
	switch r {
	case preparesSpread:
		return errPreparesSpread()
	case beginsElsewhere, keptElsewhere:
		return errElsewhere(r)
	}
	limit, setting := fmt.Sprintf("a client can have no more than %d prepared statements", s.limits.Client), "max_client_statements"
	switch r {
	case tooMuchText:
		limit, setting = fmt.Sprintf("the prepared statements of a client can have no more than %d bytes", s.limits.ClientBytes), "max_client_statement_bytes"
	case tooMuchTextOfAll:
		limit, setting = "there is no room for the prepared statements of more clients", "max_statement_bytes"
	}
	e := wire.Errorf(wire.ConfigurationLimit, "%s (%s)", limit, setting)
	e.Hint = "Close or deallocate those that are not used any more, or raise " + setting + " in Portero's configuration."
	return e
}

func errPreparesSpread() *wire.Error {
	e := wire.Errorf(wire.FeatureNotSupported, "PREPARE TRANSACTION is not allowed where each transaction may be in another group (group = \"any\")")
	e.Hint = "COMMIT PREPARED could not find it. Use a route with the number of a group."
	return e
}

// refusal is why the frame at hand is refused; false: it is not.
func (s *Session) refusal() (r refusal, is bool) {
	switch {
	case s.barred != 0:
		return s.barred, true
	case s.refused != 0:
		return ofPin(s.refused), true
	}
	return 0, false
}

// provoke sends what fails in place of a frame, all of it.
func (s *Session) provoke(f wire.Frame, r refusal) int {
	s.edit = appendFrame(s.edit, 'B', func(b []byte) []byte {
		b = append(append(b, 0), refusedPrefix...)
		return append(b, byte(r), 0, 0, 0, 0, 0, 0, 0)
	})
	return wire.HeaderLen + f.Size
}

// provokeQuery does so for a Query.
func (s *Session) provokeQuery(f wire.Frame, r refusal) int {
	s.edit = appendFrame(s.edit, 'Q', func(b []byte) []byte {
		return append(append(append(b, `EXECUTE "`+refusedPrefix...), byte(r)), "\"\x00"...)
	})
	return wire.HeaderLen + f.Size
}

// errPlanChanged is PostgreSQL's own error, by whose routine pgjdbc and postgres.js
// know that they have to prepare the statement again.
var errPlanChanged = appendFrame(nil, 'E', func(b []byte) []byte {
	return append(b, "SERROR\x00VERROR\x00C0A000\x00Mcached plan must not change result type\x00Fplancache.c\x00L1\x00RRevalidateCachedQuery\x00\x00"...)
})

// retell gives the client an error of the server as it is to hear it: with its
// own names. False: it may have it as it came. name is the client's statement that
// the request would have made, "" if it would have made none.
func (s *Session) retell(body []byte, name string) bool {
	if !bytes.Contains(body, []byte(`"portero`)) {
		return false
	}
	at, end := errorField(body, 'M')
	message := body[at:end]
	if _, code, ok := bytes.Cut(message, []byte(`"`+refusedPrefix)); ok && len(code) > 0 {
		if refusal(code[0]) == planChanged {
			s.Reply = append(s.Reply, errPlanChanged...)
			return true
		}
		s.Reply = s.whyRefused(refusal(code[0])).Append(s.Reply)
		return true
	}
	theirs := bytes.Replace(message, []byte(missingPrefix), nil, 1)
	if len(theirs) == len(message) {
		theirs = s.renamed(message, name)
	}
	s.Reply = appendFrame(s.Reply, 'E', func(b []byte) []byte {
		return append(append(append(b, body[:at]...), theirs...), body[end:]...)
	})
	return true
}

// renamed puts the client's name of a statement in the place of ours.
func (s *Session) renamed(message []byte, name string) []byte {
	before, after, ok := bytes.Cut(message, []byte(`"`+madePrefix))
	if !ok {
		return message
	}
	n := 0
	for n < len(after) && '0' <= after[n] && after[n] <= '9' {
		n++
	}
	if name == "" {
		number, _ := strconv.ParseUint(string(after[:n]), 10, 32)
		name = s.nameOf(uint32(number))
	}
	return fmt.Appendf(nil, `%s"%s%s`, before, name, after[n:])
}

// nameOf is the client's name of a statement of the server, by its number there.
func (s *Session) nameOf(number uint32) string {
	if d := s.memory.numbered(number); d != nil {
		for name, st := range s.names.all() {
			if st == d.st {
				return name
			}
		}
	}
	return madePrefix + strconv.FormatUint(uint64(number), 10)
}

// errorField is where a field of an ErrorResponse stands (PostgreSQL
// documentation, "Error and Notice Message Fields").
func errorField(body []byte, field byte) (at, end int) {
	for i := 0; i < len(body) && body[i] != 0; {
		text, _, ok := wire.CutString(body[i+1:])
		if !ok {
			break
		}
		if body[i] == field {
			return i + 1, i + 1 + len(text)
		}
		i += 2 + len(text)
	}
	return 0, 0
}
