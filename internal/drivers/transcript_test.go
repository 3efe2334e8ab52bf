package drivers

import (
	"fmt"
	"slices"
	"strings"
)

// section is one kind of work in a transcript.
type section struct {
	name  string
	lines []string
}

// sections takes a transcript apart. What is printed before the first head is a section
// without a name; one that comes again goes on.
func sections(transcript string) []*section {
	all := []*section{{}}
	at := all[0]
	for line := range strings.Lines(transcript) {
		line = strings.TrimRight(line, "\n")
		name, head := strings.CutPrefix(line, "== ")
		if !head {
			at.lines = append(at.lines, line)
			continue
		}
		i := slices.IndexFunc(all, func(s *section) bool { return s.name == name })
		if i < 0 {
			i = len(all)
			all = append(all, &section{name: name})
		}
		at = all[i]
	}
	return all
}

// compare says in which sections a transcript is not as wanted, each with a diff.
func compare(want, got string) (faults []string) {
	theirs := make(map[string][]string)
	for _, s := range sections(got) {
		theirs[s.name] = s.lines
	}
	for _, s := range sections(want) {
		lines, there := theirs[s.name]
		delete(theirs, s.name)
		switch {
		case !there:
			faults = append(faults, fmt.Sprintf("section %q is missing", s.name))
		case !slices.Equal(s.lines, lines):
			faults = append(faults, fmt.Sprintf("section %q differs (- direct, + through Portero):\n%s", s.name, diff(s.lines, lines)))
		}
	}
	for name, lines := range theirs {
		faults = append(faults, fmt.Sprintf("section %q is new:\n%s", name, strings.Join(lines, "\n")))
	}
	return faults
}

// around is how many equal lines a diff shows before a different one, and behind it.
const around = 3

// diff shows what has to be done to a for it to become b, by their longest common
// subsequence.
func diff(a, b []string) string {
	length := make([][]int, len(a)+1) // of the longest one of a[i:] and b[j:]
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var all []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			all = append(all, "- "+a[i])
			i++
		default:
			all = append(all, "+ "+b[j])
			j++
		}
	}
	return strings.Join(excerpt(all), "\n")
}

// excerpt leaves the lines of a diff that are near a change.
func excerpt(all []string) (shown []string) {
	near := make([]bool, len(all))
	for i, line := range all {
		if line[0] == ' ' {
			continue
		}
		for k := max(0, i-around); k <= min(len(all)-1, i+around); k++ {
			near[k] = true
		}
	}
	for i, line := range all {
		switch {
		case near[i] && len(line) > 400:
			shown = append(shown, "    "+line[:400]+" ...")
		case near[i]:
			shown = append(shown, "    "+line)
		case i == 0 || near[i-1]:
			shown = append(shown, "    ...")
		}
	}
	return shown
}
