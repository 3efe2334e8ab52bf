package proxy

import (
	"context"
	"slices"
	"time"

	"portero/loop"
	"portero/metrics"
)

// looksPerTurn is how many clients a loop describes in one of its turns, some 1 µs each.
const looksPerTurn = 256

// ClientStates describes all clients that have logged in, in no order. It asks their loops, and
// blocks until these have answered, or ctx ends: then some are missing. Any goroutine but a loop.
func (p *Proxy) ClientStates(ctx context.Context) []metrics.ClientState {
	var clients []*client
	p.clients.each(func(c *client) { clients = append(clients, c) })
	states := []metrics.ClientState{}
	for len(clients) > 0 {
		some, gone, ok := p.clientStates(ctx, clients)
		if states = append(states, some...); !ok {
			break
		}
		clients = gone
	}
	return slices.DeleteFunc(states, func(s metrics.ClientState) bool { return s.ID == 0 }) // they have ended meanwhile
}

// clientStates asks the loops about some clients, once. gone are those that have gone over to
// another loop meanwhile. Not ok: it was not told all.
func (p *Proxy) clientStates(ctx context.Context, all []*client) (states []metrics.ClientState, gone []*client, ok bool) {
	byLoop := make(map[*loop.Loop][]*client)
	for _, c := range all {
		l := c.home()
		byLoop[l] = append(byLoop[l], c)
	}
	told := make(chan described, len(byLoop))
	for l, clients := range byLoop {
		d := described{states: make([]metrics.ClientState, len(clients))}
		l.Spread(len(clients), looksPerTurn, func(i int) { d.add(i, clients[i], l) }, func() { told <- d })
	}
	for range byLoop {
		select {
		case d := <-told:
			states, gone = append(states, d.states...), append(gone, d.gone...)
		case <-ctx.Done():
			return states, nil, false
		case <-p.ctx.Done():
			return states, nil, false
		}
	}
	return states, gone, true
}

// described is what one loop has to say.
type described struct {
	states []metrics.ClientState
	gone   []*client // to another loop
}

func (d *described) add(i int, c *client, l *loop.Loop) {
	if c.isAt(l) {
		d.states[i] = c.describe()
	} else {
		d.gone = append(d.gone, c)
	}
}

// describe is all that is known of the client; the zero value if it has ended, or is not there
// yet. On its loop.
func (c *client) describe() metrics.ClientState {
	if !c.live {
		return metrics.ClientState{}
	}
	s := metrics.ClientState{
		ID: uint64(c.id), User: c.person.name, Database: c.database, State: "idle",
		Address: c.address(), Connected: c.connected.time(), Requested: c.requested.time(), TLS: c.sock.TLS(), Role: c.pool.Key.Role,
		Replication: c.pool.Key.Replication(), Group: c.pool.Key.Group,
	}
	if s.Address.IsValid() {
		_, s.Local = c.sock.Ends()
	} else {
		s.RemotePID = c.sock.PeerPID()
	}
	rest := c.carried
	if r := c.relay; r != nil {
		rest = r.sess.Rest()
		r.describe(&s)
	}
	s.Application, _ = rest.Settings.Get("application_name")
	s.Statements = rest.Prepared()
	return s
}

// describe adds what a client at work is at.
func (r *relay) describe(s *metrics.ClientState) {
	if r.asked != 0 {
		s.Requested = secondsOf(r.asked).time()
	}
	s.Pins, s.Group = r.sess.Pins().String(), r.at.Key.Group
	switch server := r.claim.Server; {
	case server != nil:
		s.State, s.Link, s.Member = "active", server.ID(), server.Member()
	case r.sess.Busy() || !r.c.welcomed:
		s.State, s.Wait = "waiting", time.Duration(max(0, loop.Clock()-r.claim.Since))
	}
}

// seconds is a time of the loops' clock, in whole seconds from 1 on; 0 = never. A client that
// rests has no room for more.
type seconds uint32

func secondsOf(clock int64) seconds { return seconds(clock/int64(time.Second)) + 1 }

// time is the zero value for never.
func (s seconds) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(s-1)*time.Second - time.Duration(loop.Clock()))
}
