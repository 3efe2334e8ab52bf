package proxy_test

import (
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// repeater sends the same bytes again and again and reads an answer of known
// length, without an allocation of its own.
type repeater struct {
	conn net.Conn
	ask  []byte
	got  []byte
}

func (r *repeater) once(t *testing.T) {
	if _, err := r.conn.Write(r.ask); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r.conn, r.got); err != nil {
		t.Fatal(err)
	}
}

// repeat makes a repeater of messages; it learns the answer's length by asking
// once.
func repeat(t *testing.T, r *raw, messages ...pgproto3.FrontendMessage) *repeater {
	t.Helper()
	rep := &repeater{conn: r.conn}
	readies := 0
	for _, m := range messages {
		rep.ask = must(m.Encode(rep.ask))(t)
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			readies++
		}
	}
	r.sendBytes(rep.ask)
	b := make([]byte, 64<<10)
	for n := 0; readies > 0; {
		got, err := r.conn.Read(b[n:])
		if err != nil {
			t.Fatal(err)
		}
		if n += got; b[n-6] == 'Z' { // ReadyForQuery ends each read in the end
			readies = countReady(b[:n], readies)
			rep.got = make([]byte, n)
		}
	}
	return rep
}

// countReady returns how many ReadyForQuery of want are still to come.
func countReady(b []byte, want int) int {
	seen := 0
	for len(b) >= 5 {
		n := 1 + int(b[1])<<24 + int(b[2])<<16 + int(b[3])<<8 + int(b[4])
		if n > len(b) {
			return 1
		}
		if b[0] == 'Z' {
			seen++
		}
		b = b[n:]
	}
	return max(0, want-seen)
}

func TestRelayedTransactionAllocatesNothing(t *testing.T) {
	cases := []struct {
		name string
		ask  []pgproto3.FrontendMessage
	}{
		{"simple", []pgproto3.FrontendMessage{q("select 1")}},
		{"extended", []pgproto3.FrontendMessage{parse("select $1::int"), bind("1"), &pgproto3.Describe{ObjectType: 'P'}, execute(), syncs()}},
		{"prepared", runs("s", "1")},
		{"unnamed, of the transaction before", runs("", "1")},
		{"block", []pgproto3.FrontendMessage{q("begin"), q("select 1"), q("commit")}},
		{"large result", []pgproto3.FrontendMessage{q("select repeat('x', 50000)")}},
	}
	w := start(t, size(1))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			client := w.dial()
			client.ask("1 1 Z(I)", parseAs("s", "select $1::text"), parse("select $1::int"), syncs())
			rep := repeat(t, client, c.ask...)
			for range 200 {
				rep.once(t) // buffers and coroutines are made
			}
			if n := testing.AllocsPerRun(1000, func() { rep.once(t) }); n != 0 {
				t.Errorf("%v allocations per transaction", n)
			}
		})
	}
}

func TestRelayBetweenTwoClientsOfOneServerAllocatesNothing(t *testing.T) {
	w := start(t, size(1))
	a, b := repeat(t, w.dial(), q("select 1")), repeat(t, w.dial(), q("select 2"))
	both := func() {
		a.conn.Write(a.ask)
		b.once(t)
		io.ReadFull(a.conn, a.got)
	}
	for range 200 {
		both()
	}
	if n := testing.AllocsPerRun(1000, both); n != 0 {
		t.Errorf("%v allocations per two transactions", n)
	}
}

func TestTheCountOfAllocationsCanFail(t *testing.T) {
	r := repeat(t, start(t, size(1)).dial("application_name", "x"), q("select 1"))
	var sink []byte
	if n := testing.AllocsPerRun(200, func() { r.once(t); sink = make([]byte, 100) }); n == 0 {
		t.Errorf("an allocation was not seen: %d", len(sink))
	}
}
