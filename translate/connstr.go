package translate

import (
	"errors"
	"strings"
)

// pair is one key=value of a database, user or peer.
type pair struct{ key, value string }

var errConnString = errors.New("is no list of key=value: a value with spaces in it stands in single quotes, each ' in it is written twice")

// readPairs reads a connection string as PgBouncer does: only blanks divide, a
// quoted value ends at a quote that is not doubled, and no value is empty.
func readPairs(text string) (pairs []pair, err error) {
	for {
		text = strings.TrimLeft(text, " ")
		if text == "" {
			return pairs, nil
		}
		end := strings.IndexAny(text, "= ")
		if end <= 0 {
			return pairs, errConnString
		}
		key := text[:end]
		rest, ok := strings.CutPrefix(strings.TrimLeft(text[end:], " "), "=")
		if !ok {
			return pairs, errConnString
		}
		value, rest, err := readValue(strings.TrimLeft(rest, " "))
		if err != nil {
			return pairs, err
		}
		pairs = append(pairs, pair{key, value})
		text = rest
	}
}

func readValue(text string) (value, rest string, err error) {
	if quoted, ok := strings.CutPrefix(text, "'"); ok {
		value, rest, ok = unquote(quoted)
		if !ok {
			return "", "", errConnString
		}
		rest = rest[min(1, len(rest)):] // PgBouncer ends the value there, whatever it is
	} else {
		value, rest, _ = strings.Cut(text, " ")
	}
	if value == "" {
		return "", "", errConnString
	}
	return value, rest, nil
}

// unquote reads up to the closing quote, the opening one is gone already.
func unquote(text string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\'' {
			if i+1 == len(text) || text[i+1] != '\'' {
				return b.String(), text[i+1:], true
			}
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}
