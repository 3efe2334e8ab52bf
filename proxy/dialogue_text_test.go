package proxy_test

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// transcripts shows a dialogue with both answers side by side.
func transcripts(c dialogue, want, got *said) string {
	var s strings.Builder
	fmt.Fprintf(&s, "user %s, schema %s\n", c.user, c.schema)
	for i, step := range c.steps {
		fmt.Fprintf(&s, "# %d\n", i+1)
		fmt.Fprint(&s, stepText(step))
		w, g := want.of(i), got.of(i)
		if strings.Join(w, "\n") == strings.Join(g, "\n") {
			for _, l := range w {
				fmt.Fprintf(&s, "      < %s\n", l)
			}
			continue
		}
		for _, l := range w {
			fmt.Fprintf(&s, "      direct  < %s\n", l)
		}
		for _, l := range g {
			fmt.Fprintf(&s, "      portero < %s\n", l)
		}
	}
	fmt.Fprintf(&s, "ends: direct %v, portero %v\n", want.err, got.err)
	return s.String()
}

func (s *said) of(step int) []string {
	if step >= len(s.upTo) {
		return nil
	}
	from := 0
	if step > 0 {
		from = s.upTo[step-1]
	}
	return s.lines[from:s.upTo[step]]
}

// conversationText is a conversation on paper: what begins with # is for the reader,
// a line that begins with a blank is a message, and the others say what is done
// with those below them.
func conversationText(talks []dialogue) string {
	var s strings.Builder
	for _, talk := range talks {
		fmt.Fprintf(&s, "client %q %q\n", talk.user, talk.schema)
		for _, step := range talk.steps {
			s.WriteString(stepText(step))
		}
	}
	return s.String()
}

func stepText(s step) string {
	var b strings.Builder
	b.WriteString(string(s.deed))
	if s.deed == deedCut {
		fmt.Fprintf(&b, " %d", s.bytes)
	}
	b.WriteByte('\n')
	for _, m := range s.messages {
		fmt.Fprintf(&b, "    %s\n", request(m))
	}
	return b.String()
}

// request is a client's message on paper.
func request(m pgproto3.FrontendMessage) string {
	switch m := m.(type) {
	case *pgproto3.Query:
		return fmt.Sprintf("Query %q", m.String)
	case *pgproto3.Parse:
		return fmt.Sprintf("Parse %q %q%s", m.Name, m.Query, numbers(m.ParameterOIDs))
	case *pgproto3.Bind:
		return fmt.Sprintf("Bind %q %q values%s formats%s results%s", m.DestinationPortal, m.PreparedStatement, values(m.Parameters), numbers(m.ParameterFormatCodes), numbers(m.ResultFormatCodes))
	case *pgproto3.Describe:
		return fmt.Sprintf("Describe %q %q", string(m.ObjectType), m.Name)
	case *pgproto3.Close:
		return fmt.Sprintf("Close %q %q", string(m.ObjectType), m.Name)
	case *pgproto3.Execute:
		return fmt.Sprintf("Execute %q %d", m.Portal, m.MaxRows)
	case *pgproto3.FunctionCall:
		return fmt.Sprintf("FunctionCall %d values%s formats%s result %d", m.Function, values(m.Arguments), numbers(m.ArgFormatCodes), m.ResultFormatCode)
	case *pgproto3.CopyData:
		return fmt.Sprintf("CopyData %q", m.Data)
	case *pgproto3.CopyFail:
		return fmt.Sprintf("CopyFail %q", m.Message)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.") // of which there is nothing else to say
}

func numbers[T int16 | uint16 | uint32](list []T) string {
	var b strings.Builder
	for _, n := range list {
		fmt.Fprintf(&b, " %d", n)
	}
	return b.String()
}

func values(list [][]byte) string {
	var b strings.Builder
	for _, v := range list {
		if v == nil {
			b.WriteString(" null")
		} else {
			fmt.Fprintf(&b, " %q", v)
		}
	}
	return b.String()
}
