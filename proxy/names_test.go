package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A client that closes a name and parses it anew in one group is answered as
// on its own, also where its server has first to be given its settings.
func TestACloseBeforeAParseInOneGroupIsFollowedByTheParse(t *testing.T) {
	w := start(t, size(1))
	c, other := w.dial(), w.dial()
	for _, name := range []string{"a", ""} {
		c.query("set search_path = one")
		other.query("set search_path = two")
		if got := c.converse(messages{closing(name), parseAs(name, "select 1"), describe(name), syncs()}); got != "3 1 t T Z(I)" {
			t.Errorf("%q: %s", name, got)
		}
		other.query("select 1")
		step := append(messages{closing(name), parseAs(name, "select 2"), describe(name)}, runs(name)...)
		if got := c.converse(step); got != "3 1 t T 2 T D(2) C(SELECT_1) Z(I)" {
			t.Errorf("%q, once more: %s", name, got)
		}
	}
}

// What PostgreSQL says of a statement that does not fit names it as its client
// does, not as Portero has it on the server.
func TestErrorsNameAStatementAsItsClientDoes(t *testing.T) {
	w := start(t, size(1))
	c, other := w.dial(), w.dial()
	for _, name := range []string{"mine", "", strings.Repeat("n", 63), strings.Repeat("n", 64), "portero_1"} {
		c.query("set search_path = one")
		c.converse(messages{parseAs(name, "select $1::int"), syncs()})
		known := name[:min(len(name), 63)]
		want := `E(08P01 bind message supplies 2 parameters, but prepared statement "` + known + `" requires 1) Z(I)`
		for range 2 {
			if got := c.converse(messages{bindTo(name, "too", "much"), syncs()}); got != want {
				t.Errorf("said %s\nwant %s", got, want)
			}
			other.query("set search_path = two")
		}
		if name == "" {
			continue
		}
		want = `E(42601 wrong number of parameters for prepared statement "` + known + `") Z(I)`
		if got := c.converse(messages{q(`execute "` + name + `"`)}); !strings.HasSuffix(got, want) {
			t.Errorf("said %s\nwant %s", got, want)
		}
		want = `E(26000 prepared statement "` + name + `" does not exist) Z(I)` // in full, as PostgreSQL says it
		c.converse(messages{q(`deallocate "` + name + `"`)})
		if got := c.converse(messages{describe(name), syncs()}); got != want {
			t.Errorf("said %s\nwant %s", got, want)
		}
	}
}

// A name that stands behind a Sync in what is sent at once means what it means
// in front of it.
func TestANameBehindASyncMeansTheClientsStatement(t *testing.T) {
	w := start(t, size(1))
	c, other := w.dial(), w.dial()
	for i, before := range []messages{{syncs()}, {syncs(), syncs()}, {q("select 1"), syncs()}, {&pgproto3.Flush{}, syncs()}} {
		c.query("set search_path = one")
		c.converse(messages{closing("a"), syncs(), parseAs("a", "select 1"), syncs()})
		other.query("set search_path = two")
		if got := c.converse(append(before, runs("a")...)); !strings.HasSuffix(got, "2 T D(1) C(SELECT_1) Z(I)") {
			t.Errorf("%d: %s", i, got)
		}
	}
}

// psycopg 3 forgets statements by an extended DEALLOCATE while it is in a pipeline.
func TestDeallocateInTheExtendedProtocolMeansTheClientsStatement(t *testing.T) {
	w := start(t, size(1))
	c := w.dial()
	c.converse(messages{parseAs("a", "select 1"), parseAs("b", "select 2"), syncs()})
	if got := c.converse(messages{parse("deallocate a"), bind(), execute(), syncs()}); got != "1 2 C(DEALLOCATE) Z(I)" {
		t.Errorf("deallocate: %s", got)
	}
	if got := c.converse(runs("a")); !strings.HasPrefix(got, "E(26000 ") {
		t.Errorf("what is gone: %s", got)
	}
	if got := c.converse(append(messages{parse("deallocate b"), bind(), execute(), parseAs("b", "select 'new'")}, runs("b")...)); !strings.HasSuffix(got, "1 2 T D(new) C(SELECT_1) Z(I)") {
		t.Errorf("in one group: %s", got)
	}
}

// Whatever a client calls its statements, none of its names is one of the
// server's: it never meets another client's statement.
func TestANameBehindASyncNeverMeansAnotherClientsStatement(t *testing.T) {
	w := start(t, size(1))
	c, other := w.dial(), w.dial()
	other.query("set search_path = two")
	other.converse(messages{parseAs("a", "select 'of another'"), syncs()})
	c.query("set search_path = one")
	for i := range 5 {
		name := fmt.Sprint("portero_", i)
		c.converse(messages{parseAs(name, "select 'mine'"), syncs()})
		other.query("select 1")
		if got := c.converse(append(messages{syncs()}, runs(name)...)); got != "Z(I) 2 T D(mine) C(SELECT_1) Z(I)" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// The first frame that needs no server's name may be any.
func TestAParseBehindAFrameThatIsKeptAsItIs(t *testing.T) {
	w := start(t, size(1))
	c, other := w.dial(), w.dial()
	for _, first := range []pgproto3.FrontendMessage{
		syncs(), &pgproto3.Flush{}, closing("x"), &pgproto3.Close{ObjectType: 'P'}, q("select 1"), q("begin"),
		&pgproto3.CopyDone{}, &pgproto3.Describe{ObjectType: 'P', Name: "nothing"},
	} {
		c.query("set search_path = one")
		other.query("set search_path = two")
		step := messages{first, parseAs("p", "select 'fine'"), bindTo("p"), execute(), closing("p"), syncs()}
		if _, ok := first.(*pgproto3.Describe); ok {
			step = append(messages{first, syncs()}, step[1:]...)
		}
		if got := c.converse(step); !strings.Contains(got, "1 2 D(fine) C(SELECT_1) 3 Z(") {
			t.Errorf("%T: %s", first, got)
		}
		c.query("rollback")
	}
}
