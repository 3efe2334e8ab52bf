package proxy

import (
	"sync/atomic"

	"portero/loop"
	"portero/metrics"
	"portero/session"
)

// station is what the proxy keeps per loop. It belongs to that loop, but for
// the counters.
type station struct {
	proxy   *Proxy
	free    []*relay
	texts   session.Texts // of the statements of its clients
	edited  []byte        // the beginning of a run for a server, where it differs from what the client sent
	leaving leaving
	wide    uint64 // the last turn in which a flow was read that had been waited for

	load    *metrics.Loop
	working atomic.Int32 // how many clients came to rest in the last span; counted is in the present one
	counted int32
	since   uint32 // when that has begun, by atRest
}

// Ready implements loop.Handler.
func (c *client) Ready(l *loop.Loop, ev loop.Events) {
	r := c.relay
	if r == nil {
		r = c.toWork(l)
	} else {
		l.Wake(r.task)
	}
	r.notice(ev)
}

// toWork gives a resting client a coroutine and buffers.
func (c *client) toWork(l *loop.Loop) *relay {
	st := c.proxy.stations[l.ID]
	var r *relay
	if n := len(st.free); n > 0 {
		r, st.free = st.free[n-1], st.free[:n-1]
	} else {
		r = &relay{st: st}
	}
	r.begin(c, l)
	c.relay = r
	r.task = l.Start(r)
	return r
}

// limits are those of a session on one loop.
func (p *Proxy) limits() session.Limits {
	cfg := &p.config().Pool
	return session.Limits{
		Server: cfg.MaxPreparedStatements, Client: cfg.MaxClientStatements,
		ClientBytes: cfg.MaxClientStatementBytes, Bytes: cfg.MaxStatementBytes,
		Settings: cfg.MaxClientSettingBytes,
	}
}

// maxFreeRelays bounds what a burst of clients leaves behind.
const maxFreeRelays = 1024

// toRest takes the coroutine and the buffers away again. The client may be another loop's, or
// another process's, when it returns.
func (c *client) toRest(l *loop.Loop) {
	r, st, now := c.relay, c.proxy.stations[l.ID], atRest(l)
	st.count(c.rested, now)
	c.relay, c.rested = nil, now
	c.sock.Watch(true)
	c.carried = r.sess.Rest()
	if r.asked != 0 {
		c.requested = secondsOf(r.asked)
	}
	r.letGo()
	if len(st.free) < maxFreeRelays {
		st.free = append(st.free, r)
	}
	if !c.pass(l) && c.goesOver(l, st) {
		c.goOver(st)
	}
}
