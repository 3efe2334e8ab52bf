package pool

import (
	"context"
	"time"

	"portero/loop"
	"portero/metrics"
)

// looksPerTurn is how many servers a loop is asked about in one of its turns.
const looksPerTurn = 64

// ServerStates describes all servers, in no order. It asks their loops for what only they
// know, and blocks until they have said it, or ctx ends: then some are missing. Any goroutine
// but a loop.
func (ps *Pools) ServerStates(ctx context.Context) []metrics.ServerState {
	states := []metrics.ServerState{}
	byLoop := make(map[*loop.Loop][]*Server)
	for _, p := range ps.all() {
		p.mu.Lock()
		for s := range p.servers {
			if l := s.watcherLocked(); l != nil {
				byLoop[l] = append(byLoop[l], s)
			} else {
				states = append(states, s.stateLocked())
			}
		}
		p.mu.Unlock()
	}
	told := make(chan []metrics.ServerState, len(byLoop))
	for l, servers := range byLoop {
		some := make([]metrics.ServerState, len(servers))
		l.Spread(len(servers), looksPerTurn, func(i int) { some[i] = servers[i].describe(l) }, func() { told <- some })
	}
	for range byLoop {
		select {
		case some := <-told:
			states = append(states, some...)
		case <-ctx.Done():
			return states
		case <-ps.ctx.Done():
			return states
		}
	}
	return states
}

// watcherLocked is the loop that the server belongs to now; nil: it is between two hands.
func (s *Server) watcherLocked() *loop.Loop {
	if s.state != stateLent {
		return s.Sock.Loop()
	}
	if c := s.holder.Load(); c != nil {
		return c.loop
	}
	return nil
}

// describe is all that is known of the server, if it still belongs to l; else a part of that.
// On l.
func (s *Server) describe(l *loop.Loop) metrics.ServerState {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock() // an idle server is l's only as long as nobody is lent it
	st := s.stateLocked()
	if s.state == stateDead || s.watcherLocked() != l {
		return st
	}
	st.Address, st.Local = s.Sock.Ends()
	st.TLS, st.Application, st.Statements = s.Sock.TLS(), s.params["application_name"], s.Memory.Len()
	if s.granted != 0 {
		st.Requested = timeOf(s.granted)
	}
	if c := s.holder.Load(); c != nil {
		st.Link = c.Number
	}
	return st
}

func (s *Server) stateLocked() metrics.ServerState {
	p := s.pool
	return metrics.ServerState{
		ID: s.id, User: p.Key.User, Database: p.names.list()[0], State: s.state.word(), Connected: timeOf(s.opened),
		CloseNeeded: s.condemned != metrics.None, RemotePID: int(s.pid), Member: s.member, Role: p.Key.Role, Replication: p.Key.Replication(),
		Group: p.Key.Group,
	}
}

// word is PgBouncer's for a state.
func (st state) word() string {
	switch st {
	case stateIdle:
		return "idle"
	case stateAsked:
		return "tested"
	case stateCancelled:
		return "being_canceled"
	}
	return "active"
}

// timeOf is when the loops' clock said so.
func timeOf(clock int64) time.Time { return time.Now().Add(-time.Duration(loop.Clock() - clock)) }
