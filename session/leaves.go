package session

import (
	"bytes"
	"strings"
)

// Leaves reports whether the client has set a parameter of a name of its own
// making (app.tenant), if only for a transaction. The name stays known to the
// server, with an empty value, whatever is said to it. What a function sets
// inside is not seen.
func (s *Session) Leaves() bool { return s.leaves }

// invents reports whether a statement does.
func invents(sql []byte) bool {
	word, rest := firstWord(skipEmpty(sql))
	if is(word, "SET") {
		for _, scope := range [...]string{"LOCAL", "SESSION"} {
			if after, ok := cutWords(rest, scope); ok {
				rest = after
				break
			}
		}
		name := settingName(rest)
		return name == tooMany || strings.Contains(name, ".")
	}
	if !setsByFunction(sql) {
		return false
	}
	rest = bytes.ToLower(sql)
	for calls := 0; calls < maxCalls; calls++ {
		i := bytes.Index(rest, setConfig)
		if i < 0 {
			return false
		}
		rest = rest[i+len(setConfig):]
		if name := literalIn(rest); name == role || name == tooMany || strings.Contains(name, ".") { // it may be one that cannot be read
			return true
		}
	}
	return true
}
