package auth

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// authenticate answers what the server asks, once, until AuthenticationOk.
func authenticate(in *serverReader, p LoginParams) error {
	for asked := false; ; asked = true {
		kind, data, err := in.authentication()
		if err != nil {
			return err
		}
		if kind == pgproto3.AuthTypeOk {
			return nil
		}
		if asked {
			return fmt.Errorf("%w: authentication request %d after the password", ErrProtocol, kind)
		}
		if err := answer(in, p, kind, data); err != nil {
			return err
		}
	}
}

// authentication reads one authentication message; data is valid until the
// next one is read.
func (r *serverReader) authentication() (kind uint32, data []byte, err error) {
	f, err := r.next()
	if err != nil {
		return 0, nil, err
	}
	if f.Type != 'R' || len(f.Body) < 4 {
		return 0, nil, fmt.Errorf("%w: type %q in place of an authentication request", ErrProtocol, f.Type)
	}
	return binary.BigEndian.Uint32(f.Body), f.Body[4:], nil
}

func answer(in *serverReader, p LoginParams, kind uint32, data []byte) error {
	switch kind {
	case pgproto3.AuthTypeCleartextPassword:
		return in.sendPassword(p.Credentials.cleartext())
	case pgproto3.AuthTypeMD5Password:
		if len(data) != 4 {
			return fmt.Errorf("%w: md5 salt of %d bytes", ErrProtocol, len(data))
		}
		return in.sendPassword(p.Credentials.md5(p.User, [4]byte(data)))
	case pgproto3.AuthTypeSASL:
		return runSCRAM(in, p, parseMechanisms(data))
	}
	return fmt.Errorf("%w: %s", ErrMethod, methodName(kind))
}

// methodName names the requests that are not answered here (PostgreSQL
// documentation, "Message Formats", Authentication...).
func methodName(kind uint32) string {
	switch kind {
	case 2:
		return "Kerberos V5"
	case 6:
		return "SCM credentials"
	case 7:
		return "GSSAPI"
	case 9:
		return "SSPI"
	}
	return fmt.Sprintf("authentication request %d", kind)
}

func (r *serverReader) sendPassword(text string, err error) error {
	if err != nil {
		return err
	}
	return r.s.Write(&pgproto3.PasswordMessage{Password: text})
}

// runSCRAM runs SCRAM-SHA-256 and ends when the server has proved itself;
// AuthenticationOk is still to come.
func runSCRAM(in *serverReader, p LoginParams, offered []string) error {
	x, mechanism, err := newSCRAMClient(offered, p.TLSServerEndPoint)
	if err != nil {
		return err
	}
	err = in.s.Write(&pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: []byte(x.first())})
	if err != nil {
		return err
	}
	challenge, err := in.sasl(pgproto3.AuthTypeSASLContinue)
	if err != nil {
		return err
	}
	final, err := x.final(challenge, p.Credentials.scram)
	if err != nil {
		return err
	}
	if err := in.s.Write(&pgproto3.SASLResponse{Data: []byte(final)}); err != nil {
		return err
	}
	proof, err := in.sasl(pgproto3.AuthTypeSASLFinal)
	if err != nil {
		return err
	}
	return x.verify(proof)
}

// sasl reads the SASL message that must come now. AuthenticationOk in its
// place is a server that could not prove itself.
func (r *serverReader) sasl(want uint32) (string, error) {
	kind, data, err := r.authentication()
	switch {
	case err != nil:
		return "", err
	case kind == pgproto3.AuthTypeOk:
		return "", ErrServerUnproven
	case kind != want:
		return "", fmt.Errorf("%w: authentication request %d amid SASL", ErrProtocol, kind)
	}
	return string(data), nil
}

// parseMechanisms reads names that each end in a zero byte; a zero byte ends the list.
func parseMechanisms(data []byte) []string {
	return strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")
}
