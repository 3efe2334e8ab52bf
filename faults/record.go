package main

import (
	"errors"
	"fmt"

	"portero/internal/page"
)

// record is one run as the file of runs keeps it, a line of JSON. So the whole matrix, which
// takes hours, may be played in parts: the page is composed of all that the file holds.
type record struct {
	Case  string `json:"case"`
	Chain string `json:"chain"`
	page.Origin
	Figures *figures `json:"figures,omitempty"`
	Broken  string   `json:"broken,omitempty"` // why it was not brought to its end; then it has no figures
}

// cell is the row of the tables that the run belongs to.
func (r record) cell() cell { return cell{faultByName(r.Case), kindByName(r.Chain)} }

// check refuses what this program could not put into its tables.
func (r record) check() error {
	switch {
	case faultByName(r.Case) == nil:
		return fmt.Errorf("there is no case %q any more", r.Case)
	case kindByName(r.Chain) == nil:
		return fmt.Errorf("there is no chain %q any more", r.Chain)
	case (r.Figures == nil) == (r.Broken == ""):
		return errors.New("a run has either figures or why it was not brought to its end")
	}
	return nil
}

// readRecords reads the runs that a file holds; one that is not there holds none.
func readRecords(path string) ([]record, error) {
	return page.ReadRecords(path, record.check)
}
