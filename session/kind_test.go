package session

import (
	"strings"
	"testing"
)

// classified are statements and their kinds, for the table test and as a start
// for the fuzzer.
var classified = []struct {
	sql  string
	want kind
}{
	{"", kindEmpty}, {" \t\r\n\f\v", kindEmpty}, {";", kindEmpty}, {" ; ;; ", kindEmpty}, {"-- nothing", kindEmpty},
	{"/* a /* nested */ comment */", kindEmpty}, {"/* not closed", kindEmpty}, {"/* a */;/* b */", kindEmpty},

	{"BEGIN", kindBegin}, {"begin;", kindBegin}, {"Begin Work", kindBegin}, {"START TRANSACTION", kindBegin}, {"\vbegin", kindBegin},
	{"begin transaction isolation level repeatable read, read only, not deferrable", kindBegin},
	{"begin isolation level read uncommitted read write deferrable", kindBegin}, {"start transaction isolation level serializable", kindBegin},
	{"/* trace */ begin -- now", kindBegin}, {"--x\nbegin", kindBegin}, {"--x\rbegin", kindBegin},
	{"begin_something", kindOther}, {"begin1", kindOther}, {"start", kindOther}, {"start slave", kindOther},
	{"begin atomic", kindUnknown}, {"begin isolation level read uncommitted, serializable", kindUnknown}, {"begin ,read only", kindUnknown},
	{"begin read", kindUnknown}, {"begin not", kindUnknown}, {"begin read only,", kindUnknown},

	{"COMMIT", kindCommit}, {"commit;", kindCommit}, {"Commit Work ;", kindCommit}, {"commit transaction", kindCommit}, {"\vcommit\v", kindCommit},
	{"end", kindCommit}, {"END TRANSACTION", kindCommit}, {"commit and no chain", kindCommit},
	{"commit/**/ work/**/and/**/no/**/chain", kindCommit}, {"--x\rcommit", kindCommit}, {"commit -- ; really", kindCommit},
	{"/*/**/*/commit", kindCommit}, {"/*/**/commit", kindEmpty}, {"commit /* ; */", kindCommit},
	{"commit and chain", kindCommitChain}, {"commit work and chain", kindCommitChain}, {"end and chain", kindCommitChain},
	{"prepare transaction 'x'", kindPrepared}, {"prepare s as select 1", kindPrepare},

	{"set role low", kindSet}, {"SET SESSION ROLE low", kindSet}, {"set local role to low", kindSet}, {`set "role" = low`, kindSet}, {"set role=none", kindSet},
	{"reset role", kindSet}, {`RESET "role"`, kindSet}, {"set session authorization app", kindSet}, {"set local session authorization app", kindSet},
	{"reset session authorization", kindSet}, {"set session_authorization to app", kindSet}, {`set u&"rol\0065" to low`, kindSet}, {"discard all", kindSet},
	{"select set_config('role', 'low', false)", kindSet}, {"SELECT SET_CONFIG ($1, $2, true)", kindSet}, {"select set_config( 'session_authorization', 'a', true)", kindSet},
	{"with x as (select set_config('a.b', 'c', true)) select set_config('role', 'low', false)", kindSet}, {"select set_config(lower('ROLE'), 'low', false)", kindSet},
	{"select set_config('app.tenant', '7', true)", kindSet}, {"set work_mem = 1", kindSet}, {"reset all", kindSet},
	{"discard plans", kindOther}, {"set session characteristics as transaction read only", kindSet}, {"sets", kindOther},
	{"commit and no", kindUnknown}, {"commit now", kindUnknown}, {"commit to savepoint a", kindUnknown},

	{"ROLLBACK", kindRollback}, {"rollback;", kindRollback}, {"abort", kindRollback}, {"ABORT WORK", kindRollback},
	{"rollback transaction and no chain ; --", kindRollback}, {"rollback -- ; and that is all", kindRollback},
	{"rollback to a", kindRollbackTo}, {"rollback to savepoint a", kindRollbackTo}, {"rollback work to savepoint a", kindRollbackTo},
	{"rollback and chain", kindRollbackChain}, {"rollback_all()", kindOther},

	{"call p()", kindSteps}, {"DO $$begin end$$", kindSteps}, {"do$$begin end$$", kindOther},
	{"vacuum", kindSteps}, {"VACUUM (analyze) t", kindSteps}, {"analyze", kindSteps}, {"analyse t", kindSteps}, {"cluster", kindSteps},
	{"reindex index concurrently i", kindSteps}, {"reindex database d", kindSteps},
	{"create database d", kindSteps}, {"drop database d", kindSteps}, {"alter database d set tablespace t", kindSteps},
	{"create tablespace t location '/x'", kindSteps}, {"drop tablespace t", kindSteps}, {"alter system set work_mem = 1", kindSteps},
	{"create index concurrently i on t(a)", kindSteps}, {"create unique index concurrently on t(a)", kindSteps}, {"drop index concurrently i", kindSteps},
	{"alter table t detach partition p concurrently", kindSteps}, {"create subscription s connection '' publication p", kindSteps},
	{"commit prepared 'x'", kindSteps}, {"rollback prepared 'x'", kindSteps},
	{"create index i on t(a)", kindOther}, {"create unique index i on t(a)", kindOther}, {"drop index i", kindOther}, {"drop table t", kindOther},
	{"alter database d set work_mem = 1", kindOther}, {"alter table t add a int", kindOther}, {"create table t(a int)", kindOther},
	{"alter role r superuser", kindOther}, {"refresh materialized view concurrently v", kindOther},

	{"select 1", kindOther}, {"(select 1)", kindOther}, {"commitment", kindOther},
	{"select my_commit(';')", kindOther}, {"values (1)", kindOther}, {"\xffcommit", kindOther}, {"+commit", kindOther},
	{"savepoint a", kindOther}, {"release a", kindOther}, {"-commit", kindOther}, {"/commit", kindOther}, {`"commit"`, kindOther},
}

func TestClassifyKnowsWhatAStatementDoesToATransaction(t *testing.T) {
	for _, c := range classified {
		if got, _ := classify([]byte(c.sql)); got != c.want {
			t.Errorf("%q is of kind %d, not %d", c.sql, got, c.want)
		}
	}
}

func TestOfALongTextTheBeginningTells(t *testing.T) {
	for sql, want := range map[string]kind{
		"insert into t values (": kindOther, "with x as (": kindOther, "/* x */ select 1": kindOther, "select ": kindOther,
		"create ": kindUnknown, "commit ": kindUnknown, "ins": kindUnknown, "/* a comment that does not": kindUnknown, "do $$": kindUnknown,
	} {
		if got := classifyBeginning([]byte(sql)); got != want {
			t.Errorf("%q is of kind %d, not %d", sql, got, want)
		}
	}
}

// splits are Queries of several statements, with | where they are to be cut.
var splits = []string{
	"select 1;| select 2", "select 1", "select 1;", "select 1;| select 2;", "select ';';| select 2", `select ";";| select 2`,
	"select 'a'';b';| select 2", `select e'a\';b';| select 2`, `select E'\\';| select 2`, `select 'a\';| select 2`,
	"select $$;$$;| select 2", "select $a$;$$;$a$;| select 2", "select $1;| select 2", "select a$b$;| select 2", "select $a;| select 2",
	"select (1;2);| select 3", "select 1 -- ;\n;| select 2", "select 1 /* ; /* ; */ ; */;| select 2", "select 1)/;| select 2", "select 1-1;| select 2",
	"create function f() returns int language sql begin atomic select 1; select 2; end;| select 3",
	"create or replace procedure p() begin atomic select case when true then 1 else 2 end; insert into t values (1); end;| commit",
	"create table begin_(a int);| commit", "begin;| select 1;| end", "create view v as select case when true then 1 end;| commit",
	"select '", "select $$", `select "`, "select 1;| '", `select e'\`, "insert into t values (1);| commit",
}

func TestAQueryIsCutWhereItsStatementsEnd(t *testing.T) {
	for _, c := range splits {
		var got []string
		for rest := []byte(strings.ReplaceAll(c, "|", "")); len(rest) > 0; {
			all := rest
			if rest = nil; !isOne(all) {
				rest, _ = afterFirst(all, true)
			}
			got = append(got, strings.Trim(string(all[:len(all)-len(rest)]), "; "))
		}
		want := strings.Split(c, "|")
		for i := range want {
			want[i] = strings.Trim(want[i], "; ")
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q is cut into %q", c, got)
		}
	}
}

func TestWithoutConformingStringsABackslashEscapes(t *testing.T) {
	sql := []byte(`select 'a\';b'; select 2`)
	if rest, _ := afterFirst(sql, false); string(rest) != "select 2" {
		t.Errorf("cut before %q", rest)
	}
	if rest, _ := afterFirst(sql, true); string(rest) != "b'; select 2" {
		t.Errorf("cut before %q", rest)
	}
}
