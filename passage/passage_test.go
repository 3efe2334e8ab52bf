package passage

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

type note struct {
	Text  string
	Bytes []byte
}

// ends are both ends of a passage.
func ends(t *testing.T) (a, b Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = Dial(path); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestMessagesArriveInOrderEachWithItsDescriptor(t *testing.T) {
	a, b := ends(t)
	const n = 100
	go func() {
		defer a.Close()
		for i := range n {
			r, w, err := os.Pipe()
			if err != nil {
				return
			}
			w.Write([]byte{byte(i)}) //nolint:errcheck // the other end misses it
			w.Close()
			fd := int(r.Fd())
			if i%3 == 0 {
				fd = -1
			}
			if a.Send(note{"\xff no UTF-8", bytes.Repeat([]byte{byte(i)}, i*1000)}, fd) != nil {
				return
			}
			r.Close()
		}
	}()
	for i := range n {
		var got note
		fd, err := b.Receive(&got)
		if err != nil || got.Text != "\xff no UTF-8" || !bytes.Equal(got.Bytes, bytes.Repeat([]byte{byte(i)}, i*1000)) {
			t.Fatalf("message %d: %v, %d bytes", i, err, len(got.Bytes))
		}
		if (fd < 0) != (i%3 == 0) {
			t.Fatalf("message %d has descriptor %d", i, fd)
		}
		if fd < 0 {
			continue
		}
		f := os.NewFile(uintptr(fd), "pipe")
		text, err := io.ReadAll(f)
		f.Close()
		if err != nil || !bytes.Equal(text, []byte{byte(i)}) {
			t.Fatalf("descriptor of message %d: %q, %v", i, text, err)
		}
	}
	if _, err := b.Receive(&note{}); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestWhatIsCutOffIsNoMessage(t *testing.T) {
	for _, sent := range [][]byte{{0, 0}, {0, 0, 0, 9, 1, 2}, {0xff, 0xff, 0xff, 0xff}} {
		a, b := ends(t)
		a.Write(sent) //nolint:errcheck // the other end misses it
		a.Close()
		if _, err := b.Receive(&note{}); err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", sent, err)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if _, err := Dial(path); !Nobody(err) {
		t.Errorf("without a socket: %v", err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Dial(path); !Nobody(err) {
		t.Errorf("on one that was left: %v", err)
	}
	again, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if c, err := Dial(path); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestAFileThatIsNoSocketIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(path); err == nil {
		l.Close()
		t.Error("it was replaced")
	}
}
