package auth

import (
	"fmt"
	"regexp"
	"strings"
)

// pattern is a regular expression of pg_hba.conf or pg_ident.conf. It matches
// as PostgreSQL's own engine does there: bytes, not characters, in the C
// locale, anywhere in the name unless it is anchored.
//
// That engine knows more than package regexp. What the two share is accepted,
// anything else is a fault, so that no rule means something else here than
// in PostgreSQL.
type pattern struct {
	re *regexp.Regexp
}

// newPattern compiles the text behind the slash.
func newPattern(text string) (pattern, error) {
	translated, err := translate(text)
	if err != nil {
		return pattern{}, fmt.Errorf("regular expression %q: %w", text, err)
	}
	re, err := regexp.Compile("(?s)" + translated)
	if err != nil {
		return pattern{}, fmt.Errorf("regular expression %q: %w", text, err)
	}
	return pattern{re}, nil
}

// matches says whether the pattern matches a part of name.
func (p pattern) matches(name string) bool { return p.re.MatchString(widen(name)) }

// capture is what the group of the pattern has matched of name. ok is false
// where the pattern does not match.
func (p pattern) capture(name string) (part string, ok bool) {
	at := p.re.FindStringSubmatch(widen(name))
	if at == nil {
		return "", false
	}
	return narrow(at[1]), true
}

// widen makes each byte a character of its own, narrow takes that back.
func widen(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

func narrow(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

// translator rewrites a pattern for package regexp and refuses what the two
// engines read differently (PostgreSQL documentation, "Regular Expression
// Details").
type translator struct {
	text string // what is left
	out  strings.Builder
}

func translate(text string) (string, error) {
	t := &translator{text: text}
	for t.text != "" {
		if err := t.next(); err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

// keep passes on the next n bytes.
func (t *translator) keep(n int) {
	t.out.WriteString(widen(t.text[:n]))
	t.text = t.text[n:]
}

func (t *translator) next() error {
	switch c := t.text[0]; {
	case c == '\\':
		return t.escape(false)
	case c == '[':
		return t.bracket()
	case strings.HasPrefix(t.text, "(?:"):
		t.keep(3)
	case strings.HasPrefix(t.text, "(?"):
		return fmt.Errorf("of (?, only (?: is supported here")
	case c == '^', c == '$':
		t.keep(1)
		if t.text != "" && strings.IndexByte("*+?{", t.text[0]) >= 0 {
			return fmt.Errorf("%c cannot be repeated", c)
		}
	case c == '*', c == '+', c == '?', c == '{':
		return t.quantifier()
	default:
		t.keep(1)
	}
	return nil
}

var bound = regexp.MustCompile(`^\{\d+(,\d*)?\}`)

func (t *translator) quantifier() error {
	n := 1
	if t.text[0] == '{' {
		if n = len(bound.FindString(t.text)); n == 0 {
			return fmt.Errorf(`{ without a number must be \{`)
		}
	}
	t.keep(n)
	if strings.HasPrefix(t.text, "?") {
		return fmt.Errorf("non-greedy quantifiers are not supported here")
	}
	return nil
}

// escape translates what follows a backslash. Of the escapes with letters and
// digits, those for classes are supported.
func (t *translator) escape(inBracket bool) error {
	if len(t.text) < 2 {
		return fmt.Errorf(`\ at the end`)
	}
	c := t.text[1]
	switch {
	case c == 's' && inBracket:
		t.out.WriteString("[:space:]") // Go's \s leaves \v out
	case c == 's':
		t.out.WriteString("[[:space:]]")
	case c == 'S' && !inBracket:
		t.out.WriteString("[^[:space:]]")
	case c == 'd', c == 'w', (c == 'D' || c == 'W') && !inBracket:
		t.out.WriteString(t.text[:2])
	case c >= 0x80, '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		return fmt.Errorf(`\%c is not supported here`, c)
	default:
		t.out.WriteString(t.text[:2])
	}
	t.text = t.text[2:]
	return nil
}

var class = regexp.MustCompile(`^\[:(alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit):\]`)

// bracket translates a bracket expression.
func (t *translator) bracket() error {
	for _, begin := range []string{"[^]", "[]", "[^", "["} {
		if strings.HasPrefix(t.text, begin) {
			t.keep(len(begin))
			break
		}
	}
	for t.text != "" {
		switch c := t.text[0]; {
		case c == ']':
			t.keep(1)
			return nil
		case c == '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		case c == '[':
			n := len(class.FindString(t.text))
			if n == 0 {
				return fmt.Errorf(`[ in brackets must be \[, or begin a class such as [:alpha:]`)
			}
			t.keep(n)
		default:
			t.keep(1)
		}
	}
	return fmt.Errorf("[ without an end")
}

// captures says what keeps the group of a pattern from being taken over for
// \1: which part of a name a group matches is the same in both engines only
// for patterns that leave no choice but the longest.
func captures(text string) error {
	groups := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '[':
			i += bracketLen(text[i:]) - 1
		case '(':
			if groups++; strings.HasPrefix(text[i:], "(?:") {
				return fmt.Errorf(`regular expression %q: with \1, (?: is not supported here`, text)
			}
		case '|':
			return fmt.Errorf(`regular expression %q: with \1, | is not supported here`, text)
		case ')':
			if i+1 < len(text) && strings.IndexByte("*+?{", text[i+1]) >= 0 {
				return fmt.Errorf(`regular expression %q: with \1, a group that is repeated is not supported here`, text)
			}
		}
	}
	switch {
	case groups == 0:
		return fmt.Errorf(`regular expression %q has no group for \1`, text)
	case groups > 1:
		return fmt.Errorf(`regular expression %q: with \1, more than one group is not supported here`, text)
	}
	return nil
}

// bracketLen is the length of the bracket expression at the beginning of
// text, which compiles.
func bracketLen(text string) int {
	t := &translator{text: text}
	t.bracket() //nolint:errcheck // it compiles
	return len(text) - len(t.text)
}
