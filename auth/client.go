package auth

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	methodTrust method = iota
	methodPassword
	methodMD5
	methodSCRAM
)

var methods = map[string]method{
	"trust": methodTrust, "password": methodPassword, "md5": methodMD5, "scram-sha-256": methodSCRAM,
}

// Authenticator proves clients to us. It is immutable and safe for concurrent use.
type Authenticator struct {
	method method
	users  *Users
}

// New returns an Authenticator for a method: trust, password, md5 or
// scram-sha-256. users may be nil with trust only.
func New(name string, users *Users) (*Authenticator, error) {
	m, known := methods[name]
	if !known {
		return nil, fmt.Errorf("unknown authentication method %q", name)
	}
	if users == nil && m != methodTrust {
		return nil, fmt.Errorf("authentication method %q needs a user file", name)
	}
	return &Authenticator{method: m, users: users}, nil
}

// Client has the client behind s prove that it is user, up to and without
// AuthenticationOk, which the caller sends. It blocks on the client.
//
// tlsServerEndPoint is the hash of the certificate shown to the client (see
// TLSServerEndPoint), nil without TLS or without a defined hash: with it,
// SCRAM-SHA-256-PLUS is offered.
//
// What the client gets wrong is a *wire.Error, FATAL, for the caller to send;
// whether the user, the secret or its kind was wrong shows in nothing. Errors
// of the stream are returned as they are. io.EOF: the client went away when
// asked for a password, as psql does before it asks its user for one.
//
// As PgBouncer and PostgreSQL do, method md5 uses SCRAM for a user whose
// secret is a SCRAM verifier. An md5 hash cannot pass method scram-sha-256.
func (a *Authenticator) Client(s *wire.Stream, user string, tlsServerEndPoint []byte) (Credentials, error) {
	if a.method == methodTrust {
		c, _ := a.users.Lookup(user)
		return c, nil
	}
	e := a.users.find(user)
	ask := askSCRAM
	switch {
	case a.method == methodPassword:
		ask = askPassword
	case a.method == methodMD5 && e.creds.kind != secretVerifier:
		ask = askMD5
	}
	c, ok, err := ask(s, e, tlsServerEndPoint)
	if err != nil {
		return Credentials{}, err
	}
	if !ok {
		return Credentials{}, wire.Fatal(wire.InvalidPassword, `password authentication failed for user "%s"`, user)
	}
	return c, nil
}

// askPassword asks for the password itself. Once it is known to be right, it
// serves servers better than a hash from the file would.
func askPassword(s *wire.Stream, e *entry, _ []byte) (Credentials, bool, error) {
	if err := s.Write(&pgproto3.AuthenticationCleartextPassword{}); err != nil {
		return Credentials{}, false, err
	}
	got, err := readPassword(s)
	if err != nil {
		return Credentials{}, false, err
	}
	ok := e.checkPassword(got) && !e.mock
	return Password(got), ok, nil
}

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
func askMD5(s *wire.Stream, e *entry, _ []byte) (Credentials, bool, error) {
	var salt [4]byte
	rand.Read(salt[:]) // never fails: crypto/rand ends the process instead
	if err := s.Write(&pgproto3.AuthenticationMD5Password{Salt: salt}); err != nil {
		return Credentials{}, false, err
	}
	got, err := readPassword(s)
	if err != nil {
		return Credentials{}, false, err
	}
	want, err := e.creds.md5(e.name, salt)
	if err != nil {
		return Credentials{}, false, err
	}
	ok := equalSecret(got, want) && !e.mock
	return e.creds, ok, nil
}

// askSCRAM runs SCRAM-SHA-256. From a proof for a verifier of the file comes
// the ClientKey, with which we can log in to servers that have the same verifier.
func askSCRAM(s *wire.Stream, e *entry, binding []byte) (Credentials, bool, error) {
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
	answer, key, ok, err := x.final(string(body))
	if err != nil || !ok || !usable {
		return Credentials{}, false, err
	}
	c := e.creds
	if c.kind == secretVerifier {
		c.kind, c.clientKey = secretKeys, key
	}
	return c, true, s.Write(&pgproto3.AuthenticationSASLFinal{Data: []byte(answer)})
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
