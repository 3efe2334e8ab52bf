package pool

import (
	"time"

	"portero/discovery"
	"portero/loop"
)

// target picks the member that the next server should belong to: of those that
// fit one that nothing is held against, of those the nearest, and of those the one
// with the fewest servers of this pool. The caller reports its return by arrived. If there is
// none at present it says how long to wait for one.
func (p *Pool) target(home *cluster, v *discovery.View) (best discovery.Member, wait time.Duration) {
	if !p.saysSQL() && home.isToLearn() { // what it would come to is not known, and it cannot ask
		p.troubled("no node has told of the others yet")
		return best, askSeldom
	}
	pl := p.planAt(home, v)
	if len(pl.targets) == 0 {
		if pl.hold == HoldLagging || pl.hold == HoldUnmeasured {
			p.troubled(pl.hold.String())
		} else if pl.known && pl.group.AllWrite {
			p.troubled(pl.nobody())
		}
		return best, askSeldom
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now, start := loop.Clock(), p.nextHost
	p.nextHost++ // goes round those that are equal
	found, least := false, rank{}
	for i := range pl.targets {
		m := pl.targets[(start+i)%len(pl.targets)]
		if r := p.rankLocked(&pl, m, now); !found || r.before(least) {
			found, best, least = true, m, r
		}
	}
	if least.fault == faultGarbage {
		return best, time.Duration(p.shunned[best.Name].until - now)
	}
	p.proceedLocked(best, now)
	if p.Key.Role != "leader" {
		p.placeLocked(best.Name).heading++
	}
	return best, 0
}

// rank says how soon a member is to be turned to.
type rank struct {
	fault    fault
	refused  int64 // when, with faultRefused
	distance int
	servers  int // that it has or will have; all roles but leader
}

func (r rank) before(o rank) bool {
	switch {
	case r.fault != o.fault:
		return r.fault < o.fault
	case r.refused != o.refused:
		return r.refused < o.refused
	case r.distance != o.distance:
		return r.distance < o.distance
	}
	return r.servers < o.servers
}

func (p *Pool) rankLocked(pl *plan, m discovery.Member, now int64) rank {
	r := rank{fault: p.faultLocked(pl.group, m, now), distance: pl.distance(m)}
	if r.fault == faultRefused {
		r.refused = p.shunned[m.Name].at
	}
	if p.Key.Role == "leader" {
		return r
	}
	r.servers = p.serversAtLocked(m.Name)
	return r
}

// arrived ends what target has begun.
func (p *Pool) arrived(m discovery.Member) {
	if p.Key.Role == "leader" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.placeLocked(m.Name)
	at.heading--
	p.leaveLocked(at)
}
