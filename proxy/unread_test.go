package proxy_test

import (
	"strings"
	"testing"
)

// What is too long to be read, and what the body of a DO sets, is still left to
// nobody: the client keeps the server, on which it finds it.
func TestWhatATextSetsThatIsNotReadIsNotLeftToOthers(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	extended := func(sql string) messages { return messages{parseAs("", sql), bindTo(""), execute(), syncs()} }
	const shows = "select concat_ws(' ', current_setting('work_mem'), current_setting('search_path'), current_setting('app.x', true))"
	for name, c := range map[string]struct {
		sets messages
		want string
	}{
		"SET behind much else":                    {messages{q("select length('" + long + "'); set work_mem = '77MB'")}, `77MB_"$user",_public`},
		"SET in front":                            {messages{q("set work_mem = '77MB'; select length('" + long + "')")}, `77MB_"$user",_public`},
		"SET in the middle":                       {messages{q("select length('" + long + "'); set search_path = other; select length('" + long + "')")}, "4MB_other"},
		"of the client's own making":              {messages{q("select length('" + long + "'); set app.x = 'mine'; select length('" + long + "')")}, `4MB_"$user",_public_mine`},
		"set_config by the extended protocol":     {extended("select length('" + long + "'), set_config('app.x', 'mine', false)"), `4MB_"$user",_public_mine`},
		"SET by the extended protocol":            {extended("--" + long + "\nset search_path = other"), "4MB_other"},
		"SET behind which nobody reads":           {extended("set app.x = 'mine' --" + long), `4MB_"$user",_public_mine`},
		"a DO":                                    {messages{q("do $$begin set work_mem = '77MB'; end$$")}, `77MB_"$user",_public`},
		"a DO with one of the client's own":       {messages{q("do $$begin perform set_config('app.x', 'mine', false); end$$")}, `4MB_"$user",_public_mine`},
		"a DO by the extended protocol":           {extended("do $$begin set work_mem = '77MB'; end$$"), `77MB_"$user",_public`},
		"a long DO":                               {messages{q("do $$begin set work_mem = '77MB'; /*" + long + "*/ set search_path = other; end$$")}, "77MB_other"},
		"SET of what the client has set already":  {messages{q("set work_mem = '5MB'"), q("select length('" + long + "'); set work_mem = '77MB'")}, `77MB_"$user",_public`},
		"RESET of what the client has set":        {messages{q("set work_mem = '5MB'"), q("select length('" + long + "'); reset work_mem")}, `4MB_"$user",_public`},
		"a name in escapes":                       {messages{q(`set u&"app\002ex" = 'mine'`)}, `4MB_"$user",_public_mine`},
		"a name in escapes, not the client's own": {messages{q(`set u&"work!005fmem" uescape '!' = '77MB'`)}, `77MB_"$user",_public`},
		"PREPARE beside others": {
			messages{q("prepare p as select set_config('app.x', 'mine', false); select 1"), q("explain analyze execute p"), q("deallocate p")}, `4MB_"$user",_public_mine`,
		},
		"PREPARE by the extended protocol": {
			append(extended("prepare p as select set_config('work_mem', '77MB', false)"), q("execute p"), q("deallocate p")), `77MB_"$user",_public`,
		},
		"a letter with a byte like a backslash": {
			messages{q("set client_encoding = 'SJIS'"), q("select E'\x95\x5c'; set work_mem = '77MB'; select E' x'"), q("set client_encoding = 'UTF8'")}, `77MB_"$user",_public`,
		},
		"such a letter beside one of the client's own": {
			messages{q("set client_encoding = 'GBK'"), q("select E'\x95\x5c'; set app.x = 'mine'; select E' x'"), q("set client_encoding = 'UTF8'")}, `4MB_"$user",_public_mine`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, size(2))
			a, b, other := w.dial(), w.dial(), w.dial()
			other.query("begin") // has one of the servers
			for _, m := range c.sets {
				if got := a.converse(messages{m}); strings.Contains(got, "E(") {
					t.Fatal(got)
				}
			}
			other.query("commit")
			for range 4 {
				if got := a.value(shows); got != c.want {
					t.Errorf("the client has %s, want %s", got, c.want)
				}
				if got := b.value(shows); got != `4MB_"$user",_public` {
					t.Errorf("another client has %s", got)
				}
			}
			a.query("discard all")
			eventually(t, "no pin", func() bool { return w.pinned() == "" })
		})
	}
}

// A long text that sets nothing holds nobody.
func TestALongTextThatSetsNothingPinsNobody(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for name, m := range map[string]messages{
		"INSERT":  {q("insert into lengthy values ('" + long + "')")},
		"UPDATE":  {q("update lengthy set a = '" + long + "'")},
		"UPSERT":  {parseAs("", "insert into lengthy values ('"+long+"') on conflict (b) do update set a = excluded.a, b = 2"), bindTo(""), execute(), syncs()},
		"RESET":   {q("select '" + long + "'; reset work_mem")},
		"a DO":    {q("do $$begin update lengthy set a = '" + long + "'; end$$")},
		"a trace": {q("select '" + long + "', 'offset, charset'; begin; set local work_mem = '77MB'; commit")},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, size(1))
			a := w.dial()
			a.query("create table if not exists lengthy (a text, b int primary key default 1)")
			a.query("truncate lengthy")
			if got := a.converse(m); strings.Contains(got, "E(") {
				t.Fatal(got)
			}
			if got := w.dial().value("show work_mem"); got != "4MB" || w.pinned() != "" {
				t.Errorf("work_mem is %s, pinned: %s", got, w.pinned())
			}
		})
	}
}

// Nor does it help to write a name as nobody does.
func TestSettingsByOddNamesAreNotLeftToOthers(t *testing.T) {
	w := start(t, size(2))
	for _, sql := range []string{`set u&"work\005fmem" = '77MB'`, `select "set_config"('work_mem', '77MB', false)`} {
		a, b := w.dial(), w.dial()
		a.query(sql)
		for range 4 {
			if got := a.value("show work_mem"); got != "77MB" {
				t.Errorf("%s: the client has %s", sql, got)
			}
			if got := b.value("show work_mem"); got != "4MB" {
				t.Errorf("%s: another client has %s", sql, got)
			}
		}
		a.query("discard all")
	}
}
