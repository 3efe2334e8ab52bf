package auth

import (
	"fmt"
	"strings"
	"testing"
)

func TestFaultsOfAnHBAFile(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", " \n# all all trust\n\t\n", ""},
		{"replication lines are read as others", "local replication all peer", ""},
		{"a replication line's own faults", "local replication all gss", `1: authentication method "gss" is not supported here`},
		{"connection type", "hosts all all all trust", `1: invalid connection type "hosts"`},
		{"two types", "host,local all all all trust", `1: multiple values specified for connection type`},
		{"GSSAPI encryption", "hostgssenc all all all trust", `1: hostgssenc is not supported here: GSSAPI encryption is not spoken`},
		{"no GSSAPI encryption", "hostnogssenc all all all trust", ""},
		{"no database", "host", `1: end-of-line before database specification`},
		{"no user", "host all", `1: end-of-line before role specification`},
		{"no address", "host all all", `1: end-of-line before IP address specification`},
		{"no mask", "host all all 1.2.3.4", `1: end-of-line before netmask specification`},
		{"no method", "host all all all", `1: end-of-line before authentication method`},
		{"no method, local", "local all all", `1: end-of-line before authentication method`},
		{"mask of another kind", "host all all 1.2.3.4 ffff:: trust", `1: IP address and mask do not match`},
		{"mask that is none", "host all all 1.2.3.4 24 trust", `1: invalid IP mask "24"`},
		{"two masks", "host all all 1.2.3.4 255.0.0.0,255.0.0.0 trust", `1: multiple values specified for netmask`},
		{"too many bits", "host all all 1.2.3.4/33 trust", `1: invalid CIDR mask in address "1.2.3.4/33"`},
		{"bits that are none", "host all all ::1/x trust", `1: invalid CIDR mask in address "::1/x"`},
		{"host name", "host all all localhost trust", `1: "localhost" is no IP address: host names are not supported here`},
		{"host suffix", "host all all .example.com trust", `1: ".example.com" is no IP address: host names are not supported here`},
		{"quoted all is a host name", `host all all "all" trust`, `1: "all" is no IP address: host names are not supported here`},
		{"two addresses", "host all all 1.2.3.4/32,1.2.3.5/32 trust", `1: multiple values specified for host address`},
		{"zone", "host all all fe80::1%eth0/64 trust", `1: "fe80::1%eth0": zones and IPv4 in IPv6 are not supported here`},
		{"role membership", "host all +staff all trust", `1: +staff is not supported here: only the server knows who is a member of which role`},
		{"samerole", "host samerole all all trust", `1: samerole is not supported here: only the server knows who is a member of which role`},
		{"samegroup", "host samegroup all all trust", `1: samegroup is not supported here: only the server knows who is a member of which role`},
		{"regular expression", "host /( all all trust", "1: regular expression \"(\": error parsing regexp: missing closing ): `(?s)(`"},
		{"method", "host all all all scram", `1: invalid authentication method "scram"`},
		{"two methods", "host all all all md5,trust", `1: multiple values specified for authentication type`},
		{"ident, local", "local all all ident", `1: authentication method "ident" is not supported here: use peer`},
		{"peer, not local", "host all all all peer", `1: peer authentication is only supported on local sockets`},
		{"cert, not hostssl", "host all all all cert", `1: cert authentication is only supported on hostssl connections`},
		{"option without value", "local all all trust map", `1: authentication option not in name=value format: map`},
		{"unknown option", "local all all peer colour=red", `1: unrecognized authentication option name: "colour"`},
		{"map of a password", "local all all md5 map=m", `1: authentication option "map" is only valid for authentication methods peer and cert`},
		{"clientcert without TLS", "host all all all trust clientcert=verify-ca", `1: clientcert can only be configured for "hostssl" rows`},
		{"clientcert of old", "hostssl all all all trust clientcert=1", `1: invalid value for clientcert: "1"`},
		{"clientcert less than cert", "hostssl all all all cert clientcert=verify-ca", `1: clientcert can only be set to "verify-full" when using "cert" authentication`},
		{"clientcert beside cert", "hostssl all all all cert clientcert=verify-full", ""},
		{"clientname without TLS", "host all all all trust clientname=CN", `1: clientname can only be configured for "hostssl" rows`},
		{"clientname DN", "hostssl all all all cert clientname=DN", `1: clientname DN is not supported here: CN, DNS and email are`},
		{"clientname", "hostssl all all all cert clientname=cn", `1: invalid value for clientname: "cn"`},
		{"every option's fault", "local all all trust map=m clientcert=verify-ca", `1: authentication option "map" is only valid for authentication methods peer and cert
pg_hba.conf:1: clientcert can only be configured for "hostssl" rows`},
		{"open quote", "local \"all all trust\nlocal all all trust", `1: double quote without an end`},
		{"zero byte", "local all\x00 all trust", `1: zero byte`},
		{"every line's fault, and its first line", "local all \\\nall \\\nnone\n\nhost all\n", `1: invalid authentication method "none"
pg_hba.conf:5: end-of-line before role specification`},
	} {
		want := c.want
		if want != "" {
			want = "pg_hba.conf:" + want
		}
		rules, faults := readHBA(c.text, nil)
		if got := strings.Join(faults, "\n"); got != want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", c.name, got, want)
		}
		if lines := strings.Count(want, "\n") + 1; want != "" && len(rules) > 1 || lines < 1 {
			t.Errorf("%s: a line at fault gave a rule: %v", c.name, rules)
		}
	}
}

func TestEachMethodThatIsNotSupportedIsAFaultAndNoRule(t *testing.T) {
	for _, method := range elsewhere {
		rules, faults := readHBA("host all all all "+method, nil)
		if len(rules) != 0 || len(faults) != 1 || !strings.HasSuffix(faults[0], `authentication method "`+method+`" is not supported here`) {
			t.Errorf("%s: %v, %v", method, rules, faults)
		}
	}
}

func TestFilesIncludeOthers(t *testing.T) {
	others := map[string]string{
		"dbs":            "app, web # and\n\"odd one\"\n@more",
		"more":           "last",
		"empty":          "# nothing",
		"sub/one.conf":   "include two\nlocal one all trust",
		"sub/two":        "local two all trust",
		"dir/b.conf":     "local b all trust",
		"dir/a.conf":     "local a all trust\nlocal broken",
		"dir/.hid.conf":  "nonsense",
		"dir/readme.txt": "nonsense",
		"loop":           "include loop",
		"again":          "@again",
		"bad":            "\"",
	}
	rules, faults := readHBA(`local first,@dbs,"@dbs" all trust
include sub/one.conf
include_dir dir
include_if_exists absent
include_if_exists sub/two
include absent
include_dir absent
local @absent all trust
local @empty all trust
local @again all trust
include loop
local all @bad trust
local @ all trust
local "include" all trust
include one two
`, others)
	wantRules := []string{"first app web odd one last @dbs", "two", "one", "a", "b", "two", "@", "include"}
	wantFaults := []string{
		"pg_hba.conf:6: cannot read absent: file does not exist",
		"pg_hba.conf:7: cannot read folder absent: file does not exist",
		"pg_hba.conf:8: cannot read absent: file does not exist",
		"pg_hba.conf:9: @empty: there is no name in the file",
		"again:1: again includes itself",
		"loop:1: loop includes itself",
		"bad:1: double quote without an end",
		"dir/a.conf:2: end-of-line before role specification",
		`pg_hba.conf:15: invalid connection type "include"`,
	}
	var got []string
	for _, r := range rules {
		var all []string
		for _, d := range r.databases {
			all = append(all, d.text)
		}
		got = append(got, strings.Join(all, " "))
	}
	if strings.Join(got, "\n") != strings.Join(wantRules, "\n") {
		t.Errorf("rules:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(wantRules, "\n"))
	}
	if strings.Join(faults, "\n") != strings.Join(wantFaults, "\n") {
		t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(faults, "\n"), strings.Join(wantFaults, "\n"))
	}
}

func TestFilesIncludeOthersOnlySoDeep(t *testing.T) {
	others := map[string]string{}
	name := func(i int) string { return "f" + strings.Repeat("x", i) }
	for i := range 20 {
		others[name(i)] = "include " + name(i+1)
	}
	_, faults := readHBA("include f", others)
	if want := name(9) + ":1: cannot read " + name(10) + ": files include each other more than 10 deep"; len(faults) != 1 || faults[0] != want {
		t.Errorf("%v, want %s", faults, want)
	}
}

// FuzzHBA asserts that no file makes the reader panic or run on, and that each
// line with something in it gives a rule, a fault or an include, never nothing.
func FuzzHBA(f *testing.F) {
	f.Add("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost replication all ::1/128 md5")
	f.Add("hostssl \"a\"\"b\",c +d 10.0.0.0 255.0.0.0 cert map=m clientcert=verify-full \\\n clientname=DNS # x")
	f.Add("include inc\nhost @names /^a[b]$ samenet reject\ninclude_dir dir\ninclude_if_exists none")
	f.Add("local \\\\\n\\\n\\\nall\\")
	f.Add("host all \"\" ::ffff:1.2.3.4/96 peer \"\"\"\",")
	others := map[string]string{"inc": "local a b trust", "names": "x,y z", "dir/a.conf": "@names"}
	f.Fuzz(func(t *testing.T, text string) {
		rules, faults := readHBA(text, others)
		for _, r := range rules {
			c := from("10.1.2.3+tls", "u", "d")
			if differs, err := r.differs(c, twoInterfaces); err == nil && differs != noPart && r.objection(differs, c) == "" {
				t.Errorf("nothing is said of why %s is not for the client", &r)
			}
			if r.place == "" || r.databases == nil || r.users == nil {
				t.Errorf("rule without a part: %+v", r)
			}
		}
		records, fewer := readRecords(text, others)
		if len(rules) > len(records) || len(faults) < len(fewer) || len(rules)+len(faults) < len(records)+len(fewer) {
			t.Errorf("%d rules and %d faults of %d lines and %d faults", len(rules), len(faults), len(records), len(fewer))
		}
	})
}

func TestABackslashAtTheEndJoinsLines(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb":                  "1:a 2:b",
		"a\\\nb\nc":             "1:ab 3:c",
		"a\\\n\\\nb\nc":         "1:ab 4:c",
		"a\\\\\n\nc":            `1:a\ 3:c`, // the second backslash was there before the lines were joined
		"a\\\\\nb\nc":           `1:a\b 3:c`,
		"a\r\nb\\\r\nc\r\nd\r":  "1:a 2:bc 4:d",
		"a\\":                   "1:a",
		"a\\\n":                 "1:a",
		"# to be \\\ncontinued": "1:# to be continued",
		"":                      "",
	} {
		var got []string
		for n, line := range joinedLines(text) {
			got = append(got, fmt.Sprintf("%d:%s", n, line))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: %q, want %q", text, s, want)
		}
	}
}
