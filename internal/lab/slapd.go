package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Slapd is an LDAP server: OpenLDAP's, with one tree under dc=example,dc=net. Its methods
// are for one goroutine at a time.
//
// Everybody may search in ou=open, and only cn=reader, whose password is "reading", in
// ou=closed. The others bind only.
type Slapd struct {
	Address     string      // host:port, plain, and with TLS by StartTLS
	TLSAddress  string      // host:port of ldaps
	Certificate Certificate //

	bin     string
	site    *site
	process *process
}

const slapdConfig = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/slapd.pid
TLSCACertificateFile %[2]s
TLSCertificateFile %[3]s
TLSCertificateKeyFile %[4]s
database mdb
suffix "dc=example,dc=net"
directory %[1]s/db
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=open,dc=example,dc=net" by * read
access to * by dn.exact="cn=reader,dc=example,dc=net" read by anonymous auth by * none
`

const slapdTree = `
dn: dc=example,dc=net
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: ou=open,dc=example,dc=net
objectClass: organizationalUnit
ou: open

dn: ou=closed,dc=example,dc=net
objectClass: organizationalUnit
ou: closed

dn: cn=reader,dc=example,dc=net
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reading
`

// StartSlapd starts the program with further entries in LDIF, and returns once it listens.
// The caller closes it.
func StartSlapd(ctx context.Context, entries string) (*Slapd, error) {
	ctx, cancel := limit(ctx, startLimit)
	defer cancel()
	bin, err := findDaemon("slapd")
	if err != nil {
		return nil, err
	}
	s, err := newSite()
	if err != nil {
		return nil, err
	}
	d := &Slapd{site: s, bin: bin}
	if err := d.create(entries); err != nil {
		return nil, errors.Join(fmt.Errorf("start slapd: %w", err), s.close())
	}
	if err := d.Start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start slapd: %w", err), s.close())
	}
	return d, nil
}

func (d *Slapd) create(entries string) error {
	s := d.site
	ports, err := s.takePorts(nil, 2)
	if err != nil {
		return err
	}
	d.Address, d.TLSAddress = loopback(ports[0]), loopback(ports[1])
	if _, err := s.makeDir("db"); err != nil {
		return err
	}
	if d.Certificate, err = s.makeCertificate(s.dir); err != nil {
		return err
	}
	c := d.Certificate
	err = errors.Join(
		s.writeFile(s.path("slapd.conf"), fmt.Sprintf(slapdConfig, s.dir, c.CA, c.Cert, c.Key)),
		s.writeFile(s.path("tree.ldif"), strings.TrimLeft(slapdTree, "\n")+"\n"+strings.TrimLeft(entries, "\n")),
	)
	if err != nil {
		return err
	}
	return s.run(command{path: d.bin, args: []string{"-T", "add", "-f", s.path("slapd.conf"), "-l", s.path("tree.ldif")}, dir: s.dir, log: s.path("slapadd.log")})
}

// Start starts the server again, and returns once it listens.
func (d *Slapd) Start(ctx context.Context) (err error) {
	s := d.site
	d.process, err = s.start(command{
		path: d.bin, args: []string{"-d", "stats", "-f", s.path("slapd.conf"), "-h", "ldap://" + d.Address + " ldaps://" + d.TLSAddress},
		dir: s.dir, log: s.path("slapd.log"), orphaned: syscall.SIGKILL,
	})
	if err == nil {
		err = d.process.waitListening(ctx, d.Address)
	}
	return err
}

// Stop kills the server; it can be started again.
func (d *Slapd) Stop() { d.process.kill() }

// Suspend has it hear nothing, and Resume ends that.
func (d *Slapd) Suspend() { d.process.signal(syscall.SIGSTOP) }

// Resume ends what Suspend has begun.
func (d *Slapd) Resume() { d.process.signal(syscall.SIGCONT) }

// Log is the end of what the server logged: each operation that it was asked for.
func (d *Slapd) Log() string { return tail(d.site.path("slapd.log")) }

// Close ends the server and removes its files.
func (d *Slapd) Close() error {
	d.Resume()
	return d.site.close()
}

// SlapdForTest starts an LDAP server that ends with the test. A missing program fails the
// test.
func SlapdForTest(t TB, entries string) *Slapd {
	t.Helper()
	d, err := StartSlapd(t.Context(), entries)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { finish(t, d.Close, d.Log) })
	return d
}
