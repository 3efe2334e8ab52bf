package pool

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"portero/loop"
	"portero/session"
)

// bank is the ledger of the pools between Citus' nodes of one database and user of a
// cluster, and who is kept waiting by it. Pools in session mode have none: what a client
// has there it has for good. Its mu is taken after a Pool's; nothing is locked under it.
type bank struct {
	mu        sync.Mutex
	ledger    ledger
	pools     []*Pool // by their pages; nil: it is no more
	newcomers newcomers
	craving   []*Claim // kept from a server that was there for them, as they are inside and want more than they are owed, for a transaction
	logins    logins
	barred    bool        // somebody was kept waiting since the pools were last looked through
	due       atomic.Bool // they are going to be looked through
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
		a = newBank()
		if ps.banks == nil {
			ps.banks = make(map[bankKey]*bank)
		}
		ps.banks[k] = a
	}
	return a
}

func newBank() *bank {
	return &bank{ledger: newLedger(), logins: newLogins(), newcomers: newcomers{of: make(map[origin][]*Claim)}}
}

// enter gives a pool its page, depart ends that. A page is given out again once nothing that
// was lent or promised by it is left.
func (a *bank) enter(p *Pool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := 0
	for i < len(a.pools) && (a.pools[i] != nil || !a.ledger.isBlank(i)) {
		i++
	}
	if i == len(a.pools) {
		a.pools, a.ledger.pools, a.newcomers.halls = append(a.pools, nil), append(a.ledger.pools, page{}), append(a.newcomers.halls, hall{})
	}
	a.pools[i], p.page = p, i
	a.ledger.pools[i] = page{places: p.mayHold()}
}

// depart reports whether that was the last pool.
func (a *bank) depart(p *Pool) (last bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pools[p.page] = nil
	a.ledger.pools[p.page].places = 0
	return !slices.ContainsFunc(a.pools, func(p *Pool) bool { return p != nil })
}

// leaveBankLocked ends the bank with its last pool. Under ps.mu and p's.
func (ps *Pools) leaveBankLocked(p *Pool) {
	k := bankKey{p.Key.Cluster, p.Key.Database, p.Key.User}
	if p.bank != nil && p.bank.depart(p) && ps.banks[k] == p.bank {
		delete(ps.banks, k)
	}
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
// place is only promised. outside: it waits for its turn to come in. stirs: others may come in
// now, who waited behind the claim.
func (a *bank) admit(p *Pool, c *Claim) (as counted, outside, stirs bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ledger.pools[p.page].places = p.mayHold()
	a.newcomers.halls[p.page].shut = false
	h := holding{c.origin, p.page}
	promised := a.logins.hasPromise(c.Number, h)
	extra := promised || a.ledger.isExtra(h, c.Login)
	if !a.mayLocked(c, h, extra, promised) {
		a.barred = true
		return notCounted, c.listing == comesNew, false
	}
	stirs = a.leaveQueueLocked(c)
	if c.Login {
		a.ledger.pools[p.page].extras++
		return countedLogin, false, stirs
	}
	if promised {
		a.ledger.pools[p.page].extras-- // it is taken now
		delete(a.logins.promises, c.Number)
	}
	a.ledger.take(h, extra)
	if extra {
		return countedExtra, false, stirs
	}
	return countedFirst, false, stirs
}

// mayLocked keeps the order. Nobody comes in before one who could have had a server earlier,
// in whatever pool; nor while one who is inside has no place for what he has begun, as he
// holds what others may wait for. Logins come behind those who wait for either. All that
// crave are inside: see ceaseLocked.
func (a *bank) mayLocked(c *Claim, h holding, extra, promised bool) bool {
	inside := a.ledger.inside[h.who] > 0
	switch {
	case c.Login:
		return len(a.craving) == 0 && (inside || a.newcomers.first() == nil) && a.hasPlaceLocked(h, true, false)
	case inside && a.hasPlaceLocked(h, extra, promised):
		return true
	case inside:
		a.barLocked(c, craves)
		return false
	}
	first := a.newcomers.first()
	if len(a.craving) == 0 && (first == nil || first == c) && a.hasPlaceLocked(h, extra, promised) {
		return true
	}
	a.barLocked(c, comesNew)
	return false
}

// listing says in which of a bank's lists a claim is.
type listing uint8

const (
	unlisted listing = iota
	comesNew
	craves
)

// barLocked has a claim be in one of the lists, behind all others if it was not there.
func (a *bank) barLocked(c *Claim, l listing) {
	if c.listing == l {
		return
	}
	a.leaveQueueLocked(c)
	if c.listing = l; l == comesNew {
		a.newcomers.add(c)
	} else {
		a.craving = append(a.craving, c)
	}
}

// leaveQueueLocked reports whether the claim was in a list.
func (a *bank) leaveQueueLocked(c *Claim) (was bool) {
	switch c.listing {
	case unlisted:
		return false
	case comesNew:
		a.newcomers.remove(c)
	case craves:
		a.craving = slices.DeleteFunc(a.craving, func(o *Claim) bool { return o == c })
	}
	c.listing = unlisted
	return true
}

// leaveQueue is told that a claim has given up, and reports whether others may come in its
// place.
func (a *bank) leaveQueue(c *Claim) (awaited bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.leaveQueueLocked(c)
}

// ceaseLocked is told that an origin holds nothing any more. What it craves, it wants now as
// one who comes in; else it would keep out all others, and itself. It reports whether there
// is such a claim.
func (a *bank) ceaseLocked(who origin) (was bool) {
	for i := 0; i < len(a.craving); {
		if c := a.craving[i]; c.origin == who {
			a.barLocked(c, comesNew)
			was = true
			continue
		}
		i++
	}
	return was
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
			a.barred = a.promiseLocked(c.Number, h) || a.barred
		}
	case countedFirst:
		a.ledger.giveBack(h, false)
	}
	awaited, a.barred = a.barred, false
	return c.counted != countedLogin && a.ledger.inside[h.who] == 0 && a.ceaseLocked(h.who) || awaited
}

// nudgeSoon has the pools be looked through on a loop, once for all who ask for it until then.
func (a *bank) nudgeSoon(l *loop.Loop) {
	if !a.due.Swap(true) {
		l.Post(a.nudge)
	}
}

// nudge looks through the pools for those who may have a server now. No pool's mu is held.
func (a *bank) nudge() {
	a.due.Store(false)
	for _, p := range a.poolsNow() {
		p.serveAgain()
	}
}

// serveAgain is for claims that were kept waiting though there was a server.
func (p *Pool) serveAgain() {
	p.mu.Lock()
	wake := p.serveLocked()
	p.openLocked()
	passed, was := p.bank.passOver(p, supplyOf(p), p.cannotAskLocked)
	for _, c := range passed {
		p.asideLocked(c, false)
	}
	if was {
		p.bank.nudgeSoon(p.owner.loops[0]) // for those who were looked at before
	}
	p.mu.Unlock()
	wakeAll(wake)
}

// cannotAskLocked reports whether the bank is not asked for a claim, as it could have no
// server now.
func (p *Pool) cannotAskLocked(c *Claim) bool {
	return p.holdsLocked(c) || p.cappedLocked(0) || !p.hasForLocked(c)
}

// supply is what a pool has for those who wait.
type supply struct {
	none  bool // it has no idle server for anybody
	empty bool // and none that may come back
}

// supplyOf looks at a pool. Under its mu.
func supplyOf(p *Pool) supply {
	return supply{none: p.idle == 0 || p.cappedLocked(0) || p.holdsAllLocked(), empty: len(p.servers) == 0}
}

// passOver takes the turn of the newcomers of a pool for whom it has no server, so that
// nobody waits behind what is not there. If it has none for anybody they keep their order
// until it has; others come again with the next server, and are returned. Those who are inside
// keep theirs as long as a server may come back: where the pool has none, as its leader has
// gone, or is held, they lose it too. was: somebody has lost it.
func (a *bank) passOver(p *Pool, has supply, lacks func(c *Claim) bool) (passed []*Claim, was bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := &a.newcomers.halls[p.page]
	for !h.shut && len(h.claims) > 0 && lacks(h.claims[0]) {
		was = true
		if h.shut = has.none; !h.shut {
			passed = append(passed, h.claims[0])
			a.leaveQueueLocked(h.claims[0])
		}
	}
	a.craving = slices.DeleteFunc(a.craving, func(c *Claim) bool {
		if c.pool != p || !has.empty && !p.holdsLocked(c) || !lacks(c) {
			return false
		}
		c.listing, was = unlisted, true
		return true
	})
	return passed, was
}

// poolsNow are those that there are, that of the first newcomer before all others.
func (a *bank) poolsNow() (all []*Pool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if first := a.newcomers.first(); first != nil {
		all = append(all, first.pool)
	}
	for _, p := range a.pools {
		if p != nil && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}
