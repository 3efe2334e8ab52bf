package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// HeaderLen is the length of a frame's header: one byte of type, four of length.
const HeaderLen = 5

// MaxFrame is the largest body a frame may claim. PostgreSQL itself refuses
// messages of a gigabyte (MaxAllocSize, PQ_LARGE_MESSAGE_LIMIT).
const MaxFrame = 1<<30 - 1

// ErrFrameLength is returned for a length that no frame can have.
var ErrFrameLength = errors.New("invalid message length")

// Frame is one message, or the beginning of one: Body may hold fewer bytes
// than Size when the rest has not arrived.
type Frame struct {
	Type byte
	Size int    // bytes of the whole body, without the header
	Body []byte // what is here of it; aliases the buffer it was read from
}

// Whole reports whether all of the body is here.
func (f *Frame) Whole() bool { return len(f.Body) == f.Size }

// Append adds a whole frame to dst as it came.
func (f Frame) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, f.Type), uint32(4+f.Size))
	return append(dst, f.Body...)
}

// Next reads the frame at the start of buf. ok is false when not even the
// header is complete.
func Next(buf []byte) (f Frame, ok bool, err error) {
	ok, err = f.Begin(buf)
	return f, ok, err
}

// Begin makes f the frame at the start of buf, as Next does, which copies it about.
func (f *Frame) Begin(buf []byte) (ok bool, err error) {
	if len(buf) < HeaderLen {
		return false, nil
	}
	f.Type, f.Size = buf[0], int(int32(binary.BigEndian.Uint32(buf[1:5])))-4
	if f.Body = buf[HeaderLen:]; f.Size < 0 || f.Size > MaxFrame {
		return false, ErrFrameLength
	}
	if len(f.Body) > f.Size {
		f.Body = f.Body[:f.Size]
	}
	return true, nil
}

// ParameterStatus reads the body of a ParameterStatus message.
func ParameterStatus(body []byte) (name, value string, ok bool) {
	n, rest, ok := CutString(body)
	if !ok {
		return "", "", false
	}
	v, _, ok := CutString(rest)
	return string(n), string(v), ok
}

// CutString splits off a zero-terminated string.
func CutString(b []byte) (str, rest []byte, ok bool) {
	if len(b) > 0 && b[0] == 0 { // as most names are
		return b[:0], b[1:], true
	}
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}
