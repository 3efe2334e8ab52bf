package session

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

var settling = []string{
	"COMMIT PREPARED 'citus_1_1_7_0'", "ROLLBACK PREPARED 'citus_1_1_7_0'", " commit  prepared 'x';", "/* recovery */ ROLLBACK PREPARED 'x'",
	"-- x\ncommit prepared 'x'", "; commit prepared 'x'",
	"SELECT gid FROM pg_prepared_xacts",
	`SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'citus\_%' AND database = current_database()`,
	`SELECT gid FROM pg_prepared_xacts WHERE gid COLLATE pg_catalog.default LIKE 'citus\_0\_%' COLLATE pg_catalog.default AND database = current_database()`,
	"select gid from pg_catalog.pg_prepared_xacts where database = current_database()",
}

// ending settles only between nodes.
var ending = []string{"ROLLBACK", "COMMIT", "abort", "END", "rollback work"}

var notSettling = []string{
	"", " ", "C", "commit prepared", "BEGIN", "PREPARE TRANSACTION 'x'", "COMMIT AND CHAIN", "ROLLBACK TO s", "COMMITS", "commit_prepared('x')",
	"SELECT 1", "SELECT gid FROM x", "SELECT gid, x FROM pg_prepared_xacts", "SELECT gid FROM pg_prepared_xacts, big", "SELECT gid FROM pg_prepared_xactsa",
	"SELECT gid FROM pg_prepared_xacts WHERE x = (SELECT pg_sleep(9))", "SELECT gid FROM pg_prepared_xacts JOIN big USING (x)",
	"SELECT gid FROM pg_prepared_xacts WHERE pg_sleep(1000) IS NULL", "SELECT gid FROM pg_prepared_xacts WHERE mine.current_database() = database",
	"SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND slow()", "SELECT gid FROM pg_prepared_xacts WHERE current_database(1)",
	"'commit prepared'", "UPDATE x SET y = 1", "CREATE TABLE x ()", "RESET ALL", "EXPLAIN SELECT 1",
}

func TestWhatSettlesIsToldFromAllElse(t *testing.T) {
	for want, texts := range map[bool][]string{true: settling, false: notSettling} {
		for _, sql := range texts {
			if sql == "commit prepared" {
				continue // an error, and short
			}
			var s Session
			s.Reset(Rest{})
			b := wire.Append(nil, &pgproto3.Query{String: sql})
			f, _, _ := wire.Next(b)
			s.FromClient(f, false)
			if got := s.Settles(b, false); got != want {
				t.Errorf("%q by a Query: %v", sql, got)
			}
			if more := wire.Append(b, &pgproto3.Query{String: "begin"}); s.Settles(more, true) {
				t.Errorf("%q with another Query behind it settles", sql)
			}
			s.Reset(Rest{})
			b = wire.Append(nil, &pgproto3.Parse{Name: "", Query: sql})
			f, _, _ = wire.Next(b)
			s.FromClient(f, false)
			if got := s.Settles(wire.Append(wire.Append(b, &pgproto3.Bind{}), &pgproto3.Sync{}), false); got != want {
				t.Errorf("%q by a Parse: %v", sql, got)
			}
		}
	}
}

func TestAQueryOfSeveralStatementsDoesNotSettle(t *testing.T) {
	for _, sql := range []string{"COMMIT PREPARED 'x'; BEGIN", "rollback; update x set y = 1", "select gid from pg_prepared_xacts; select pg_sleep(9)"} {
		var s Session
		s.Reset(Rest{})
		b := wire.Append(nil, &pgproto3.Query{String: sql})
		f, _, _ := wire.Next(b)
		s.FromClient(f, false)
		if s.Settles(b, true) {
			t.Errorf("%q settles", sql)
		}
	}
}

func TestToSeeWhatSettlesAllocatesNothing(t *testing.T) {
	var s Session
	s.Reset(Rest{})
	for _, sql := range append(settling, notSettling...) {
		b := wire.Append(nil, &pgproto3.Query{String: sql})
		if n := testing.AllocsPerRun(100, func() { s.Settles(b, true) }); n > 0 {
			t.Errorf("%q: %v allocations", sql, n)
		}
	}
}

func TestABindOfWhatSettlesSettles(t *testing.T) {
	for sql, want := range map[string]bool{"COMMIT PREPARED 'x'": true, "ROLLBACK PREPARED 'x'": true, "VACUUM": false, "SELECT 1": false} {
		var s Session
		var texts Texts
		s.Share(&texts, Limits{Server: 2, Client: 10, ClientBytes: 1 << 20, Bytes: 1 << 20, Settings: 8 << 10})
		s.Reset(Rest{})
		s.name("S_1", texts.statement([]byte(sql+"\x00\x00\x00"), Settings{}), true)
		b := wire.Append(nil, &pgproto3.Bind{PreparedStatement: "S_1"})
		f, _, _ := wire.Next(b)
		s.FromClient(f, false)
		b = wire.Append(wire.Append(b, &pgproto3.Execute{}), &pgproto3.Sync{})
		if got := s.Settles(b, false); got != want {
			t.Errorf("a Bind of %q: %v", sql, got)
		}
	}
}

func TestTheEndOfATransactionThatHasNotBegunSettlesBetweenNodes(t *testing.T) {
	for _, sql := range ending {
		for _, m := range []wire.Message{&pgproto3.Query{String: sql}, &pgproto3.Parse{Query: sql}} {
			var s Session
			s.Reset(Rest{})
			f := frameOf(t, m)
			s.FromClient(f, false)
			b := f.Append(nil)
			if f.Type == 'P' {
				b = wire.Append(wire.Append(wire.Append(b, &pgproto3.Bind{}), &pgproto3.Execute{}), &pgproto3.Sync{})
			}
			for _, between := range []bool{true, false} {
				if got := s.Settles(b, between); got != between {
					t.Errorf("%T of %q, between nodes %v: %v", m, sql, between, got)
				}
			}
		}
	}
}

// The extended protocol can carry anything behind a Parse that settles.
func TestOnlyOneStepOfTheExtendedProtocolSettles(t *testing.T) {
	settle := &pgproto3.Parse{Name: "p", Query: "COMMIT PREPARED 'x'"}
	bind, execute, sync := &pgproto3.Bind{DestinationPortal: "c", PreparedStatement: "p"}, &pgproto3.Execute{Portal: "c"}, &pgproto3.Sync{}
	for name, c := range map[string]struct {
		behind []wire.Message
		want   bool
	}{
		"a step":                      {[]wire.Message{bind, execute, sync}, true},
		"... that is described":       {[]wire.Message{&pgproto3.Describe{ObjectType: 'S', Name: "p"}, bind, &pgproto3.Describe{ObjectType: 'P', Name: "c"}, execute, sync}, true},
		"it is only prepared":         {[]wire.Message{&pgproto3.Describe{ObjectType: 'S', Name: "p"}, sync}, true},
		"there is no Sync yet":        {[]wire.Message{bind, execute}, false},
		"it is flushed":               {[]wire.Message{bind, execute, &pgproto3.Flush{}, sync}, false},
		"another one is parsed":       {[]wire.Message{bind, execute, &pgproto3.Parse{Query: "BEGIN"}, &pgproto3.Bind{}, &pgproto3.Execute{}, sync}, false},
		"another one is bound":        {[]wire.Message{&pgproto3.Bind{DestinationPortal: "c", PreparedStatement: "other"}, execute, sync}, false},
		"... as well":                 {[]wire.Message{bind, execute, &pgproto3.Bind{PreparedStatement: "other"}, sync}, false},
		"another portal is executed":  {[]wire.Message{bind, &pgproto3.Execute{Portal: "other"}, sync}, false},
		"a second portal is executed": {[]wire.Message{bind, execute, &pgproto3.Execute{Portal: "other"}, sync}, false},
		"nothing is bound":            {[]wire.Message{execute, sync}, false},
		"a Query is behind it":        {[]wire.Message{bind, execute, sync, &pgproto3.Query{String: "BEGIN"}}, false},
		"another step is behind it":   {[]wire.Message{bind, execute, sync, settle, bind, execute, sync}, false},
	} {
		var s Session
		s.Reset(Rest{})
		f := frameOf(t, settle)
		s.FromClient(f, false)
		b := f.Append(nil)
		for _, m := range c.behind {
			b = wire.Append(b, m)
		}
		if got := s.Settles(b, false); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
