package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// record is one run as the file of runs keeps it, a line of JSON. So the whole matrix, which
// takes hours, may be played in parts: the page is composed of all that the file holds.
type record struct {
	Case  string    `json:"case"`
	Chain string    `json:"chain"`
	Began time.Time `json:"began"`
	circumstances
	Figures *figures `json:"figures,omitempty"`
	Broken  string   `json:"broken,omitempty"` // why it was not brought to its end; then it has no figures
}

// cell is the row of the tables that the run belongs to.
func (r record) cell() cell { return cell{faultByName(r.Case), kindByName(r.Chain)} }

// readRecords reads the runs that a file holds; one that is not there holds none. Whatever
// this program could not put into its tables is an error, as nobody would miss it there.
func readRecords(path string) ([]record, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []record
	number := 0
	for line := range bytes.Lines(text) {
		number++
		r, err := parseRecord(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, number, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func parseRecord(line []byte) (record, error) {
	var r record
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("it is no run: %w", err)
	}
	switch {
	case line[len(line)-1] != '\n':
		return r, errors.New("its end is missing")
	case faultByName(r.Case) == nil:
		return r, fmt.Errorf("there is no case %q any more", r.Case)
	case kindByName(r.Chain) == nil:
		return r, fmt.Errorf("there is no chain %q any more", r.Chain)
	case (r.Figures == nil) == (r.Broken == ""):
		return r, errors.New("a run has either figures or why it was not brought to its end")
	}
	return r, nil
}

// appendRecord adds a run to a file, which is made if it is not there.
func appendRecord(path string, r record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}
