package pool

import (
	"portero/discovery"
	"portero/loop"
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

// nextToAsk goes round the hosts of a cluster in which no key tells who leads.
func (p *Pool) nextToAsk(g *discovery.Group) discovery.Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := g.Members[p.nextHost%len(g.Members)]
	p.nextHost++
	return m
}

// hasChoice reports whether there are other hosts to turn to when one does not
// answer or is not what is wanted.
func (p *Pool) hasChoice(v *discovery.View) bool {
	g := v.Groups[p.Key.Group]
	return g != nil && len(g.Members) > 1 && (p.Key.Role != "leader" || g.AskHosts)
}

// targetFewest picks, for the roles replica and any, the fitting member with
// the fewest servers of this pool. One that failed just now comes last. The
// caller reports its return by arrived.
func (p *Pool) targetFewest(g *discovery.Group) (discovery.Member, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := p.countLocked()
	best, found := discovery.Member{}, false
	start := p.nextHost
	p.nextHost++
	for i := range g.Members {
		m := g.Members[(start+i)%len(g.Members)]
		if p.fits(g, m) && (!found || count[m.Name] < count[best.Name]) {
			best, found = m, true
		}
	}
	if found {
		p.heading[best.Name]++
	}
	return best, found
}

// arrived ends what targetFewest counts.
func (p *Pool) arrived(m discovery.Member) {
	if p.Key.Role == "leader" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heading[m.Name]--; p.heading[m.Name] <= 0 {
		delete(p.heading, m.Name)
	}
}

// countLocked is how many servers each member has or will have of this pool,
// and more than any for one to be shunned.
func (p *Pool) countLocked() map[string]int {
	count := make(map[string]int)
	for s := range p.servers {
		count[s.member]++
	}
	for name, n := range p.heading {
		count[name] += n
	}
	for name, until := range p.shunned {
		if loop.Clock() < until {
			count[name] += p.size
		} else {
			delete(p.shunned, name)
		}
	}
	return count
}

// fits reports whether a member may serve a pool of role replica or any.
func (p *Pool) fits(g *discovery.Group, m discovery.Member) bool {
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
