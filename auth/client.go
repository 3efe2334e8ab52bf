package auth

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

const (
	maxPassword = 64 << 10 // bytes of a password message; tokens used as passwords are long
	maxSASL     = 8 << 10  // bytes of a SASL message
)

type method byte

const (
	methodReject method = iota // also what a rule has whose method is not known
	methodTrust
	methodPassword
	methodMD5
	methodSCRAM
	methodCert
	methodPeer
	methodLDAP
	methodPAM
)

var methods = map[string]method{
	"reject": methodReject, "trust": methodTrust, "password": methodPassword, "md5": methodMD5,
	"scram-sha-256": methodSCRAM, "cert": methodCert, "peer": methodPeer,
	"ldap": methodLDAP, "pam": methodPAM,
}

// Authenticator proves clients to us. It is safe for concurrent use, and
// immutable but for what it has found out about users.
type Authenticator struct {
	rules      []rule
	maps       identMaps
	users      *Users
	lookups    *lookups                   // nil: the user file knows all
	asked      chan struct{}              // a token for each password that LDAP or PAM is asked about
	interfaces func() ([]net.Addr, error) // the addresses of this host
}

// ruleForAll is the rule that one method stands for.
func ruleForAll(name string) (rule, bool) {
	m, known := methods[name]
	if !known || m == methodReject || m == methodPeer {
		return rule{}, false
	}
	r := rule{link: linkAny, databases: names{{kind: anyName}, {kind: replicating}}, users: names{{kind: anyName}}, method: m}
	if m == methodCert {
		r.link = linkHostSSL
	}
	return r, true
}

// Client has the client behind s prove that it is whom it says, by the first
// rule that matches, up to and without AuthenticationOk, which the caller
// sends; what goes right before it may be held by s until then. It blocks on the client. With a Binding, SCRAM-SHA-256-PLUS is offered.
//
// What the client gets wrong is a *wire.Error, FATAL, for the caller to send,
// in PostgreSQL's words; whether the user, the secret or its kind was wrong
// shows in nothing. The error that holds it says more, for the log alone.
// Errors of the stream are returned as they are. io.EOF: the client went away
// when asked for a password, as psql does before it asks its user for one.
//
// As PgBouncer and PostgreSQL do, method md5 uses SCRAM for a user whose
// secret is a SCRAM verifier. An md5 hash cannot pass method scram-sha-256.
//
// Where no password is asked for, the Credentials are those of the user file.
func (a *Authenticator) Client(s *wire.Stream, c *Arrival) (Credentials, error) {
	r, err := a.first(c, nil)
	if err != nil {
		return Credentials{}, err
	}
	if r == nil {
		return Credentials{}, noEntry(c)
	}
	creds, err := a.prove(s, r, c)
	if err == nil && (r.method == methodCert || r.cert == certUser) {
		err = a.checkCertificate(r, c)
	}
	if err != nil {
		return Credentials{}, r.blame(err)
	}
	return creds, nil
}

// prove runs the method of a rule.
func (a *Authenticator) prove(s *wire.Stream, r *rule, c *Arrival) (Credentials, error) {
	if r.needsCert() && c.Certificate == nil {
		return Credentials{}, noAuthority()
	}
	switch r.method {
	case methodTrust, methodCert:
		return a.stored(c)
	case methodPeer:
		c.willBlock()
		if err := a.checkPeer(r, c); err != nil {
			return Credentials{}, err
		}
		return a.stored(c)
	case methodLDAP, methodPAM:
		c.willBlock()
		return a.askOthers(s, r, c)
	case methodPassword, methodMD5, methodSCRAM:
		return a.ask(s, r, c)
	}
	return Credentials{}, rejected(c)
}

// stored is what the user file gives without any proof, or the database.
func (a *Authenticator) stored(c *Arrival) (Credentials, error) {
	if a.isKnown(c.User) {
		creds, _ := a.users.Lookup(c.User)
		return creds, nil
	}
	e, err := a.find(c)
	if err != nil || e.mock {
		return Credentials{}, err
	}
	return e.creds, nil
}

// ask asks for a password, or for a proof of one.
func (a *Authenticator) ask(s *wire.Stream, r *rule, c *Arrival) (Credentials, error) {
	e, err := a.find(c)
	if err != nil {
		return Credentials{}, err
	}
	ask := askSCRAM
	switch r.asksFor(e) {
	case methodPassword:
		c.willBlock() // for the keys of a password
		ask = askPassword
	case methodMD5:
		ask = askMD5
	default:
		if !a.users.isDerived() {
			c.willBlock()
		}
	}
	again := func() *entry { return a.again(c, e) }
	creds, ok, err := ask(s, e, again, c.Binding)
	if err != nil {
		return Credentials{}, err
	}
	if !ok {
		return Credentials{}, e.blame(r.failed(c))
	}
	return creds, nil
}

// asksFor is the method that a user meets where a rule asks for a password.
func (r *rule) asksFor(e *entry) method {
	if r.method == methodMD5 && e.creds.kind == secretVerifier {
		return methodSCRAM
	}
	return r.method
}

// blame adds to a refusal, for the log, why the user has no secret.
func (e *entry) blame(refusal error) error {
	if e.why == "" {
		return refusal
	}
	return fmt.Errorf("%w: %s", refusal, e.why)
}

// checkCertificate says whether a certificate is in the name of the user, or
// of one who may log in as that.
func (a *Authenticator) checkCertificate(r *rule, c *Arrival) error {
	names := r.certName.of(c.Certificate)
	for _, name := range names {
		if a.maps.allow(r.usermap, name, cutName(c.User)) {
			return nil
		}
	}
	return fmt.Errorf("%w: certificate is in the name of %q", r.failed(c), names)
}

// checkPeer says whether the client is run by the user, or by one who may log
// in as that.
func (a *Authenticator) checkPeer(r *rule, c *Arrival) error {
	system, err := c.SystemUser()
	switch {
	case err != nil:
		return fmt.Errorf("%w: who runs the client: %w", r.failed(c), err)
	case !a.maps.allow(r.usermap, system, cutName(c.User)):
		return fmt.Errorf("%w: client is run by %q", r.failed(c), system)
	}
	return nil
}

// askPassword asks for the password itself. Once it is known to be right, it
// serves servers better than a hash from the file would. Where a proof does not
// fit, these three ask again for what it is to fit, which may have changed.
func askPassword(s *wire.Stream, e *entry, again func() *entry, _ []byte) (Credentials, bool, error) {
	if err := s.Write(&pgproto3.AuthenticationCleartextPassword{}); err != nil {
		return Credentials{}, false, err
	}
	got, err := readPassword(s)
	if err != nil {
		return Credentials{}, false, err
	}
	ok := e.fits(got)
	if !ok {
		newer := again()
		ok = newer != nil && newer.fits(got)
	}
	return Password(got), ok, nil
}

// fits says whether somebody has that password.
func (e *entry) fits(password string) bool { return e.checkPassword(password) && !e.mock }

func (e *entry) checkPassword(got string) bool {
	switch e.creds.kind {
	case secretMD5:
		return equalSecret(md5Secret(e.name, got), e.creds.secret)
	case secretVerifier:
		v := e.creds.verifier
		return deriveKeys(got, v.salt, v.iterations).stored.equal(v.storedKey)
	}
	return equalSecret(got, e.creds.secret)
}

// askMD5 is for plain passwords and md5 hashes.
func askMD5(s *wire.Stream, e *entry, again func() *entry, _ []byte) (Credentials, bool, error) {
	var salt [4]byte
	rand.Read(salt[:]) // never fails: crypto/rand ends the process instead
	if err := s.Write(&pgproto3.AuthenticationMD5Password{Salt: salt}); err != nil {
		return Credentials{}, false, err
	}
	got, err := readPassword(s)
	if err != nil {
		return Credentials{}, false, err
	}
	ok := e.fitsMD5(got, salt)
	if !ok {
		if newer := again(); newer != nil {
			e, ok = newer, newer.fitsMD5(got, salt)
		}
	}
	return e.creds, ok, nil
}

// fitsMD5 says whether somebody has the secret that an answer was made of.
func (e *entry) fitsMD5(answer string, salt [4]byte) bool {
	want, err := e.creds.md5(e.name, salt)
	return err == nil && equalSecret(answer, want) && !e.mock
}

// askSCRAM runs SCRAM-SHA-256. From a proof for a verifier of the file comes
// the ClientKey, with which we can log in to servers that have the same verifier.
func askSCRAM(s *wire.Stream, e *entry, again func() *entry, binding []byte) (Credentials, bool, error) {
	v, usable := e.scramVerifier()
	x := newSCRAMServer(v, binding)
	if err := s.Write(&pgproto3.AuthenticationSASL{AuthMechanisms: x.mechanisms()}); err != nil {
		return Credentials{}, false, err
	}
	body, err := readAnswer(s, maxSASL)
	if err != nil {
		return Credentials{}, false, err
	}
	mechanism, first, err := parseInitialResponse(body)
	if err != nil {
		return Credentials{}, false, err
	}
	challenge, err := x.first(mechanism, first)
	if err != nil {
		return Credentials{}, false, err
	}
	if err := s.Write(&pgproto3.AuthenticationSASLContinue{Data: []byte(challenge)}); err != nil {
		return Credentials{}, false, err
	}
	if body, err = readAnswer(s, maxSASL); err != nil {
		return Credentials{}, false, err
	}
	text := string(body)
	answer, key, ok, err := x.final(text)
	if err == nil && (!ok || !usable) {
		if e = again(); e == nil || !x.turnTo(e) {
			return Credentials{}, false, nil
		}
		answer, key, ok, err = x.final(text)
	}
	if err != nil || !ok {
		return Credentials{}, false, err
	}
	c := e.creds
	if c.kind == secretVerifier {
		c.kind, c.clientKey = secretKeys, key
	}
	s.Hold(&pgproto3.AuthenticationSASLFinal{Data: []byte(answer)}) // as in PostgreSQL, until AuthenticationOk
	return c, true, nil
}

// readAnswer reads the body of a password or SASL message, valid until the
// next read of s.
func readAnswer(s *wire.Stream, limit int) ([]byte, error) {
	kind, err := s.Peek(1)
	switch {
	case err != nil:
		return nil, err
	case kind[0] == 'X': // Terminate: the client leaves in good order
		return nil, io.EOF
	case kind[0] != 'p': // not to be waited for, whatever its length: a startup message would be a long one
		return nil, wire.Fatal(wire.ProtocolViolation, "expected password response, got message type %d", kind[0])
	}
	f, err := s.Read(limit)
	if errors.Is(err, wire.ErrFrameLength) {
		return nil, wire.Fatal(wire.ProtocolViolation, "authentication message of invalid length")
	}
	return f.Body, err
}

// readPassword reads a PasswordMessage: one string, its zero byte at the very end.
func readPassword(s *wire.Stream) (string, error) {
	body, err := readAnswer(s, maxPassword)
	if err != nil {
		return "", err
	}
	text, rest, found := strings.Cut(string(body), "\x00")
	if !found || rest != "" {
		return "", wire.Fatal(wire.ProtocolViolation, "invalid password packet size")
	}
	return text, nil
}

// parseInitialResponse reads the body of a SASLInitialResponse. SCRAM begins
// with the client, so data must be there (its length may not be -1).
func parseInitialResponse(body []byte) (mechanism, data string, err error) {
	mechanism, rest, found := strings.Cut(string(body), "\x00")
	if !found || len(rest) < 4 {
		return "", "", malformed("")
	}
	n, data := binary.BigEndian.Uint32([]byte(rest[:4])), rest[4:]
	if int64(n) != int64(len(data)) {
		return "", "", malformed("")
	}
	return mechanism, data, nil
}

// turnTo has the proof checked by another entry, if that has the salt and
// iterations for which the client was asked: a password that is known has,
// whatever it is; a verifier that was made anew has another salt, and serves the
// client's next login.
func (x *scramServer) turnTo(e *entry) bool {
	v, usable := e.scramVerifier()
	if !usable || v.salt != x.verifier.salt || v.iterations != x.verifier.iterations {
		return false
	}
	x.verifier = v
	return true
}
