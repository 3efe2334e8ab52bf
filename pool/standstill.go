package pool

import (
	"slices"
	"time"

	"portero/metrics"
)

// What admission does not keep from happening is found: connections that were logged in
// before, clients of other kinds, pools of several Porteros. Once a second the pools of all
// banks are looked at, if anybody waits there. Where some wait for each other and nothing
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
	}
	ps.breakStandstill(all)
}

// queuing is a claim in a queue, as it was seen there.
type queuing struct {
	claim  *Claim
	ticket uint64
	since  int64
	party
	want
}

// held is a server that is lent for a transaction.
type held struct {
	server *Server
	claim  *Claim
	party
	hold
}

// party is whom a claim is for, as a bank knows him.
type party struct {
	bank int
	who  origin
}

// scene is what the pools of all banks look like, each at its own moment.
type scene struct {
	board   board
	all     []stance
	of      map[party]int // their indices in all
	queuing []queuing
	held    []held
}

// breakStandstill gives one client up, if that is the only way for it and others to go on.
// It asks the loops what runs, and waits for that within askLoops.
func (ps *Pools) breakStandstill(banks []*bank) {
	s := look(banks)
	set := stuck(s.board, s.all)
	if len(set) == 0 {
		ps.resting = nil
		return
	}
	before := ps.resting
	var told []testimony
	ps.resting, told = make(map[uint64]int64), s.ask(set)
	for _, t := range told {
		if t.rests {
			ps.resting[t.server] = t.since
		}
	}
	for i := range s.all {
		s.all[i].rests = s.all[i].hasRested(told, before)
	}
	if set = stuck(s.board, s.all); len(set) > 0 {
		s.giveUp(set)
	}
}

// hasRested reports whether nothing has run on any of its servers since the last look.
func (s *stance) hasRested(told []testimony, before map[uint64]int64) bool {
	n := 0
	for _, t := range told {
		if t.party != (party{s.bank, s.who}) {
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
func look(banks []*bank) (s scene) {
	for i, a := range banks {
		a.mu.Lock()
		pools := slices.Clone(a.pools)
		a.mu.Unlock()
		for _, p := range pools {
			if p != nil {
				s.see(i, p)
			}
		}
	}
	if len(s.queuing) > 0 {
		s.sort()
	}
	return s
}

func (s *scene) see(bank int, p *Pool) {
	at := len(s.board)
	s.board = append(s.board, spot{bank: bank, places: p.mayHold(), bounds: p.owner.quota.limitsOf(p)})
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.queues() {
		for c := q.first; c != nil; c = c.next {
			if !c.Settles {
				w := want{pool: at, late: c.Login, promised: p.bank.hasPromise(c)}
				s.queuing = append(s.queuing, queuing{c, c.ticket, c.Since, party{bank, c.origin}, w})
			}
		}
	}
	for server := range p.servers {
		if c := server.holder.Load(); c != nil && c.origin != 0 {
			s.held = append(s.held, held{server, c, party{bank, c.origin}, hold{at, c.extra}})
		}
	}
}

// sort makes the stances out of what was seen.
func (s *scene) sort() {
	s.of = make(map[party]int)
	for _, h := range s.held {
		i, known := s.of[h.party]
		if !known {
			i = len(s.all)
			s.of[h.party] = i
			s.all = append(s.all, stance{who: h.who, bank: h.bank, rests: true})
		}
		s.all[i].holds = append(s.all[i].holds, h.hold)
	}
	for _, q := range s.queuing {
		if i, known := s.of[q.party]; known {
			s.all[i].waits = append(s.all[i].waits, q.want)
		}
	}
}

// testimony is what a loop says of a server that is lent.
type testimony struct {
	party
	server uint64
	since  int64 // when its client last began something
	rests  bool  // nothing runs on it
}

// askLoops is how long loops have to answer. One that does not has something to do.
const askLoops = 250 * time.Millisecond

// ask has the loops tell of all servers that those of a set hold.
func (s *scene) ask(set []int) (told []testimony) {
	answers, n := make(chan testimony, len(s.held)), 0
	for _, h := range s.held {
		if slices.Contains(set, s.of[h.party]) {
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
	t := testimony{party: h.party, server: h.server.id}
	if h.server.holder.Load() == h.claim && h.claim.Resting != nil {
		t.since, t.rests = h.claim.Resting()
	}
	return t
}

// giveUp ends the wait that was begun last of those in a set.
func (s *scene) giveUp(set []int) {
	var last *queuing
	for k := range s.queuing {
		q := &s.queuing[k]
		i, known := s.of[q.party]
		if known && slices.Contains(set, i) && (last == nil || q.since > last.since) {
			last = q
		}
	}
	p := last.claim.pool
	met, most := p.limitMet(s.board.tally(s.all, set).meets(last.who, last.want))
	p.mu.Lock()
	c := last.claim
	if !c.queued || c.ticket != last.ticket || c.Since != last.since {
		p.mu.Unlock()
		return // it goes on by itself
	}
	p.leavesLocked(c)
	c.failed, c.standing = errStandstill(met, most, len(set)), true
	p.mu.Unlock()
	p.Metrics().Error(metrics.PoolDeadlock)
	p.log.Warn("transactions between nodes wait for each other, one of them is given up",
		"origin", uint64(last.who), "transactions", len(set), "limit", met, "servers", most)
	c.wakeWith(nil)
}
