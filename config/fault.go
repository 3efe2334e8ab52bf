package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Fault is one thing wrong with a configuration file.
type Fault struct {
	File    string // as given to Load
	Line    int    // from 1; 0 when no line is to blame, as with a file that cannot be opened
	Key     string // pool.pool_size; route[2].group, counted from 1; "" when no key is to blame
	Message string // what is wrong with it, in lower case
}

// String is the fault on one line: "proxy.toml:12: pool.pool_size: must be at least 1".
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Key != "" {
		b.WriteString(": " + f.Key)
	}
	b.WriteString(": " + f.Message)
	return b.String()
}

// Faults is all that is wrong with a file, in the order of its lines, and with
// the files that it names. It is the type of every error of Load.
type Faults []Fault

// Error is one line for each fault, without a newline at the end.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// report collects the faults of one file.
type report struct {
	file   string
	lines  map[string]int  // by key, of the keys that the file has
	given  map[string]bool // keys that the file has and the schema knows
	broken map[string]bool // keys whose value could not be read
	faults Faults
	files  []File // that were read, or should have been
}

func newReport(file string, lines map[string]int) *report {
	return &report{file: file, lines: lines, given: map[string]bool{}, broken: map[string]bool{}}
}

// fault notes what is wrong with the meaning of key. It is silent where the
// key, or a table that holds it, could not be read: the operator has been told
// so already, and what stands in the struct is not what they wrote.
func (r *report) fault(key, format string, args ...any) {
	if !r.unread(key) {
		r.add(key, format, args...)
	}
}

// unreadable notes that the value of key could not be taken over.
func (r *report) unreadable(key, format string, args ...any) {
	r.broken[key] = true
	r.add(key, format, args...)
}

// add notes a fault once: two checks may meet the same file.
func (r *report) add(key, format string, args ...any) {
	f := Fault{r.file, r.line(key), key, fmt.Sprintf(format, args...)}
	if !slices.Contains(r.faults, f) {
		r.faults = append(r.faults, f)
	}
}

// unread says whether key or a table around it could not be read.
func (r *report) unread(key string) bool {
	for ; key != ""; key = parentKey(key) {
		if r.broken[key] {
			return true
		}
	}
	return false
}

// addIn notes what is wrong with another file.
func (r *report) addIn(file string, line int, format string, args ...any) {
	r.faults = append(r.faults, Fault{File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// line is where key stands or, for one that the file leaves out, the table
// that should have it; 0 when the file has neither.
func (r *report) line(key string) int {
	for ; key != ""; key = parentKey(key) {
		if n, ok := r.lines[key]; ok {
			return n
		}
	}
	return 0
}

// err is nil or all faults: those of the file in the order of its lines, then
// those of others as they were noted.
func (r *report) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	place := func(f Fault) int {
		if f.File == r.file {
			return f.Line
		}
		return math.MaxInt
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return cmp.Compare(place(a), place(b)) })
	return r.faults
}
