package session

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

func settingsOf(pairs ...string) Settings {
	var s Settings
	for i := 0; i < len(pairs); i += 2 {
		s = s.With(pairs[i], pairs[i+1])
	}
	return s
}

func TestEqualSettingsAreOneValue(t *testing.T) {
	a := settingsOf("TimeZone", "UTC", "application_name", "x", "a.b", "1")
	b := settingsOf("a.b", "1", "APPLICATION_NAME", "x", "timezone", "Europe/Madrid", "timezone", "UTC")
	if a != b {
		t.Errorf("%q and %q differ", a.text(), b.text())
	}
	if c := b.With("a.b", "2"); c == b || c.With("A.B", "1") != b {
		t.Error("a change and its return make another value")
	}
	if a.Without("timezone").Without("application_name").Without("A.B") != (Settings{}) {
		t.Error("settings without any parameter are not the zero value")
	}
	if a.Without("unknown") != a {
		t.Error("taking away what is not there changes something")
	}
}

func TestSettingsGiveBackWhatWasSet(t *testing.T) {
	values := []string{"", " ", "it's", `"quoted"`, `back\slash`, "a=b", "a,b; drop table t", "línea\nnueva", "\xff\xfe"}
	var s Settings
	for i, v := range values {
		s = s.With(string(rune('a'+i)), v)
	}
	for i, v := range values {
		if got, ok := s.Get(string(rune('a' + i))); !ok || got != v {
			t.Errorf("value %q comes back as %q", v, got)
		}
	}
	if _, ok := s.Get("zz"); ok {
		t.Error("a parameter that was never set is there")
	}
	if _, ok := (Settings{}).Get(""); ok {
		t.Error("the zero value has a parameter")
	}
	for range s.All() {
		break // an iteration may end early
	}
}

func TestSettingsAreSortedByName(t *testing.T) {
	s := settingsOf("b", "1", "a.b", "2", "ab", "3", "a", "4")
	var names []string
	for name := range s.All() {
		names = append(names, name)
	}
	if got := strings.Join(names, " "); got != "a a.b ab b" {
		t.Errorf("order is %s", got)
	}
}

func TestAppendChangeLeadsFromOneToTheOther(t *testing.T) {
	cases := []struct {
		name       string
		have, want Settings
		text       string
		resets     int
	}{
		{"nothing to do", settingsOf("a", "1"), settingsOf("a", "1"), "sync", 0},
		{"set one", Settings{}, settingsOf("a", "it's"), "set a=it's, sync", 0},
		{"change one of two", settingsOf("a", "1", "b", "2"), settingsOf("a", "1", "b", "3"), "set b=3, sync", 0},
		{"reset", settingsOf("a", "1", "my.own", "2"), Settings{}, `RESET "a", RESET "my"."own", sync`, 2},
		{"reset and set", settingsOf("a", "1"), settingsOf("b", ""), `RESET "a", set b=, sync`, 1},
		{"role is taken last", Settings{}, settingsOf("role", "r", "work_mem", "1"), `set work_mem=1, set role=r, sync`, 0},
		{"role is left first and taken again", settingsOf("role", "r", "a", "1"), settingsOf("role", "r"), `RESET "role", RESET "a", set role=r, sync`, 2},
		{"role is left", settingsOf("role", "r", "a", "1"), Settings{}, `RESET "role", RESET "a", sync`, 2},
		{"role as it was", settingsOf("role", "r"), settingsOf("role", "r"), "sync", 0},
		{"session_authorization is only tried", Settings{}, settingsOf("session_authorization", "x", "role", "r", "z", "1"),
			`set z=1, set session_authorization=x, RESET "session_authorization", set role=r, sync`, 0},
		{"session_authorization is not there to be left", settingsOf("session_authorization", "x"), Settings{}, "sync", 0},
		{"a name with a quote", settingsOf(`a"b`, "1"), Settings{}, `RESET "a""b", sync`, 1},
		{"values are in the client's encoding", Settings{}, settingsOf("application_name", "é", "client_encoding", "UTF8"),
			"set client_encoding=UTF8, set application_name=é, sync", 0},
		{"a time limit is set last and taken away first", settingsOf("a", "1", "statement_timeout", "1"), settingsOf("statement_timeout", "2", "tea", "1"),
			`RESET "statement_timeout", RESET "a", set tea=1, set statement_timeout=2, sync`, 2},
		{"and may stay", settingsOf("statement_timeout", "1"), settingsOf("statement_timeout", "1", "tea", "1"), "set tea=1, sync", 0},
	}
	for _, c := range cases {
		prefix := []byte("kept")
		b, resets := c.want.AppendChange(prefix, c.have)
		if !strings.HasPrefix(string(b), "kept") {
			t.Errorf("%s: dst was not appended to", c.name)
		}
		if got := changeText(t, b[len(prefix):]); got != c.text || resets != c.resets {
			t.Errorf("%s: %s, %d of them resets", c.name, got, resets)
		}
	}
}

// changeText reads what AppendChange has written.
func changeText(t *testing.T, b []byte) string {
	t.Helper()
	var list []string
	sql := ""
	for len(b) > 0 {
		f, ok, err := wire.Next(b)
		if !ok || err != nil || !f.Whole() {
			t.Fatalf("broken frames: %q", b)
		}
		b = b[wire.HeaderLen+f.Size:]
		switch f.Type {
		case 'P':
			var m pgproto3.Parse
			if err := m.Decode(f.Body); err != nil {
				t.Fatal(err)
			}
			sql = m.Query
		case 'B':
			var m pgproto3.Bind
			if err := m.Decode(f.Body); err != nil {
				t.Fatal(err)
			}
			if len(m.Parameters) == 2 {
				sql = "set " + string(m.Parameters[0]) + "=" + string(m.Parameters[1])
			}
		case 'E':
			list = append(list, sql)
		case 'S':
			list = append(list, "sync")
		default:
			t.Fatalf("message %q", f.Type)
		}
	}
	return strings.Join(list, ", ")
}

func TestAskingForASettingAllocatesNothing(t *testing.T) {
	s := settingsOf("a", "1", "timezone", "UTC")
	if n := testing.AllocsPerRun(100, func() {
		if s.With("timezone", "UTC") != s || s.Without("none") != s {
			panic("changed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
