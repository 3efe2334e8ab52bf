package session

import "github.com/jackc/pgx/v5/pgproto3"

// revert takes the client's settings back to those from before the transaction
// that is lost, and tells the client, as a server does that rolls back.
func (s *Session) revert() {
	for name, value := range s.settings.All() {
		before, ok := s.kept.Get(name)
		if !ok && s.defaults != nil {
			before, ok = s.defaults.Default(reportedName(name))
		}
		if ok && before != value {
			s.report(name, before)
		}
	}
	for name, value := range s.kept.All() {
		if _, ok := s.settings.Get(name); !ok {
			s.report(name, value)
		}
	}
	s.settings = s.kept
}

func (s *Session) report(name, value string) {
	s.send(&pgproto3.ParameterStatus{Name: reportedName(name), Value: value})
}

// reportedName spells a parameter as PostgreSQL reports it: clients look for
// it in that spelling.
func reportedName(name string) string {
	switch name {
	case "datestyle":
		return "DateStyle"
	case "intervalstyle":
		return "IntervalStyle"
	case "timezone":
		return "TimeZone"
	}
	return name
}
