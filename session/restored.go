package session

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// A Query that resets something, and the one of our own that gives the client its
// own values again, are one to the client: its ReadyForQuery is held back until both
// have been answered, and of what a server reports meanwhile of the parameters that
// the client gave at its start it hears the end.

// unheard is a parameter of which the client has not been told all.
type unheard struct {
	name string // as PostgreSQL reports it
	told string // the value that the client knows
}

// parameterStatus is a ParameterStatus.
func (s *Session) parameterStatus(f wire.Frame) Verdict {
	v := Forward
	if name, _, ok := wire.ParameterStatus(f.Body); ok && f.Whole() && s.restores(name) {
		s.hush(name)
		v = Discard
	}
	s.Reported(f)
	return v
}

// restores reports whether a parameter is about to have, or is just given, the
// value from the client's start again.
func (s *Session) restores(name string) bool {
	if s.base == (Settings{}) || !s.isOurs(0) && !s.isOurs(1) {
		return false
	}
	_, given := s.base.Get(strings.ToLower(name))
	return given
}

// isOurs reports whether the i-th request is a Query of our own.
func (s *Session) isOurs(i int) bool {
	return s.ring.len() > i && s.ring.at(i).t == 'Q' && s.ring.at(i).is(skipped)
}

func (s *Session) hush(name string) {
	if slices.ContainsFunc(s.unheard, func(u unheard) bool { return u.name == name }) {
		return
	}
	value, _ := s.value(name)
	s.unheard = append(s.unheard, unheard{name, value})
}

// value is that of a parameter, by the name that PostgreSQL reports it with.
func (s *Session) value(name string) (value string, known bool) {
	if value, known = s.settings.Get(strings.ToLower(name)); !known && s.defaults != nil {
		value, known = s.defaults.Default(name)
	}
	return value, known
}

// hear tells the client what has become of the parameters. False: there is nothing to tell.
func (s *Session) hear() (told bool) {
	for _, u := range s.unheard {
		if value, known := s.value(u.name); known && value != u.told {
			s.send(&pgproto3.ParameterStatus{Name: u.name, Value: value})
			told = true
		}
	}
	s.unheard = nil
	return told
}

// restoredByLoss is called when the server is gone: what was reset has the client's
// own values on the next one, and the ReadyForQuery that was held back is given.
func (s *Session) restoredByLoss() {
	if !s.owes {
		return
	}
	for _, u := range s.unheard {
		if value, given := s.base.Get(strings.ToLower(u.name)); given {
			s.settings, s.kept = s.settings.With(u.name, value), s.kept.With(u.name, value)
		}
	}
	s.hear()
	s.ready(s.status)
	s.owes = false
}
