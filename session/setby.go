package session

import (
	"bytes"
	"strings"
)

// setBy is the names of what a statement sets, in lower case, for the session or
// until it is set again. What it sets for its transaction only is left out.
func setBy(sql []byte) []string {
	word, rest := firstWord(skipEmpty(sql))
	switch {
	case is(word, "SET"):
		return setByName(rest)
	case is(word, "RESET"):
		if _, ok := cutWords(rest, "ALL"); ok {
			return []string{everything}
		}
		return setByName(rest)
	case is(word, "DISCARD"):
		if _, ok := cutWords(rest, "ALL"); ok {
			return []string{everything}
		}
		return nil
	}
	return setByFunction(sql)
}

// phrases are what SET and RESET have beside names (PostgreSQL's gram.y, set_rest
// and reset_rest), and the settings that they mean.
var phrases = []struct {
	words []string
	names []string
}{
	{[]string{"SESSION", "AUTHORIZATION"}, []string{role}},
	{[]string{"SESSION", "CHARACTERISTICS"}, []string{"default_transaction_isolation", "default_transaction_deferrable"}},
	{[]string{"TRANSACTION"}, nil},
	{[]string{"CONSTRAINTS"}, nil},
	{[]string{"NAMES"}, nil},
	{[]string{"TIME", "ZONE"}, nil},
	{[]string{"SCHEMA"}, []string{"search_path"}},
	{[]string{"XML", "OPTION"}, []string{"xmloption"}},
}

func setByName(rest []byte) []string {
	if _, local := cutWords(rest, "LOCAL"); local {
		return nil
	}
	for _, p := range phrases {
		if _, ok := cutWords(rest, p.words...); ok {
			return p.names
		}
	}
	if after, ok := cutWords(rest, "SESSION"); ok {
		return setByName(after)
	}
	return []string{settingName(rest)}
}

// settingName reads a name, in parts or quoted. What it cannot read may be any.
func settingName(rest []byte) string {
	name := ""
	for {
		var part []byte
		rest = skipBlank(rest)
		if len(rest) > 0 && rest[0] == '"' {
			end := bytes.IndexByte(rest[1:], '"')
			if end < 0 || end+2 < len(rest) && rest[end+2] == '"' {
				return tooMany
			}
			part, rest = rest[1:1+end], rest[2+end:]
		} else if part, rest = firstWord(rest); is(part, "U") && bytes.HasPrefix(rest, []byte(`&"`)) {
			return tooMany
		}
		name += strings.ToLower(string(part))
		after, more := cutWords(rest, ".")
		if !more {
			break
		}
		name, rest = name+".", after
	}
	if name == authorization {
		return role
	}
	return name
}

var setConfig = []byte("set_config")

// setsByFunction reports whether a statement calls set_config.
func setsByFunction(sql []byte) bool { return mentions(sql)&sets != 0 }

// setByFunction is the names that stand in calls of set_config, but for those that
// set them for the transaction. One that is no literal may be any.
func setByFunction(sql []byte) (names []string) {
	if definesFunction(sql) {
		return nil // it is not run
	}
	sql = bytes.ToLower(sql)
	for calls := 0; ; calls++ {
		i := bytes.Index(sql, setConfig)
		if i < 0 {
			return names
		}
		if calls == maxCalls {
			return append(names, tooMany)
		}
		sql = sql[i+len(setConfig):]
		if !isLocal(sql) {
			names = append(names, literalIn(sql))
		}
	}
}

// definesFunction reports whether a statement is CREATE [OR REPLACE] FUNCTION or PROCEDURE.
func definesFunction(sql []byte) bool {
	rest, ok := cutWords(skipEmpty(sql), "CREATE")
	if !ok {
		return false
	}
	if after, ok := cutWords(rest, "OR", "REPLACE"); ok {
		rest = after
	}
	word, _ := firstWord(rest)
	return is(word, "FUNCTION") || is(word, "PROCEDURE")
}

// isLocal reports whether the last argument of a call of set_config, whose
// arguments these are, is plainly true.
func isLocal(rest []byte) bool {
	last, ok := argumentsOf(rest)
	s := splitter{sql: last}
	from := 0
	for ok && s.at < len(last) {
		switch c := last[s.at]; {
		case c == ',' && s.parens == 0:
			from = s.at + 1
		case c == ')' && s.parens == 0:
			word, after := firstWord(last[from:s.at])
			return is(word, "TRUE") && len(skipBlank(after)) == 0
		}
		if s.step() {
			return false // in the middle of the call
		}
	}
	return false
}

// argumentsOf is what stands behind the parenthesis of a call, whose function's name
// may be quoted.
func argumentsOf(rest []byte) (after []byte, ok bool) {
	return cutWords(bytes.TrimPrefix(rest, []byte(`"`)), "(")
}

func literalIn(rest []byte) string {
	after, ok := argumentsOf(rest)
	after = skipBlank(after)
	if !ok {
		return role // the name of something else
	}
	if len(after) == 0 || after[0] != '\'' {
		return tooMany
	}
	end := bytes.IndexByte(after[1:], '\'')
	if end < 0 {
		return tooMany
	}
	if next, _ := firstWord(after[2+end:]); !is(next, ",") { // it is computed
		return tooMany
	}
	name := strings.ToLower(string(after[1 : 1+end]))
	if name == authorization || strings.ContainsAny(name, "\\") {
		return role
	}
	return name
}
