package pool

import (
	"fmt"
	"time"

	"portero/discovery"
	"portero/loop"
)

// Of the members that may serve readers those come first that are in the zone of this
// Portero, by their tag zone: servers are opened and lent there. Others have servers while
// none of the near ones takes another: it is gone, refuses, or is full. When one takes
// servers again, a server a second is given up in the other zones. A member without the tag
// is in another zone. Without the setting zone, or where no member is in it, all are alike.

// isFar reports whether a member that serves readers is in another zone than this Portero.
func (p *Pool) isFar(m discovery.Member) bool {
	zone := p.owner.settings.Load().Zone
	return zone != "" && m.Zone != zone && p.Key.Role != "leader"
}

// isFarLocked is isFar for the target that is called so; of others nothing is said.
func (p *Pool) isFarLocked(member string) bool {
	for _, m := range p.now.targets {
		if m.Name == member {
			return p.isFar(m)
		}
	}
	return false
}

// surveyLocked notes which places are far, as the plan or the setting may have changed, and
// that nothing is held any more against members that have become another since they failed:
// one that has stopped and started looks as before in the end.
func (p *Pool) surveyLocked() {
	for _, at := range p.places {
		at.far = p.isFarLocked(at.member)
	}
	if g := p.now.group; g != nil && p.Key.Role != "leader" {
		for name, s := range p.shunned {
			if m, ok := g.Member(name); ok && s.was != standingOf(g, m) {
				s.until, s.pause = 0, 0
			}
		}
	}
}

// nearLocked reports whether there is a near target that nothing is held against.
func (p *Pool) nearLocked(pl *plan, now int64) bool {
	for _, m := range pl.targets {
		if !p.isFar(m) && p.faultLocked(pl.group, m, now) == faultless {
			return true
		}
	}
	return false
}

// trustAgain is after how long servers in other zones are given up for a near member that
// has failed, and of which nothing has been heard since: it may be full as before.
const trustAgain = 30 * time.Second

// strayedLocked is a place in another zone that the pool is to leave, as a near member
// takes servers; nil: there is none.
func (p *Pool) strayedLocked() *place {
	now := loop.Clock()
	if p.now.as == "leader" || p.opening > 0 || !p.nearTakesLocked(now) {
		return nil
	}
	for _, at := range p.places {
		if at.far && at.servers > 0 {
			return at
		}
	}
	return nil
}

// nearTakesLocked reports whether a near target may be relied on to take servers.
func (p *Pool) nearTakesLocked(now int64) bool {
	for _, m := range p.now.targets {
		if p.isFar(m) || p.faultLocked(p.now.group, m, now) != faultless {
			continue
		}
		if s := p.shunned[m.Name]; s == nil || s.until == 0 || now-s.at > int64(trustAgain) {
			return true
		}
	}
	return false
}

// distant says of the members that fit, and are far, that others come first, if one that
// fits is near.
func (out *Prospect) distant(zone, role string) {
	if zone == "" || role == "leader" {
		return
	}
	near := false
	for _, m := range out.Members {
		near = near || m.Fits && m.Zone == zone
	}
	for i := range out.Members {
		if m := &out.Members[i]; near && m.Fits && m.Why == "" && m.Zone != zone {
			m.Why = remoteness(m.Zone, zone)
		}
	}
}

func remoteness(zone, ours string) string {
	if zone == "" {
		return fmt.Sprintf("has no tag zone, and comes behind those in zone %s", ours)
	}
	return fmt.Sprintf("is in another zone, %s, and comes behind those in zone %s", zone, ours)
}
