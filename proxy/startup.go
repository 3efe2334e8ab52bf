package proxy

import (
	"strings"

	"portero/session"
	"portero/wire"
)

// startup is what a client asks for in its StartupMessage.
type startup struct {
	user     string
	database string
	settings session.Settings // as far as they are understood
	refusal  *wire.Error      // of those that are not: for all but session mode
	given    []wire.Parameter // the same as they came, for session mode
	unknown  []string         // protocol options (_pq_.) that we do not know
	minor    uint32

	replication string // the Mode of its pool, if it is to replicate; else ""
}

// readStartup decodes a StartupMessage of protocol 3.minor.
func readStartup(code uint32, body []byte) (startup, *wire.Error) {
	s := startup{minor: code & 0xffff}
	if code>>16 != 3 {
		return s, wire.Fatal(wire.FeatureNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0 to 3.0", code>>16, s.minor)
	}
	list, err := wire.StartupParameters(body)
	if err != nil {
		return s, wire.Fatal(wire.ProtocolViolation, "%s", err)
	}
	if options := lastValue(list, "options"); options != "" {
		s.given = append(s.given, wire.Parameter{Name: "options", Value: options})
		s.refusal = s.setOptions(options) // first, as in PostgreSQL: a parameter of its own overrides them
	}
	for _, p := range list {
		switch {
		case p.Name == "user":
			s.user = p.Value
		case p.Name == "database":
			s.database = p.Value
		case p.Name == "options":
		case p.Name == "replication":
			if e := s.setReplication(p.Value); e != nil {
				return s, e
			}
		case strings.HasPrefix(p.Name, "_pq_."):
			s.unknown = append(s.unknown, p.Name)
		default:
			s.given = append(s.given, p)
			if e := s.set(p.Name, p.Value); e != nil && s.refusal == nil {
				s.refusal = e
			}
		}
	}
	if s.user == "" {
		return s, wire.Fatal(wire.InvalidAuthorization, "no PostgreSQL user name specified in startup packet")
	}
	if s.database == "" {
		s.database = s.user
	}
	return s, nil
}

func lastValue(list []wire.Parameter, name string) (value string) {
	for _, p := range list {
		if p.Name == name {
			value = p.Value
		}
	}
	return value
}

// maxParameter is the longest name of a run-time parameter that we pass on.
const maxParameter = 128

// set keeps a run-time parameter. Whether it exists and may have this value is
// for the server to say.
func (s *startup) set(name, value string) *wire.Error {
	if !isParameterName(name) {
		return wire.Fatal("42704", "unrecognized configuration parameter \"%s\"", printable(name))
	}
	if !strings.EqualFold(name, "transaction_read_only") { // of the login's own transaction, as PostgreSQL takes it
		s.settings = s.settings.With(name, value)
	}
	return nil
}

func isParameterName(name string) bool {
	if name == "" || len(name) > maxParameter {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z') && c != '_' && c != '.' && c != '$' && (c < '0' || c > '9') && c < 0x80 {
			return false
		}
	}
	return true
}

func printable(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > maxParameter {
		s = s[:maxParameter] + "..."
	}
	return s
}

// setOptions applies the "options" parameter: command-line arguments of a
// backend, of which -c name=value and --name=value set parameters (PostgreSQL
// documentation, "libpq", options; pg_split_opts and process_postgres_switches
// in the source).
func (s *startup) setOptions(options string) *wire.Error {
	words := splitOptions(options)
	for i := 0; i < len(words); i++ {
		w := words[i]
		flag, setting := "-c ", ""
		switch {
		case w == "--" && i+1 == len(words):
			return nil // the end of the options
		case w == "-c" && i+1 < len(words):
			i++
			setting = words[i]
		case strings.HasPrefix(w, "--"):
			flag, setting = "--", w[2:]
		case strings.HasPrefix(w, "-c") && len(w) > 2:
			setting = w[2:]
		case len(w) > 1 && w[0] == '-' && w != "-c":
			return wire.Fatal(wire.FeatureNotSupported, "option \"%s\" is not supported: only -c name=value and --name=value are", printable(w))
		default:
			return wire.Fatal("42601", "invalid command-line argument for server process: %s", printable(w))
		}
		name, value, ok := strings.Cut(setting, "=")
		if !ok {
			return wire.Fatal("42601", "%s%s requires a value", flag, printable(setting))
		}
		if e := s.set(strings.ReplaceAll(name, "-", "_"), value); e != nil {
			return e
		}
	}
	return nil
}

// splitOptions splits at blanks; a backslash takes the next byte as it is.
func splitOptions(options string) []string {
	var words []string
	var word strings.Builder
	open, escaped := false, false
	for i := range len(options) {
		c := options[i]
		switch {
		case escaped:
			word.WriteByte(c)
			escaped = false
		case c == '\\':
			open, escaped = true, true
		case strings.IndexByte(" \t\n\r\v\f", c) < 0:
			word.WriteByte(c)
			open = true
		case open:
			words = append(words, word.String())
			word.Reset()
			open = false
		}
	}
	if open {
		words = append(words, word.String())
	}
	return words
}
