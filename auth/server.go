package auth

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// What a server may send before it is ready. PostgreSQL sends some twenty
// messages of a few dozen bytes; a login event trigger may add notices.
const (
	maxLoginFrame  = 64 << 10
	maxLoginFrames = 1000
	maxLoginBytes  = 1 << 20
)

// LoginParams is what a login to a server needs.
type LoginParams struct {
	User        string
	Database    string           // "": the server takes the user's name
	Parameters  []wire.Parameter // further startup parameters, such as application_name, in the order in which they count
	Credentials Credentials

	// TLSServerEndPoint is the hash of the certificate the server has shown
	// (see the function of that name); nil without TLS. With it,
	// SCRAM-SHA-256-PLUS is used where offered.
	TLSServerEndPoint []byte
}

// LoginResult is what a server says of itself at login. The caller owns it.
type LoginResult struct {
	Parameters map[string]string // ParameterStatus
	Greeting   []byte            // the ParameterStatus messages and the notices, as they came
	PID        uint32            // for cancel requests, with SecretKey; 0 and nil when the server sent none
	SecretKey  []byte
	Status     byte // of ReadyForQuery: 'I'
}

// Unready is what went wrong behind AuthenticationOk: the server had taken our
// proof. With startup parameters it may be for these.
type Unready struct {
	error
	Frame []byte // the ErrorResponse as it came; nil: there was none
}

// Unwrap gives what Login says of servers that have not taken our proof.
func (e *Unready) Unwrap() error { return e.error }

// Login sends the startup message (protocol 3.0) to the server behind s, TLS
// or not already agreed upon, proves us to it, and reads until ReadyForQuery.
// Nothing behind ReadyForQuery is taken from the connection but what s has buffered.
//
// It blocks on the server. What the server refuses is its own *wire.Error,
// SQLSTATE and all, within an *Unready if it came behind AuthenticationOk; see the Err variables for what we refuse; anything else is
// an error of the stream, wrapped. After an error the server is to be closed.
//
// A cleartext password goes to whoever asks for one, on a connection that may
// be in the clear: TLS with verification is what keeps it from strangers.
func Login(s *wire.Stream, p LoginParams) (LoginResult, error) {
	r, err := login(s, p)
	var refused *wire.Error
	if err != nil && !errors.As(err, &refused) {
		return LoginResult{}, fmt.Errorf("log in to server as %q: %w", p.User, err)
	}
	return r, err
}

func login(s *wire.Stream, p LoginParams) (LoginResult, error) {
	if err := s.Write(startup(p)); err != nil {
		return LoginResult{}, err
	}
	in := &serverReader{s: s}
	if err := authenticate(in, p); err != nil {
		return LoginResult{}, err
	}
	r, err := readUntilReady(in)
	if err != nil {
		return LoginResult{}, &Unready{err, in.refusal}
	}
	return r, nil
}

func startup(p LoginParams) *wire.StartupMessage {
	list := []wire.Parameter{{Name: "user", Value: p.User}}
	if p.Database != "" {
		list = append(list, wire.Parameter{Name: "database", Value: p.Database})
	}
	for _, one := range p.Parameters {
		switch one.Name {
		case "", "user", "database": // an empty name would end the list
		default:
			list = append(list, one)
		}
	}
	return &wire.StartupMessage{Parameters: list}
}

// readUntilReady reads what follows AuthenticationOk.
func readUntilReady(in *serverReader) (LoginResult, error) {
	r := LoginResult{Parameters: make(map[string]string)}
	for {
		f, err := in.next()
		if err != nil {
			return LoginResult{}, err
		}
		switch f.Type {
		case 'S':
			var m pgproto3.ParameterStatus
			err = m.Decode(f.Body)
			r.Parameters[m.Name] = m.Value
			in.greeting = f.Append(in.greeting)
		case 'K':
			var m pgproto3.BackendKeyData
			err = m.Decode(f.Body)
			r.PID, r.SecretKey = m.ProcessID, m.SecretKey
		case 'Z':
			var m pgproto3.ReadyForQuery
			if err = m.Decode(f.Body); err == nil {
				r.Status, r.Greeting = m.TxStatus, in.greeting
				return r, nil
			}
		default:
			err = fmt.Errorf("type %q", f.Type)
		}
		if err != nil {
			return LoginResult{}, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
	}
}

// serverReader reads a login's messages and bounds them.
type serverReader struct {
	s             *wire.Stream
	frames, bytes int
	greeting      []byte // what is kept of it; see LoginResult
	refusal       []byte // the ErrorResponse
}

// next returns the next message that matters; it is valid until the following
// call. An ErrorResponse is the error it holds. Notices are only kept, and dropped
// is NegotiateProtocolVersion, which can only say that the server goes on with 3.0.
func (r *serverReader) next() (wire.Frame, error) {
	for {
		f, err := r.s.Read(maxLoginFrame)
		if errors.Is(err, wire.ErrFrameLength) {
			return f, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if err != nil {
			return f, err
		}
		r.frames++
		r.bytes += wire.HeaderLen + f.Size
		if r.frames > maxLoginFrames || r.bytes > maxLoginBytes {
			return f, fmt.Errorf("%w: still not ready after %d messages, %d bytes", ErrProtocol, r.frames, r.bytes)
		}
		switch f.Type {
		case 'E':
			r.refusal = f.Append(nil)
			return f, wire.ParseError(f.Body)
		case 'N':
			r.greeting = f.Append(r.greeting)
			continue
		case 'v':
			continue
		}
		return f, nil
	}
}
