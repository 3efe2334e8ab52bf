package session

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	temp     = hints(PinTemp)
	cursor   = hints(PinCursor)
	lock     = hints(PinLock)
	sqlPlan  = hints(PinPrepared)
	slot     = hints(PinSlot)
	sequence = hints(PinSequence)
	library  = hints(PinLibrary)
	function = hints(PinFunction)
)

// shown is what statements show of themselves.
var shown = []struct {
	sql  string
	want hints
}{
	{"select abalance from pgbench_accounts where aid = 1", 0},
	{"", 0},
	{"create temp table t(a int)", temp},
	{"CREATE TEMPORARY TABLE t(a int)", temp},
	{"create local temp table t(a int)", temp},
	{"create or replace temp view v as select 1", temp},
	{"create/* a */temp table t()", temp},
	{"create -- a\n temp table t()", temp},
	{"create -- a\rtemp table t()", temp},
	{"create\n\ttemporary\nsequence s", temp},
	{"create temp table t() on commit drop", temp | fleeting},
	{"create temp table t() on commit delete rows", temp},
	{"select * into temp t from u", temp},
	{"select 1 into temporary t", temp},
	{"create table pg_temp.t()", temp},
	{"create function PG_TEMP.f() returns int return 1", temp},
	{`create type "pg_temp".e as enum ()`, temp},
	{"drop table pg_temp_3.t", temp},
	{"do $$begin execute 'create temp table x()'; end$$", temp},
	{"do $$create temp table x()$$", temp},
	{"explain analyze create temp table x as select 1", temp},
	{"select temp, temporary from weather", 0},
	{"select attempt, template, not_pg_temp from weather", 0},
	{"insert into weather (temp) values (1)", 0},
	{"-- into\nselect a, temp from weather", 0},
	{"declare c cursor with hold for select 1", cursor},
	{"DECLARE c CURSOR WITH/**/HOLD FOR SELECT 1", cursor},
	{"declare c cursor with -- a\nhold for select 1", cursor},
	{"declare c cursor without hold for select 1", 0},
	{"select threshold, hold, household from t", 0},
	{"select pg_advisory_lock(1)", lock},
	{"select pg_try_advisory_lock_shared(1, 2)", lock},
	{`select "pg_advisory_lock"(1)`, lock},
	{"SELECT PG_ADVISORY_LOCK(1)", lock},
	{"select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(2)", 0},
	{"select pg_advisory_unlock(1)", frees},
	{"select pg_advisory_unlock_all()", frees},
	{"select advice from t", 0},
	{"prepare p as select 1", sqlPlan},
	{"PREPARE p(int, text) AS SELECT $1", sqlPlan},
	{`prepare "a b" as select 1`, sqlPlan},
	{"prepare/**/p/**/as select 1", sqlPlan},
	{"do $$begin execute format('prepare %I as select 1', 'p'); end$$", sqlPlan},
	{"prepare transaction 'x'", 0},
	{"select prepare, prepared from recipes", 0},
	{"load 'auto_explain'", library},
	{"/* a */ LOAD $$auto_explain$$", library},
	{"do $$begin load 'auto_explain'; end$$", library},
	{"select 'the load', load, upload, load_avg from t", 0},
	{"select currval('s'), lastval()", sequence},
	{"select pg_catalog.currval ('s')", sequence},
	{`select "lastval"()`, sequence},
	{"select currval/* a */('s')", sequence},
	{"select last_value, current_timestamp, currval, nextval('s') from s", 0},
	{"select dblink_connect('x', 'dbname=a')", function},
	{"select dblink_connect_u('x', 'dbname=a')", function},
	{"select dblink('dbname=a', 'select 1')", 0},
	{"select pg_backup_start('a')", function},
	{"select pg_start_backup('a', false, false)", function},
	{"select backup, pg_backup_stop() from t", 0},
	{"select pg_create_physical_replication_slot('a', true, true)", slot | frees},
	{"select pg_drop_replication_slot('a')", slot | frees},
	{"select * from pg_replication_slots", 0},
	{"select set_config('a.b', 'c', false)", sets},
	{"SELECT Set_Config('a.b', 'c', false)", sets},
	{"select set_config('a.b', 'c', false), pg_advisory_lock(1)", sets | lock},
}

func TestStatementsShowWhatTheyDoToTheirSession(t *testing.T) {
	for _, c := range shown {
		for _, before := range []string{"", " ", "  "} { // wherever the pairs fall
			if _, got := classify([]byte(before + c.sql)); got != c.want {
				t.Errorf("%q shows %s, want %s", before+c.sql, inWords(got), inWords(c.want))
			}
		}
		for pad := range 3 {
			sql := strings.Repeat("x", pad) + " " + c.sql
			if got := mentions([]byte(sql)); c.want&library == 0 && got != c.want {
				t.Errorf("%q shows %s, want %s", sql, inWords(got), inWords(c.want))
			}
		}
	}
}

func inWords(h hints) string {
	s := h.pins().String()
	for bit, word := range map[hints]string{sets: "sets", frees: "frees", resets: "resets", fleeting: "fleeting"} {
		if h&bit != 0 {
			s += " " + word
		}
	}
	return "(" + s + ")"
}

// FuzzMentions looks for words in any text, and holds each one that was found
// against a search that is as plain as can be.
func FuzzMentions(f *testing.F) {
	for _, c := range shown {
		f.Add([]byte(c.sql))
	}
	f.Fuzz(func(t *testing.T, sql []byte) {
		got := mentions(sql)
		if bare := withoutStrings(sql, len(sql)%2 == 0); len(bare) != len(sql) {
			t.Errorf("%q becomes %q", sql, bare)
		}
		lower := strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r | 0x20
			}
			return r
		}, string(sql))
		has := func(words ...string) bool {
			for _, w := range words {
				if strings.Contains(lower, w) {
					return true
				}
			}
			return false
		}
		for _, c := range []struct {
			shows hints
			words []string
			sure  bool // any of these words shows it; else only they do
		}{
			{sets, []string{"set_config"}, true}, {lock, []string{"advisory_lock"}, true}, {function, []string{"dblink_connect"}, true},
			{function, []string{"dblink_connect", "pg_start_backup", "pg_backup_start"}, false},
			{temp, []string{"temp"}, false}, {cursor, []string{"hold"}, false}, {sequence, []string{"currval", "lastval"}, false},
			{sqlPlan, []string{"prepare"}, false}, {library, []string{"load"}, false}, {slot, []string{"replication_slot"}, false},
		} {
			if found := got&c.shows != 0; found != has(c.words...) && found != c.sure {
				t.Errorf("%q shows %s", sql, inWords(got))
			}
		}
	})
}

// A text full of words that have to be looked at costs no more than its length.
func BenchmarkAStatementFullOfSuchWords(b *testing.B) {
	for _, word := range []string{"prepare/* ", "currval/* ", "temp ", "load ", "into temp ", "create temp ", "with\nhold", "--\ntemp "} {
		sql := []byte("select " + strings.Repeat(word, 16<<10/len(word)))
		b.Run(strings.TrimSpace(word), func(b *testing.B) {
			b.SetBytes(int64(len(sql)))
			for b.Loop() {
				mentions(sql)
			}
		})
	}
}

func BenchmarkAPlainQuery(b *testing.B) {
	var s Session
	s.Reset(Rest{})
	f := frameOf(b, &pgproto3.Query{String: "select abalance from pgbench_accounts where aid = 1"})
	for b.Loop() {
		s.query(f)
	}
}
