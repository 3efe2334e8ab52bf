package pool

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/wire"
)

// A walsender's word for what it is, with and without in_hot_standby, which PostgreSQL reports
// since version 14.
func TestWhatAWalsenderSaysOfItself(t *testing.T) {
	const system = "7351111111111111111"
	for _, c := range []struct {
		name     string
		reported string            // in_hot_standby at its login; "" = not known to it
		answers  map[string]string // to commands; values of a row, after a report of in_hot_standby=VALUE and a blank if there is one
		want     string
	}{
		{"leader", "off", map[string]string{"IDENTIFY_SYSTEM": system + " 3 0/15D68C0"}, "false 3 " + system},
		{"standby", "on", map[string]string{"IDENTIFY_SYSTEM": system + " 3 0/15D68C0"}, "true 0 " + system},
		{"leader before 14", "", map[string]string{"SHOW transaction_read_only": "off", "IDENTIFY_SYSTEM": system + " 12 0/0"}, "false 12 " + system},
		{"standby before 14", "", map[string]string{"SHOW transaction_read_only": "on", "IDENTIFY_SYSTEM": system + " 12 0/0"}, "true 0 " + system},
		{"promoted while it answers", "on", map[string]string{"IDENTIFY_SYSTEM": "in_hot_standby=off " + system + " 4 0/0"}, "true 0 " + system + ", then false 4 " + system},
		{"refuses", "off", map[string]string{}, "ERROR: syntax error (SQLSTATE 42601)"},
		{"refuses SHOW", "", map[string]string{"IDENTIFY_SYSTEM": system + " 4 0/0"}, "ERROR: syntax error (SQLSTATE 42601)"},
		{"says something else", "perhaps", map[string]string{"IDENTIFY_SYSTEM": system + " 4 0/0"}, "unreadable answer to the question for its role"},
		{"says little", "off", map[string]string{"IDENTIFY_SYSTEM": system}, "unreadable answer to the question for its role"},
		{"has no number for its timeline", "off", map[string]string{"IDENTIFY_SYSTEM": system + " four 0/0"}, "timeline: strconv.ParseInt: parsing \"four\": invalid syntax"},
	} {
		ours, theirs := net.Pipe()
		go answerCommands(theirs, c.answers)
		e := &entered{conn: ours, stream: wire.NewStream(ours), login: auth.LoginResult{Parameters: map[string]string{}}}
		if c.reported != "" {
			e.login.Parameters["in_hot_standby"] = c.reported
		}
		var got []string
		for range strings.Split(c.want, ", then ") {
			said, err := askSender(e)
			if err != nil {
				got = append(got, err.Error())
				break
			}
			got = append(got, fmt.Sprint(said.InRecovery, said.Timeline, " ", said.SystemID))
		}
		if all := strings.Join(got, ", then "); all != c.want {
			t.Errorf("%s: %s, not %s", c.name, all, c.want)
		}
		ours.Close()
	}
}

// answerCommands is a walsender that knows some commands, until its client hangs up.
func answerCommands(conn net.Conn, answers map[string]string) {
	b := pgproto3.NewBackend(conn, conn)
	for {
		m, err := b.Receive()
		q, asks := m.(*pgproto3.Query)
		if err != nil || !asks {
			conn.Close()
			return
		}
		answer, known := answers[q.String]
		if report, rest, ok := strings.Cut(answer, " "); ok && strings.Contains(report, "=") {
			name, value, _ := strings.Cut(report, "=")
			b.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
			answer = rest
		}
		if known {
			row := &pgproto3.DataRow{}
			for _, value := range strings.Fields(answer) {
				row.Values = append(row.Values, []byte(value))
			}
			b.Send(row)
		} else {
			b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601", Message: "syntax error"})
		}
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		b.Flush() //nolint:errcheck // the next Receive tells
	}
}
