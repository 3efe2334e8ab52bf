package proxy_test

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// probe shows what a client has set up, and what others have left to it.
const probe = `select current_setting('search_path'), current_setting('work_mem'), current_setting('statement_timeout'), current_setting('datestyle'),
 current_setting('timezone'), current_setting('application_name'), current_setting('lock_timeout'), current_setting('enable_sort'), current_user, session_user,
 (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
 (select count(*) from pg_class where relnamespace = pg_my_temp_schema()) as tables, (select count(*) from pg_cursors where is_holdable) as cursors`

// ofSession are statements of which nothing stays but what the session has.
var ofSession = []string{
	"begin", "begin", "savepoint s", "savepoint s", "rollback to s", "release s", "rollback", "commit", "select 1/0",
	"set lock_timeout = '700s'", "set local lock_timeout = '800s'", "reset lock_timeout", "set enable_sort = off", "set local enable_sort = on", "reset enable_sort",
	"set statement_timeout = '900s'", "set local statement_timeout = '901s'", "select set_config('search_path', 'public', true)", "select set_config('datestyle', 'German', false)",
	"select set_config('role', 'diff_low', false)", "select set_config('role', 'diff_low', true)", "set local role diff_low", "reset role", "set session work_mem = '11MB'", "set work_mem to default",
	"create temp table own (i int)", "create temp table own (i int)", "insert into own values (1)", "select count(*) from own", "drop table own", "drop table if exists own", "truncate own",
	"create temp table fleeting (i int) on commit drop", "select count(*) from fleeting", "create temp view seen as select 1 as one", "drop view seen", "drop view if exists seen",
	"declare held cursor with hold for select generate_series(1, 9)", "fetch 2 from held", "close held", "close all",
	"discard temp", "discard all", "reset all", "select pg_advisory_unlock_all()",
	"select 'ears=' || count(*) from pg_listening_channels()",
}

// setsUp is a step about what a session has.
func (w talker) setsUp() []step {
	switch w.IntN(12) {
	case 0, 1:
		return []step{plainly(q(probe))}
	case 2:
		return w.listens()
	case 3:
		return []step{plainly(syncs()), plainly(q("select pg_sleep(30)")).as(deedSleep)}
	case 4:
		return []step{plainly(syncs()), plainly(q("rollback")), plainly(q("select count(*) from generate_series(1, 3000)")).as(deedRace)}
	case 5:
		cut := plainly(w.batch()...).as(deedCut)
		cut.bytes = w.IntN(pick(w, 6, len(encoded(cut.messages))+1)) // often at rest, or in the middle of a transaction
		return []step{cut}
	case 6:
		return []step{plainly(w.batch()...)}
	case 7, 8:
		return []step{plainly(q(w.locks()))}
	}
	return []step{plainly(w.one()...)}
}

func (s step) as(d deed) step {
	s.deed = d
	return s
}

// locks are of the client's own, as others would wait for it.
func (w talker) locks() string {
	key := 100 + w.schema[len(w.schema)-1]
	return fmt.Sprintf(pick(w, "select pg_advisory_lock(%d)", "select pg_advisory_lock_shared(%d)", "select pg_advisory_unlock(%d)",
		"select pg_advisory_unlock_shared(%d)", "select pg_advisory_xact_lock(%d)"), key)
}

// one is a statement of the session, in either protocol.
func (w talker) one() messages {
	sql := pick(w, ofSession...)
	switch w.IntN(4) {
	case 0:
		return messages{parse(sql), bind(), &pgproto3.Execute{MaxRows: pick[uint32](w, 0, 0, 1)}, syncs()}
	case 1:
		name := fmt.Sprint("own ", w.IntN(3))
		return messages{closing(name), parseAs(name, sql), bindTo(name), execute(), syncs()}
	case 2:
		return messages{q(sql + "; " + pick(w, ofSession...))}
	}
	return messages{q(sql)}
}

// batch is several of them, sent at once.
func (w talker) batch() (m messages) {
	for range 1 + w.IntN(3) {
		m = append(m, w.one()...)
	}
	return m
}

// listens is about channels: one that is the client's own, and one that all have.
// An UNLISTEN stands in no transaction, as behind a ROLLBACK TO nobody knows of it.
func (w talker) listens() []step {
	own := "ears_" + w.schema
	notify := fmt.Sprintf("'%s %d'", w.schema, w.IntN(1_000_000_000))
	switch w.IntN(6) {
	case 0:
		return []step{plainly(q("rollback")), plainly(q(pick(w, "unlisten *", "unlisten "+own, "unlisten ears_all")))}
	case 1:
		return []step{plainly(q("listen ears_all"))}
	case 2:
		return []step{plainly(q("notify ears_all, " + notify))}
	case 3:
		return []step{plainly(parse("select pg_notify('"+own+"', $1)"), bind(strings.Trim(notify, "'")), execute(), syncs())}
	case 4:
		return []step{plainly(q("notify " + own + ", " + notify))}
	}
	return []step{plainly(q("listen " + own))}
}

// heard checks the notifications: what a client sends to its own channel it hears
// as it would, and what all hear somebody has sent, once.
func (w *world) heard(what string, talks []dialogue, want, got []*said) {
	w.t.Helper()
	for i, talk := range talks {
		if got[i].err != nil || len(got[i].lines) != len(want[i].lines) {
			continue
		}
		own := "ears_" + talk.schema + "\x00"
		if g, m := ofChannel(got[i].heard, own), ofChannel(want[i].heard, own); g != m {
			w.t.Fatalf("%s, client %d heard of itself\n%q\nand not\n%q\n%s\n%s", what, i, g, m, transcripts(talk, want[i], got[i]), conversationText(talks))
		}
		seen := map[string]bool{}
		for _, n := range got[i].heard {
			_, payload, _ := strings.Cut(n, "\x00")
			if seen[n] || !strings.Contains(conversationText(talks), strings.Trim(payload, "\x00")) {
				w.t.Fatalf("%s, client %d heard %q, which nobody has sent, or twice", what, i, n)
			}
			seen[n] = true
		}
	}
}

func ofChannel(heard []string, channel string) string {
	var own []string
	for _, n := range heard {
		if strings.HasPrefix(n, channel) {
			own = append(own, n)
		}
	}
	return strings.Join(own, " ")
}
