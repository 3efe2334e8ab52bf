package session

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// talk is a session with a server, as far as pins need one.
type talk struct {
	t    *testing.T
	s    Session
	m    Memory
	sent string // what went to the server in place of the last frame
}

func newTalk(t *testing.T, p Pinning) *talk {
	k := &talk{t: t}
	k.s.Reset(Rest{})
	k.s.SetPinning(p)
	k.s.Serve(nil, &k.m)
	return k
}

func (k *talk) client(m wire.Message) { k.first(m, true) }

// first is client for a frame that may be the first for its server.
func (k *talk) first(m wire.Message, linked bool) {
	f := frameOf(k.t, m)
	if v := k.s.FromClient(f, linked); v != Forward {
		k.t.Fatalf("verdict %d", v)
	}
	edit, _ := k.s.Send(f)
	k.sent = string(edit)
}
func (k *talk) server(m wire.Message) Verdict { return k.s.FromServer(frameOf(k.t, m)) }

// query runs a Query that ends well, or by an error.
func (k *talk) query(sql string, fails ...bool) {
	k.client(&pgproto3.Query{String: sql})
	k.answer(len(fails) > 0, 'I')
}

func (k *talk) answer(fails bool, status byte) {
	if strings.Contains(k.sent, "DISCARD SEQUENCES") {
		for _, m := range []wire.Message{
			&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, &pgproto3.CommandComplete{CommandTag: []byte("DISCARD SEQUENCES")},
			&pgproto3.CloseComplete{}, &pgproto3.ReadyForQuery{TxStatus: status},
		} {
			if v := k.server(m); v != Discard {
				k.t.Errorf("an answer to ourselves has verdict %d", v)
			}
		}
	}
	if fails {
		k.server(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601"})
	} else {
		k.server(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
	}
	k.server(&pgproto3.ReadyForQuery{TxStatus: status})
}

// tell answers the session's question: these, of what was asked, are there.
func (k *talk) tell(there Pins) {
	k.t.Helper()
	values := [][]byte{[]byte("none")}
	for one := range k.s.asked.pins.Each {
		v := "f"
		if one&there != 0 {
			v = "t"
		}
		values = append(values, []byte(v))
	}
	if !k.s.Asks() || !k.s.Told(values) {
		k.t.Fatal("nothing is asked, or another thing")
	}
}

func (k *talk) want(what string, pins Pins, lending Lending) {
	k.t.Helper()
	if k.s.Pins() != pins || k.s.Lending() != lending {
		k.t.Errorf("%s: pinned by (%s), lending %d; want (%s), %d", what, k.s.Pins(), k.s.Lending(), pins, lending)
	}
}

func TestAServerIsAskedForWhatAStatementShowsAndNothingElse(t *testing.T) {
	for _, c := range shown {
		k := newTalk(t, PinningPin)
		k.query(c.sql)
		want := c.want.pins() & askable
		if referenceIn([]byte(c.sql)).verb == prepares {
			want &^= PinPrepared
		}
		if k.s.asked.pins != want {
			t.Errorf("%q: asked for %s, want %s", c.sql, k.s.asked.pins, want)
		}
		if want := c.want.pins() &^ askable; k.s.Pins() != want {
			t.Errorf("%q: pinned by %s, want %s", c.sql, k.s.Pins(), want)
		}
		k = newTalk(t, PinningAllow)
		if k.query(c.sql); k.s.asked.pins != 0 || k.s.Pins() != 0 {
			t.Errorf("%q: pinned where it is allowed", c.sql)
		}
	}
}

func TestAPinnedClientIsAskedForAgainWhenItMayHaveLetGo(t *testing.T) {
	k := newTalk(t, PinningPin)
	k.query("create temp table t()")
	k.want("before the answer", 0, Kept)
	k.tell(PinTemp)
	k.want("behind it", PinTemp, Kept)
	k.query("select pg_temp.f()")
	if k.s.Asks() {
		t.Error("it is asked for what is known")
	}
	k.query("select pg_advisory_lock(1)")
	k.tell(PinLock)
	k.want("another reason", PinTemp|PinLock, Kept)
	for _, sql := range []string{"drop table t", "discard temp", "close c", "deallocate p", "do ''", "call p()", "execute p", "select pg_advisory_unlock(1)"} {
		k.query(sql)
		if k.s.asked.pins != PinTemp|PinLock {
			t.Errorf("%s: asked for %s", sql, k.s.asked.pins)
		}
		k.tell(PinTemp | PinLock)
	}
	k.query("drop table t")
	k.tell(PinLock)
	k.want("dropped", PinLock, Kept)
	k.query("select pg_advisory_unlock(1)")
	k.tell(0)
	k.want("unlocked", 0, Free)
}

func TestWhatATransactionMayHaveTakenAlongIsAskedForInTheEnd(t *testing.T) {
	k := newTalk(t, PinningPin)
	k.query("create temp table t()", true)
	k.tell(0)
	k.want("failed", 0, Free)
}

func TestPreparedStatementsAreLookedAtWhenTheyAreExecuted(t *testing.T) {
	k := newTalk(t, PinningPin)
	k.client(&pgproto3.Parse{Name: "l", Query: "select pg_advisory_lock($1)"})
	k.client(&pgproto3.Sync{})
	k.server(&pgproto3.ParseComplete{})
	k.server(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	k.want("parsed", 0, Free)
	rest := k.s.Rest()
	k.s.Reset(rest) // it has been at rest meanwhile
	k.s.Serve(nil, &k.m)
	k.client(&pgproto3.Bind{PreparedStatement: "l"})
	k.client(&pgproto3.Execute{})
	if k.s.asked.pins != PinLock {
		t.Errorf("asked for %s", k.s.asked.pins)
	}
}

// What only stands in a string is asked for at most, and neither refused nor
// believed.
func TestStringsAreNotWhatAStatementDoes(t *testing.T) {
	for _, sql := range []string{
		"insert into docs values ('how to create temp table t')", "create function f() returns int language sql as $$select currval('s')$$",
		"create function f() returns void as $f$ select pg_advisory_lock(1), dblink_connect('x') $f$ language sql",
		`select E'\'dblink_connect', e'lastval()'`, "select 1 -- lastval()", "select 1 /* load 'x', currval('s') */", "select 'currval()'",
	} {
		k := newTalk(t, PinningPin)
		if k.query(sql); k.s.Pins() != 0 {
			t.Errorf("%q: pinned by %s", sql, k.s.Pins())
		}
		k = newTalk(t, PinningError)
		if k.client(&pgproto3.Query{String: sql}); k.sent != "" {
			t.Errorf("%q is refused", sql)
		}
	}
	for _, sql := range []string{
		"do $$begin perform dblink_connect('x'); end$$", "select 'x', lastval()", "select '' -- x\n, dblink_connect('a')", "do 'begin load ''x''; end'", `select "x", currval('s')`,
	} {
		k := newTalk(t, PinningPin)
		if k.query(sql); k.s.Pins() == 0 {
			t.Errorf("%q: not pinned", sql)
		}
		k = newTalk(t, PinningError)
		if k.client(&pgproto3.Query{String: sql}); k.sent == "" {
			t.Errorf("%q is not refused", sql)
		}
	}
}

func TestTheUnaskableKeepsItsServer(t *testing.T) {
	k := newTalk(t, PinningPin)
	k.query("create temp table t()")
	k.s.Untold()
	k.tell(0)
	k.want("the server does not say", PinTemp, Kept)
}

func TestALossIsTheEndOfWhatPins(t *testing.T) {
	for _, c := range []struct {
		sql   string
		bound bool
	}{
		{"create temp table t()", true}, {"load 'x'", true}, {"select dblink_connect('x')", true}, {"select lastval()", false},
	} {
		k := newTalk(t, PinningPin)
		k.query(c.sql)
		if k.s.Asks() {
			k.tell(askable)
		}
		if k.s.Bound() != c.bound {
			t.Errorf("%s: bound %v", c.sql, k.s.Bound())
		}
		if k.s.Lose(nil); k.s.Pins() != 0 || k.s.Bound() {
			t.Errorf("%s: it is pinned to a server that is gone", c.sql)
		}
	}
}

func TestWhatDiscardAllTakesAwayNeedNoNewServer(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want bool
	}{
		{"create temp table t()", true}, {"select pg_advisory_lock(1)", true}, {"load 'x'", false}, {"select 1", false},
		{"select pg_create_physical_replication_slot('a', true, true)", false}, {"set role x", false},
	} {
		k := newTalk(t, PinningPin)
		k.query(c.sql)
		if got := k.s.Washable(); got != c.want {
			t.Errorf("%s: %v", c.sql, got)
		}
	}
}

func TestNumbersOfOthersAreForgottenBeforeTheyAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		statements string
		want       bool
	}{
		{"select lastval()", true},
		{"select nextval('s'); select currval('s')", true}, // in one Query: the server has seen nothing of it
		{"begin|select currval('s')", true},
		{"insert into t values (1)|select lastval()", false},
		{"begin|insert into t values (1)|select lastval()", false},
		{"select lastval()|select lastval()", false},
	} {
		k := newTalk(t, PinningPin)
		forgets := false
		for i, sql := range strings.Split(c.statements, "|") {
			k.first(&pgproto3.Query{String: sql}, i > 0)
			forgets = strings.Contains(k.sent, "DISCARD SEQUENCES")
			k.answer(false, 'T')
		}
		if forgets != c.want {
			t.Errorf("%s: %v", c.statements, forgets)
		}
	}
}

// In a group of the extended protocol there is no Sync of ours.
func TestNumbersAreForgottenInTheMiddleOfAGroup(t *testing.T) {
	k := newTalk(t, PinningPin)
	for _, m := range []wire.Message{&pgproto3.Parse{Query: "begin"}, &pgproto3.Bind{}, &pgproto3.Execute{}} {
		k.client(m)
	}
	k.client(&pgproto3.Parse{Query: "select lastval()"})
	if !strings.Contains(k.sent, "DISCARD SEQUENCES") || strings.Contains(k.sent, string(syncFrame)) {
		t.Errorf("%q goes to the server", k.sent)
	}
	k.client(&pgproto3.Bind{})
	if strings.Contains(k.sent, "DISCARD") {
		t.Error("it is told to forget twice")
	}
}

func TestDiscardEndsThePinOfSequences(t *testing.T) {
	for _, sql := range []string{"discard all", "DISCARD SEQUENCES"} {
		k := newTalk(t, PinningPin)
		k.query("select lastval()")
		k.want("asked for a number", PinSequence, Kept)
		k.query(sql)
		if k.s.Asks() {
			k.tell(0)
		}
		k.want(sql, 0, Free)
	}
}

func TestWhatIsRefusedNeverReachesTheServer(t *testing.T) {
	for _, m := range []wire.Message{
		&pgproto3.Query{String: "select 1; create temp table mine()"}, &pgproto3.Parse{Query: "create temp table mine()"}, &pgproto3.Parse{Name: "x", Query: "create temp table mine()"},
	} {
		k := newTalk(t, PinningError)
		k.client(m)
		if strings.Contains(k.sent, "mine") || !strings.Contains(k.sent, refusedPrefix) {
			t.Fatalf("%q goes to the server", k.sent)
		}
		e := &pgproto3.ErrorResponse{Severity: "ERROR", Code: "26000", Message: `prepared statement "` + refusedPrefix + string(ofPin(PinTemp)) + `" does not exist`}
		if v := k.server(e); v != Answer || !strings.Contains(string(k.s.Reply), "0A000") || !strings.Contains(string(k.s.Reply), "temporary object") {
			t.Errorf("verdict %d, %q goes to the client", v, k.s.Reply)
		}
	}
}

func TestPinsInWords(t *testing.T) {
	seen := map[string]bool{}
	for one := range AllPins.Each {
		words := one.String()
		if words == "" || seen[words] || strings.ContainsAny(words, ",_") {
			t.Errorf("%d is %q", one, words)
		}
		seen[words] = true
	}
	if len(seen) != NumPins || AllPins.Count() != NumPins || (PinTemp|PinLock).String() != "temporary object, advisory lock" || Pins(0).String() != "" {
		t.Errorf("%v", seen)
	}
}
