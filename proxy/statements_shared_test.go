package proxy_test

import (
	"fmt"
	"strings"
	"testing"
)

// A server keeps the statements that were used last, and no more than it may.
func TestServersForgetStatementsThatAreNotUsed(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	for i := range 500 {
		name, sql := fmt.Sprint("n", i), fmt.Sprintf("select %d", i)
		a.ask("1 Z(I)", parseAs(name, sql), syncs())
		if got := a.converse(runs("n0")); !strings.Contains(got, "D(0)") {
			t.Fatal(got)
		}
	}
	if n := b.value("select count(*) <= 200 from pg_prepared_statements"); n != "t" {
		t.Errorf("the server has %s statements", b.value("select count(*) from pg_prepared_statements"))
	}
	for i := range 500 {
		if got, want := a.converse(runs(fmt.Sprint("n", i))), fmt.Sprintf("2 T D(%d) C(SELECT_1) Z(I)", i); got != want {
			t.Fatalf("n%d: %s", i, got)
		}
	}
}

// Clients with equal statements share a server's, whatever they call them.
func TestEqualStatementsAreShared(t *testing.T) {
	w := start(t, size(1))
	for i := range 5 {
		c := w.dial("application_name", fmt.Sprint("client ", i))
		c.ask("1 Z(I)", parseAs(fmt.Sprint("mine", i), "select 42"), syncs())
		if got := c.converse(runs(fmt.Sprint("mine", i))); !strings.Contains(got, "D(42)") {
			t.Error(got)
		}
	}
	if n := w.dial().value("select count(*) from pg_prepared_statements where statement = 'select 42'"); n != "1" && n != "2" { // one may be left to be closed
		t.Errorf("the server has it %s times", n)
	}
}

// What a text means depends on the search_path: clients with another one do not share
// it, or each would be told of a plan whose result has changed.
func TestEqualTextsUnderAnotherSearchPathAreOtherStatements(t *testing.T) {
	onServer(t, "create schema east", "create schema west", "create table east.kind as select 'east' as k", "create table west.kind as select 7 as k, 8 as l",
		"grant usage on schema east, west to app", "grant select on east.kind, west.kind to app")
	defer onServer(t, "drop schema east cascade", "drop schema west cascade")
	w := start(t, size(1))
	east, west := w.dial("options", "-c search_path=east"), w.dial()
	west.query("set search_path = west")
	for _, c := range []*raw{east, west} {
		c.ask("1 1 Z(I)", parseAs("s", "select * from kind"), parse("select * from kind"), syncs())
	}
	for range 3 {
		for _, name := range []string{"s", ""} {
			east.ask("2 D(east) C(SELECT_1) Z(I)", bindTo(name), execute(), syncs())
			west.ask("2 D(7,8) C(SELECT_1) Z(I)", bindTo(name), execute(), syncs())
		}
	}
}

// So it does on what else literals and conditions are read by.
func TestEqualTextsUnderSettingsThatReadThemAreOtherStatements(t *testing.T) {
	for _, c := range []struct{ set, sql, usual, other string }{
		{"array_nulls = off", "select '{null}'::text[]", "{NULL}", `{"null"}`},
		{"transform_null_equals = on", "select (null = null) is null", "t", "f"},
		{"timezone_abbreviations = 'Australia'", "select extract(hour from timestamptz '2024-01-02 03:04:05 EST' at time zone 'UTC')", "8", "17"},
	} {
		t.Run(c.set, func(t *testing.T) {
			w := start(t, size(1))
			a, b := w.dial(), w.dial()
			b.query("set " + c.set)
			for _, r := range []*raw{a, b} {
				r.ask("1 Z(I)", parseAs("s", c.sql), syncs())
			}
			for range 2 {
				a.ask("2 D("+c.usual+") C(SELECT_1) Z(I)", bindTo("s"), execute(), syncs())
				b.ask("2 D("+c.other+") C(SELECT_1) Z(I)", bindTo("s"), execute(), syncs())
			}
		})
	}
}

// A client that changes such a setting ahead of any answer, or for its transaction
// only, means something else by a text than others do.
func TestNobodyIsGivenAStatementThatWasReadByAnothersSettings(t *testing.T) {
	const text = "select '04.05.2024'::date::text, '{null}'::text[]"
	const usual, dmy, off = "D(2024-04-05,{NULL})", "D(2024-05-04,{NULL})", `D(2024-04-05,{"null"})`
	set := func(sql string) messages { return messages{parse(sql), bind(), execute()} }
	prepares := messages{parseAs("s", text), syncs()}
	for name, c := range map[string]struct {
		steps []messages
		want  string
	}{
		"in a pipeline":                    {[]messages{append(set("set datestyle = 'ISO, DMY'"), prepares...)}, dmy},
		"in one of several groups":         {[]messages{append(messages{q("set datestyle = 'ISO, DMY'")}, prepares...)}, dmy},
		"in a transaction":                 {[]messages{{q("begin")}, {q("set array_nulls = off")}, prepares, {q("commit")}}, off},
		"for the transaction":              {[]messages{{q("begin; set local array_nulls = off")}, prepares, {q("commit")}}, off},
		"for the transaction, by function": {[]messages{{q("begin")}, append(set("select set_config('array_nulls', 'off', true)"), prepares...), {q("commit")}}, off},
		"that is made anew":                {[]messages{prepares, {q("do $$begin execute 'deallocate all'; end$$")}, {bindTo("s"), syncs()}, append(set("set datestyle = 'ISO, DMY'"), bindTo("s"), execute(), syncs())}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, size(1))
			a, b := w.dial(), w.dial()
			b.ask("1 Z(I)", parseAs("mine", text), syncs())
			for _, step := range c.steps {
				a.converse(step)
			}
			for range 2 {
				b.ask("2 "+usual+" C(SELECT_1) Z(I)", bindTo("mine"), execute(), syncs())
				if got := a.converse(messages{bindTo("s"), execute(), syncs()}); !strings.Contains(got, c.want) {
					t.Errorf("who has prepared it is told %s, want %s", got, c.want)
				}
			}
		})
	}
}

// Where a statement is made anew, its literals are read as they were.
func TestAStatementIsMadeAnewUnderTheSettingsItWasPreparedWith(t *testing.T) {
	for set, c := range map[string]struct{ sql, want string }{
		"xmloption = document": {"select 'no document'::xml", "no_document"},
		"array_nulls = off":    {"select '{null}'::text[]", "{NULL}"},
	} {
		t.Run(set, func(t *testing.T) {
			w := start(t, size(2))
			a, b := w.dial(), w.dial()
			a.ask("1 Z(I)", parseAs("s", c.sql), syncs())
			a.query("set " + set)
			b.query("begin") // has a's server
			a.ask("2 D("+c.want+") C(SELECT_1) Z(I)", bindTo("s"), execute(), syncs())
		})
	}
}
