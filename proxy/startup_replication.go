package proxy

import (
	"strings"

	"portero/pool"
	"portero/wire"
)

// setReplication reads parameter replication as PostgreSQL does: database, in this case only,
// or a boolean (ProcessStartupPacket in backend_startup.c).
func (s *startup) setReplication(value string) *wire.Error {
	yes, ok := readBool(value)
	switch {
	case value == "database":
		s.replication = pool.LogicalReplication
	case !ok:
		e := wire.Fatal(wire.InvalidParameterValue, "invalid value for parameter \"replication\": \"%s\"", printable(value))
		e.Hint = "Valid values are: \"false\", 0, \"true\", 1, \"database\"."
		return e
	case yes:
		s.replication = pool.PhysicalReplication
	default:
		s.replication = ""
	}
	return nil
}

// readBool reads a boolean as PostgreSQL does, which takes the beginning of a word for the word
// (parse_bool in bool.c).
func readBool(v string) (yes, ok bool) {
	v = strings.ToLower(v)
	switch {
	case v == "":
		return false, false
	case v == "1", v == "on", strings.HasPrefix("true", v), strings.HasPrefix("yes", v):
		return true, true
	case v == "0", v == "of", v == "off", strings.HasPrefix("false", v), strings.HasPrefix("no", v):
		return false, true
	}
	return false, false
}

// startupOf is what a client's server is opened with, if it is opened for this client alone.
func (s *startup) startupOf() pool.Startup {
	switch s.replication {
	case pool.LogicalReplication:
		return pool.NewStartup(append(s.given, wire.Parameter{Name: "replication", Value: "database"}))
	case pool.PhysicalReplication:
		return pool.NewStartup(append(s.given, wire.Parameter{Name: "replication", Value: "true"}))
	}
	return pool.NewStartup(s.given)
}
