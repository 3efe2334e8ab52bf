package auth

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// door plays the part of the proxy around Authenticator.Client: it reads the
// startup message, and answers enough for a client to be content.
type door struct {
	auth    *Authenticator
	binding []byte
	arrival Arrival // but for the user
}

// let handles one client and returns what Client returned.
func (d door) let(rw io.ReadWriter) (Credentials, error) {
	s := wire.NewStream(rw)
	user, err := readStartup(s)
	if err != nil {
		return Credentials{}, err
	}
	d.arrival.User, d.arrival.Binding = user, d.binding
	c, err := d.auth.Client(s, &d.arrival)
	if refusal, ok := errors.AsType[*wire.Error](err); ok {
		s.Write(refusal)
	}
	if err != nil {
		return c, err
	}
	return c, s.Write(&pgproto3.AuthenticationOk{},
		&pgproto3.ParameterStatus{Name: "server_version", Value: "15"},
		&pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte{1, 2, 3, 4}},
		&pgproto3.ReadyForQuery{TxStatus: 'I'})
}

// serveQueries answers every query with nothing until the client leaves.
func serveQueries(rw io.ReadWriter) {
	s := wire.NewStream(rw)
	for {
		f, err := s.Read(wire.MaxFrame)
		if err != nil || f.Type == 'X' {
			return
		}
		s.Write(&pgproto3.EmptyQueryResponse{}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}

func readStartup(s *wire.Stream) (user string, err error) {
	head, err := s.ReadN(4)
	if err != nil {
		return "", err
	}
	body, err := s.ReadN(int(binary.BigEndian.Uint32(head)) - 4)
	if err != nil {
		return "", err
	}
	var m pgproto3.StartupMessage
	err = m.Decode(body)
	return m.Parameters["user"], err
}

// let runs a door at one end of a pipe and client at the other, and returns
// what both of them said.
func let(t testing.TB, d door, client func(net.Conn) error) (c Credentials, doorErr, clientErr error) {
	t.Helper()
	ours, theirs := net.Pipe()
	var done sync.WaitGroup
	done.Go(func() {
		clientErr = client(theirs)
		theirs.Close()
	})
	c, doorErr = d.let(ours)
	ours.Close()
	done.Wait()
	return c, doorErr, clientErr
}

func newDoor(t testing.TB, method, users string) door {
	t.Helper()
	u, err := readUsers(t, users)
	if err != nil {
		t.Fatal(err)
	}
	return door{auth: oneMethod(t, method, u)}
}

// oneMethod is an Authenticator without rules.
func oneMethod(t testing.TB, method string, u *Users) *Authenticator {
	t.Helper()
	r, known := ruleForAll(method)
	if !known {
		t.Fatalf("no method %q", method)
	}
	return &Authenticator{rules: []rule{r}, users: u}
}

// loginAs is a client that uses our own Login.
func loginAs(user string, c Credentials) func(net.Conn) error {
	return func(conn net.Conn) error {
		_, err := Login(wire.NewStream(conn), LoginParams{User: user, Credentials: c})
		return err
	}
}
