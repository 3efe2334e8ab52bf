package pool

import (
	"time"

	"portero/auth"
	"portero/loop"
)

// keepFor is how long a pool is kept after Keep.
const keepFor = 5 * time.Second

// Keep has a pool keep its minimum of servers open for the next seconds, with or
// without clients; the pool is made if there is none. c is as for Join. Call it
// again before they are over: what a server has refused is tried again then, when
// its refusal is forgotten. It does not block.
func (ps *Pools) Keep(key Key, terms Terms, c auth.Credentials) {
	if !c.Better(noSecret) {
		c = noSecret // as in join
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.pools[key]
	if p == nil {
		if ps.ctx.Err() != nil || ps.refused.recall(attempt{key, c.Fingerprint()}, loop.Clock()) != nil {
			return
		}
		var err error
		if p, err = ps.addLocked(key.Database, key, terms); err != nil {
			return // when there is room
		}
	}
	defer p.Agree(terms) // once its lock is free
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets.offer(c)
	p.kept = loop.Clock() + int64(keepFor)
	p.wanted = max(p.wanted, p.wantedLocked())
	p.openLocked()
}
