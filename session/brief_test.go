package session

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// What may begin at a leader that is about to stop: it leaves no block open, and whether
// it was done is known from its answer.
func TestWhatIsBriefOpensNoBlockAndCommitsNothingByItself(t *testing.T) {
	for sql, brief := range map[string]bool{
		"select 1": true, "insert into t values (1)": true, "update t set a = 1; delete from t": true, "set work_mem = '1MB'": true, "": true,
		"begin": false, "start transaction": false, "select 1; begin": false, "begin; select 1; commit": false,
		"vacuum t": false, "call p()": false, "commit": false, "create index concurrently on t (a)": false,
	} {
		var s Session
		s.Reset(Rest{})
		query := frameOf(t, &pgproto3.Query{String: sql})
		s.FromClient(query, false)
		if got := s.IsBrief(query.Append(nil)); got != brief {
			t.Errorf("a Query of %q is brief: %v", sql, got)
		}
		s.Reset(Rest{})
		parse := frameOf(t, &pgproto3.Parse{Query: sql})
		s.FromClient(parse, false)
		if got, one := s.IsBrief(parse.Append(nil)), sql != "select 1; begin" && sql != "update t set a = 1; delete from t" && sql != "begin; select 1; commit"; one && got != brief {
			t.Errorf("a Parse of %q is brief: %v", sql, got)
		}
	}
	var s Session
	s.Reset(Rest{})
	for _, m := range []wire.Message{&pgproto3.Parse{Name: "b", Query: "begin"}, &pgproto3.Parse{Name: "s", Query: "select 1"}, &pgproto3.Sync{}} {
		f := frameOf(t, m)
		s.FromClient(f, true)
		s.Send(f)
	}
	for name, brief := range map[string]bool{"b": false, "s": true} {
		f := frameOf(t, &pgproto3.Bind{PreparedStatement: name})
		s.FromClient(f, true)
		if got := s.IsBrief(f.Append(nil)); got != brief {
			t.Errorf("a Bind of %s is brief: %v", name, got)
		}
	}
}
