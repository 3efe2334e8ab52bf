package session

import (
	"strings"
	"testing"
)

func TestATextThatIsNotReadShowsWhatItMaySet(t *testing.T) {
	for sql, want := range map[string]hints{
		"select 1": 0, "reset all": 0, "offset 1": 0, "charset x": 0, "set": 0, "a set": 0, "set ": unlisted | unseen, "set(": unlisted | unseen, "set(a)": unseen,
		"set work_mem = 1": unseen, "x; SET\twork_mem TO 1": unseen, ";set/**/work_mem=1": unseen, "update t set a = 1": unseen, "set (a, b) = (1, 2)": unseen,
		"set local work_mem = 1": 0, "set local app.x = 1": 0, "set session work_mem = 1": unseen, "set session app.x = 1": unlisted | unseen,
		"set app.x = 1": unlisted | unseen, "set app . x = 1": unlisted | unseen, `set "app.x" = 1`: unlisted | unseen, `set "work_mem" = 1`: unlisted | unseen,
		`set u&"app.x" = 1`: unlisted | unseen, "set u = 1": unseen, "select set_config('a', 'b', false)": unlisted | unseen,
		"pg_catalog.Set_Config($1, $2, $3)": unlisted | unseen, `"set_config"(`: unlisted | unseen, "myset_config(": 0, "set_ = 1": 0, "éset x = 1": 0,
		"set --" + strings.Repeat("-", 100): unlisted | unseen, "set" + strings.Repeat(" ", 100) + "work_mem = 1": unseen,
		"set local": unlisted | unseen, "set a  ": unlisted | unseen, "set a -": unlisted | unseen, "set a" + strings.Repeat(" ", 100) + ".b = 1": unlisted | unseen,
	} {
		if got := settingsIn([]byte(sql), 0, len(sql), false); got != want {
			t.Errorf("%q: %b, want %b", sql, got, want)
		}
		calls := hints(0)
		if strings.Contains(strings.ToLower(sql), "set_config") {
			calls = want
		}
		if got := settingsIn([]byte(sql), 0, len(sql), true); got != calls {
			t.Errorf("%q: calls %b, want %b", sql, got, calls)
		}
	}
}

func TestABlockShowsWhatItMaySet(t *testing.T) {
	for sql, want := range map[string]hints{
		"do $$begin set work_mem = 1; end$$":                 unseen,
		"/* */ DO 'begin set app.x = 1; end'":                unseen | unlisted,
		"do $$begin perform set_config(a, b, false); end$$":  unseen | unlisted | sets,
		"do $$begin perform 1; end$$":                        0,
		"call p('set work_mem')":                             0,
		"vacuum set":                                         0,
		"do $$begin update t set a = 1; set app.x = 1;end$$": unseen | unlisted,
	} {
		if _, got := classify([]byte(sql)); got != want {
			t.Errorf("%q: %b, want %b", sql, got, want)
		}
	}
}

// However a text comes in pieces, no less is seen in it than in the whole.
func FuzzUnreadInPieces(f *testing.F) {
	for _, sql := range []string{"select 1; set app.x = 1", "x set_config", "update t set a = 1" + strings.Repeat(" ", 5000) + "; set work_mem = 1", "aset b", "set a" + strings.Repeat(" ", 300) + ".b", "set" + strings.Repeat(" ", 60) + "local_x = 1"} {
		f.Add(sql, uint16(1), uint16(7))
	}
	f.Fuzz(func(t *testing.T, sql string, first, each uint16) {
		if len(sql) > 10_000 {
			return
		}
		want := settingsIn([]byte(sql), 0, len(sql), false)
		var u unread
		rest := []byte(sql)
		cut := func(n uint16) (piece []byte) {
			piece, rest = rest[:min(int(n), len(rest))], rest[min(int(n), len(rest)):]
			return piece
		}
		got := u.begin(cut(first), false)
		for len(rest) > 0 {
			got |= u.next(cut(each|1), false)
		}
		got |= u.next(nil, true)
		if got&want != want {
			t.Errorf("%q in pieces of %d and %d: %b, in one %b", sql, first, each, got, want)
		}
		if u.open || u.kept != nil {
			t.Error("something is kept of it")
		}
	})
}
