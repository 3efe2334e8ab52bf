package pool

import (
	"portero/discovery"
)

// target picks the member that the next server should belong to. False: there
// is none at present, and those who wait are held.
func (p *Pool) target(v *discovery.View) (discovery.Member, bool) {
	g := v.Groups[p.Key.Group]
	switch {
	case g == nil || len(g.Members) == 0:
		return discovery.Member{}, false
	case p.Key.Role == "leader":
		return p.targetLeader(g)
	}
	return p.targetFewest(g)
}

func (p *Pool) targetLeader(g *discovery.Group) (discovery.Member, bool) {
	if name := leaderOf(g); name != "" {
		return g.Member(name)
	}
	if g.AskHosts {
		return p.nextToAsk(g), true
	}
	return discovery.Member{}, false
}

// leaderOf is the member that new transactions may go to, "" if they are held.
// A missing key alone does not end a leader in failsafe mode (Patroni,
// docs/dcs_failsafe_mode.rst): it goes on as long as it proves itself.
func leaderOf(g *discovery.Group) string {
	if g.Standby {
		return ""
	}
	if g.Leader == "" && g.Failsafe {
		return g.LastLeader
	}
	m, ok := g.Member(g.Leader)
	if !ok || m.Role == "standby_leader" || m.Role == "demoted" {
		return ""
	}
	return g.Leader
}

// nextToAsk goes round the hosts of a cluster in which no key tells who leads.
func (p *Pool) nextToAsk(g *discovery.Group) discovery.Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := g.Members[p.nextHost%len(g.Members)]
	p.nextHost++
	return m
}

// targetFewest picks, for the roles replica and any, the fitting member with
// the fewest servers of this pool.
func (p *Pool) targetFewest(g *discovery.Group) (discovery.Member, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := make(map[string]int)
	for s := range p.servers {
		count[s.member]++
	}
	best, found := discovery.Member{}, false
	start := p.nextHost
	p.nextHost++
	for i := range g.Members {
		m := g.Members[(start+i)%len(g.Members)]
		if !p.fits(g, m) {
			continue
		}
		if !found || count[m.Name] < count[best.Name] {
			best, found = m, true
		}
	}
	return best, found
}

// fits reports whether a member may serve a pool of role replica or any.
func (p *Pool) fits(g *discovery.Group, m discovery.Member) bool {
	if g.AskHosts {
		return p.Key.Role == "any" || m.Name != g.Leader
	}
	if noLoadBalance(m) || m.State != "running" {
		return false
	}
	if p.Key.Role == "any" {
		return true
	}
	return m.Name != g.Leader && (m.Role == "replica" || m.Role == "standby_leader")
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
