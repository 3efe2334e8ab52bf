package pool

import (
	"time"

	"portero/loop"
	"portero/metrics"
)

// States describes all pools that a server has let in, for metrics and the
// status page.
func (ps *Pools) States() []metrics.PoolState {
	var states []metrics.PoolState
	for _, p := range ps.all() {
		if s, known := p.state(); known {
			states = append(states, s)
		}
	}
	return states
}

// Candidates describes the others, all in one.
func (ps *Pools) Candidates() metrics.CandidatesState {
	sum := metrics.CandidatesState{Errors: ps.candidates.Totals().Errors}
	for _, p := range ps.all() {
		if s, known := p.state(); !known {
			sum.Pools++
			sum.ClientsWaiting += s.ClientsWaiting
			sum.MaxWait = max(sum.MaxWait, s.MaxWait)
		}
	}
	return sum
}

func (p *Pool) state() (_ metrics.PoolState, known bool) {
	listeners, channels := p.ear.state()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := metrics.PoolState{
		Pool: p.Metrics(), Name: p.names.list()[0], Clients: p.clients - int(p.guests.Load()),
		ClientsCancelling: int(p.cancels.Load()), ClientsCancelWaiting: int(p.cancelsWait.Load()),
		ServersCancelling: int(p.cancels.Load()), MinSize: p.terms().Minimum,
		Paused: p.now.hold.ordered(), Disabled: p.disabled(), ClientsActive: p.lent, ClientsWaiting: p.queuedLocked(),
		ServersActive: p.lent, ServersIdle: p.idle, ServersOpening: p.opening, Size: p.sizeLocked(),
		Pins:      p.pins.states(),
		Listeners: listeners, Channels: channels,
	}
	for one := range p.servers {
		switch one.state {
		case stateAsked:
			s.ServersTested++
		case stateCancelled:
			s.ServersCancelled++
		}
	}
	s.ClientsActive -= s.ServersTested + s.ServersCancelled // which no client has
	for _, q := range p.queues() {
		if c := q.first; c != nil {
			s.MaxWait = max(s.MaxWait, time.Duration(loop.Clock()-c.Since))
		}
	}
	return s, p.known
}

// sizeLocked is the most servers that the pool may have; 0 = it sets no limit.
func (p *Pool) sizeLocked() int {
	if p.Key.Replicates() {
		return 0
	}
	return p.terms().Size
}
