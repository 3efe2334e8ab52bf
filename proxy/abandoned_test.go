package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A backend that works or waits does not notice that its client has gone. What it was at for
// one that dies is cancelled, so that no lock is held for nobody, here or on any other node.
func TestWhatAClientThatDiesWasAtIsCancelled(t *testing.T) {
	w := start(t, size(3))
	w.once("drop table if exists abandoned")
	w.once("create table abandoned (x int)")
	w.once("insert into abandoned values (1)")
	t.Cleanup(func() { w.once("drop table abandoned") })
	const long = "select pg_sleep(600) /* abandoned */"
	for name, c := range map[string]struct {
		begun []pgproto3.FrontendMessage // answered before the client dies
		tells string
		sent  []pgproto3.FrontendMessage // not answered
		waits string                     // what the backend waits for then
	}{
		"a query":                          {nil, "", queries(long), "PgSleep"},
		"several statements":               {nil, "", queries("update abandoned set x = 2; " + long + "; select 2"), "PgSleep"},
		"in a transaction":                 {queries("begin; update abandoned set x = 2"), "C(BEGIN) C(UPDATE_1) Z(T)", queries(long), "PgSleep"},
		"the extended way":                 {nil, "", extended(long, &pgproto3.Sync{}), "PgSleep"},
		"... in a transaction":             {queries("begin; update abandoned set x = 2"), "C(BEGIN) C(UPDATE_1) Z(T)", extended(long, &pgproto3.Sync{}), "PgSleep"},
		"... without a Sync":               {nil, "", extended(long, &pgproto3.Flush{}), "PgSleep"},
		"... in a pipeline":                {nil, "", append(extended("update abandoned set x = 2 /* abandoned */", &pgproto3.Sync{}), extended(long, &pgproto3.Sync{})...), "PgSleep"},
		"a COPY to it":                     {nil, "", queries("copy (select repeat('x', 1000) from generate_series(1, 1000000) /* abandoned */) to stdout"), "ClientWrite"},
		"a COPY that works":                {nil, "", queries("copy (select pg_sleep(600) /* abandoned */) to stdout"), "PgSleep"},
		"a COPY from it":                   {queries("copy abandoned from stdin /* abandoned */"), "G", []pgproto3.FrontendMessage{&pgproto3.CopyData{Data: []byte("7\n")}}, "ClientRead"},
		"a lock":                           {nil, "", queries("lock table abandoned /* abandoned */; select 1"), "relation"},
		"a row's lock":                     {nil, "", queries("update abandoned set x = 3 /* abandoned */"), "transactionid"},
		"... that a transaction waits for": {queries("begin"), "C(BEGIN) Z(T)", queries("update abandoned set x = 3 /* abandoned */"), "transactionid"},
	} {
		t.Run(name, func(t *testing.T) {
			var holder *raw
			if c.waits == "relation" || c.waits == "transactionid" {
				holder = w.dial()
				holder.ask("C(BEGIN) C(UPDATE_1) Z(T)", q("begin; update abandoned set x = 4"))
			}
			r := w.dial()
			if c.begun != nil {
				r.ask(c.tells, c.begun...)
			}
			r.send(c.sent...)
			const at = " from pg_stat_activity where query like '%/* abandoned */%' and pid <> pg_backend_pid()"
			eventually(t, "it is at work", func() bool {
				return strings.Contains(superuser(t, "select string_agg(wait_event, ' ')"+at+" and state = 'active'"), c.waits)
			})
			r.conn.Close()
			eventually(t, "nothing is at work", func() bool { return superuser(t, "select count(*)"+at+" and state <> 'idle'") == "0" })
			if holder != nil {
				holder.ask("C(ROLLBACK) Z(I)", q("rollback"))
				holder.quit()
			}
			next := w.dial()
			next.ask("C(SET) C(UPDATE_1) Z(I)", q("set local lock_timeout = '20s'; update abandoned set x = 1"))
			next.quit()
			eventually(t, "all servers are free", func() bool {
				return superuser(t, "select count(*) from pg_stat_activity where usename = 'app' and state <> 'idle'") == "0"
			})
		})
	}
}

func queries(all ...string) (messages []pgproto3.FrontendMessage) {
	for _, sql := range all {
		messages = append(messages, q(sql))
	}
	return messages
}

func extended(sql string, end pgproto3.FrontendMessage) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Parse{Query: sql}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, end}
}
