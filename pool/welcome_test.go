package pool

import (
	"testing"

	"portero/session"
)

// A pool hears of an epoch that its own server has made known after that server
// has been lent; what it said must not be forgotten for it.
func TestAWelcomeOutlivesTheNewsOfItsOwnEpoch(t *testing.T) {
	p := newStage(t, nil, "127.0.0.1:1").join(1, 0, "leader", "app")
	home := p.home.Load()
	var none session.Settings
	p.KeepWelcome(none, &Server{home: home, post: post{epoch: 1}}, []byte("first"))
	p.expireWelcomesLocked(1)
	if b, ok := p.Welcome(none); !ok || string(b) != "first" {
		t.Errorf("%q, %v: the news of the epoch has cost its welcome", b, ok)
	}
	p.expireWelcomesLocked(2)
	if _, ok := p.Welcome(none); ok {
		t.Error("a welcome of the last leader is given out")
	}
	p.KeepWelcome(none, &Server{home: home, post: post{epoch: 1}}, []byte("late"))
	if _, ok := p.Welcome(none); ok {
		t.Error("a server of the last leader has the say")
	}
}
