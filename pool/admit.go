package pool

import "time"

// counted says how a claim's server is counted, beside the pool's own numbers.
type counted uint8

const (
	notCounted   counted = iota
	countedFirst         // in the bank, as what its origin is owed
	countedExtra         // in the bank, as more than that
	countedLogin         // in the bank, as to be promised
	ofReserve            // as one of those that only settle
)

// admitsLocked reports whether a claim may be lent a server that is there, and counts it then;
// free is how many of those that count as lent are not. What comes of it otherwise is told by
// countOut.
//
// Those who only settle what others wait for go before all others, and may be lent servers
// beyond pool_size, of which there are internode_reserve. They are nobody else's.
func (p *Pool) admitsLocked(c *Claim, free int) bool {
	switch {
	case c.counted != notCounted:
		return true
	case c.Settles:
		p.settling.Add(1)
		c.counted = ofReserve
		return true
	case p.cappedLocked(free):
		c.barred = true
		return false
	case p.bank == nil:
		return true
	}
	as, outside, stirs := p.bank.admit(p, c)
	if c.counted = as; stirs {
		p.bank.nudgeSoon(c.loop)
	}
	c.extra = c.counted == countedExtra
	if c.barred = c.counted == notCounted; c.barred {
		p.asideLocked(c, outside)
	}
	return !c.barred
}

// cappedLocked reports whether as many servers are lent as those may have who do more than to
// settle, so that what is idle is of the reserve. free is as in admitsLocked.
func (p *Pool) cappedLocked(free int) bool {
	most := p.ordinary()
	return len(p.servers) > most && p.lent-free-int(p.settling.Load()) >= most
}

// countOut ends what admitsLocked has counted.
func (p *Pool) countOut(c *Claim) {
	switch c.counted {
	case ofReserve:
		p.settling.Add(-1)
	case countedFirst, countedExtra, countedLogin:
		if p.bank.giveBack(p, c) {
			p.bank.nudgeSoon(c.loop) // behind what becomes of the server
		}
	}
	c.counted = notCounted
}

// startForLocked starts an opener for a claim, which may be one beyond pool_size.
func (p *Pool) startForLocked(c *Claim, replaced *Server) {
	if !c.Settles {
		p.startLocked(c.Startup, replaced, p.patienceLocked(c))
		return
	}
	p.startLocked(c.Startup, replaced, 0)
	p.reserved = max(p.reserved, p.haveLocked()-p.ordinary())
}

// leavesLocked takes a claim that gets no server out of its queue.
func (p *Pool) leavesLocked(c *Claim) {
	p.queueOfLocked(c).remove(c)
	p.leavesBankLocked(c)
}

func (p *Pool) leavesBankLocked(c *Claim) {
	if p.bank != nil && p.bank.leaveQueue(c) {
		p.bank.nudgeSoon(c.loop)
	}
}

// ordinary is how many servers there may be for all who do more than to settle.
func (p *Pool) ordinary() int {
	t := p.terms()
	return t.Size + t.Reserve
}

// mostForLocked is how many servers the pool may have if one is opened for a claim.
func (p *Pool) mostForLocked(c *Claim) int {
	if c.Settles && p.known {
		return p.ordinary() + p.owner.limits().InternodeReserve
	}
	return p.mostLocked()
}

// reserveIdle is how long a server beyond pool_size is kept for the next who settles.
const reserveIdle = 10 * time.Second

// spareLocked reports whether an idle server was opened from the reserve, and has not been
// needed for a while. gone is how many are being closed.
func (p *Pool) spareLocked(s *Server, now int64, gone int) bool {
	return len(p.servers)-gone > p.ordinary() && now-s.since > int64(reserveIdle)
}
