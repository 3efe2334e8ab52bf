package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"portero/wire"
)

// certificate is one of these common names, as it comes off the wire.
func certificate(t *testing.T, dns, emails []string, commonNames ...string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: dns, EmailAddresses: emails}
	for _, cn := range commonNames {
		c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: commonName, Value: cn})
	}
	c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "organisation"})
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatOfACertificateIsTheUser(t *testing.T) {
	both := certificate(t, []string{"a.example", "b.example"}, []string{"a@example.com"}, "first", "second")
	for _, c := range []struct {
		which certName
		cert  *x509.Certificate
		want  []string
	}{
		{certCN, both, []string{"first"}}, // as in PostgreSQL
		{certDNS, both, []string{"a.example", "b.example"}},
		{certEmail, both, []string{"a@example.com"}},
		{certCN, certificate(t, nil, nil), nil},
		{certCN, certificate(t, nil, nil, ""), nil},
		{certCN, certificate(t, nil, nil, "app\x00.example.com"), nil},
		{certCN, certificate(t, []string{"app"}, []string{"app"}), nil},
		{certDNS, certificate(t, nil, nil, "app"), nil},
		{certEmail, certificate(t, nil, nil, "app"), nil},
	} {
		if got := c.which.of(c.cert); !slices.Equal(got, c.want) {
			t.Errorf("%d of %v: %q, want %q", c.which, c.cert.Subject, got, c.want)
		}
	}
}

// TestRefusalsAreInPostgreSQLsWords is for those that need no password; package
// proxy compares them all with a server's.
func TestRefusalsAreInPostgreSQLsWords(t *testing.T) {
	a := mustReadHBA(t, `local all app peer map=m
local all broken peer
local all zoe trust
local all gone reject
hostssl all app all cert map=m
hostssl all old all trust clientcert=verify-ca
hostssl all zoe all trust clientcert=verify-full`)
	maps, faults := readIdent("m deploy app")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	a.maps = maps
	users, err := readUsers(t, `"app" "secret"`)
	if err != nil {
		t.Fatal(err)
	}
	a.users = users
	const tls = "10.0.0.1+tls"
	deploy, app := certificate(t, nil, nil, "deploy"), certificate(t, nil, nil, "app")
	for _, c := range []struct {
		address, user, system string
		cert                  *x509.Certificate
		want                  string // "": let in
		log                   string // in the whole of the error
	}{
		{"", "app", "deploy", nil, "", ""},
		{"", "app", "app", nil, `FATAL: Peer authentication failed for user "app" (SQLSTATE 28000)`, `client is run by "app" (by pg_hba.conf:1)`},
		{"", "broken", "", nil, `FATAL: Peer authentication failed for user "broken" (SQLSTATE 28000)`, `who runs the client: nobody knows (by pg_hba.conf:2)`},
		{"", "zoe", "", nil, "", ""},
		{"", "gone", "", nil, `FATAL: pg_hba.conf rejects connection for host "[local]", user "gone", database "db", no encryption (SQLSTATE 28000)`, "by pg_hba.conf:4"},
		{"", "old", "", nil, `FATAL: no pg_hba.conf entry for host "[local]", user "old", database "db", no encryption (SQLSTATE 28000)`, ""},
		{"::ffff:10.0.0.1", "app", "", nil, `FATAL: no pg_hba.conf entry for host "10.0.0.1", user "app", database "db", no encryption (SQLSTATE 28000)`, ""},
		{tls, "gone", "", app, `FATAL: no pg_hba.conf entry for host "10.0.0.1", user "gone", database "db", SSL encryption (SQLSTATE 28000)`, ""},
		{tls, "app", "", deploy, "", ""},
		{tls, "app", "", app, `FATAL: certificate authentication failed for user "app" (SQLSTATE 28000)`, `in the name of ["app"] (by pg_hba.conf:5)`},
		{tls, "app", "", nil, `FATAL: client certificates can only be checked if a root certificate store is available (SQLSTATE F0000)`, "by pg_hba.conf:5"},
		{tls, "old", "", app, "", ""},
		{tls, "old", "", nil, `FATAL: client certificates can only be checked if a root certificate store is available (SQLSTATE F0000)`, "by pg_hba.conf:6"},
		{tls, "zoe", "", app, `FATAL: "trust" authentication failed for user "zoe" (SQLSTATE 28000)`, "by pg_hba.conf:7"},
	} {
		arrival := from(c.address, c.user, "db")
		arrival.Certificate = c.cert
		arrival.SystemUser = func() (string, error) {
			if c.system == "" {
				return "", errors.New("nobody knows")
			}
			return c.system, nil
		}
		creds, err := a.Client(wire.NewStream(new(net.TCPConn)), arrival)
		said, _ := errors.AsType[*wire.Error](err)
		switch {
		case c.want == "" && (err != nil || creds != fromFile(a, c.user)):
			t.Errorf("%s %s: %v, %v", c.address, c.user, creds, err)
		case c.want != "" && (said == nil || said.Error() != c.want || creds != (Credentials{})):
			t.Errorf("%s %s: %v, %v, want %s", c.address, c.user, creds, err, c.want)
		case c.want != "" && !strings.Contains(err.Error(), c.log):
			t.Errorf("%s %s: %v does not say %s", c.address, c.user, err, c.log)
		}
	}
}

func TestTheMethodOfTheRuleIsRun(t *testing.T) {
	a := mustReadHBA(t, "host all plain 10.0.0.0/8 password\nhost all plain 11.0.0.0/8 trust\nhost all plain 12.0.0.0/8 md5\nhost all plain all scram-sha-256")
	users, err := readUsers(t, pencilUsers())
	if err != nil {
		t.Fatal(err)
	}
	a.users = users
	for address, want := range map[string]string{ // of a wrong password: message types and sizes
		"10.1.1.1": "R 4 E", "11.1.1.1": "R 4 S", "12.1.1.1": "R 8 E", "13.1.1.1": "R 19 R",
	} {
		seen := strings.Join(transcript(t, door{auth: a, arrival: *from(address, "", "db")}, "plain"), " ")
		if !strings.HasPrefix(seen, want) {
			t.Errorf("%s: %v, want %s", address, seen, want)
		}
	}
}
