package auth

import (
	"crypto/x509"
	"strings"
	"testing"
)

func TestRulingSaysWhatAClientNeeds(t *testing.T) {
	a := mustReadHBA(t, `local all all peer map=system
local all plain reject
hostssl all bob all cert map=certs clientname=email
hostssl all carol all md5 clientcert=verify-full
hostssl all dave all trust clientcert=verify-ca
host all erin 10.0.7.0 255.0.255.0 trust
host all frank samenet scram-sha-256`)
	a.users = parseUsers(`"carol" "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$WKpPq1zZ3fkGvjOLRZzLMPCEQEuLxkKzkPfcoZnnWxs=:WKpPq1zZ3fkGvjOLRZzLMPCEQEuLxkKzkPfcoZnnWxs="
"erin" "md5d1c2ee23d3fb1d0b1fcd7a55b9d5cc8d"
"frank" "md5d1c2ee23d3fb1d0b1fcd7a55b9d5cc8d"
`, func(line int, err error) { t.Fatal(line, err) })
	for _, c := range []struct {
		address, user string
		certified     bool
		want          string // method, refusal, needs, secret and server
	}{
		{"", "app", false, `peer  to be run by a system user whose name is one that map system has for "app" none in the user file nothing: the server must ask for no proof`},
		{"10.1.2.3+tls", "bob", true, `cert  a certificate whose email is one that map certs has for "bob" none in the user file nothing: the server must ask for no proof`},
		{"10.1.2.3+tls", "bob", false, `cert F0000   `},
		{"10.1.2.3+tls", "carol", true, `md5  a certificate whose CN is "carol"; its password SCRAM verifier in the user file the ClientKey of the client's own login`},
		{"10.1.2.3+tls", "dave", true, `trust   none in the user file nothing: the server must ask for no proof`},
		{"10.9.7.3", "erin", false, `trust   md5 hash in the user file the md5 hash of the user file`},
		{"10.1.2.3", "frank", false, `scram-sha-256 28P01 its password md5 hash in the user file `},
		{"10.1.2.3", "grace", false, ` 28000   `},
	} {
		client := from(c.address, c.user, "app")
		if c.certified {
			client.Certificate = &x509.Certificate{}
		}
		d := a.Read(client)
		code := ""
		if d.Refused != nil {
			code = d.Refused.Code
		}
		if got := strings.Join([]string{d.Method, code, strings.Join(d.Needs, "; "), d.Secret, d.Server}, " "); got != c.want {
			t.Errorf("%s from %q\n got %s\nwant %s", c.user, c.address, got, c.want)
		}
	}
}

// What opens servers for users that no client comes as is told apart, whether it does or not.
func TestOpensSaysWhatServersAreLoggedInToWith(t *testing.T) {
	a := &Authenticator{users: parseUsers(`"plain" "x"
"hash" "md5d1c2ee23d3fb1d0b1fcd7a55b9d5cc8d"
"verifier" "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$WKpPq1zZ3fkGvjOLRZzLMPCEQEuLxkKzkPfcoZnnWxs=:WKpPq1zZ3fkGvjOLRZzLMPCEQEuLxkKzkPfcoZnnWxs="
"empty" ""
`, func(line int, err error) { t.Fatal(line, err) })}
	for user, want := range map[string]string{
		"plain": "the password of the user file", "hash": "the md5 hash of the user file",
		"verifier": "nothing: a SCRAM verifier opens no server", "empty": ownNothing, "nobody": ownNothing,
	} {
		if got := a.Opens(user); got != want {
			t.Errorf("%s: %s, not %s", user, got, want)
		}
	}
}

func TestEachRuleThatIsForOthersSaysWhy(t *testing.T) {
	a := mustReadHBA(t, `local all all trust
hostnossl all all all trust
host web all all trust
host all "Eve",/^x all trust
host all all 10.0.7.0 255.0.255.0 trust
host all all fd00::/8 trust
host all all samehost trust
host all all samenet trust`)
	d := a.Read(from("172.16.0.1+tls", "bob", "app"))
	want := []string{
		"type local: the client comes by TCP",
		"type hostnossl: the client comes by TCP with TLS",
		`database web: not "app"`,
		`user Eve,/^x: not "bob"`,
		"address 10.0.7.0 255.0.255.0 does not contain 172.16.0.1",
		"address fd00::/8 does not contain 172.16.0.1",
		"address samehost: 172.16.0.1 is no address of this host",
		"address samenet: 172.16.0.1 is in no network of this host",
	}
	if len(d.Skipped) != len(want) || d.Refused == nil || d.Method != "" {
		t.Fatalf("%+v", d)
	}
	for i, s := range d.Skipped {
		if s.Why != want[i] || s.Place == "" || s.Rule == "" {
			t.Errorf("%+v, want %q", s, want[i])
		}
	}
}
