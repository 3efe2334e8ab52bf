package session

import (
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
	now  string // that of the server
}

// parameterStatus is a ParameterStatus.
func (s *Session) parameterStatus(f wire.Frame) Verdict {
	name, value, ok := wire.ParameterStatus(f.Body)
	own, given := s.base.Get(strings.ToLower(name))
	if !ok || !f.Whole() || !given || !s.isOurs(0) && !s.isOurs(1) {
		s.Reported(f)
		return Forward
	}
	s.hush(name, value)
	if s.isDefault(name, value) {
		value = own // what is asked meanwhile comes behind what is our own
	}
	s.settings = s.settings.With(name, value)
	return Discard
}

// isOurs reports whether the i-th request is a Query of our own.
func (s *Session) isOurs(i int) bool {
	return s.ring.len() > i && s.ring.at(i).t == 'Q' && s.ring.at(i).is(skipped)
}

func (s *Session) hush(name, now string) {
	for i := range s.unheard {
		if u := &s.unheard[i]; u.name == name {
			u.now = now
			return
		}
	}
	told, known := s.settings.Get(strings.ToLower(name))
	if !known && s.defaults != nil {
		told, _ = s.defaults.Default(name)
	}
	s.unheard = append(s.unheard, unheard{name, told, now})
}

// hear tells the client what has become of the parameters. False: there is nothing to tell.
func (s *Session) hear() (told bool) {
	for _, u := range s.unheard {
		if s.settings = s.settings.With(u.name, u.now); s.isDefault(u.name, u.now) {
			s.settings = s.settings.Without(u.name)
		}
		if u.now != u.told {
			s.send(&pgproto3.ParameterStatus{Name: u.name, Value: u.now})
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
	for i := range s.unheard {
		if u := &s.unheard[i]; s.isDefault(u.name, u.now) {
			u.now, _ = s.base.Get(strings.ToLower(u.name))
		}
	}
	s.hear()
	if s.status == 'I' {
		s.kept = s.settings
	}
	s.ready(s.status)
	s.owes = false
}
