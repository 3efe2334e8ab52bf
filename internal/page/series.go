package page

import (
	"fmt"
	"os"
	"strings"
)

// Described is a series of metrics as a page describes it.
type Described struct {
	Type   string   // counter, gauge or histogram
	Labels []string // names, in the page's order
}

// Series are those that the tables of a page describe, by name: rows of name, type, labels
// and meaning.
func Series(path string) (map[string]Described, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all := make(map[string]Described)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		name := strings.Trim(cells[1], " `")
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("%s: %s is described twice", path, name)
		}
		if strings.TrimSpace(cells[4]) == "" {
			return nil, fmt.Errorf("%s: %s has no meaning", path, name)
		}
		d := Described{Type: strings.TrimSpace(cells[2])}
		for label := range strings.FieldsSeq(cells[3]) {
			d.Labels = append(d.Labels, strings.Trim(label, "`,"))
		}
		all[name] = d
	}
	return all, nil
}
