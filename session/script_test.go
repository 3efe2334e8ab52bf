package session

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// token is one word of a transcript: a message or a command with arguments,
// as in Parse(s1, "select 1").
type token struct {
	word string
	args []string
}

func (k token) arg(i int) string {
	if i < len(k.args) {
		return k.args[i]
	}
	return ""
}

// tokens splits a line of a transcript.
func tokens(t testing.TB, line string) (list []token) {
	t.Helper()
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimSpace(rest) {
		n := strings.IndexAny(rest, " (")
		if n < 0 {
			n = len(rest)
		}
		k := token{word: rest[:n]}
		rest = rest[n:]
		if strings.HasPrefix(rest, "(") {
			k.args, rest = arguments(t, rest[1:])
		}
		list = append(list, k)
	}
	return list
}

// arguments reads up to the closing parenthesis: words and quoted strings.
func arguments(t testing.TB, s string) (args []string, rest string) {
	t.Helper()
	for {
		s = strings.TrimLeft(s, " ,")
		switch {
		case s == "":
			t.Fatal("transcript: a parenthesis is not closed")
		case s[0] == ')':
			return args, s[1:]
		case s[0] == '"':
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				t.Fatalf("transcript: %s: %v", s, err)
			}
			text, _ := strconv.Unquote(q)
			args, s = append(args, text), s[len(q):]
		default:
			n := strings.IndexAny(s, " ,)")
			args, s = append(args, s[:n]), s[n:]
		}
	}
}

// clientFrame builds what a client sends.
func clientFrame(t testing.TB, k token) wire.Frame {
	t.Helper()
	var m wire.Message
	switch k.word {
	case "Query":
		m = &pgproto3.Query{String: k.arg(0)}
	case "Parse":
		m = &pgproto3.Parse{Query: k.arg(0)}
		if len(k.args) > 1 {
			m = &pgproto3.Parse{Name: k.arg(0), Query: k.arg(1)}
		}
	case "Bind":
		m = &pgproto3.Bind{DestinationPortal: k.arg(0), PreparedStatement: k.arg(1)}
	case "Describe":
		m = &pgproto3.Describe{ObjectType: k.arg(0)[0], Name: k.arg(1)}
	case "Execute":
		rows, _ := strconv.Atoi(k.arg(1))
		m = &pgproto3.Execute{Portal: k.arg(0), MaxRows: uint32(rows)}
	case "Close":
		m = &pgproto3.Close{ObjectType: k.arg(0)[0], Name: k.arg(1)}
	case "Sync":
		m = &pgproto3.Sync{}
	case "Flush":
		m = &pgproto3.Flush{}
	case "CopyData":
		m = &pgproto3.CopyData{Data: []byte(k.arg(0))}
	case "CopyDone":
		m = &pgproto3.CopyDone{}
	case "CopyFail":
		m = &pgproto3.CopyFail{Message: k.arg(0)}
	case "FunctionCall":
		oid, _ := strconv.Atoi(k.arg(0))
		m = &pgproto3.FunctionCall{Function: uint32(oid)}
	case "Terminate":
		m = &pgproto3.Terminate{}
	case "Raw":
		return wire.Frame{Type: k.arg(0)[0], Size: len(k.arg(1)), Body: []byte(k.arg(1))}
	default:
		t.Fatalf("transcript: no client sends %q", k.word)
	}
	return frameOf(t, m)
}

// serverFrame builds what a server sends.
func serverFrame(t testing.TB, k token) wire.Frame {
	t.Helper()
	if m := plainAnswer(k.word); m != nil {
		return frameOf(t, m)
	}
	var m wire.Message
	switch k.word {
	case "ReadyForQuery":
		m = &pgproto3.ReadyForQuery{TxStatus: k.arg(0)[0]}
	case "CommandComplete":
		m = &pgproto3.CommandComplete{CommandTag: []byte(k.arg(0))}
	case "ErrorResponse":
		m = &wire.Error{Severity: k.arg(0), Code: k.arg(1), Message: k.arg(2)}
	case "NoticeResponse":
		m = &pgproto3.NoticeResponse{Severity: k.arg(0), SeverityUnlocalized: k.arg(0), Code: k.arg(1)}
	case "ParameterStatus":
		m = &pgproto3.ParameterStatus{Name: k.arg(0), Value: k.arg(1)}
	case "NotificationResponse":
		m = &pgproto3.NotificationResponse{Channel: k.arg(0), Payload: k.arg(1)}
	case "RowDescription":
		d := &pgproto3.RowDescription{}
		for _, a := range k.args {
			d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte(a)})
		}
		m = d
	case "DataRow":
		d := &pgproto3.DataRow{}
		for _, a := range k.args {
			d.Values = append(d.Values, []byte(a))
		}
		m = d
	case "CopyData":
		m = &pgproto3.CopyData{Data: []byte(k.arg(0))}
	default:
		t.Fatalf("transcript: no server sends %q", k.word)
	}
	return frameOf(t, m)
}

func plainAnswer(word string) wire.Message {
	switch word {
	case "ParseComplete":
		return &pgproto3.ParseComplete{}
	case "BindComplete":
		return &pgproto3.BindComplete{}
	case "CloseComplete":
		return &pgproto3.CloseComplete{}
	case "NoData":
		return &pgproto3.NoData{}
	case "ParameterDescription":
		return &pgproto3.ParameterDescription{}
	case "PortalSuspended":
		return &pgproto3.PortalSuspended{}
	case "EmptyQueryResponse":
		return &pgproto3.EmptyQueryResponse{}
	case "FunctionCallResponse":
		return &pgproto3.FunctionCallResponse{Result: []byte("?")}
	case "CopyInResponse":
		return &pgproto3.CopyInResponse{}
	case "CopyOutResponse":
		return &pgproto3.CopyOutResponse{}
	case "CopyDone":
		return &pgproto3.CopyDone{}
	}
	return nil
}

func frameOf(t testing.TB, m wire.Message) wire.Frame {
	t.Helper()
	b, err := m.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	f, ok, err := wire.Next(b)
	if !ok || err != nil || !f.Whole() {
		t.Fatalf("%T makes no frame: %v", m, err)
	}
	return f
}

// requestText writes a client's message as a transcript has it.
func requestText(t testing.TB, f wire.Frame) string {
	t.Helper()
	switch words := bodyWords(f); f.Type {
	case 'P':
		return describeToken(token{"Parse", []string{words[0], words[1]}})
	case 'B':
		return describeToken(token{"Bind", []string{words[0], words[1]}})
	case 'D':
		return describeToken(token{"Describe", []string{words[0], words[1]}})
	case 'C':
		return describeToken(token{"Close", []string{words[0], words[1]}})
	case 'Q':
		return describeToken(token{"Query", []string{words[0]}})
	}
	return fmt.Sprintf("message %q", f.Type)
}

// answerNames are the messages of a server that have no arguments here.
var answerNames = map[byte]string{
	'1': "ParseComplete", '2': "BindComplete", '3': "CloseComplete", 'n': "NoData", 't': "ParameterDescription",
	's': "PortalSuspended", 'I': "EmptyQueryResponse", 'V': "FunctionCallResponse", 'G': "CopyInResponse",
	'H': "CopyOutResponse", 'c': "CopyDone",
}

// answerText writes a server's message as a transcript has it. Of errors it
// gives the text too where texts is set.
func answerText(t testing.TB, f wire.Frame, texts bool) string {
	t.Helper()
	if name := answerNames[f.Type]; name != "" {
		return name
	}
	var m pgproto3.BackendMessage
	switch f.Type {
	case 'Z':
		return fmt.Sprintf("ReadyForQuery(%s)", f.Body)
	case 'E', 'N':
		return errorText(f, texts)
	case 'C':
		tag, _, _ := wire.CutString(f.Body)
		return fmt.Sprintf("CommandComplete(%q)", tag)
	case 'S':
		name, value, _ := wire.ParameterStatus(f.Body)
		return fmt.Sprintf("ParameterStatus(%s, %q)", name, value)
	case 'A':
		m = &pgproto3.NotificationResponse{}
	case 'T':
		m = &pgproto3.RowDescription{}
	case 'D':
		m = &pgproto3.DataRow{}
	case 'd':
		return fmt.Sprintf("CopyData(%q)", f.Body)
	default:
		return fmt.Sprintf("message %q", f.Type)
	}
	if err := m.Decode(f.Body); err != nil {
		t.Fatal(err)
	}
	return messageText(m)
}

func messageText(m pgproto3.BackendMessage) string {
	var args []string
	switch m := m.(type) {
	case *pgproto3.NotificationResponse:
		return fmt.Sprintf("NotificationResponse(%s, %q)", m.Channel, m.Payload)
	case *pgproto3.RowDescription:
		for _, c := range m.Fields {
			args = append(args, string(c.Name))
		}
		return "RowDescription(" + strings.Join(args, ", ") + ")"
	case *pgproto3.DataRow:
		for _, v := range m.Values {
			args = append(args, string(v))
		}
		return "DataRow(" + strings.Join(args, ", ") + ")"
	}
	return fmt.Sprintf("%T", m)
}

func errorText(f wire.Frame, texts bool) string {
	name := "ErrorResponse"
	if f.Type == 'N' {
		name = "NoticeResponse"
	}
	e := wire.ParseError(f.Body)
	if !texts || f.Type == 'N' {
		return fmt.Sprintf("%s(%s %s)", name, e.Severity, e.Code)
	}
	return fmt.Sprintf("%s(%s %s %q)", name, e.Severity, e.Code, e.Message)
}
