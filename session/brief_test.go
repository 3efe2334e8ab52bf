package session

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// What may begin at a leader that is about to stop.
func TestWhatIsBriefIsOneStatementThatReads(t *testing.T) {
	for sql, brief := range map[string]bool{
		"select 1": true, "/* x */ SELECT 1": true, "table t": true, "values (1)": true, "show work_mem": true,
		"insert into t values (1)": false, "update t set a = 1; delete from t": false, "select 1; begin": false, "with x as (delete from t) select 1": false,
		"begin": false, "start transaction": false, "begin; select 1; commit": false, "vacuum t": false, "call p()": false, "commit": false, "": false,
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
