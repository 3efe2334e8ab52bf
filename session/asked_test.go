package session

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

func TestSetByFindsWhatIsSetForTheSession(t *testing.T) {
	for sql, want := range map[string]string{
		"set work_mem = 1": "work_mem", "SET SESSION Work_Mem TO '4MB'": "work_mem", "reset work_mem": "work_mem", "/* x */ set -- y\n work_mem=1": "work_mem",
		`set "Work_Mem" = 1`: "work_mem", "set app.tenant = '7'": "app.tenant", `set "app" . "te nant" = '7'`: "app.te nant", "; set search_path = a, b": "search_path",
		"set local work_mem = 1": "", "set local role low": "", "set transaction isolation level serializable": "", "set constraints all deferred": "",
		"set time zone 'UTC'": "", "set names 'utf8'": "", "set schema 'x'": "search_path", "set xml option document": "xmloption",
		"set session characteristics as transaction read only": "default_transaction_isolation default_transaction_deferrable",
		"set role low": "role", "set session role low": "role", `set "role" = low`: "role", "set role=none": "role", "reset role": "role",
		"set session authorization app": "role", "reset session authorization": "role", "set session_authorization to app": "role",
		`set u&"rol\0065" to low`: tooMany, `set session a.U&"\0062" to 1`: tooMany, "set u = 1": "u", `set "rol` + "\n": tooMany,
		"reset all": "*", "discard all": "*", "discard plans": "", "discard temp": "",
		"select set_config('role', 'low', false)": "role", "SELECT SET_CONFIG ($1, $2, $3)": tooMany, "select set_config( 'session_authorization', 'a', false)": "role",
		"with x as (select set_config('a.b', 'c', false)) select set_config('Work_Mem', '1MB', false)": "a.b work_mem",
		"select set_config(lower('ROLE'), 'low', false)":                                               tooMany, "select set_config(e'r\\157le', 'x', false)": tooMany, "select set_config('a.' || 'b', 'x', false)": tooMany,
		"select set_config('": tooMany, "select 1": "", "create or replace function f() returns text language sql as $$ select set_config($1, $2, false) $$": "",
		`select pg_catalog."set_config" ('work_mem', '1MB', false)`: "work_mem", `select "set_config"($1, '1MB', false)`: tooMany,
		"select set_config('app.tenant', $1, true)": "", `select "set_config"('a.b', 'x', true)`: "", "select set_config('role', 'low', TRUE ), 1": "", "select set_config('a.b', 'x,(''y', /* ) */ true)": "",
		"select set_config('a.b', f(1, true), false)": "a.b", "select set_config('a.b', 'x', not true)": "a.b", "select set_config('a.b', 'true', $1)": "a.b",
		strings.Repeat("select set_config('a.b', 'x', true), ", maxCalls+1): tooMany, "set": "", "set ;": "", "select set_config('a.b', 'x', true": "a.b", "select set_config('a.b', 'x', (true))": "a.b",
	} {
		if got := strings.Join(setBy([]byte(sql)), " "); got != want {
			t.Errorf("%q sets %q, not %q", sql, got, want)
		}
	}
}

func TestWhatTheServerTellsBecomesTheClientsSetting(t *testing.T) {
	var s Session
	s.Reset(Rest{})
	s.Serve(serverDefaults, nil)
	for _, name := range []string{"work_mem", "timezone", "a'b", "work_mem", "gone", role} {
		s.touch(name)
	}
	if sql := string(s.Question()); !strings.Contains(sql, "current_setting( E'a\\'b', true)") || strings.Contains(sql, "timezone") {
		t.Errorf("asked %q", sql)
	}
	values := [][]byte{[]byte("none"), []byte("4MB"), []byte("x"), nil}
	if s.Told(values[:3]) || !s.Told(values) || s.Asks() {
		t.Error("an answer of another length is taken, or this one is not")
	}
	if got := settingsText(s.settings); got != "a'b=x work_mem=4MB" {
		t.Errorf("settings are %s", got)
	}
	s.touch(everything)
	if slices.Sort(s.asked.names); !s.asked.role || strings.Join(s.asked.names, " ") != "a'b work_mem" {
		t.Errorf("after RESET ALL it asks for %v", s.asked)
	}
}

// A client that sets more than is carried keeps its server.
func TestTooManySettingsStayWithTheirServer(t *testing.T) {
	var s Session
	s.Reset(Rest{})
	s.Serve(serverDefaults, nil)
	s.touch("a.a")
	s.Told([][]byte{[]byte("none"), bytes.Repeat([]byte("x"), usualLimits.Settings)})
	if s.Lending() != Kept || !s.Bound() {
		t.Error("a long value is to be carried")
	}
	s.Reset(Rest{})
	for i := range maxAsked + 1 {
		s.touch("a." + strings.Repeat("a", i))
	}
	s.Serve(serverDefaults, nil) // which the request has waited for
	if n := len(s.asked.names); n != maxAsked || !s.Bound() {
		t.Errorf("it asks for %d settings", n)
	}
	s.Reset(Rest{})
	s.touched([]byte(strings.Repeat("select set_config(", maxCalls+1)))
	if !s.Asks() || !s.Bound() {
		t.Error("more calls than are looked at leave it free")
	}
}

// What PostgreSQL reports, or ends with its transaction, costs no question.
func TestNobodyAsksForWhatIsReported(t *testing.T) {
	for sql, asks := range map[string]bool{
		"set application_name = 'x'": false, "set time zone 'UTC'": false, "set client_encoding to latin1": false, "reset datestyle": false,
		"set local work_mem = 1": false, "set transaction read only": false, "select 1": false, "begin": false, "discard plans": false,
		"select set_config('app.tenant', '7', true)": false, "set constraints all deferred": false,
		"set work_mem = 1": true, "set role low": true, "discard all": true, "select 1; set work_mem = 1": true,
	} {
		var s Session
		s.Reset(Rest{})
		s.FromClient(frameOf(t, &pgproto3.Query{String: sql}), true)
		if s.Asks() != asks {
			t.Errorf("%q: asks %v", sql, s.Asks())
		}
	}
}
