package pool

import (
	"fmt"
	"slices"
	"time"

	"portero/discovery"
	"portero/metrics"
)

// plan is what a view means to the pools of one group and role: whether clients are
// served, and by whom. "Who leads" is decided here and nowhere else; lending,
// openers, ears, readiness, metrics and the log read it. It is a value, made by a
// pure function of the view and the time, and never changed.
type plan struct {
	hold    Hold               // why nobody is served; NotHeld: clients are
	until   time.Time          // the plan changes then by itself: a HoldSwitchover ends, or a replica fits no more; else zero
	known   bool               // the view has the group
	epoch   uint64             // of the group's leader; servers for leaders that were opened in another are not lent
	targets []discovery.Member // who may be asked to serve, in the order of the view
	choice  bool               // if one of them does not answer or is not what is wanted, another may be it
	warm    string             // the member that is to lead next, where servers may be opened and wait; "" = not known
	leads   string             // the member that leads, "" if none does; for all roles
	as      string             // what servers have to prove themselves to be: leader | replica | any
	role    string             // that was asked for
	zone    string             // of this Portero; see distance
	spare   string             // a target that is none as "as" says: the leader, which serves as such while no other takes a server; "" = none

	group *discovery.Group // as the view has it; nil: not at all
}

// demand is what a pool asks of the members that are to serve it.
type demand struct {
	role      string        // as in Key
	maxLag    time.Duration // of replicas; 0 = no bound
	drain     time.Duration // how long an announced switchover holds the clients of a leader that goes on leading
	candidate bool          // no server has let the pool in, and that is to be found out first
	ordered   Hold          // what operators have ordered, whoever leads
	deaf      time.Time     // until when what would notify waits for an ear
	zone      string        // of this Portero; "" = not told
	lasting   bool          // a server stays with the client that it was opened for, whoever is heard of later
}

// measures reports whether replicas have to be heard of for it. What lasts does not wait for
// that: it is opened at a replica, which tells by that whether it answers.
func (d demand) measures() bool {
	return d.role == "prefer-replica" && !d.lasting || d.maxLag > 0
}

// post is what a server has been admitted as.
type post struct {
	as    string // leader | replica | any
	epoch uint64 // of the group's leader then
}

// newPlan is the plan for a group at a time. heard is what is known of its replicas.
func newPlan(v *discovery.View, group int, d demand, heard readings, now time.Time) plan {
	pl := planOf(v, group, d, heard, now)
	if d.ordered != NotHeld {
		pl.hold = d.ordered
	}
	pl.hush(d.deaf, now)
	return pl
}

// planOf is newPlan for as long as no operator has ordered anything.
func planOf(v *discovery.View, group int, d demand, heard readings, now time.Time) plan {
	g := v.Groups[group]
	pl := plan{known: g != nil, group: g, as: readAs(d.role), role: d.role, zone: d.zone}
	if g == nil {
		if d.role == "leader" {
			pl.hold = HoldUnknown
		}
		return pl
	}
	pl.epoch = g.Epoch
	if g.AllWrite {
		pl.spread(d)
		return pl
	}
	var why Hold
	pl.leads, why = leaderOf(g)
	if d.role != "leader" {
		pl.read(d, heard, now)
	}
	if d.role == "leader" || d.role == "prefer-replica" && len(pl.targets) == 0 {
		pl.lead(why)
		pl.announce(d.drain, now)
	} else if d.role == "prefer-replica" && d.lasting {
		pl.spareLeader(why)
	}
	if d.candidate && d.measures() && len(pl.targets) == 0 { // any of them can tell whether it lets the pool in
		pl.as = readAs(d.role)
		pl.targets, pl.choice = readersOf(g, pl.as), true
	}
	return pl
}

// lead has the leader serve, or says why nobody does.
func (pl *plan) lead(why Hold) {
	g := pl.group
	pl.as, pl.choice = "leader", g.AskHosts && len(g.Members) > 1
	switch m, ok := g.Member(pl.leads); {
	case ok:
		pl.targets = []discovery.Member{m}
		if g.Behind != 0 { // it remains the target: only its own word tells when it is on a newer one
			pl.hold = HoldTimeline
		}
	case g.AskHosts: // those who are asked find out who leads
		pl.targets = g.Members
	default:
		pl.hold = why
	}
}

// spareLeader has the leader serve behind the replicas.
func (pl *plan) spareLeader(why Hold) {
	m, ok := pl.group.Member(pl.leads)
	if ok && why == NotHeld && pl.group.Behind == 0 && !pl.has(m) {
		pl.targets, pl.spare = append(pl.targets, m), m.Name
	}
}

// asOf is what the servers of a member have to prove themselves to be.
func (pl *plan) asOf(member string) string {
	if pl.spare != "" && member == pl.spare {
		return "leader"
	}
	return pl.as
}

// announce takes in that a switchover is wanted. The leader goes on for some hundred
// milliseconds, until it has been looked for a candidate and a checkpoint is done; that it
// is being stopped shows in its key. From then on what begins waits, for a while at most.
func (pl *plan) announce(drain time.Duration, now time.Time) {
	s := pl.group.Announced
	if s == nil {
		return
	}
	pl.warm = candidateOf(pl.group)
	m, ok := pl.group.Member(pl.leads)
	if end := s.Since.Add(drain); ok && !m.Located && pl.hold == NotHeld && now.Before(end) {
		pl.hold, pl.until = HoldSwitchover, end
	}
}

// candidateOf is the member that an announced switchover goes to; where that is left
// to Patroni, the only one that it can be.
func candidateOf(g *discovery.Group) string {
	if g.Announced.To != "" {
		if _, ok := g.Member(g.Announced.To); ok {
			return g.Announced.To
		}
		return ""
	}
	candidate := ""
	for _, m := range g.Members {
		switch {
		case m.Name == g.Leader || m.Role != "replica" || m.State != "running":
		case candidate != "":
			return ""
		default:
			candidate = m.Name
		}
	}
	return candidate
}

// leaderOf is the member that leads, or why there is none. A missing key alone does
// not end a leader in failsafe mode: it goes on as long as it proves itself.
func leaderOf(g *discovery.Group) (name string, why Hold) {
	name = g.Holder()
	m, ok := g.Member(name)
	switch {
	case g.Standby, ok && m.Role == "standby_leader":
		return "", HoldStandby
	case !ok:
		return "", HoldLeaderless
	case m.Role == "demoted":
		return "", HoldDemoted
	case g.Unconfirmed:
		return "", HoldUnconfirmed
	}
	return name, NotHeld
}

// candidate is the member that an announced switchover goes to, if it is known.
func (pl *plan) candidate() (m discovery.Member, ok bool) {
	if pl.warm == "" {
		return m, false
	}
	return pl.group.Member(pl.warm)
}

// has reports whether a member is a target, at the address that it was read with.
func (pl *plan) has(m discovery.Member) bool {
	return slices.ContainsFunc(pl.targets, func(t discovery.Member) bool { return t.Name == m.Name && t.Address == m.Address })
}

// unconfirmed reports whether servers for the leader are not to be used any longer: its
// key may be another's by now. So it is if it had lost the key when etcd was read last.
func (pl *plan) unconfirmed() bool { return pl.known && pl.group.Unconfirmed }

// parting is why a server is closed that the plan does not keep.
func (pl *plan) parting(member string, at post) metrics.Reason {
	switch {
	case at.as == "leader" && pl.unconfirmed():
		return metrics.LeaderUnconfirmed
	case pl.lets(member, at):
		return metrics.MemberLeft
	}
	return metrics.EpochMoved
}

// keeps reports whether a server may stay that belongs to a member and was admitted as
// at. before is the last epoch that was known.
func (pl *plan) keeps(member string, at post, before uint64) bool {
	switch {
	case at.as == "leader" && pl.unconfirmed(): // another may lead already, and what is open would go on writing
		return false
	case !pl.known:
		return at.as != "leader" || at.epoch == before
	case at.as != pl.asOf(member):
		return false
	case at.as == "leader":
		return at.epoch == pl.epoch
	}
	return slices.ContainsFunc(pl.targets, func(t discovery.Member) bool { return t.Name == member })
}

// lets reports whether a server that is not to stay may end in peace what it is at:
// its member is still there, and is read from, or leads as it did. Where every member
// takes writes, one that has left takes them to its end.
func (pl *plan) lets(member string, at post) bool {
	if pl.group == nil {
		return false
	}
	if pl.group.AllWrite {
		return true
	}
	_, there := pl.group.Member(member)
	return there && (at.as != "leader" || at.epoch == pl.epoch && !pl.unconfirmed())
}

// judge decides whether a server that says proof of itself may serve, and as what.
func (pl *plan) judge(m discovery.Member, proof discovery.Proof) (post, error) {
	g, as := pl.group, pl.asOf(m.Name)
	switch {
	case pl.hold.ordered():
		return post{}, errNotWanted
	case g == nil || !pl.has(m):
		return post{}, errMoved
	case g.SystemID != "" && proof.SystemID != g.SystemID:
		return post{}, fmt.Errorf("%w: %s, not %s", errStranger, proof.SystemID, g.SystemID)
	case as == "leader" && proof.InRecovery:
		return post{}, errInRecovery
	case as == "leader" && proof.Timeline < g.Timeline, pl.hold == HoldTimeline:
		return post{}, fmt.Errorf("%w: %d, not %d", errOldTimeline, proof.Timeline, g.Timeline)
	case as == "replica" && !proof.InRecovery:
		return post{}, errNotReplica
	}
	return post{as, g.Epoch}, nil
}

// plan is what v means to the pool now.
func (p *Pool) plan(v *discovery.View) plan { return p.planAt(p.home.Load(), v) }

// planAt is what a view of a cluster means to the pool now, also of one that it has left.
func (p *Pool) planAt(cl *cluster, v *discovery.View) plan {
	d := p.demand()
	var heard readings
	if d.measures() {
		heard = cl.lags.of(p.Key.Group)
	}
	return newPlan(v, p.Key.Group, d, heard, time.Now())
}

func (p *Pool) demand() demand {
	s := p.owner.orders.stand.Load() // once: a RESUME ends one, and begins the other
	return demand{
		role: p.Key.Role, maxLag: p.Key.MaxLag, drain: p.owner.limits().SwitchoverDrain,
		candidate: p.Metrics() == p.owner.candidates, ordered: s.of(p.names.list()),
		deaf: s.deafUntil(p.Key), zone: p.owner.settings.Load().Zone, lasting: p.Key.Replicates(),
	}
}
