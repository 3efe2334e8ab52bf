package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// transaction is one line of pgbench's log.
type transaction struct {
	at   int64 // µs since 1970, when it ended
	took int64 // µs
}

// readLogs reads the logs in dir, one of each thread of pgbench, and returns their
// transactions in the order in which they ended.
func readLogs(dir string) ([]transaction, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "log.*"))
	if err != nil {
		return nil, err
	}
	var all []transaction
	for _, path := range paths {
		if all, err = readLog(all, path); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, errors.New("pgbench logged no transaction")
	}
	slices.SortFunc(all, func(a, b transaction) int { return int(a.at - b.at) })
	return all, nil
}

// readLog appends one log to all.
func readLog(all []transaction, path string) ([]transaction, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		t, err := parseLine(lines.Bytes())
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		all = append(all, t)
	}
	return all, errors.Join(lines.Err(), file.Close())
}

// parseLine reads "client_id transaction_no time script_no time_epoch time_us".
func parseLine(line []byte) (transaction, error) {
	fields := bytes.Fields(line)
	if len(fields) < 6 {
		return transaction{}, fmt.Errorf("pgbench's log: %q", line)
	}
	took, err1 := strconv.ParseInt(string(fields[2]), 10, 64)
	seconds, err2 := strconv.ParseInt(string(fields[4]), 10, 64)
	micros, err3 := strconv.ParseInt(string(fields[5]), 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil { // "failed" and "skipped" are no numbers
		return transaction{}, fmt.Errorf("pgbench's log: %q: %w", line, err)
	}
	return transaction{at: seconds*1e6 + micros, took: took}, nil
}
