package proxy

import (
	"portero/auth"
	"portero/pool"
)

// A client whose route has group = "any" gets each of its transactions from the pool that its
// Spread chooses, one after the other from several groups. What needs the coordinator goes to the
// client's own pool, which is the coordinator's.

// roams reports whether the client's transactions may go to several groups.
func (c *client) roams() bool { return roam(c.reach, &c.pool.Key) }

// roam is roams for clients of a route with such a reach, at home in the pool of such a key. Those
// of Citus' own connections stay at the coordinator: a node means the node that it has asked for.
func roam(reach pool.Reach, key *pool.Key) bool {
	return reach != "" && (key.Mode == "transaction" || key.Mode == "statement") && key.Citus == ""
}

// spread is that of the client; nil: it has none.
func (c *client) spread() *pool.Spread {
	if !c.roams() {
		return nil
	}
	return c.pool.Spread(c.reach)
}

// joinSpread counts the client in at the Spread of its course, if that has one.
func (c *client) joinSpread(terms pool.Terms, credentials auth.Credentials) {
	if c.roams() {
		c.proxy.pools.JoinSpread(c.pool, c.database, c.reach, terms, credentials)
	}
}

// agree gives other terms to all pools that the client has.
func (c *client) agree(terms pool.Terms) {
	c.pool.Agree(terms)
	if sp := c.spread(); sp != nil {
		sp.Agree(terms)
	}
}

// chooseFor goes to the pool that what the client asks is to have its server from. rest is what
// it has asked, nil if that is nothing.
func (r *relay) chooseFor(rest []byte) {
	if rest != nil && r.sess.NeedsCoordinator(rest) {
		r.claim.Roams = nil
		r.goTo(r.c.pool)
		return
	}
	r.claim.Roams = r.spread
	r.goTo(r.spread.Choose())
}

// goTo has the client be at another pool. It holds no server, and waits for none.
func (r *relay) goTo(p *pool.Pool) {
	if p == r.at {
		return
	}
	r.unpin() // what it was pinned by has gone with its server
	r.at = p
	r.claim.Bind(p, r.task)
}

// catchUp has the client be where its claim has been given a server meanwhile.
func (r *relay) catchUp() {
	if p := r.claim.Pool(); p != r.at {
		r.unpin()
		r.at = p
	}
}

// acquireAgain looks for another pool for a client that has left the queue of one.
func (r *relay) acquireAgain() {
	if r.spread != nil && r.claim.Roams != nil {
		r.claim.Roams = r.spread
		r.goTo(r.spread.Choose())
	}
	r.claim.Err, r.claim.Refused = nil, nil
	r.at.Acquire(&r.claim)
	r.claim.Strayed = false
}

// isServedElsewhere reports whether a client that a group does not let in can go to another one.
func (r *relay) isServedElsewhere() bool {
	return r.spread != nil && r.claim.Roams != nil && r.spread.Choose() != r.at
}

// atHome reports whether the client's server is the coordinator's.
func (r *relay) atHome() bool { return r.at.Key.Group == r.c.pool.Key.Group }
