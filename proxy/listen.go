package proxy

import (
	"bytes"
	"encoding/hex"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/metrics"
	"portero/pool"
	"portero/session"
	"portero/wire"
)

// settle stands between a transaction that has listened or notified and its
// client's ReadyForQuery. Who has been told that it listens misses nothing that is
// sent from then on; and while it is heard what a client has sent, its server is
// lent to nobody else, so that it is known who has sent it.
func (r *relay) settle() metrics.Reason {
	var come []string
	if r.sess.Listens() {
		var why metrics.Reason
		if come, why = r.listening(); r.claim.Server == nil || why != metrics.None {
			return why
		}
	}
	if r.sess.Unlistens() && r.c.seldom().hearer != nil {
		if why := r.hearOut(); why != metrics.None {
			return why
		}
	}
	errand := pool.NewErrand(r.task)
	if !r.listen(come, errand) {
		r.tell(pool.ErrChannels())
		return metrics.ClientDeaf
	}
	if r.sess.Notifies() {
		r.at.AwaitEars(errand)
	}
	if why := r.awaitErrand(errand, len(come) > 0); why != metrics.None {
		return why
	}
	r.sess.Settled()
	if len(come) > 0 {
		if o := r.roundTrip(unlistenAll, false); o.why != metrics.None || o.said != nil || o.status != 'I' {
			return r.notSettled(o)
		}
	}
	return r.ready()
}

// hearOut gives the client what was sent before its UNLISTEN.
func (r *relay) hearOut() metrics.Reason {
	errand := pool.NewErrand(r.task)
	r.c.pool.AwaitEar(errand)
	if why := r.awaitErrand(errand, false); why != metrics.None {
		return why
	}
	return r.giveNotes()
}

// ready gives the client the ReadyForQuery that was held back.
func (r *relay) ready() metrics.Reason {
	r.withheld = false
	if why := r.notify(); why != metrics.None {
		return why
	}
	return r.sendClient(readyForQuery)
}

var (
	unlistenAll   = query("UNLISTEN *")
	readyForQuery = wire.Append(nil, &pgproto3.ReadyForQuery{TxStatus: 'I'})
)

// listening asks the server what it listens to, which is what the client has
// added. Without an error and without a server, the client has been told.
func (r *relay) listening() (channels []string, why metrics.Reason) {
	var o outcome
	for range maxQuestions {
		if o = r.roundTrip(session.WhatListens, false); o.why != metrics.None || o.status != 'I' {
			break
		}
		if o.said != nil {
			continue // it was the client's own statement_timeout, perhaps
		}
		for _, row := range o.rows {
			if name, err := hex.DecodeString(string(bytes.Join(row, nil))); err == nil {
				channels = append(channels, string(name))
			}
		}
		return channels, metrics.None
	}
	return nil, r.notSettled(o)
}

// notSettled gives up a server that does not answer as it must.
func (r *relay) notSettled(o outcome) metrics.Reason {
	switch o.why {
	case metrics.Shutdown:
		r.at.Discard(&r.claim, o.why)
		return o.why
	case metrics.None:
		o.why = metrics.ServerDirty
	}
	return r.serverLost(o.why, o.said, nil)
}

// listen brings what the client listens to up to date. False: it is too much.
func (r *relay) listen(come []string, e *pool.Errand) bool {
	c, gone := r.c, r.sess.Gone()
	h := c.seldom().hearer
	switch {
	case h == nil && len(come) == 0:
		return true
	case h == nil:
		h = c.pool.NewHearer(r.loop, c.stirrer(r.loop))
		c.needRare().hearer = h
	}
	return c.pool.Listen(h, r.asHeard(gone), come, e)
}

// notifyPatience is how long a client that has notified waits to be heard.
const notifyPatience = time.Second

// awaitErrand waits for ears. A client that listens waits as it would for a
// server; where it has only notified, no longer than a moment.
func (r *relay) awaitErrand(e *pool.Errand, listens bool) metrics.Reason {
	limit := notifyPatience
	if listens {
		limit = r.c.user().QueryWaitTimeout
	}
	since := r.loop.Now()
	end := after(since, limit)
	for e.Out() && !r.clientGone {
		switch {
		case r.cut:
			return metrics.Shutdown
		case end != 0 && r.loop.Now() >= end && listens:
			r.tell(r.cannotListen(since))
			r.at.Metrics().Error(metrics.WaitTimeout)
			return metrics.WaitTimeout
		case end != 0 && r.loop.Now() >= end:
			return metrics.None
		}
		r.hush()
		r.watchServer()
		r.task.ParkUntil(end)
	}
	return metrics.None
}

func (r *relay) cannotListen(since int64) *wire.Error {
	e := wire.Fatal(wire.ConnectionFailure, "nobody could be made to listen for this session within query_wait_timeout (%s)", r.c.user().QueryWaitTimeout)
	e.Hint = "For all sessions that listen a pool has one connection of its own; the log of Portero says why there is none."
	if trouble := r.at.Trouble(since); trouble != "" {
		e.Detail = "The last try to open a server failed: " + trouble + "."
	}
	return e
}
