package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// MaxStartup is the longest startup packet that PostgreSQL takes
// (MAX_STARTUP_PACKET_LENGTH in libpq/pqcomm.h).
const MaxStartup = 10000

// Request codes of startup packets (libpq/pqcomm.h).
const (
	CodeCancel = 80877102
	CodeSSL    = 80877103
	CodeGSSENC = 80877104
)

// SSLRequest is the startup packet that asks for TLS (PostgreSQL documentation,
// "SSLRequest").
func SSLRequest() []byte {
	return binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, CodeSSL)
}

// ErrStartupLength is returned for a length that no startup packet has: not
// PostgreSQL's protocol, most likely.
var ErrStartupLength = errors.New("invalid length of startup packet")

// Startup reads a startup packet: its code and what follows. The body is valid
// until the next read.
func (s *Stream) Startup() (code uint32, body []byte, err error) {
	head, err := s.in.Peek(4)
	if err != nil && len(head) > 0 {
		err = midway(err)
	}
	if err != nil {
		return 0, nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(head)))
	if n < 8 || n > MaxStartup {
		return 0, nil, ErrStartupLength
	}
	packet, err := s.ReadN(n)
	if err != nil {
		return 0, nil, err
	}
	return binary.BigEndian.Uint32(packet[4:8]), packet[8:], nil
}

// Parameter is one name and value of a startup packet.
type Parameter struct {
	Name, Value string
}

// StartupMessage asks a server for a session of protocol 3.0. What order the
// parameters have is for PostgreSQL to obey: of two with one name the later counts.
type StartupMessage struct {
	Parameters []Parameter
}

// Encode implements Message.
func (m *StartupMessage) Encode(dst []byte) ([]byte, error) {
	at := len(dst)
	dst = binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 0), 3<<16)
	for _, p := range m.Parameters {
		if strings.Contains(p.Name, "\x00") || strings.Contains(p.Value, "\x00") {
			return nil, errors.New("zero byte in a startup parameter") // what follows it would be another parameter
		}
		dst = append(append(dst, p.Name...), 0)
		dst = append(append(dst, p.Value...), 0)
	}
	dst = append(dst, 0)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst, nil
}

// StartupParameters decodes the names and values of a StartupMessage.
func StartupParameters(body []byte) ([]Parameter, error) {
	list := make([]Parameter, 0, 8) // libpq sends five
	for {
		name, rest, ok := CutString(body)
		if !ok {
			return nil, errors.New("invalid startup packet layout: expected terminator as last byte")
		}
		if len(name) == 0 {
			if len(rest) > 0 {
				return nil, fmt.Errorf("invalid startup packet layout: %d bytes behind the terminator", len(rest))
			}
			return list, nil
		}
		value, rest, ok := CutString(rest)
		if !ok {
			return nil, fmt.Errorf("invalid startup packet layout: parameter %q has no value", bytes.ToValidUTF8(name, []byte("?")))
		}
		list = append(list, Parameter{string(name), string(value)})
		body = rest
	}
}

// AppendKeyData adds a BackendKeyData message to dst: the cancel key of protocol 3.0.
func AppendKeyData(dst []byte, pid, secret uint32) []byte {
	dst = append(dst, 'K', 0, 0, 0, 12)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, pid), secret)
}

// NegotiateProtocolVersion tells a client that wants a newer minor version, or
// options that we do not know, what it gets (PostgreSQL documentation,
// "NegotiateProtocolVersion").
type NegotiateProtocolVersion struct {
	Newest  uint32 // full version number, as PostgreSQL sends it
	Options []string
}

// Encode implements Message.
func (m *NegotiateProtocolVersion) Encode(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 'v', 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, m.Newest)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.Options)))
	for _, o := range m.Options {
		dst = append(append(dst, o...), 0)
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst, nil
}
