package pool

import (
	"fmt"
	"slices"
	"time"

	"portero/metrics"
	"portero/wire"
)

// What admission does not keep from happening is found: connections that were logged in
// before, clients of other kinds, pools of several Porteros. Once a second the pools of a
// bank are looked at, if anybody waits there. Where some wait for each other and nothing
// has run on what they hold since the last look, the one that has begun to wait last is given
// up: its transaction fails, and with it goes what its origin holds elsewhere.

// sweepBanks is part of the sweep.
func (ps *Pools) sweepBanks() {
	ps.mu.Lock()
	all := make([]*bank, 0, len(ps.banks))
	for _, a := range ps.banks {
		all = append(all, a)
	}
	ps.mu.Unlock()
	for _, a := range all {
		a.expire()
		a.breakStandstill()
	}
}

// queuing is a claim in a queue, as it was seen there.
type queuing struct {
	claim  *Claim
	ticket uint64
	since  int64
	who    origin
	want
}

// scene is what the pools of a bank look like, each at its own moment.
type scene struct {
	pages   []page
	all     []stance
	queuing []queuing
	held    []held
}

// held is a server that is lent for a transaction.
type held struct {
	server *Server
	claim  *Claim
	who    origin
	hold
}

// breakStandstill gives one client up, if that is the only way for it and others to go on.
// It asks the loops what runs, and waits for that within askLoops.
func (a *bank) breakStandstill() {
	s := a.look()
	set := stuck(s.pages, s.all)
	if len(set) == 0 {
		a.resting = nil
		return
	}
	before := a.resting
	var told []testimony
	a.resting, told = make(map[uint64]int64), s.ask(set)
	for _, t := range told {
		if t.rests {
			a.resting[t.server] = t.since
		}
	}
	for i := range s.all {
		s.all[i].rests = s.all[i].hasRested(told, before)
	}
	if set = stuck(s.pages, s.all); len(set) > 0 {
		a.giveUp(s, set)
	}
}

// hasRested reports whether nothing has run on any of its servers since the last look.
func (s *stance) hasRested(told []testimony, before map[uint64]int64) bool {
	n := 0
	for _, t := range told {
		if t.who != s.who {
			continue
		}
		if since, known := before[t.server]; !t.rests || !known || since != t.since {
			return false
		}
		n++
	}
	return n == len(s.holds) // else some are not known of
}

// look sees who holds and who waits. No lock is held.
func (a *bank) look() (s scene) {
	a.mu.Lock()
	pools := slices.Clone(a.pools)
	a.mu.Unlock()
	for _, p := range pools {
		if p != nil {
			s.see(p)
		}
	}
	if len(s.queuing) > 0 {
		a.mu.Lock()
		s.take(a)
		a.mu.Unlock()
	}
	return s
}

func (s *scene) see(p *Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range []*queue{&p.choosy, &p.waiting} {
		for c := q.first; c != nil; c = c.next {
			if !c.Settles {
				s.queuing = append(s.queuing, queuing{c, c.ticket, c.Since, c.origin, want{pool: p.page, late: c.Login}})
			}
		}
	}
	for server := range p.servers {
		if c := server.holder.Load(); c != nil && c.origin != 0 {
			s.held = append(s.held, held{server, c, c.origin, hold{p.page, c.extra}})
		}
	}
}

// take makes the stances out of what the bank knows. Under its mu.
func (s *scene) take(a *bank) {
	s.pages = slices.Clone(a.ledger.pools)
	at := make(map[origin]int)
	for _, h := range s.held {
		i, known := at[h.who]
		if !known {
			i = len(s.all)
			at[h.who] = i
			s.all = append(s.all, stance{who: h.who, rests: true})
		}
		s.all[i].holds = append(s.all[i].holds, h.hold)
	}
	for k := range s.queuing {
		q := &s.queuing[k]
		q.promised = a.logins.hasPromise(q.claim.Number, holding{q.who, q.pool})
		if i, known := at[q.who]; known {
			s.all[i].waits = append(s.all[i].waits, q.want)
		}
	}
}

// testimony is what a loop says of a server that is lent.
type testimony struct {
	who    origin
	server uint64
	since  int64 // when its client last began something
	rests  bool  // nothing runs on it
}

// askLoops is how long loops have to answer. One that does not has something to do.
const askLoops = 250 * time.Millisecond

// ask has the loops tell of all servers that those of a set hold.
func (s *scene) ask(set []int) (told []testimony) {
	among := make(map[origin]bool, len(set))
	for _, i := range set {
		among[s.all[i].who] = true
	}
	answers, n := make(chan testimony, len(s.held)), 0
	for _, h := range s.held {
		if among[h.who] {
			n++
			h.claim.loop.Post(func() { answers <- h.testify() })
		}
	}
	late := time.NewTimer(askLoops)
	defer late.Stop()
	for range n {
		select {
		case t := <-answers:
			told = append(told, t)
		case <-late.C:
			return nil
		}
	}
	return told
}

// testify runs on the claim's loop.
func (h held) testify() testimony {
	t := testimony{who: h.who, server: h.server.id}
	if h.server.holder.Load() == h.claim && h.claim.Resting != nil {
		t.since, t.rests = h.claim.Resting()
	}
	return t
}

// giveUp ends the wait that was begun last of those in a set.
func (a *bank) giveUp(s scene, set []int) {
	var last *queuing
	for k := range s.queuing {
		q := &s.queuing[k]
		in := slices.ContainsFunc(set, func(i int) bool { return s.all[i].who == q.who })
		if in && (last == nil || q.since > last.since) {
			last = q
		}
	}
	p := last.claim.pool
	p.mu.Lock()
	c := last.claim
	if !c.queued || c.ticket != last.ticket || c.Since != last.since {
		p.mu.Unlock()
		return // it goes on by itself
	}
	p.leavesLocked(c)
	c.failed, c.standing = errStandstill(p.terms().Size, len(set)), true
	p.mu.Unlock()
	p.Metrics().Error(metrics.PoolDeadlock)
	p.log.Warn("transactions between nodes wait for each other, one of them is given up",
		"origin", uint64(last.who), "transactions", len(set), "pool_size", p.terms().Size)
	c.wakeWith(nil)
}

// errStandstill is for the client that is given up, among so many origins.
func errStandstill(size, n int) *wire.Error {
	e := wire.Errorf(wire.TooManyConnections, "this transaction and others hold servers of the pools between nodes, and wait for each other's")
	if n == 1 {
		e = wire.Errorf(wire.TooManyConnections, "this transaction holds all servers that it can have of a pool between nodes, and waits for another")
	}
	e.Detail = fmt.Sprintf("Distributed transactions that wait: %d. The pool's pool_size is %d.", n, size)
	e.Hint = "Raise pool_size of the routes between the nodes, or lower citus.max_adaptive_executor_pool_size on the nodes."
	return e
}
