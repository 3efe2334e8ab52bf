package proxy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// reader takes the words of a line, one after the other.
type reader struct {
	t    testing.TB
	line string
	rest string
}

// word is the next word, as it stands there.
func (r *reader) word() string {
	r.rest = strings.TrimLeft(r.rest, " ")
	n := strings.IndexByte(r.rest+" ", ' ')
	if quoted, err := strconv.QuotedPrefix(r.rest); err == nil {
		n = len(quoted)
	}
	word := r.rest[:n]
	r.rest = r.rest[n:]
	return word
}

func (r *reader) text() string {
	r.t.Helper()
	s, err := strconv.Unquote(r.word())
	if err != nil {
		r.t.Fatalf("%s: %v", r.line, err)
	}
	return s
}

func (r *reader) number() int {
	r.t.Helper()
	n, err := strconv.Atoi(r.word())
	if err != nil {
		r.t.Fatalf("%s: %v", r.line, err)
	}
	return n
}

// until takes words up to one of these, or to the end.
func (r *reader) until(name string) (words []string) {
	for {
		word := r.word()
		if word == name || word == "" {
			return words
		}
		words = append(words, word)
	}
}

func numbersOf[T int16 | uint16 | uint32](r *reader, words []string) (list []T) {
	for _, w := range words {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			r.t.Fatalf("%s: %v", r.line, err)
		}
		list = append(list, T(n))
	}
	return list
}

func (r *reader) values(words []string) (list [][]byte) {
	for _, w := range words {
		if w == "null" {
			list = append(list, nil)
			continue
		}
		s, err := strconv.Unquote(w)
		if err != nil {
			r.t.Fatalf("%s: %v", r.line, err)
		}
		list = append(list, []byte(s))
	}
	return list
}

// parseConversation reads what conversationText has written.
func parseConversation(t testing.TB, text string) (talks []dialogue) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		r := &reader{t: t, line: line, rest: line}
		if line == "" || line[0] == '#' {
			continue
		}
		talk := &dialogue{}
		if len(talks) > 0 {
			talk = &talks[len(talks)-1]
		}
		switch word := r.word(); {
		case line[0] == ' ' && len(talk.steps) > 0:
			last := &talk.steps[len(talk.steps)-1]
			last.messages = append(last.messages, r.message(word))
		case word == "client":
			talks = append(talks, dialogue{user: r.text(), schema: r.text()})
		case len(talks) > 0 && (word == string(deedNone) || word == string(deedSleep) || word == string(deedRace)):
			talk.steps = append(talk.steps, step{deed: deed(word)})
		case len(talks) > 0 && word == string(deedCut):
			talk.steps = append(talk.steps, step{deed: deedCut, bytes: r.number()})
		default:
			t.Fatalf("no conversation: %s", line)
		}
	}
	return talks
}

// message reads what request has written.
func (r *reader) message(word string) pgproto3.FrontendMessage {
	r.t.Helper()
	switch word {
	case "Query":
		return q(r.text())
	case "Parse":
		return &pgproto3.Parse{Name: r.text(), Query: r.text(), ParameterOIDs: numbersOf[uint32](r, r.until(""))}
	case "Bind":
		m := &pgproto3.Bind{DestinationPortal: r.text(), PreparedStatement: r.text()}
		r.until("values")
		m.Parameters = r.values(r.until("formats"))
		m.ParameterFormatCodes = numbersOf[int16](r, r.until("results"))
		m.ResultFormatCodes = numbersOf[int16](r, r.until(""))
		return m
	case "Describe":
		return &pgproto3.Describe{ObjectType: r.text()[0], Name: r.text()}
	case "Close":
		return &pgproto3.Close{ObjectType: r.text()[0], Name: r.text()}
	case "Execute":
		return &pgproto3.Execute{Portal: r.text(), MaxRows: uint32(r.number())}
	case "FunctionCall":
		m := &pgproto3.FunctionCall{Function: uint32(r.number())}
		r.until("values")
		m.Arguments = r.values(r.until("formats"))
		m.ArgFormatCodes = numbersOf[uint16](r, r.until("result"))
		m.ResultFormatCode = uint16(r.number())
		return m
	case "CopyData":
		return &pgproto3.CopyData{Data: []byte(r.text())}
	case "CopyFail":
		return &pgproto3.CopyFail{Message: r.text()}
	case "CopyDone":
		return &pgproto3.CopyDone{}
	case "Sync":
		return syncs()
	case "Flush":
		return &pgproto3.Flush{}
	}
	r.t.Fatalf("no client sends %s", r.line)
	return nil
}

func TestAConversationIsReadAsItWasWritten(t *testing.T) {
	for seed := range uint64(200) {
		talks := conversations(seed, 3, 25)
		text := conversationText(talks)
		again := parseConversation(t, text)
		if got := conversationText(again); got != text {
			t.Fatalf("seed %d: written as\n%s\nand again as\n%s", seed, text, got)
		}
		for i, talk := range talks {
			for j, s := range talk.steps {
				if a := again[i].steps[j]; a.deed != s.deed || a.bytes != s.bytes || string(encoded(a.messages)) != string(encoded(s.messages)) {
					t.Fatalf("seed %d: %s is read as\n%s", seed, stepText(s), stepText(a))
				}
			}
		}
	}
}

// TestConversationsThatFoundSomething compares testdata/seeds/real: what differed once.
func TestConversationsThatFoundSomething(t *testing.T) {
	files, err := filepath.Glob("../testdata/seeds/real/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	for servers := 1; servers <= 2; servers++ {
		t.Run(fmt.Sprint(servers, " servers"), func(t *testing.T) {
			w := start(t, size(servers))
			for _, file := range files {
				text := must(os.ReadFile(file))(t)
				w.compare(filepath.Base(file), parseConversation(t, string(text)))
			}
		})
	}
}
