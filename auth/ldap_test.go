package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"portero/internal/lab"
	"portero/wire"
)

// people are in a directory, each with the password "secret". One has a name that
// LDAP has other meanings for, and two have a mail address in common.
const people = `
dn: uid=ann,ou=open,dc=example,dc=net
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: A
mail: ann@example.net
employeeType: staff
userPassword: secret

dn: uid=bob,ou=open,dc=example,dc=net
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: B
mail: team@example.net
userPassword: secret

dn: uid=bea,ou=open,dc=example,dc=net
objectClass: inetOrgPerson
uid: bea
cn: Bea
sn: B
mail: team@example.net
userPassword: secret

dn: uid=a\2Cb\2B(c)*\5C,ou=open,dc=example,dc=net
objectClass: inetOrgPerson
uid: a,b+(c)*\
cn: odd
sn: odd
userPassword: secret

dn: uid=eve,ou=closed,dc=example,dc=net
objectClass: inetOrgPerson
uid: eve
cn: Eve
sn: E
userPassword: secret
`

const oddPerson = `a,b+(c)*\`

func directoryServer(t *testing.T) *lab.Slapd {
	t.Helper()
	if testing.Short() {
		t.Skip("starts an LDAP server")
	}
	return lab.SlapdForTest(t, people)
}

// byLDAP is an Authenticator of one rule, in whose options %s stands for host and
// port of the server, in the form that they are given in there.
func byLDAP(t *testing.T, options string) *Authenticator {
	t.Helper()
	a := mustReadHBA(t, "host all all all ldap "+options)
	a.asked = make(chan struct{}, maxAsked)
	return a
}

func at(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return "ldapserver=" + host + " ldapport=" + port
}

// enterWith is a login with a cleartext password. It returns what we would log in to
// servers with, and the SQLSTATE.
func enterWith(t *testing.T, a *Authenticator, user, password string) (Credentials, string, error) {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	go answerPassword(there, password)
	c := from("127.0.0.1", user, "app")
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	c.Context = ctx
	creds, err := a.Client(wire.NewStream(here), c)
	var said *wire.Error
	if errors.As(err, &said) {
		return creds, said.Code, err
	}
	if err != nil {
		t.Fatal(err)
	}
	return creds, "", nil
}

// answerPassword is a client that is asked for its password.
func answerPassword(conn net.Conn, password string) {
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 9)); err != nil {
		return
	}
	b := append([]byte{'p', 0, 0, 0, byte(len(password) + 5)}, password...)
	conn.Write(append(b, 0)) //nolint:errcheck // the other end says what is wrong
	conn.Read(make([]byte, 1))
}

func TestLDAPLetsInWhomTheServerKnows(t *testing.T) {
	d := directoryServer(t)
	t.Setenv("LDAPTLS_CACERT", d.Certificate.CA)
	const in, no = "", "28000"
	type login struct{ user, password, want string }
	bind := ` ldapprefix="uid=" ldapsuffix=",ou=open,dc=example,dc=net"`
	search := ` ldapbasedn="ou=open,dc=example,dc=net"`
	reader := ` ldapbasedn="dc=example,dc=net" ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd=reading`
	_, port, _ := net.SplitHostPort(d.Address)
	usual := []login{
		{"ann", "secret", in}, {"ann", "wrong", no}, {"ann", "", no}, {"nobody", "secret", no}, {"*", "secret", no}, {"an*", "secret", no},
		{oddPerson, "secret", in}, {oddPerson, "wrong", no}, {"ann,ou=open", "secret", no}, {"x)(uid=ann", "secret", no}, {"a,b", "secret", no},
	}
	for _, c := range []struct {
		name, options string
		logins        []login
	}{
		{"simple bind", at(d.Address) + bind, usual},
		{"search and bind", at(d.Address) + search, usual},
		{"only beneath the base", at(d.Address) + search, []login{{"eve", "secret", no}}},
		{"a reader that searches", at(d.Address) + reader, append(usual, login{"eve", "secret", in}, login{"eve", "wrong", no})},
		{"another attribute", at(d.Address) + search + " ldapsearchattribute=mail",
			[]login{{"ann@example.net", "secret", in}, {"ann", "secret", no}, {"team@example.net", "secret", no}}},
		{"a filter", at(d.Address) + search + ` "ldapsearchfilter=(&(|(uid=$username)(mail=$username))(employeeType=staff))"`,
			[]login{{"ann@example.net", "secret", in}, {"ann", "secret", in}, {"bob", "secret", no}, {"*", "secret", no}}},
		{"a URL", `ldapurl="ldap://127.0.0.1:` + port + `/ou=open,dc=example,dc=net?uid?one"`, usual},
		{"a URL of one entry", `ldapurl="ldap://127.0.0.1:` + port + `/uid=ann,ou=open,dc=example,dc=net"`,
			[]login{{"ann", "secret", in}, {"bob", "secret", no}}},
		{"StartTLS", at(d.Address) + " ldaptls=1" + bind, usual},
		{"ldaps", at(d.TLSAddress) + " ldapscheme=ldaps" + search, usual},
		{"several servers, the first is down", `"ldapserver=127.0.0.1:1 ` + d.Address + `"` + bind, usual},
		{"a reader with the wrong password", at(d.Address) + strings.Replace(reader, "reading", "guessing", 1), []login{{"ann", "secret", "F0000"}}},
		{"no server", "ldapserver=127.0.0.1 ldapport=1" + bind, []login{{"ann", "secret", "57P03"}, {"ann", "", no}}},
		{"ldaps where none is", at(d.Address) + " ldapscheme=ldaps" + bind, []login{{"ann", "secret", "57P03"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := byLDAP(t, c.options)
			for _, l := range c.logins {
				creds, code, err := enterWith(t, a, l.user, l.password)
				if code != l.want {
					t.Errorf("%q with password %q: %v", l.user, l.password, err)
				}
				if code == in && creds != Password(l.password) {
					t.Errorf("%q logs in to servers with %v", l.user, creds)
				}
			}
		})
	}
}

func TestLDAPTrustsNoOtherCertificate(t *testing.T) {
	d := directoryServer(t)
	other := directoryServer(t)
	t.Setenv("LDAPTLS_CACERT", other.Certificate.CA)
	for _, options := range []string{at(d.Address) + " ldaptls=1", at(d.TLSAddress) + " ldapscheme=ldaps"} {
		a := byLDAP(t, options+` ldapprefix="uid=" ldapsuffix=",ou=open,dc=example,dc=net"`)
		if _, code, err := enterWith(t, a, "ann", "secret"); code != "57P03" || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
			t.Errorf("%s: %v", options, err)
		}
	}
	if log := d.Log(); strings.Contains(log, "BIND") {
		t.Errorf("a password was sent:\n%s", log)
	}
}

func TestAnEmptyPasswordIsNotTakenToLDAP(t *testing.T) {
	d := directoryServer(t)
	a := byLDAP(t, at(d.Address)+` ldapprefix="uid=" ldapsuffix=",ou=open,dc=example,dc=net"`)
	if _, code, _ := enterWith(t, a, "ann", ""); code != "28000" {
		t.Errorf("%q", code)
	}
	if _, code, err := enterWith(t, a, "ann", "secret"); code != "" {
		t.Fatal(err)
	}
	const bind = "method=128"
	lab.Eventually(t, "the server tells", func() error {
		if !strings.Contains(d.Log(), bind) {
			return errors.New("not yet")
		}
		return nil
	})
	if log := d.Log(); strings.Count(log, bind) != 1 {
		t.Errorf("the server was asked more than once:\n%s", log)
	}
}

func TestALoginEndsWithItsTimeAlthoughLDAPIsSilent(t *testing.T) {
	d := directoryServer(t)
	a := byLDAP(t, at(d.Address)+` ldapprefix="uid=" ldapsuffix=",ou=open,dc=example,dc=net"`)
	d.Suspend()
	defer d.Resume()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	ok, _, err := a.rules[0].directory.checkPassword(ctx, "ann", "secret")
	if ok || err == nil || ctx.Err() == nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestFaultsOfLDAPAreToldInPostgreSQLsWords(t *testing.T) {
	for options, want := range map[string]string{
		"":                                       `authentication method "ldap" requires argument "ldapserver" to be set`,
		"ldapserver=a":                           `authentication method "ldap" requires argument "ldapbasedn", "ldapprefix", or "ldapsuffix" to be set`,
		"ldapserver=a ldapprefix=x ldapbasedn=y": `cannot use ldapprefix or ldapsuffix together with ldapbasedn, ldapbinddn, ldapbindpasswd, ldapsearchattribute, ldapsearchfilter, or ldapurl`,
		"ldapserver=a ldapbasedn=y ldapsearchattribute=u ldapsearchfilter=(u=$username)": `cannot use ldapsearchattribute together with ldapsearchfilter`,
		"ldapserver=a ldapport=0 ldapprefix=x":                                           `invalid LDAP port number: "0"`,
		"ldapserver=a ldapscheme=http ldapprefix=x":                                      `invalid ldapscheme value: "http"`,
		"ldapurl=http://a/dc=x":                                                          `unsupported LDAP URL scheme: http`,
		"ldapurl=ldap://a/dc=x?uid?all":                                                  `could not parse LDAP URL "ldap://a/dc=x?uid?all": scope is none of base, one, sub`,
		"ldapserver=a ldapbasedn=y ldapsearchfilter=(u":                                  `ldapsearchfilter: LDAP Result Code 201 "Filter Compile Error": ldap: unexpected end of filter`,
		"ldapserver=a ldapprefix=x pamservice=y":                                         `authentication option "pamservice" is only valid for authentication methods pam`,
		"ldapserver=a ldapprefix=x map=y":                                                `authentication option "map" is only valid for authentication methods peer and cert`,
		"ldapserver=a ldapscheme=ldaps ldaptls=1 ldapprefix=x":                           `cannot use ldaptls together with ldaps, which is TLS from the first byte`,
	} {
		_, faults := readHBA("host all all all ldap "+options, nil)
		if got := fmt.Sprint(faults); got != "[pg_hba.conf:1: "+want+"]" {
			t.Errorf("%s: %s", options, got)
		}
	}
	if _, faults := readHBA("host all all all md5 ldapserver=a", nil); fmt.Sprint(faults) != `[pg_hba.conf:1: authentication option "ldapserver" is only valid for authentication methods ldap]` {
		t.Error(faults)
	}
}

func TestLDAPServersAreAskedAtTheirPorts(t *testing.T) {
	for options, want := range map[string]string{
		"ldapserver=a":                         "[a:389]",
		`"ldapserver=a b:1  [::1]" ldapport=2`: "[a:2 b:1 [::1]:2]",
		"ldapserver=::1 ldapscheme=ldaps":      "[[::1]:636]",
		"ldapurl=ldaps://a/dc=x":               "[a:636]",
		"ldapurl=ldap://a:7/dc=x":              "[a:7]",
	} {
		if !strings.Contains(options, "url") {
			options += " ldapprefix=x"
		}
		if got := fmt.Sprint(byLDAP(t, options).rules[0].directory.addresses()); got != want {
			t.Errorf("%s: %s", options, got)
		}
	}
}

func TestANameStaysOneValueInADistinguishedName(t *testing.T) {
	dn := &directory{prefix: "uid=", suffix: ",dc=x"}
	if got, ok := dn.bindName("a,ou=admins"); !ok || got != `uid=a\,ou=admins,dc=x` {
		t.Errorf("%s, %v", got, ok)
	}
	domain := &directory{prefix: `EXAMPLE\`}
	for name, want := range map[string]bool{"ann": true, "ann.b-c_d$": true, "cn=admin": false, "a,b": false, `OTHER\ann`: false, "ann@other": false} {
		if got, ok := domain.bindName(name); ok != want || got != `EXAMPLE\`+name {
			t.Errorf("%s: %s, %v", name, got, ok)
		}
	}
}
