package pool

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/session"
	"portero/wire"
)

// A pool hears of an epoch that its own server has made known after that server
// has been lent; what it said must not be forgotten for it.
// Each session of Citus has a name of its own, and none has to wait for a server to hear it.
func TestWhoDiffersInItsNameAloneIsToldTheSameButForThat(t *testing.T) {
	p := newStage(t, nil, "127.0.0.1:1").join(1, 0, "leader", "app")
	tell := func(name string) []byte {
		b := wire.Append(nil, &pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"})
		b = wire.Append(b, &pgproto3.ParameterStatus{Name: "application_name", Value: name})
		return wire.Append(b, &pgproto3.ParameterStatus{Name: "server_version", Value: "15"})
	}
	var none session.Settings
	p.KeepWelcome(none.With("application_name", "a"), &Server{home: p.home.Load(), post: post{epoch: 1}}, tell("a"))
	for _, name := range []string{"a", "citus_internal gpid=10000000123"} {
		if b, ok := p.AppendWelcome(nil, none.With("application_name", name)); !ok || string(b) != string(tell(name)) {
			t.Errorf("%s: %q, %v", name, b, ok)
		}
	}
	for what, s := range map[string]session.Settings{
		"no name": none, "another setting": none.With("application_name", "b").With("timezone", "UTC"),
		"a name that PostgreSQL shows otherwise": none.With("application_name", "ü"), "one too long": none.With("application_name", strings.Repeat("x", 64)),
	} {
		if b, ok := p.AppendWelcome(nil, s); ok {
			t.Errorf("%s: %q", what, b)
		}
	}
}

// PgBouncer is such a server of ours, perhaps, and may not be told to report it.
func TestWhoIsNotToldOfANameIsToldOfNone(t *testing.T) {
	p := newStage(t, nil, "127.0.0.1:1").join(1, 0, "leader", "app")
	told := string(wire.Append(nil, &pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"}))
	var none session.Settings
	p.KeepWelcome(none.With("application_name", "a"), &Server{home: p.home.Load(), post: post{epoch: 1}}, []byte(told))
	if b, ok := p.AppendWelcome([]byte("before "), none.With("application_name", "b")); !ok || string(b) != "before "+told {
		t.Errorf("%q, %v", b, ok)
	}
}

func TestAWelcomeOutlivesTheNewsOfItsOwnEpoch(t *testing.T) {
	p := newStage(t, nil, "127.0.0.1:1").join(1, 0, "leader", "app")
	home := p.home.Load()
	var none session.Settings
	p.KeepWelcome(none, &Server{home: home, post: post{epoch: 1}}, []byte("first"))
	p.expireWelcomesLocked(1)
	if b, ok := p.AppendWelcome(nil, none); !ok || string(b) != "first" {
		t.Errorf("%q, %v: the news of the epoch has cost its welcome", b, ok)
	}
	p.expireWelcomesLocked(2)
	if _, ok := p.AppendWelcome(nil, none); ok {
		t.Error("a welcome of the last leader is given out")
	}
	p.KeepWelcome(none, &Server{home: home, post: post{epoch: 1}}, []byte("late"))
	if _, ok := p.AppendWelcome(nil, none); ok {
		t.Error("a server of the last leader has the say")
	}
}
