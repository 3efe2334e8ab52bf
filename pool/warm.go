package pool

import (
	"context"
	"net"

	"portero/auth"
	"portero/discovery"
	"portero/wire"
)

// A switchover that is announced says who leads next. Connections to that member are
// opened and logged in while the old leader still ends its transactions, and wait. When
// the leader key has moved, openers take them in place of a dial and a login: what is
// left is to see the member promoted. They count in the quota, but not in pool_size,
// as the servers that they are to replace are still there.

// entered is a connection that has logged in, and has not proved itself.
type entered struct {
	conn   net.Conn
	stream *wire.Stream
	login  auth.LoginResult
	home   *cluster
	member discovery.Member

	contact bool // it was dialled before it was known who the nodes are, or who of the hosts leads
}

// warmth is the connections that wait at the next leader. Guarded by the pool's mu.
type warmth struct {
	to     string // the member
	stop   context.CancelFunc
	coming int
	ready  []*entered
}

// warmLocked keeps as many connections at the next leader as there are servers, as long
// as it is announced, and those that are there until it leads. What is returned is to be
// closed once mu is free.
func (p *Pool) warmLocked() (cold []*entered) {
	w := &p.warm
	m, announced := p.now.candidate()
	if p.now.hold == HoldPaused {
		return p.coolLocked()
	}
	if w.to != "" && w.to != m.Name && w.to != p.now.leads {
		cold = p.coolLocked()
	}
	if !announced || !p.known || p.closed || p.Key.asStarted() { // there each has given something else for its start
		return cold
	}
	if w.to == "" {
		var ctx context.Context
		ctx, w.stop = context.WithCancel(p.ctx)
		w.to = m.Name
		for range min(p.terms().Size, max(len(p.servers), p.opening, min(1, p.queuedLocked()))) {
			w.coming++
			p.owner.openers.Add(1)
			go p.warmUp(ctx, p.home.Load(), m)
		}
	}
	return cold
}

// coolLocked gives up all that waits, or is on its way.
func (p *Pool) coolLocked() (cold []*entered) {
	if p.warm.stop != nil {
		p.warm.stop()
	}
	cold = p.warm.ready
	p.warm = warmth{}
	return cold
}

// warmUp opens one connection. That it cannot is no matter: there will be openers.
func (p *Pool) warmUp(ctx context.Context, home *cluster, m discovery.Member) {
	defer p.owner.openers.Done()
	e, err := p.knockWithRoom(ctx, home, m)
	p.mu.Lock()
	wanted := ctx.Err() == nil
	if wanted {
		p.warm.coming--
		if err == nil {
			p.warm.ready = append(p.warm.ready, e)
		}
	}
	p.mu.Unlock()
	switch {
	case err != nil:
		p.log.Debug("no connection to the next leader", "member", m.Name, "error", err)
	case !wanted:
		p.hangUpAll([]*entered{e})
	}
}

func (p *Pool) knockWithRoom(ctx context.Context, home *cluster, m discovery.Member) (*entered, error) {
	if !p.owner.quota.try(p) {
		return nil, errNoRoom
	}
	e, err := p.knock(ctx, home, m, Startup{}, p.owner.limits().ServerConnectTimeout)
	if err != nil {
		p.owner.quota.giveBack(p)
	}
	return e, err
}

// takeWarm is a connection to a member that an opener can go on with; nil if there is none.
func (p *Pool) takeWarm(home *cluster, m discovery.Member, st Startup) *entered {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.warm.ready)
	if n == 0 || st != (Startup{}) || p.warm.ready[n-1].home != home || p.warm.ready[n-1].member.Name != m.Name || p.warm.ready[n-1].member.Address != m.Address {
		return nil
	}
	e := p.warm.ready[n-1]
	p.warm.ready = p.warm.ready[:n-1]
	p.owner.quota.giveBack(p) // the opener has room of its own
	return e
}

// coldLocked is what nobody needs any more: the switchover is over, and the openers are.
func (p *Pool) coldLocked() []*entered {
	if _, announced := p.now.candidate(); announced || p.opening > 0 || p.warm.to == "" || p.warm.coming > 0 {
		return nil
	}
	return p.coolLocked()
}

func (p *Pool) hangUpAll(all []*entered) {
	for _, e := range all {
		partFrom(e.conn)
		p.owner.quota.giveBack(p)
	}
}
