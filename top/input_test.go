package top

import (
	"errors"
	"io"
	"testing"

	"github.com/gdamore/tcell/v3/tty"
)

// typed is a terminal at which one text after the other is typed.
type typed struct {
	tty.Tty
	texts []string
}

func (t *typed) Read(p []byte) (int, error) {
	if len(t.texts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, t.texts[0])
	t.texts = t.texts[1:]
	return n, nil
}

func TestWhatIsNoUTF8IsLeftOutOfTheInput(t *testing.T) {
	for _, c := range []struct {
		typed []string
		want  string
	}{
		{[]string{"q"}, "q"},
		{[]string{"\xe9q"}, "q"},
		{[]string{"\xff", "q"}, "q"},
		{[]string{"\xc3", "\xa9"}, "é"},
		{[]string{"\xc3", "q"}, "q"},
		{[]string{"a\xe2\x82", "\xacb"}, "a€b"},
		{[]string{"\xf0\x9f", "\x98", "\x80\x80/"}, "😀/"},
		{[]string{"\ufffd\x80\x1b[A"}, "\ufffd\x1b[A"},
	} {
		in, got, p := &utf8Input{Tty: &typed{texts: c.typed}}, "", make([]byte, 128)
		for {
			n, err := in.Read(p)
			got += string(p[:n])
			if errors.Is(err, io.EOF) {
				break
			}
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.typed, got, c.want)
		}
	}
}
