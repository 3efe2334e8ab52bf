package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

const (
	// ldapTimeout is how long one LDAP server may take for each of its answers.
	ldapTimeout = 5 * time.Second
	// maxLDAPMessage is what is read of one, in bytes.
	maxLDAPMessage = 1 << 20
)

func init() { ber.MaxPacketLengthBytes = maxLDAPMessage } // the library's own is 2 GB

// errLDAPRefuses is a directory that does not let us ask for users.
var errLDAPRefuses = errors.New("the LDAP server refuses to be asked")

// checkPassword asks the servers, one after the other until one answers. No
// error and false: the password is wrong, or there is no such user; why says
// which, for the log. It blocks, and ends with ctx. The password is not empty:
// to bind with an empty one is to be let in as nobody.
func (d *directory) checkPassword(ctx context.Context, user, password string) (ok bool, why string, err error) {
	var failed []error
	for _, address := range d.addresses() {
		ok, why, err := d.askServer(ctx, address, user, password)
		if err == nil {
			return ok, why, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", address, err))
		if ctx.Err() != nil {
			break
		}
	}
	return false, "", errors.Join(failed...)
}

func (d *directory) askServer(ctx context.Context, address, user, password string) (ok bool, why string, err error) {
	conn, err := d.connect(ctx, address)
	if err != nil {
		return false, "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	name, known := d.bindName(user)
	if d.baseDN != "" {
		name, known, err = d.search(conn, user)
	}
	switch {
	case err != nil:
		return false, "", err
	case !known:
		return false, "the LDAP server knows no such user", nil
	}
	switch err := conn.Bind(name, password); {
	case err == nil:
		return true, "", nil
	case isUnavailable(err):
		return false, "", err
	default:
		return false, "the LDAP server says to " + name + ": " + err.Error(), nil
	}
}

// connect dials a server, and has TLS on the connection if it is to have it.
func (d *directory) connect(ctx context.Context, address string) (*ldap.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, ldapTimeout)
	defer cancel()
	var secure *tls.Config
	if d.scheme == "ldaps" || d.startTLS {
		var err error
		if secure, err = ldapTLS(address); err != nil {
			return nil, err
		}
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if d.scheme == "ldaps" {
		t := tls.Client(raw, secure)
		if err := t.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		raw = t
	}
	conn := ldap.NewConn(raw, d.scheme == "ldaps")
	conn.SetTimeout(ldapTimeout)
	conn.Start()
	if d.startTLS {
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		err := conn.StartTLS(secure)
		if stop(); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// ldapTLS trusts whom PostgreSQL's LDAP library would: the certificates that
// LDAPTLS_CACERT names in the environment, else the system's.
func ldapTLS(address string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	file := os.Getenv("LDAPTLS_CACERT")
	if file == "" {
		return c, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in PEM format", file)
	}
	return c, nil
}

// search finds the one entry of a user.
func (d *directory) search(conn *ldap.Conn, user string) (dn string, known bool, err error) {
	if d.bindSecret == "" {
		err = conn.UnauthenticatedBind(d.bindDN)
	} else {
		err = conn.Bind(d.bindDN, d.bindSecret)
	}
	if err != nil {
		return "", false, refusedUnlessUnavailable(err, "bind as "+d.bindDN)
	}
	noAttributes := []string{"1.1"}
	found, err := conn.Search(ldap.NewSearchRequest(d.baseDN, d.scope, ldap.NeverDerefAliases, 2, int(ldapTimeout/time.Second), false,
		d.searchFilter(user), noAttributes, nil))
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded): // it had more to say
		return "", false, nil
	case err != nil:
		return "", false, refusedUnlessUnavailable(err, "search in "+d.baseDN)
	case len(found.Entries) != 1:
		return "", false, nil
	}
	return found.Entries[0].DN, true, nil
}

func refusedUnlessUnavailable(err error, what string) error {
	if isUnavailable(err) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%w: %s: %w", errLDAPRefuses, what, err)
}

// isUnavailable says whether a server has said nothing of the matter: it was
// not reached, or is not up to it at present.
func isUnavailable(err error) bool {
	said, ok := errors.AsType[*ldap.Error](err)
	return !ok || said.ResultCode >= ldap.ErrorNetwork || said.ResultCode == ldap.LDAPResultBusy || said.ResultCode == ldap.LDAPResultUnavailable ||
		said.ResultCode == ldap.LDAPResultTimeLimitExceeded
}
