package discovery

// reign is the time in which one member leads on one timeline. It is a value:
// each method returns what the reign is after something became known, and has
// no clock, no lock and no memory of its own.
//
// What becomes known arrives in pieces and in no fixed order. At a switchover
// the leader key names the new member first; its timeline follows over any of
// its own word to a server connection (within 0.2 s) and its member key (more
// than a second later). The reign must count once for all of them. So it starts
// with its timeline unknown, and the first credible one completes it; only one
// that is newer than a timeline already known begins another reign.
type reign struct {
	epoch    uint64
	member   string // who leads, or led last; "" before the first
	timeline int64  // of this reign; 0 = not known yet
	floor    int64  // newest timeline of the reigns before; 0 = none known
	owner    string // who came to the newest of both first, and so by a promotion that was its own; "" = not known
	system   string // system identifier now; "" = not known
	past     string // last system identifier that was known
	behind   int64  // what member has proved to be on: older than newest, or come to from such a one; 0 = it has not
	passed   int64  // newest timeline of the history key that counts no more, since an older one was accepted
}

// newest is the newest timeline that a leader of the group is known to have had.
func (r reign) newest() int64 { return max(r.timeline, r.floor) }

// newestWith is newest, with what the history key tells of.
func (r reign) newestWith(history int64) int64 {
	if history == r.passed {
		return r.newest()
	}
	return max(r.newest(), history)
}

// of tells which database is led. Without an identifier the keys were removed:
// what is written next may count timelines from anywhere. Another identifier
// is another database, so that the same member in it is a new leader.
func (r reign) of(system string) reign {
	switch {
	case system == r.system:
		return r
	case system == "":
		r.timeline, r.floor, r.behind, r.passed, r.owner = 0, 0, 0, 0, ""
	case r.past != "" && r.past != system:
		r = reign{epoch: r.epoch}
	}
	r.system = system
	if system != "" {
		r.past = system
	}
	return r
}

// hold tells that member has the leader key; "" that nobody has. Losing the
// key ends no reign: its holder may come back to it, or write on without it
// (Patroni's failsafe mode).
func (r reign) hold(member string) reign {
	if member == "" || member == r.member {
		return r
	}
	r.floor, r.timeline, r.behind = r.newest(), 0, 0
	r.member = member
	r.epoch++
	return r
}

// claim tells what the leader's member key says: primary, on this timeline. The
// key is rewritten once per HA loop only and may describe the member as it was
// in an earlier reign, so that a timeline known from before says nothing.
func (r reign) claim(timeline int64) reign {
	if timeline <= r.newest() {
		return r
	}
	r.behind = 0
	return r.advance(timeline)
}

// prove tells what the leader itself said over a server connection while it was
// not in recovery. This is never late, so that it may also be the timeline of
// the reign before: the key has gone to another member and back, and nobody
// promoted in between.
func (r reign) prove(timeline int64) reign {
	if timeline <= 0 || timeline < r.newest() {
		return r
	}
	return r.advance(timeline)
}

// compare tells whether the timeline that the leader proves is older than the newest
// that was known before, with what the history key tells of. Patroni 3.0 goes back to
// one when a leader that was frozen past its lease wakes and puts its old key over
// the new one (patroni/dcs/etcd3.py, _update_leader). If such a leader is promoted
// where it is, it comes to the number of the newest, and not to what was written there: each
// promotion begins a timeline, so that no two members come to one number by one history.
// Its own it may come back to.
func (r reign) compare(timeline, history int64) reign {
	newest := r.newestWith(history)
	switch {
	case timeline <= 0:
	case timeline < newest, timeline == newest && timeline != r.timeline && (r.behind != 0 || r.foreign(timeline)):
		r.behind = timeline
	default:
		r.behind = 0
	}
	return r
}

// foreign tells whether another member than the leader came to a timeline first.
func (r reign) foreign(timeline int64) bool {
	return timeline == r.newest() && r.owner != "" && r.owner != r.member
}

// accept begins another reign of the same leader on the timeline that it is behind
// on, as an operator has decided. What is newer is forgotten: it is lost.
func (r reign) accept(history int64) reign {
	r.floor, r.timeline, r.behind, r.passed, r.owner = 0, r.behind, 0, history, r.member
	r.epoch++
	return r
}

// advance completes a reign whose timeline is not known yet, and begins another
// if the timeline is newer than the known one.
func (r reign) advance(timeline int64) reign {
	if timeline > r.newest() {
		r.owner = r.member
	}
	if r.timeline != 0 && timeline > r.timeline {
		r.floor = r.timeline
		r.epoch++
	}
	r.timeline = timeline
	return r
}

// forget begins anew with the next leader, whatever its timeline.
func (r reign) forget() reign {
	return reign{epoch: r.epoch, system: r.system, past: r.past}
}
