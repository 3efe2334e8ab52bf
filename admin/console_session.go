package admin

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/proxy"
	"portero/wire"
)

const (
	maxCommand    = 16 << 10         // bytes of a message
	answerTimeout = 30 * time.Second // for a client to take an answer
)

// session is one client of the console, from behind its AuthenticationOk to its end.
type session struct {
	console *Console
	client  *proxy.ConsoleClient
	stream  *wire.Stream
	asked   time.Time // last; the console's lock guards it
	suspend bool      // it has given SUSPEND, which ends with it
}

// errGone ends a session without a word.
var errGone = errors.New("the client has gone")

// greeting is what PgBouncer's console reports at a login.
var greeting = []*pgproto3.ParameterStatus{
	{Name: "server_version", Value: imitatedVersion + "/bouncer"},
	{Name: "client_encoding", Value: "UTF8"},
	{Name: "server_encoding", Value: "UTF8"},
	{Name: "DateStyle", Value: "ISO"},
	{Name: "TimeZone", Value: "GMT"},
	{Name: "standard_conforming_strings", Value: "on"},
	{Name: "is_superuser", Value: "on"},
}

// serve answers commands until the client goes, or ctx ends, which closes its connection.
// What it returns is the client's last word.
func (s *session) serve(ctx context.Context) *wire.Error {
	messages := make([]wire.Message, 0, len(greeting)+2)
	for _, p := range greeting {
		messages = append(messages, p)
	}
	err := s.send(append(messages, s.client.Key(), ready)...)
	for err == nil {
		err = s.next(ctx)
	}
	var said *wire.Error
	errors.As(err, &said)
	return said
}

var ready = &pgproto3.ReadyForQuery{TxStatus: 'I'}

// send is in one piece, which the client has to take within answerTimeout.
func (s *session) send(messages ...wire.Message) error {
	if err := s.client.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err //nolint:wrapcheck // the session ends of it, whatever it is
	}
	return s.stream.Write(messages...) //nolint:wrapcheck // likewise
}

// next answers one message. An error ends the session.
func (s *session) next(ctx context.Context) error {
	f, err := s.stream.Read(maxCommand)
	if errors.Is(err, wire.ErrFrameLength) {
		return wire.Fatal(wire.ProtocolViolation, "incomplete pkt") // as PgBouncer calls what is too long for it
	}
	if err != nil {
		return err //nolint:wrapcheck // the session ends of it, whatever it is
	}
	switch f.Type {
	case 'Q':
		text, _, ok := bytes.Cut(f.Body, []byte{0})
		if !ok {
			return wire.Fatal(wire.ProtocolViolation, "incomplete query")
		}
		return s.query(ctx, string(text))
	case 'X':
		return errGone
	case 'P', 'B', 'E':
		return s.badPacket(wire.Errorf(wire.ProtocolViolation, "extended query protocol not supported by admin console"))
	}
	return s.badPacket(wire.Errorf(wire.ProtocolViolation, "unsupported packet type for admin console: %d", f.Type))
}

// badPacket tells what was wrong, and then ends the session, as PgBouncer does.
func (s *session) badPacket(why *wire.Error) error {
	if err := s.send(why, ready); err != nil {
		return err
	}
	return wire.Fatal(wire.ProtocolViolation, "bad packet")
}

// query runs one command.
func (s *session) query(ctx context.Context, text string) error {
	c := s.console
	c.queries.Add(1)
	c.mu.Lock()
	s.asked = time.Now()
	c.mu.Unlock()
	ctx, done := s.client.Interruptible(ctx)
	defer done()
	log := c.log.With("command", text, "user", s.client.User, "address", s.client.Address)
	a, refused := c.run(ctx, log, text, s.client.Admin)
	s.suspend = s.suspend || a.suspends
	if refused != nil {
		log.Info("console command refused", "error", refused.Message)
		return s.send(refused, ready)
	}
	if a.silent { // until the process ends
		a.after()
		return nil
	}
	err := s.send(append(a.messages(), ready)...)
	if a.after != nil {
		a.after()
	}
	return err
}
