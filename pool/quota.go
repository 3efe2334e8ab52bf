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

// quota bounds how many servers all pools have together, from before they are
// dialled until their descriptor is closed. Where there is no room for one that
// a client waits for, the server that has been idle for longest is closed,
// whatever pool it is in; where none is idle, the pool with more servers gives
// one up to the pool with fewer.
type quota struct {
	pressed atomic.Int32 // bids that wait; the same as len(bids)

	mu   sync.Mutex // guards what follows, and the share of each pool; a leaf: nothing is locked under it
	size int
	used int
	bids []*bid
}

// bid is an opener's wait for room.
type bid struct {
	pool    *Pool
	since   int64
	granted chan struct{} // closed when there is room: it is counted as used
}

// errNoRoom ends the opening of a server that no client waits for.
var errNoRoom = errors.New("no room for another server in the limit of open files")

const (
	// bidAgain is how often a waiting bid looks for an idle server again.
	bidAgain = 50 * time.Millisecond
	// starved is how long a pool without any server waits at most for one of a
	// pool that has as few as one.
	starved = time.Second
)

// try takes room for a server of p if there is some that nobody waits for.
func (q *quota) try(p *Pool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used >= q.size || len(q.bids) > 0 {
		return false
	}
	q.used++
	p.share++
	return true
}

// bid asks for room, to be had as soon as there is some.
func (q *quota) bid(p *Pool) *bid {
	b := &bid{pool: p, since: loop.Clock(), granted: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bids = append(q.bids, b)
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

// giveBack makes room again: a server of p is closed, or was never opened.
func (q *quota) giveBack(p *Pool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used--
	p.share--
	q.grantLocked()
}

// grantLocked gives what room there is to the pools that have least, first come
// first served among equals.
func (q *quota) grantLocked() {
	for q.used < q.size && len(q.bids) > 0 {
		least := 0
		for i, b := range q.bids {
			if b.pool.share < q.bids[least].pool.share {
				least = i
			}
		}
		b := q.bids[least]
		q.dropLocked(least)
		q.used++
		b.pool.share++
		close(b.granted)
	}
}

func (q *quota) dropLocked(i int) {
	q.bids = slices.Delete(q.bids, i, i+1)
	q.pressed.Store(int32(len(q.bids)))
}

// owes reports whether p is to close a server that it has just got back, so that
// another pool can have one. If p's own clients need it, that pool must be the
// poorer one even afterwards.
func (q *quota) owes(p *Pool, needed bool) bool {
	if q.pressed.Load() == 0 {
		return false
	}
	now := loop.Clock()
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.bids, func(b *bid) bool {
		poorer := b.pool.share+1 < p.share || b.pool.share == 0 && now-b.since > int64(starved)
		return b.pool != p && (poorer || !needed)
	})
}

// takeRoom finds room for one more server of the pool, for which it may have
// to close another. It blocks as long as a client waits for the server.
func (p *Pool) takeRoom(ctx context.Context) error {
	q := &p.owner.quota
	if q.try(p) {
		return nil
	}
	if !p.clientsWait() {
		return errNoRoom
	}
	b := q.bid(p)
	again := time.NewTicker(bidAgain)
	defer again.Stop()
	for p.clientsWait() {
		select {
		case <-b.granted:
			return nil
		default:
			if !p.owner.evict() {
				p.crampedBy(q)
			}
		}
		select {
		case <-b.granted:
		case <-ctx.Done():
			q.withdraw(b)
			return ctx.Err()
		case <-again.C:
		}
	}
	q.withdraw(b)
	return errNotWanted
}

// crampedBy tells that no server can be opened at present.
func (p *Pool) crampedBy(q *quota) {
	p.mu.Lock()
	p.troubledLocked("the limit of open files leaves no room for another server")
	loud := p.mayWarnLocked()
	p.mu.Unlock()
	p.log.Log(p.ctx, levelOf(loud), "no room for another server", "servers_limit", q.size)
}

func (p *Pool) clientsWait() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queuedLocked() > 0
}

// evict closes the server that has been idle for longest. False: none is idle.
func (ps *Pools) evict() bool {
	var from *Pool
	var oldest *Server
	var since int64
	for _, p := range ps.all() {
		p.mu.Lock()
		for _, at := range p.places {
			if len(at.idle) > 0 && (from == nil || at.idle[0].since < since) {
				from, oldest, since = p, at.idle[0], at.idle[0].since
			}
		}
		p.mu.Unlock()
	}
	if from == nil {
		return false
	}
	from.mu.Lock()
	taken := from.takeIdleLocked(func(s *Server) bool { return s == oldest })
	from.mu.Unlock()
	for _, s := range taken { // none, if it has been lent in between
		from.destroy(s, metrics.ServerEvicted)
	}
	return true
}
