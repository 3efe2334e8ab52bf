package corpus

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const differencesFile = corpusDir + "/differences.txt"

// place is one run of a script.
type place struct {
	script string
	mode   mode
	how    protocol
}

func (p place) String() string { return fmt.Sprintf("%s %s %s", p.script, p.mode, p.how) }

// unexplained is the reason of a difference until somebody has looked at it.
const unexplained = "unexplained"

// differences are the lines of differencesFile: which statements of which run differ, and why.
type differences struct {
	head    []string          // comments
	reasons map[string]string // explained in lines "reason NAME text"

	mu   sync.Mutex                  // guards what follows
	runs map[place]map[string]string // statement -> reason
}

func loadDifferences(t testing.TB) *differences {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, differencesFile))
	if err != nil {
		t.Fatal(err)
	}
	d := &differences{reasons: make(map[string]string), runs: make(map[place]map[string]string)}
	for i, line := range strings.Split(string(text), "\n") {
		if err := d.line(line); err != nil {
			t.Fatalf("%s, line %d: %v", differencesFile, i+1, err)
		}
	}
	return d
}

func (d *differences) line(line string) error {
	fields := strings.Fields(line)
	switch {
	case len(fields) == 0:
		return nil
	case fields[0] == "#":
		d.head = append(d.head, line)
		return nil
	case fields[0] == "reason" && len(fields) > 2:
		d.reasons[fields[1]] = strings.Join(fields[2:], " ")
		return nil
	case len(fields) != 5:
		return fmt.Errorf("not script, mode, protocol, reason, statements: %s", line)
	}
	at, reason := place{fields[0], mode(fields[1]), protocol(fields[2])}, fields[3]
	if _, known := d.reasons[reason]; !known && reason != unexplained {
		return fmt.Errorf("no reason %s in the lines before", reason)
	}
	for _, s := range split(fields[4]) {
		d.add(at, s, reason)
	}
	return nil
}

func (d *differences) add(at place, statement, reason string) {
	if d.runs[at] == nil {
		d.runs[at] = make(map[string]string)
	}
	d.runs[at][statement] = reason
}

// at is which statements of a run are known to differ.
func (d *differences) at(p place) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.runs[p]))
}

// found puts what differs in the place of what was listed. A statement keeps its reason; a new
// one gets that of its neighbour, or of the same run in the other protocol.
func (d *differences) found(at place, statements []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.runs[at]
	other := at
	other.how = map[protocol]protocol{simple: extended, extended: simple}[at.how]
	reason := unexplained
	for _, known := range []map[string]string{d.runs[other], old} {
		for _, s := range ordered(known) {
			reason = known[s]
		}
	}
	delete(d.runs, at)
	for _, s := range statements {
		d.add(at, s, cmp.Or(old[s], d.runs[other][s], reason))
	}
}

func (d *differences) write(t testing.TB) {
	var b bytes.Buffer
	for _, line := range d.head {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintln(&b)
	for _, name := range slices.Sorted(maps.Keys(d.reasons)) {
		fmt.Fprintf(&b, "reason %s %s\n", name, d.reasons[name])
	}
	fmt.Fprintln(&b)
	places := slices.SortedFunc(maps.Keys(d.runs), func(a, b place) int { return strings.Compare(a.String(), b.String()) })
	for _, at := range places {
		for _, reason := range slices.Compact(slices.Sorted(maps.Values(d.runs[at]))) {
			var statements []string
			for _, s := range ordered(d.runs[at]) {
				if d.runs[at][s] == reason {
					statements = append(statements, s)
				}
			}
			fmt.Fprintf(&b, "%s %s %s\n", at, reason, join(statements))
		}
	}
	if err := os.WriteFile(filepath.Join(moduleRoot, differencesFile), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ordered is the statements in the order of the script.
func ordered(statements map[string]string) []string {
	return slices.SortedFunc(maps.Keys(statements), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
	})
}

func rank(statement string) int {
	n, err := strconv.Atoi(statement)
	switch {
	case err == nil:
		return n
	case statement == "login":
		return 0
	}
	return 1 << 30
}

// join writes statements as "1,3-5,notifications"; split reads that.
func join(statements []string) string {
	var parts []string
	for i := 0; i < len(statements); i++ {
		first := i
		for i+1 < len(statements) && rank(statements[i]) > 0 && rank(statements[i+1]) == rank(statements[i])+1 {
			i++
		}
		if first == i {
			parts = append(parts, statements[i])
		} else {
			parts = append(parts, statements[first]+"-"+statements[i])
		}
	}
	return strings.Join(parts, ",")
}

func split(list string) (statements []string) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, several := strings.Cut(part, "-")
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if !several || err1 != nil || err2 != nil {
			statements = append(statements, part)
			continue
		}
		for n := first; n <= last; n++ {
			statements = append(statements, strconv.Itoa(n))
		}
	}
	return statements
}

func TestEachListedDifferenceHasAReasonAndAScript(t *testing.T) {
	scripts := make(map[string]*script)
	for _, s := range loadScripts(t) {
		scripts[s.name] = s
	}
	d := loadDifferences(t)
	used := make(map[string]bool)
	for at, statements := range d.runs {
		s := scripts[at.script]
		if s == nil || !slices.Contains(proxied, at.mode) || at.how != simple && at.how != extended {
			t.Errorf("there is no run %s", at)
			continue
		}
		for statement, reason := range statements {
			used[reason] = true
			if reason == unexplained {
				t.Errorf("%s: statement %s has no reason", at, statement)
			}
			if n, err := strconv.Atoi(statement); err == nil && n > len(s.statements) {
				t.Errorf("%s: there is no statement %d", at, n)
			}
		}
	}
	for reason := range d.reasons {
		if !used[reason] {
			t.Errorf("reason %s explains nothing any more", reason)
		}
	}
}

func TestListsOfStatementsAreReadAsWritten(t *testing.T) {
	const list = "login,1,3-5,7,notifications"
	if got := join(split(list)); got != list {
		t.Errorf("%s became %s", list, got)
	}
}
