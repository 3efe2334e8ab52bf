package auth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portero/config"
)

// loadFiles loads proxy.toml beside other files, all in a fresh folder that
// becomes the current one.
func loadFiles(t *testing.T, toml string, files map[string]string) (a *Authenticator, faults string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("proxy.toml", []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load("proxy.toml", func(cfg *config.Config, r *config.Report) { a = Load(cfg, r) })
	if err != nil {
		faults = err.Error()
	}
	return a, faults
}

func TestFaultsOfAllFilesAreReportedTogether(t *testing.T) {
	_, faults := loadFiles(t, `
[pool]
pool_size = 0
[auth]
hba_file = "pg_hba.conf"
ident_file = "pg_ident.conf"
users = "users.txt"
`, map[string]string{
		"pg_hba.conf":      "local all all gss\ninclude more/x.conf\nlocal all all peer map=none\nhostssl all all all cert\nlocal all all peer map=m\n",
		"more/x.conf":      "# nothing\nhost all all db.example.com md5\n",
		"pg_ident.conf":    "m root\nm root app",
		"users.txt":        "\"app\" \"x\"\napp\n",
		"pg_hba.conf.orig": "nonsense",
	})
	want := `proxy.toml:3: pool.pool_size: must be at least 1
pg_hba.conf:1: authentication method "gss" is not supported here
more/x.conf:2: "db.example.com" is no IP address: host names are not supported here
pg_ident.conf:1: missing entry at end of line
users.txt:2: user name: not in double quotes
pg_hba.conf:3: there is no map "none" in pg_ident.conf
pg_hba.conf:4: needs a certificate, and no listener has a client_ca to check one by`
	if faults != want {
		t.Errorf("got:\n%s\nwant:\n%s", faults, want)
	}
}

func TestFaultsOfWrittenRules(t *testing.T) {
	files := map[string]string{"pg_ident.conf": "m root app"}
	for _, c := range []struct{ name, toml, want string }{
		{"none", `
[[auth.rule]]
type = "local"
method = "peer"
map = "m"
[[auth.rule]]
type = "host"
database = ["app", '"all"', "/^x", "my db, with #", "sameuser"]
user = ["all"]
address = "10.0.0.0/8"
method = "reject"
[[auth.rule]]
type = "hostnossl"
method = "trust"
[auth]
ident_file = "pg_ident.conf"
`, ""},
		{"each key", `
[[auth.rule]]
[[auth.rule]]
type = "tcp"
method = "scram"
[[auth.rule]]
type = "host"
method = "gss"
address = "localhost"
database = []
user = ["+staff", "", "@file", '"open', "ok", 'x"y"']
[[auth.rule]]
type = "local"
method = "cert"
address = "all"
clientcert = "verify-ca"
clientname = "CN"
[[auth.rule]]
type = "hostssl"
method = "trust"
address = "10.0.0.1"
map = "m"
clientcert = "yes"
clientname = "DN"
`, `proxy.toml:2: auth.rule[1].type: must be given
proxy.toml:2: auth.rule[1].method: must be given
proxy.toml:4: auth.rule[2].type: invalid connection type "tcp"
proxy.toml:5: auth.rule[2].method: invalid authentication method "scram"
proxy.toml:8: auth.rule[3].method: authentication method "gss" is not supported here
proxy.toml:9: auth.rule[3].address: "localhost" is no IP address: host names are not supported here
proxy.toml:10: auth.rule[3].database: must have a name in it, or all
proxy.toml:11: auth.rule[3].user: must not have an empty name in it
proxy.toml:11: auth.rule[3].user: @file: names can be in a file of their own only with auth.hba_file
proxy.toml:11: auth.rule[3].user: "open: double quotes must be around the whole name
proxy.toml:11: auth.rule[3].user: +staff is not supported here: only the server knows who is a member of which role
proxy.toml:14: auth.rule[4].method: cert authentication is only supported on hostssl connections
proxy.toml:15: auth.rule[4].address: has no use with type local
proxy.toml:16: auth.rule[4].clientcert: clientcert can only be configured for "hostssl" rows
proxy.toml:17: auth.rule[4].clientname: clientname can only be configured for "hostssl" rows
proxy.toml:21: auth.rule[5].address: "10.0.0.1" needs the number of bits that count, as in 10.0.0.1/32
proxy.toml:22: auth.rule[5].map: authentication option "map" is only valid for authentication methods peer and cert
proxy.toml:23: auth.rule[5].clientcert: invalid value for clientcert: "yes"
proxy.toml:24: auth.rule[5].clientname: clientname DN is not supported here: CN, DNS and email are`},
		{"what the rest does not give", `
[[auth.rule]]
type = "hostssl"
method = "cert"
[[auth.rule]]
type = "hostssl"
method = "trust"
clientcert = "verify-ca"
[[auth.rule]]
type = "local"
method = "peer"
map = "m"
[[auth.rule]]
type = "host"
method = "md5"
[auth]
`, `proxy.toml:2: auth.users: must be given: auth.rule[4] asks for a password
proxy.toml:4: auth.rule[1].method: needs a certificate, and no listener has a client_ca to check one by
proxy.toml:8: auth.rule[2].clientcert: needs a certificate, and no listener has a client_ca to check one by
proxy.toml:12: auth.rule[3].map: map "m": auth.ident_file must be given`},
		{"keys that cannot be read hide their own follow-ups", `
[[listener]]
tls = { client_ca = 5 }
[[auth.rule]]
type = 1
method = "cert"
[[auth.rule]]
type = "hostssl"
method = "cert"
databse = ["app"]
`, `proxy.toml:3: listener[1].tls.client_ca: must be a string, not a whole number
proxy.toml:5: auth.rule[1].type: must be a string, not a whole number
proxy.toml:10: auth.rule[2].databse: unknown key`},
		{"no users", "auth.users = ''", `proxy.toml:1: auth.users: must be given with method scram-sha-256, or query_user`},
		{"method cert", "auth.method = 'cert'", `proxy.toml:1: auth.method: needs a certificate, and no listener has a client_ca to check one by`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, faults := loadFiles(t, c.toml, files)
			if faults != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", faults, c.want)
			}
		})
	}
}

func TestFilesThatCannotBeReadAreFaultsOfTheirKeys(t *testing.T) {
	_, faults := loadFiles(t, "[auth]\nhba_file = 'none'\nident_file = '.'\nusers = 'absent'", nil)
	want := `proxy.toml:2: auth.hba_file: cannot read none: no such file or directory
proxy.toml:3: auth.ident_file: cannot read .: not a regular file
proxy.toml:4: auth.users: cannot read absent: no such file or directory`
	if faults != want {
		t.Errorf("got:\n%s\nwant:\n%s", faults, want)
	}
	if _, faults = loadFiles(t, "auth.hba_file = 'pg_hba.conf'", map[string]string{"pg_hba.conf": "# none"}); !strings.HasSuffix(faults, "auth.hba_file: pg_hba.conf contains no entries: nobody could log in") {
		t.Error(faults)
	}
}

func TestIncludedFoldersAreReadFromTheDisk(t *testing.T) {
	a, faults := loadFiles(t, "auth.hba_file = 'etc/pg_hba.conf'", map[string]string{
		"etc/pg_hba.conf":        "include_dir rules.d\ninclude_if_exists none.conf\nlocal @names all trust",
		"etc/rules.d/2.conf":     "local two all trust",
		"etc/rules.d/1.conf":     "local one all trust",
		"etc/rules.d/sub.conf/a": "nonsense",
		"etc/names":              "three",
	})
	if faults != "" {
		t.Fatal(faults)
	}
	for i, database := range []string{"one", "two", "three"} {
		if got := ruleFor(a, from("", "u", database)); got != i+1 {
			t.Errorf("%s: rule %d", database, got)
		}
	}
	_, faults = loadFiles(t, "auth.hba_file = 'h'", map[string]string{"h": "include_dir none.d\nlocal all all trust"})
	if faults != "h:1: cannot read folder none.d: no such file or directory" {
		t.Error(faults)
	}
}

func TestWrittenRulesMatchAsThoseOfAFile(t *testing.T) {
	a, faults := loadFiles(t, `
[[auth.rule]]
type = "host"
database = ['"all"', "my db"]
user = ["/^svc_"]
address = "samenet"
method = "trust"
[[auth.rule]]
type = "host"
user = ['"+x"', '"@y"', 'a"b']
method = "reject"
[[auth.rule]]
type = "local"
method = "trust"
`, nil)
	if faults != "" {
		t.Fatal(faults)
	}
	a.interfaces = twoInterfaces
	for _, c := range []struct {
		address, user, database string
		want                    int
	}{
		{"10.1.0.9", "svc_1", "all", 1}, {"10.1.0.9", "svc_1", "my db", 1}, {"10.1.0.9", "svc_1", "app", 0}, {"10.2.0.9", "svc_1", "all", 0},
		{"9.9.9.9", "+x", "app", 2}, {"9.9.9.9", "@y", "app", 2}, {"9.9.9.9", `a"b`, "app", 2}, {"9.9.9.9", "x", "app", 0}, {"", "x", "app", 3},
	} {
		if got := ruleFor(a, from(c.address, c.user, c.database)); got != c.want {
			t.Errorf("%s %q %q: rule %d, want %d", c.address, c.user, c.database, got, c.want)
		}
	}
}

func TestTheDefaultUserFileIsReadWithRulesIfItIsThere(t *testing.T) {
	rules := "[[auth.rule]]\ntype = 'local'\nmethod = 'trust'\n"
	a, faults := loadFiles(t, rules, map[string]string{"userlist.txt": `"app" "secret"`})
	if faults != "" || fromFile(a, "app") != Password("secret") {
		t.Errorf("with it: %v, %s", fromFile(a, "app"), faults)
	}
	if a, faults = loadFiles(t, rules, nil); faults != "" || a.users != nil {
		t.Errorf("without it: %s", faults)
	}
	if a, faults = loadFiles(t, "auth.users = ''\n"+rules, map[string]string{"userlist.txt": `x`}); faults != "" || a.users != nil {
		t.Errorf("taken out: %s", faults)
	}
}

func fromFile(a *Authenticator, user string) Credentials {
	c, _ := a.users.Lookup(user)
	return c
}

func TestOptionsOfARuleAreThoseOfAPgHbaConf(t *testing.T) {
	cfg := config.Default()
	cfg.Auth.Users = ""
	rule := config.AuthRule{Type: "host", Database: []string{"all"}, User: []string{"all"}, Method: "ldap",
		Options: []string{"ldapserver=a b", "ldapprefix=uid=", `ldapsuffix=,dc=x`}}
	cfg.Auth.Rules = []config.AuthRule{rule}
	r := config.NewReport()
	a := Load(cfg, r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if d := a.rules[0].directory; fmt.Sprint(d.addresses()) != "[a:389 b:389]" || d.prefix != "uid=" || d.suffix != ",dc=x" {
		t.Errorf("%+v", d)
	}
	cfg.Auth.Rules[0].Options = []string{"ldapserver", "ldapserver=a", "colour=red"}
	cfg.Auth.Rules = append(cfg.Auth.Rules, rule)
	cfg.Auth.Rules[1].Method = "trust"
	r = config.NewReport()
	Load(cfg, r)
	want := []string{"auth.rule[1].options: authentication option not in name=value format: ldapserver", `auth.rule[1].options: unrecognized authentication option name: "colour"`,
		`auth.rule[2].options: authentication option "ldapserver" is only valid for authentication methods ldap`}
	for _, w := range want {
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in:\n%v", w, err)
		}
	}
}
