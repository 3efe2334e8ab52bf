package admin

import "strings"

// command is a line of the console, taken apart. PgBouncer knows two forms: a word with at
// most one argument, and SET key = value. There are more arguments in commands of our own.
type command struct {
	word string // in lower case
	args []string

	set        bool // SET: the word is not used, the argument is value
	key, value string
}

// parse takes a text apart. False: it is no command.
func parse(text string) (c command, ok bool) {
	all, ok := tokens(text)
	if !ok {
		return c, false
	}
	if n := len(all); n > 0 && all[n-1].is(";") {
		all = all[:n-1]
	}
	if len(all) == 0 || !all[0].isName() {
		return c, false
	}
	if all[0].is("set") && len(all) == 4 && (all[2].is("=") || all[2].is("to")) {
		if !all[1].isName() || all[1].text == "" || all[3].kind == symbol {
			return c, false
		}
		return command{set: true, key: all[1].text, value: all[3].text}, true
	}
	c.word = strings.ToLower(all[0].text)
	for _, t := range all[1:] {
		if !t.isName() {
			return c, false
		}
		c.args = append(c.args, t.text)
	}
	return c, true
}

// token is a piece of a command.
type token struct {
	kind tokenKind
	text string // without quotes
}

type tokenKind byte

const (
	word   tokenKind = iota // letters, digits and _
	name                    // in double quotes
	quoted                  // in single quotes
	symbol                  // = or ;
)

func (t token) isName() bool { return t.kind == word || t.kind == name }

// is compares what is not quoted, in any case.
func (t token) is(text string) bool {
	return t.kind != name && t.kind != quoted && strings.EqualFold(t.text, text)
}

// tokens cuts a text up. False: there is something in it that no command has.
func tokens(text string) (all []token, ok bool) {
	for {
		text = strings.TrimLeft(text, " \t\n\r")
		if text == "" {
			return all, true
		}
		var t token
		if t, text, ok = cutToken(text); !ok {
			return nil, false
		}
		all = append(all, t)
	}
}

func cutToken(text string) (t token, rest string, ok bool) {
	switch c := text[0]; {
	case c == '=' || c == ';':
		return token{symbol, text[:1]}, text[1:], true
	case c == '"':
		t.text, rest, ok = cutQuoted(text, '"')
		return token{name, t.text}, rest, ok
	case c == '\'':
		t.text, rest, ok = cutQuoted(text, '\'')
		return token{quoted, t.text}, rest, ok
	}
	n := 0
	for n < len(text) && isWordByte(text[n]) {
		n++
	}
	return token{word, text[:n]}, text[n:], n > 0
}

func isWordByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_'
}

// cutQuoted reads what is between two quotes; doubled they stand for one.
func cutQuoted(text string, quote byte) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != quote {
			b.WriteByte(text[i])
			continue
		}
		if i+1 == len(text) || text[i+1] != quote {
			return b.String(), text[i+1:], true
		}
		b.WriteByte(quote)
		i++
	}
	return "", "", false
}
