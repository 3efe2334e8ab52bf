package proxy

import "portero/metrics"

// What the clients of a route have met belongs to its name: a reload that changes the route
// leaves it what was counted, and who is still on its way by the settings of before counts there too.

// Routes are those of the settings in force, in their order, each with what its clients have
// met since Portero started, or a reload brought it.
func (p *Proxy) Routes() []metrics.RouteState {
	now := p.now.Load()
	states := make([]metrics.RouteState, len(now.cfg.Routes))
	for i := range now.cfg.Routes {
		r := &now.cfg.Routes[i]
		states[i] = metrics.RouteState{Route: now.times[r.Name], Name: r.Name, Cluster: r.Cluster}
	}
	return states
}

// times are the histograms of the client's route that this loop writes.
func (r *relay) times() *metrics.RouteShard { return r.c.times.Shard(r.loop.ID) }
