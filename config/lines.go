package config

import (
	"strings"

	"github.com/BurntSushi/toml"
)

// keyLines finds the line, from 1, of each key, table and list item of src,
// which must be TOML that parses; of other text it finds what it can. A key
// that is written in several places, as tables may be, counts where it is first.
//
// The TOML library tells lines only of what it cannot read.
func keyLines(src string) map[string]int { return scanLines(src).lines }

// maxDepth is how many names and lists may be in each other, cluster[1].etcd.tls.ca
// being 4 names deep. The TOML library takes time and memory by the cube of it.
const maxDepth = 32

// scanLines walks over src as far as it is TOML and not nested too deeply.
func scanLines(src string) *lineScanner {
	for _, mark := range []string{"\ufeff", "\xff\xfe", "\xfe\xff"} { // as the TOML library does
		src = strings.TrimPrefix(src, mark)
	}
	s := &lineScanner{src: src, line: 1, lines: map[string]int{}, items: map[string]int{}}
	table := ""
	for s.skipBlank(); s.pos < len(s.src); s.skipBlank() {
		if s.peek() == '[' {
			table = s.header()
		} else if !s.pair(table) {
			break
		}
	}
	return s
}

// lineScanner walks over TOML and understands no more of it than what can
// hide a key or a newline. Each method starts at pos and leaves pos behind
// what it has read.
type lineScanner struct {
	src     string
	pos     int
	line    int            // of pos, from 1
	depth   int            // names and lists around pos
	tooDeep int            // the line on which depth has passed maxDepth; 0 if it has not
	lines   map[string]int // the result
	items   map[string]int // how many [[headers]] each list of tables has had
}

// enter notes that n more names or lists are around pos. Past maxDepth it
// returns false, and nothing is left to be read.
func (s *lineScanner) enter(n int) bool {
	s.depth += n
	if s.depth <= maxDepth {
		return true
	}
	s.tooDeep, s.pos = s.line, len(s.src)
	return false
}

func (s *lineScanner) leave(n int) { s.depth -= n }

// header reads [a.b] or [[a.b]] and returns the key of the table it opens.
func (s *lineScanner) header() string {
	s.pos++
	list := s.peek() == '['
	if list {
		s.pos++
	}
	names := s.names()
	s.take("]")
	if list {
		s.take("]")
	}
	s.depth = 0
	if !s.enter(len(names)) {
		return ""
	}
	key := ""
	for i, name := range names {
		key = childKey(key, name)
		s.found(key)
		last := i == len(names)-1
		if last && list {
			s.items[key]++
		}
		// [cluster.etcd] belongs to the latest [[cluster]].
		if n := s.items[key]; n > 0 {
			key = itemKey(key, n-1)
			s.found(key)
		}
	}
	return key
}

// pair reads "a.b = value" in the table at key table. It returns false when
// there is no such thing here.
func (s *lineScanner) pair(table string) bool {
	start := s.pos
	names := s.names()
	if !s.enter(len(names)) {
		return false
	}
	defer s.leave(len(names))
	key := table
	for _, name := range names {
		key = childKey(key, name)
		s.found(key)
	}
	s.skipSpace()
	if !s.take("=") {
		return false
	}
	s.value(key)
	return s.pos > start
}

// value reads the value of key.
func (s *lineScanner) value(key string) {
	s.skipSpace()
	switch s.peek() {
	case '"', '\'':
		s.text()
	case '[':
		s.list(key)
	case '{':
		s.inlineTable(key)
	default: // a number, a date or a bool
		for s.pos < len(s.src) && !strings.ContainsRune(",]}#\n", rune(s.peek())) {
			s.pos++
		}
	}
}

func (s *lineScanner) list(key string) {
	s.pos++
	if !s.enter(1) {
		return
	}
	defer s.leave(1)
	for i := 0; ; i++ {
		s.skipBlank()
		if s.pos == len(s.src) || s.take("]") {
			return
		}
		start := s.pos
		item := itemKey(key, i)
		s.found(item)
		s.value(item)
		s.skipBlank()
		if !s.take(",") && s.pos == start {
			return
		}
	}
}

func (s *lineScanner) inlineTable(key string) {
	s.pos++
	for {
		s.skipBlank()
		if s.pos == len(s.src) || s.take("}") || !s.pair(key) {
			return
		}
		s.skipBlank()
		s.take(",")
	}
}

// names reads the names of a dotted key.
func (s *lineScanner) names() []string {
	var names []string
	for {
		s.skipSpace()
		start := s.pos
		if c := s.peek(); c == '"' || c == '\'' {
			s.text()
			names = append(names, unquote(s.src[start:s.pos]))
		} else {
			for s.pos < len(s.src) && isBareByte(s.peek()) {
				s.pos++
			}
			names = append(names, s.src[start:s.pos])
		}
		s.skipSpace()
		if !s.take(".") {
			return names
		}
	}
}

// unquote is the name that a quoted key stands for.
func unquote(quoted string) string {
	var doc struct{ K string }
	if _, err := toml.Decode("k = "+quoted, &doc); err != nil {
		return quoted
	}
	return doc.K
}

// text reads a string of any of the four kinds.
func (s *lineScanner) text() {
	quote := s.src[s.pos : s.pos+1]
	escapes := quote == `"`
	long := strings.Repeat(quote, 3)
	if !s.take(long) {
		s.pos++
		s.textUntil(quote, escapes)
		return
	}
	s.textUntil(long, escapes)
	// A long string may end in one or two quotes of its own.
	for range 2 {
		s.take(quote)
	}
}

func (s *lineScanner) textUntil(end string, escapes bool) {
	for s.pos < len(s.src) && !s.take(end) {
		if escapes && s.peek() == '\\' {
			s.next()
		}
		s.next()
	}
}

// skipBlank passes over white space, newlines and comments.
func (s *lineScanner) skipBlank() {
	for s.pos < len(s.src) {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.next()
		case '#':
			for s.pos < len(s.src) && s.peek() != '\n' {
				s.pos++
			}
		default:
			return
		}
	}
}

func (s *lineScanner) skipSpace() {
	for c := s.peek(); c == ' ' || c == '\t'; c = s.peek() {
		s.pos++
	}
}

// found notes that key stands on this line.
func (s *lineScanner) found(key string) {
	if _, ok := s.lines[key]; !ok {
		s.lines[key] = s.line
	}
}

// peek is the byte at pos, 0 at the end.
func (s *lineScanner) peek() byte {
	if s.pos == len(s.src) {
		return 0
	}
	return s.src[s.pos]
}

// next passes over one byte, which may be a newline.
func (s *lineScanner) next() {
	if s.pos == len(s.src) {
		return
	}
	if s.src[s.pos] == '\n' {
		s.line++
	}
	s.pos++
}

// take passes over token, which holds no newline, if it is here.
func (s *lineScanner) take(token string) bool {
	if !strings.HasPrefix(s.src[s.pos:], token) {
		return false
	}
	s.pos += len(token)
	return true
}
