package corpus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// turn is one client's in a conversation: what it sends in one go, up to a Sync or a Query.
type turn struct {
	client   int
	messages []pgproto3.FrontendMessage
}

// ask is a Query; {pid} in it is the process id that the client was told.
func ask(client int, sql string) turn {
	return turn{client, []pgproto3.FrontendMessage{&pgproto3.Query{String: sql}}}
}

// parse and execute are what drivers do with a statement in two turns.
func parse(client int, name, sql string) turn {
	return turn{client, []pgproto3.FrontendMessage{&pgproto3.Parse{Name: name, Query: sql}, &pgproto3.Describe{ObjectType: 'S', Name: name}, &pgproto3.Sync{}}}
}

func execute(client int, name string) turn {
	return turn{client, []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: name}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}}}
}

// conversations are about prepared statements of the protocol, of which the scripts have none.
var conversations = []struct {
	name  string
	turns []turn
}{
	{"a named one, on both servers", []turn{parse(0, "s", "select 'of a'"), ask(1, "begin"), execute(0, "s"), ask(2, "begin"), ask(1, "commit"), execute(0, "s"), ask(2, "commit")}},
	{"the same name by two clients", []turn{parse(0, "s", "select 'of a'"), parse(1, "s", "select 'of b'"), execute(0, "s"), execute(1, "s")}},
	{"a name that is taken", []turn{parse(0, "s", "select 1"), parse(0, "s", "select 2"), execute(0, "s")}},
	{"a name that is unknown", []turn{execute(0, "unknown"), ask(0, "select 1")}},
	{"EXECUTE of it", []turn{parse(0, "s", "select 1"), ask(0, "execute s")}},
	{"DEALLOCATE of it", []turn{parse(0, "s", "select 1"), ask(0, "deallocate s"), execute(0, "s")}},
	{"DEALLOCATE ALL", []turn{parse(0, "s", "select 1"), ask(0, "deallocate all"), execute(0, "s")}},
	{"a table that changes", []turn{ask(0, "create table t as select 1 as a"), parse(0, "s", "select * from t"), execute(0, "s"), ask(0, "alter table t add b int"), execute(0, "s")}},
	{"... and the statement made anew", []turn{ask(0, "create table t as select 1 as a"), parse(0, "s", "select * from t"), execute(0, "s"), ask(0, "alter table t add b int"), parse(0, "r", "select * from t"), execute(0, "r")}},
	{"an unnamed one, run in a second transaction", []turn{parse(0, "", "select 'of a'"), parse(1, "", "select 'of b'"), execute(0, "")}},
	{"an error in a pipeline", []turn{{0, []pgproto3.FrontendMessage{
		&pgproto3.Parse{Query: "select 1/0"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Parse{Query: "select 2"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{},
	}}, ask(0, "select 3")}},
	{"rows by and by", []turn{{0, []pgproto3.FrontendMessage{
		&pgproto3.Parse{Query: "select generate_series(1, 5)"}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 2}, &pgproto3.Execute{MaxRows: 2}, &pgproto3.Sync{},
	}}}},
	{"the process id that a client is told", []turn{ask(0, "select count(*) from pg_stat_activity where pid = {pid}")}},
	{"a function call", []turn{{0, []pgproto3.FrontendMessage{&pgproto3.FunctionCall{Function: 1299, ResultFormatCode: 0}}}}}, // now()
}

// converse plays the turns on connections of their own, and returns what was said in each.
func (s *scene) converse(turns []turn, m mode) (said []string) {
	s.t.Helper()
	s.clear()
	var clients [3]*client
	for i := range clients {
		c, _, err := connect(s.addresses[m], "app", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		defer c.close()
		clients[i] = c
	}
	for _, turn := range turns {
		c := clients[turn.client]
		if c.ended {
			said = append(said, "not sent")
			continue
		}
		if q, ok := turn.messages[0].(*pgproto3.Query); ok {
			turn = ask(turn.client, strings.ReplaceAll(q.String, "{pid}", fmt.Sprint(c.pid)))
		}
		lines := c.exchange(nil, turn.messages...)
		said = append(said, strings.Join(lines, "; "))
	}
	return said
}

// printConversations prints which of them go otherwise behind a PgBouncer.
func (s *scene) printConversations() {
	s.t.Helper()
	for _, talk := range conversations {
		want := s.converse(talk.turns, direct)
		stop := s.startPgBouncer()
		got := s.converse(talk.turns, pgbouncer)
		stop()
		if slices.Equal(want, got) {
			fmt.Printf("%s: the same\n", talk.name)
			continue
		}
		for i := range want {
			if want[i] != got[i] {
				fmt.Printf("%s: turn %d differs\n    directly: %s\n    PgBouncer: %s\n", talk.name, i+1, want[i], got[i])
			}
		}
	}
}
