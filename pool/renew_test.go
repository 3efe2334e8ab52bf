package pool

import (
	"testing"

	"portero/metrics"
)

// renew gives the client's server up for one that is opened from now on.
func (c *client) renew() {
	c.t.Helper()
	c.do(func() {
		c.waiting = true
		c.pool.Renew(&c.claim, metrics.ServerFatal)
	})
}

func TestWhoeverRenewsAServerGetsNoneThatWasThereBefore(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(4, 0, "leader", "app")
	a, b, c := s.client(p, 0), s.client(p, 1), s.client(p, 0)
	lost := a.use()
	used, asNew := b.use(), c.get()
	b.release()
	c.release()
	f.set(func() { f.booted = "later" })
	a.renew()
	got := a.wait()
	if got == used || got == asNew || !got.AsNew() {
		t.Error("a server that was there before")
	}
	if got.SamePostmaster(lost) || !used.SamePostmaster(lost) {
		t.Errorf("postmasters %q, %q and %q", lost.postmaster, used.postmaster, got.postmaster)
	}
	a.exchange(false) // it cannot be made ready: what comes next is to be as new
	if next := a.wait(); next == used || next == asNew {
		t.Error("an exchange forgets it")
	}
	a.release()
	if next := s.client(p, 0).get(); next.opened == 0 {
		t.Error("not lent")
	}
	wait(t, "balance", p.balanced)
	if _, _, logins := f.count(); logins != 5 {
		t.Errorf("%d logins", logins)
	}
}

func TestWhoeverRenewsAServerComesBeforeThoseWhoWait(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	a, b := s.client(p, 0), s.client(p, 1)
	first := a.use()
	b.ask()
	a.renew()
	if a.wait() == first || len(b.granted) > 0 {
		t.Error("the same server again, or somebody else was served")
	}
	a.release()
	b.wait()
	b.release()
	wait(t, "balance", p.balanced)
}
