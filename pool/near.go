package pool

import (
	"fmt"
	"slices"
	"time"

	"portero/discovery"
	"portero/loop"
)

// Of the members that may serve, the nearest come first: servers are opened and lent there.
// Others have servers while none of the nearest takes another: it is gone, refuses, or is
// full. When one takes servers again, a server a second is given up where they are farthest
// away. What is near is for the setting zone to say and the members' tag zone, for readers;
// a member without the tag is in another zone, and without the setting all are alike. Where
// every member takes writes (YugabyteDB), it is for topology_keys and the role (nodes.go).

// distance is how far away a target is; 0 is here.
func (pl *plan) distance(m discovery.Member) int {
	switch {
	case pl.group == nil:
		return 0
	case pl.group.AllWrite:
		return pl.nodeDistance(m)
	case m.Name == pl.spare && pl.spare != "":
		return 2
	case pl.zone != "" && pl.as != "leader" && m.Zone != pl.zone:
		return 1
	}
	return 0
}

// distanceOf is distance by a member's name; that of one that is no target is without
// meaning, as nothing that is there is kept.
func (pl *plan) distanceOf(name string) int {
	for _, m := range pl.targets {
		if m.Name == name {
			return pl.distance(m)
		}
	}
	return 0
}

// isNearest reports whether no target is nearer than the one called name.
func (pl *plan) isNearest(name string) bool {
	is := pl.distanceOf(name)
	return !slices.ContainsFunc(pl.targets, func(t discovery.Member) bool { return pl.distance(t) < is })
}

// surveyLocked gives the places their distances by the plan that is in force, and holds
// nothing any more against members that have become another since they failed: one that has
// stopped and started looks as before in the end.
func (p *Pool) surveyLocked() {
	for _, at := range p.places {
		at.distance = p.now.distanceOf(at.member)
	}
	if g := p.now.group; g != nil && p.Key.Role != "leader" {
		for name, s := range p.shunned {
			if m, ok := g.Member(name); ok && s.was != standingOf(g, m) {
				s.until, s.pause = 0, 0
			}
		}
	}
}

// nearestLocked is the least distance of the targets that nothing is held against; false:
// there is none.
func (p *Pool) nearestLocked(pl *plan, now int64) (least int, ok bool) {
	return p.nearestOfLocked(pl, now, func(discovery.Member) bool { return true })
}

func (p *Pool) nearestOfLocked(pl *plan, now int64, of func(discovery.Member) bool) (least int, ok bool) {
	for _, m := range pl.targets {
		if p.faultLocked(pl.group, m, now) != faultless || !of(m) {
			continue
		}
		if d := pl.distance(m); !ok || d < least {
			least, ok = d, true
		}
	}
	return least, ok
}

// trustAgain is after how long servers farther away are given up for a near member that
// has failed, and of which nothing has been heard since: it may be full as before.
const trustAgain = 30 * time.Second

// strayedLocked is the farthest place that the pool is to leave, as a nearer member takes
// servers; nil: there is none.
func (p *Pool) strayedLocked() (far *place) {
	now := loop.Clock()
	if p.now.as == "leader" || p.opening > 0 || p.Key.Replicates() { // of those nobody would give theirs back
		return nil
	}
	nearest, ok := p.nearestOfLocked(&p.now, now, func(m discovery.Member) bool { return p.isTrustedLocked(m, now) })
	if !ok {
		return nil
	}
	for _, at := range p.places {
		if at.servers > 0 && at.distance > nearest && (far == nil || at.distance > far.distance) {
			far = at
		}
	}
	return far
}

// isTrustedLocked reports whether a member that nothing is held against may be relied on to
// take servers.
func (p *Pool) isTrustedLocked(m discovery.Member, now int64) bool {
	s := p.shunned[m.Name]
	return s == nil || s.until == 0 || now-s.at > int64(trustAgain)
}

// whyLater says why a target comes behind nearer ones; "" if there are none.
func (pl *plan) whyLater(m discovery.Member) string {
	switch {
	case pl.isNearest(m.Name):
		return ""
	case pl.group.AllWrite:
		return "serves when none that is nearer does"
	case m.Name == pl.spare:
		return "leads, and comes behind the replicas"
	case m.Zone == "":
		return fmt.Sprintf("has no tag zone, and comes behind those in zone %s", pl.zone)
	}
	return fmt.Sprintf("is in another zone, %s, and comes behind those in zone %s", m.Zone, pl.zone)
}
