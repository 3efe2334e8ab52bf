package proxy_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"portero/config"
)

// onASocket makes the listener one on a Unix socket, whatever else it is.
func onASocket(t *testing.T) func(*config.Config) {
	dir := t.TempDir()
	return func(c *config.Config) { c.Listeners[0].Address = "unix:" + dir }
}

// plugSocket connects to a Unix socket without a word.
func plugSocket(t *testing.T, file string) *raw {
	t.Helper()
	return plugInto(t, must(net.Dial("unix", file))(t))
}

// TestNoEncryptionOnAUnixSocket holds against settings that config refuses, too.
func TestNoEncryptionOnAUnixSocket(t *testing.T) {
	for _, edits := range [][]func(*config.Config){{onASocket(t)}, {onASocket(t), secured(t, "prefer")}} {
		w := start(t, edits...)
		socket := strings.TrimPrefix(w.address(), "unix:")
		for _, order := range [][][]byte{{sslRequest}, {gssRequest}, {gssRequest, sslRequest}, {sslRequest, gssRequest}} {
			r := plugSocket(t, socket)
			for _, request := range order {
				r.sendBytes(request)
				r.answers('N')
			}
			r.login("user", "app")
			r.ask(answer, q("select 1"))
		}
		r := plugSocket(t, socket)
		r.sendBytes([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
		if said, _ := io.ReadAll(r.conn); strings.HasPrefix(string(said), "\x16") || strings.HasPrefix(string(said), "\x15") {
			t.Errorf("an answer of TLS: %q", said)
		}
	}
}
