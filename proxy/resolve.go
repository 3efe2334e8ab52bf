package proxy

import (
	"fmt"
	"time"

	"portero/metrics"
	"portero/pool"
	"portero/session"
	"portero/wire"
)

// What has become of a commit whose server was lost (session/doubt.go) is found out on
// the next leader: Patroni's history tells where the old one's timeline ended, and
// behind that the leader is asked. Where that cannot be had, it remains unknown.

const (
	historyAgain = 10 * time.Millisecond // between two looks for what Patroni writes right behind a promotion
	historyWait  = 5 * time.Second       // for it
)

// fate is what has become of a transaction.
type fate uint8

const (
	unknown fate = iota
	committed
	rolledBack
)

// resolve finds out what has become of a transaction whose server is lost, and tells
// the client. said is the server's last word.
func (r *relay) resolve(c session.Commit, lost *pool.Server, said *wire.Error) metrics.Reason {
	f := r.fateOf(c, lost)
	r.c.proxy.log.Info("commit in doubt", "id", r.c.id, "transaction", c.ID, "found", f.String())
	if f == unknown {
		r.lose(said)
		return metrics.None
	}
	r.at.Count(metrics.Outcomes{Resolved: 1})
	if f == committed {
		return r.takeAnswers(r.sess.Committed())
	}
	r.sess.Undone()
	r.lose(said)
	return metrics.None
}

func (f fate) String() string { return [...]string{"unknown", "committed", "rolled back"}[f] }

// fateOf waits for the next leader, up to query_wait_timeout, and asks it.
func (r *relay) fateOf(c session.Commit, lost *pool.Server) fate {
	timeline := lost.Timeline()
	end := after(r.loop.Now(), r.c.user().QueryWaitTimeout)
	history := int64(0) // until when it is waited for; 0: nobody leads yet
	for r.borrow(end) {
		ended, told := r.at.Ended(timeline)
		newer := r.claim.Server.Timeline() > timeline && timeline > 0 && r.claim.Server.SameCluster(lost)
		if newer && told && ended > c.Position {
			if f, ok := r.askFate(c); ok {
				return f
			}
			continue
		}
		r.release()
		switch now := r.loop.Now(); {
		case !newer:
			return unknown
		case told:
			return rolledBack
		case history == 0:
			history = now + int64(historyWait)
		case now >= history:
			return unknown
		}
		r.hush()
		r.task.ParkUntil(r.loop.Now() + int64(historyAgain))
	}
	return unknown
}

// askFate asks the lent server, and gives it back; ok is false if it is lost. One that has
// come back from a crash, and has not read so far, knows nothing.
func (r *relay) askFate(c session.Commit) (f fate, ok bool) {
	o := r.roundTrip(query(fmt.Sprintf("SELECT CASE WHEN pg_catalog.pg_last_wal_replay_lsn() OPERATOR(pg_catalog.<) '%X/%X'::pg_catalog.pg_lsn"+
		" THEN NULL ELSE pg_catalog.txid_status(%d) END", c.Position>>32, uint32(c.Position), c.ID)), false)
	if o.why == metrics.None && o.status != 'I' {
		o.why = metrics.ServerProtocol
	}
	if o.why != metrics.None {
		r.logServer(o.said)
		r.at.Discard(&r.claim, o.why)
		return unknown, false
	}
	r.release()
	if o.said != nil || len(o.row) != 1 {
		return unknown, true
	}
	switch string(o.row[0]) {
	case "committed":
		return committed, true
	case "aborted":
		return rolledBack, true
	}
	return unknown, true
}

// borrow waits until a server is lent; false: there is none, or the client does not wait.
func (r *relay) borrow(end int64) bool {
	if r.giveUp(r.loop.Now(), end) {
		r.cancelled = false
		return false
	}
	r.claim.Roams = nil // no other group knows
	for lent := r.acquireHere(nil); !lent && r.claim.Server == nil; r.hush() {
		switch {
		case r.claim.Err != nil || r.claim.Refused != nil:
			return false
		case !r.giveUp(r.loop.Now(), end):
			r.task.ParkUntil(end)
		case r.at.Withdraw(&r.claim):
			r.cancelled = false
			return false
		default:
			r.task.Park() // a server is on its way, and will wake the Task
		}
	}
	return true
}
