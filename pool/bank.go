package pool

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"portero/session"
)

// bank is the ledger of the pools between Citus' nodes of one database and user of a
// cluster, and who is kept waiting by it. Pools in session mode have none: what a client
// has there it has for good. Its mu is taken after a Pool's; nothing is locked under it.
type bank struct {
	mu        sync.Mutex
	ledger    ledger
	pools     []*Pool  // by their pages; nil: it is no more
	newcomers []*Claim // kept from a server that was there for them, as they are not inside; in the order of their coming
	craving   []*Claim // likewise, as they are inside and want more than they are owed, for a transaction
	logins    logins
	barred    bool             // somebody was kept waiting since the pools were last looked through
	resting   map[uint64]int64 // servers on which nothing ran when they were last asked about, and since when; by their numbers
}

// bankKey names a bank.
type bankKey struct{ cluster, database, user string }

// bankLocked is the bank that a new pool belongs to; nil for none. Under ps.mu.
func (ps *Pools) bankLocked(key Key) *bank {
	if key.Citus != citusInternal || key.Mode == "session" {
		return nil
	}
	k := bankKey{key.Cluster, key.Database, key.User}
	a := ps.banks[k]
	if a == nil {
		a = &bank{ledger: newLedger(), logins: newLogins()}
		if ps.banks == nil {
			ps.banks = make(map[bankKey]*bank)
		}
		ps.banks[k] = a
	}
	return a
}

// enter gives a pool its page, depart ends that. Banks stay, as clusters, databases
// and users of pools between nodes are few.
func (a *bank) enter(p *Pool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.pools, nil)
	if i < 0 {
		i = len(a.pools)
		a.pools, a.ledger.pools = append(a.pools, nil), append(a.ledger.pools, page{})
	}
	a.pools[i], p.page = p, i
	a.ledger.pools[i] = page{places: p.mayHold()}
}

func (a *bank) depart(p *Pool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pools[p.page] = nil
	a.ledger.pools[p.page].places = 0
}

// mayHold is how many servers the pool may have for transactions, as far as that is known.
func (p *Pool) mayHold() int {
	t := p.terms()
	n := t.Size
	for _, bound := range []int{t.MaxDatabase, t.MaxUser} {
		if bound > 0 {
			n = min(n, bound)
		}
	}
	return max(n, 1)
}

// originOf is for whom a client with these settings asks, or, if they do not tell, the
// client itself.
func originOf(s session.Settings, client uint64) origin {
	name, _ := s.Get(applicationName)
	_, digits, _ := strings.Cut(name, "gpid=")
	n := 0
	for n < len(digits) && '0' <= digits[n] && digits[n] <= '9' {
		n++
	}
	if gpid, err := strconv.ParseUint(digits[:n], 10, 63); err == nil && gpid > 0 {
		return origin(gpid)
	}
	return origin(client | 1<<63)
}

// admit counts a server of p in for a claim, if the ledger lets it have one. For a login the
// place is only promised.
func (a *bank) admit(p *Pool, c *Claim) counted {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ledger.pools[p.page].places = p.mayHold()
	h := holding{c.origin, p.page}
	promised := a.logins.hasPromise(c.Number, h)
	extra := promised || a.ledger.isExtra(h, c.Login)
	if !a.mayLocked(c, h, extra, promised) {
		a.barred = true
		return notCounted
	}
	a.leaveQueueLocked(c)
	if c.Login {
		a.ledger.pools[p.page].extras++
		return countedLogin
	}
	if promised {
		a.ledger.pools[p.page].extras-- // it is taken now
		delete(a.logins.promises, c.Number)
	}
	a.ledger.take(h, extra)
	if extra {
		return countedExtra
	}
	return countedFirst
}

// mayLocked keeps the order. Nobody comes in before one who could have had a server earlier,
// in whatever pool; nor while one who is inside has no place for what he has begun, as he
// holds what others may wait for. Logins come behind those who wait for either.
func (a *bank) mayLocked(c *Claim, h holding, extra, promised bool) bool {
	inside := a.ledger.inside[h.who] > 0
	switch {
	case c.Login:
		return len(a.craving) == 0 && (inside || len(a.newcomers) == 0) && a.ledger.admits(h, true, false)
	case inside && a.ledger.admits(h, extra, promised):
		return true
	case inside:
		a.craving = withClaim(a.craving, c)
		return false
	}
	first := len(a.craving) == 0 && (len(a.newcomers) == 0 || a.newcomers[0] == c)
	if first && a.ledger.admits(h, extra, promised) {
		return true
	}
	a.newcomers = withClaim(a.newcomers, c)
	return false
}

func withClaim(list []*Claim, c *Claim) []*Claim {
	if slices.Contains(list, c) {
		return list
	}
	return append(list, c)
}

func withoutClaim(list []*Claim, c *Claim) []*Claim {
	if i := slices.Index(list, c); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func (a *bank) leaveQueueLocked(c *Claim) {
	if len(a.newcomers)+len(a.craving) > 0 {
		a.newcomers, a.craving = withoutClaim(a.newcomers, c), withoutClaim(a.craving, c)
	}
}

// leaveQueue is told that a claim has given up.
func (a *bank) leaveQueue(c *Claim) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaveQueueLocked(c)
	a.barred = true // until it is looked who may come in its place
}

// giveBack counts a claim's server out again, and reports whether somebody may have waited
// for that. The place of a connection that is not its origin's first is kept for it for a
// moment, as it was at its login.
func (a *bank) giveBack(p *Pool, c *Claim) (awaited bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := holding{c.origin, p.page}
	switch c.counted {
	case countedLogin:
		a.ledger.pools[p.page].extras--
	case countedExtra:
		a.ledger.giveBack(h, true)
		if a.logins.isLate(c.Number) && len(a.craving) == 0 {
			a.promiseLocked(c.Number, h)
		}
	case countedFirst:
		a.ledger.giveBack(h, false)
	}
	awaited, a.barred = a.barred, false
	return awaited
}

// nudge looks through the pools for those who may have a server now. No pool's mu is held.
func (a *bank) nudge() {
	for _, p := range a.poolsNow() {
		if !p.serveAgain() {
			a.passOver(p)
		}
	}
}

// serveAgain is for claims that were kept waiting though there was a server. False: there is
// none for them now.
func (p *Pool) serveAgain() bool {
	p.mu.Lock()
	wake := p.serveLocked()
	p.openLocked()
	has := p.idle > 0 && p.now.hold == NotHeld && !p.cappedLocked(0)
	p.mu.Unlock()
	wakeAll(wake)
	return has
}

// passOver takes the turn of the newcomers of a pool that has no server to give, so that
// nobody waits behind what is not there. They come again with the next server.
func (a *bank) passOver(p *Pool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.newcomers = slices.DeleteFunc(a.newcomers, func(c *Claim) bool { return c.pool == p })
}

// poolsNow are those that there are, that of the first newcomer before all others.
func (a *bank) poolsNow() (all []*Pool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.newcomers {
		if !slices.Contains(all, c.pool) {
			all = append(all, c.pool)
		}
	}
	for _, p := range a.pools {
		if p != nil && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}
