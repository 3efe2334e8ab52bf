package pool

import (
	"slices"
	"time"

	"portero/metrics"
)

// chronicle is what has become known of one group's leaders, in the order of time. It
// has no clock, no lock and no I/O: what happens is told to it, and it says which
// phases of a failover have begun.
type chronicle struct {
	seen  bool   // a plan has been told
	leads string // "" = nobody
	epoch uint64
	hold  Hold

	changes uint64        // of the epoch
	without time.Duration // the sum of all times in which nobody led, but the present one
	lost    time.Time     // since when nobody leads
	held    time.Duration // the sum of all times in which clients were held, but the present one
	since   time.Time     // since when they are

	total metrics.Outcomes
	fell  time.Time        // when the first server died of late
	loose metrics.Outcomes // since then

	now  *metrics.FailoverState  // under way; nil: none
	past []metrics.FailoverState // that are over, oldest first
	over time.Time               // when the last of them was
}

// keptFailovers is how many of a group are remembered.
const keptFailovers = 20

// How long before a new epoch servers may have died for the same reason, and how long
// after it clients may hear of it.
const (
	deathsBelong = 5 * time.Minute
	newsBelong   = time.Minute
)

// phase is a step of a failover, as the log has it.
type phase string

const (
	phaseAnnounced phase = "announced"
	phaseHeld      phase = "held"
	phaseLost      phase = "lost"
	phaseElected   phase = "elected"
	phaseProved    phase = "proved"
	phaseReleased  phase = "released"
	phaseCalledOff phase = "called off"
)

// see takes in a plan of the group for role leader.
func (c *chronicle) see(pl *plan, now time.Time) (begun []phase) {
	if !c.seen {
		c.seen, c.epoch, c.lost = true, pl.epoch, now
		if pl.leads != "" {
			c.leads = pl.leads
		}
		c.hold, c.since = pl.hold, now
		return nil
	}
	underWay := c.now != nil
	note := func(p phase, at *time.Time) {
		if at.IsZero() {
			*at = now
			begun = append(begun, p)
		}
	}
	announced := pl.known && pl.group.Announced != nil
	if announced && pl.leads == c.leads && pl.epoch == c.epoch {
		f := c.begin(now)
		f.To = pl.warm
		note(phaseAnnounced, &f.Announced)
	}
	if pl.leads == "" && c.leads != "" {
		note(phaseLost, &c.begin(now).Lost)
	}
	if pl.hold != NotHeld && c.hold == NotHeld && c.now != nil {
		note(phaseHeld, &c.now.Held)
	}
	moved := pl.epoch != c.epoch && c.epoch != 0
	if pl.leads != "" && (moved || c.leads == "" && c.now != nil) {
		f := c.begin(now)
		f.To, f.Epoch = pl.leads, pl.epoch
		note(phaseElected, &f.Elected)
	}
	if f := c.now; f != nil && !f.Elected.IsZero() && pl.leads != "" {
		f.Timeline = pl.group.Timeline // it is told by the server's proof
	}
	if f := c.now; f != nil && !f.Announced.IsZero() && !announced && f.Lost.IsZero() && f.Elected.IsZero() {
		note(phaseCalledOff, &f.CalledOff)
		c.end(now)
	}
	if !underWay && c.now != nil && !c.now.Lost.IsZero() && !slices.Contains(begun, phaseLost) {
		begun = append([]phase{phaseLost}, begun...) // servers have died before anything else told of it
	}
	c.keepTime(pl, now, moved)
	return begun
}

// replaced takes in that what is known of the group comes from elsewhere from here on: the
// epochs there have numbers of their own.
func (c *chronicle) replaced(now time.Time) {
	c.without, c.held = c.leaderless(now), c.heldFor(now)
	if c.now != nil {
		c.end(now)
	}
	c.seen, c.leads, c.hold, c.lost = false, "", NotHeld, now
}

// keepTime counts epochs, and how long nobody leads or clients are held.
func (c *chronicle) keepTime(pl *plan, now time.Time, moved bool) {
	if moved {
		c.changes++
	}
	switch {
	case pl.leads != "" && c.leads == "":
		c.without += now.Sub(c.lost)
	case pl.leads == "" && c.leads != "":
		c.lost = now
	}
	switch {
	case pl.hold != NotHeld && c.hold == NotHeld:
		c.since = now
	case pl.hold == NotHeld && c.hold != NotHeld:
		c.held += now.Sub(c.since)
	}
	c.leads, c.epoch, c.hold = pl.leads, pl.epoch, pl.hold
}

// leaderless is how long nobody has led, in sum.
func (c *chronicle) leaderless(now time.Time) time.Duration {
	if c.leads != "" {
		return c.without
	}
	return c.without + now.Sub(c.lost)
}

// heldFor is how long clients have been held, in sum.
func (c *chronicle) heldFor(now time.Time) time.Duration {
	if c.hold == NotHeld {
		return c.held
	}
	return c.held + now.Sub(c.since)
}

// begin is the failover under way, which begins now if there is none. Servers that died
// before belong to it.
func (c *chronicle) begin(now time.Time) *metrics.FailoverState {
	if c.now == nil {
		c.now = &metrics.FailoverState{From: c.leads, Epoch: c.epoch}
		if !c.fell.IsZero() && now.Sub(c.fell) < deathsBelong {
			c.now.Lost, c.now.Outcomes = c.fell, c.loose
		}
		c.fell, c.loose = time.Time{}, metrics.Outcomes{}
	}
	return c.now
}

func (c *chronicle) end(now time.Time) {
	if len(c.past) == keptFailovers {
		c.past = append(c.past[:0], c.past[1:]...)
	}
	c.past = append(c.past, *c.now)
	c.now, c.over = nil, now
}

// died takes in that a server of the leader has died without being asked to.
func (c *chronicle) died(now time.Time) (begun []phase) {
	if f := c.now; f != nil {
		if f.Lost.IsZero() {
			f.Lost = now
			begun = append(begun, phaseLost)
		}
		return begun
	}
	if c.fell.IsZero() || now.Sub(c.fell) >= deathsBelong {
		c.fell, c.loose = now, metrics.Outcomes{}
	}
	return nil
}

// proved takes in that a pool has its first server in an epoch, and that so many of its
// clients have waited for it.
func (c *chronicle) proved(epoch uint64, waited int, now time.Time) (begun []phase) {
	f := c.now
	if f == nil || f.Elected.IsZero() || f.Epoch != epoch {
		if n := len(c.past); f == nil && n > 0 && c.past[n-1].Epoch == epoch {
			c.past[n-1].ClientsHeld += waited // of another pool
		}
		return nil
	}
	f.Proved, f.Released = now, now
	f.ClientsHeld += waited
	c.end(now)
	return []phase{phaseProved, phaseReleased}
}

// count adds what became of transactions, in all and to the failover that they belong to.
func (c *chronicle) count(o metrics.Outcomes, now time.Time) {
	c.total.Add(o)
	switch n := len(c.past); {
	case c.now != nil:
		c.now.Outcomes.Add(o)
	case n > 0 && now.Sub(c.over) < newsBelong:
		c.past[n-1].Outcomes.Add(o)
	default:
		c.loose.Add(o)
	}
}

// failovers are those that are over and the one under way, oldest first.
func (c *chronicle) failovers() []metrics.FailoverState {
	all := slices.Clone(c.past)
	if c.now != nil {
		all = append(all, *c.now)
	}
	return all
}
