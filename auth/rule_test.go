package auth

import (
	"errors"
	"net"
	"strings"
	"testing"

	"portero/wire"
)

// ruleFor is the line of the rule that a client is let in or refused by; 0 for
// none, -1 if that cannot be told.
func ruleFor(a *Authenticator, c *Arrival) int {
	r, err := a.first(c, nil)
	if err != nil {
		return -1
	}
	for i := range a.rules {
		if r == &a.rules[i] {
			return i + 1
		}
	}
	return 0
}

func TestTheFirstRuleThatMatchesIsTaken(t *testing.T) {
	long := strings.Repeat("x", 63)
	a := mustReadHBA(t, strings.TrimPrefix(`
local all all trust
hostssl app,"all" alice 192.168.0.0/16 md5
hostnossl app alice 192.168.0.0/16 password
host sameuser all 192.168.1.0 255.255.255.0 trust
host replication all all trust
host "replication" all all trust
host all /^svc_[0-9]+$ 2001:db8::/32 trust
host /^tenant_ all fe80::/10 trust
host all bob samehost trust
host all carol samenet trust
host all dave 10.0.0.5/8 trust
host all erin 10.0.7.0 255.0.255.0 trust
host all,none frank,"+staff" 0.0.0.0/0 trust
host all `+long+` all reject
host all gr""ace all trust
host all "all" all trust
host "sameuser" henry all trust
hostnossl all ivan all trust
host a"ll" judy all trust
`, "\n"))
	for _, c := range []struct {
		address, user, database string
		want                    int
	}{
		{"", "anybody", "anything", 1},
		{"+tls", "anybody", "anything", 1}, // TLS on a Unix socket changes nothing
		{"192.168.3.4+tls", "alice", "app", 2},
		{"192.168.3.4+tls", "alice", "all", 2},
		{"192.168.3.4+tls", "alice", "none", 0},
		{"192.168.3.4", "alice", "app", 3},
		{"::ffff:192.168.3.4", "alice", "app", 3},
		{"192.168.1.4", "zoe", "zoe", 4},
		{"192.168.2.4", "zoe", "zoe", 0},
		{"192.168.2.4", "zoe", "replication", 6},
		{"2001:db8:1::1", "svc_17", "app", 7},
		{"2001:db8:1::1", "svc_17b", "app", 0},
		{"2001:db9::1", "svc_17", "app", 0},
		{"fe80::1%eth0", "zoe", "tenant_5", 8},
		{"fe80::1", "zoe", "my_tenant_5", 0},
		{"127.0.0.1", "bob", "app", 9},
		{"10.1.2.3", "bob", "app", 9},
		{"fd00::1", "bob", "app", 9},
		{"127.0.0.2", "bob", "app", 0},
		{"127.0.0.2", "carol", "app", 10},
		{"10.1.200.200", "carol", "app", 10},
		{"10.99.0.1", "carol", "app", 10}, // the interface without a network
		{"10.98.0.1", "carol", "app", 0},
		{"fd00::dead", "carol", "app", 10},
		{"10.200.0.1", "dave", "app", 11},
		{"11.0.0.5", "dave", "app", 0},
		{"10.99.7.99", "erin", "app", 12},
		{"10.99.8.99", "erin", "app", 0},
		{"1.2.3.4", "frank", "app", 13},
		{"1.2.3.4", "+staff", "app", 13},
		{"::1", "frank", "app", 0},
		{"1.2.3.4", long, "app", 14},
		{"1.2.3.4", long + "and more", "app", 14}, // to PostgreSQL it is the same name
		{"1.2.3.4", long[1:], "app", 0},
		{"1.2.3.4", "grace", "app", 15},
		{"1.2.3.4", "all", "app", 16},
		{"1.2.3.4", "henry", "henry", 0},
		{"1.2.3.4", "henry", "sameuser", 17},
		{"1.2.3.4", "ivan", "app", 18},
		{"1.2.3.4+tls", "ivan", "app", 0},
		{"1.2.3.4", "judy", "app", 19}, // quotes that begin later leave a keyword one
		{"1.2.3.4", "Alice", "app", 0},
		{"1.2.3.4", "", "", 0},
	} {
		if got := ruleFor(a, from(c.address, c.user, c.database)); got != c.want {
			t.Errorf("%s %q %q: rule %d, want %d", c.address, c.user, c.database, got, c.want)
		}
	}
}

func TestAClientOfNoKnownAddressIsNotTakenForALocalOne(t *testing.T) {
	a := mustReadHBA(t, "local all all trust\nhost all all all trust\nhost all all 0.0.0.0/0 trust\nhost all all samenet trust")
	if got := ruleFor(a, &Arrival{User: "u", Database: "d"}); got != 0 {
		t.Errorf("rule %d", got)
	}
}

func TestNoRuleIsPassedOverOfWhichCannotBeToldWhetherItMatches(t *testing.T) {
	a := mustReadHBA(t, "local all all trust\nhost all other all trust\nhost all all samenet reject\nhost all all all trust")
	a.interfaces = func() ([]net.Addr, error) { return nil, errors.New("too many open files") }
	if got := ruleFor(a, from("10.1.2.3", "u", "d")); got != -1 {
		t.Errorf("rule %d", got)
	}
	_, err := a.Client(nil, from("10.1.2.3", "u", "d"))
	if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != wire.InternalError || e.Severity != "FATAL" || strings.Contains(e.Message, "files") {
		t.Errorf("told %v", e)
	}
	if !strings.Contains(err.Error(), "too many open files (by pg_hba.conf:3)") {
		t.Errorf("the log does not say why: %v", err)
	}
	if got := ruleFor(a, from("10.1.2.3", "other", "d")); got != 2 {
		t.Errorf("a client of an earlier rule: rule %d", got)
	}
}

func TestUserNameMaps(t *testing.T) {
	maps, faults := readIdent(`
m   root       app       # a comment
m   root       "all"
m   deploy     all
m   /^(.*)@example\.com$   \1
m   /^ops-     ops
m   /^(x+)y    "pre_\1_\1"
n   root       other
n   "all"      third
n   /^any$     /^svc_
n   \1         "\1"
o   /          all
`)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, c := range []struct {
		usermap, system, user string
		want                  bool
	}{
		{"m", "root", "app", true},
		{"m", "root", "all", true},
		{"m", "root", "other", false},
		{"m", "deploy", "whoever", true},
		{"m", "zoe@example.com", "zoe", true},
		{"m", "zoe@example.com", "zoe@example.com", false},
		{"m", "zoe@example.com.evil", "zoe", false},
		{"m", "all@example.com", "whoever", false}, // what \1 stands for is no keyword
		{"m", "all@example.com", "all", true},
		{"m", "ops-7", "ops", true},
		{"m", "devops-7", "ops", false},
		{"m", "xxyz", `pre_xx_\1`, true}, // only the first \1
		{"m", "xxyz", "pre_xx_xx", false},
		{"n", "root", "other", true},
		{"n", "root", "app", false},
		{"n", "all", "third", true},
		{"n", "root", "third", false},
		{"n", "any", "svc_1", true},
		{"n", "any", "svc", false},
		{"n", `\1`, `\1`, true},
		{"o", "whoever", "whatever", true},
		{"absent", "root", "root", false},
		{"", "root", "root", true},
		{"", "root", "app", false},
	} {
		if got := maps.allow(c.usermap, c.system, c.user); got != c.want {
			t.Errorf("map %q, %q as %q: %v", c.usermap, c.system, c.user, got)
		}
	}
}

func TestFaultsOfUserNameMaps(t *testing.T) {
	_, faults := readIdent(`m root
m root,toor app
m root +staff
m /( app
m /^.*$ \1
m /^(a|b)$ \1
m /^(a)(b)$ \1
m /^(a)+$ \1
m /^(?:a)(b)$ \1
m root app host
m /a\1 x
`)
	want := []string{
		"1: missing entry at end of line",
		"2: multiple values in ident field",
		"3: +staff is not supported here: only the server knows who is a member of which role",
		`4: regular expression "(": error parsing regexp: missing closing ): ` + "`(?s)(`",
		`5: regular expression "^.*$" has no group for \1`,
		`6: regular expression "^(a|b)$": with \1, | is not supported here`,
		`7: regular expression "^(a)(b)$": with \1, more than one group is not supported here`,
		`8: regular expression "^(a)+$": with \1, a group that is repeated is not supported here`,
		`9: regular expression "^(?:a)(b)$": with \1, (?: is not supported here`,
		`10: "host" is one entry too many`,
		`11: regular expression "a\\1": \1 is not supported here`,
	}
	for i, w := range want {
		want[i] = "pg_hba.conf:" + w
	}
	if got := strings.Join(faults, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// Who replicates whole clusters is in no database, and needs a line that says so; who replicates
// a database is as others, for whom that word is none.
func TestRulesForWhoReplicates(t *testing.T) {
	a := mustReadHBA(t, "host all,sameuser,\"replication\",/^repl app all trust\nhost app,replication app all trust\nhost replication all all reject")
	for _, c := range []struct {
		user, database string
		physical       bool
		want           int
	}{
		{"app", "app", false, 1}, {"app", "replication", false, 1}, {"app", "app", true, 2}, {"app", "replication", true, 2},
		{"eve", "app", true, 3}, {"eve", "replication", false, 0},
	} {
		who := from("10.1.2.3", c.user, c.database)
		who.Physical = c.physical
		if got := ruleFor(a, who); got != c.want {
			t.Errorf("%+v: rule %d", c, got)
		}
	}
	who := from("10.1.2.3", "zoe", "replication")
	who.Physical = true
	if got := noEntry(who).Message; got != `no pg_hba.conf entry for replication connection from host "10.1.2.3", user "zoe", no encryption` {
		t.Errorf("told %s", got)
	}
	if all, _ := ruleForAll("trust"); !all.databases.holdDatabase("app", "app", true) {
		t.Error("one method for all is not for those who replicate")
	}
}
