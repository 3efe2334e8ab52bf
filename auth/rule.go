package auth

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
)

// Arrival is what is known of a client when it asks to be let in.
type Arrival struct {
	User, Database string            // as the client names them
	Local          bool              // it came by a Unix socket
	Address        netip.Addr        // of others
	TLS            bool              //
	Binding        []byte            // see TLSServerEndPoint; nil: without TLS, or undefined
	Certificate    *x509.Certificate // that it has shown and the listener's client_ca has signed; nil: none

	// SystemUser is who runs the client, by the word of the kernel. It may
	// block on the system's data base of users; only method peer asks.
	SystemUser func() (string, error)

	// Physical is a client that replicates whole clusters (replication=true): its database
	// counts for nothing.
	Physical bool

	// Blocks is called before the client is looked up or its password is checked in a way
	// that blocks, or takes CPU for more than some microseconds, for whoever has to be
	// elsewhere for that; more than once, perhaps. It may set Context. nil: it may block anywhere.
	Blocks func()

	Home    *Home           // nil: no route is for it
	Context context.Context // ends what others are asked about it; nil: never
}

func (c *Arrival) context() context.Context {
	if c.Context == nil {
		return context.Background()
	}
	return c.Context
}

func (c *Arrival) willBlock() {
	if c.Blocks != nil {
		c.Blocks()
	}
}

type link byte

const (
	linkNone      link = iota // not known, which no client is
	linkLocal                 // by Unix socket
	linkHost                  // by TCP
	linkHostSSL               // by TCP with TLS
	linkHostNoSSL             // by TCP without
	linkAny                   // any of these, which no file can say: for the one method
)

// is says whether a client has come in this way.
func (l link) is(c *Arrival) bool {
	tcp := !c.Local && c.Address.IsValid()
	switch l {
	case linkLocal:
		return c.Local
	case linkHost:
		return tcp
	case linkHostSSL:
		return tcp && c.TLS
	case linkHostNoSSL:
		return tcp && !c.TLS
	}
	return l == linkAny
}

type certLevel byte

const (
	certAny    certLevel = iota // what the listener asks for
	certSigned                  // verify-ca: by the listener's client_ca
	certUser                    // verify-full: and in the name of the user
)

// rule says how those clients prove who they are that it matches: a line of
// pg_hba.conf.
type rule struct {
	place     string // where it stands, for the log; "" for the one method
	link      link
	databases names
	users     names
	from      addresses
	method    method
	cert      certLevel
	certName  certName
	usermap   string     // "": names must be equal
	directory *directory // method ldap
	service   string     // method pam
}

// part is what of a rule a client differs in.
type part byte

const (
	noPart part = iota // the rule is for the client
	partType
	partDatabase
	partUser
	partAddress
)

// differs is the first part by which a rule is not for a client.
func (r *rule) differs(c *Arrival, interfaces func() ([]net.Addr, error)) (part, error) {
	database, user := cutName(c.Database), cutName(c.User)
	switch {
	case !r.link.is(c):
		return partType, nil
	case !r.databases.holdDatabase(database, user, c.Physical):
		return partDatabase, nil
	case !r.users.hold(user, user):
		return partUser, nil
	case c.Local:
		return noPart, nil
	}
	fits, err := r.from.contain(c.Address.Unmap(), interfaces)
	if !fits {
		return partAddress, err
	}
	return noPart, nil
}

// maxName is the most of a name that PostgreSQL looks at (NAMEDATALEN - 1).
const maxName = 63

// cutName cuts a name off where PostgreSQL does, before it asks its rules:
// behind that, no letter may make another name of it here.
func cutName(s string) string { return s[:min(len(s), maxName)] }

// first is the first rule that matches, nil for none. Where that cannot be
// told of one, no later one is asked: it may have been a reject. passed, unless it is nil, is
// shown those before it, with what the client differs in.
func (a *Authenticator) first(c *Arrival, passed func(*rule, part)) (*rule, error) {
	interfaces := func() ([]net.Addr, error) {
		c.willBlock()
		return a.interfaces()
	}
	for i := range a.rules {
		r := &a.rules[i]
		differs, err := r.differs(c, interfaces)
		switch {
		case err != nil:
			return nil, r.blame(fmt.Errorf("%w: %w", noTelling(), err))
		case differs == noPart:
			return r, nil
		case passed != nil:
			passed(r, differs)
		}
	}
	return nil, nil
}

// needsUsers says whether a rule asks for a password.
func (r *rule) needsUsers() bool {
	return r.method == methodPassword || r.method == methodMD5 || r.method == methodSCRAM
}

// needsCert says whether a rule lets in nobody without a certificate.
func (r *rule) needsCert() bool { return r.method == methodCert || r.cert != certAny }
