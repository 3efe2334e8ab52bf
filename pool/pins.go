package pool

import (
	"sync/atomic"

	"portero/metrics"
	"portero/session"
)

// pins counts the clients that keep their servers between transactions. Safe for
// concurrent use.
type pins struct {
	clients atomic.Int64
	now     [session.NumPins]atomic.Int64
	times   [session.NumPins]atomic.Uint64
}

// Pin takes in that a client is pinned to its server for other reasons than
// before, and returns how many clients are, for whatever reasons. Any goroutine.
func (p *Pool) Pin(before, after session.Pins) int {
	for one := range (after &^ before).Each {
		p.pins.now[one.Index()].Add(1)
		p.pins.times[one.Index()].Add(1)
	}
	for one := range (before &^ after).Each {
		p.pins.now[one.Index()].Add(-1)
	}
	switch {
	case before == 0 && after != 0:
		return int(p.pins.clients.Add(1))
	case before != 0 && after == 0:
		return int(p.pins.clients.Add(-1))
	}
	return p.Pinned()
}

// Pinned is how many clients are pinned to servers of the pool. Any goroutine.
func (p *Pool) Pinned() int { return int(p.pins.clients.Load()) }

// states is nil if no client ever was.
func (p *pins) states() map[string]metrics.PinState {
	var states map[string]metrics.PinState
	for one := range session.AllPins.Each {
		i := one.Index()
		if times := p.times[i].Load(); times > 0 {
			if states == nil {
				states = make(map[string]metrics.PinState)
			}
			states[one.String()] = metrics.PinState{Clients: int(p.now[i].Load()), Times: times}
		}
	}
	return states
}
