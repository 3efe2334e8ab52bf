package proxy

import (
	"portero/metrics"
	"portero/pool"
)

// finish ends the client, in this one place: close it, clean and return its
// server, count and log.
func (w *work) finish(why metrics.Reason) {
	c := w.c
	c.live = false
	c.sock.Close() // at once; cleaning the server may take a while
	if w.claim.Server != nil {
		w.clean(why)
	}
	c.end(w.loop, why)
	c.work = nil
	w.rest()
	if st := c.proxy.stations[w.loop.ID]; len(st.free) < maxFreeWorks {
		st.free = append(st.free, w)
	}
}

// clean makes the server of a client that has ended fit for others, or closes it.
func (w *work) clean(why metrics.Reason) {
	s, p := w.claim.Server, w.c.pool
	if w.claim.Lost != metrics.None || w.sess.busy || w.sess.stray || !w.out.empty() || w.in.passing > 0 || s.Sock.Pending() > 0 ||
		why == metrics.TransactionPooling {
		p.Discard(&w.claim, dirtyReason(why))
		return
	}
	if w.sess.status != 'I' && !w.cleanWith(rollback) {
		return
	}
	switch {
	case w.c.mode == modeSession:
		if !w.cleanWith(discardAll) {
			return
		}
		s.Applied = pool.Settings{}
	case w.sess.foreign:
		p.Discard(&w.claim, metrics.ServerDirty)
		return
	default:
		s.Applied = w.sess.settings
	}
	w.release()
}

func (w *work) cleanWith(sql []byte) bool {
	o := w.ask(sql, true)
	if o.why != metrics.None || o.said != nil || o.status != 'I' {
		w.c.pool.Discard(&w.claim, metrics.ServerDirty)
		return false
	}
	return true
}

// dirtyReason: whatever ended the client, its server is closed for being dirty,
// unless the server was to blame.
func dirtyReason(why metrics.Reason) metrics.Reason {
	switch why {
	case metrics.ServerLost, metrics.ServerFatal, metrics.ServerProtocol, metrics.EpochMoved, metrics.TransactionPooling:
		return why
	}
	return metrics.ServerDirty
}

// abandon ends a client whose coroutine cannot go on: after a panic, or when
// Portero waits no longer. It never parks, and the work is not used again.
func (w *work) abandon(why metrics.Reason) {
	c := w.c
	if c == nil {
		return
	}
	c.pool.Abandon(&w.claim, why)
	c.end(w.loop, why)
	c.work = nil
}
