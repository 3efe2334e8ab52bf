package pool

import (
	"slices"
	"time"
)

// How far a replica is behind is told by positions in the WAL, and by our own
// clock: the leader is asked where it is once a second, and a replica lags since the
// moment when the leader was first heard to be where the replica is not yet. An
// ordinary user may ask for both. What a replica can tell of itself alone misleads:
// the time of its last transaction grows while an idle leader sends none, it has all
// that it received although nothing is sent to it any more, and when it last heard of
// its leader (pg_stat_wal_receiver) is for pg_read_all_stats only.

// newsFor is how long what was heard last is taken for granted: a few rounds of
// questions.
const newsFor = 3 * inquireEvery

// position is where a server is in the WAL, and what it says of its last transaction.
type position struct {
	lsn  uint64        // written by a leader, replayed by a replica; 0 = not told
	told bool          // idle is
	idle time.Duration // of a replica: since the last transaction that it has replayed was committed
}

// reading is what is known of a replica. The zero value is nothing.
type reading struct {
	at     time.Time // when it was last heard, in recovery
	seen   time.Time // when its position was last compared
	led    time.Time // when its leader was last heard
	behind time.Time // since when it lacks what its leader has written; zero: it has all that is known of
}

// readings are those of a group, by member. They are never changed.
type readings map[string]reading

// ends is until when a member fits if nothing more is heard: with a bound of 0 as long
// as it answers, else as long as it lags no more than that. Behind a leader that is
// silent it counts as lagging since then, as nobody knows better.
func (r reading) ends(bound time.Duration) time.Time {
	switch {
	case r.at.IsZero():
		return time.Time{}
	case bound == 0:
		return r.at.Add(newsFor)
	case r.seen.IsZero():
		return time.Time{}
	case !r.behind.IsZero():
		return r.behind.Add(bound)
	}
	return r.oldest().Add(max(bound, newsFor))
}

// lag is how far the member is behind; false: it is not known.
func (r reading) lag(now time.Time) (time.Duration, bool) {
	switch {
	case r.seen.IsZero():
		return 0, false
	case !r.behind.IsZero():
		return now.Sub(r.behind), true
	}
	if silent := now.Sub(r.oldest()); silent > newsFor {
		return silent, true
	}
	return 0, true
}

func (r reading) oldest() time.Time {
	if r.led.Before(r.seen) {
		return r.led
	}
	return r.seen
}

// gauge makes readings of the positions of one group. It has no clock: times are those
// of the questions. The caller guards it.
type gauge struct {
	epoch   uint64
	marks   []mark // of the leader in this epoch, rising
	led     time.Time
	members map[string]reading // but for led
}

// mark is a position that the leader was heard to have reached.
type mark struct {
	lsn uint64
	at  time.Time // when that was known first
}

// maxMarks bounds what is remembered of a leader: an hour at least. A replica that is
// further behind counts from when that was noticed.
const maxMarks = 5000

// lead takes the leader's position, which it has told by the time at. The positions of
// an earlier epoch say nothing of this one, whose WAL may have forked off below them.
// True: pools may decide otherwise now.
func (g *gauge) lead(epoch uint64, p position, at time.Time) (moved bool) {
	moved = at.Sub(g.led) > newsFor
	if epoch != g.epoch {
		g.epoch, g.marks = epoch, nil
	}
	g.led = at
	lsn := surely(p.lsn)
	if n := len(g.marks); n == 0 || lsn > g.marks[n-1].lsn {
		g.marks = append(g.marks, mark{lsn, at})
	}
	if len(g.marks) > maxMarks {
		g.marks = slices.Delete(g.marks, 0, maxMarks/4)
	}
	return moved
}

const (
	walPage       = 8192      // XLOG_BLCKSZ
	longestRecord = 512 << 10 // of what is usual: 32 pages (XLR_MAX_BLOCK_ID), and room
)

// surely is up to where a replica can be. At the end of a page a leader may have
// written half a record, behind which nothing comes while its transaction is idle
// (XLogBackgroundFlush): a replica stays at the record before.
func surely(lsn uint64) uint64 {
	if lsn%walPage == 0 && lsn > longestRecord {
		return lsn - longestRecord
	}
	return lsn
}

// follow takes the position of a member that is in recovery, which was asked for it
// at a time. True: pools may decide otherwise now.
func (g *gauge) follow(member string, p position, at time.Time) (moved bool) {
	before := g.members[member]
	now := before
	now.at = at
	if behind, known := g.compare(before, p, at); known {
		now.seen, now.behind = at, behind
	}
	if g.members == nil {
		g.members = make(map[string]reading)
	}
	g.members[member] = now
	return at.Sub(before.at) > newsFor || now.seen.Sub(before.seen) > newsFor || now.behind != before.behind
}

// compare says since when a replica at p lacks what its leader has written; zero: it
// has all. What it was asked before the leader told of a mark says nothing of that.
func (g *gauge) compare(before reading, p position, at time.Time) (behind time.Time, known bool) {
	if p.lsn == 0 || len(g.marks) == 0 || g.marks[0].at.After(at) {
		return behind, false
	}
	i := slices.IndexFunc(g.marks, func(m mark) bool { return m.lsn > p.lsn && !m.at.After(at) })
	switch {
	case i < 0:
		return behind, true
	case i > 0:
		return g.marks[i].at, true
	case before.seen.IsZero(): // the leader was there before we first asked
		return at.Add(-max(p.idle, 0)), p.told
	case !before.behind.IsZero(): // or in the epoch before
		return before.behind, true
	}
	return g.marks[0].at, true
}

// forget makes a member unknown again until it is heard.
func (g *gauge) forget(member string) (moved bool) {
	_, moved = g.members[member]
	delete(g.members, member)
	return moved
}

// read is what is known of all members.
func (g *gauge) read() readings {
	all := make(readings, len(g.members))
	for member, r := range g.members {
		r.led = g.led
		all[member] = r
	}
	return all
}
