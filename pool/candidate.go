package pool

import (
	"context"
	"errors"
	"time"

	"portero/auth"
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// A pool begins as a candidate: clients name databases and users as they like,
// and only a server knows which exist. A candidate has no series of its own,
// no memory beyond its clients, and one opener, which waits for its turn at the
// door. The first login that a server accepts makes a pool of it; a refusal, or
// the last client that leaves, ends it.

// firstLogins is how many candidates may log in at one time to the servers of a
// group in a role: few enough to leave PostgreSQL's connections to others, and
// enough for all pools of a Portero that has just started to be there soon.
const firstLogins = 16

// door is where the candidates of a group and role wait for their turn.
type door chan struct{}

// doorLocked returns the door of a key. There are not more than routes have
// groups and roles. Guarded by Pools.mu.
func (ps *Pools) doorLocked(k Key) door {
	k = Key{Cluster: k.Cluster, Group: k.Group, Role: k.Role}
	d := ps.doors[k]
	if d == nil {
		d = make(door, firstLogins)
		ps.doors[k] = d
	}
	return d
}

// enter has the opener of a candidate wait for its turn to log in.
func (p *Pool) enter(ctx context.Context) error {
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if known {
		return nil
	}
	select {
	case p.door <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inside = true
	return nil
}

// exit makes room for the next candidate.
func (p *Pool) exit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exitLocked()
}

func (p *Pool) exitLocked() {
	if p.inside {
		p.inside = false
		<-p.door
	}
}

// letIn notes that a server has accepted a login. The first one makes a pool
// of the candidate.
func (p *Pool) letIn(c auth.Credentials) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets.accepted(c)
	if p.known {
		return
	}
	p.exitLocked()
	p.known = true
	p.counters.Store(metrics.NewPool(p.Key.labels(), len(p.owner.loops)))
	p.openLocked()
}

// keptOut is a login that a server has refused for good, and what it was tried
// with.
type keptOut struct {
	error
	secret auth.Credentials
}

func (e *keptOut) Unwrap() error { return e.error }

// keptOut notes that a login has failed, and returns the error to go on with.
func (p *Pool) keptOut(c auth.Credentials, err error) error {
	if permanent(err) == nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried = c.Fingerprint()
	return &keptOut{err, c}
}

// otherSecret is asked when all members that fit have refused: it reports
// whether clients have brought another secret than the one of the last error.
func (p *Pool) otherSecret(err error) bool {
	var out *keptOut
	e := permanent(err)
	if e == nil || e.Code[:2] != "28" || !errors.As(err, &out) {
		return false
	}
	p.mu.Lock()
	another := p.secrets.refused(out.secret, e.Code == wire.InvalidPassword)
	loud := another && p.mayWarnLocked()
	p.mu.Unlock()
	if another {
		p.log.Log(p.ctx, levelOf(loud), "server refused a secret, another is tried", "secret", out.secret.String(), "error", err)
	}
	return another
}

// turnAway ends the waits of a pool that a server has refused for good, and
// remembers it for those who come next. It returns false if the pool goes on,
// because a server has let it in before; a candidate is given up.
func (p *Pool) turnAway(e *wire.Error, st Startup) (givenUp bool) {
	ps := p.owner
	ps.mu.Lock()
	p.mu.Lock()
	ps.refused.remember(attempt{p.Key, p.tried}, e, loop.Clock())
	if p.known {
		p.mu.Unlock()
		ps.mu.Unlock()
		return false
	}
	p.openerEndsLocked(st)
	p.verdict = e
	wake := p.failLocked(e)
	p.Metrics().Error(metrics.ServerLogin)
	loud := p.mayWarnLocked()
	p.dropLocked()
	p.mu.Unlock()
	ps.mu.Unlock()
	wakeAll(wake)
	p.log.Log(context.Background(), levelOf(loud), "server login failed", "error", e.Error())
	return true
}

// dropLocked takes a pool that has no server out of the books; its openers
// end. The caller holds Pools.mu and the pool's.
func (p *Pool) dropLocked() {
	if !p.closed {
		p.owner.quota.depart(p)
		p.owner.leaveBankLocked(p)
	}
	p.closed = true
	p.stop()
	if ps := p.owner; ps.pools[p.Key] == p {
		delete(ps.pools, p.Key)
	}
}

// dropIdleCandidate drops a candidate whose last client has left.
func (ps *Pools) dropIdleCandidate(p *Pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients == 0 && !p.known {
		p.dropLocked()
	}
}

// makeRoomLocked reports whether there may be one more pool. If there are as
// many as max_pools, the one that has been unused for longest goes.
func (ps *Pools) makeRoomLocked() bool {
	oldest, room := ps.roomLocked()
	if oldest != nil {
		oldest.mu.Lock()
		defer oldest.mu.Unlock()
		oldest.dropLocked()
	}
	return room
}

// roomLocked reports whether there may be one more pool, and which has to go for it.
func (ps *Pools) roomLocked() (oldest *Pool, room bool) {
	if len(ps.pools) < ps.limits().MaxPools {
		return nil, true
	}
	var since time.Time
	for _, p := range ps.pools {
		if s, unused := p.unusedSince(); unused && (oldest == nil || s.Before(since)) {
			oldest, since = p, s
		}
	}
	return oldest, oldest != nil
}

// Refused is why Join has no pool for a client.
type Refused struct {
	Why  metrics.Reason
	Said *wire.Error // for the client
}

// Error gives what the client is told.
func (r *Refused) Error() string { return r.Said.Error() }

// Unwrap makes it known as what the client is told.
func (r *Refused) Unwrap() error { return r.Said }

// errNoCluster is for who comes while his cluster is taken out of the configuration.
var errNoCluster error = &Refused{metrics.NoRoute, &wire.Error{
	Severity: "FATAL", Code: wire.UndefinedDatabase, Message: "the cluster of this database is no longer in the configuration",
}}

var errTooManyPools error = &Refused{metrics.TooManyPools, &wire.Error{
	Severity: "FATAL", Code: wire.TooManyConnections, Message: "no more pools allowed (max_pools)",
	Hint: "Each database and user has a pool of its own. Wait until one is unused, or raise max_pools.",
}}
