package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// script is one file of the corpus:
//
//	-- user: postgres               who runs it; without this line: app, an ordinary user
//	-- startup: DateStyle=German    a parameter of the StartupMessage; as many lines as needed
//	select 1;                       a statement ends at a semicolon at the end of a line ...
//	select 2; select 3              ... which is not inside of $$, or at an empty line
//
//	copy t from stdin;
//	< one line of COPY data         behind the statement that takes it
//	<! why                          CopyFail, where the data would end
//	<---                            the end of the data of the first of several COPYs
//	copy t from stdin (format binary);
//	<x 5047 434f                    data in hexadecimal
//
// Other lines that begin with -- at the start of a statement are comments.
type script struct {
	name       string
	user       string
	startup    map[string]string
	statements []statement
}

// statement is what is sent in one go.
type statement struct {
	sql  string
	data []copyData // for the COPYs in it, in their order
}

// copyData is what a client answers to one CopyInResponse.
type copyData struct {
	chunks [][]byte
	fail   string // the reason of a CopyFail; "": CopyDone
}

const corpusDir = "testdata/corpus"

// moduleRoot is where the testdata of the module is, seen from this package.
const moduleRoot = "../.."

func loadScripts(t testing.TB) []*script {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(moduleRoot, corpusDir, "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in %s: %v", corpusDir, err)
	}
	var all []*script
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseScript(strings.TrimSuffix(filepath.Base(file), ".sql"), string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, s)
	}
	return all
}

func parseScript(name, text string) (*script, error) {
	s := &script{name: name, user: "app", startup: make(map[string]string)}
	p := scriptParser{script: s}
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	p.end()
	if len(s.statements) == 0 {
		return nil, fmt.Errorf("no statements")
	}
	return s, nil
}

type scriptParser struct {
	script *script
	sql    []string // lines of the statement that is not at its end
	more   bool     // the next line of data begins the data of another COPY
}

func (p *scriptParser) line(line string) error {
	if len(p.sql) == 0 {
		if strings.HasPrefix(line, "<") {
			return p.data(line)
		}
		if head, ok := strings.CutPrefix(line, "--"); ok {
			return p.head(strings.TrimSpace(head))
		}
	}
	if strings.TrimSpace(line) == "" && !p.quoted() {
		p.end()
		return nil
	}
	p.sql = append(p.sql, line)
	if strings.HasSuffix(strings.TrimRight(line, " "), ";") && !p.quoted() {
		p.end()
	}
	return nil
}

// head reads a comment, which may say how the script is to be run.
func (p *scriptParser) head(comment string) error {
	if user, ok := strings.CutPrefix(comment, "user:"); ok {
		p.script.user = strings.TrimSpace(user)
	}
	if parameter, ok := strings.CutPrefix(comment, "startup:"); ok {
		name, value, ok := strings.Cut(strings.TrimSpace(parameter), "=")
		if !ok {
			return fmt.Errorf("no name=value: %s", comment)
		}
		p.script.startup[name] = value
	}
	return nil
}

var dollarQuote = regexp.MustCompile(`\$[a-z]*\$`)

// quoted reports whether the lines so far end inside of $$.
func (p *scriptParser) quoted() bool {
	open := ""
	for _, mark := range dollarQuote.FindAllString(strings.Join(p.sql, "\n"), -1) {
		switch open {
		case "":
			open = mark
		case mark:
			open = ""
		}
	}
	return open != ""
}

func (p *scriptParser) end() {
	if sql := strings.Join(p.sql, "\n"); strings.TrimSpace(sql) != "" {
		p.script.statements = append(p.script.statements, statement{sql: sql})
	}
	p.sql, p.more = nil, true
}

func (p *scriptParser) data(line string) error {
	if len(p.script.statements) == 0 {
		return fmt.Errorf("data before the first statement")
	}
	st := &p.script.statements[len(p.script.statements)-1]
	if p.more {
		st.data, p.more = append(st.data, copyData{}), false
	}
	last := &st.data[len(st.data)-1]
	switch {
	case line == "<---":
		p.more = true
	case strings.HasPrefix(line, "<! "):
		last.fail = line[3:]
	case strings.HasPrefix(line, "<x "):
		var b []byte
		if _, err := fmt.Sscanf(strings.ReplaceAll(line[3:], " ", ""), "%x", &b); err != nil {
			return err
		}
		last.chunks = append(last.chunks, b)
	case strings.HasPrefix(line, "< "):
		last.chunks = append(last.chunks, []byte(line[2:]+"\n"))
	default:
		return fmt.Errorf("no data: %s", line)
	}
	return nil
}

func TestScriptsAreReadAsTheyAreMeant(t *testing.T) {
	s, err := parseScript("x", "-- user: postgres\n-- startup: a.b=c=d\n-- plain\nselect 1;\nselect\n 2; select 3\n\n"+
		"do $x$\nbegin;\n\nend $x$;\ncopy a from stdin; copy b from stdin;\n< 1\n<---\n<x 00 0a\n<! no more\nselect 4\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.user != "postgres" || s.startup["a.b"] != "c=d" {
		t.Errorf("user %s, startup %v", s.user, s.startup)
	}
	var got []string
	for _, st := range s.statements {
		got = append(got, st.sql)
	}
	want := []string{"select 1;", "select\n 2; select 3", "do $x$\nbegin;\n\nend $x$;", "copy a from stdin; copy b from stdin;", "select 4"}
	if !slices.Equal(got, want) {
		t.Errorf("statements %q, want %q", got, want)
	}
	if got := fmt.Sprintf("%q", s.statements[3].data); got != `[{["1\n"] ""} {["\x00\n"] "no more"}]` {
		t.Errorf("data %s", got)
	}
}
