package corpus

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// line is one message of a server on paper: all of it but what differs from run to run.
func (c *client) line(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.RowDescription:
		return "T " + fields(m)
	case *pgproto3.DataRow:
		return "D " + mask(values(m))
	case *pgproto3.CommandComplete:
		return "C " + string(m.CommandTag)
	case *pgproto3.ErrorResponse:
		return "E " + complaint((*pgproto3.ErrorResponse)(m))
	case *pgproto3.NoticeResponse:
		return "N " + complaint((*pgproto3.ErrorResponse)(m))
	case *pgproto3.ParameterStatus:
		return "S " + m.Name + "=" + m.Value
	case *pgproto3.ReadyForQuery:
		return "Z " + string(m.TxStatus)
	case *pgproto3.NotificationResponse:
		return fmt.Sprintf("A %s %q from %s", m.Channel, m.Payload, c.sender(m.PID))
	case *pgproto3.CopyInResponse:
		return fmt.Sprintf("G %d %v", m.OverallFormat, m.ColumnFormatCodes)
	case *pgproto3.CopyOutResponse:
		return fmt.Sprintf("H %d %v", m.OverallFormat, m.ColumnFormatCodes)
	case *pgproto3.CopyData:
		return fmt.Sprintf("d %q", m.Data)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.")
}

// sender tells a client's own notifications from others, as libpq's users do.
func (c *client) sender(pid uint32) string {
	if pid == c.pid {
		return "itself"
	}
	return "another"
}

func fields(m *pgproto3.RowDescription) string {
	var all []string
	for _, f := range m.Fields {
		all = append(all, fmt.Sprintf("%s:%s/%d/%d/%d@%d", f.Name, typeName(f.DataTypeOID), f.DataTypeSize, f.TypeModifier, f.Format, f.TableAttributeNumber))
	}
	return strings.Join(all, " ")
}

// typeName is the OID of a type that PostgreSQL brings along; those of others are given in turn.
func typeName(oid uint32) string {
	const firstOfUsers = 16384
	if oid >= firstOfUsers {
		return "own"
	}
	return fmt.Sprint(oid)
}

func values(m *pgproto3.DataRow) string {
	var all []string
	for _, v := range m.Values {
		switch {
		case v == nil:
			all = append(all, "NULL")
		default:
			all = append(all, fmt.Sprintf("%q", v))
		}
	}
	return strings.Join(all, " ")
}

func complaint(e *pgproto3.ErrorResponse) string {
	s := fmt.Sprintf("%s %s %s", e.SeverityUnlocalized, e.Code, e.Message)
	for _, f := range []struct{ name, value string }{
		{"detail", e.Detail}, {"hint", e.Hint}, {"position", number(e.Position)}, {"internal position", number(e.InternalPosition)},
		{"internal query", e.InternalQuery}, {"where", e.Where}, {"schema", e.SchemaName}, {"table", e.TableName},
		{"column", e.ColumnName}, {"type", e.DataTypeName}, {"constraint", e.ConstraintName},
	} {
		if f.value != "" {
			s += fmt.Sprintf(" | %s: %s", f.name, strings.ReplaceAll(f.value, "\n", `\n`))
		}
	}
	return mask(cmp.Or(e.Severity, "no severity") + " " + s)
}

func number(n int32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// varying is what is another in each session: schemas of temporary tables.
var varying = regexp.MustCompile(`\b(pg_temp|pg_toast_temp)_\d+`)

func mask(s string) string { return varying.ReplaceAllString(s, "${1}_n") }
