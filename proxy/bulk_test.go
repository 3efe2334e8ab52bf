package proxy_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

// heapGrowth runs work, which looks at the heap now and then, and returns by
// how much it was larger than at the beginning at most.
func heapGrowth(work func(look func())) int64 {
	before, most := heap(), int64(0)
	work(func() { most = max(most, heap()-before) })
	return most
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// maxGrowth is the most that a transfer of any size may add to the heap.
const maxGrowth = 4 << 20

// drink reads exactly n bytes with a small buffer.
func (r *raw) drink(n int, every int, look func()) {
	r.t.Helper()
	buf := make([]byte, 32<<10)
	for seen, next := 0, 0; seen < n; {
		if seen >= next {
			look()
			next += every
		}
		got, err := r.conn.Read(buf[:min(len(buf), n-seen)])
		if err != nil {
			r.t.Fatalf("after %d of %d bytes: %v", seen, n, err)
		}
		seen += got
	}
}

// stalledOnClient waits until app's server cannot send any more.
func stalledOnClient(t *testing.T) {
	t.Helper()
	eventually(t, "a server that waits for its client", func() bool {
		return superuser(t, "select count(*) from pg_stat_activity where usename = 'app' and wait_event = 'ClientWrite'") == "1"
	})
}

func TestHugeResultToASlowClientTakesNoMemory(t *testing.T) {
	const rows, width = 200, 1 << 20 // rows that stream, and 200 MB of them
	r := start(t).dial()
	grown := heapGrowth(func(look func()) {
		r.send(q(fmt.Sprintf("select repeat('x', %d) from generate_series(1, %d)", width, rows)))
		stalledOnClient(t)
		look()
		r.drink(rows*width, 32<<20, look)
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func TestHugeResultOfManyRowsTakesNoMemory(t *testing.T) {
	const rows, width = 1_000_000, 50
	r := start(t).dial()
	grown := heapGrowth(func(look func()) {
		r.send(q(fmt.Sprintf("select repeat('x', %d) from generate_series(1, %d)", width, rows)))
		stalledOnClient(t)
		look()
		r.drink(rows*(width+11), 16<<20, look)
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// sendHuge sends a frame of type and body head, n times "x", tail.
func (r *raw) sendHuge(kind byte, head string, n int, tail string, look func()) {
	r.t.Helper()
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(head)+n+len(tail)))
	r.sendBytes(append(b, head...))
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	for i := 0; n > 0; i++ {
		k := min(n, len(chunk))
		r.sendBytes(chunk[:k])
		n -= k
		if i%256 == 0 {
			look()
		}
	}
	r.sendBytes([]byte(tail))
}

func TestHugeQueryAndParameterTakeNoMemory(t *testing.T) {
	const n = 50 << 20
	r := start(t, size(1)).dial()
	grown := heapGrowth(func(look func()) {
		r.sendHuge('Q', "select length('", n, "')\x00", look)
		r.expect("T D(52428800) C(SELECT_1) Z(I)")
		look()
		r.send(parse("select length($1)"))
		size := string(binary.BigEndian.AppendUint32(nil, n))
		r.sendHuge('B', "\x00\x00\x00\x00\x00\x01"+size, n, "\x00\x00", look)
		r.ask("1 2 D(52428800) C(SELECT_1) Z(I)", execute(), syncs())
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func TestHugeParameterOfAStatementThatIsNewToItsServer(t *testing.T) {
	const n = 20 << 20
	w := start(t, size(2))
	r, other := w.dial(), w.dial()
	r.ask("1 Z(I)", parseAs("s", "select length($1)"), syncs())
	other.ask("C(BEGIN) Z(T)", q("begin")) // has the server that has seen it
	grown := heapGrowth(func(look func()) {
		size := string(binary.BigEndian.AppendUint32(nil, n))
		r.sendHuge('B', "\x00s\x00\x00\x00\x00\x01"+size, n, "\x00\x00", look)
		r.ask("2 D(20971520) C(SELECT_1) Z(I)", execute(), syncs())
		look()
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	other.ask("C(COMMIT) Z(I)", q("commit"))
}

func TestLargeErrorsAndNoticesArePassedOn(t *testing.T) {
	w := start(t, size(2))
	r, other := w.dial(), w.dial()
	direct := plugInto(t, dialServer(t))
	direct.login("user", "app", "database", "app")
	loud := "do $$ begin raise notice '%', repeat('n', 100000); raise exception '%', repeat('e', 100000); end $$"
	for _, step := range []messages{
		{q(loud)}, {q("set work_mem = '5MB'; " + loud)}, {parseAs("loud", loud), syncs()},
		{bindTo("loud"), execute(), bindTo("loud"), syncs(), q("select 1")},
		{q("begin"), q(loud), q("select 1"), q("rollback")},
		{parse("select '" + strings.Repeat("x", 100000)), syncs(), q("select 2")},
		{q("prepare " + strings.Repeat("p", 100000) + " as selec"), q("select 3")},
	} {
		want := direct.converse(step)
		other.query("begin")
		if got := r.converse(step); got != want {
			t.Errorf("%d bytes, not %d: %.300s\nnot %.300s", len(got), len(want), got, want)
		}
		other.query("commit")
	}
}

func TestLargeObjects(t *testing.T) {
	conn := start(t, size(1)).pgx()
	ctx := bounded(t)
	tx := must(conn.Begin(ctx))(t)
	objects := tx.LargeObjects()
	id := must(objects.Create(ctx, 0))(t)
	object := must(objects.Open(ctx, id, 0x60000))(t)
	text := bytes.Repeat([]byte("0123456789"), 300_000)
	if _, err := object.Write(text); err != nil {
		t.Fatal(err)
	}
	if _, err := object.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got := must(io.ReadAll(object))(t); !bytes.Equal(got, text) {
		t.Errorf("%d bytes come back as %d", len(text), len(got))
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestClientThatNeverReadsIsClosedAndHurtsNobody(t *testing.T) {
	w := start(t, size(2), limits(func(p *config.Pool) { p.ClientStallTimeout = 400 * time.Millisecond }))
	other := w.dial()
	r := w.dial()
	grown := heapGrowth(func(look func()) {
		ask := must(q("select repeat('x', 8000)").Encode(nil))(t)
		ask = bytes.Repeat(ask, 100)
		for end := time.Now().Add(patience); time.Now().Before(end); {
			r.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := r.conn.Write(ask); errors.Is(err, os.ErrDeadlineExceeded) {
				break // no more is taken from it
			} else if err != nil {
				t.Fatal(err)
			}
		}
		look()
		other.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
		eventually(t, "closed", func() bool { return w.proxy.Clients() == 1 })
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	eventually(t, "the log says why", func() bool { return w.log.has("client stalled") })
	r.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, r.conn); err != nil && !isClosedError(err) {
		t.Fatal(err)
	}
	other.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func isClosedError(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && !ne.Timeout()
}

func TestSlowClientThatStillReadsIsNotClosed(t *testing.T) {
	r := start(t, limits(func(p *config.Pool) { p.ClientStallTimeout = time.Second })).dial()
	r.send(q("select repeat('x', 1000) from generate_series(1, 32000)"))
	buf := make([]byte, 1<<20)
	pace := time.NewTicker(60 * time.Millisecond) // a megabyte each: longer than the timeout in all
	defer pace.Stop()
	for seen := 0; seen < 28<<20; seen += len(buf) {
		<-pace.C
		if _, err := io.ReadFull(r.conn, buf); err != nil {
			t.Fatalf("after %d bytes: %v", seen, err)
		}
	}
}

func TestHugeCopiesTakeNoMemory(t *testing.T) {
	const rows, width, row = 60, 1 << 20, 20 << 20
	w := start(t, size(1))
	r := w.dial()
	r.query("create table huge (a text)")
	defer w.once("drop table huge")
	grown := heapGrowth(func(look func()) {
		r.send(q(fmt.Sprintf("copy (select repeat('x', %d) from generate_series(1, %d)) to stdout", width, rows)))
		stalledOnClient(t)
		look()
		r.drink(len("H\x00\x00\x00\x09\x00\x00\x01\x00\x00")+rows*(width+len("d\x00\x00\x00\x00\n"))+len("c\x00\x00\x00\x04"), 16<<20, look)
		r.expect("C(COPY_60) Z(I)")
		r.ask("G", q("copy huge from stdin"))
		r.sendHuge('d', "", row, "\n", look)
		look()
		r.ask("C(COPY_1) Z(I)", done())
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	r.ask(fmt.Sprintf("T D(%d) C(SELECT_1) Z(I)", row), q("select length(a) from huge"))
}

// What a server does not read, its client cannot send.
func TestCopyToAServerThatDoesNotReadTakesNoMemory(t *testing.T) {
	proceed := make(chan struct{})
	f := startFake(t, lying(map[string]func(*fakeConn) bool{"copy": func(c *fakeConn) bool {
		c.say(&pgproto3.CopyInResponse{})
		<-proceed
		return false
	}}))
	defer close(proceed)
	w := startBefore(t, f.address, size(2))
	r, other := w.dial(), w.dial()
	r.ask("G", q("copy"))
	chunk := bytes.Repeat(must(data("7").Encode(nil))(t), 10_000)
	grown := heapGrowth(func(look func()) {
		for end := time.Now().Add(patience); time.Now().Before(end); {
			r.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := r.conn.Write(chunk); errors.Is(err, os.ErrDeadlineExceeded) {
				break // no more is taken from it
			} else if err != nil {
				t.Fatal(err)
			}
		}
		look()
		other.ask(answer, q("select 1"))
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}
