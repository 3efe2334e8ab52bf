package pool

import (
	"log/slog"
	"net"
	"time"

	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// destroy closes a server that nobody holds and opens another if it is missed.
func (p *Pool) destroy(s *Server, why metrics.Reason) {
	p.mu.Lock()
	p.buryLentLocked(s)
	p.mu.Unlock()
	p.destruct(s)
	p.reportClosed(s, why)
	p.mu.Lock()
	wake := p.serveLocked() // there may be one that was kept from those who wait while this one was lent
	p.openLocked()
	p.mu.Unlock()
	wakeAll(wake)
	for _, sp := range p.reachedBy() {
		sp.open()
	}
}

// condemn has a server be closed when it comes back, or is to be lent.
func (p *Pool) condemn(s *Server, why metrics.Reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.condemned == metrics.None {
		s.condemned = why
	}
}

// retire has all servers be closed: those that are idle at once, those that are lent when they
// come back. Those of clients that replicate would not for months: they are cut, unless their
// clients are killed as well. Openers begin anew.
func (p *Pool) retire(why metrics.Reason) {
	var endless []*Server
	p.mu.Lock()
	for s := range p.servers {
		if s.condemned == metrics.None {
			s.condemned = why
		}
		if p.Key.Replicates() && why != metrics.Killed {
			endless = append(endless, s)
		}
	}
	unused := p.takeUnusedLocked(all)
	p.recallLocked()
	p.mu.Unlock()
	for _, s := range unused {
		p.destroy(s, s.condemned)
	}
	for _, s := range endless {
		p.cut(s, why)
	}
}

// buryLocked takes a server that is lent to the caller out of all books but
// lent. puddle's Destroy would keep its place there until a goroutine that
// nobody waits for has run; so it is taken out of puddle's hands, and the caller
// closes it by destruct.
func (p *Pool) buryLocked(s *Server) {
	s.state = stateDead
	delete(p.servers, s)
	p.owner.backends.remove(s)
	s.place.servers--
	s.place.lent--
	p.leaveLocked(s.place)
	s.resource.Hijack()
	p.closing.Add(1)
	p.owner.quota.leaves(p)
}

// buryLentLocked takes it out of those that are lent as well.
func (p *Pool) buryLentLocked(s *Server) {
	p.buryLocked(s)
	p.lent--
}

func (p *Pool) reportClosed(s *Server, why metrics.Reason) {
	level := slog.LevelInfo
	switch why {
	case metrics.ServerLost, metrics.ServerFatal, metrics.ServerProtocol, metrics.Internal:
		level = slog.LevelWarn
		p.Metrics().Error(why)
		p.cluster().Doubt(p.Key.Group, s.member)
		p.home.Load().recall()
		p.diedUnasked()
		p.owner.suspect(p.group())
	case metrics.EpochMoved, metrics.MemberLeft, metrics.Rebalanced, metrics.LeaderUnconfirmed, metrics.ServerRecovery, metrics.ServerDirty:
		p.Metrics().Error(why)
	}
	p.log.Log(p.ctx, level, "server closed", "member", s.member, "address", s.address, "pid", s.pid, "reason", why.String())
}

// destruct closes the socket on the loop that watches it. It does not wait for that.
func (p *Pool) destruct(s *Server) {
	bye := func() {
		s.Sock.Write(terminate) //nolint:errcheck // a courtesy
		s.Sock.Close()
		p.owner.quota.closed(p)
		p.closing.Add(-1)
	}
	if l := s.Sock.Loop(); l != nil {
		l.Post(bye)
		return
	}
	bye()
}

var terminate = []byte{'X', 0, 0, 0, 4}

// stirred is called when the socket of a server that no claim holds has become
// readable.
func (p *Pool) stirred(s *Server, l *loop.Loop) {
	p.mu.Lock()
	if s.state == stateDead || s.holder.Load() != nil || s.Sock.Loop() != l {
		p.mu.Unlock() // on its way out, just lent, or moved
		return
	}
	if s.state == stateAsked {
		p.mu.Unlock()
		p.answered(s, l)
		return
	}
	if s.state != stateIdle {
		s.Sock.Mute() // between two hands; whoever is next watches it again
		p.mu.Unlock()
		return
	}
	picked := p.takeIdleLocked(func(one *Server) bool { return one == s })
	p.mu.Unlock()
	if len(picked) == 0 {
		return
	}
	why, said := s.inspect(l.Scratch())
	if why == metrics.None {
		p.mu.Lock()
		p.returnLocked(s, l)
		return
	}
	p.died(s, why, said)
}

// died closes a server that was found dead while nobody used it.
func (p *Pool) died(s *Server, why metrics.Reason, said *wire.Error) {
	if said != nil {
		p.log.Debug("idle server's last word", "pid", s.pid, "error", said.Error())
		if said.Code == wire.IdleSessionTimeout {
			why = metrics.ServerIdle // as it was told to, by a client in session mode for example
		}
	}
	p.destroy(s, why)
}

// partFrom ends a connection to a server that no loop has. It blocks for a second at most.
func partFrom(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(time.Second)) //nolint:errcheck // a closed connection fails at its first use
	conn.Write(terminate)                         //nolint:errcheck // a courtesy
	conn.Close()
}
