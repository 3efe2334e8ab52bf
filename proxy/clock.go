package proxy

import "portero/metrics"

// stopwatch measures how long a client has a server for a transaction, and how long of that the
// server has something to answer. A wait for a server counts for neither, as in PgBouncer. Times
// are those of the loop's clock; 0 = it does not run.
type stopwatch struct {
	transaction, query int64
}

// start is called when something that is to be answered goes to the server.
func (w *stopwatch) start(now int64) {
	if w.query == 0 {
		w.query = now
	}
	if w.transaction == 0 {
		w.transaction = now
	}
}

// lap is called when the server has answered. ended is how many transactions have ended with
// that. busy: more is to be answered.
func (w *stopwatch) lap(m *metrics.Shard, route *metrics.RouteShard, now int64, ended int, busy bool) {
	if w.query != 0 && !busy {
		d := now - w.query
		m.QueryNanos.Add(uint64(d))
		route.Query.Add(d, 1)
		w.query = 0
	}
	if w.transaction == 0 || ended <= 0 {
		return
	}
	d := now - w.transaction
	m.TransactionNanos.Add(uint64(d))
	route.Transaction.Add(d, int64(ended))
	w.transaction = 0
	if busy { // the next one of a pipeline
		w.transaction = now
	}
}

// countParses brings what the session has seen of prepared statements into the counters.
func (r *relay) countParses(m *metrics.Shard) {
	s := &r.sess
	if s.ClientParses+s.ServerParses+s.Binds == 0 {
		return
	}
	if n := s.Binds; n > 0 { // most often that is all
		m.Binds.Add(uint64(n))
	}
	if n := s.ClientParses; n > 0 {
		m.ClientParses.Add(uint64(n))
	}
	if n := s.ServerParses; n > 0 {
		m.ServerParses.Add(uint64(n))
	}
	s.ClientParses, s.ServerParses, s.Binds = 0, 0, 0
}

// stopWatch ends a transaction that has not come to its end: the client or the server is gone.
func (r *relay) stopWatch() {
	m := r.at.Metrics().Shard(r.loop.ID)
	r.watch.lap(m, r.times(), r.loop.Now(), 1, false)
	r.countParses(m)
}
