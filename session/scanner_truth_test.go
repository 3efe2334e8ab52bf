package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// What the scanner reads in a text is held against what PostgreSQL makes of it, for
// texts made up of what is hard to read. What PostgreSQL does not understand either
// says nothing.

// backend is a login on a real server.
func backend(t *testing.T) *pgconn.PgConn {
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	server := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create role low", "create database app"}})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(stop)
	conn, err := pgconn.Connect(ctx, server.SuperuserDSN("app"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) }) //nolint:errcheck // nothing depends on it
	return conn
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

var (
	blanks = []string{" ", "\n", "\t", "/* ; */", "/* ; /* ; */ ; */", "-- ;\n", "--;'\r", "/*'*/", "/**/", " /* $$ */ ", "-- $a$\n"}
	values = []string{
		"1", "'a;b'", "'it''s;'", `e'\';'`, `E'\\;'`, `'\'`, "$$;$$", "$a$;$$;$a$", "$a$ $b$;$a$", "u&'\\003b;'", "b'1'", "n'x;'", "'a'\n';b'",
		"(select 1)", "case when true then ';' end", "1-1", "- -1", "4/2", "2*3", "1::text", "'x'::text", `"current_user"`, "$ä$;$ä$", "'/*;'", "'--;'",
	}
	aliases  = []string{"", "", " as a", ` as "a;b"`, ` as "a"";"`, " as a$b$", " a1$", ` as u&"\003b;"`, " as éa"}
	wreckage = []string{"'", `"`, "$", "$$", "\\", ";", "--", "/*", "*/", "(", ")", "e", "E'", "$1", "u&"}
)

// someStatements is text of one statement or more, some of it broken.
func someStatements(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(3) {
		b.WriteString(pick(r, []string{"", "", ";", pick(r, blanks)}) + "select" + pick(r, blanks))
		for i := range 1 + r.IntN(3) {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(pick(r, append(blanks, "")) + pick(r, values) + pick(r, append(blanks, "", "")) + pick(r, aliases))
		}
		b.WriteString(pick(r, []string{";", "; ", ";;", "\n;", ";--\n"}))
	}
	text := b.String()
	if r.IntN(3) == 0 {
		at := r.IntN(len(text) + 1)
		text = text[:at] + pick(r, wreckage) + text[at:]
	}
	if r.IntN(4) == 0 {
		text = strings.TrimRight(text, "; \n-")
	}
	return text
}

func TestTextsAreCutAsPostgreSQLCutsThem(t *testing.T) {
	conn := backend(t)
	for _, conforming := range []bool{true, false} {
		run(t, conn, fmt.Sprintf("set standard_conforming_strings = %v; set escape_string_warning = off; set backslash_quote = on", conforming))
		seed, understood := rand.Uint64(), 0
		r := rand.New(rand.NewPCG(seed, 0))
		for range 3000 {
			text := someStatements(r)
			results, err := conn.Exec(t.Context(), text).ReadAll()
			if err != nil {
				var refused *pgconn.PgError
				if !errors.As(err, &refused) {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			understood++
			want := len(results)
			if want == 1 && results[0].CommandTag.String() == "" {
				want = 0 // EmptyQueryResponse
			}
			if n := statementsIn(text, conforming); n != want {
				t.Errorf("conforming %v, seed %d: %q is %d statements, cut into %d", conforming, seed, text, want, n)
			}
		}
		if understood < 500 {
			t.Errorf("PostgreSQL has understood only %d of the texts", understood)
		}
	}
}

func statementsIn(text string, conforming bool) (n int) {
	for rest := skipEmpty([]byte(text)); len(rest) > 0; n++ {
		rest, _ = afterFirst(rest, conforming)
	}
	return n
}

var (
	setWords   = []string{"SET", "set", "Set SESSION", "set/* local */", "--x\nset", ";set", "set session/**/"}
	setNames   = []string{"work_mem", `"work_mem"`, "WORK_MEM", "work_mem/**/", `u&"work\005fmem"`, `U&"work!005fmem" uescape '!'`, "app.x", `"app.x"`, `"app"."x"`, "app . x", "app./*.*/x", "App.X", `app."x"`, "role", `"role"`}
	setValues  = []string{" = '9MB'", " to '9MB'", "='9MB'", " =/**/ '9MB'", " to /* default */ '9MB'", " = none", " = low", " TO e'9\\115B'", " = default", " from current"}
	otherWords = []string{
		"set search_path = app, public", "set schema 'app'", "set session characteristics as transaction read only", "set xml option document", "set role low", "set role 'low'",
		`set role "low"`, "set/**/role/**/low", "set session role low", "reset work_mem", "reset all", "set local work_mem = '9MB'", "set transaction read only", "set time zone 'Europe/Rome'",
		"set names 'UTF8'", "select set_config('work_mem', '9MB', false)", "select pg_catalog.set_config('app.x', 'y', false)", `select "set_config"('work_mem', '9MB', false)`,
		"select set_config('work' || '_mem', '9MB', false)", "select set_config(e'work\\137mem', '9MB', false)", "select set_config($$work_mem$$, '9MB', false)", "select set_config(u&'work\\005fmem', '9MB', false)",
		"select SET_CONFIG ( 'WORK_MEM' , '9MB' , false )", "select set_config('work_mem', '9MB', true)", "select set_config('work_mem'::text, '9MB', false)", "select set_config(n'work_mem', '9MB', false)",
		"values (set_config('work_mem', '9MB', false))", "with a as (select set_config('app.x', '9MB', false)) select * from a",
		"select set_config(setting_name => 'work_mem', new_value => '9MB', is_local => false)", "select set_config(is_local => false, new_value => '9MB', setting_name => 'app.x')",
		"explain analyze select set_config('work_mem', '9MB', false)", "create temp table made as select set_config('work_mem', '9MB', false)", "copy (select set_config('app.x', '9MB', false)) to stdout",
		"select set_config('role', 'low', false)", "select set_config(name, '9MB', false) from (values ('work_mem')) as v (name)", "discard all", "set constraints all deferred",
		"declare c cursor with hold for select set_config('work_mem', '9MB', false)", "prepare p as select set_config('work_mem', '9MB', false)", "select set_config/**/('work_mem', '9MB', false)",
		"do $$begin perform set_config('work_mem', '9MB', false); end$$", "do $$begin set app.x = 'y'; end$$", `do 'begin set "work_mem" = ''9MB''; end'`,
	}
)

// Whatever a statement sets for its session, the scanner names it, or says that it may
// be anything. Left out are a call of U&"set\005fconfig", and UPDATE of pg_settings.
func TestWhatPostgreSQLSetsIsSeenInTheText(t *testing.T) {
	conn := backend(t)
	texts := slices.Clone(otherWords)
	for _, word := range setWords {
		for _, name := range setNames {
			for _, value := range setValues {
				texts = append(texts, word+" "+name+value)
			}
		}
	}
	understood := 0
	for _, text := range texts {
		run(t, conn, "discard all")
		run(t, conn, "reset role")
		if _, err := conn.Exec(t.Context(), text).ReadAll(); err != nil {
			continue
		}
		understood++
		for _, name := range setThere(t, conn) {
			if !isSeen(text, name) {
				t.Errorf("%q sets %s, and that is not seen", text, name)
			}
		}
	}
	if understood < len(texts)/3 {
		t.Errorf("PostgreSQL has understood only %d of %d", understood, len(texts))
	}
}

// setThere is the names of what the session has set.
func setThere(t *testing.T, conn *pgconn.PgConn) (names []string) {
	const question = "select name from pg_settings where source = 'session' union all select 'app.x' where current_setting('app.x', true) <> ''" +
		" union all select 'role' where current_setting('role') <> 'none'"
	results, err := conn.Exec(t.Context(), question).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range results[0].Rows {
		names = append(names, strings.ToLower(string(row[0])))
	}
	return names
}

// isSeen reports whether a session that runs a text knows that it may set a parameter.
func isSeen(text, name string) bool {
	var s Session
	s.Reset(Rest{})
	s.Serve(serverDefaults, &Memory{})
	sql := skipEmpty([]byte(text))
	s.classified(sql, true)
	return s.overfull || reported(name) || name == role && s.asked.role || name != role && slices.Contains(s.asked.names, name) || s.asked.strangers && name != role && !strings.Contains(name, ".")
}

func run(t *testing.T, conn *pgconn.PgConn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
