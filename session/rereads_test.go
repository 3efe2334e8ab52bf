package session

import "testing"

func TestRereadsFindsWhatTextsAreReadBy(t *testing.T) {
	for sql, want := range map[string]bool{
		"set datestyle = german": true, "SET LOCAL DateStyle TO german": true, "set session array_nulls = off": true, "reset all": true, "reset timezone": true, "discard all": true,
		"set time zone 'UTC'": true, "set local time zone 'UTC'": true, "set names 'latin1'": true, "set xml option document": true, `set u&"x" = 1`: true,
		"set work_mem = 1": false, "set local statement_timeout = 1": false, "set search_path = a": false, "set role low": false, "set session characteristics as transaction read only": false,
		"select set_config('datestyle', 'german', true)": true, "select set_config('app.tenant', '7', true), set_config( 'TimeZone', 'UTC', true)": true,
		"select set_config($1, $2, true)": true, "select set_config('app.tenant', $1, true)": false, "select 1": false,
	} {
		if got := rereads([]byte(sql)); got != want {
			t.Errorf("%q: %t", sql, got)
		}
	}
}
