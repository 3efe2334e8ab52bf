package pool

import (
	"errors"
	"fmt"
	"time"

	"portero/discovery"
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// Prospect is what a client would meet that came to a pool now. Nothing is done for it to be
// found out.
type Prospect struct {
	Refused *wire.Error        // it would not be taken in; nil: it would
	Pool    *metrics.PoolState // as it is now; nil: there is none yet
	Known   bool               // a server has let the pool in
	Leader  string             // of the group; "" = none, or hosts are asked and have not told
	Epoch   uint64
	Held    string // why the client would wait, whatever is free; "" = it would not
	Members []Prospective
}

// Prospective is a member of the group as a pool sees it.
type Prospective struct {
	metrics.MemberState
	Fits    bool   // it may be asked to serve
	Why     string // it does not fit; or, though it does, is asked behind others
	Servers int    // of the pool, at this member or on their way to it
}

// Prospect looks at what is in force for a key, and for clients that call the database so.
func (ps *Pools) Prospect(name string, key Key) Prospect {
	var out Prospect
	cl := ps.clusters()[key.Cluster]
	if cl == nil {
		out.refuse(errNoCluster)
		return out
	}
	d := demand{role: key.Role, maxLag: key.MaxLag, drain: ps.limits().SwitchoverDrain, candidate: true, ordered: ps.orders.stand.Load().of([]string{name}), zone: ps.settings.Load().Zone, lasting: key.Replicates()}
	ps.mu.Lock()
	p := ps.pools[key]
	_, room := ps.roomLocked()
	ps.mu.Unlock()
	switch {
	case ps.orders.stand.Load().disabled[name]:
		out.refuse(errDisabled(name))
	case p == nil && !room:
		out.refuse(errTooManyPools)
	}
	if p != nil {
		var s metrics.PoolState
		s, out.Known = p.state()
		d.candidate, d.ordered = !out.Known, max(d.ordered, p.ordered())
		out.Pool = &s
	}
	out.look(ps, p, cl, key, d)
	return out
}

func (out *Prospect) refuse(err error) { errors.As(err, &out.Refused) }

// look fills in what the plan is for such a pool, and how the group's members fit it.
func (out *Prospect) look(ps *Pools, p *Pool, cl *cluster, key Key, d demand) {
	v, now := cl.discovery.View(), time.Now()
	var heard readings
	if d.measures() {
		heard = cl.lags.of(key.Group)
	}
	pl := newPlan(v, key.Group, d, heard, now)
	out.Leader, out.Epoch, out.Held = pl.leads, pl.epoch, pl.words()
	if pl.group == nil {
		return
	}
	for _, m := range pl.group.Members {
		one := Prospective{MemberState: ps.memberState(key.Cluster, key.Group, m), Fits: pl.has(m)}
		if !one.Fits {
			one.Why = pl.unfitness(m, d, heard, now)
		} else {
			one.Why = pl.whyLater(m)
		}
		if p != nil {
			p.prospective(&one, pl.group, m)
		}
		out.Members = append(out.Members, one)
	}
}

// prospective adds what the pool itself knows of a member.
func (p *Pool) prospective(one *Prospective, g *discovery.Group, m discovery.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := loop.Clock()
	one.Servers = p.serversAtLocked(m.Name)
	if f := p.faultLocked(g, m, now); one.Fits && f != faultless {
		one.Why = fmt.Sprintf("%s, and is passed over for %s", faultWords[f], time.Duration(p.shunned[m.Name].until-now).Round(time.Millisecond))
	}
}

// nodeWords say why a node does not serve a role.
var nodeWords = map[unsuited]string{
	unsuitedPlace: "is where no topology key matches",
	unsuitedReads: "is a read replica",
	unsuitedVotes: "is no read replica",
}

var faultWords = [...]string{faultFailed: "could not be reached lately", faultGarbage: "does not answer as PostgreSQL does", faultRefused: "refuses the login"}

// unledWords say why the member that has led last, and may hold the key, is not the leader.
var unledWords = map[Hold]string{
	HoldStandby:     "leads a standby cluster, which takes no writes",
	HoldDemoted:     "holds the leader key, and says that it is demoted",
	HoldUnconfirmed: "was not confirmed as leader for too long",
}

// unfitness says why a member is no target of the plan.
func (pl *plan) unfitness(m discovery.Member, d demand, heard readings, now time.Time) string {
	if pl.as == "leader" && m.Name == pl.group.Holder() { // it would serve, were it not for this
		_, why := leaderOf(pl.group)
		return unledWords[why]
	}
	if pl.group.AllWrite {
		return nodeWords[unsuitedNode(pl.group, m, d.role)]
	}
	if d.role == "leader" {
		return "does not lead"
	}
	switch unsuitedToRead(pl.group, m, readAs(d.role)) {
	case unsuitedTag:
		return "has the tag noloadbalance"
	case unsuitedState:
		return "is not running: " + m.State
	case unsuitedLeads:
		return "is no replica"
	case unsuitedRole:
		return "is no replica: " + m.Role
	}
	lag, known := heard[m.Name].lag(now)
	switch {
	case d.maxLag == 0:
		return "does not answer"
	case !known:
		return "how far it is behind is not known"
	}
	return fmt.Sprintf("is behind by %s, max_lag %s", lag.Round(time.Millisecond), d.maxLag)
}
