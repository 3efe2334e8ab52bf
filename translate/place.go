package translate

import (
	"fmt"
	"strings"
)

// Place is where something stands in a file.
type Place struct {
	File string
	Line int // from 1; 0 is the file as a whole
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Remark is something to tell about a place, on one line.
type Remark struct {
	Place
	Text string
}

func (r Remark) String() string { return r.Place.String() + ": " + r.Text }

// Faults is all that makes files unfit for a translation. It is the type of
// every error of Files.
type Faults []Remark

// Error is one line for each fault, without a newline at the end.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// faults collects what is wrong.
type faults struct{ list Faults }

func (f *faults) add(at Place, format string, args ...any) {
	f.list = append(f.list, Remark{at, fmt.Sprintf(format, args...)})
}
