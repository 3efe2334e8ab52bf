package auth

import (
	"errors"
	"fmt"

	"portero/wire"
)

// The refusals, in the words of PostgreSQL (ClientAuthentication and
// auth_failed in auth.c), also where rules do not come from a pg_hba.conf:
// people, and drivers, know them by these.

// noEntry is for a client that no rule is for.
func noEntry(c *Arrival) *wire.Error {
	if c.Physical {
		return wire.Fatal(wire.InvalidAuthorization, "no pg_hba.conf entry for replication connection from %s", c)
	}
	return wire.Fatal(wire.InvalidAuthorization, "no pg_hba.conf entry for %s", c)
}

func rejected(c *Arrival) *wire.Error {
	if c.Physical {
		return wire.Fatal(wire.InvalidAuthorization, "pg_hba.conf rejects replication connection for %s", c)
	}
	return wire.Fatal(wire.InvalidAuthorization, "pg_hba.conf rejects connection for %s", c)
}

// WithoutTLS is for a client without TLS where only those with it get in.
func WithoutTLS(c *Arrival) *wire.Error {
	e := noEntry(c)
	e.Hint = "This listener takes TLS connections only (sslmode=require)."
	return e
}

// WithoutCertificate is for a client without a certificate where only those
// with one get in.
func WithoutCertificate() *wire.Error {
	return wire.Fatal(wire.InvalidAuthorization, "connection requires a valid client certificate")
}

// noAuthority is for a client of a rule that wants a certificate, on a
// listener that asks for none.
func noAuthority() *wire.Error {
	return wire.Fatal(wire.ConfigFileError, "client certificates can only be checked if a root certificate store is available")
}

// noTelling is for a client of which cannot be told whether a rule is for it.
func noTelling() *wire.Error {
	return wire.Fatal(wire.InternalError, "cannot tell which rule is for the client: try again")
}

// String is a client as the refusals name it.
func (c *Arrival) String() string {
	host, encryption := "[local]", "no encryption"
	if !c.Local {
		host = c.Address.Unmap().String()
	}
	if c.TLS {
		encryption = "SSL encryption"
	}
	if c.Physical {
		return fmt.Sprintf("host \"%s\", user \"%s\", %s", host, c.User, encryption)
	}
	return fmt.Sprintf("host \"%s\", user \"%s\", database \"%s\", %s", host, c.User, c.Database, encryption)
}

// failed is for a client that could not prove what the rule asks of it.
func (r *rule) failed(c *Arrival) *wire.Error {
	switch r.method {
	case methodTrust: // with a certificate
		return wire.Fatal(wire.InvalidAuthorization, "\"trust\" authentication failed for user \"%s\"", c.User)
	case methodCert:
		return wire.Fatal(wire.InvalidAuthorization, "certificate authentication failed for user \"%s\"", c.User)
	case methodLDAP:
		return wire.Fatal(wire.InvalidAuthorization, "LDAP authentication failed for user \"%s\"", c.User)
	case methodPAM:
		return wire.Fatal(wire.InvalidAuthorization, "PAM authentication failed for user \"%s\"", c.User)
	case methodPeer:
		return wire.Fatal(wire.InvalidAuthorization, "Peer authentication failed for user \"%s\"", c.User)
	}
	return wire.Fatal(wire.InvalidPassword, "password authentication failed for user \"%s\"", c.User)
}

// blame adds to a refusal, for the log, which rule it was that led to it.
func (r *rule) blame(err error) error {
	if _, refusal := errors.AsType[*wire.Error](err); !refusal || r.place == "" {
		return err
	}
	return fmt.Errorf("%w (by %s)", err, r.place)
}
