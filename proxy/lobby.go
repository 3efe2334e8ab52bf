package proxy

import (
	"slices"
	"sync/atomic"
	"time"
)

// lobby is some of the callers, and how many of them there may be. The lock
// of the gate is held over its methods.
type lobby struct {
	size    int
	count   *atomic.Int64 // of the callers of both
	unheard time.Duration // so long a caller may say nothing at all
	pausing time.Duration // so long it may say nothing more
	callers []*caller     // in no order
	leaving int           // of them, turned out
	jammed  time.Time     // since when somebody waits for room and nobody has left; 0 = nobody waits
}

func (l *lobby) hasRoom() bool { return len(l.callers) < l.size }

func (l *lobby) add(c *caller) {
	c.index = len(l.callers)
	l.callers = append(l.callers, c)
	l.count.Add(1)
}

func (l *lobby) remove(c *caller) {
	last := len(l.callers) - 1
	l.callers[c.index] = l.callers[last]
	l.callers[c.index].index = c.index
	l.callers[last] = nil
	l.callers = l.callers[:last]
	l.count.Add(-1)
	if c.turnedOut {
		l.leaving--
	}
	l.jammed = time.Time{}
}

// moves reports whether it is worth while to wait for room.
func (l *lobby) moves(now time.Time) bool {
	if l.jammed.IsZero() {
		l.jammed = now
	}
	return now.Sub(l.jammed) < maxQueuing
}

// hasUnheard reports whether somebody has not said a word yet.
func (l *lobby) hasUnheard() bool {
	return slices.ContainsFunc(l.callers, func(c *caller) bool { return !c.heard })
}

// turnOut asks the one to go who has been silent for longest. False: nobody is
// silent. True: somebody is on his way out.
func (l *lobby) turnOut(now time.Time) bool {
	if l.leaving > 0 {
		return true
	}
	c := l.silentest(now)
	if c == nil {
		return false
	}
	c.turnedOut = true
	l.leaving++
	c.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // its handshake is in a Read, or ends by itself
	return true
}

// maxPeeks bounds how many callers are looked at in vain, with the lock held.
const maxPeeks = 32

// silentest is the caller whose bytes have been waited for for longest, and of
// whom none has come meanwhile. nil: all speak.
func (l *lobby) silentest(now time.Time) *caller {
	for range maxPeeks {
		c := l.longest(now)
		if c == nil || c.doing == answered || !hasBytes(c.Conn) {
			return c
		}
		c.doing = working // as soon as its goroutine has a turn
	}
	return nil
}

// longest is the caller that has been waited for for longest; those come first
// who have been answered, then those who never said a word.
func (l *lobby) longest(now time.Time) (best *caller) {
	for _, c := range l.callers {
		if l.mayGo(c, now) && (best == nil || c.before(best)) {
			best = c
		}
	}
	return best
}

func (l *lobby) mayGo(c *caller, now time.Time) bool {
	switch {
	case c.turnedOut || c.doing == working:
		return false
	case c.doing == answered:
		return true
	case c.settled:
		return false
	case c.heard:
		return now.Sub(c.since) >= l.pausing
	}
	return now.Sub(c.since) >= l.unheard
}

// before reports whether c has to go before other.
func (c *caller) before(other *caller) bool {
	if a, b := c.rank(), other.rank(); a != b {
		return a < b
	}
	return c.since.Before(other.since)
}

func (c *caller) rank() int {
	switch {
	case c.doing == answered:
		return 0
	case !c.heard:
		return 1
	}
	return 2
}
