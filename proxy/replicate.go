package proxy

import (
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// A client that replicates (parameter replication of its start) has a walsender of its own, from
// its welcome to its end. What the two say to each other is not looked into: no session is kept,
// nothing is answered, edited or asked in between, and none of the times counts that clients
// have, as a stream may be silent for as long as nothing is written. PostgreSQL looks after
// that itself (wal_sender_timeout).

// replicate is the work of a client that replicates, once it has been welcomed.
func (r *relay) replicate() metrics.Reason {
	r.sender.on = true
	for {
		why, busy := r.replicateOnce()
		if why != metrics.None {
			return why
		}
		if busy {
			why = r.share()
		} else {
			why = r.parkSender()
		}
		if why != metrics.None {
			return why
		}
	}
}

// senderRefused is why a client ends that a walsender has refused.
func (r *relay) senderRefused() metrics.Reason {
	r.c.pool.Metrics().Error(metrics.ServerLogin)
	r.c.proxy.log.Info("walsender refused", "id", r.c.id, "address", r.c.address(), "user", r.c.person.name,
		"database", r.c.pool.Key.Database, "error", r.claim.Err.Error())
	return metrics.ServerLogin
}

// replicateOnce is step for a client that replicates.
func (r *relay) replicateOnce() (why metrics.Reason, busy bool) {
	if r.claim.Lost != metrics.None {
		return r.senderLost(r.claim.Lost, nil, nil), false
	}
	r.flushServer()
	if why := r.betweenFrames(); why != metrics.None {
		return why, false
	}
	if r.mayReadServer() {
		why, busy = r.fromSender(), true
	}
	if why == metrics.None && r.mayReadClient() {
		why, busy = r.toSender(), true
	}
	return why, busy
}

// betweenFrames ends the client, or has it follow a reload, where it can be told so.
func (r *relay) betweenFrames() metrics.Reason {
	switch {
	case r.out.passing > 0 || r.c.sock.Pending() > 0:
	case r.leavesSender():
		if !r.hasAll() {
			return metrics.None
		}
		r.tell(errShutdown())
		return metrics.Shutdown
	case r.c.isStale():
		if w := r.c.wayNow(); w.route != nil && w.key != r.c.pool.Key { // what others finish first has no end here
			r.tell(errReconfigured())
			return metrics.Reconfigured
		}
		return r.follow()
	}
	return metrics.None
}

// leavesSender reports whether the client is to be closed at the end of a message.
func (r *relay) leavesSender() bool { return r.c.proxy.draining.Load() && r.sender.rests() }

// fromSender reads once from the walsender and forwards what can go on: short messages whole, so
// that an error can stand behind them.
func (r *relay) fromSender() metrics.Reason {
	s, buf := r.claim.Server, r.loop.Scratch()
	if r.out.passing > 0 && r.leavesSender() {
		buf = buf[:min(len(buf), r.out.passing)] // and not into the next one
	}
	buf, err := r.readServer(s, buf)
	switch {
	case err == loop.ErrNotNow:
		return metrics.None
	case err != nil:
		return r.senderLost(metrics.ServerLost, nil, nil)
	}
	return r.forwardSender(buf)
}

func (r *relay) forwardSender(buf []byte) metrics.Reason {
	i, frames := 0, 0
	for i < len(buf) {
		if r.out.passing > 0 {
			n := min(r.out.passing, len(buf)-i)
			r.out.passing -= n
			i += n
			continue
		}
		f, ok, err := wire.Next(buf[i:])
		if err != nil {
			r.sendClient(buf[:i])
			return r.senderLost(metrics.ServerProtocol, nil, nil)
		}
		if !ok || !f.Whole() && f.Size <= keepWhole {
			break
		}
		end := i + wire.HeaderLen + len(f.Body)
		if f.Type == 'E' && wire.IsFatal(f.Body) {
			r.sendClient(buf[:i])
			return r.senderLost(metrics.ServerFatal, wire.ParseError(f.Body), buf[i:end])
		}
		if f.Type == 'S' {
			r.reported(f)
		}
		r.sender.fromServer(f)
		i, r.out.passing = end, f.Size-len(f.Body)
		frames++
	}
	r.spend(i + frames*perFrame)
	r.out.keep(r.loop, buf[i:])
	r.c.pool.Metrics().Shard(r.loop.ID).BytesSent.Add(uint64(i))
	return r.sendClient(buf[:i])
}

// toSender reads once from the client and forwards it.
func (r *relay) toSender() metrics.Reason {
	buf, why := r.readClient()
	if buf == nil {
		return why
	}
	i, frames := 0, 0
	for i < len(buf) && why == metrics.None {
		if r.in.passing > 0 {
			n := min(r.in.passing, len(buf)-i)
			r.in.passing -= n
			i += n
			continue
		}
		f, ok, err := wire.Next(buf[i:])
		if err != nil {
			r.tell(wire.Fatal(wire.ProtocolViolation, "%s", err))
			why = metrics.ClientProtocol
		}
		if !ok {
			break
		}
		if r.sender.fromClient(f) {
			r.goodbye, why = true, metrics.ClientClosed
			break
		}
		i, r.in.passing = i+wire.HeaderLen+len(f.Body), f.Size-len(f.Body)
		frames++
	}
	r.asked = r.loop.Now()
	r.spend(i + frames*perFrame)
	r.sendServer(buf[:i])
	r.in.keep(r.loop, buf[i:])
	return why
}

// parkSender waits for either side. No alarm is set: see above.
func (r *relay) parkSender() metrics.Reason {
	if r.deserted() {
		return metrics.ClientClosed
	}
	r.hush()
	r.watchServer()
	r.task.Park()
	if r.cut {
		return metrics.Shutdown
	}
	return metrics.None
}

// senderLost gives up the walsender, and with it the client. said is its last word, and frame
// that word as it came; nil if it had none, as at the end of a shutdown, behind the last of its
// stream.
func (r *relay) senderLost(why metrics.Reason, said *wire.Error, frame []byte) metrics.Reason {
	r.logServer(said)
	half := r.out.passing > 0
	r.c.pool.Discard(&r.claim, why)
	r.out.drop(r.loop)
	switch {
	case half: // in the middle of a message there is no room for an error
	case frame != nil:
		r.sendClient(frame)
	case !r.sender.complete:
		e := wire.Fatal(wire.ConnectionFailure, "the server was lost, and with it what it was replicating")
		e.Hint = "Connect again: that leads to the server that serves now."
		r.tell(e)
	}
	return r.cutBy(why)
}

// leaveSender closes the walsender of a client that has ended: nobody else could go on with it. One
// that is at work is cancelled,
// unless the client has said goodbye, as there PostgreSQL reads that when it is done.
func (r *relay) leaveSender() {
	if r.sender.works() && !r.goodbye {
		r.c.pool.Abort(&r.claim, metrics.ServerSpent)
		return
	}
	r.c.pool.Discard(&r.claim, metrics.ServerSpent)
}
