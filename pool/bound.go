package pool

import "fmt"

// bound counts the servers of one kind, of which there may be only so many: all
// of them, those of one database, or those that are logged in as one user. All
// that it holds is guarded by the quota's mu.
type bound struct {
	used    int // including those that are closing
	closing int // out of the books, and their descriptor not closed yet
	bids    int // that wait for want of it, when last tallied
	pools   int // that it is a bound of
}

// The bounds that a pool has.
const (
	ofAll = iota
	ofDatabase
	ofUser

	numBounds
)

// databaseKey and userKey name bounds.
type (
	databaseKey struct {
		cluster  string
		group    int
		database string
	}
	userKey string
)

// enter gives a new pool its bounds.
func (q *quota) enter(p *Pool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.bounds = [numBounds]*bound{
		ofAll:      &q.all,
		ofDatabase: q.boundLocked(databaseKey{p.Key.Cluster, p.Key.Group, p.Key.Database}),
		ofUser:     q.boundLocked(userKey(p.Key.User)),
	}
}

func (q *quota) boundLocked(key any) *bound {
	b := q.bounds[key]
	if b == nil {
		b = &bound{}
		if q.bounds == nil {
			q.bounds = make(map[any]*bound)
		}
		q.bounds[key] = b
	}
	b.pools++
	return b
}

// depart is told that a pool is given up; its last openers may still be at work.
func (q *quota) depart(p *Pool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range p.bounds[ofDatabase:] {
		b.pools--
	}
	q.forgetLocked(p)
}

// forgetLocked drops what nobody counts by any more. Clients name databases and
// users as they like.
func (q *quota) forgetLocked(p *Pool) {
	for i, key := range [...]any{ofDatabase: databaseKey{p.Key.Cluster, p.Key.Group, p.Key.Database}, ofUser: userKey(p.Key.User)} {
		if b := p.bounds[i]; i != ofAll && b.pools == 0 && b.used == 0 && q.bounds[key] == b {
			delete(q.bounds, key)
		}
	}
}

// isFullLocked reports whether one of its bounds keeps a pool from another server.
func (q *quota) isFullLocked(p *Pool, which int) bool {
	most := q.mostOf(p, which)
	return (which == ofAll || most > 0) && p.bounds[which].used >= most
}

// mostOf is how many servers there may be of a bound, as p is told; 0 = any number, but for
// the bound of all.
func (q *quota) mostOf(p *Pool, which int) int {
	switch which {
	case ofDatabase:
		return p.terms().MaxDatabase
	case ofUser:
		return p.terms().MaxUser
	}
	return q.size
}

// limitsOf is what bounds a pool, for those who look at several.
func (q *quota) limitsOf(p *Pool) (all [numBounds]limit) {
	for i, of := range p.bounds {
		all[i] = limit{of, q.mostOf(p, i)}
	}
	return all
}

func (q *quota) hasRoomLocked(p *Pool) bool {
	for i := range numBounds {
		if q.isFullLocked(p, i) {
			return false
		}
	}
	return true
}

// countLocked counts servers of a pool in or out.
func (q *quota) countLocked(p *Pool, n int) {
	for _, b := range p.bounds {
		b.used += n
	}
	q.changed = true
}

// tallyLocked counts for each bound those who wait for want of it.
func (q *quota) tallyLocked() {
	if !q.changed {
		return
	}
	q.changed = false
	for _, b := range q.bids {
		for _, of := range b.pool.bounds {
			of.bids = 0
		}
	}
	for _, b := range q.bids {
		for i, of := range b.pool.bounds {
			if q.isFullLocked(b.pool, i) {
				of.bids++
			}
		}
	}
}

// helpsLocked reports whether the end of a server of p would make room for the
// bid, which is not being made already.
func (q *quota) helpsLocked(b *bid, p *Pool) (needed bool) {
	q.tallyLocked()
	for i, of := range b.pool.bounds {
		switch {
		case !q.isFullLocked(b.pool, i):
		case p.bounds[i] != of:
			return false
		case of.closing < of.bids:
			needed = true
		}
	}
	return needed
}

// want says, for those who wait, what keeps the pool from another server.
func (q *quota) want(p *Pool) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.isFullLocked(p, ofDatabase):
		return fmt.Sprintf("max_db_connections (%d) leaves no room for another server", p.terms().MaxDatabase)
	case q.isFullLocked(p, ofUser):
		return fmt.Sprintf("max_user_connections (%d) leaves no room for another server", p.terms().MaxUser)
	}
	return "the limit of open files leaves no room for another server"
}
