package pool

import (
	"fmt"
	"testing"

	"portero/auth"
	"portero/internal/lab"
	"portero/metrics"
	"portero/wire"
)

func TestWhatOpenedAServerIsNotSpoiledByOtherClients(t *testing.T) {
	a, b := auth.Password("a"), auth.Password("b")
	var s secrets
	s.offer(a)
	s.accepted(a)
	s.offer(auth.Credentials{}) // a client that was trusted
	s.offer(b)
	s.offer(auth.Credentials{})
	if s.best() != a {
		t.Error("what works is not the first choice")
	}
	if !s.refused(a, true) || s.best() != b {
		t.Error("the other is not tried when it works no more")
	}
	if s.refused(b, true) || s.best() != noSecret {
		t.Error("a wrong secret has stayed")
	}
}

func TestOfEqualSecretsTheNewestIsTriedAndTheBetterAlways(t *testing.T) {
	var s secrets
	s.offer(auth.Password("old"))
	s.offer(auth.Password("new"))
	s.offer(auth.Credentials{})
	if s.best() != auth.Password("new") {
		t.Error("another")
	}
}

func TestARefusalThatNamesNoSecretKeepsTheOnlyOne(t *testing.T) {
	a, b := auth.Password("a"), auth.Password("b")
	var s secrets
	s.offer(a)
	if s.refused(a, false) || s.best() != a {
		t.Error("the only secret is gone, and nobody called it wrong")
	}
	s.accepted(a)
	s.offer(b)
	if !s.refused(a, false) || s.best() != b {
		t.Error("with another at hand it is worth a try")
	}
	if s.refused(a, false) && s.best() != b {
		t.Error("a late refusal of the first undid the second")
	}
}

func TestRefusalsAreRememberedForAMomentAndBounded(t *testing.T) {
	var r refusals
	named := func(i int) attempt { return attempt{key: Key{Database: fmt.Sprint(i)}} }
	no := wire.Fatal(wire.UndefinedDatabase, "no")
	for i := range 3 * maxRefusals {
		r.remember(named(i), no, int64(i))
	}
	now := int64(3 * maxRefusals)
	if len(r.said) != maxRefusals || len(r.order) != maxRefusals {
		t.Errorf("%d and %d are kept", len(r.said), len(r.order))
	}
	if r.recall(named(2*maxRefusals-1), now) != nil || r.recall(named(2*maxRefusals), now) != no {
		t.Error("not the oldest were pushed out")
	}
	last := named(3*maxRefusals - 1)
	other := last
	other.secret[0] = 1
	if r.recall(other, now) != nil {
		t.Error("another secret is refused for this one")
	}
	r.remember(named(2*maxRefusals), no, now) // again: it is the youngest now
	if until := now - 1 + int64(rememberFor); r.recall(last, until-1) != no || r.recall(last, until) != nil {
		t.Error("its time is another")
	}
	r.forget(0, now-1+int64(rememberFor))
	if len(r.said) != 1 || len(r.order) != 1 {
		t.Errorf("%d and %d are kept beyond their time", len(r.said), len(r.order))
	}
}

// Clients of one user may come by rules that ask for a password and by rules
// that do not.
func TestTheSecretOfOneClientOpensServersForAll(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	pg := lab.PostgresForTest(t, lab.PostgresOptions{Auth: "scram-sha-256", SQL: []string{"create role app login password 'secret'"}})
	s := newStage(t, nil, pg.Address())
	key := keyOf("leader", "postgres", "app")
	join := func(c auth.Credentials) *client {
		t.Helper()
		p, err := s.pools.Join(key, terms(2, 0), c)
		if err != nil {
			t.Fatal(err)
		}
		return s.client(p, 0)
	}
	knows, trusted := join(auth.Password("secret")), join(noSecret)
	trusted.get()
	trusted.discard(metrics.ServerDirty)
	knows.get()
	join(noSecret).get() // a new server
	knows.discard(metrics.ServerDirty)

	if err := lab.RunSQL(t.Context(), pg.SuperuserDSN("postgres"), "alter role app password 'changed'"); err != nil {
		t.Fatal(err)
	}
	join(auth.Password("changed")) // as the user file says now
	trusted.get()                  // the old one is refused, and this one is next
	trusted.release()
	join(auth.Password("secret")) // an outdated one spoils nothing
	trusted.get()
	trusted.discard(metrics.ServerDirty)
	knows.get()
	knows.release()
}
