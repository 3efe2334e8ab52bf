package session

import (
	"slices"
	"strings"
	"unique"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// Settings are the run-time parameters that a client has set: name and value,
// sorted by name. Equal settings are the same word in memory, so that they
// cost a client eight bytes and comparing them costs nothing.
// The zero value has no parameters.
type Settings struct {
	h unique.Handle[string]
}

// sep stands between names and values; neither can hold it, as the protocol
// ends both with it.
const sep = "\x00"

func (s Settings) text() string {
	if s == (Settings{}) {
		return ""
	}
	return s.h.Value()
}

// All yields names and values in the order of the names.
func (s Settings) All() func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for text := s.text(); text != ""; {
			var name, value string
			name, value, text = cutPair(text)
			if !yield(name, value) {
				return
			}
		}
	}
}

// Get returns the value of a parameter.
func (s Settings) Get(name string) (string, bool) {
	for n, v := range s.All() {
		if n == name {
			return v, true
		}
	}
	return "", false
}

// With returns the settings with one parameter added or changed. Names are
// compared as PostgreSQL does: lower case.
func (s Settings) With(name, value string) Settings {
	name = strings.ToLower(name)
	if old, ok := s.Get(name); ok && old == value {
		return s
	}
	pairs := s.without(name)
	pairs = append(pairs, name+sep+value+sep)
	slices.Sort(pairs)
	return intern(pairs)
}

// Without returns the settings with one parameter less.
func (s Settings) Without(name string) Settings {
	name = strings.ToLower(name)
	if _, ok := s.Get(name); !ok {
		return s
	}
	return intern(s.without(name))
}

func (s Settings) without(name string) []string {
	var pairs []string
	for n, v := range s.All() {
		if n != name {
			pairs = append(pairs, n+sep+v+sep)
		}
	}
	return pairs
}

func intern(pairs []string) Settings {
	if len(pairs) == 0 {
		return Settings{}
	}
	return Settings{unique.Make(strings.Join(pairs, ""))}
}

// The two settings that say who the session is. PostgreSQL obeys role at the
// start of a session once all else is set, and of session_authorization it only
// checks that the user may say so: it stays the user who has logged in.
const (
	role          = "role"
	authorization = "session_authorization"
)

// AppendChange adds to dst the messages that lead a server from the settings
// in have to s, ended by one Sync: all of it is done, or nothing. The first
// resets statements take away what an earlier client has left, the others set
// what is in s. It uses parameters of the extended protocol, so that no value can
// be read as SQL in any client encoding.
//
// All is set with the rights of the user who has logged in, as at the start of
// a session: the role of have is left first, that of s is taken last.
func (s Settings) AppendChange(dst []byte, have Settings) (out []byte, resets int) {
	if s != have {
		dst, resets = s.appendResets(dst, have)
		dst = s.appendSets(dst, have)
	}
	return wire.Append(dst, &pgproto3.Sync{}), resets
}

// dateStyle is a setting of two halves, of which each may be set by itself: the
// other half is then that of the server, not that of an earlier client.
const dateStyle = "datestyle"

// Settings are set turn by turn, and taken away in the opposite order.
const (
	turnEncoding = iota // the values that follow are in it
	turnOthers
	turnAuthorization // leaves any role
	turnHindrance     // what can make a server refuse or break off what comes behind it
)

func turnOf(name string) int {
	switch name {
	case "client_encoding":
		return turnEncoding
	case authorization:
		return turnAuthorization
	case role, "statement_timeout", "transaction_timeout":
		return turnHindrance
	}
	return turnOthers
}

// appendResets takes away what is not in s, or in its way.
func (s Settings) appendResets(dst []byte, have Settings) (out []byte, n int) {
	for turn := turnHindrance; turn >= turnEncoding; turn-- {
		for name, old := range have.All() {
			if turnOf(name) != turn || turn == turnAuthorization { // that is never there to be left
				continue
			}
			if value, keep := s.Get(name); !keep || name == role || (turn == turnHindrance || name == dateStyle) && value != old {
				dst = appendReset(dst, name)
				n++
			}
		}
	}
	return dst, n
}

// appendSets sets what is in s and not in have.
func (s Settings) appendSets(dst []byte, have Settings) []byte {
	for turn := turnEncoding; turn <= turnHindrance; turn++ {
		for name, value := range s.All() {
			if turnOf(name) != turn {
				continue
			}
			old, there := have.Get(name)
			if !there || old != value || name == role || name == authorization {
				dst = appendSet(dst, name, value)
			}
			if name == authorization {
				dst = appendReset(dst, name)
			}
		}
	}
	return dst
}

func appendSet(dst []byte, name, value string) []byte {
	return appendStatement(dst, "SELECT pg_catalog.set_config($1, $2, false)", name, value)
}

func appendReset(dst []byte, name string) []byte {
	return appendStatement(dst, "RESET "+quoteName(name))
}

func appendStatement(dst []byte, sql string, args ...string) []byte {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = []byte(a)
	}
	dst = wire.Append(dst, &pgproto3.Parse{Query: sql})
	dst = wire.Append(dst, &pgproto3.Bind{Parameters: params})
	return wire.Append(dst, &pgproto3.Execute{})
}

// quoteName quotes a parameter's name; "a.b" is two names.
func quoteName(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
	}
	return strings.Join(parts, ".")
}
