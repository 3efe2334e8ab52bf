package pool

import (
	"time"

	"portero/discovery"
	"portero/loop"
)

// target picks the member that the next server should belong to: of those that
// fit one that nothing is held against, and of those the one with the fewest
// servers of this pool. The caller reports its return by arrived. If there is
// none at present it says how long to wait for one.
func (p *Pool) target(v *discovery.View) (best discovery.Member, wait time.Duration) {
	g := v.Groups[p.Key.Group]
	if g == nil {
		return best, askSeldom
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now, start := loop.Clock(), p.nextHost
	p.nextHost++ // goes round those that are equal
	found, least := false, rank{}
	for i := range g.Members {
		m := g.Members[(start+i)%len(g.Members)]
		if !p.fits(g, m) {
			continue
		}
		if r := p.rankLocked(g, m, now); !found || r.before(least) {
			found, best, least = true, m, r
		}
	}
	switch {
	case !found:
		return best, askSeldom
	case least.fault == faultGarbage:
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
	fault   fault
	refused int64 // when, with faultRefused
	servers int   // that it has or will have; roles replica and any only
}

func (r rank) before(o rank) bool {
	switch {
	case r.fault != o.fault:
		return r.fault < o.fault
	case r.refused != o.refused:
		return r.refused < o.refused
	}
	return r.servers < o.servers
}

func (p *Pool) rankLocked(g *discovery.Group, m discovery.Member, now int64) rank {
	r := rank{fault: p.faultLocked(g, m, now)}
	if r.fault == faultRefused {
		r.refused = p.shunned[m.Name].at
	}
	if p.Key.Role == "leader" {
		return r
	}
	r.servers = p.serversAtLocked(m.Name)
	return r
}

// leaderOf is the member that new transactions may go to, "" if they are held.
// A missing key alone does not end a leader in failsafe mode (Patroni,
// docs/dcs_failsafe_mode.rst): it goes on as long as it proves itself.
func leaderOf(g *discovery.Group) string {
	name := g.Leader
	if name == "" && g.Failsafe {
		name = g.LastLeader
	}
	m, ok := g.Member(name)
	if !ok || g.Standby || m.Role == "standby_leader" || m.Role == "demoted" {
		return ""
	}
	return name
}

// hasChoice reports whether there are other hosts to turn to when one does not
// answer or is not what is wanted.
func (p *Pool) hasChoice(v *discovery.View) bool {
	g := v.Groups[p.Key.Group]
	return g != nil && len(g.Members) > 1 && (p.Key.Role != "leader" || g.AskHosts)
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

// fits reports whether a member may be asked to serve the pool.
func (p *Pool) fits(g *discovery.Group, m discovery.Member) bool {
	if p.Key.Role == "leader" {
		leader := leaderOf(g)
		return leader == m.Name || leader == "" && g.AskHosts
	}
	if g.AskHosts {
		return p.Key.Role == "any" || m.Name != g.Leader
	}
	if noLoadBalance(m) || m.State != "running" {
		return false
	}
	if p.Key.Role == "any" || m.Role == "standby_leader" {
		return true
	}
	return m.Name != g.Leader && m.Role == "replica"
}

// noLoadBalance is Patroni's tag that takes a member out of /replica.
func noLoadBalance(m discovery.Member) bool {
	v, ok := m.Tags["noloadbalance"]
	if !ok {
		return false
	}
	b, isBool := v.(bool)
	return !isBool || b
}

// currentLocked reports whether a server still belongs to this pool.
func (p *Pool) currentLocked(s *Server) bool {
	v := p.cluster.View()
	g := v.Groups[p.Key.Group]
	if g == nil {
		return p.Key.Role != "leader" || s.epoch == p.epoch
	}
	if p.Key.Role == "leader" {
		return s.epoch == g.Epoch
	}
	m, ok := g.Member(s.member)
	return ok && p.fits(g, m)
}
