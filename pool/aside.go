package pool

import "slices"

// Between nodes there may be many who are not let in, while servers are idle. They wait aside,
// where nobody looks through them: the bank tells which of them may come in.

// asideLocked has a claim that the bank has refused wait aside, if it has to come in; else
// among all others.
func (p *Pool) asideLocked(c *Claim, outside bool) {
	if aside := outside && !c.asNew; c.queued && c.aside != aside {
		p.queueOfLocked(c).remove(c)
		c.aside = aside
		p.queueOfLocked(c).putBack(c)
	}
}

// calledLocked are those aside whom the bank may let in now. The next call reuses the list.
func (p *Pool) calledLocked() []*Claim {
	if p.aside.n == 0 {
		return nil
	}
	p.called = slices.DeleteFunc(p.bank.called(p, p.called[:0]), func(c *Claim) bool { return !c.aside })
	return p.called
}
