package pool

import (
	"time"

	"portero/loop"
	"portero/metrics"
)

// States describes all pools, for metrics and the status page.
func (ps *Pools) States() []metrics.PoolState {
	var states []metrics.PoolState
	for _, p := range ps.all() {
		states = append(states, p.state())
	}
	return states
}

func (p *Pool) state() metrics.PoolState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := metrics.PoolState{
		Pool: p.Metrics, ClientsActive: p.lent, ClientsWaiting: p.waiting.n,
		ServersActive: p.lent, ServersIdle: p.idle, ServersOpening: p.opening, Size: p.size,
	}
	if c := p.waiting.first; c != nil {
		s.MaxWait = time.Duration(loop.Clock() - c.Since)
	}
	return s
}
