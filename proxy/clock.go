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

// lap is called when the server has answered. over: a transaction has ended with that. busy:
// more is to be answered.
func (w *stopwatch) lap(m *metrics.Shard, now int64, over, busy bool) {
	if w.query != 0 && !busy {
		m.QueryNanos.Add(uint64(now - w.query))
		w.query = 0
	}
	if w.transaction == 0 || !over {
		return
	}
	m.TransactionNanos.Add(uint64(now - w.transaction))
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
	m.ClientParses.Add(uint64(s.ClientParses))
	m.ServerParses.Add(uint64(s.ServerParses))
	m.Binds.Add(uint64(s.Binds))
	s.ClientParses, s.ServerParses, s.Binds = 0, 0, 0
}

// stopWatch ends a transaction that has not come to its end: the client or the server is gone.
func (r *relay) stopWatch() {
	m := r.c.pool.Metrics().Shard(r.loop.ID)
	r.watch.lap(m, r.loop.Now(), true, false)
	r.countParses(m)
}
