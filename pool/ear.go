package pool

import (
	"sync"

	"portero/wire"
)

// ear is how a pool hears notifications for clients that share servers: one
// connection of the pool's own, beside its servers and not counted by pool_size,
// on which it listens to all that any of its clients listens to. It is opened
// when the first client listens, follows the leader, and is closed a moment after
// the last one has stopped. See ear_open.go and ear_line.go for the connection itself.
//
// What is asked of the connection goes there in rounds: one Query at a time, each
// with all that has come up since the one before. An answer tells that all
// notifications of transactions that had ended before the round was sent have been
// heard: PostgreSQL (since version 14) gives them before its ReadyForQuery.
type ear struct {
	pool *Pool
	stir chan struct{} // holds one: there is something to do

	mu        sync.Mutex          // guards what follows; of the pool's locks only p.mu is taken under it
	channels  map[string]*channel // that somebody listens to
	hearers   int
	changed   map[string]struct{} // channels that may have to be listened to, or no more
	errands   []errand
	sent      uint64 // rounds
	completed uint64 // the last round that was answered
	asking    bool   // a round is unanswered
	running   bool   // run is at work
	connected bool
	missed    bool  // the connection was lost while somebody listened
	deaf      bool  // clients are held until it listens: it is among those of the orders
	leaving   bool  // its connection is to be closed, and another is to listen before it is deaf no more
	leaveBy   int64 // by when, on the loops' clock; 0: not yet

	encoding string // of what it hears, the database's
	usual    string // client_encoding of clients that have not set it
}

// channel is who listens to it, each from behind the round of this number.
type channel struct {
	hearers map[*Hearer]uint64
}

// errand is an Errand that waits for the round of this number.
type errand struct {
	*Errand
	round uint64
	only  bool // what has been heard; it is of no use once the connection is lost
}

// ResumedChannel is the channel on which clients that listen to it are told, by an
// empty notification, that the ear has lost its connection and has another: what
// was sent in between they have not heard.
const ResumedChannel = "portero_resumed"

// MaxChannels is how many channels one client can listen to.
const MaxChannels = 4096

// ErrChannels tells a client that it listens to too many channels.
func ErrChannels() *wire.Error {
	e := wire.Fatal(wire.ConfigurationLimit, "a session can listen to no more than %d channels", MaxChannels)
	e.Hint = "Use fewer channels and longer payloads, or session mode."
	return e
}

func newEar(p *Pool) *ear {
	return &ear{pool: p, stir: make(chan struct{}, 1), channels: make(map[string]*channel), changed: make(map[string]struct{})}
}

// Listen changes what h listens to: first the channels that are gone, then those
// that have come. It hears the new ones from when the Errand has returned, which
// is sent only if there are new ones. False: they are too many. On h's loop.
func (p *Pool) Listen(h *Hearer, gone, come []string, e *Errand) bool {
	a := p.ear
	a.mu.Lock()
	defer a.mu.Unlock()
	before := len(h.channels)
	for _, name := range gone {
		a.goneLocked(h, name)
	}
	for _, name := range come {
		a.comeLocked(h, name)
	}
	a.countLocked(before, len(h.channels))
	if len(come) > 0 {
		e.left++
		a.errands = append(a.errands, errand{e, a.sent + 1, false})
	}
	a.startLocked()
	return len(h.channels) <= MaxChannels
}

// Deafen ends h. On its loop.
func (p *Pool) Deafen(h *Hearer) {
	a := p.ear
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countLocked(len(h.channels), 0)
	for name := range h.channels {
		a.goneLocked(h, name)
	}
	h.notes, h.size = nil, 0
	a.stirred()
}

// AwaitEar sends an Errand that returns when the pool's ear has heard all that was
// sent before. On its loop.
func (p *Pool) AwaitEar(e *Errand) { p.ear.await(e) }

// AwaitEars sends an Errand that returns when all notifications are heard, by all
// ears of the database, that the pool's servers have sent before. On its loop.
func (p *Pool) AwaitEars(e *Errand) {
	for _, q := range p.owner.all() {
		if q.Key.hears(p.Key) {
			q.ear.await(e)
		}
	}
}

// Heard reports whether anybody listens by an ear, of whatever pool. Any goroutine.
func (p *Pool) Heard() bool { return p.owner.hearers.Load() > 0 }

func (a *ear) await(e *Errand) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.connected && len(a.channels) > 0 {
		e.left++
		a.errands = append(a.errands, errand{e, a.sent + 1, true})
		a.stirred()
	}
}

// goneLocked has h not listen to a channel any more, or to none.
func (a *ear) goneLocked(h *Hearer, name string) {
	if name == "" {
		for name := range h.channels {
			a.goneLocked(h, name)
		}
		return
	}
	if _, there := h.channels[name]; !there {
		return
	}
	delete(h.channels, name)
	c := a.channels[name]
	if delete(c.hearers, h); len(c.hearers) == 0 {
		delete(a.channels, name)
		a.changed[name] = struct{}{}
	}
	if len(a.channels) == 0 {
		a.hearsLocked()
	}
}

func (a *ear) comeLocked(h *Hearer, name string) {
	if _, there := h.channels[name]; there {
		return
	}
	h.channels[name] = struct{}{}
	c := a.channels[name]
	if c == nil {
		c = &channel{hearers: make(map[*Hearer]uint64)}
		a.channels[name] = c
		a.changed[name] = struct{}{}
	}
	c.hearers[h] = a.sent + 1
}

// countLocked takes in that a client listens to so many channels now.
func (a *ear) countLocked(before, now int) {
	switch {
	case before == 0 && now > 0:
		a.hearers++
		a.pool.owner.hearers.Add(1)
	case before > 0 && now == 0:
		a.hearers--
		a.pool.owner.hearers.Add(-1)
	}
}

// startLocked sees to it that somebody does what is to be done.
func (a *ear) startLocked() {
	a.stirred()
	if a.running || !a.neededLocked() {
		return
	}
	p := a.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.ctx.Err() != nil {
		return
	}
	a.running = true
	p.owner.openers.Add(1)
	go a.run()
}

// neededLocked: a PAUSE closes it, but not before those have had their answer who keep a server
// until then, and not before the last server (see deaf.go).
func (a *ear) neededLocked() bool {
	return len(a.errands) > 0 || len(a.channels) > 0 && a.pool.ordered() != HoldPaused
}

// start opens the ear again that a PAUSE has closed.
func (a *ear) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.running && a.neededLocked() {
		a.startLocked()
	}
}

// isOpen reports whether there is a connection, or may be one at any time.
func (a *ear) isOpen() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running
}

func (a *ear) stirred() {
	select {
	case a.stir <- struct{}{}:
	default:
	}
}

// heard hands a notification to those who listen to its channel. round is the last
// that they may have begun with.
func (a *ear) heardLocked(name string, frame []byte, round uint64) {
	c := a.channels[name]
	if c == nil {
		return
	}
	for h, from := range c.hearers {
		if from <= round {
			h.putLocked(note{name, frame})
		}
	}
}

// returnLocked takes the errands out that are wanted, for their owners to be told
// once mu is free.
func (a *ear) returnLocked(wanted func(errand) bool) (done []*Errand) {
	kept := a.errands[:0]
	for _, e := range a.errands {
		if wanted(e) {
			done = append(done, e.Errand)
		} else {
			kept = append(kept, e)
		}
	}
	clear(a.errands[len(kept):])
	a.errands = kept
	return done
}

// state is how many clients listen, and to how many channels.
func (a *ear) state() (hearers, channels int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hearers, len(a.channels)
}
