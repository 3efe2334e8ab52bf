package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Stream reads and writes whole messages during a handshake, from the first
// byte of a peer until it is adopted by a loop. It blocks as its connection
// does; deadlines are the caller's, set on the connection.
//
// Stream never closes its connection. One goroutine at a time. Who has many, one after the other,
// gives each back by Free.
type Stream struct {
	in  *bufio.Reader
	out io.Writer
	buf []byte // body of the last frame read, reused by the next Read

	held []byte // to be sent with the next Write
}

// streams are free ones.
var streams = sync.Pool{New: func() any { return &Stream{in: bufio.NewReaderSize(nil, readAhead)} }}

const readAhead = 1024 // bytes

// NewStream returns a Stream over rw.
func NewStream(rw io.ReadWriter) *Stream {
	s := streams.Get().(*Stream)
	s.in.Reset(rw)
	s.out = rw
	return s
}

// Free gives the Stream to a later NewStream, when neither it nor a Frame of it will be used any
// more. What it has read ahead, and holds, is lost.
func (s *Stream) Free() {
	s.in.Reset(nil)
	clear(s.buf[:cap(s.buf)]) // a password, maybe
	s.out, s.held = nil, nil
	if cap(s.buf) > readAhead {
		s.buf = nil
	}
	streams.Put(s)
}

// Read returns the next message. A body longer than limit bytes is an error
// and is not read. The Frame is valid until the next Read.
func (s *Stream) Read(limit int) (Frame, error) {
	var head [HeaderLen]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return Frame{}, err
	}
	n := int(int32(binary.BigEndian.Uint32(head[1:]))) - 4
	if n < 0 || n > limit {
		return Frame{Type: head[0], Size: n}, fmt.Errorf("%w: %d bytes in message %q, at most %d here", ErrFrameLength, n, head[0], limit)
	}
	body, err := s.ReadN(n)
	return Frame{Type: head[0], Size: n, Body: body}, midway(err)
}

// midway turns the end of the stream in the middle of a message into
// io.ErrUnexpectedEOF.
func midway(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ReadN returns the next n bytes, valid until the next Read or ReadN.
func (s *Stream) ReadN(n int) ([]byte, error) {
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	b := s.buf[:n]
	_, err := io.ReadFull(s.in, b)
	return b, err
}

// Peek returns the next n bytes without consuming them.
func (s *Stream) Peek(n int) ([]byte, error) { return s.in.Peek(n) }

// Buffered returns the bytes that arrived behind the last message and were
// not read: whoever reads the connection next must begin with them. The slice
// is a copy.
func (s *Stream) Buffered() []byte {
	b, _ := s.in.Peek(s.in.Buffered())
	return append([]byte(nil), b...)
}

// Message is what pgproto3's messages of both directions can do.
type Message interface {
	Encode(dst []byte) ([]byte, error)
}

// Append adds m to dst. A message longer than a frame may be is left out: what
// we send is built from frames or from texts of our own, which are not.
func Append(dst []byte, m Message) []byte {
	out, err := m.Encode(dst)
	if err != nil {
		return dst
	}
	return out
}

var (
	_ Message = pgproto3.BackendMessage(nil)
	_ Message = pgproto3.FrontendMessage(nil)
)

// Hold keeps messages of ours until the next Write, which sends them before its own.
func (s *Stream) Hold(msgs ...Message) {
	for _, m := range msgs {
		s.held = Append(s.held, m)
	}
}

// Held takes back what the next Write would have sent before its own: whoever writes to the
// connection next must begin with it.
func (s *Stream) Held() []byte {
	b := s.held
	s.held = nil
	return b
}

// Write sends messages in one write.
func (s *Stream) Write(msgs ...Message) error {
	buf := s.Held()
	for _, m := range msgs {
		var err error
		if buf, err = m.Encode(buf); err != nil {
			return fmt.Errorf("encode %T: %w", m, err)
		}
	}
	_, err := s.out.Write(buf)
	return err
}
