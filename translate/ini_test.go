package translate

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// readFrom reads files that a test has made up.
func readFrom(files map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("no such file")}
	}
}

func TestAnIniIsReadAsPgBouncerReadsIt(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"comments begin a line and nothing else", "[databases]\n; one\n  # two\na = b ; c # d\n", "4 databases a=b ; c # d"},
		{"blanks around are no part of a value", "[users]\n \t a \t= \t b  \r\n", "2 users a=b"},
		{"a value may be empty", "[pgbouncer]\nunix_socket_dir =\nlisten_port=1", "2 pgbouncer unix_socket_dir=\n3 pgbouncer listen_port=1"},
		{"quotes are part of a value", "[databases]\na=host=x password='it''s'\n", "2 databases a=host=x password='it''s'"},
		{"names with all that they may have", "[databases]\na.b-c_9*=x\n*=y", "2 databases a.b-c_9*=x\n3 databases *=y"},
		{"what follows a section on its line", "[databases] a = b", "1 databases a=b"},
		{"a file in the place of its line", "[users]\n%include more.ini\nb=2", "more.ini:1 users a=1\n3 users b=2"},
		{"a section begun in a file goes on behind it", "%include section.ini\nb=2", "2 users b=2"},
		{"it ends where C ends", "[users]\na=1\n\x00b=2", "2 users a=1"},
		{"not an include", "[users]\n%includes = x", "main.ini:2: a name has letters, digits and _ . - * only"},
		{"faults, all of them", "early = 1\n[users\n[nobody]\nname\n[users]\n\"a b\" = 1\n%include lost.ini\nb = 2",
			"main.ini:1: early stands before the first section\nmain.ini:2: a section without the ] at its end\n" +
				"main.ini:3: there is no section [nobody]: [pgbouncer], [databases], [users] and [peers] are known\n" +
				"main.ini:4: there is no = behind name\nmain.ini:6: a name has letters, digits and _ . - * only\n" +
				"main.ini:7: cannot read lost.ini: no such file\n8 users b=2"},
		{"a file that includes itself", "[users]\n%include self.ini", "self.ini:1: %include is nested more than 10 deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := readFrom(map[string]string{"more.ini": "a = 1", "section.ini": "[users]", "self.ini": "%include self.ini"})
			var bad faults
			found := readINI("main.ini", c.text, read, &bad)
			var got []string
			for _, f := range bad.list {
				got = append(got, f.String())
			}
			for _, e := range found.entries {
				got = append(got, strings.TrimPrefix(fmt.Sprintf("%s %s %s=%s", e.Place, e.section, e.key, e.value), "main.ini:"))
			}
			if text := strings.Join(got, "\n"); text != c.want {
				t.Errorf("got\n%s\nwant\n%s", text, c.want)
			}
		})
	}
}

func TestIncludesAreAsDeepAsPgBouncerHasThem(t *testing.T) {
	files := map[string]string{}
	for depth := range 12 {
		files[fmt.Sprint(depth, ".ini")] = fmt.Sprintf("%%include %d.ini\n", depth+1)
	}
	for depth, want := range map[int]int{10: 0, 11: 1} { // files below the first
		files[fmt.Sprint(depth, ".ini")] = "[users]"
		var bad faults
		if readINI("main.ini", "%include 1.ini", readFrom(files), &bad); len(bad.list) != want {
			t.Errorf("%d deep: %v", depth, bad.list)
		}
		files[fmt.Sprint(depth, ".ini")] = fmt.Sprintf("%%include %d.ini\n", depth+1)
	}
}

// So it is with PgBouncer 1.18 and 1.24: SHOW CONFIG has the defaults again.
func TestASectionThatBeginsAgainForgetsWhatHasADefault(t *testing.T) {
	var bad faults
	f := readINI("a.ini", "[pgbouncer]\nmax_client_conn=5\nauth_file=x\n[users]\nu=pool_size=1\n[pgbouncer]\nlisten_port=7\n[users]\nv=pool_size=2", nil, &bad)
	kept, forgotten := f.section("pgbouncer")
	names := func(entries []entry) (list []string) {
		for _, e := range entries {
			list = append(list, e.key)
		}
		return list
	}
	if got := names(kept); !slices.Equal(got, []string{"auth_file", "listen_port"}) {
		t.Errorf("kept %q", got)
	}
	if got := names(forgotten); !slices.Equal(got, []string{"max_client_conn"}) {
		t.Errorf("forgotten %q", got)
	}
	if kept, _ := f.section("users"); len(kept) != 2 {
		t.Errorf("of [users], which has no defaults, only %q is kept", names(kept))
	}
}

func TestAConnectionStringIsReadAsPgBouncerReadsIt(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"  host=a   port = 1 ", "host:a port:1"},
		{"password='it''s = b' user=x", "password:it's = b user:x"},
		{"a='b'cd=e", "a:b d:e"}, // the byte behind a quote is lost, whatever it is
		{"a=b'c", "a:b'c"},
		{"a=b\tc=d", "a:b\tc=d"},
		{"host", "fault"}, {"=a", "fault"}, {"host a=b", "fault"}, {"host=", "fault"}, {"a=''", "fault"}, {"a='b", "fault"}, {"a='b''", "fault"},
	} {
		pairs, err := readPairs(c.text)
		var got []string
		for _, p := range pairs {
			got = append(got, p.key+":"+p.value)
		}
		if err != nil {
			got = []string{"fault"}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%q: %q, want %q", c.text, text, c.want)
		}
	}
}

// FuzzFiles asserts that no file makes a translation panic, and that one that is not
// refused writes a proxy.toml that is TOML, with remarks and origins in its files.
func FuzzFiles(f *testing.F) {
	for _, name := range append(inis(f), "before.cfg", "after.cfg", "patroni.yml") {
		f.Add(name, testFile(f, name))
	}
	f.Add("a.ini", "[databases]\nx=host=a,b port=1 dbname='\x01\"'\n*=\n[pgbouncer]\nauth_type=ldap\nauth_ldap_options=a=\"b c")
	f.Fuzz(func(t *testing.T, name, text string) {
		got, err := Files([]Source{{name, text}}, Options{Read: readFrom(nil), FileName: func(name string) string { return name }})
		if err != nil {
			if _, ok := errors.AsType[Faults](err); !ok {
				t.Fatalf("an error of type %T: %v", err, err)
			}
			return
		}
		if err := parses(got.TOML); err != nil {
			t.Errorf("%v in\n%s\nof\n%s", err, got.TOML, text)
		}
		for _, r := range got.Remarks {
			if r.Text == "" || strings.Contains(r.String(), "\n") && !strings.Contains(name, "\n") {
				t.Errorf("a remark %q without a text, or on more than a line", r)
			}
		}
	})
}
