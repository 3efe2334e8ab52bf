package auth

import (
	"errors"
	"iter"
	"strings"
)

// word is an item of a field in pg_hba.conf or pg_ident.conf.
type word struct {
	text   string
	quoted bool // it began with a double quote: it is no keyword, and names no file
}

// is says whether a word is a keyword.
func (w word) is(keyword string) bool { return !w.quoted && w.text == keyword }

var errOpenQuote = errors.New("double quote without an end")

// cutWord cuts the next word off a line (PostgreSQL's next_token in hba.c).
// Words end at blanks, commas and comments, except inside double quotes, where
// "" stands for one. comma says that a comma ended the word, so that the field
// goes on.
func cutWord(line string) (w word, found, comma bool, rest string, err error) {
	line = strings.TrimLeft(line, " \t\r,")
	var text strings.Builder
	inside := false
	for ; line != ""; line = line[1:] {
		switch c := line[0]; {
		case c == '"' && inside && strings.HasPrefix(line, `""`):
			text.WriteByte('"')
			line = line[1:]
		case c == '"':
			inside = !inside
			found = true
			w.quoted = w.quoted || text.Len() == 0
		case inside:
			text.WriteByte(c)
		case c == ',':
			w.text = text.String()
			return w, true, true, line[1:], nil
		case c == '#':
			w.text = text.String()
			return w, found || w.text != "", false, "", nil
		case c == ' ', c == '\t', c == '\r':
			w.text = text.String()
			return w, true, false, line, nil
		default:
			text.WriteByte(c)
		}
	}
	if inside {
		return word{}, false, false, "", errOpenQuote
	}
	w.text = text.String()
	return w, found || w.text != "", false, "", nil
}

// joinedLines is the lines of a file, each with the number, from 1, of its
// first: a backslash at the end of a line joins the next one to it, in a
// comment as well. A backslash that is all of a joined line's own part is
// not another join (PostgreSQL's tokenize_auth_file).
func joinedLines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for first, n := 1, 1; text != ""; first = n {
			line, joined := "", 0
			for {
				var part string
				part, text, _ = strings.Cut(text, "\n")
				n++
				line = strings.TrimRight(line+part, "\r")
				if len(line) <= joined || !strings.HasSuffix(line, `\`) {
					break
				}
				line = line[:len(line)-1]
				joined = len(line)
				if text == "" {
					break
				}
			}
			if !yield(first, line) {
				return
			}
		}
	}
}
