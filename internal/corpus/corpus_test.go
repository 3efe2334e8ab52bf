package corpus

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the differences that are found into "+differencesFile)

// binaries is where the program is built.
var binaries string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "portero-corpus-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	return m.Run()
}

// Everything that a server says to a script it says through Portero too, but for the listed
// differences.
func TestScriptsAreToldTheSameThroughPortero(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	scripts, listed := loadScripts(t), loadDifferences(t)
	if *rewrite {
		t.Cleanup(func() { listed.write(t) })
	}
	for _, how := range []protocol{simple, extended} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			scene := startScene(t, 2)
			for _, s := range scripts {
				t.Run(s.name, func(t *testing.T) { scene.compare(t, s, how, listed) })
			}
		})
	}
}

// mostStalls is how many runs may end for want of an answer, before the others are not begun:
// each of them takes its time.
const mostStalls = 3

// compare runs a script directly and in each mode.
func (s *scene) compare(t *testing.T, script *script, how protocol, listed *differences) {
	s.t = t
	if s.stalls > mostStalls {
		t.Fatal("not run: too many scripts before it have had no answer")
	}
	want := s.play(script, how, direct, 0)
	for _, m := range proxied {
		got := s.play(script, how, m, len(want.notifications()))
		found := differing(want, got, m)
		at := place{script.name, m, how}
		if *rewrite {
			listed.found(at, found)
			continue
		}
		known := listed.at(at)
		for i, w := range want {
			switch differs := slices.Contains(found, w.name); {
			case differs && !slices.Contains(known, w.name):
				t.Errorf("statement %s differs in %s mode:\n%s\n  directly:\n    %s\n  through Portero:\n    %s", w.name, m, w.sql,
					strings.Join(w.lines, "\n    "), strings.Join(got[i].lines, "\n    "))
			case !differs && slices.Contains(known, w.name):
				t.Errorf("statement %s does not differ in %s mode any more: take it from %s (or run with -rewrite)", w.name, m, differencesFile)
			}
		}
	}
}

// differing is which statements a client was told otherwise about.
func differing(want, got transcript, m mode) (found []string) {
	for i, w := range want {
		if !slices.Equal(senders(w.lines, m), senders(got[i].lines, m)) {
			found = append(found, w.name)
		}
	}
	return found
}

// senders leaves out in transaction mode who has sent a notification: what a rule, a trigger or a
// function sends is ascribed to whoever had the server last. Tests of proxy and drivers hold those
// that a statement sends itself.
func senders(lines []string, m mode) []string {
	if m != transaction && m != pgbouncer {
		return lines
	}
	out := slices.Clone(lines)
	for i, line := range out {
		if strings.HasPrefix(line, "A ") {
			out[i] = strings.TrimSuffix(strings.TrimSuffix(line, " from another"), " from itself")
		}
	}
	return out
}

// told is what a server said to a statement.
type told struct {
	name  string // its number, or what else it is about
	sql   string
	lines []string
}

type transcript []told

// notifications are the last of a transcript.
func (tr transcript) notifications() []string { return tr[len(tr)-1].lines }

// play runs a script. notifications is how many are to be waited for at its end.
func (s *scene) play(script *script, how protocol, m mode, notifications int) (tr transcript) {
	s.t.Helper()
	s.clear()
	switch before := s.servers(); m {
	case session:
		s.soil(script.user)
	case transaction:
		defer s.renew(before)
	}
	c, said, err := connect(s.addresses[m], script.user, script.startup)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.close()
	tr = append(tr, told{name: "login", lines: said})
	between, end := s.disturb(m, script.user)
	defer end()
	for i, st := range script.statements {
		wrong := between(c.status)
		lines, late := waiting(func() []string { return c.run(how, st) }, between)
		tr = append(tr, told{name: fmt.Sprint(i + 1), sql: st.sql, lines: slices.Concat(lines, wrong, late)})
	}
	if c.stalls {
		s.stalls++
		if m == direct {
			s.t.Errorf("a statement has no answer on a direct connection")
		}
	}
	c.awaitNotifications(notifications)
	return append(tr, told{name: "notifications", lines: c.notifications})
}

// works is the status that between is told of while a statement is under way.
const works = 0

// waiting runs a statement. While it has no answer the disturbers may have what they wait for:
// they would keep the statement from its server.
func waiting(run func() []string, between func(status byte) []string) (lines, wrong []string) {
	done := make(chan []string, 1)
	go func() { done <- run() }()
	for {
		select {
		case lines := <-done:
			return lines, wrong
		case <-tick():
			wrong = append(wrong, between(works)...)
		}
	}
}
