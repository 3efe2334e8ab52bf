package pool

import (
	"errors"
	"maps"
	"net"
	"strings"
	"time"

	"portero/discovery"
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// How long a member is passed over. One that answers with what is no login is
// asked again after firstShun, then twice as long each time up to longestShun;
// one that refuses for good likewise from firstRefusal to longestRefusal.
const (
	shunFor        = 2 * time.Second // cannot be reached, or is not what is wanted
	firstShun      = 10 * time.Millisecond
	longestShun    = time.Second
	firstRefusal   = time.Second
	longestRefusal = 30 * time.Second
)

// fault is what keeps a member from being the next target. The higher, the
// later it is tried when there is no better.
type fault uint8

const (
	faultless fault = iota
	faultFailed
	faultGarbage // it answers, and not as PostgreSQL does: nobody may dial it at present
	faultRefused
)

// shun is why a member is passed over. Guarded by the pool's mu.
type shun struct {
	fault  fault
	was    standing      // of the member, when it failed; another and it is tried at once
	until  int64         // passed over until then
	pause  time.Duration // that was put on until last
	at     int64         // when it failed last
	warned bool          // the log says that it refuses
}

// standing is what is known of a member that may make it answer differently.
type standing struct {
	epoch                uint64
	address, role, state string
	timeline             int64
}

func standingOf(g *discovery.Group, m discovery.Member) standing {
	return standing{epoch: g.Epoch, address: m.Address, role: m.Role, state: m.State, timeline: m.Timeline}
}

// faultLocked is what speaks against a member now.
func (p *Pool) faultLocked(g *discovery.Group, m discovery.Member, now int64) fault {
	s := p.shunned[m.Name]
	switch {
	case s == nil || now >= s.until:
		return faultless
	case s.was != standingOf(g, m):
		s.until, s.pause = 0, 0
		return faultless
	}
	return s.fault
}

// proceedLocked is called when somebody turns to a member. If it was shunned
// until now, the others keep away until this try has told.
func (p *Pool) proceedLocked(m discovery.Member, now int64) {
	if s := p.shunned[m.Name]; s != nil && s.fault != faultFailed && now >= s.until {
		s.pause = min(max(2*s.pause, s.fault.first()), s.fault.longest())
		s.until = now + int64(s.pause)
	}
}

func (f fault) first() time.Duration {
	switch f {
	case faultGarbage:
		return firstShun
	case faultRefused:
		return firstRefusal
	}
	return shunFor
}

func (f fault) longest() time.Duration {
	switch f {
	case faultGarbage:
		return longestShun
	case faultRefused:
		return longestRefusal
	}
	return shunFor
}

// shunLocked notes that a member failed, and how: what it did before that says
// nothing any more. The pause grows when it is tried again, not here, as many
// may fail at one time.
func (p *Pool) shunLocked(m discovery.Member, f fault) *shun {
	s, now := p.shunned[m.Name], loop.Clock()
	if s == nil {
		s = &shun{}
		p.shunned[m.Name] = s
	}
	if s.fault != f || f == faultFailed {
		s.fault, s.pause, s.until = f, f.first(), 0
	}
	if f == faultFailed && p.now.as == "leader" {
		return s // hosts that are asked for the leader take turns, dead or not
	}
	if g := p.cluster().View().Groups[p.Key.Group]; g != nil {
		if is, ok := g.Member(m.Name); ok {
			s.was = standingOf(g, is)
		}
		if g.AllWrite && f == faultFailed {
			s.pause = failedNodeRests
		}
	}
	s.at = now
	if now >= s.until {
		s.until = now + int64(max(s.pause, f.first()))
	}
	return s
}

// forgetLocked drops what is held against members that are gone.
func (p *Pool) forgetLocked(g *discovery.Group) {
	maps.DeleteFunc(p.shunned, func(name string, _ *shun) bool {
		if g == nil {
			return true
		}
		_, there := g.Member(name)
		return !there
	})
}

// refusedBy notes that a member refuses the login for good, and reports whether
// that is the end: since the opener began all that fit have done so.
func (p *Pool) refusedBy(m discovery.Member, e *wire.Error, began int64) (final bool) {
	p.mu.Lock()
	s := p.shunLocked(m, faultRefused)
	final = p.allRefuseLocked(began)
	first := !s.warned && !final && p.known // of names that clients make up the log says nothing
	s.warned = s.warned || first
	p.mu.Unlock()
	if final {
		return true
	}
	p.Metrics().Error(metrics.ServerLogin)
	if first {
		p.log.Warn("member refuses the login, others may take it", "member", m.Name, "address", m.Address, "error", e.Error())
	} else {
		p.log.Debug("member still refuses the login", "member", m.Name, "error", e.Error())
	}
	return false
}

// seeksInVain reports whether it is to be believed that who leads a list of hosts is the one that
// refuses the login: the others have been asked for server_connect_timeout, and none of them leads.
// A pool that has had a server knows better, and waits for the end of a failover.
func (p *Pool) seeksInVain(v *discovery.View, began int64) bool {
	pl := p.plan(v)
	if pl.as != "leader" || pl.leads != "" || !pl.known || !pl.group.AskHosts {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened == 0 && loop.Clock()-began > int64(p.owner.limits().ServerConnectTimeout)
}

// allRefuseLocked reports whether every member that fits has refused since then.
func (p *Pool) allRefuseLocked(since int64) bool {
	pl := p.plan(p.cluster().View())
	for _, m := range pl.targets {
		if s := p.shunned[m.Name]; s == nil || s.fault != faultRefused || s.at < since {
			return false
		}
	}
	return len(pl.targets) > 0
}

// welcomed ends what is held against a member that let a server in.
func (p *Pool) welcomed(m discovery.Member) {
	p.mu.Lock()
	s := p.shunned[m.Name]
	delete(p.shunned, m.Name)
	p.mu.Unlock()
	if s != nil && s.warned {
		p.log.Info("member takes logins again", "member", m.Name, "address", m.Address)
	}
}

// faultOf sorts a failure to open a server. What starts, stops or recovers will
// be ready any moment, and what cannot be reached costs nobody anything: to
// be slow there would put off the end of a failover.
func faultOf(err error) fault {
	var said *wire.Error
	var inTime net.Error
	var dial *net.OpError
	switch {
	case isVerdict(err), errors.As(err, &inTime) && inTime.Timeout(), errors.As(err, &dial) && dial.Op == "dial":
		return faultFailed
	case errors.As(err, &said) && strings.HasPrefix(said.Code, "57"):
		return faultFailed
	}
	return faultGarbage
}
