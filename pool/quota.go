package pool

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"portero/loop"
	"portero/metrics"
)

// quota bounds how many servers all pools have together, those of one database
// and those of one user, from before they are dialled until their descriptor is
// closed. Where there is no room for one that a client waits for, the server that
// has been idle for longest is closed of those that would make room, whatever
// pool it is in; where none is idle, the pool with more servers gives one up to
// the pool with fewer.
type quota struct {
	pressed atomic.Int32 // bids that wait; the same as len(bids)
	size    int          // of all; it stays

	mu      sync.Mutex // guards what follows, and the share and the bounds of each pool; nothing is locked under it
	all     bound
	bounds  map[any]*bound // by databaseKey and userKey
	bids    []*bid         // none of which there is room for
	changed bool           // since bids were tallied
}

// bid is an opener's wait for room.
type bid struct {
	pool    *Pool
	since   int64
	granted chan struct{} // closed when there is room: it is counted as used
}

// errNoRoom ends the opening of a server that no client waits for.
var errNoRoom = errors.New("no room for another server")

const (
	// bidAgain is how often a waiting bid looks for an idle server again.
	bidAgain = 50 * time.Millisecond
	// spare is how long a server must have been idle to be closed for a pool that
	// has not fewer: one that is busy lends it again at once.
	spare = 50 * time.Millisecond
	// starved is how long a pool without any server waits at most for one of a
	// pool that has as few as one.
	starved = time.Second
)

// try takes room for a server of p if there is some that nobody waits for.
func (q *quota) try(p *Pool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.hasRoomLocked(p) {
		return false
	}
	q.countLocked(p, 1)
	p.share++
	return true
}

// bid asks for room, to be had as soon as there is some.
func (q *quota) bid(p *Pool) *bid {
	b := &bid{pool: p, since: loop.Clock(), granted: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bids, q.changed = append(q.bids, b), true
	q.pressed.Store(int32(len(q.bids)))
	q.grantLocked()
	return b
}

// withdraw ends a bid. What it was granted meanwhile goes back.
func (q *quota) withdraw(b *bid) {
	q.mu.Lock()
	i := slices.Index(q.bids, b)
	if i >= 0 {
		q.dropLocked(i)
	}
	q.mu.Unlock()
	if i < 0 {
		q.giveBack(b.pool)
	}
}

// giveBack makes room again: a server of p was not opened.
func (q *quota) giveBack(p *Pool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.countLocked(p, -1)
	p.share--
	q.grantLocked()
	q.forgetLocked(p)
}

// leaves is told that a server of p has left the books, and closed that its
// descriptor is closed.
func (q *quota) leaves(p *Pool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.share--
	for _, b := range p.bounds {
		b.closing++
	}
}

func (q *quota) closed(p *Pool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.countLocked(p, -1)
	for _, b := range p.bounds {
		b.closing--
	}
	q.grantLocked()
	q.forgetLocked(p)
}

// grantLocked gives what room there is to the pools that have least, first come
// first served among equals.
func (q *quota) grantLocked() {
	for len(q.bids) > 0 {
		least := -1
		for i, b := range q.bids {
			if (least < 0 || b.pool.share < q.bids[least].pool.share) && q.hasRoomLocked(b.pool) {
				least = i
			}
		}
		if least < 0 {
			return
		}
		b := q.bids[least]
		q.dropLocked(least)
		q.countLocked(b.pool, 1)
		b.pool.share++
		close(b.granted)
	}
}

func (q *quota) dropLocked(i int) {
	q.bids, q.changed = slices.Delete(q.bids, i, i+1), true
	q.pressed.Store(int32(len(q.bids)))
}

// beats reports whether the bid is for a pool that is to have a server in place
// of p, though p may need it too: it has fewer, also afterwards. Under q's mu.
func (b *bid) beats(p *Pool, now int64) bool {
	return b.pool != p && (b.pool.share+1 < p.share || b.pool.share == 0 && now-b.since > int64(starved))
}

// owes reports whether p is to close a server that it has just got back, so that
// another pool can have one.
func (q *quota) owes(p *Pool) bool {
	if q.pressed.Load() == 0 {
		return false
	}
	now := loop.Clock()
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.bids, func(b *bid) bool { return b.beats(p, now) && q.helpsLocked(b, p) })
}

// mayHave reports whether a server of p that is idle since then is to be closed
// for the bid.
func (q *quota) mayHave(b *bid, p *Pool, since int64) bool {
	now := loop.Clock()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.helpsLocked(b, p) && (now-since >= int64(spare) || b.beats(p, now))
}

// takeRoom finds room for one more server of the pool, for which it may have
// to close another. It blocks as long as it is wanted.
func (p *Pool) takeRoom(ctx context.Context, wanted func() bool) error {
	q := &p.owner.quota
	if q.try(p) {
		return nil
	}
	if !wanted() {
		return errNoRoom
	}
	b := q.bid(p)
	again := time.NewTicker(bidAgain)
	defer again.Stop()
	for wanted() {
		select {
		case <-b.granted:
			return nil
		default:
			p.owner.evict(b)
		}
		select {
		case <-b.granted:
		case <-ctx.Done():
			q.withdraw(b)
			return ctx.Err()
		case <-again.C:
			p.cramped()
		}
	}
	q.withdraw(b)
	return errNotWanted
}

// cramped tells that there has been no room for a while.
func (p *Pool) cramped() {
	want := p.owner.quota.want(p)
	p.mu.Lock()
	p.troubledLocked(want)
	loud := p.mayWarnLocked()
	p.mu.Unlock()
	p.log.Log(p.ctx, levelOf(loud), "no room for another server", "why", want, "servers_limit", p.owner.quota.size)
}

func (p *Pool) clientsWait() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queuedLocked() > 0
}

// evict closes the server that has been idle for longest of those that are to be
// closed for the bid, if there is one.
func (ps *Pools) evict(b *bid) {
	var from *Pool
	var oldest *Server
	var since int64
	for _, p := range ps.all() {
		p.mu.Lock()
		for _, at := range p.places {
			if len(at.idle) == 0 || from != nil && at.idle[0].since >= since {
				continue
			}
			if s := at.idle[0]; ps.quota.mayHave(b, p, s.since) {
				from, oldest, since = p, s, s.since
			}
		}
		p.mu.Unlock()
	}
	if from == nil {
		return
	}
	from.mu.Lock()
	taken := from.takeIdleLocked(func(s *Server) bool { return s == oldest })
	from.mu.Unlock()
	for _, s := range taken { // none, if it has been lent in between
		from.destroy(s, metrics.ServerEvicted)
	}
}
