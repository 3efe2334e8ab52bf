package top

import (
	"slices"
	"strconv"
	"time"
)

// table is what a SHOW command answers, in text. NULL is "".
type table struct {
	columns []string
	rows    [][]string
	missing bool // the console does not know it
}

// sample is the tables that were read at one moment, by what stands behind SHOW. It is not
// changed.
type sample struct {
	at     time.Time
	target string // where the console is, in words
	tables map[string]table
}

// row is one row of a table, by its columns.
type row struct {
	columns []string
	values  []string
}

// rows are those of a table; none of one that is missing.
func (s *sample) rows(table string) (all []row) {
	if s == nil {
		return nil
	}
	t := s.tables[table]
	for _, values := range t.rows {
		all = append(all, row{t.columns, values})
	}
	return all
}

// has reports whether the console has a table.
func (s *sample) has(table string) bool {
	if s == nil {
		return false
	}
	t, read := s.tables[table]
	return read && !t.missing
}

// text is a column of the row, "" if it has none of that name.
func (r row) text(column string) string {
	i := slices.Index(r.columns, column)
	if i < 0 || i >= len(r.values) {
		return ""
	}
	return r.values[i]
}

// number is a column of the row, 0 if it is none.
func (r row) number(column string) int64 { return whole(r.text(column)) }

// whole is a number, 0 of what is none.
func whole(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// pairs are the values of a table of names and values.
func (s *sample) pairs(table, name, value string) map[string]string {
	all := make(map[string]string)
	for _, r := range s.rows(table) {
		all[r.text(name)] = r.text(value)
	}
	return all
}
