package proxy

import (
	"time"

	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/session"
	"portero/wire"
)

// relay is what a client has while it works: its coroutine, its session, its claim on a server
// and the unfinished ends of the two streams. It lives from the client's first
// event to its next rest and is then reused.
type relay struct {
	c         *client
	at        *pool.Pool   // where its transaction is, or was last: the client's own pool, or one of its Spread
	spread    *pool.Spread // of who has several; nil: all is at the client's own pool
	st        *station     // of the loop
	obeys     *snapshot    // whose limits the session has
	loop      *loop.Loop
	task      *loop.Task
	claim     pool.Claim
	sess      session.Session
	in        stream  // from the client
	again     []byte  // what the client has asked, while that may have to be asked again; empty: nothing was kept
	moving    bool    // it is on its way from a node to the coordinator, and its client is in a block
	opening   opening // with a Spread: how far its transaction has come
	beginning []byte  // the BEGIN that has opened it
	runs      int     // times that it was run again because a server shut down
	out       stream  // from the server
	flow      flow    // of a long answer

	clientReadable bool  // a Read may find something
	clientGone     bool  // the client has closed its side
	goodbye        bool  // it has said goodbye
	farewell       int64 // loop time until which a client that has is waited for
	cut            bool  // Portero is stopping and waits no longer
	killed         bool  // ... or an operator has it closed
	asking         bool  // the server answers a question of our own
	cancelled      bool  // a cancel request came while the client had no server
	withheld       bool  // a ReadyForQuery that the client is to have once that is settled which its transaction has done
	stalled        stall

	watch stopwatch
	asked int64 // when the client began what it is at, or was at last; 0 = before it came to work

	pins    session.Pins // why the client keeps its server, as counted
	pinIdle int64        // loop time until which it may be idle at it; 0 = for good, or it is at work

	due deadlines

	sender sender // what its walsender is at, if it replicates

	hello []byte // what the client has not been sent of its login

	turn  uint64 // of the loop, in which
	spent int    // so much has been done
}

// begin prepares the work for a client. On the loop.
func (r *relay) begin(c *client, l *loop.Loop) {
	r.c, r.loop = c, l
	r.at, r.spread = c.pool, c.spread()
	r.sess.Reset(c.carried)
	r.sess.SetPinning(pinning(c.route, c.mode))
	r.clientReadable, r.clientGone, r.goodbye, r.cut, r.asking, r.cancelled = false, false, false, false, false, false
	r.stalled, r.farewell, r.pins, r.pinIdle, r.withheld = stall{}, 0, 0, 0, false
	r.again, r.runs, r.due, r.sender = r.again[:0], 0, deadlines{}, sender{}
	r.opening, r.moving = unopened, false
	r.killed, r.watch, r.asked = false, stopwatch{}, 0
	r.sess.ByEar(c.mode != modeSession)
	r.obey()
}

// obey gives the session what the settings in force and its pool make of it.
func (r *relay) obey() {
	c := r.c
	if now := c.proxy.now.Load(); r.obeys != now {
		r.obeys = now
		r.sess.Share(&r.st.texts, c.proxy.limits())
	}
	r.sess.Resolves(r.obeys.cfg.Pool.ResolveCommits && c.mode != modeSession && c.pool.Key.Role == "leader")
	r.sess.Spread(r.spread != nil)
	r.sess.OnStandbys(c.pool.Key.Role == "replica")
}

// letGo forgets the client.
func (r *relay) letGo() {
	r.unpin()
	r.in.drop(r.loop)
	r.out.drop(r.loop)
	r.sess.Serve(nil, nil)
	r.c, r.task, r.claim.Client, r.hello = nil, nil, nil, nil
	r.at, r.spread, r.claim.Roams = nil, nil, nil
}

// notice takes in what the client's socket is ready for.
func (r *relay) notice(ev loop.Events) {
	if ev&loop.Readable != 0 {
		r.clientReadable = true
	}
	if ev&loop.Closed != 0 {
		r.clientGone = true
	}
	if ev&loop.Writable != 0 {
		before := r.c.sock.Pending()
		r.c.sock.Flush() //nolint:errcheck // the next Write says it again
		if r.c.sock.Pending() < before {
			r.stalled = stall{}
		}
	}
}

// Run implements loop.Runner: the coroutine of a client at work.
func (r *relay) Run(t *loop.Task) {
	r.claim.Bind(r.at, t)
	r.claim.Roams, r.claim.Settles, r.claim.Login = nil, false, false
	r.claim.Client, r.claim.Startup, r.claim.Number = &r.c.sock, r.c.seldom().startup, uint64(r.c.id)
	if r.c.pool.BetweenNodes() && r.claim.Resting == nil {
		r.claim.Resting = r.resting
	}
	why := metrics.Panic
	defer func() {
		if r.c != nil { // neither at rest nor finished
			r.abandon(why)
		}
	}()
	why = r.serve()
	switch {
	case r.cut:
	case why == metrics.None:
		r.c.toRest(r.loop)
	default:
		r.finish(why)
	}
}

// serve is a client's work. It returns None when the client may rest, else why
// it ends.
func (r *relay) serve() metrics.Reason {
	if !r.c.welcomed {
		if why := r.welcome(); why != metrics.None {
			return why
		}
		if r.c.pool.Key.Replicates() { // to its end: it never rests
			return r.replicate()
		}
	}
	for {
		why, busy := r.step()
		between := r.between()
		switch {
		case why != metrics.None:
			return why
		case busy:
			if why := r.share(); why != metrics.None {
				return why
			}
			continue
		case between && r.c.proxy.draining.Load() && !r.cut:
			if !r.hasAll() {
				break // until it has
			}
			if r.claim.Server == nil && r.mayPass() {
				return metrics.None // to rest, and on from there
			}
			r.tell(errShutdown())
			return metrics.Shutdown
		case between && r.claim.Server == nil:
			return metrics.None
		case between && r.c.isStale() && r.c.mode == modeSession:
			if why := r.follow(); why != metrics.None {
				return why
			}
		case between && r.c.isStale() && r.c.wayNow().route == nil: // pinned, and to where nobody may be
			r.tell(errReconfigured())
			return metrics.Reconfigured
		}
		if why := r.park(); why != metrics.None {
			return why
		}
	}
}

// step does what can be done without waiting; busy says that there may be
// more.
func (r *relay) step() (why metrics.Reason, busy bool) {
	if r.claim.Lost != metrics.None {
		return r.serverLost(r.claim.Lost, nil, nil), true
	}
	r.flushServer()
	if r.mayReadServer() {
		if why := r.fromServer(); why != metrics.None {
			return why, false
		}
	}
	if r.withheld && r.out.empty() {
		if why := r.settle(); why != metrics.None {
			return why, false
		}
	}
	if r.claim.Settling() { // its server is for nothing that comes behind
		if why := r.giveBack(); why != metrics.None {
			return why, false
		}
	}
	if r.mayReadClient() {
		r.pinIdle = 0
		r.due.asked()
		if why := r.fromClient(); why != metrics.None {
			return why, false
		}
	}
	if why := r.giveBack(); why != metrics.None {
		return why, false
	}
	if why := r.notify(); why != metrics.None {
		return why, false
	}
	if r.goodbye && r.isOver() {
		return metrics.ClientClosed, false
	}
	return metrics.None, r.hasMore()
}

// hasMore reports whether step would find something to do. To give a server back may take a
// question, and a client may have gone on meanwhile.
func (r *relay) hasMore() bool {
	return r.claim.Lost != metrics.None || r.mayReadServer() || r.mayReadClient()
}

// hasAll reports whether the kernel has all that the client is to have.
func (r *relay) hasAll() bool {
	r.c.sock.SendCollected()
	return r.c.sock.Pending() == 0
}

// farewellTime is how long a statement goes on for a client that has said
// goodbye. Then its server is closed; a backend whose client is gone ends by
// itself, as it does without a pooler.
const farewellTime = 5 * time.Second

// leave is a Terminate: what the client has asked for is done, if it comes to
// an end by itself.
func (r *relay) leave() {
	r.goodbye, r.farewell = true, r.loop.Now()+int64(farewellTime)
}

// isOver reports whether there is nothing more to wait for: PostgreSQL reads a
// Terminate in the middle of a COPY or before a Sync as the end, and so do we.
func (r *relay) isOver() bool {
	return !r.sess.Busy() || !r.sess.Completes() || r.loop.Now() >= r.farewell
}

// mayReadServer: the client must have taken what it was sent before.
func (r *relay) mayReadServer() bool {
	return r.claim.Server != nil && r.claim.Events&loop.Readable != 0 && r.c.sock.Pending() == 0
}

// mayReadClient: the server must have taken what it was sent before, and a
// client without a server must have taken our own answers.
func (r *relay) mayReadClient() bool {
	if !r.clientReadable && !r.in.ready || r.in.held || r.goodbye || r.withheld || r.sess.Overasked() || r.isSettling() {
		return false
	}
	if s := r.claim.Server; s != nil {
		return s.Sock.Pending() == 0
	}
	return r.c.sock.Pending() == 0
}

// between: nothing is owed or half done, and no transaction is open. A client
// in that state may rest, unless it has a server (session mode).
func (r *relay) between() bool {
	if r.claim.Server != nil && (r.sess.Busy() || r.sess.Status() != 'I' || !r.out.empty() || r.withheld) {
		return false
	}
	return !r.clientReadable && r.in.empty() && !r.sess.Lost() && r.c.sock.Pending() == 0 && !r.goodbye
}

// tell sends an error to the client, if it still listens.
func (r *relay) tell(e *wire.Error) {
	r.flushReply()
	r.c.sock.Write(e.Append(nil)) //nolint:errcheck // a client that is gone is noticed by its next event
}
