package lab

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func TestAHostFallsSilentAndComesBack(t *testing.T) {
	needServers(t)
	h := HostForTest(t)
	l, err := h.Listen()
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	say := func(patience time.Duration) error {
		if _, err := server.Write([]byte("x")); err != nil {
			return err
		}
		client.SetReadDeadline(time.Now().Add(patience)) //nolint:errcheck // it is open
		_, err := client.Read(make([]byte, 1))
		return err
	}
	if err := say(startLimit); err != nil {
		t.Fatal(err)
	}
	if err := h.Silence(); err != nil {
		t.Fatal(err)
	}
	if err := say(300 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("from a silent host: %v", err)
	}
	dialer := net.Dialer{Timeout: 300 * time.Millisecond}
	var timeout net.Error
	if conn, err := dialer.Dial("tcp", l.Addr().String()); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("dialling a silent host: %v, %v", conn, err)
	}
	if err := h.Speak(); err != nil {
		t.Fatal(err)
	}
	if err := say(startLimit); err != nil {
		t.Errorf("from a host that is back: %v", err)
	}
}
