package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

func TestHeedOfReadsChannelsAsPostgreSQLDoes(t *testing.T) {
	long := strings.Repeat("n", 70)
	for sql, want := range map[string]string{
		"listen a": "l", "/* x */ LISTEN -- y\n a": "l", "; notify a, 'x'": "n", "Notify a": "n",
		"unlisten a": "ua", "UNLISTEN  News_1;": "unews_1", "unlisten *": "u", "unlisten\t/**/ * ": "u",
		`unlisten "A b"`: "uA b", `unlisten "a""b"`: `ua"b`, `unlisten"x"`: "ux", `unlisten """"`: `u"`, `unlisten "open`: "uopen",
		"unlisten " + long: "u" + long[:63], `unlisten "` + long + `"`: "u" + long[:63], "unlisten ÄB": "uÄb",
		"listening": "", "select 1": "", "": "", "select pg_notify('a', '')": "",
	} {
		if got := heedOf([]byte(sql)); got != want {
			t.Errorf("%q: %q, not %q", sql, got, want)
		}
	}
}

// hearing is a session that is shown messages of both sides.
type hearing struct {
	t *testing.T
	s Session
}

func newHearing(t *testing.T) *hearing {
	c := &hearing{t: t}
	c.s.Reset(Rest{})
	c.s.ByEar(true)
	c.s.Serve(nil, &Memory{})
	return c
}

// client shows messages, up to the first that has to wait, and returns how many
// went through.
func (c *hearing) client(all ...wire.Message) int {
	c.t.Helper()
	for i, m := range all {
		switch v := c.s.FromClient(frameOf(c.t, m), true); v {
		case Wait:
			return i
		case Forward:
			c.s.Send(frameOf(c.t, m))
		default:
			c.t.Fatalf("%T: verdict %d", m, v)
		}
	}
	return len(all)
}

// server shows tags and the status of a ReadyForQuery; an error is "E". It returns
// the last verdict.
func (c *hearing) server(words ...string) (v Verdict) {
	c.t.Helper()
	for _, word := range words {
		var m wire.Message
		switch word {
		case "I", "T":
			m = &pgproto3.ReadyForQuery{TxStatus: word[0]}
		case "E":
			m = wire.Errorf("22012", "division by zero")
		case "1":
			m = &pgproto3.ParseComplete{}
		case "2":
			m = &pgproto3.BindComplete{}
		case "A":
			m = &pgproto3.NotificationResponse{Channel: "a"}
		default:
			m = &pgproto3.CommandComplete{CommandTag: []byte(word)}
		}
		if v = c.s.FromServer(frameOf(c.t, m)); v == Violate {
			c.t.Fatalf("%s: %v", word, c.s.Fault)
		}
	}
	return v
}

func ask(sql string) wire.Message { return &pgproto3.Query{String: sql} }

func TestUnlistenCountsOnceItIsCommitted(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps string // Query > answers; ...
		want  []string
	}{
		{"alone", "unlisten a > UNLISTEN I", []string{"a"}},
		{"in a block", "begin > BEGIN T; unlisten a > UNLISTEN T; commit > COMMIT I", []string{"a"}},
		{"rolled back", "begin > BEGIN T; unlisten a > UNLISTEN T; rollback > ROLLBACK I", nil},
		{"to a savepoint", "begin > BEGIN T; savepoint s > SAVEPOINT T; unlisten a > UNLISTEN T; rollback to s > ROLLBACK T; unlisten b > UNLISTEN T; commit > COMMIT I", []string{"b"}},
		{"failed", "unlisten a, select 1/0 > UNLISTEN E I", nil},
		{"failed behind a commit", "unlisten a, commit, unlisten b, select 1/0 > UNLISTEN COMMIT UNLISTEN E I", []string{"a"}},
		{"all", "unlisten * > UNLISTEN I", []string{AllChannels}},
		{"discard all", "discard all > DISCARD ALL I", []string{AllChannels}},
		{"in order", "unlisten a, unlisten *, unlisten b > UNLISTEN UNLISTEN UNLISTEN I", []string{"a", AllChannels, "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newHearing(t)
			for _, step := range strings.Split(c.steps, "; ") {
				sql, answers, _ := strings.Cut(step, " > ")
				k.client(ask(strings.ReplaceAll(sql, ",", ";")))
				answers = strings.ReplaceAll(answers, "DISCARD ALL", "DISCARD_ALL")
				for _, word := range strings.Fields(answers) {
					k.server(strings.ReplaceAll(word, "_", " "))
				}
			}
			if got := k.s.Gone(); !slices.Equal(got, c.want) {
				t.Errorf("gone are %q, want %q", got, c.want)
			}
			if k.s.Listens() || k.s.Notifies() {
				t.Error("the server is to be asked, or others are to be waited for")
			}
		})
	}
}

func TestListenHoldsTheReadyForQueryBackThatEndsItsTransaction(t *testing.T) {
	k := newHearing(t)
	k.client(ask("begin"))
	k.server("BEGIN", "T")
	k.client(ask("listen a"))
	if v := k.server("LISTEN", "T"); v != Forward {
		t.Errorf("in a block: %d", v)
	}
	if k.s.Bound() {
		t.Error("a transaction that is open is lost with its server, as ever")
	}
	k.client(ask("commit"))
	if v := k.server("COMMIT"); v != Forward || !k.s.Bound() {
		t.Errorf("%d; what the client listens to is known to the server only", v)
	}
	if v := k.server("I"); v != Settle || k.s.Lending() != Kept {
		t.Errorf("at the end: %d", v)
	}
	if v := k.server("A"); v != Hear {
		t.Errorf("a notification before it is settled: %d", v)
	}
	k.s.Settled()
	if k.s.Lending() != Free || k.s.Bound() {
		t.Error("settled, and it does not go back")
	}
	if v := k.server("A"); v != Discard || k.s.Lending() != Dirty {
		t.Errorf("a notification of a server that listens to nothing: %d", v)
	}
}

// Behind a COMMIT AND CHAIN what the client listens to is known to the server only,
// and another transaction is open.
func TestListenOfAChainIsBoundToItsServer(t *testing.T) {
	k := newHearing(t)
	k.client(ask("begin; listen a"))
	k.server("BEGIN", "LISTEN", "T")
	k.client(ask("commit and chain"))
	if v := k.server("COMMIT", "T"); v != Forward || !k.s.Bound() {
		t.Errorf("%d, bound %v", v, k.s.Bound())
	}
}

func TestWhatComesBehindAListenWaits(t *testing.T) {
	k := newHearing(t)
	if n := k.client(ask("select 1"), ask("listen a"), ask("select 2")); n != 2 {
		t.Errorf("%d went through", n)
	}
	if v := k.server("SELECT 1", "I"); v != Forward {
		t.Errorf("an answer before it: %d", v)
	}
	if v := k.server("LISTEN", "I"); v != Settle {
		t.Errorf("its own: %d", v)
	}
	k.s.Settled()
	group := []wire.Message{&pgproto3.Parse{Query: "unlisten a"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}}
	if n := k.client(append(group, group...)...); n != 4 {
		t.Errorf("%d went through", n)
	}
	if v := k.server("1", "2", "UNLISTEN", "I"); v != Settle {
		t.Errorf("its own: %d", v)
	}
}

func TestNotifyIsLookedForOnlyIfSomebodyListens(t *testing.T) {
	for _, heard := range []bool{false, true} {
		for _, sql := range []string{"notify a", "select pg_notify('a', '')", "select 1; notify a"} {
			k := newHearing(t)
			k.s.Heard(heard)
			k.client(ask(sql))
			k.server(slices.Repeat([]string{"SELECT 1"}, strings.Count(sql, ";")+1)...)
			if v, want := k.server("I"), map[bool]Verdict{true: Settle, false: Forward}[heard]; v != want {
				t.Errorf("%s, heard %v: %d", sql, heard, v)
			}
		}
	}
}

func TestALossForgetsWhatWasToBeSettled(t *testing.T) {
	k := newHearing(t)
	k.client(ask("begin; listen a; unlisten b; notify c"))
	k.s.Lose(nil)
	if got := fmt.Sprint(k.s.Listens(), k.s.Notifies(), k.s.Gone()); got != "false false []" {
		t.Error(got)
	}
}
