package pool

import (
	"time"

	"portero/loop"
)

// pair is a server with the claim that holds it.
type pair struct {
	server *Server
	claim  *Claim
}

// pairsLocked adds to byLoop the lent servers with their holders.
func (p *Pool) pairsLocked(byLoop map[*loop.Loop][]pair) {
	for s := range p.servers {
		if s.state != stateLent {
			continue
		}
		if c := s.holder.Load(); c != nil {
			byLoop[c.loop] = append(byLoop[c.loop], pair{s, c})
		}
	}
}

// giveUpSilent has each loop look at the servers that are lent on it, and at
// their clients: of a host that has lost its power, or the way to it, nothing
// is ever heard, and the kernel goes on trying for minutes.
func (ps *Pools) giveUpSilent() {
	limit := ps.limits().TCPUserTimeout
	if limit <= 0 {
		return
	}
	byLoop := make(map[*loop.Loop][]pair)
	for _, p := range ps.all() {
		p.mu.Lock()
		p.pairsLocked(byLoop)
		p.mu.Unlock()
	}
	for l, pairs := range byLoop {
		l.Post(func() {
			for _, one := range pairs {
				one.giveUpSilent(limit)
			}
		})
	}
}

// giveUpSilent runs on the claim's loop.
func (x pair) giveUpSilent(limit time.Duration) {
	s, c := x.server, x.claim
	if s.holder.Load() != c || s.Sock.Loop() != c.loop {
		return // given back meanwhile
	}
	if s.silence.Over(&s.Sock, limit) {
		s.pool.log.Warn("server acknowledges nothing, given up", "member", s.member, "address", s.address, "pid", s.pid, "tcp_user_timeout", limit)
		s.Sock.GiveUp()
	}
	if c.Client != nil && c.clientSilence.Over(c.Client, limit) {
		c.Client.GiveUp()
	}
}
