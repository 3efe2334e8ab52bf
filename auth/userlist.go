package auth

import (
	"errors"
	"fmt"
	"strings"
)

// parseUsers reads a user file in PgBouncer's format (PgBouncer documentation,
// "Authentication file format"): one user per line,
//
//	"name" "secret"
//
// with "" for a quote inside quotes; what follows on the line is ignored, as
// are empty lines and lines that begin with ; or #. The secret is a plain
// password, md5 and 32 hex digits, or a SCRAM verifier as in
// pg_authid.rolpassword; "" is a user that cannot log in with a password.
//
// Each line that is at fault goes to fault, and is left out; no fault repeats
// a secret. Unlike PgBouncer, a name given twice is a fault, and so is a
// secret that begins as a SCRAM verifier and is none.
func parseUsers(text string, fault func(line int, err error)) *Users {
	entries := make(map[string]*entry)
	lines := make(map[string]int)
	for i, line := range strings.Split(text, "\n") {
		name, secret, ok, err := parseLine(line)
		if err == nil && ok {
			err = addUser(entries, lines, i+1, name, secret)
		}
		if err != nil {
			fault(i+1, err)
		}
	}
	return newUsers(entries)
}

func addUser(entries map[string]*entry, lines map[string]int, line int, name, secret string) error {
	if first := lines[name]; first > 0 {
		return fmt.Errorf("user %q is already on line %d", name, first)
	}
	lines[name] = line
	e, err := newEntry(name, secret)
	if err == nil {
		entries[name] = e
	}
	return err
}

// parseLine reads one line; ok is false when there is no user on it.
func parseLine(line string) (name, secret string, ok bool, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == ';' || line[0] == '#' {
		return "", "", false, nil
	}
	name, rest, err := quoted(line)
	if err != nil {
		return "", "", false, fmt.Errorf("user name: %w", err)
	}
	secret, _, err = quoted(strings.TrimLeft(rest, " \t"))
	if err != nil {
		return "", "", false, fmt.Errorf("secret of user %q: %w", name, err)
	}
	if name == "" {
		return "", "", false, errors.New("user name is empty")
	}
	if strings.IndexByte(name, 0) >= 0 || strings.IndexByte(secret, 0) >= 0 {
		return "", "", false, errors.New("zero byte")
	}
	return name, secret, true, nil
}

// quoted cuts a text in double quotes off the front of s.
func quoted(s string) (text, rest string, err error) {
	if s == "" || s[0] != '"' {
		return "", s, errors.New("not in double quotes")
	}
	var out strings.Builder
	for s = s[1:]; ; s = s[1:] {
		before, after, found := strings.Cut(s, `"`)
		if !found {
			return "", s, errors.New("no closing double quote")
		}
		out.WriteString(before)
		if !strings.HasPrefix(after, `"`) {
			return out.String(), after, nil
		}
		out.WriteByte('"')
		s = after
	}
}

func looksLikeVerifier(secret string) bool { return strings.HasPrefix(secret, mechanismSCRAM+"$") }
