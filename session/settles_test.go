package session

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

var settling = []string{
	"COMMIT PREPARED 'citus_1_1_7_0'", "ROLLBACK PREPARED 'citus_1_1_7_0'", " commit  prepared 'x';", "/* recovery */ ROLLBACK PREPARED 'x'",
	"-- x\ncommit prepared 'x'", "; commit prepared 'x'", "ROLLBACK", "COMMIT", "abort", "END", "rollback work",
	"SELECT gid FROM pg_prepared_xacts",
	`SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'citus\_%' AND database = current_database()`,
	`SELECT gid FROM pg_prepared_xacts WHERE gid COLLATE pg_catalog.default LIKE 'citus\_0\_%' COLLATE pg_catalog.default AND database = current_database()`,
	"select gid from pg_catalog.pg_prepared_xacts where database = current_database()",
}

var notSettling = []string{
	"", " ", "C", "commit prepared", "BEGIN", "PREPARE TRANSACTION 'x'", "COMMIT AND CHAIN", "ROLLBACK TO s", "COMMITS", "commit_prepared('x')",
	"SELECT 1", "SELECT gid FROM x", "SELECT gid, x FROM pg_prepared_xacts", "SELECT gid FROM pg_prepared_xacts, big", "SELECT gid FROM pg_prepared_xactsa",
	"SELECT gid FROM pg_prepared_xacts WHERE x = (SELECT pg_sleep(9))", "SELECT gid FROM pg_prepared_xacts JOIN big USING (x)",
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
			if got := s.Settles(b); got != want {
				t.Errorf("%q by a Query: %v", sql, got)
			}
			if more := wire.Append(b, &pgproto3.Query{String: "begin"}); s.Settles(more) {
				t.Errorf("%q with another Query behind it settles", sql)
			}
			s.Reset(Rest{})
			b = wire.Append(nil, &pgproto3.Parse{Name: "", Query: sql})
			f, _, _ = wire.Next(b)
			s.FromClient(f, false)
			if got := s.Settles(wire.Append(wire.Append(b, &pgproto3.Bind{}), &pgproto3.Sync{})); got != want {
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
		if s.Settles(b) {
			t.Errorf("%q settles", sql)
		}
	}
}

func TestToSeeWhatSettlesAllocatesNothing(t *testing.T) {
	var s Session
	s.Reset(Rest{})
	for _, sql := range append(settling, notSettling...) {
		b := wire.Append(nil, &pgproto3.Query{String: sql})
		if n := testing.AllocsPerRun(100, func() { s.Settles(b) }); n > 0 {
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
		if got := s.Settles(b); got != want {
			t.Errorf("a Bind of %q: %v", sql, got)
		}
	}
}
