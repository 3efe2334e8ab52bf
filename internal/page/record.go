package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ReadRecords reads the runs that a file holds, a line of JSON each; one that is not there holds
// none. So what takes hours may be measured in parts. Whatever check, or the type, does not know
// is an error, as nobody would miss it in the tables.
func ReadRecords[R any](path string, check func(R) error) ([]R, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []R
	number := 0
	for line := range bytes.Lines(text) {
		number++
		r, err := parseRecord[R](line)
		if err == nil {
			err = check(r)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, number, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func parseRecord[R any](line []byte) (R, error) {
	var r R
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("it is no run: %w", err)
	}
	if line[len(line)-1] != '\n' {
		return r, errors.New("its end is missing")
	}
	return r, nil
}

// AppendRecord adds a run to a file, which is made if it is not there.
func AppendRecord(path string, r any) error {
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
