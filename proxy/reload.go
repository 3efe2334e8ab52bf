package proxy

import (
	"errors"

	"portero/auth"
	"portero/config"
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// A reload puts another snapshot in the place of the one in force. Logins that are under
// way end by the old one; a client that has logged in goes on by the new one from its
// next transaction: its route is looked for again, and if that leads elsewhere it takes
// its session there. Who is in the queue of a pool that is his no longer leaves it.
// Clients in session mode keep the server that they have to their end.

var errEnded = errors.New("shutting down")

// Change is a configuration that is ready to be put in force. It ends with Apply or with
// Abandon.
type Change struct {
	proxy  *Proxy
	next   *snapshot
	room   Room
	kept   map[*listener]*terms
	opened []*listener
}

// Prepare opens the listeners that are new, and reads certificates. Nothing has changed
// after an error. It waits for a Change that is under way.
func (p *Proxy) Prepare(cfg *config.Config, a *auth.Authenticator, room Room) (*Change, error) {
	p.reloading.Lock()
	if p.ended {
		p.reloading.Unlock()
		return nil, errEnded
	}
	ch := &Change{proxy: p, next: newSnapshot(cfg, a, len(p.loops), p.now.Load()), room: room, kept: make(map[*listener]*terms)}
	for i := range cfg.Listeners {
		if err := ch.listen(&cfg.Listeners[i]); err != nil {
			ch.Abandon()
			return nil, err
		}
	}
	return ch, nil
}

func (ch *Change) listen(c *config.Listener) error {
	for _, l := range ch.proxy.listeners {
		if l.address == c.Address {
			t, err := newTerms(c)
			ch.kept[l] = t
			return err
		}
	}
	l, err := openListener(c, nil)
	if err == nil {
		ch.opened = append(ch.opened, l)
	}
	return err
}

// Abandon closes what Prepare has opened.
func (ch *Change) Abandon() {
	closeAll(ch.opened)
	ch.proxy.reloading.Unlock()
}

// Apply puts the configuration in force. It returns the addresses in use; clients follow
// by themselves.
func (ch *Change) Apply() (addresses []string) {
	p := ch.proxy
	defer p.reloading.Unlock()
	var now, gone []*listener
	for _, l := range p.listeners {
		if t := ch.kept[l]; t != nil {
			l.terms.Store(t)
			if d, ok := l.Listener.(*door); ok {
				d.keepAlive(ch.next.cfg.Pool.TCPKeepalive)
			}
			now = append(now, l)
		} else {
			gone = append(gone, l)
		}
	}
	p.listeners = append(now, ch.opened...)
	p.now.Store(ch.next)
	p.gate.resize(ch.room)
	p.process.ClientsLimit.Store(int64(ch.room.Clients))
	closeAll(gone)
	p.acceptOn(ch.opened)
	p.clients.each((*client).follow)
	for _, l := range p.listeners {
		addresses = append(addresses, l.String())
	}
	return addresses
}

// follow has the client look for its route again, as soon as it is between two
// transactions. Any goroutine.
func (c *client) follow() {
	c.onLoop(func(l *loop.Loop) {
		if r := c.relay; r != nil {
			l.Wake(r.task)
			return
		}
		if e := c.reroute(c.wayNow()); e != nil {
			c.sock.Write(e.Append(nil)) //nolint:errcheck // it is closed next
			c.end(l, metrics.Reconfigured)
		}
	})
}

// isStale reports whether the client was routed by settings that are in force no longer.
func (c *client) isStale() bool { return c.by != c.proxy.now.Load() }

// way is where a client belongs.
type way struct {
	by    *snapshot
	route *config.Route // nil: nowhere
	target
}

// wayNow is the client's way by the settings in force. Its mode, and the kind of Citus'
// connections that it is, remain what they were when it logged in.
func (c *client) wayNow() way {
	w := way{by: c.proxy.now.Load()}
	if w.route = w.by.route(c.from.address, c.database, c.person.name, nil); w.route != nil {
		w.target = w.by.target(w.route, c.from.terms.Load().cfg, c.database, c.person.name)
		if c.pool.Key.Replicates() {
			w.target = w.as(c.pool.Key.Mode)
		}
		w.key.Mode, w.key.Citus = c.pool.Key.Mode, c.pool.Key.Citus
	}
	return w
}

// leaves reports whether the way of a client leads to another pool than it has,
// or over other groups.
func (w way) leaves(c *client) bool {
	return (w.key != c.pool.Key || w.reach != c.reach) && c.mode != modeSession
}

// reroute sends a client on its way that waits in no queue, and holds no server but in
// session mode. An error ends it.
func (c *client) reroute(w way) *wire.Error {
	if w.route == nil {
		return errReconfigured()
	}
	if w.leaves(c) && w.key != c.pool.Key && c.seldom().hearer != nil { // what it listens to is not there
		return errReconfigured()
	}
	spread, moves := c.spread(), w.leaves(c)
	if moves && w.key != c.pool.Key {
		if e := c.move(w); e != nil {
			return e
		}
	}
	c.course = w.by.course(w.route, c.from)
	if moves {
		c.joinSpread(w.terms, w.by.serverCredentials(w.route, c.pool.Secret()))
		if spread != nil {
			spread.Leave()
		}
	}
	if w.key == c.pool.Key {
		c.agree(w.terms)
	}
	return nil
}

// move takes the client to another pool. What the old one logs in by is his own, if it is
// for the same user.
func (c *client) move(w way) *wire.Error {
	own, before := auth.Credentials{}, c.pool.Key
	if w.key.User == before.User {
		own = c.pool.Secret()
	}
	if c.pool.BetweenNodes() {
		c.pool.Exits(uint64(c.id))
	}
	next, err := c.pool.Move(c.database, w.key, w.terms, w.by.serverCredentials(w.route, own))
	if err != nil {
		return errReconfigured()
	}
	if next.BetweenNodes() {
		next.Enters(uint64(c.id), c.carried.Settings)
	}
	c.proxy.clients.moved(c, next)
	c.proxy.census.move(realmOf(before), realmOf(w.key))
	return nil
}

func errReconfigured() *wire.Error {
	e := wire.Fatal(wire.AdminShutdown, "terminating connection because the configuration has changed")
	e.Hint = "Connect again."
	return e
}

// follow is reroute for a client at work that holds no server and waits in no queue.
func (r *relay) follow() metrics.Reason {
	home, spread := r.c.pool, r.c.spread()
	if e := r.c.reroute(r.c.wayNow()); e != nil {
		r.tell(e)
		return metrics.Reconfigured
	}
	if r.spread = r.c.spread(); r.c.pool != home || r.spread != spread {
		r.goTo(r.c.pool)
	}
	if r.spread == nil {
		r.claim.Roams = nil // the groups that it was spread over serve it no longer
	}
	r.sess.SetPinning(pinning(r.c.route, r.c.mode))
	r.obey()
	return metrics.None
}

// followQueued is follow for a client in the queue of its pool, where it keeps its turn if
// it may stay.
func (r *relay) followQueued() metrics.Reason {
	w := r.c.wayNow()
	moves := w.route == nil || w.leaves(r.c)
	if moves && !r.at.Withdraw(&r.claim) {
		r.hush()
		r.task.Park() // a server is on its way, and will wake the Task
		return metrics.None
	}
	if why := r.follow(); why != metrics.None {
		return why
	}
	if moves {
		r.acquireAgain()
	}
	return metrics.None
}

// resize gives the gate another room. Those who are in stay.
func (g *gate) resize(r Room) {
	g.mu.Lock()
	g.room, g.logins.size, g.late.size = r, r.Logins, r.Late
	g.mu.Unlock()
	g.tell()
}
