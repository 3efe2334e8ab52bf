package proxy_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sys/unix"

	"portero/config"
	"portero/wire"
)

// TestAClientAtRestCostsFewBytes holds what a client keeps on the heap while it rests. A field
// more in what each client has, or a connection that is kept alive, fails it.
func TestAClientAtRestCostsFewBytes(t *testing.T) {
	const clients = 2000
	w := start(t, size(2), limits(func(p *config.Pool) { p.MaxClientConn = 2 * clients }), func(c *config.Config) { c.Log.Connections = false })
	all := bareClients(t, clients+1)
	warm := bareLogin(t, w)
	*all = append(*all, warm)
	works := []struct {
		name string
		most int64 // bytes of heap per client, what came before included
		ask  []pgproto3.FrontendMessage
	}{
		{"logged in", 250, nil},
		{"after a transaction", 290, []pgproto3.FrontendMessage{q("select 1")}},
		{"after an unnamed statement", 290, []pgproto3.FrontendMessage{parse("select $1::text"), bind("1"), execute(), syncs()}},
		{"with a setting", 295, []pgproto3.FrontendMessage{q("set work_mem = '5MB'")}},
		{"with a prepared statement", 390, []pgproto3.FrontendMessage{parseAs("s", "select $1::text"), syncs()}},
	}
	for _, work := range works { // what is shared
		warm.ask(t, work.ask)
	}
	before := heap()
	for range clients {
		*all = append(*all, bareLogin(t, w))
	}
	for _, work := range works {
		for _, c := range (*all)[1:] {
			c.ask(t, work.ask)
		}
		w.awaitRest(t)
		got := (heap() - before) / clients
		if got > work.most {
			t.Errorf("a client %s costs %d bytes, at most %d are for it", work.name, got, work.most)
		}
		t.Logf("a client %s costs %d bytes", work.name, got)
	}
}

// TestAClientAtRestInTLSCostsFewBytes is the same with TLS, nearly all of which is crypto/tls'.
func TestAClientAtRestInTLSCostsFewBytes(t *testing.T) {
	const clients, most = 300, 7000
	w := start(t, size(2), secured(t, "require"), limits(func(p *config.Pool) { p.MaxClientConn = 2 * clients }), func(c *config.Config) { c.Log.Connections = false })
	all := bareClients(t, clients+1)
	*all = append(*all, bareTLS(t, w))
	before := heap()
	for range clients {
		*all = append(*all, bareTLS(t, w))
	}
	w.awaitRest(t)
	heap() // what is pooled goes with the second collection
	got := (heap() - before) / clients
	if got > most {
		t.Errorf("a client in TLS costs %d bytes, at most %d are for it", got, most)
	}
	t.Logf("a client in TLS costs %d bytes", got)
}

// bareClients has room for so many, which are closed at the end of the test: one list for all,
// as the test is to have no memory of its own for each.
func bareClients(t testing.TB, n int) *[]bare {
	all := make([]bare, 0, n)
	t.Cleanup(func() {
		for _, c := range all {
			unix.Close(int(c))
		}
	})
	return &all
}

// awaitRest waits until the loops have come by all that they were told.
func (w *world) awaitRest(t testing.TB) {
	eventually(t, "all are at rest", func() bool {
		for _, c := range w.proxy.ClientStates(bounded(t)) {
			if c.State != "idle" {
				return false
			}
		}
		return true
	})
}

// bare is a client without any memory of its own: a descriptor, which blocks.
type bare int

func bareCaller(t testing.TB, w *world) bare {
	t.Helper()
	to := netip.MustParseAddrPort(w.address())
	fd := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))(t)
	limit := unix.NsecToTimeval(int64(patience))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	return bare(fd)
}

// startsAtRest is the login of those that rest.
var startsAtRest = wire.Append(nil, &wire.StartupMessage{Parameters: []wire.Parameter{{Name: "user", Value: "app"}, {Name: "application_name", Value: "at rest"}}})

// bareLogin is one that has logged in.
func bareLogin(t testing.TB, w *world) bare {
	t.Helper()
	c := bareCaller(t, w)
	c.send(t, startsAtRest)
	return c
}

// bareTLS is one that has logged in by TLS. Its own end of that is forgotten.
func bareTLS(t *testing.T, w *world) bare {
	t.Helper()
	c := bareCaller(t, w)
	file := os.NewFile(uintptr(must(unix.Dup(int(c)))(t)), "client")
	conn := must(net.FileConn(file))(t)
	file.Close()
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(sslRequest)
	if b := make([]byte, 1); must(conn.Read(b))(t) != 1 || b[0] != 'S' {
		t.Fatalf("TLS is refused: %q", b)
	}
	secure := shake(t, conn)
	secure.Write(startsAtRest)
	awaitReady(t, secure.Read)
	return c
}

// ask sends messages and reads up to ReadyForQuery.
func (c bare) ask(t testing.TB, messages []pgproto3.FrontendMessage) {
	t.Helper()
	if len(messages) == 0 {
		return
	}
	var b []byte
	for _, m := range messages {
		b = must(m.Encode(b))(t)
	}
	c.send(t, b)
}

func (c bare) send(t testing.TB, b []byte) {
	t.Helper()
	if n, err := unix.Write(int(c), b); n < len(b) {
		t.Fatal(fmt.Errorf("%d of %d bytes: %w", n, len(b), err))
	}
	awaitReady(t, func(b []byte) (int, error) { return unix.Read(int(c), b) })
}

// awaitReady reads up to a ReadyForQuery.
func awaitReady(t testing.TB, read func([]byte) (int, error)) {
	t.Helper()
	var got [4096]byte
	for n := 0; !bytes.HasSuffix(got[:max(0, n-1)], []byte{'Z', 0, 0, 0, 5}); {
		more, err := read(got[n:])
		if err == unix.EINTR { // Go's scheduler
			continue
		}
		if more <= 0 {
			t.Fatalf("no ReadyForQuery: %q %v", got[:n], err)
		}
		n += more
	}
}
