package admin

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// table is what a SHOW command answers.
type table struct {
	kinds   string   // of the columns, a letter each
	columns []string // their names
	rows    [][]any
}

// The letters for the types of columns are PgBouncer's own (pktbuf.c), so that its formats can
// be compared with ours at a glance.
const (
	kindText    = 's'
	kindTime    = 'T' // as text, YYYY-MM-DD HH:MM:SS TZ
	kindInt4    = 'i'
	kindInt8    = 'q'
	kindNumeric = 'N'
	kindBytes   = 'b'
)

// newTable has a name for each letter in kinds, blanks between them. It panics if there are
// more of one than of the other, which each call's first test shows.
func newTable(kinds, names string) *table {
	t := &table{kinds: kinds, columns: strings.Fields(names)}
	if len(t.columns) != len(kinds) {
		panic(fmt.Sprintf("admin: %d columns of %d types", len(t.columns), len(kinds)))
	}
	return t
}

// add adds a row: strings, whole numbers, bools (which are 0 and 1), times; nil is NULL.
func (t *table) add(values ...any) {
	if len(values) != len(t.columns) {
		panic(fmt.Sprintf("admin: %d values in %d columns, %v", len(values), len(t.columns), t.columns))
	}
	t.rows = append(t.rows, values)
}

// orNull is NULL for "".
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// description is the RowDescription as PgBouncer writes it: of no table, without a modifier, as text.
func (t *table) description() *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{}
	for i, name := range t.columns {
		oid, size := typeOf(t.kinds[i])
		d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte(name), DataTypeOID: oid, DataTypeSize: size, TypeModifier: -1})
	}
	return d
}

// typeOf is the OID of a type (pg_type.dat of PostgreSQL) and how long its values are.
func typeOf(kind byte) (oid uint32, size int16) {
	switch kind {
	case kindInt4:
		return 23, 4
	case kindInt8:
		return 20, 8
	case kindNumeric:
		return 1700, -1
	case kindBytes:
		return 17, -1
	}
	return 25, -1
}

// messages are the whole answer but for its end.
func (t *table) messages() []wire.Message {
	all := make([]wire.Message, 0, len(t.rows)+1)
	all = append(all, t.description())
	for _, row := range t.rows {
		values := make([][]byte, len(row))
		for i, v := range row {
			values[i] = format(t.kinds[i], v)
		}
		all = append(all, &pgproto3.DataRow{Values: values})
	}
	return all
}

// format is a value as text. What does not fit into an int4 is the nearest that does.
func format(kind byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return append([]byte{}, v...) // "" is not NULL
	case bool:
		if v {
			return []byte("1")
		}
		return []byte("0")
	case int:
		return formatInt(kind, int64(v))
	case int64:
		return formatInt(kind, v)
	case uint64:
		if kind == kindNumeric {
			return strconv.AppendUint(nil, v, 10)
		}
		return formatInt(kind, int64(min(v, math.MaxInt64)))
	case time.Time:
		return v.Local().AppendFormat(nil, "2006-01-02 15:04:05 MST")
	}
	panic(fmt.Sprintf("admin: no column has a %T", v))
}

func formatInt(kind byte, v int64) []byte {
	if kind == kindInt4 {
		v = min(max(v, math.MinInt32), math.MaxInt32)
	}
	return strconv.AppendInt(nil, v, 10)
}

// answer is what becomes of a command that is not refused.
type answer struct {
	notice *pgproto3.NoticeResponse // before all else
	table  *table
	tag    string
	after  func() // called when the client has been told
	silent bool   // the client is told nothing

	suspends bool // it is a SUSPEND, which ends with the client
}

func (a answer) messages() (all []wire.Message) {
	if a.notice != nil {
		all = append(all, a.notice)
	}
	if a.table != nil {
		all = append(all, a.table.messages()...)
	}
	return append(all, &pgproto3.CommandComplete{CommandTag: []byte(a.tag)})
}
