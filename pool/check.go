package pool

import (
	"portero/loop"
	"portero/metrics"
)

// A server that has been idle for server_check_delay is asked for a sign of
// life in the background, so that who is lent one need not wait for that. It is
// out of the idle ones until it has answered. So are all of a leader when one of its
// servers has died.

// areYouThere is the question, a Sync: the cheapest that there is. It leaves no
// trace in the server's log or statistics.
var areYouThere = []byte{'S', 0, 0, 0, 4}

// checkLocked takes the idle servers that are to be asked now.
func (p *Pool) checkLocked() []toAsk {
	delay := int64(p.owner.limits().ServerCheckDelay)
	if delay <= 0 {
		return nil
	}
	now := loop.Clock()
	return p.takeToAskLocked(func(s *Server) bool { return now-max(s.since, s.heard) > delay })
}

// suspect is called when a server of a group's leader has died without being asked to:
// the leader may be on its way down. Those that are idle there are lent again when each
// has answered; a Sync is enough, as a demotion ends all connections, and a server in
// recovery says so before its ReadyForQuery (in_hot_standby, since PostgreSQL 14).
func (ps *Pools) suspect(k groupKey) {
	if !ps.chronicles.suspects(k, loop.Clock()) {
		return
	}
	for _, p := range ps.all() {
		if p.group() != k || p.Key.Role != "leader" {
			continue
		}
		p.mu.Lock()
		due := p.takeToAskLocked(func(*Server) bool { return true })
		p.mu.Unlock()
		p.check(due)
	}
}

// toAsk is a server that is to be asked, and the loop that watched it when it was taken:
// it may die, and leave its loop, before it is asked.
type toAsk struct {
	s  *Server
	on *loop.Loop
}

// takeToAskLocked takes the idle servers that are wanted, to be asked.
func (p *Pool) takeToAskLocked(wanted func(s *Server) bool) (due []toAsk) {
	now := loop.Clock()
	for _, s := range p.takeIdleLocked(func(s *Server) bool { return s.Sock.Loop() != nil && wanted(s) }) {
		s.state, s.asked = stateAsked, now
		due = append(due, toAsk{s, s.Sock.Loop()})
	}
	return due
}

// check asks servers, each on its loop.
func (p *Pool) check(due []toAsk) {
	for _, one := range due {
		s := one.s
		one.on.Post(func() {
			p.mu.Lock()
			asked := s.state == stateAsked
			p.mu.Unlock()
			if asked {
				s.owes = true
				s.Sock.Write(areYouThere) //nolint:errcheck // a broken server is noticed by its next read
			}
		})
	}
}

// answered reads what a server says that was asked for a sign of life.
func (p *Pool) answered(s *Server, l *loop.Loop) {
	why, said := s.inspect(l.Scratch())
	if why == metrics.None && s.owes {
		return
	}
	p.mu.Lock()
	if s.state != stateAsked {
		p.mu.Unlock() // given up meanwhile
		return
	}
	s.state, s.heard = stateLent, loop.Clock()
	if why != metrics.None {
		p.mu.Unlock()
		p.died(s, why, said)
		return
	}
	p.returnLocked(s, l)
}

// returnLocked is passOnLocked for a server that was idle, and that no client has had since: if
// nobody waits it has its old place among the idle ones again, and ages on. On the loop that
// watches it.
func (p *Pool) returnLocked(s *Server, l *loop.Loop) {
	if p.overLocked(s, l) != metrics.None || p.queuedLocked() > 0 && !p.holdsAllLocked() || p.isRoamedTo() {
		p.passOnLocked(s, l, false)
		return
	}
	s.state = stateIdle
	s.Sock.Watch(true)
	p.lent--
	p.idle++
	s.place.pushUnder(s)
	if s.bearsName() {
		p.dropNamesSoonLocked()
	}
	p.mu.Unlock()
}

// takeAskedLocked takes servers that were asked and have not answered, as lent
// to the caller.
func (p *Pool) takeAskedLocked(wanted func(s *Server) bool) (taken []*Server) {
	for s := range p.servers {
		if s.state == stateAsked && wanted(s) {
			s.state = stateLent
			taken = append(taken, s)
		}
	}
	return taken
}

// takeUnusedLocked takes those of the idle and of the asked that are wanted, as lent to the
// caller.
func (p *Pool) takeUnusedLocked(wanted func(s *Server) bool) []*Server {
	return append(p.takeIdleLocked(wanted), p.takeAskedLocked(wanted)...)
}

func all(*Server) bool { return true }

// speechlessLocked takes those that have been asked for server_connect_timeout.
func (p *Pool) speechlessLocked() []*Server {
	end := loop.Clock() - int64(p.owner.limits().ServerConnectTimeout)
	return p.takeAskedLocked(func(s *Server) bool { return s.asked < end })
}
