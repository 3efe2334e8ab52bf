//go:build pam

package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// service describes a PAM service of that name to the test: of pam_exec, which has a
// script look at the password, and of what account says to those who have the right one.
func service(t *testing.T, name, account string) {
	t.Helper()
	folder := t.TempDir()
	script := filepath.Join(folder, "check")
	files := map[string]string{
		script:                      "#!/bin/sh\nread -r secret\n[ \"$PAM_USER $PAM_RHOST $secret\" = 'ann 127.0.0.1 secret' ]\n",
		filepath.Join(folder, name): "auth required pam_exec.so expose_authtok quiet " + script + "\naccount required " + account + "\n",
	}
	for file, text := range files {
		if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	pamFolder = folder
	t.Cleanup(func() { pamFolder = "" })
}

func byPAM(t *testing.T, options string) *Authenticator {
	t.Helper()
	a := mustReadHBA(t, "host all all all pam "+options)
	a.asked = make(chan struct{}, maxAsked)
	return a
}

func TestPAMLetsInWhomItKnows(t *testing.T) {
	for _, c := range []struct{ name, options, account, user, password, want string }{
		{"right", "", "pam_permit.so", "ann", "secret", ""},
		{"wrong password", "", "pam_permit.so", "ann", "wrong", "28000"},
		{"empty password", "", "pam_permit.so", "ann", "", "28000"},
		{"somebody else", "", "pam_permit.so", "bob", "secret", "28000"},
		{"may not log in now", "", "pam_deny.so", "ann", "secret", "28000"},
		{"a service of its own", "pamservice=mine pam_use_hostname=0", "pam_permit.so", "ann", "secret", ""},
		{"no such module", "", "pam_of_nobody.so", "ann", "secret", "F0000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := "postgresql"
			if strings.Contains(c.options, "mine") {
				name = "mine"
			}
			service(t, name, c.account)
			creds, code, err := enterWith(t, byPAM(t, c.options), c.user, c.password)
			if code != c.want {
				t.Errorf("%v", err)
			}
			if code == "" && creds != Password(c.password) {
				t.Errorf("it logs in to servers with %v", creds)
			}
		})
	}
}

func TestFaultsOfPAM(t *testing.T) {
	for options, want := range map[string]string{
		"pam_use_hostname=1": "pam_use_hostname is not supported here: nobody is asked for the names of addresses",
		"ldapserver=a":       `authentication option "ldapserver" is only valid for authentication methods ldap`,
	} {
		if _, faults := readHBA("host all all all pam "+options, nil); len(faults) != 1 || faults[0] != "pg_hba.conf:1: "+want {
			t.Errorf("%s: %v", options, faults)
		}
	}
}
