package session

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// What a server says to RESET and to what gives the client its own value again, and
// what of it the client hears: "lost" is the server's end.
func TestAResetIsOneQueryToItsClient(t *testing.T) {
	for _, c := range []struct{ name, block, says, hears string }{
		{"back from another value", "I",
			"CommandComplete(RESET) ParameterStatus(TimeZone, UTC) ReadyForQuery(I) RowDescription DataRow CommandComplete(SELECT) ParameterStatus(TimeZone, Tokyo) ReadyForQuery(I)",
			"RESET TimeZone=Tokyo I"},
		{"a value that it had", "I",
			"CommandComplete(RESET) ParameterStatus(TimeZone, Tokyo) ReadyForQuery(I) RowDescription DataRow CommandComplete(SELECT) ParameterStatus(TimeZone, Oslo) ReadyForQuery(I)",
			"RESET I"},
		{"where the server's own is the client's", "I",
			"CommandComplete(RESET) ParameterStatus(TimeZone, Tokyo) ReadyForQuery(I) RowDescription DataRow CommandComplete(SELECT) ReadyForQuery(I)",
			"RESET TimeZone=Tokyo I"},
		{"in a block", "T",
			"CommandComplete(RESET) ParameterStatus(TimeZone, UTC) ReadyForQuery(T) RowDescription DataRow CommandComplete(SELECT) ParameterStatus(TimeZone, Tokyo) ReadyForQuery(T)",
			"RESET TimeZone=Tokyo T"},
		{"of what the client did not give", "I",
			"CommandComplete(RESET) ParameterStatus(DateStyle, ISO) ReadyForQuery(I) RowDescription DataRow CommandComplete(SELECT) ReadyForQuery(I)",
			"RESET DateStyle=ISO I"},
		{"that fails", "I",
			"ErrorResponse(ERROR, 42704, x) ReadyForQuery(I) RowDescription DataRow CommandComplete(SELECT) ReadyForQuery(I)",
			"42704 \"x I"},
		{"lost behind it", "I",
			"CommandComplete(RESET) ParameterStatus(TimeZone, UTC) ReadyForQuery(I) lost",
			"RESET TimeZone=Tokyo I"},
		{"lost before its end", "I",
			"CommandComplete(RESET) ParameterStatus(TimeZone, UTC) ReadyForQuery(I) RowDescription DataRow CommandComplete(SELECT) lost",
			"RESET TimeZone=Tokyo I"},
		{"lost in a block", "T",
			"CommandComplete(RESET) ReadyForQuery(T) lost",
			"RESET T"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Session
			base := Settings{}.With("timezone", "Tokyo")
			s.Reset(Rest{Settings: base.With("timezone", "Oslo"), Base: base})
			s.Serve(serverDefaults, &Memory{})
			if c.block == "T" {
				whatIsHeard(t, &s, "begin", "CommandComplete(BEGIN) ReadyForQuery(T)")
			}
			if got := whatIsHeard(t, &s, "reset timezone", c.says); got != c.hears {
				t.Errorf("the client hears %q, not %q", got, c.hears)
			}
			if value, _ := s.Settings().Get("timezone"); value != "Tokyo" && strings.Contains(c.hears, "Tokyo") {
				t.Errorf("its time zone is %s", value)
			}
			if strings.HasSuffix(c.says, "lost") && c.block == "T" {
				if s.FromClient(frameOf(t, ask("select 1")), false) != Answer || !strings.Contains(string(s.Reply), wire.ConnectionFailure) {
					t.Errorf("a lost block answers %q", s.Reply)
				}
			}
		})
	}
}

// whatIsHeard shows a session a Query and what its server says to it, and returns in words
// what the client hears.
func whatIsHeard(t *testing.T, s *Session, sql, says string) string {
	t.Helper()
	query := frameOf(t, &pgproto3.Query{String: sql})
	if v := s.FromClient(query, true); v != Forward {
		t.Fatalf("%s: verdict %d", sql, v)
	}
	s.Send(query)
	var heard []string
	hear := func(f wire.Frame) {
		text := answerText(t, f, true)
		if name, value, ok := wire.ParameterStatus(f.Body); ok && f.Type == 'S' {
			text = name + "=" + value
		}
		heard = append(heard, strings.NewReplacer(`CommandComplete("`, "", `")`, "", "ReadyForQuery(", "", "ErrorResponse(ERROR ", "", ")", "").Replace(text))
	}
	replies := func() {
		for b := s.Reply; len(b) > 0; {
			f, _, err := wire.Next(b)
			if err != nil {
				t.Fatal(err)
			}
			hear(f)
			b = b[wire.HeaderLen+f.Size:]
		}
		s.Reply = s.Reply[:0]
	}
	for _, k := range tokens(t, strings.TrimSuffix(says, "lost")) {
		f := serverFrame(t, k)
		switch v := s.FromServer(f); v {
		case Forward:
			hear(f)
		case Answer:
			replies()
		case Discard:
		default:
			t.Fatalf("%s: verdict %d, %v", k.word, v, s.Fault)
		}
	}
	if strings.HasSuffix(says, "lost") {
		s.Lose(nil)
		replies()
	}
	return strings.Join(heard, " ")
}
