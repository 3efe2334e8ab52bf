package top

import (
	"slices"
	"strconv"
	"time"
)

// Table is what a SHOW command answers, in text. NULL is "".
type Table struct {
	Columns []string
	Rows    [][]string
	Missing bool // the console does not know it
}

// Sample is the tables that were read at one moment, by what stands behind SHOW. It is not
// changed.
type Sample struct {
	At     time.Time
	Target string // where the console is, in words
	Tables map[string]Table
}

// row is one row of a table, by its columns.
type row struct {
	columns []string
	values  []string
}

// rows are those of a table; none of one that is missing.
func (s *Sample) rows(table string) (all []row) {
	if s == nil {
		return nil
	}
	t := s.Tables[table]
	for _, values := range t.Rows {
		all = append(all, row{t.Columns, values})
	}
	return all
}

// has reports whether the console has a table.
func (s *Sample) has(table string) bool {
	if s == nil {
		return false
	}
	t, read := s.Tables[table]
	return read && !t.Missing
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
func (s *Sample) pairs(table, name, value string) map[string]string {
	all := make(map[string]string)
	for _, r := range s.rows(table) {
		all[r.text(name)] = r.text(value)
	}
	return all
}
