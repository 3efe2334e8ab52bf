package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

func data(line string) *pgproto3.CopyData { return &pgproto3.CopyData{Data: []byte(line + "\n")} }

func done() *pgproto3.CopyDone { return &pgproto3.CopyDone{} }

// copyTable opens a Portero with one server and a table of numbers above 0.
func copyTable(t *testing.T) (*world, *raw) {
	t.Helper()
	w := start(t, size(1))
	r := w.dial()
	r.query("drop table if exists numbers; create table numbers(i int primary key check (i > 0))")
	return w, r
}

func TestCopyIn(t *testing.T) {
	w, r := copyTable(t)
	r.ask("G", q("copy numbers from stdin"))
	r.ask("C(COPY_2) Z(I)", data("1"), data("2"), done())
	r.ask("G C(COPY_1) Z(I) T D(3) C(SELECT_1) Z(I)", q("copy numbers from stdin"), data("3"), done(), q("select count(*) from numbers"))
	w.dial().ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func TestCopyInThatTheClientFails(t *testing.T) {
	_, r := copyTable(t)
	r.ask("G", q("copy numbers from stdin"))
	r.ask("E(ERROR_57014) Z(I)", data("1"), &pgproto3.CopyFail{Message: "changed my mind"})
	r.ask("T D(0) C(SELECT_1) Z(I)", q("select count(*) from numbers"))
}

func TestCopyInThatTheServerFailsSwallowsWhatComesLate(t *testing.T) {
	w, r := copyTable(t)
	other := w.dial()
	for _, bad := range []struct{ line, want string }{{"x", "E(ERROR_22P02)"}, {"-1", "E(ERROR_23514)"}} {
		r.ask("G", q("copy numbers from stdin"))
		// A small buffer's worth makes the server look at what it has.
		r.send(data("1"), data(bad.line), &pgproto3.CopyData{Data: []byte(strings.Repeat("7\n", 50000))})
		r.expect(bad.want + " Z(I)")
		other.ask("T D(5) C(SELECT_1) Z(I)", q("select 5")) // the server is another's meanwhile
		r.send(data("8"), data("9"))
		other.ask("T D(6) C(SELECT_1) Z(I)", q("select 6"))
		r.ask("T D(0) C(SELECT_1) Z(I)", done(), q("select count(*) from numbers"))
		r.ask("T D(0) C(SELECT_1) Z(I)", &pgproto3.CopyFail{}, q("select count(*) from numbers"))
	}
}

// PostgreSQL hangs up on who sends anything but data in a COPY. What was sent ahead of
// the server's word that it takes data reaches it, and its last words the client.
func TestAnythingButDataInACopyEndsTheClient(t *testing.T) {
	for name, behind := range map[string]messages{
		"a Query":             {q("select 1")},
		"the next statement":  {parse("select 1"), bind(), execute(), syncs()},
		"a Bind, in the dark": {bind(), syncs()},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := copyTable(t)
			r.send(append(messages{q("copy numbers from stdin"), data("1")}, behind...)...)
			r.expect("G E(ERROR_08P01) E(FATAL_08P01)")
			r.ended()
			w.dial().ask("T D(0) C(SELECT_1) Z(I)", q("select count(*) from numbers"))
		})
	}
}

func TestCopyInFailsInATransaction(t *testing.T) {
	_, r := copyTable(t)
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("G", q("copy numbers from stdin"))
	r.ask("E(ERROR_23505) Z(E)", data("1"), data("1"), done())
	r.ask("E(ERROR_25P02) Z(E)", q("select 1"))
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
}

func TestCopyInByExtendedProtocol(t *testing.T) {
	w, r := copyTable(t)
	copyIn := parse("copy numbers from stdin")
	r.ask("1 2 G", copyIn, bind(), execute(), &pgproto3.Flush{})
	r.ask("C(COPY_1) Z(I)", data("1"), done(), syncs())
	// The server ignores a Sync that comes while it takes data.
	r.ask("1 2 G", copyIn, bind(), execute(), syncs())
	r.ask("C(COPY_1) Z(I)", data("2"), done(), syncs())
	r.ask("1 2 G C(COPY_1) Z(I)", copyIn, bind(), execute(), syncs(), data("3"), done(), syncs())
	r.ask("1 2 G E(ERROR_22P02) Z(I)", copyIn, bind(), execute(), syncs(), data("x"), done(), syncs())
	r.ask("1 2 G", copyIn, bind(), execute(), syncs())
	r.ask("E(ERROR_57014) Z(I)", &pgproto3.CopyFail{}, syncs())
	r.ask("T D(3) C(SELECT_1) Z(I)", q("select count(*) from numbers"))
	w.dial().ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func TestCopyOut(t *testing.T) {
	w, r := copyTable(t)
	r.query("insert into numbers values (1), (2)")
	r.ask("H d(1) d(2) c C(COPY_2) Z(I)", q("copy numbers to stdout"))
	r.ask("1 2 H d(1) d(2) c C(COPY_2) Z(I)", parse("copy numbers to stdout"), bind(), execute(), syncs())
	r.ask("H d(1) E(ERROR_22012) Z(I)", q("copy (select 1/(2-i) from numbers) to stdout"))
	w.dial().ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func TestClientVanishesAmidACopy(t *testing.T) {
	w, r := copyTable(t)
	for _, sql := range []string{"copy numbers from stdin", "copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout"} {
		gone := w.dial()
		gone.send(q(sql))
		gone.receive()
		gone.send(data("1"), data("2"))
		gone.conn.Close()
		r.ask("T D(0) C(SELECT_1) Z(I)", q("select count(*) from numbers"))
	}
}

// A backend that waits for data, or for its client to read, looks at a cancel
// request when there is something to do.
func TestCancelAmidACopy(t *testing.T) {
	w, r := copyTable(t)
	other := w.dial()
	for _, copyIn := range []messages{
		{q("copy numbers from stdin")},
		{parse("copy numbers from stdin"), bind(), execute(), &pgproto3.Flush{}},
	} {
		r.send(copyIn...)
		r.upTo("G")
		r.send(data("1"))
		w.cancel(r)
		last := messages{data("2"), done()}
		if len(copyIn) > 1 {
			last = append(last, syncs())
		}
		r.ask("E(ERROR_57014) Z(I)", last...)
		other.ask("T D(0) C(SELECT_1) Z(I)", q("select count(*) from numbers"))
	}
	for _, copyOut := range []messages{
		{q("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout")},
		{parse("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout"), bind(), execute(), syncs()},
	} {
		r.send(copyOut...)
		r.upTo("H")
		stalledOnClient(t)
		w.cancel(r)
		rows, words := 0, ""
		for words != " E(ERROR_57014) Z(I)" {
			m := r.receive()
			if _, ok := m.(*pgproto3.CopyData); ok {
				rows++
				continue
			}
			if words += " " + word(m); strings.Contains(words, "Z(") && words != " E(ERROR_57014) Z(I)" {
				t.Fatal(words)
			}
		}
		if rows == 1000000 {
			t.Error("it was not cancelled")
		}
		other.ask(answer, q("select 1"))
	}
}
