package proxy

import (
	"time"

	"portero/loop"
	"portero/metrics"
)

// Clients go over to another loop where the balance has it (balance.go): at the moment at which
// they come to rest, when nothing of them is on a loop but their socket and what their statements'
// texts count for.

// leaving is whom a loop sends to another. It belongs to the loop.
type leaving struct {
	to    *loop.Loop
	n     int   // so many more
	until int64 // on the loop's clock; then it is told anew
}

// orderFor is how long a loop sends clients away without being told again.
const orderFor = int64(sweepEvery)

// send has a loop send n of its clients to another as they come to rest. Any goroutine.
func (p *Proxy) send(o order) {
	from, to := p.loops[o.from], p.loops[o.to]
	from.Post(func() { p.stations[o.from].leaving = leaving{to, o.n, from.Now() + orderFor} })
}

// goesOver reports whether a client that has come to rest goes to another loop. Those in session
// mode, and those that replicate, have their servers here.
func (c *client) goesOver(l *loop.Loop, st *station) bool {
	return st.leaving.n > 0 && l.Now() < st.leaving.until && c.mode != modeSession && !c.proxy.draining.Load()
}

// goOver takes the client there. On its loop, which must not touch it afterwards.
func (c *client) goOver(st *station) {
	p, to := c.proxy, st.leaving.to
	st.leaving.n--
	c.carried.Leave()
	c.sock.Leave()
	st.load.Clients.Add(-1)
	st.load.Moved.Add(1)
	p.stations[to.ID].load.Clients.Add(1)
	p.moving.Lock()
	defer p.moving.Unlock()
	c.at = uint16(to.ID)
	to.Post(func() { c.comeOver(to) }) // before all that others have for it there
}

// comeOver is the other half, on the loop that it has come to.
func (c *client) comeOver(l *loop.Loop) {
	c.carried.Join(&c.proxy.stations[l.ID].texts)
	if h := c.seldom().hearer; h != nil {
		h.Move(l, c.stirrer(l))
	}
	if err := c.sock.Attach(l); err != nil {
		c.proxy.log.Error("move client", "error", err)
		c.end(l, metrics.Internal)
	}
}

// workingSpan is how long those who work are counted, in units of atRest; each counts once.
const workingSpan = uint32(time.Second / time.Millisecond)

// count is told that a client has come to rest, which did so before at a time of atRest.
func (st *station) count(before, now uint32) {
	if now-st.since >= workingSpan {
		st.working.Store(st.counted)
		st.counted, st.since = 0, now
	}
	if int32(before-st.since) < 0 {
		st.counted++
	}
}
