package proxy

import (
	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/wire"
)

// work is a client at work: its coroutine, its session, its claim on a server
// and the unfinished ends of the two streams. It lives from the client's first
// event to its next rest and is then reused.
type work struct {
	c     *client
	loop  *loop.Loop
	task  *loop.Task
	claim pool.Claim
	sess  session
	in    stream // from the client
	out   stream // from the server

	clientReadable bool // a Read may find something
	clientGone     bool // the client has closed its side
	leaving        bool // it has said goodbye
	cut            bool // Portero is stopping and waits no longer
	asking         bool // the server answers a question of our own
	cancelled      bool // a cancel request came while the client had no server
	stalled        stall
}

// begin prepares the work for a client. On the loop.
func (w *work) begin(c *client, l *loop.Loop) {
	w.c, w.loop = c, l
	w.sess.reset(c.settings, c.ends)
	w.clientReadable, w.clientGone, w.leaving, w.cut, w.asking, w.cancelled = false, false, false, false, false, false
	w.stalled = stall{}
}

// rest lets go of the client.
func (w *work) rest() {
	w.in.drop(w.loop)
	w.out.drop(w.loop)
	w.sess.defaults = nil
	w.c, w.task = nil, nil
}

// notice takes in what the client's socket is ready for.
func (w *work) notice(ev loop.Events) {
	if ev&loop.Readable != 0 {
		w.clientReadable = true
	}
	if ev&loop.Closed != 0 {
		w.clientGone = true
	}
	if ev&loop.Writable != 0 {
		before := w.c.sock.Pending()
		w.c.sock.Flush() //nolint:errcheck // the next Write says it again
		if w.c.sock.Pending() < before {
			w.stalled = stall{}
		}
	}
}

// Run implements loop.Runner: the coroutine of a client at work.
func (w *work) Run(t *loop.Task) {
	w.claim.Bind(w.c.pool, t)
	why := metrics.Panic
	defer func() {
		if w.c != nil { // neither at rest nor finished
			w.abandon(why)
		}
	}()
	why = w.serve()
	switch {
	case w.cut:
	case why == metrics.None:
		w.c.toRest(w.loop)
	default:
		w.finish(why)
	}
}

// serve is a client's work. It returns None when the client may rest, else why
// it ends.
func (w *work) serve() metrics.Reason {
	if !w.c.greeted {
		if why := w.greet(); why != metrics.None {
			return why
		}
	}
	for {
		why, busy := w.step()
		switch {
		case why != metrics.None:
			return why
		case busy:
			continue
		case w.between() && w.c.proxy.draining.Load():
			w.tell(errShutdown())
			return metrics.Shutdown
		case w.between() && w.claim.Server == nil:
			return metrics.None
		}
		if why := w.park(); why != metrics.None {
			return why
		}
	}
}

// step does what can be done without waiting; busy says that there may be
// more.
func (w *work) step() (why metrics.Reason, busy bool) {
	if w.claim.Lost != metrics.None {
		return w.serverLost(w.claim.Lost, nil), true
	}
	w.flushServer()
	if w.mayReadServer() {
		if why := w.fromServer(); why != metrics.None {
			return why, false
		}
		busy = true
	}
	if w.mayReadClient() {
		if why := w.fromClient(); why != metrics.None {
			return why, false
		}
		busy = true
	}
	if why := w.giveBack(); why != metrics.None {
		return why, false
	}
	if w.leaving && !w.sess.busy {
		return metrics.ClientClosed, false
	}
	return metrics.None, busy
}

// mayReadServer: the client must have taken what it was sent before.
func (w *work) mayReadServer() bool {
	return w.claim.Server != nil && w.claim.Events&loop.Readable != 0 && w.c.sock.Pending() == 0
}

// maxUnanswered bounds the requests of a client that sends and never reads.
const maxUnanswered = 64 << 10

// mayReadClient: the server must have taken what it was sent before, and a
// client without a server must have taken our own answers.
func (w *work) mayReadClient() bool {
	if !w.clientReadable && !w.in.ready || w.leaving || w.sess.expect.len() > maxUnanswered {
		return false
	}
	if s := w.claim.Server; s != nil {
		return s.Sock.Pending() == 0
	}
	return w.c.sock.Pending() == 0
}

// between: nothing is owed or half done, and no transaction is open. A client
// in that state may rest, unless it has a server (session mode).
func (w *work) between() bool {
	if w.claim.Server != nil && (w.sess.busy || w.sess.status != 'I' || !w.out.empty()) {
		return false
	}
	return !w.clientReadable && w.in.empty() && !w.sess.loss.active() && w.c.sock.Pending() == 0 && !w.leaving
}

// giveBack releases a server that is free again.
func (w *work) giveBack() metrics.Reason {
	s := w.claim.Server
	if s == nil || w.sess.busy || w.c.sock.Pending() > 0 || s.Sock.Pending() > 0 || !w.out.empty() || w.in.passing > 0 {
		return metrics.None
	}
	switch {
	case w.sess.status != 'I' && w.c.mode == modeStatement:
		w.tell(wire.Fatal(wire.FeatureNotSupported, "transaction blocks are not allowed in statement pooling mode"))
		return metrics.TransactionPooling
	case w.sess.status != 'I', w.c.mode == modeSession:
	case w.sess.foreign: // acts as another user: nobody else may have it
		w.c.pool.Discard(&w.claim, metrics.ServerDirty)
		w.sess.foreign = false
	default:
		s.Applied = w.sess.settings
		w.release()
	}
	return metrics.None
}

// release gives the server back, watched as an idle one must be.
func (w *work) release() {
	w.claim.Server.Sock.Watch(true)
	w.c.pool.Release(&w.claim)
}

// park waits for either socket, the claim or the clock.
func (w *work) park() metrics.Reason {
	c := &w.c.sock
	if w.clientGone && !w.clientReadable && !w.leaving {
		return metrics.ClientClosed // what it has not sent whole is of no use, as PostgreSQL sees it too
	}
	w.hush()
	if w.claim.Server != nil {
		w.watchServer()
	}
	if w.stalled.over(w.loop.Now(), c.Pending(), w.c.proxy.cfg.Pool.ClientStallTimeout) {
		return metrics.ClientStalled
	}
	w.task.ParkUntil(w.stalled.deadline)
	if w.cut {
		return metrics.Shutdown
	}
	return metrics.None
}

// hush keeps epoll from repeating what is known of the client: that it has
// sent something that must wait, or that it has gone.
func (w *work) hush() {
	if w.clientGone {
		w.c.sock.Mute()
		return
	}
	w.c.sock.Watch(!w.clientReadable)
}

// watchServer does the same for the server, whose word must wait while the
// client does not take what came before.
func (w *work) watchServer() {
	s := &w.claim.Server.Sock
	switch {
	case w.claim.Events&loop.Readable == 0:
		s.Watch(true)
	case w.claim.Events&loop.Closed == 0:
		s.Watch(false)
	default:
		s.Mute()
	}
}

// flushServer sends what a server did not take before.
func (w *work) flushServer() {
	if w.claim.Server != nil && w.claim.Events&loop.Writable != 0 {
		w.claim.Events &^= loop.Writable
		w.claim.Server.Sock.Flush() //nolint:errcheck // the next Read says it again
	}
}

// tell sends an error to the client, if it still listens.
func (w *work) tell(e *wire.Error) {
	w.c.sock.Write(e.Append(nil)) //nolint:errcheck // a client that is gone is noticed by its next event
}
