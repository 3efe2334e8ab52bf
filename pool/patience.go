package pool

import (
	"context"
	"time"

	"portero/loop"
)

// To open a server takes a while, and costs PostgreSQL a process and a login. While those that
// are lent come back all the time, most clients who wait have one of them before a new one is
// there, which then lies idle. So an opener for such a client is patient: it waits as long as
// opening would take, and goes on only if somebody has waited for so long, or if the queue has
// not been empty meanwhile: then there are too few servers, and one is opened after the other.
// So nobody waits more than twice as long as by opening at once.
//
// That holds between Citus' nodes, whose connections come in bursts and in turn. Others have a
// server of their own as long as the pool has room: what one waits for they may not.
//
// Where nothing comes back (no server is lent, clients are held, transactions are long), where
// servers are not alike (session mode), and where no server has let the pool in yet, an opener
// does not wait.

// The bounds of patience, and what it is before a server has been opened.
const (
	leastPatience = time.Millisecond
	mostPatience  = 50 * time.Millisecond
	firstPause    = 5 * time.Millisecond
)

// turnover is how long opening a server takes, and when the last one came back. Guarded by the
// pool's mu.
type turnover struct {
	takes    time.Duration // an opening, of late; 0 = there was none
	cameBack int64         // when a client last gave one back that can be lent again, on the loops' clock
	patient  int           // openers that are
}

func (x *turnover) patience() time.Duration {
	if x.takes == 0 {
		return firstPause
	}
	return min(max(x.takes, leastPatience), mostPatience)
}

// took notes how long an opening has taken.
func (x *turnover) took(d time.Duration) {
	if x.takes == 0 {
		x.takes = d
		return
	}
	x.takes += (min(d, 2*mostPatience) - x.takes) / 4
}

// patienceLocked is how long an opener for a claim waits first; 0: it does not.
func (p *Pool) patienceLocked(c *Claim) time.Duration {
	if c.asNew || !p.turnsOverLocked() {
		return 0
	}
	return p.turnover.patience()
}

// turnsOverLocked reports whether servers come back at present that are of use to all.
func (p *Pool) turnsOverLocked() bool {
	return p.Key.Citus != "" && p.known && p.lent > 0 && p.now.hold == NotHeld && p.Key.Mode != "session" &&
		loop.Clock()-p.turnover.cameBack < int64(2*p.turnover.patience())
}

// outwait is the patience of an opener. False: it is over, and out of the books. That another
// opener has a server, or that a view is new, ends a pause, but not the patience.
func (p *Pool) outwait(ctx context.Context, st Startup, d time.Duration) bool {
	p.mu.Lock()
	began, drained := loop.Clock(), p.waiting.drained
	p.mu.Unlock()
	for {
		p.pause(ctx, p.cluster().View(), d-time.Duration(loop.Clock()-began))
		p.mu.Lock()
		ended := loop.Clock()-began >= int64(d)
		goes := !p.turnsOverLocked() || ended && p.isMissedLocked(d, drained)
		over := ctx.Err() != nil || p.closed || p.opening > p.queuedLocked()
		if !goes && !over {
			if ended {
				began, drained = loop.Clock(), p.waiting.drained
			}
			p.mu.Unlock()
			continue
		}
		p.turnover.patient--
		if over {
			p.openerEndsLocked(st)
			p.openLocked()
		}
		p.mu.Unlock()
		return !over
	}
}

// isMissedLocked reports whether one server more is to be opened, now that an opener has been
// patient for d. drained is what the queue's was when it began.
func (p *Pool) isMissedLocked(d time.Duration, drained uint64) bool {
	if !p.turnsOverLocked() {
		return true
	}
	dialing := p.opening - p.turnover.patient
	if dialing == 0 && drained == p.waiting.drained {
		return true
	}
	late, since := 0, loop.Clock()-int64(d)
	for c := p.waiting.first; c != nil && late <= dialing; c = c.next {
		if c.Since <= since {
			late++
		}
	}
	return late > dialing
}
