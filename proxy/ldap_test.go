package proxy_test

import (
	"net"
	"testing"

	"portero/config"
	"portero/internal/lab"
)

// TestAPasswordThatLDAPHasCheckedLogsInToTheServer that asks for a proof of it.
func TestAPasswordThatLDAPHasCheckedLogsInToTheServer(t *testing.T) {
	postgres(t)
	d := lab.SlapdForTest(t, `
dn: uid=scrammer,ou=open,dc=example,dc=net
objectClass: account
objectClass: simpleSecurityObject
uid: scrammer
userPassword: secret

dn: uid=clear,ou=open,dc=example,dc=net
objectClass: account
objectClass: simpleSecurityObject
uid: clear
userPassword: another
`)
	host, port, _ := net.SplitHostPort(d.Address)
	w := start(t, func(c *config.Config) {
		c.Auth.Method = "ldap"
		c.Auth.Options = []string{"ldapserver=" + host, "ldapport=" + port, "ldapbasedn=ou=open,dc=example,dc=net"}
	})
	for _, l := range []struct{ user, password, want string }{
		{"scrammer", "secret", ""}, {"scrammer", "wrong", "28000"}, {"clear", "another", "28P01"}, // the server has another password
		{"hasher", "secret", "28000"}, // LDAP does not know him
	} {
		if code := w.sqlState(l.user, l.password); code != l.want {
			t.Errorf("%s with password %s: %q", l.user, l.password, code)
		}
	}
}
