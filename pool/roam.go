package pool

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"portero/loop"
	"portero/metrics"
)

// A claim that roams waits in the queue of one group, as all others there do, and besides in the
// line of its Spread. A server that becomes free in any of the groups goes to the first in that
// line, unless its own pool has somebody who came earlier. So the long transactions of one group
// hold up nobody for whom there is a server in another, and newcomers overtake nobody.

// roamers is the claims of a Spread that wait, in the order of their coming, in whichever queue.
// Its mu is taken after a Pool's; nothing is locked under it.
type roamers struct {
	n atomic.Int32 // how many there are

	mu    sync.Mutex // guards what follows, and the ahead and behind of the claims
	first *Claim
	last  *Claim
}

// enter gives a claim that is in a queue its place: the last, unless it has strayed to there.
func (l *roamers) enter(c *Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.last // the one that it comes behind
	for at != nil && at.arrived > c.arrived {
		at = at.ahead
	}
	c.lined, c.ahead, c.behind = l, at, l.first
	if at != nil {
		c.behind, at.behind = at.behind, c
	} else {
		l.first = c
	}
	if c.behind != nil {
		c.behind.ahead = c
	} else {
		l.last = c
	}
	l.n.Add(1)
}

func (l *roamers) leave(c *Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.ahead != nil {
		c.ahead.behind = c.behind
	} else {
		l.first = c.behind
	}
	if c.behind != nil {
		c.behind.ahead = c.ahead
	} else {
		l.last = c.ahead
	}
	c.lined, c.ahead, c.behind = nil, nil, nil
	l.n.Add(-1)
}

// head is who comes first, where he waits, and since when; nil: nobody waits.
func (l *roamers) head() (c *Claim, at *Pool, arrived int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c = l.first; c == nil {
		return nil, nil, 0
	}
	return c, c.pool, c.arrived
}

// takesIn tells a pool that it is one of the Spread's groups, letsGo that it is not any more.
func (sp *Spread) takesIn(p *Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := append(slices.Clone(p.reachedBy()), sp)
	p.reached.Store(&list)
}

func (sp *Spread) letsGo(p *Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(p.reachedBy()), func(o *Spread) bool { return o == sp })
	if len(list) == 0 {
		p.reached.Store(nil)
		return
	}
	p.reached.Store(&list)
}

// reachedBy is the Spreads of which the pool is a group. All but these pools have none.
func (p *Pool) reachedBy() []*Spread {
	if list := p.reached.Load(); list != nil {
		return *list
	}
	return nil
}

// isRoamedTo reports whether somebody waits who may have a server of the pool, here or in another
// group.
func (p *Pool) isRoamedTo() bool {
	for _, sp := range p.reachedBy() {
		if sp.line.n.Load() > 0 {
			return true
		}
	}
	return false
}

// handsOverLocked gives a server that is free to who has waited for longest in another group. On
// true it has let go of mu; else it holds it again, or still. on is as for passOn.
func (p *Pool) handsOverLocked(s *Server, on *loop.Loop) bool {
	for p.isRoamedTo() && p.mayHandOverLocked(s, on) {
		c, l, at := p.eldestLocked()
		if c == nil {
			return false
		}
		s.state = stateLent
		p.mu.Unlock()
		if at.yields(c, l, s) {
			c.wakeWith(on)
			return true
		}
		p.mu.Lock() // he has left meanwhile: who is next?
	}
	return false
}

func (p *Pool) mayHandOverLocked(s *Server, on *loop.Loop) bool {
	return p.now.hold == NotHeld && p.choosy.n == 0 && p.overLocked(s, on) == metrics.None && !p.owner.quota.owes(p) && !p.cappedLocked(1)
}

// eldestLocked is who is to have a server in place of the first in the pool's own queue: somebody
// who came before him, and waits elsewhere. nil: nobody.
func (p *Pool) eldestLocked() (eldest *Claim, l *roamers, at *Pool) {
	before, own := int64(0), p.waiting.first
	if own != nil {
		if own.Settles {
			return nil, nil, nil
		}
		before = own.arrived
	}
	for _, sp := range p.reachedBy() {
		c, where, arrived := sp.line.head()
		if c == nil || where == p || (own != nil || eldest != nil) && arrived >= before {
			continue
		}
		eldest, l, at, before = c, &sp.line, where, arrived
	}
	return eldest, l, at
}

// yields hands a claim in the pool's queue a server of another group, if it is the first in its
// line still. The caller wakes it.
func (p *Pool) yields(c *Claim, l *roamers, s *Server) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, at, _ := l.head(); first != c || at != p {
		return false
	}
	p.leavesLocked(c)
	c.handed = s
	return true
}

// offer hands idle servers, which nobody in the pool's own queue waits for, to those who have
// waited for longest in other groups.
func (p *Pool) offer() {
	for p.isRoamedTo() {
		p.mu.Lock()
		if p.queuedLocked() > 0 || p.idle == 0 || p.now.hold != NotHeld {
			p.mu.Unlock()
			return
		}
		s := p.popIdleLocked(&Claim{})
		if p.handsOverLocked(s, nil) {
			continue
		}
		p.passOnLocked(s, nil, false)
		return
	}
}

func (sp *Spread) offer() {
	for _, one := range *sp.parts.Load() {
		one.pool.offer()
	}
}

// open has servers be opened in groups that have room, as many as those who wait could do with
// beyond what is on its way. When they are there they are offered.
func (sp *Spread) open() {
	missing := int(sp.line.n.Load())
	if missing == 0 {
		return
	}
	parts := *sp.parts.Load()
	for _, one := range parts {
		missing -= one.pool.onTheirWay()
	}
	for _, one := range parts {
		if missing > 0 {
			missing -= one.pool.openForOthers(missing)
		}
	}
}

func (p *Pool) onTheirWay() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opening
}

func (p *Pool) openForOthers(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n = min(n, p.mostLocked()-p.haveLocked()); n <= 0 || p.now.hold != NotHeld || p.failing {
		return 0
	}
	p.wanted = max(p.wanted, p.haveLocked()+n)
	p.openLocked()
	return n
}

// leftAlone is for how long a claim is left to the server that is opened for it where it waits,
// though there are others that nobody uses: it was sent there as fewer are lent there.
const leftAlone = 200 * time.Millisecond

// isLate reports whether somebody has waited for longer than that.
func (l *roamers) isLate() bool {
	c, _, arrived := l.head()
	return c != nil && loop.Clock()-arrived > int64(leftAlone)
}
