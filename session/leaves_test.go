package session

import "testing"

func TestWhatLeavesANameBehind(t *testing.T) {
	for sql, want := range map[string]bool{
		"set app.tenant = 'a'": true, "SET LOCAL App.Tenant TO a": true, " /* x */ set session app . tenant = 1": true, `set "a b"."c" = 1`: true,
		"set work_mem = '1.5MB'": false, "set local search_path = a.b": false, "set time zone 'a.b'": false, "reset app.tenant": false, "show app.tenant": false,
		"select 1.5": false, "select set_config('app.tenant', 'a', true)": true, "select set_config('work_mem', '1', false), set_config('a.b', '', true)": true,
		"select set_config('work_mem', '1.5MB', false)": false, "select SET_CONFIG($1, $2, true)": true, "set session authorization a": false,
	} {
		if got := invents([]byte(sql)); got != want {
			t.Errorf("%s: %t", sql, got)
		}
	}
}
