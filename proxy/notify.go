package proxy

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// stirred is called on the client's loop when a notification has come for it.
func (c *client) stirred(l *loop.Loop) {
	if c.relay == nil {
		c.toWork(l)
	} else {
		l.Wake(c.relay.task)
	}
}

// stirrer is for its Hearer on a loop, which the client may have left when it is called.
func (c *client) stirrer(l *loop.Loop) func() {
	return func() {
		switch {
		case !c.isAt(l):
			c.onLoop(c.stirred)
		case c.live:
			c.stirred(l)
		}
	}
}

// notify gives the client what has come for it, if it is where PostgreSQL gives
// notifications: outside of a transaction, with nothing unanswered. What was sent
// before must have been taken, so that what waits is bounded (pool.Hearer).
func (r *relay) notify() metrics.Reason {
	h := r.c.seldom().hearer
	if h == nil || !h.Has() {
		return metrics.None
	}
	if e := h.Over(); e != nil {
		if r.out.passing == 0 { // else in the middle of a message
			r.tell(e)
		}
		r.at.Metrics().Error(metrics.ClientDeaf)
		return metrics.ClientDeaf
	}
	if !r.mayHear() {
		return metrics.None
	}
	return r.giveNotes()
}

// giveNotes gives the client all that has come.
func (r *relay) giveNotes() metrics.Reason {
	b, n := r.c.rare.hearer.Take(nil)
	b = r.recoded(b)
	m := r.at.Metrics().Shard(r.loop.ID)
	m.Notifications.Add(uint64(n))
	m.BytesSent.Add(uint64(len(b)))
	r.spend(len(b))
	return r.sendClient(b)
}

func (r *relay) mayHear() bool {
	return r.c.welcomed && !r.withheld && !r.goodbye && !r.sess.Busy() && r.sess.Status() == 'I' && !r.sess.Lost() &&
		r.out.passing == 0 && r.c.sock.Pending() == 0
}

// heardHere gives the client a notification that its own server has heard, in a
// transaction that has added to what the client listens to: what it listened to
// before it hears by the ear.
func (r *relay) heardHere(f wire.Frame) metrics.Reason {
	var n pgproto3.NotificationResponse
	if h := r.c.seldom().hearer; n.Decode(f.Body) != nil || h != nil && h.Listens(n.Channel) {
		return metrics.None
	}
	if s := r.claim.Server; n.PID == s.PID() {
		n.PID = r.c.pid()
	} else {
		n.PID = s.Sender(n.PID)
	}
	return r.sendClient(wire.Append(nil, &n))
}

// sign says who is behind the notifications of the server from now on.
func (r *relay) sign() {
	if s := r.claim.Server; s != nil && r.c.mode != modeSession && r.at.Heard() {
		s.SentBy(r.c.pid())
	}
}
