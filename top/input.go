package top

import (
	"unicode/utf8"

	"github.com/gdamore/tcell/v3/tty"
)

// utf8Input is a terminal whose input is UTF-8 in any case: what is not is left out. tcell
// 3.6 stands still on the first byte that is none, deaf to keys and unable to end.
type utf8Input struct {
	tty.Tty
	rest []byte // the beginning of a character whose end has not come
}

// Read implements io.Reader. It returns 0 and no error where all that came is left out.
func (in *utf8Input) Read(p []byte) (n int, err error) {
	held := copy(p, in.rest)
	n, err = in.Tty.Read(p[held:])
	if n == 0 {
		return 0, err
	}
	var rest []byte
	n, rest = valid(p[:held+n])
	in.rest = append(in.rest[:0], rest...)
	return n, err
}

// valid moves the whole characters of b to its front, and returns how many bytes these are,
// and what may be the beginning of one more.
func valid(b []byte) (n int, rest []byte) {
	for len(b[n:]) > 0 {
		r, size := utf8.DecodeRune(b[n:])
		switch {
		case r != utf8.RuneError || size > 1:
			n += size
		case !utf8.FullRune(b[n:]):
			return n, b[n:]
		default:
			b = append(b[:n], b[n+1:]...)
		}
	}
	return n, nil
}
